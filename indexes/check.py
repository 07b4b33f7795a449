"""Is every byte of the index what was committed? Reads all of it."""

import hashlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from indexes import dense
from indexes.errors import IndexDamaged
from indexes.retriever import key_ranges
from indexes.store import DATABASE, Store, StoredDocument


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where, what, and what to do."""

    file: str
    what: str
    remedy: str


REBUILD = "ingest the files again into a new index"


def check(folder: Path) -> tuple[int, list[Finding]]:
    """The version that was checked, and what is wrong with it; nothing if the list is empty.

    Raises:
        IndexNotFound, IndexFormat: there is nothing to check.
    """
    version, findings = 0, []
    try:
        store = Store(folder)
        while version != store.version:  # a commit meanwhile sweeps files of the version before
            version, findings = _check_version(store)
            if not findings:
                break
        store.close()
    except IndexDamaged as exc:
        findings = [Finding(DATABASE, exc.fields["detail"], REBUILD)]
    except (sqlite3.DatabaseError, ValueError, TypeError) as exc:  # a row that cannot even be read
        findings = [Finding(DATABASE, str(exc), REBUILD)]
    return version, findings


def _check_version(store: Store) -> tuple[int, list[Finding]]:
    with store.snapshot():
        version = store.version
        store.check_seal()
        documents = store.documents(version)
        findings = _check_database(store) + _check_files(store)
        if not findings:
            findings = [f for document in documents for f in _check_document(store, document)]
            findings += _check_segments(store, documents)
    return version, findings


def _check_database(store: Store) -> list[Finding]:
    rows = store.connection.execute("PRAGMA integrity_check(10)").fetchall()
    return [Finding(DATABASE, text, REBUILD) for (text,) in rows if text != "ok"]


def _check_files(store: Store) -> list[Finding]:
    findings = []
    for file in store.files():
        path = store.folder / file.name
        if not path.is_file():
            findings.append(Finding(file.name, "is missing", REBUILD))
            continue
        with path.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        if digest != file.sha256:
            findings.append(Finding(file.name, "does not have the bytes that were written", REBUILD))
    return findings


def _check_document(store: Store, document: StoredDocument) -> list[Finding]:
    """Do its pages and chunks tile one text, and does each row have its checksum?"""
    try:
        chunks = store.chunks_of(document)
        pages = store.pages(document)
    except IndexDamaged as exc:
        return [Finding(DATABASE, exc.fields["detail"], REBUILD)]
    length = chunks[-1].end if chunks else 0
    spans = ([(c.start, c.end) for c in chunks], [(p.start, p.end) for p in pages])
    if all(_tile(of, length) for of in spans):
        return []
    return [Finding(DATABASE, f"pages or chunks of {document.id} do not tile its text", REBUILD)]


def _tile(spans: list[tuple[int, int]], length: int) -> bool:
    ends = [0, *(end for _, end in spans)]
    return [start for start, _ in spans] == ends[:-1] and ends[-1] == length


def _check_segments(store: Store, documents: list[StoredDocument]) -> list[Finding]:
    """Has each chunk exactly one vector?"""
    names = [Path(file.name).stem for file in store.files("dense") if file.name.endswith(".faiss")]
    live = key_ranges(documents)
    held = sum(
        int(dense.rows_in(dense.open_segment(store.folder / "dense", name).keys, live).sum())
        for name in names
    )
    wanted = sum(document.chunks for document in documents)
    if held == wanted:
        return []
    return [Finding("dense", f"{wanted:,} chunks have {held:,} vectors", REBUILD)]
