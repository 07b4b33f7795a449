"""The one writer of an index: collects changes, and commits them all or not at all.

A commit writes and syncs new files, then names them in SQLite's transaction. Before that nobody sees them, and after
a crash the next writer removes them. Small files are merged into large ones in a version of its own, not in a commit,
so that the cost of adding a page does not depend on the size of the index.
"""

import fcntl
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from indexes.disk import dense, lexical, versions
from indexes.disk.documents import DocumentRow
from indexes.disk.files import StoredFile
from indexes.disk.schema import seal_of
from indexes.disk.store import CALIBRATION, Store
from indexes.disk.visible import key_ranges
from indexes.durable import sync
from indexes.errors import IndexBusy, IndexUnwritable
from indexes.types import Calibration, Manifest, NewContent, StoredDocument, check_manifest
from ingest.document import Chunk

LOCK = "writer.lock"

# Called with the name of the writer's next step: for progress, and for tests that stop the process there.
OnStep = Callable[[str], None]


class Writer:
    """Open for writing; a context manager. One at a time, in one process and thread."""

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        on_step: OnStep = lambda _: None,
        *,
        new_embedder: bool = False,
        new_analyser: bool = False,
        exact_rows: int = dense.EXACT_ROWS,
    ) -> None:
        """Take the lock, create the index if there is none, and remove the files that a dead writer left.

        Args:
            new_embedder: allow another embedder than the index was built with; the caller must then
                `replace` all vectors.
            new_analyser: allow another analyser; the caller must then `replace` all terms.
            exact_rows: segments of more rows are searched by codes first.

        Raises:
            IndexBusy: another writer is open.
            IndexMismatch: the index was built with other models.
            IndexUnwritable: there is no space or no permission.
        """
        self.folder = folder
        self._manifest = manifest
        self._on_step = on_step
        self._exact_rows = exact_rows
        with translated(folder):
            (folder / "dense").mkdir(parents=True, exist_ok=True)
            (folder / "lexical").mkdir(exist_ok=True)
            self._lock = take_lock(folder)
            try:
                self._store = Store(folder, writable=True)
                if (built := self._store.manifest) is not None:
                    embedder = None if new_embedder else manifest.embedder
                    analyser = None if new_analyser else manifest.analyser
                    check_manifest(folder, built, embedder, analyser)
                self._version = self._store.version
                rows = self._store.documents.of(self._version)
                self.documents = {row.document.document_id: row.document for row in rows}
                self._contents = {row.document.document_id: row.content for row in rows}
                self._store.check_seal()
                self._store.check_version()
                self._next_key = int(self._store.meta("next_key") or 1)
                self._sweep()
            except BaseException:
                self._lock.close()
                raise
        # By document id, what the next commit does:
        self._new: dict[str, NewContent] = {}
        self._closed: dict[str, bool] = {}  # rows to end; True: the chunks are deleted, too
        self._opened: dict[str, StoredDocument] = {}  # rows with new paths or groups only

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *exc_info) -> None:
        # SQLite reads its log only up to the first flipped bit, and the log has no second copy: empty it now.
        with suppress(sqlite3.Error):
            self._store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._store.close()
        self._lock.close()

    @property
    def version(self) -> int:
        """Number of the last commit."""
        return self._version

    @property
    def pending_chunks(self) -> int:
        """Chunks that the next commit adds."""
        return sum(len(content.chunks) for content in self._new.values())

    @property
    def has_changes(self) -> bool:
        """Whether the next commit changes anything."""
        return bool(self._new or self._closed or self._opened)

    def add(self, content: NewContent) -> None:
        """Add a document; it replaces the one with the same id, if any.

        Raises:
            ValueError: the numbers of chunks, rows of terms and vectors differ.
        """
        if not len(content.chunks) == len(content.terms) == len(content.vectors):
            sizes = f"{len(content.terms)} rows of terms, {len(content.vectors)} vectors"
            raise ValueError(f"{content.document.document_id} has {len(content.chunks)} chunks, {sizes}")
        document = replace(content.document, chunks=len(content.chunks), pages=len(content.pages))
        if document.document_id in self.documents:
            self.remove(document.document_id)
        self._contents[document.document_id] = self._next_key
        self._next_key += max(1, len(content.chunks))
        self._new[document.document_id] = replace(content, document=document)
        self.documents[document.document_id] = document

    def change(self, document: StoredDocument) -> None:
        """Store new paths or groups of a document whose content stays the same."""
        if pending := self._new.get(document.document_id):
            self._new[document.document_id] = replace(pending, document=document)
        else:
            self._closed.setdefault(document.document_id, False)
            self._opened[document.document_id] = document
        self.documents[document.document_id] = document

    def remove(self, document_id: str) -> None:
        """Remove a document; KeyError if there is none with that id."""
        del self.documents[document_id]
        del self._contents[document_id]
        self._opened.pop(document_id, None)
        if self._new.pop(document_id, None) is None:
            self._closed[document_id] = True

    @property
    def rows(self) -> list[DocumentRow]:
        """The documents in the order of their chunk keys, uncommitted ones included."""
        found = [
            DocumentRow(self._contents[document.document_id], document)
            for document in self.documents.values()
        ]
        return sorted(found, key=lambda row: row.content)

    def commit(self) -> int:
        """Make all changes since the last commit visible at once; returns the version.

        Without changes nothing is written, except the first version of a new index.

        Raises:
            IndexUnwritable: there is no space or no permission; the last commit stays in force.
        """
        if not self.has_changes and self._version:
            return self._version
        with translated(self.folder):
            self._sweep()  # files of a commit that failed
            version = self._version + 1
            dense_files = self._write_vectors(version)
            lexical_files = self._write_postings(version)
            self._commit_version(version, dense_files, lexical_files)
        return version

    def merge(self) -> int:
        """Merge small files into larger ones, if there are enough; returns the version.

        Search results stay the same. Rows of deleted documents in the merged files are dropped.

        Raises:
            ValueError: there are uncommitted changes.
            IndexUnwritable: there is no space or no permission; the last commit stays in force.
        """
        if self.has_changes:
            raise ValueError("commit before merging")
        with translated(self.folder):
            version = self._version + 1
            dense_files = self._merge_vectors(version)
            lexical_files = self._merge_postings(version)
            if dense_files is None and lexical_files is None:
                return self._version
            self._commit_version(version, dense_files, lexical_files)
        return version

    def replace(
        self,
        segments: Collection[str],
        keys: NDArray[np.int64],
        vectors: NDArray[np.float32] | NDArray[np.float16],
        terms: Iterable[tuple[int, str, str]] | None,
    ) -> int:
        """Replace some vectors, and the postings or not; documents stay the same. Returns the version.

        Args:
            segments: names of the segments of vectors to remove.
            keys, vectors: (N,) ascending and (N, D), to store instead.
            terms: of all chunks of the current documents, as `lexical.write_version` takes them; None keeps the
                postings.
        """
        built = self._store.manifest
        other = built is not None and not built.embedder.same_vectors(self._manifest.embedder)
        if not (segments or len(keys) or terms is not None or other):
            return self._version
        with translated(self.folder):
            version = self._version + 1
            kept = [f for f in self._store.files.current("dense") if dense.segment_of(f.name) not in segments]
            dense_files = kept + (self._write_segment(version, keys, vectors) if len(keys) else [])
            lexical_files = None if terms is None else self._write_version(version, (), terms, anew=True)
            self._commit_version(version, dense_files, lexical_files)
        return version

    @property
    def calibration(self) -> Calibration | None:
        """The result of calibrating the index; None before."""
        return self._store.calibration

    def set_calibration(self, found: Calibration) -> None:
        """Store the result of calibrating, at once; the version stays the same."""
        self.note(CALIBRATION, found.to_json())

    def chunks(self, document: StoredDocument) -> list[Chunk]:
        """All chunks of a committed document, in order."""
        return self._store.texts.chunks_of(DocumentRow(self._contents[document.document_id], document))

    def note(self, name: str, value: str) -> None:
        """Store a fact about the index in its table `meta`; documents and files stay the same."""
        with translated(self.folder), self._store.transaction():
            self._store.set_meta(name, value)

    def purge(self) -> None:
        """Delete the rows that only older versions have; call it when nobody reads those any more."""
        self._on_step("purge")
        with translated(self.folder):
            self._store.connection.execute("PRAGMA secure_delete = ON")
            with self._store.transaction():
                self._store.purge()
                self._store.files.forget(self._version)
            self._sweep()

    @property
    def store(self) -> Store:
        """The writer's database, for maintenance."""
        return self._store

    def _commit_version(
        self,
        version: int,
        dense_files: Sequence[StoredFile] | None,
        lexical_files: Sequence[StoredFile] | None,
    ) -> None:
        """Commit `version`: the pending changes, and the given files (None keeps the present ones)."""
        self._on_step("sync folders")
        marker = versions.mark(self.folder, version)
        for folder in (self.folder / "dense", self.folder / "lexical", marker.parent, self.folder):
            sync(folder)
        self._on_step("begin transaction")
        try:
            with self._store.transaction():
                self._write_documents(version)
                self._on_step("name files")
                for kind, files in (("dense", dense_files), ("lexical", lexical_files)):
                    if files is not None:
                        self._store.files.replace(kind, files, version)
                self._store.files.forget(self._oldest)
                self._store.set_manifest(self._manifest)
                self._store.set_meta("next_key", str(self._next_key))
                self._store.set_meta("version", str(version))
                self._store.set_meta("seal", seal_of(self._store.connection))
                self._on_step("commit transaction")
            self._on_step("confirm version")
            versions.confirm(marker)
        finally:
            if self._store.version == version:  # also if an interrupt arrived during the commit
                self._version = version
                self._new, self._closed, self._opened = {}, {}, {}
        self._sweep()

    def _write_documents(self, version: int) -> None:
        """The pending changes as rows of `version`, in the transaction that is open."""
        documents = self._store.documents
        for document_id in self._closed:
            documents.close(document_id, version)
        for document in self._opened.values():
            documents.insert(DocumentRow(self._contents[document.document_id], document), version)
        for document_id, content in self._new.items():
            first = self._contents[document_id]
            documents.insert(DocumentRow(first, content.document), version)
            self._store.texts.insert(first, content.pages, content.chunks)

    def _write_vectors(self, version: int) -> list[StoredFile] | None:
        """The files of vectors, with a segment of the new chunks; None if there are no new chunks."""
        contents = [content for content in self._new.values() if content.chunks]
        if not contents:
            return None
        firsts = [self._contents[content.document.document_id] for content in contents]
        keys = np.concatenate(
            [np.arange(first, first + len(c.chunks)) for first, c in zip(firsts, contents, strict=True)]
        )
        vectors = np.concatenate([content.vectors for content in contents])
        return self._store.files.current("dense") + self._write_segment(version, keys, vectors)

    def _write_segment(self, version: int, keys, vectors) -> list[StoredFile]:
        self._on_step("write vectors")
        folder, name = self.folder / "dense", f"{version:08d}"
        names = dense.write_segment(folder, name, keys, vectors, self._exact_rows)
        self._on_step("sync vectors")
        return [_record(self.folder, f"dense/{name}", "dense") for name in names]

    def _merge_vectors(self, version: int) -> list[StoredFile] | None:
        """The files of vectors after merging small segments; None if there is nothing to merge.

        Afterwards each segment is larger than all later ones together, so the number of segments, and the number of
        times that a vector is copied, grow only with the logarithm of the number of chunks.
        """
        stored = self._store.files.current("dense")
        merged, total = [], 0
        for name in reversed(self._store.files.segments()):
            segment = dense.open_segment(self.folder / "dense", name)
            if len(segment.keys) > total and merged:
                break
            merged.append(segment)
            total += len(segment.keys)
        if len(merged) < 2:
            return None
        live = key_ranges(self.rows)
        gone = {segment.name for segment in merged}
        kept = [file for file in stored if dense.segment_of(file.name) not in gone]
        keys, vectors = dense.read_all_rows(merged, live)
        return kept + (self._write_segment(version, keys, vectors) if len(keys) else [])

    def _write_postings(self, version: int) -> list[StoredFile] | None:
        removed = [document_id for document_id, entirely in self._closed.items() if entirely]
        if not self._new and not removed:
            return None
        added = (
            (self._contents[document_id] + offset, document_id, terms)
            for document_id, content in self._new.items()
            for offset, terms in enumerate(content.terms)
        )
        return self._write_version(version, removed, added)

    def _merge_postings(self, version: int) -> list[StoredFile] | None:
        previous = self._postings()
        if previous is None or not lexical.needs_merge(previous):
            return None
        files = self._write_version(version, (), (), merge=True)
        unchanged = lexical.segments_of(previous) == lexical.segments_of(
            self.folder / Path(files[0].name).parent
        )
        return None if unchanged else files

    def _postings(self) -> Path | None:
        return next(iter(self._store.files.postings()), None)

    def _write_version(
        self, version: int, removed, added, *, anew: bool = False, merge: bool = False
    ) -> list[StoredFile]:
        self._on_step("write postings")
        folder = self.folder / "lexical" / f"{version:08d}"
        previous = None if anew else self._postings()
        names = lexical.write_version(folder, previous, removed, added, merge=merge or anew)
        known = {Path(file.name).name: file for file in self._store.files.current("lexical")}
        self._on_step("sync postings")
        files = [
            _record(self.folder, f"lexical/{version:08d}/{name}", "lexical", known.get(name))
            for name in names
        ]
        sync(folder)
        return files

    def _sweep(self) -> None:
        """Remove the files that neither the current version nor one that is being read names."""
        self._on_step("sweep")
        self._oldest = versions.oldest_held(self.folder, self._version)
        versions.forget_unborn(self.folder, self._version)
        named = self._store.files.names(self._oldest)
        for path in (self.folder / "dense").iterdir():
            if f"dense/{path.name}" not in named:
                path.unlink(missing_ok=True)
        folders = {Path(name).parent.name for name in named if name.startswith("lexical/")}
        for path in (self.folder / "lexical").iterdir():
            if path.name not in folders:
                shutil.rmtree(path, ignore_errors=True)  # anything left is removed by the next sweep


