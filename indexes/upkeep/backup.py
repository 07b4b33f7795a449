"""An index → a copy of one version, made while others read and write; and a copy → the index in its place."""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from indexes.disk import versions
from indexes.disk.files import StoredFile
from indexes.disk.schema import DATABASE
from indexes.disk.store import Store
from indexes.disk.writer import LOCK, take_lock, translated
from indexes.durable import sync
from indexes.errors import IndexDamaged, TargetExists
from indexes.upkeep.check import check
from ingest.errors import shown

BLOCK = 1 << 20
ATTEMPTS = 20
NEW, OLD = "new", "old"  # folders in a temporary folder: the copy, and what it replaces
# Called after each file with (bytes copied, all bytes).
Progress = Callable[[int, int], None]


def backup(folder: Path, target: Path, progress: Progress = lambda *_: None) -> int:
    """Copy the last version of the index in `folder` into the new folder `target`; returns the version.

    The copy is an index like any other. It appears whole and synced to disk, or not at all. Every file is compared
    with its checksum on the way.

    Raises:
        IndexNotFound, IndexDamaged.
        TargetExists: `target` exists and is not an empty folder.
        IndexUnwritable: there is no space or no permission.
    """
    _refuse(target)
    with translated(target), _aside(target) as aside:
        version = _copy(folder, aside / NEW, progress)
        _move_in(aside, target)
    return version


def restore(source: Path, folder: Path, *, force: bool = False, progress: Progress = lambda *_: None) -> int:
    """Make `folder` the index that `source` is a backup of; returns the version.

    Args:
        force: replace the index in `folder`; it is deleted only when the new one is in place.

    Raises:
        IndexNotFound: there is no backup in `source`.
        IndexDamaged: the backup is damaged, holds links, or names files outside itself; `folder` stays as it is.
        TargetExists: `folder` is not empty, and `force` is not set or it is no index.
        IndexBusy: a writer has the index in `folder` open.
        IndexUnwritable: there is no space or no permission.
    """
    _refuse_links(source)
    _, findings = check(source)
    if findings:
        raise IndexDamaged(path=source, detail=f"{findings[0].file}: {findings[0].what}")
    replaced = (folder / DATABASE).is_file()
    if not (force and replaced):
        _refuse(folder)
    with translated(folder), take_lock(folder) if replaced else nullcontext(), _aside(folder) as aside:
        version = _copy(source, aside / NEW, progress)
        (aside / NEW / LOCK).touch()
        _move_in(aside, folder)
    return version


def _refuse_links(source: Path) -> None:
    """Refuse a backup with links: it may come from others, and a link could lead to any file of this machine.

    Raises:
        IndexDamaged: there is a link.
    """
    for folder, folders, files in os.walk(source):
        for name in (*folders, *files):
            if (path := Path(folder, name)).is_symlink():
                raise IndexDamaged(path=source, detail=f"{shown(str(path.relative_to(source)))} is a link")


def _refuse(target: Path) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise TargetExists(path=target)


@contextmanager
def _aside(target: Path) -> Iterator[Path]:
    """A new folder beside `target`, on the same file system, that holds the empty folder `NEW`; deleted afterwards."""
    parent = target.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f"{target.absolute().name}.", dir=parent) as aside:
        Path(aside, NEW).mkdir()  # the temporary folder itself can be read by its owner alone
        yield Path(aside)


def _move_in(aside: Path, target: Path) -> None:
    """Rename `NEW` to `target`; an old `target` is missing only between two renames, and moved to `OLD`."""
    old = aside / OLD
    try:
        if target.exists():
            target.rename(old)
        (aside / NEW).rename(target)
    except BaseException:
        if old.exists() and not target.exists():
            old.rename(target)
        raise
    sync(target.absolute().parent)


def _copy(folder: Path, target: Path, progress: Progress) -> int:
    """Copy the last version, file by file; files and names are synced to disk. Returns the version."""
    for attempt in range(ATTEMPTS):
        store = Store(folder)
        try:
            with store.snapshot():
                version, files = store.version, store.files.current()
                held = versions.hold(folder, version)
                _copy_database(store.connection, target / DATABASE)
            _copy_files(folder, target, files, progress)
            break
        except FileNotFoundError:  # a writer has removed a version that could not be held
            if attempt == ATTEMPTS - 1 or store.version == version:
                raise
            shutil.rmtree(target)
            target.mkdir()
        finally:
            store.close()
    if held is not None:
        held.close()
    versions.confirm(versions.mark(target, version))
    for path in [target, *(path for path in target.rglob("*") if path.is_dir())]:
        sync(path)
    return version


def _copy_database(connection: sqlite3.Connection, target: Path) -> None:
    copy = sqlite3.connect(target)
    try:
        connection.backup(copy)  # of the snapshot that is open
    finally:
        copy.close()
    sync(target)


def _copy_files(folder: Path, target: Path, files: list[StoredFile], progress: Progress) -> None:
    done, total = 0, sum(file.bytes for file in files)
    for file in files:
        path = target / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with (folder / file.name).open("rb") as source, path.open("wb") as copy:
            while block := source.read(BLOCK):
                digest.update(block)
                copy.write(block)
            copy.flush()
            os.fsync(copy.fileno())
        if digest.hexdigest() != file.sha256:
            raise IndexDamaged(path=folder, detail=f"{file.name} does not have the bytes that were written")
        done += file.bytes
        progress(done, total)
