"""A reader that does to its process what a broken library could do; the name of the file says what."""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from ingest.workers import helper
from ingest.workers.jobs import Job, Result, Worker


class MisbehavingWorker(Worker):
    """Reads files like its parent class, except those whose name says what to do instead."""

    def do(self, job: Job) -> Result:
        misdeed = getattr(self, "_" + Path(job.path).stem, None)
        if misdeed is not None:
            misdeed()
        return super().do(job)

    def _exit0(self) -> None:
        os._exit(0)

    def _exit3(self) -> None:
        os._exit(3)

    def _segfault(self) -> None:
        ctypes.string_at(0)

    def _abort(self) -> None:
        os.abort()

    def _kill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)  # as the system does when memory runs out

    def _hang(self) -> None:
        ctypes.CDLL(None).sleep(600)  # in native code, so no Python code runs meanwhile

    def _devour(self) -> None:
        hoard = []
        while True:
            hoard.append(bytearray(2**24))

    def _shout(self) -> None:
        raise ValueError("\x1b[31m" + "아" * 10_000 + "\n둘째 줄")

    def _recursion(self) -> None:
        self._recursion()

    def _print(self) -> None:
        sys.stdout.write("라이브러리가 쓴 말\n")
        sys.stdout.flush()
        os.write(1, b"native\n")

    def _litter(self) -> None:
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(b"0" * 1000)
        subprocess.run(["sh", "-c", 'echo x > "$TMPDIR/of-a-program"'], check=True)
        os.abort()


if __name__ == "__main__":
    helper.main(sys.argv[1:], MisbehavingWorker)
