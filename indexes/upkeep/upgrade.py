"""An index of format 2 → format 3: the same files under a database whose rows have checksums."""

import sqlite3
import zlib
from collections import Counter
from contextlib import closing
from pathlib import Path

from indexes.disk import versions
from indexes.disk.schema import DATABASE, FORMAT, OUTDATED, create_database, insert, seal_of, set_facts
from indexes.disk.writer import take_lock, translated
from indexes.durable import sync
from indexes.errors import IndexDamaged, IndexFormat, IndexInUse, IndexNotFound


def upgrade(folder: Path) -> str:
    """Bring the index in `folder` to this program's format; returns the format it had.

    No document is read again and nothing is embedded. The new database is made under another name and replaces the old
    one in one step, so a process that is killed before leaves the old one.

    Raises:
        IndexNotFound, IndexFormat: there is no index that can be upgraded.
        IndexBusy: another process writes.
        IndexInUse: another process reads.
        IndexDamaged: the checksum of a text is wrong.
    """
    path = folder / DATABASE
    if not path.is_file():
        raise IndexNotFound(path=folder)
    with translated(folder), take_lock(folder), closing(_open(folder)) as old:
        (found,) = old.execute("SELECT value FROM meta WHERE name = 'format'").fetchone()
        if found == str(FORMAT):
            return found
        if found not in OUTDATED:
            raise IndexFormat(path=folder, found=found, known=FORMAT)
        if old.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise IndexInUse(path=folder, holders="?")
        version = int(_meta(old)["version"])
        versions.mark(folder, version)
        sync(folder / versions.FOLDER)
        create_database(path, lambda new: _fill(folder, old, new))
    return found


def _open(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{(folder / DATABASE).resolve().as_uri()}?mode=rw", uri=True, timeout=5)


def _meta(old: sqlite3.Connection) -> dict[str, str]:
    return dict(old.execute("SELECT name, value FROM meta"))


def _fill(folder: Path, old: sqlite3.Connection, new: sqlite3.Connection) -> None:
    """Copy the rows of the last version, each with its checksum."""
    meta = _meta(old) | {"format": str(FORMAT)}
    pages = Counter(content for (content,) in old.execute("SELECT content FROM pages"))
    documents = old.execute(
        "SELECT id, title, paths, groups, parser, bytes, content, chunks, unit, added FROM documents"
        " WHERE removed IS NULL"
    ).fetchall()
    insert(new, "documents", ((*row[:9], pages[row[6]], row[9], None) for row in documents))
    for row in documents:
        content, chunks = row[6], row[7]
        insert(
            new,
            "pages",
            old.execute(
                "SELECT content, number, label, start, end, readable, engine, confidence, hidden, source"
                " FROM pages WHERE content = ?",
                (content,),
            ),
        )
        insert(new, "chunks", _chunks(folder, old, content, content + chunks))
    files = old.execute("SELECT name, kind, bytes, sha256 FROM files").fetchall()
    version = int(meta["version"])
    insert(new, "files", ((*row, version, None) for row in files))
    meta["seal"] = seal_of(new)
    set_facts(new, meta)


def _chunks(folder: Path, old: sqlite3.Connection, first: int, last: int):
    rows = old.execute(
        "SELECT key, start, end, first_page, last_page, tokens, kind, context, text, checksum FROM chunks"
        " WHERE key >= ? AND key < ?",
        (first, last),
    )
    for *row, stored in rows:
        context, text = row[-2:]
        if zlib.crc32(f"{context}\0{text}".encode()) != stored:
            raise IndexDamaged(path=folder, detail=f"{DATABASE}: the text of chunk {row[0]}")
        yield tuple(row)
