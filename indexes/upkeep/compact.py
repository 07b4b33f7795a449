"""An index without anything of the documents that were deleted from it.

A deleted document answers nothing from the commit on, but its words lie in the files until here: its
rows for readers of older versions, its vectors and postings because files are never changed.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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
    """What compacting did; bytes are those of all files of the index."""

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
    """Remove every trace of deleted documents; the others stay as they are.

    Postings keep no terms that could be copied, so where documents were deleted they are made again
    from the stored text: Kiwi reads about 100,000 characters a second.

    Args:
        wait_seconds: for processes that still read an older version.

    Raises:
        IndexInUse: some still do; their process ids. What was done so far stays done.
        IndexBusy, IndexUnwritable, IndexDamaged.
    """
    before = folder_bytes(folder)
    with Writer(folder, manifest, on_step) as writer:
        _await_readers(folder, writer.version + 1, wait_seconds)
        documents = writer.rows
        terms = None
        if any(lexical.holds_deleted(path) for path in writer.store.files.postings()):
            terms = lambda store: stored_terms(store, documents, analyser, progress)  # noqa: E731
        writer.replace(*_live_rows(folder, writer.store, documents), terms)
        _await_readers(folder, writer.version, wait_seconds)  # who began to read meanwhile
        writer.purge()
        forget_parts(folder)
        _shrink(writer, folder, on_step)
        version = writer.version
    return Compaction(version, before, folder_bytes(folder))


def _live_rows(folder: Path, store: Store, documents: Sequence[DocumentRow]):
    """The segments that hold rows of deleted documents, and what is left of them: keys and vectors."""
    live = key_ranges(documents)
    opened = [dense.open_segment(folder / "dense", name) for name in store.files.segments()]
    dead = [segment for segment in opened if not dense.rows_in(segment.keys, live).all()]
    if not dead:
        return [], np.zeros(0, np.int64), np.zeros((0, 0), np.float32)
    return [segment.name for segment in dead], *dense.read_all_rows(dead, live)


def folder_bytes(folder: Path) -> int:
    """Size of all files of an index."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _await_readers(folder: Path, below: int, seconds: float) -> None:
    found = versions.wait_for_readers(folder, below, seconds)
    if found:
        pids = sorted({pid for holders in found.values() for pid in holders})
        raise IndexInUse(path=folder, holders=", ".join(map(str, pids)) or "?")


def _shrink(writer: Writer, folder: Path, on_step: OnStep) -> None:
    """Write the database anew, so that no free page and no log holds what was deleted."""
    on_step("vacuum")
    connection = writer.store.connection
    connection.execute("VACUUM")
    on_step("truncate log")
    until = time.monotonic() + CHECKPOINT_SECONDS
    while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:  # somebody reads just now
        if time.monotonic() > until:
            raise IndexInUse(path=folder, holders="?")
        time.sleep(0.05)
