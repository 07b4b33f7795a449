"""A damaged index → a whole one, made of its undamaged parts.

Vectors and postings are made again from the stored text. Text cannot be made again: a document whose rows are damaged
is removed, and must be ingested from its file again.
"""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexes.disk import dense, versions
from indexes.disk.documents import DocumentRow
from indexes.disk.schema import (
    DATABASE,
    FORMAT,
    TABLES,
    create_database,
    insert,
    intact,
    seal_of,
    set_facts,
)
from indexes.disk.store import Store
from indexes.disk.visible import key_ranges
from indexes.disk.writer import OnStep, Writer, take_lock, translated
from indexes.errors import IndexDamaged, IndexFormat, IndexNotFound
from indexes.models.embedder import Embedder
from indexes.types import Manifest
from indexes.upkeep.check import check, check_database, damaged_files, damaged_segments
from indexes.upkeep.rebuild import Progress, stored_terms, stored_vectors
from ingest.korean.analyse import Analyser


@dataclass(frozen=True, slots=True)
class Lost:
    """A document that was removed; the fields are as read from its row, which may be damaged."""

    document_id: str
    path: str
    title: str


@dataclass(slots=True)
class Repair:
    """`repaired`: (file, what was done) of each repair. `removed`: the documents to ingest again."""

    version: int = 0
    repaired: list[tuple[str, str]] = field(default_factory=list)
    removed: list[Lost] = field(default_factory=list)


def repair(
    folder: Path,
    manifest: Manifest,
    embedder: Embedder,
    analyser: Analyser,
    *,
    progress: Callable[[str], Progress] = lambda _: lambda *_: None,
    on_step: OnStep = lambda _: None,
) -> Repair:
    """Make the index in `folder` whole; nothing is written if nothing is wrong.

    Args:
        manifest: the models that the index was built with; used if its own record of them is damaged.
        progress: gives the progress callback for "vectors" and for "postings".

    Raises:
        IndexNotFound, IndexFormat, IndexMismatch, IndexBusy, IndexUnwritable.
        IndexDamaged: SQLite cannot open the database, so nothing can be saved from it.
    """
    done = Repair()
    if not (folder / DATABASE).is_file():
        raise IndexNotFound(path=folder)
    with translated(folder), take_lock(folder):
        lost = _salvage(folder, manifest, done, on_step) if _is_damaged(folder) else False
    with Writer(folder, manifest, on_step) as writer:
        done.version = _remake_files(writer, embedder, analyser, done, anew=lost, progress=progress)
    _, findings = check(folder)
    if findings:
        raise IndexDamaged(path=folder, detail=f"{findings[0].file}: {findings[0].what}")
    return done


def _is_damaged(folder: Path) -> bool:
    """Whether a row of the database is damaged or missing."""
    try:
        with closing(Store(folder)) as store, store.snapshot():
            _, findings = check_database(store)
            return bool(findings) or store.manifest is None
    except IndexFormat as exc:
        if exc.fields["found"] is None:
            return True
        raise
    except (IndexDamaged, sqlite3.DatabaseError, ValueError, TypeError):
        return True


# rows → a database of those that are whole


def _salvage(folder: Path, manifest: Manifest, done: Repair, on_step: OnStep) -> bool:
    """Replace the damaged database by one of the undamaged documents; True if a document is lost, or may be."""
    path = folder / DATABASE
    uri = f"{path.resolve().as_uri()}?mode=rw"
    on_step("salvage")
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as old:
        old.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        try:
            old.execute("SELECT name FROM sqlite_master").fetchall()
        except sqlite3.DatabaseError as exc:
            raise IndexDamaged(path=folder, detail=f"{DATABASE}: {exc}") from exc
        salvage = _Salvage(old, folder)
        create_database(path, lambda new: salvage.fill(new, manifest))
    on_step("salvaged")
    if (folder / versions.FOLDER).is_dir():  # the markers are of commits that are gone
        shutil.rmtree(folder / versions.FOLDER)
    versions.confirm(versions.mark(folder, salvage.version))
    done.removed += salvage.lost
    done.repaired.append((DATABASE, f"{salvage.saved} documents saved"))
    return bool(salvage.lost) or salvage.uncertain


