"""Jobs about files → their results, each done in a child process with limits on time and memory.

A bad file fails alone: a hang ends at the time limit, a leak at the memory limit, and a crash takes one
child. The children are those of a helper process (`helper.py`), which is started fresh, never forked from
the caller, whose threads a fork would not survive. Where there is no fork (Windows), jobs are done in the
calling process, one at a time and without limits.
"""

import contextlib
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, cast

from ingest.errors import ReaderEnded, UnreadableFile
from ingest.parse import IngestConfig, Parsed, ParseOptions, Reading
from ingest.pdf.ocr import Tesseract
from ingest.workers import wire
from ingest.workers.jobs import (
    RESULTS,
    Draw,
    Job,
    Locate,
    Located,
    Parse,
    Picture,
    Read,
    Result,
    Start,
    Worker,
)

# PDFium keeps state for the whole process, and two threads in it crash.
ONE_AT_A_TIME = threading.Lock()
# A reader that ends itself for want of memory (PDFium) does so with one of these.
OUT_OF_MEMORY = {signal.SIGABRT, signal.SIGILL, signal.SIGTRAP}


class WorkerPool:
    """Does jobs about files in child processes; a context manager. One call at a time.

    Results come in the order of the jobs, whatever order they finish in, and at most a few wait:
    memory does not grow with the number of files.

    Args:
        options: `limits` are those of each job; `limits.workers` (0: the number of cores) children work.
        reads: whether files will be parsed and read, or only located and drawn, which needs less memory
            and starts faster.
        module: what the helper process runs; calls `helper.main`.
    """

    def __init__(
        self, options: ParseOptions, *, reads: bool = True, module: str = "ingest.workers.helper"
    ) -> None:
        self._options = options
        self._reads = reads
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
        """Each path's result, in order: what it holds, or why it cannot be read."""
        return cast("Iterator[Parsed | UnreadableFile]", self._do(Parse(path) for path in paths))

    def read(self, path: str) -> Reading:
        """What each line of the file at `path` was taken for.

        Raises:
            UnreadableFile.
        """
        return cast("Reading", self._do_one(Read(path)))

    def locate(self, job: Locate) -> Located:
        """Where the span stands.

        Raises:
            UnreadableFile.
        """
        return cast("Located", self._do_one(job))

    def draw(self, jobs: Iterable[Draw]) -> Iterator[Picture | UnreadableFile]:
        """Each page as a picture, in order, or why it cannot be drawn."""
        return cast("Iterator[Picture | UnreadableFile]", self._do(jobs))

    def _do_one(self, job: Job) -> Result:
        (outcome,) = self._do([job])
        if isinstance(outcome, UnreadableFile):
            raise outcome
        return outcome

    def _do(self, jobs: Iterable[Job]) -> Iterator[Result | UnreadableFile]:
        jobs = iter(jobs)
        for first in jobs:  # where there is nothing to do, nothing is started
            if not hasattr(os, "fork"):
                yield from self._do_here(chain([first], jobs))
                return
            if self._process is None:
                self._start()
            yield from self._schedule(enumerate(chain([first], jobs)))

    def _do_here(self, jobs: Iterable[Job]) -> Iterator[Result | UnreadableFile]:
        worker = Worker(self._options, reads=self._reads)
        for job in jobs:
            with ONE_AT_A_TIME:
                outcome = worker.outcome(job)
            yield outcome

    def _start(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="rag-")
        self._helper, theirs = socket.socketpair()
        self._process = start_process(self._module, theirs, str(self._size), self._folder)
        theirs.close()
        # Where it has ended already, its socket says so, too.
        with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write(wire.dump(Start(self._options, self._reads)))

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

    def _schedule(self, jobs: Iterator[tuple[int, Job]]) -> Iterator[Result | UnreadableFile]:
        idle = list(self._children.values())
        running: dict[socket.socket, tuple[int, Job]] = {}
        finished: dict[int, Result | UnreadableFile] = {}
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
                        _send(connection, job[1])
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
        running: dict[socket.socket, tuple[int, Job]],
    ) -> dict[int, Result | UnreadableFile]:
        """Wait until a child answers, dies or is born; the results that came of it, by job."""
        finished = {}
        for key, _ in selector.select():
            if key.fileobj is self._helper:
                old, end, new = self._next_child()
                if old in running:
                    number, job = running.pop(old)
                    finished[number] = self._result(job, wire.receive(old) or end)
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
                number, job = running.pop(key.fileobj)
                finished[number] = self._result(job, reply)
                if reply.get("ends"):
                    self._part_with(key.fileobj, selector)
                else:
                    idle.append(key.fileobj)
        return finished

    def _part_with(self, connection: socket.socket, selector: selectors.BaseSelector) -> None:
        """The child ends after this answer: a later call must not take it for idle."""
        selector.unregister(connection)
        connection.close()
        self._children = {slot: child for slot, child in self._children.items() if child is not connection}

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

    def _result(self, job: Job, reply: dict[str, Any]) -> Result | UnreadableFile:
        """What came of `job`: `reply` is a child's answer, or tells how the child ended instead."""
        if "result" in reply:
            return wire.build(RESULTS[type(job)], reply["result"])
        if "exit" in reply:
            return self._died(job.path, reply["exit"], reply["peak_mb"])
        failure = reply["failure"]
        return UnreadableFile(failure["reason"], job.path, failure["detail"], failure["page"])

    def _died(self, path: str, code: int, peak_mb: int) -> UnreadableFile:
        limits = self._options.limits
        if code == -signal.SIGALRM:
            return UnreadableFile("timeout", path, f"{limits.timeout_seconds:g}")
        if code == -signal.SIGKILL:  # never ours: the system, for want of memory, or a person
            return UnreadableFile("killed", path)
        if -code in OUT_OF_MEMORY and peak_mb > limits.max_memory_mb / 2:
            return UnreadableFile("memory", path, str(limits.max_memory_mb))
        return UnreadableFile("crashed", path, _how_it_ended(code))


