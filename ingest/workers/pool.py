"""Files → documents, chunks and index terms, each read in a child process with limits.

A bad file fails alone: a hang ends at the time limit, a leak at the memory limit, and a crash takes one
child. The children are those of a helper process (`helper.py`), which is started fresh, never forked from
the caller, whose threads a fork would not survive. Where there is no fork (Windows), files are read in the
calling process, without limits.
"""

import contextlib
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from ingest.errors import ReaderEnded, UnreadableFile
from ingest.parse import Parsed, ParseOptions, Parser
from ingest.workers import wire
from ingest.workers.jobs import outcome

# A reader that ends itself for want of memory (PDFium) does so with one of these.
OUT_OF_MEMORY = {signal.SIGABRT, signal.SIGILL, signal.SIGTRAP}


class WorkerPool:
    """Reads many files in child processes; a context manager.

    Results come in the order of the paths, whatever order they finish in, and at most a few wait:
    memory does not grow with the number of files.

    Args:
        module: what the helper process runs; calls `helper.main`.
    """

    def __init__(self, options: ParseOptions, module: str = "ingest.workers.helper") -> None:
        self._options = options
        self._module = module
        self._size = options.limits.workers or os.cpu_count() or 1
        self._folder: str | None = None  # of the temporary files of all children
        self._process: subprocess.Popen | None = None
        self._helper: socket.socket | None = None
        self._children: dict[int, socket.socket] = {}

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *exc_info) -> None:
        self._stop()

    def parse(self, paths: Iterable[str]) -> Iterator[Parsed | UnreadableFile]:
        """Each path's result, in order: what it holds, or why it cannot be read. One call at a time."""
        if not hasattr(os, "fork"):
            parser = Parser(self._options)
            yield from (outcome(parser.parse, path, self._options.limits) for path in paths)
            return
        jobs = iter(paths)
        for first in jobs:  # where there is nothing to read, nothing is started
            if self._process is None:
                self._start()
            yield from self._schedule(enumerate(chain([first], jobs)))

    def _start(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="rag-")
        self._helper, theirs = socket.socketpair()
        source = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", self._module, str(theirs.fileno()), str(self._size), self._folder],
            stdin=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # Ctrl-C goes to the caller, which ends the pool in good order
            # Children are as many as there are cores: the threads of each one's BLAS would spin in vain.
            env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
        )
        theirs.close()
        # Where it has ended already, its socket says so, too.
        with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write(json.dumps(wire.options_to_json(self._options)).encode())

    def _stop(self) -> None:
        if self._folder is not None:
            self._stop_processes()
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _stop_processes(self) -> None:
        if self._process is None:
            return
        for connection in (self._helper, *self._children.values()):
            connection.close()
        # Children in the middle of a file would go on until it is read.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process, self._helper, self._children = None, None, {}

    def _schedule(self, jobs: Iterator[tuple[int, str]]) -> Iterator[Parsed | UnreadableFile]:
        idle = list(self._children.values())
        running: dict[socket.socket, tuple[int, str]] = {}
        finished: dict[int, Parsed | UnreadableFile] = {}
        selector = selectors.DefaultSelector()
        for connection in (self._helper, *idle):
            selector.register(connection, selectors.EVENT_READ)
        due, more, whole = 0, True, False
        try:
            while more or running or finished:
                while more and idle and len(running) + len(finished) < 4 * self._size:
                    job = next(jobs, None)
                    more = job is not None
                    if job:
                        connection = idle.pop()
                        running[connection] = job
                        _send(connection, job)
                while due in finished:
                    yield finished.pop(due)
                    due += 1
                if running or (more and not idle):
                    finished |= self._wait(selector, idle, running)
            whole = True
        finally:
            selector.close()
            # Left in the middle, also between two lines of this file: answers would come to nobody.
            if not whole:
                self._stop()

    def _wait(
        self,
        selector: selectors.BaseSelector,
        idle: list[socket.socket],
        running: dict[socket.socket, tuple[int, str]],
    ) -> dict[int, Parsed | UnreadableFile]:
        """Wait until a child answers, dies or is born; the results that came of it, by job."""
        finished = {}
        for key, _ in selector.select():
            if key.fileobj is self._helper:
                old, end, new = self._next_child()
                if old in running:
                    number, path = running.pop(old)
                    finished[number] = self._result(path, wire.receive(old) or end)
                if old is not None:
                    _forget(selector, idle, old)
                    old.close()
                selector.register(new, selectors.EVENT_READ)
                idle.append(new)
            elif key.fileobj.fileno() < 0:
                continue  # closed in this round: it died
            elif (reply := wire.receive(key.fileobj)) is None:
                _forget(selector, idle, key.fileobj)  # dead; the helper is to say how
            else:
                number, path = running.pop(key.fileobj)
                finished[number] = self._result(path, reply)
                if not wire.ran_out_of_memory(reply):
                    idle.append(key.fileobj)
        return finished

    def _next_child(self) -> tuple[socket.socket | None, dict[str, int], socket.socket]:
        """The child that ended, if one did, how it ended, and the new one in its place."""
        try:
            message, descriptors, _, _ = socket.recv_fds(self._helper, wire.CHILD.size, 1)
        except ConnectionError:
            message = b""
        if not message:
            raise ReaderEnded(how=_how_it_ended(self._process.wait()))
        slot, code, peak_mb = wire.CHILD.unpack(message)
        new = socket.socket(fileno=descriptors[0])
        old, self._children[slot] = self._children.get(slot), new
        return old, {"exit": code, "peak_mb": peak_mb}, new

    def _result(self, path: str, reply: dict[str, Any]) -> Parsed | UnreadableFile:
        if "exit" in reply:
            return self._died(path, reply["exit"], reply["peak_mb"])
        return wire.result_from_json(path, reply)

    def _died(self, path: str, code: int, peak_mb: int) -> UnreadableFile:
        limits = self._options.limits
        if code == -signal.SIGALRM:
            return UnreadableFile("timeout", path, f"{limits.timeout_seconds:g}")
        if code == -signal.SIGKILL:  # never ours: the system, for want of memory, or a person
            return UnreadableFile("killed", path)
        if -code in OUT_OF_MEMORY and peak_mb > limits.max_memory_mb / 2:
            return UnreadableFile("memory", path, str(limits.max_memory_mb))
        return UnreadableFile("crashed", path, _how_it_ended(code))


def _how_it_ended(code: int) -> str:
    """A name for the end of a process; `code` as subprocess gives it."""
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"exit {code}"


def _send(connection: socket.socket, job: tuple[int, str]) -> None:
    with contextlib.suppress(BrokenPipeError):  # a child that died idle; the helper will say so
        wire.send(connection, {"path": job[1]})


def _forget(selector: selectors.BaseSelector, idle: list[socket.socket], dead: socket.socket) -> None:
    if dead in selector.get_map():
        selector.unregister(dead)
    if dead in idle:
        idle.remove(dead)