class _Salvage:
    """The rows that can still be read from a damaged database, and the documents that are lost."""

    def __init__(self, old: sqlite3.Connection, folder: Path) -> None:
        self._old = old
        self._meta = dict(self._good("meta"))
        documents = {row[0]: row for row in self._good("documents") if row[-1] is None}
        self._documents = list(documents.values())
        self._files = [row for row in self._good("files") if row[-1] is None]
        highest = [row[-2] for row in (*self._documents, *self._files)]
        self.version = (
            max([int(self._meta.get("version", 0)), versions.last_confirmed(folder), *highest, 0]) + 1
        )
        # Without a matching seal, documents may be lost without any trace.
        self.uncertain = "seal" not in self._meta or self._meta["seal"] != self._seal()
        self.lost: list[Lost] = list(self._unreadable_documents(set(documents)))
        self.saved = 0

    def fill(self, new: sqlite3.Connection, manifest: Manifest) -> None:
        """Write the rows of all undamaged documents into the empty database `new`."""
        next_key = int(self._meta.get("next_key", 1))
        for row in self._documents:
            content, chunks, pages = row[6], row[7], row[9]
            rows = {
                "pages": self._rows("pages", "content = ?", (content,)),
                "chunks": self._rows("chunks", "key >= ? AND key < ?", (content, content + chunks)),
            }
            if (len(rows["pages"]), len(rows["chunks"])) != (pages, chunks):
                self.lost.append(_lost(row))
                continue
            for table, found in rows.items():
                insert(new, table, found)
            insert(new, "documents", [row])
            next_key = max(next_key, content + max(1, chunks))
            self.saved += 1
        insert(new, "files", self._files)
        meta = {
            "format": str(FORMAT),
            "version": str(self.version),
            "next_key": str(next_key),
            "manifest": self._meta.get("manifest") or manifest.to_json(),
            "seal": seal_of(new),
        }
        set_facts(new, meta)

    def _good(self, table: str) -> list[tuple]:
        """The undamaged rows of a table, without their checksums."""
        return self._rows(table, "TRUE", ())

    def _rows(self, table: str, where: str, parameters: Sequence) -> list[tuple]:
        return [row[:-1] for row in self._read(table, where, parameters) if intact(row)]

    def _read(self, table: str, where: str, parameters: Sequence) -> Iterator[tuple]:
        """The rows of a table up to the first that SQLite cannot read."""
        with suppress(sqlite3.DatabaseError):
            yield from self._old.execute(f"SELECT {TABLES[table]} FROM {table} WHERE {where}", parameters)

    def _unreadable_documents(self, known: set[str]) -> Iterator[Lost]:
        for row in self._read("documents", "removed IS NULL", ()):
            if not intact(row) and str(row[0]) not in known:
                yield _lost(row)

    def _seal(self) -> str | None:
        with suppress(sqlite3.DatabaseError):
            return seal_of(self._old)
        return None


def _lost(row: Sequence) -> Lost:
    try:
        path = str(json.loads(row[2])[0])
    except (ValueError, TypeError, IndexError):
        path = str(row[2])
    return Lost(str(row[0]), path, str(row[1]))


# text → vectors and postings


def _remake_files(
    writer: Writer,
    embedder: Embedder,
    analyser: Analyser,
    done: Repair,
    *,
    anew: bool,
    progress: Callable[[str], Progress],
) -> int:
    """Make damaged files again; returns the version.

    Args:
        anew: make the postings again, because they may hold documents that are lost.
    """
    store, documents = writer.store, writer.rows
    damaged = damaged_files(store)
    bad = {dense.segment_of(file.name) for file, _ in damaged if file.kind == "dense"}
    segments = [name for name, _ in damaged_segments(store) if name not in bad]
    bad.update(segments)
    names = [file.name for file, _ in damaged] + [f"dense/{name}" for name in segments]
    done.repaired += [(name, "made again from the stored text") for name in names]
    missing = _without_vector(store, documents, bad)
    wanted = [row for row in documents if ((missing >= row.keys.start) & (missing < row.keys.stop)).any()]
    made = [*stored_vectors(store, wanted, embedder, progress("vectors"))]
    keys = np.concatenate([np.zeros(0, np.int64), *(keys for keys, _ in made)])
    vectors = np.concatenate(
        [np.zeros((0, embedder.identity.dim), np.float32), *(vectors for _, vectors in made)]
    )
    rows = np.isin(keys, missing)
    postings = anew or any(file.kind == "lexical" for file, _ in damaged) or _lacks_postings(store, documents)
    terms = None
    if postings:
        terms = stored_terms(store, documents, analyser, progress("postings"))
    return writer.replace(bad, keys[rows], vectors[rows], terms)


def _without_vector(store: Store, documents: Sequence[DocumentRow], bad: set[str]) -> NDArray[np.int64]:
    """(N,): the keys of the documents' chunks that have no vector in a segment outside `bad`, ascending."""
    keys = dense.keys_of(key_ranges(documents))
    for name in store.files.segments():
        if name not in bad:
            keys = np.setdiff1d(keys, dense.open_segment(store.folder / "dense", name).keys)
    return keys


def _lacks_postings(store: Store, documents: Sequence[DocumentRow]) -> bool:
    return not store.files.postings() and any(row.keys for row in documents)