def drawing_pool(
    limits: IngestConfig,
    passwords: tuple[tuple[str, str], ...],
    most: int,
    tesseract: Tesseract | None = None,
) -> WorkerPool:
    """A pool of at most `most` children that locates and draws; it reads nothing for an index."""
    workers = max(1, min(most, limits.workers or os.cpu_count() or 1))
    options = ParseOptions(
        tokenizer_json="",
        limits=replace(limits, workers=workers),
        passwords=passwords,
        tesseract=tesseract,
    )
    return WorkerPool(options, reads=False)


def start_process(module: str, connection: socket.socket, *arguments: str) -> subprocess.Popen:
    """A fresh Python that runs `module` with the descriptor of `connection`, then `arguments`, as arguments.

    Its standard input is a pipe. It leads a process group of its own.
    """
    return subprocess.Popen(
        [sys.executable, "-m", module, str(connection.fileno()), *arguments],
        stdin=subprocess.PIPE,
        pass_fds=[connection.fileno()],
        start_new_session=True,  # Ctrl-C goes to the caller, which ends the pool in good order
        env=child_environment(),
    )


def child_environment() -> dict[str, str]:
    """The environment of a helper: it finds this package wherever the caller found it."""
    source = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
    # There is a child for each core already: threads of BLAS in each of them would only spin.
    return {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}


def _how_it_ended(code: int) -> str:
    """A name for the end of a process; `code` as subprocess gives it."""
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"exit {code}"


def _send(connection: socket.socket, job: Job) -> None:
    with contextlib.suppress(BrokenPipeError):  # a child that died idle; the helper will say so
        wire.send(connection, {"job": type(job).__name__, "fields": job})


def _forget(selector: selectors.BaseSelector, idle: list[socket.socket], dead: socket.socket) -> None:
    if dead in selector.get_map():
        selector.unregister(dead)
    if dead in idle:
        idle.remove(dead)
