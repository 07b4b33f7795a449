"""Locks that show which versions of an index are being read: one marker file for each version.

A reader holds a shared lock on the marker of its version as long as it is open, so the writer knows which files of
old versions are still needed. The lock of a dead reader ends with its process. The lock needs no permission to write.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

FOLDER = "versions"
CONFIRMED = b"committed\n"
LOCKS = Path("/proc/locks")  # Linux: the processes that hold locks


def mark(folder: Path, version: int) -> Path:
    """Make the marker of `version`, which its readers lock; returns its path. It is not synced."""
    path = _path(folder, version)
    path.parent.mkdir(exist_ok=True)
    path.touch()
    return path


def confirm(marker: Path) -> None:
    """Write into a version's marker that it was committed, and sync the marker."""
    with marker.open("wb") as file:
        file.write(CONFIRMED)
        file.flush()
        os.fsync(file.fileno())


def last_confirmed(folder: Path) -> int:
    """The last version whose marker says that it was committed; 0 if there is none."""
    return max((version for version, path in _marked(folder) if _is_confirmed(path)), default=0)


def forget_unborn(folder: Path, current: int) -> None:
    """Remove the markers of versions after `current`, whose commits failed."""
    for version, path in list(_marked(folder)):
        if version > current:
            path.unlink(missing_ok=True)


def hold(folder: Path, version: int) -> IO[bytes] | None:
    """Hold `version`: its files are kept until the returned marker is closed.

    None if the file system has no locks, or if a writer is removing the version at this moment, because there is a
    later one.
    """
    try:
        held = open(_path(folder, version), "rb")  # noqa: SIM115 - held as long as the reader
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        held.close()
        return None
    if os.fstat(held.fileno()).st_nlink == 0:
        held.close()
        return None
    return held


def oldest_held(folder: Path, current: int) -> int:
    """The oldest version that is being read, or `current`; removes the markers of older versions nobody reads."""
    oldest = current
    for version, path in sorted(_marked(folder)):
        if version < current and _is_held(path):
            oldest = min(oldest, version)
    return oldest


def holders(folder: Path, below: int) -> dict[int, list[int]]:
    """The readers of versions before `below`: version → process ids, as far as the system names them."""
    return {v: _processes(path) for v, path in sorted(_marked(folder)) if v < below and _is_held(path)}


def wait_for_readers(folder: Path, below: int, seconds: float) -> dict[int, list[int]]:
    """Wait up to `seconds` until nobody reads a version before `below`; returns the readers that are left."""
    until = time.monotonic() + seconds
    while (found := holders(folder, below)) and time.monotonic() < until:
        time.sleep(0.1)
    return found


def _path(folder: Path, version: int) -> Path:
    return folder / FOLDER / f"{version:08d}"


def _is_confirmed(path: Path) -> bool:
    try:
        return path.read_bytes() == CONFIRMED
    except FileNotFoundError:
        return False


def _marked(folder: Path) -> Iterator[tuple[int, Path]]:
    if (folder / FOLDER).is_dir():
        for path in (folder / FOLDER).iterdir():
            if path.name.isdecimal():
                yield int(path.name), path


def _is_held(path: Path) -> bool:
    """Whether somebody reads the version; if not, its marker is removed, so that nobody can begin to."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks: its readers keep what they have open
        return False
    return False


def _processes(path: Path) -> list[int]:
    try:
        status = path.stat()
        device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
        rows = [line.split() for line in LOCKS.read_text(encoding="ascii").splitlines()]
    except OSError:
        return []
    return sorted({int(row[4]) for row in rows if device in row and "FLOCK" in row and int(row[4]) > 0})
