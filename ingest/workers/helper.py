"""The process that `WorkerPool` starts: it loads what is heavy once, then keeps forked children that read.

    python -m ingest.workers.helper DESCRIPTOR CHILDREN FOLDER    (a `Start` as JSON on standard input)

Children share the 0.5 GB of Kiwi. Each has a socket of its own, which the helper hands to the caller: nobody
else holds the child's end, so a child that dies in the middle of an answer leaves an end of file and no half
message. The helper sees the end of its caller, however that came about, and ends its children at once.
"""

import contextlib
import ctypes
import gc
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from ingest.errors import UnreadableFile
from ingest.workers import wire
from ingest.workers.jobs import JOBS, Job, Start, Worker

# What a child ends with when its caller is gone. Not 0: a library that calls exit() ends with that.
CALLER_GONE = 83


def main(arguments: Sequence[str], make_worker: Callable[..., Worker] = Worker) -> None:
    """Serve the parent, which sends a `Start` as JSON on standard input.

    Args:
        arguments: descriptor of the parent's socket, number of children, folder for temporary files.
        make_worker: called like `Worker`.
    """
    descriptor, size, folder = arguments
    os.dup2(2, 1)  # standard output is the caller's, who may print JSON there
    # Its bytes: the locale may have another encoding than UTF-8, and a password stray bytes.
    start = wire.build(Start, json.load(sys.stdin.buffer))
    worker = make_worker(start.options, reads=start.reads)
    settle_memory()
    _give_memory_back()  # what loading has freed; children would each free their view of it
    parent = socket.socket(fileno=int(descriptor))
    _Helper(worker, parent, Path(folder)).run(int(size))


def settle_memory() -> None:
    """Leave what is loaded to the garbage collector no more, and let it come seldom.

    A page makes thousands of small tuples and hardly a cycle: looking for cycles took a fifth of the
    time of reading. And what the collector never touches, forked children go on sharing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


class _Helper:
    """Keeps the children: forks another where one ends, and ends them all with the caller."""

    def __init__(self, worker: Worker, parent: socket.socket, folder: Path) -> None:
        self._worker = worker
        self._parent = parent
        self._folder = folder
        self._slots: dict[int, int] = {}  # by process id

    def run(self, size: int) -> None:
        awake, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to be written to `wake`
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        with contextlib.suppress(BrokenPipeError), selectors.DefaultSelector() as selector:
            for slot in range(size):
                self._fork(slot)
            selector.register(awake, selectors.EVENT_READ)
            selector.register(self._parent, selectors.EVENT_READ)  # it never writes: readable is ended
            while self._parent not in [key.fileobj for key, _ in selector.select()]:
                os.read(awake, 512)
                self._replace_ended()
        self._end_all()

    def _replace_ended(self) -> None:
        while self._slots:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if not pid:
                return
            slot = self._slots.pop(pid)
            shutil.rmtree(self._folder / str(slot), ignore_errors=True)
            code = os.waitstatus_to_exitcode(status)
            if code != CALLER_GONE:
                self._fork(slot, code, max(0, _peak_mb(usage) - _own_memory_mb()))

    def _end_all(self) -> None:
        """The caller is gone: nobody waits for what the children are reading."""
        for pid in self._slots:
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self._folder, ignore_errors=True)
        os.killpg(0, signal.SIGKILL)  # and what the children have started

    def _fork(self, slot: int, code: int = 0, peak_mb: int = 0) -> None:
        """Fork a child and hand its socket to the parent, with how the one before it ended."""
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if not pid:
            status = 1
            try:
                ours.close()
                self._parent.close()
                _use_temporary_folder(self._folder / str(slot))
                status = _serve(self._worker, theirs)
            finally:
                os._exit(status)
        self._slots[pid] = slot
        theirs.close()
        socket.send_fds(self._parent, [wire.CHILD.pack(slot, code, peak_mb)], [ours.fileno()])
        ours.close()


def _own_memory_mb() -> int:
    """What this process holds now, as its children do when they are forked."""
    import resource  # not on Windows

    statm = Path("/proc/self/statm")
    if not statm.exists():
        return _peak_mb(resource.getrusage(resource.RUSAGE_SELF))
    return int(statm.read_text(encoding="ascii").split()[1]) * resource.getpagesize() // 2**20


def _peak_mb(usage) -> int:
    return usage.ru_maxrss // (2**20 if sys.platform == "darwin" else 2**10)


def _use_temporary_folder(folder: Path) -> None:
    """A folder of the child's own, which goes with it: a child that is killed cleans nothing up."""
    folder.mkdir(mode=0o700, exist_ok=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)


def _serve(worker: Worker, connection: socket.socket) -> int:
    """Do what is asked for until the caller is gone; the exit status of the child."""
    _limit_resources(worker.limits.max_memory_mb * 2**20)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends a child that hangs inside a library
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})  # a mask is inherited from the caller
    while (asked := wire.receive(connection)) is not None:
        signal.setitimer(signal.ITIMER_REAL, worker.limits.timeout_seconds)
        frame, ends = _reply(worker, wire.build(JOBS[asked["job"]], asked["fields"]))
        signal.setitimer(signal.ITIMER_REAL, 0)  # the caller takes the answer when it has time
        try:
            connection.sendall(frame)
        except ConnectionError:
            break
        if ends:
            return 1
        del frame
        _give_memory_back()
    return CALLER_GONE


def _give_memory_back() -> None:
    """Free memory to the system, where the allocator is glibc's: else a child stays as large as its
    largest file made it, and in a long run every child meets a large one. It takes 0.2 to 13 ms."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _limit_resources(allowance: int) -> None:
    import resource  # not on Windows

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no file of the memory's size
    statm = Path("/proc/self/statm")
    fields = statm.read_text(encoding="ascii").split() if statm.exists() else []
    if fields:  # on other systems than Linux there is no such limit
        limit = int(fields[0]) * resource.getpagesize() + allowance
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _reply(worker: Worker, job: Job) -> tuple[bytes, bool]:
    """The answer, ready to be sent, and whether it is the child's last.

    A child that ran out of memory ends: it keeps what the file took, and the next would lack it.
    """
    outcome = worker.outcome(job)
    try:
        if not isinstance(outcome, UnreadableFile):
            return wire.frame({"result": outcome}), False
    except MemoryError:
        outcome = UnreadableFile("memory", job.path, str(worker.limits.max_memory_mb))
    failure = {"reason": outcome.reason, "detail": outcome.fields["detail"], "page": outcome.page}
    ends = outcome.reason == "memory"
    return wire.frame({"failure": failure, "ends": ends}), ends


if __name__ == "__main__":
    main(sys.argv[1:])