def _record(folder: Path, name: str, kind: str, known: StoredFile | None = None) -> StoredFile:
    """The record of a new file, which is synced; a link to the file `known` keeps that one's checksum."""
    path = folder / name
    size = path.stat().st_size
    linked = known is not None and os.path.exists(folder / known.name)
    if linked and os.path.samefile(path, folder / known.name):
        return StoredFile(name, kind, size, known.sha256)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return StoredFile(name, kind, size, digest)


def take_lock(folder: Path) -> IO[str]:
    """The lock of an index's only writer, held until it is closed or its process ends.

    Raises:
        IndexBusy: another process holds it.
    """
    lock = open(folder / LOCK, "a+", encoding="utf-8")  # noqa: SIM115 - held as long as the writer
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        lock.seek(0)
        holder = lock.read().strip() or "?"
        lock.close()
        raise IndexBusy(path=folder, holder=holder) from exc
    lock.seek(0)
    lock.truncate()
    lock.write(f"pid {os.getpid()}")
    lock.flush()
    return lock


@contextmanager
def translated(folder: Path) -> Iterator[None]:
    """Raise IndexUnwritable in place of errors of the operating system and of SQLite."""
    try:
        yield
    except OSError as exc:
        raise IndexUnwritable(path=folder, detail=exc.strerror or str(exc)) from exc
    except sqlite3.OperationalError as exc:
        raise IndexUnwritable(path=folder, detail=str(exc)) from exc
