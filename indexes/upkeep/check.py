"""An index → findings: everything in it that is not what was committed. Every file and row is read."""

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexes.disk import dense, lexical
from indexes.disk.documents import DocumentRow
from indexes.disk.files import StoredFile
from indexes.disk.schema import DATABASE, TABLES, intact
from indexes.disk.store import Store
from indexes.disk.visible import key_ranges
from indexes.errors import IndexDamaged


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: in which `file`, `what` it is, and the `remedy`."""

    file: str
    what: str
    remedy: str


REPAIR = "rag repair makes it again from the stored text"
REREAD = "rag repair takes the document out; ingest its file again"
SALVAGE = "rag repair saves the documents that are whole; else restore a backup or ingest again"


def check(folder: Path) -> tuple[int, list[Finding]]:
    """The version that was checked, and the findings; an empty list for a whole index.

    Raises:
        IndexNotFound, IndexFormat: there is no index that can be checked.
    """
    version, findings = 0, []
    try:
        store = Store(folder)
        while version != store.version:  # a commit during the check may remove files of the checked version
            version, findings = _check_version(store)
            if not findings:
                break
        store.close()
    except IndexDamaged as exc:
        findings = [Finding(DATABASE, _what(exc), SALVAGE)]
    except (sqlite3.DatabaseError, ValueError, TypeError) as exc:  # a row that cannot even be read
        findings = [Finding(DATABASE, str(exc), SALVAGE)]
    return version, findings


def _check_version(store: Store) -> tuple[int, list[Finding]]:
    with store.snapshot():
        version = store.version
        documents, findings = check_database(store)
        files = damaged_files(store)
        findings += [Finding(file.name, what, REPAIR) for file, what in files]
        if not files:  # damaged files are not given to the libraries that read them
            segments = damaged_segments(store)
            findings += [Finding(f"dense/{name}", what, REPAIR) for name, what in segments]
            findings += [] if segments else _check_vectors(store, documents)
            findings += _check_postings(store, documents)
    return version, findings


def _what(error: Exception) -> str:
    """What is wrong, without the name of the database, which a finding has in a field of its own."""
    detail = error.fields["detail"] if isinstance(error, IndexDamaged) else str(error)
    return detail.removeprefix(f"{DATABASE}: ")


def check_database(store: Store) -> tuple[list[DocumentRow], list[Finding]]:
    """The documents of the last version, and the findings in the database; for use inside `snapshot`.

    Raises:
        IndexDamaged: the database is not this program's, or its rows are not those of the last commit.
        sqlite3.DatabaseError, ValueError, TypeError: a row cannot even be read.
    """
    store.check_schema()
    store.check_seal()
    store.check_version()
    documents = store.documents.of(store.version)
    findings = _check_integrity(store) + _check_rows(store)
    findings += [
        Finding(DATABASE, f"{row.document.title} ({row.document.path}): {what}", REREAD)
        for row, what in _damaged_documents(store, documents)
    ]
    return documents, findings


def _check_integrity(store: Store) -> list[Finding]:
    rows = store.connection.execute("PRAGMA integrity_check(10)").fetchall()
    return [Finding(DATABASE, text, SALVAGE) for (text,) in rows if text != "ok"]


def _check_rows(store: Store) -> list[Finding]:
    """A finding for each table with rows whose checksums are wrong, rows of older versions included."""
    findings = []
    for table, columns in TABLES.items():
        bad = sum(
            not intact(row) for row in store.connection.execute(f"SELECT {columns} FROM {table} NOT INDEXED")
        )
        if bad:
            findings.append(Finding(DATABASE, f"{bad} rows of {table} are not what was written", SALVAGE))
    return findings


def damaged_files(store: Store) -> list[tuple[StoredFile, str]]:
    """(file, what is wrong) for each damaged or missing file of the last version."""
    found = []
    for file in store.files.current():
        path = store.folder / file.name
        if not path.is_file():
            found.append((file, "is missing"))
            continue
        with path.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        if digest != file.sha256:
            found.append((file, "does not have the bytes that were written"))
    return found


def damaged_segments(store: Store) -> list[tuple[str, str]]:
    """(segment of vectors, what is wrong) for each with the bytes that were written that is no segment all the same."""
    malformed = dense.malformed(file.name for file in store.files.current("dense"))
    found = []
    for name in store.files.segments():
        if name in malformed:
            found.append((name, "does not have the files of a segment"))
            continue
        try:
            dense.open_segment(store.folder / "dense", name)
        except IndexDamaged as exc:
            found.append((name, _what(exc)))
    return found


def _damaged_documents(store: Store, documents: Sequence[DocumentRow]) -> Iterator[tuple[DocumentRow, str]]:
    """(document, what is wrong) for each of `documents` with missing or damaged pages or chunks."""
    for row in documents:
        try:
            chunks = store.texts.chunks_of(row)
            pages = store.texts.pages(row)
        except (IndexDamaged, ValueError, TypeError) as exc:
            yield row, _what(exc)
            continue
        length = chunks[-1].end if chunks else 0
        spans = ([(c.start, c.end) for c in chunks], [(p.start, p.end) for p in pages])
        if not all(_tile(of, length) for of in spans):
            yield row, "pages or chunks do not tile the text"


def _tile(spans: list[tuple[int, int]], length: int) -> bool:
    ends = [0, *(end for _, end in spans)]
    return [start for start, _ in spans] == ends[:-1] and ends[-1] == length


def _check_vectors(store: Store, documents: Sequence[DocumentRow]) -> list[Finding]:
    """A finding unless each chunk has exactly one vector."""
    live = key_ranges(documents)
    held = [np.zeros(0, np.int64)]
    for name in store.files.segments():
        keys = dense.open_segment(store.folder / "dense", name).keys
        held.append(keys[dense.rows_in(keys, live)])
    found = np.sort(np.concatenate(held))
    wanted = dense.keys_of(live)
    if np.array_equal(found, wanted):
        return []
    return [Finding("dense", f"{len(wanted):,} chunks have {len(found):,} vectors", REPAIR)]


def _check_postings(store: Store, documents: Sequence[DocumentRow]) -> list[Finding]:
    """A finding unless the postings hold the right number of chunks."""
    wanted = sum(row.document.chunks for row in documents)
    held = sum(lexical.LexicalIndex(folder).chunks for folder in store.files.postings())
    if held == wanted:
        return []
    return [Finding("lexical", f"the postings are of {held:,} chunks, there are {wanted:,}", REPAIR)]
