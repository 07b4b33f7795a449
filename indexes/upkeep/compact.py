"""An index → the same index without any trace of deleted documents.

A deleted document is not found any more after the commit, but its words stay in the files until the index is
compacted: its rows for readers of older versions, its vectors and postings because files are never changed.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexes.disk import dense, lexical, versions
from indexes.disk.documents import DocumentRow
from indexes.disk.store import Store
from indexes.disk.visible import key_ranges
from indexes.disk.writer import OnStep, Writer
from indexes.errors import IndexInUse
from indexes.types import Manifest
from indexes.upkeep.rebuild import Progress, stored_terms
from indexes.upkeep.reembed import forget_parts
from ingest.korean.analyse import Analyser

CHECKPOINT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Compaction:
    """The result of compacting: the new version, and the size of all files of the index before and after."""

    version: int
    bytes_before: int
    bytes_after: int


def compact(
    folder: Path,
    manifest: Manifest,
    analyser: Analyser,
    *,
    wait_seconds: float = 0.0,
    progress: Progress = lambda *_: None,
    on_step: OnStep = lambda _: None,
) -> Compaction:
    """Remove every trace of deleted documents; other documents stay as they are.

    Terms cannot be copied out of postings, so if documents were deleted, the postings are made again from the stored
    text: Kiwi reads about 100,000 characters a second.

    Args:
        wait_seconds: the time to wait for processes that still read an older version.

    Raises:
        IndexInUse: some still do; it names their process ids. What is done by then stays done.
        IndexBusy, IndexUnwritable, IndexDamaged.
    """
    before = folder_bytes(folder)
    with Writer(folder, manifest, on_step) as writer:
        _await_readers(folder, writer.version + 1, wait_seconds)
        documents = writer.rows
        terms = None
        if any(lexical.holds_deleted(path) for path in writer.store.files.postings()):
            terms = stored_terms(writer.store, documents, analyser, progress)
        writer.replace(*_live_rows(folder, writer.store, documents), terms)
        _await_readers(folder, writer.version, wait_seconds)  # readers that began meanwhile
        writer.purge()
        forget_parts(folder)
        _shrink(writer, folder, on_step)
        version = writer.version
    return Compaction(version, before, folder_bytes(folder))


def _live_rows(
    folder: Path, store: Store, documents: Sequence[DocumentRow]
) -> tuple[list[str], NDArray[np.int64], NDArray[np.float16] | NDArray[np.float32]]:
    """Names of the segments with rows of deleted documents, and keys and vectors of their other rows."""
    live = key_ranges(documents)
    opened = [dense.open_segment(folder / "dense", name) for name in store.files.segments()]
    dead = [segment for segment in opened if not dense.rows_in(segment.keys, live).all()]
    if not dead:
        return [], np.zeros(0, np.int64), np.zeros((0, 0), np.float32)
    return [segment.name for segment in dead], *dense.read_all_rows(dead, live)


def folder_bytes(folder: Path) -> int:
    """The size of all files of an index, in bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _await_readers(folder: Path, below: int, seconds: float) -> None:
    found = versions.wait_for_readers(folder, below, seconds)
    if found:
        pids = sorted({pid for holders in found.values() for pid in holders})
        raise IndexInUse(path=folder, holders=", ".join(map(str, pids)) or "?")


def _shrink(writer: Writer, folder: Path, on_step: OnStep) -> None:
    """Write the database again, so that neither a free page nor the log holds deleted text."""
    on_step("vacuum")
    connection = writer.store.connection
    connection.execute("VACUUM")
    on_step("truncate log")
    until = time.monotonic() + CHECKPOINT_SECONDS
    while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:  # somebody is reading
        if time.monotonic() > until:
            raise IndexInUse(path=folder, holders="?")
        time.sleep(0.05)
