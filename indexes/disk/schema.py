"""The tables of the database, their checksums, and how an empty database is made.

A version never changes: each row says in which version it was added and removed, so a reader that keeps to a version
number keeps its view while others write.

A document row is not edited but for `removed`. New paths or groups, or a new text at a path, close the row and open
another. Its column `content` is the key of the document's first chunk; pages and chunks are found by it.
"""

import json
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from indexes.durable import sync

FORMAT = 3
OUTDATED = ("2",)  # formats that upgrade.py can bring to this one
DATABASE = "index.sqlite"

# Every row ends with its checksum; see `checksum`.
SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
  row INTEGER PRIMARY KEY, id TEXT NOT NULL, title TEXT NOT NULL, paths TEXT NOT NULL,
  groups TEXT NOT NULL, parser TEXT NOT NULL, bytes INTEGER NOT NULL, content INTEGER NOT NULL,
  chunks INTEGER NOT NULL, unit TEXT NOT NULL, pages INTEGER NOT NULL, added INTEGER NOT NULL,
  removed INTEGER, checksum INTEGER NOT NULL);
CREATE UNIQUE INDEX current_documents ON documents (id) WHERE removed IS NULL;
CREATE TABLE pages (
  content INTEGER, number INTEGER, label TEXT NOT NULL, start INTEGER NOT NULL,
  end INTEGER NOT NULL, readable INTEGER NOT NULL, engine TEXT NOT NULL, confidence REAL NOT NULL,
  hidden INTEGER NOT NULL, source BLOB NOT NULL, checksum INTEGER NOT NULL,
  PRIMARY KEY (content, number)) WITHOUT ROWID;
CREATE INDEX unreadable_pages ON pages (content, number) WHERE NOT readable;
CREATE INDEX doubtful_pages ON pages (content, number, confidence) WHERE confidence < 1;
CREATE TABLE chunks (
  key INTEGER PRIMARY KEY, start INTEGER NOT NULL, end INTEGER NOT NULL,
  first_page INTEGER NOT NULL, last_page INTEGER NOT NULL, tokens INTEGER NOT NULL,
  kind TEXT NOT NULL, context TEXT NOT NULL, text TEXT NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE files (
  name TEXT PRIMARY KEY, kind TEXT NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL,
  added INTEGER NOT NULL, removed INTEGER, checksum INTEGER NOT NULL) WITHOUT ROWID;
"""
DOCUMENT_COLUMNS = (
    "id, title, paths, groups, parser, bytes, content, chunks, unit, pages, added, removed, checksum"
)
PAGE_COLUMNS = "content, number, label, start, end, readable, engine, confidence, hidden, source, checksum"
CHUNK_COLUMNS = "key, start, end, first_page, last_page, tokens, kind, context, text, checksum"
FILE_COLUMNS = "name, kind, bytes, sha256, added, removed, checksum"
TABLES = {
    "meta": "name, value, checksum",
    "documents": DOCUMENT_COLUMNS,
    "pages": PAGE_COLUMNS,
    "chunks": CHUNK_COLUMNS,
    "files": FILE_COLUMNS,
}


def create_database(path: Path, fill: Callable[[sqlite3.Connection], None] = lambda _: None) -> None:
    """Make a database at `path`, empty or filled by `fill`; it replaces the one that is there, with its log.

    It is made under another name, synced and renamed, so that nobody ever sees half of it.
    """
    aside = path.with_suffix(".new")
    aside.unlink(missing_ok=True)
    _forget_log(aside)
    connection = sqlite3.connect(aside, isolation_level=None)
    try:
        connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + SCHEMA)
        connection.execute("BEGIN")
        set_facts(connection, {"format": str(FORMAT), "version": "0", "next_key": "1"})
        fill(connection)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
    sync(aside)
    aside.rename(path)
    _forget_log(path)
    sync(path.parent)


def _forget_log(path: Path) -> None:
    for ending in ("-wal", "-shm"):
        Path(f"{path}{ending}").unlink(missing_ok=True)


def insert(connection: sqlite3.Connection, table: str, rows: Iterable[Sequence]) -> None:
    """Add rows, given without their checksums."""
    columns = TABLES[table]
    marks = ", ".join("?" * len(columns.split(",")))
    connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", map(sealed, rows))


def set_facts(connection: sqlite3.Connection, facts: Mapping[str, str]) -> None:
    """Store facts about the index, by name, in the table `meta`."""
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", map(sealed, facts.items()))


def objects_of(connection: sqlite3.Connection) -> set[tuple[str, str, str]]:
    """(type, name, SQL) of each table, index, view and trigger; SQLite's own indexes of primary keys are left out."""
    rows = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL OR name NOT LIKE 'sqlite_autoindex_%'"
    )
    return {(kind, name, " ".join(str(sql).split())) for kind, name, sql in rows}


def own_objects() -> set[tuple[str, str, str]]:
    """`objects_of` a database that this program made."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        return objects_of(connection)


def seal_of(connection: sqlite3.Connection) -> str:
    """JSON with the number and the sum of checksums of the current rows of documents and files.

    A row that is lost changes it.
    """
    return json.dumps(
        {
            table: connection.execute(
                f"SELECT COUNT(*), TOTAL(checksum) FROM {table} WHERE removed IS NULL"
            ).fetchone()
            for table in ("documents", "files")
        }
    )


def checksum(row: Sequence) -> int:
    """The CRC-32 of a row; SQLite's own check misses most flipped bytes.

    `ascii` gives the same text in every version of Python; `repr` depends on the version's Unicode tables.
    """
    return zlib.crc32(ascii(tuple(row)).encode())


def sealed(row: Sequence) -> tuple:
    """`row` with its checksum at the end."""
    return (*row, checksum(row))


def intact(row: Sequence) -> bool:
    """Whether the checksum at the end of `row` is its own."""
    return checksum(row[:-1]) == row[-1]
