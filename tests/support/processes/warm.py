"""Helper processes of a worker pool, forked from one process that has loaded what all of them need.

A fresh helper takes three seconds to load Kiwi, and the tests start more than a hundred. The code that runs in
the process is the product's own; only `ingest.workers.pool.start_process` is replaced.

    python -m tests.support.processes.warm DESCRIPTOR    (of the socket that says what to run)
"""

import contextlib
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path

from ingest.korean.analyse import load_kiwi
from ingest.workers.pool import child_environment

ROOT = Path(__file__).parents[3]
NUMBER = struct.Struct("<i")  # on `status`: first the process id, and when it has ended its exit code
MOST_BYTES = 1 << 17  # the greatest size of a message, most of which is the environment
LIBRARIES = ("ingest.parse", "langchain_text_splitters", "pypdf", "pypdfium2", "lxml.etree", "docx")


class WarmStart:
    """Starts helpers as `start_process` does, each in a few milliseconds; a context manager.

    The process that they are forked from starts with the first helper and ends with this process.
    """

    def __init__(self) -> None:
        self._ready: subprocess.Popen | None = None
        self._control: socket.socket | None = None

    def __enter__(self) -> "WarmStart":
        return self

    def __exit__(self, *exc_info) -> None:
        if self._ready:
            self._control.close()
            self._ready.wait()

    def __call__(self, module: str, connection: socket.socket, *arguments: str) -> "WarmProcess":
        if self._ready is None:
            self._load()
        theirs, stdin = os.pipe()
        status, their_status = os.pipe()
        message = {
            "arguments": [module, *arguments],
            "folder": os.getcwd(),
            "environment": child_environment(),
        }
        descriptors = [connection.fileno(), theirs, 1, 2, their_status]
        socket.send_fds(self._control, [json.dumps(message).encode()], descriptors)
        os.close(theirs)
        os.close(their_status)
        return WarmProcess(stdin, status)

    def _load(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._ready = subprocess.Popen(
                [sys.executable, "-m", "tests.support.processes.warm", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd=ROOT,
                env=child_environment(),
                start_new_session=True,  # Ctrl-C goes to the tests alone
            )


class WarmProcess:
    """What a pool uses of `subprocess.Popen`. The process is no child of this one, so another one waits for it."""

    def __init__(self, stdin: int, status: int) -> None:
        self.stdin = open(stdin, "wb")  # noqa: SIM115 - the pool closes it
        self._status = open(status, "rb")  # noqa: SIM115 - closed when the process has ended
        self.pid = self._read()
        self._code: int | None = None

    def _read(self) -> int:
        data = self._status.read(NUMBER.size)
        if not data:
            raise ChildProcessError("the process that has everything loaded is gone")
        return NUMBER.unpack(data)[0]

    def wait(self) -> int:
        if self._code is None:
            with self._status:
                self._code = self._read()
        return self._code

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


def serve(control: socket.socket) -> None:
    """Fork a process for each message, and report how it ended, until the tests close the socket."""
    load_kiwi()
    for library in LIBRARIES:
        importlib.import_module(library)
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # so that the signal is written to `wake`
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    running: dict[int, int] = {}  # process id → the descriptor to report its end to
    with selectors.DefaultSelector() as selector:
        for readable in (awake, control):
            selector.register(readable, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if awake in ready:
                os.read(awake, 512)
                report_ended(running)
            if control in ready:
                message, descriptors, _, _ = socket.recv_fds(control, MOST_BYTES, 5)
                if not message:
                    return
                *given, status = descriptors
                if not (pid := os.fork()):
                    control.close()
                    become(json.loads(message), *given, status)
                running[pid] = status
                for descriptor in given:
                    os.close(descriptor)


def report_ended(running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        descriptor = running.pop(pid)
        with contextlib.suppress(BrokenPipeError):  # nobody reads the report
            os.write(descriptor, NUMBER.pack(os.waitstatus_to_exitcode(status)))
        os.close(descriptor)


def become(message: Mapping, connection: int, stdin: int, stdout: int, stderr: int, status: int) -> None:
    """Run a module as `python -m` would, in a session of its own; never returns."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.write(status, NUMBER.pack(os.getpid()))
        os.close(status)
        for number, descriptor in enumerate((stdin, stdout, stderr)):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(message["environment"])
        os.chdir(message["folder"])
        tempfile.tempdir = None
        module, *arguments = message["arguments"]
        sys.argv = [module, str(connection), *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter does at its end
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
