"""SQLite: documents, pages, chunks, and which files hold their vectors and postings.

The database is the truth, and its transaction the commit point: files are written and synced
first, then named in the transaction. What a version holds never changes: rows say in which version
they came and went, so a reader that keeps a version number keeps its view while others write.

A document row is never edited. New paths or groups, or a new text at a path, close the row and
open another; `content` is the key of its first chunk and ties pages and chunks to it.
"""

import json
import os
import sqlite3
import threading
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from indexes.disk import versions
from indexes.errors import (
    IndexDamaged,
    IndexFormat,
    IndexNotFound,
    IndexOutdated,
)
from indexes.types import Calibration, EmbedderIdentity, Manifest, StoredDocument
from ingest.document import Chunk, Page, chunk_id

FORMAT = 3
OUTDATED = ("2",)  # what upgrade.py makes of this format
DATABASE = "index.sqlite"
CALIBRATION = "calibration"  # the name in `meta` of what calibrating found
IDLE = 8  # connections that a reader keeps for the next read; more reads at once open more, for a moment

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


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An immutable file of the index; `name` is relative to the index's folder."""

    name: str
    kind: str  # "dense" or "lexical"
    bytes: int
    sha256: str


class _Block(threading.local):
    """Per thread: the connection of the `snapshot` it is in; of a writer, its one."""

    connection: sqlite3.Connection | None = None


class Store:
    """One open database. Reading is safe from several threads; writing is for one."""

    def __init__(self, folder: Path, *, writable: bool = False) -> None:
        """Open the database in `folder`.

        Raises:
            IndexNotFound: there is none. Not raised when `writable`: it is then created.
            IndexFormat: another program version wrote it.
        """
        self.folder = folder
        self._path = folder / DATABASE
        self._writable = writable
        # Lent for each read, not one a thread: those of threads that have ended would stay open, 0.1 MB
        # and two files each (a server that starts a thread a request had no files left after 500).
        self._idle: list[sqlite3.Connection] = []
        self._block = _Block()
        # A connection is in a circle of references with its statements: closed by us, it does not wait
        # for the collector (16 threads had 400 files open after a minute).
        weakref.finalize(self, _close_all, self._idle)
        if not self._path.is_file():
            if not writable:
                raise IndexNotFound(path=folder)
            create_database(self._path)
        if writable:
            with self._readable():
                self._block.connection = self._connect()
            weakref.finalize(self, self._block.connection.close)
        found = self._format()
        if found != str(FORMAT):
            error = IndexOutdated if found in OUTDATED else IndexFormat
            raise error(path=folder, found=found, known=FORMAT)

    def _format(self) -> str | None:
        rows = self._fetch("SELECT * FROM meta WHERE name = 'format'")
        if rows and len(rows[0]) == len(TABLES["meta"].split(",")):  # formats before 3 had no checksums
            rows = self._checked("meta", rows)
        return rows[0][1] if rows else None

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection of the `snapshot` that this thread is in; of a writer, its one."""
        if self._block.connection is None:
            raise ValueError("a reader has a connection of its own only inside snapshot()")
        return self._block.connection

    @contextmanager
    def _lent(self) -> Iterator[sqlite3.Connection]:
        """A connection that no other thread uses meanwhile."""
        if self._block.connection is not None:
            yield self._block.connection
            return
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            yield connection
        finally:
            if len(self._idle) < IDLE:
                self._idle.append(connection)
            else:
                connection.close()

    def _connect(self) -> sqlite3.Connection:
        uri = f"{self._path.resolve().as_uri()}?mode={'rw' if self._writable else 'ro'}"
        if not self._writable and _is_closed(self._path):
            uri += "&immutable=1"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30, check_same_thread=False)
        connection.execute("PRAGMA synchronous = FULL")
        if not self._writable:
            # SQLite before 3.51.3 can lose a WAL reset that a reader makes: only the writer may.
            connection.execute("PRAGMA wal_autocheckpoint = 0")
        return connection

    def close(self) -> None:
        """Close the connections; one that another thread reads with is closed with the last reference."""
        _close_all(self._idle)
        if self._block.connection is not None:
            self._block.connection.close()
            self._block.connection = None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing: the commit point of the whole index."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:  # not where an interrupt came in with the commit
                self.connection.execute("ROLLBACK")
            raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read inside belongs to one commit."""
        with self._lent() as connection:
            connection.execute("BEGIN")
            before, self._block.connection = self._block.connection, connection
            try:
                yield
            finally:
                self._block.connection = before
                connection.execute("COMMIT")

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """IndexDamaged in place of what SQLite says where it cannot read."""
        try:
            yield
        except (sqlite3.DatabaseError, UnicodeDecodeError) as exc:
            if getattr(exc, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            raise IndexDamaged(path=self.folder, detail=f"{DATABASE}: {exc}") from exc

    def _fetch(self, statement: str, parameters: Sequence = ()) -> list[tuple]:
        """All rows of a SELECT.

        Raises:
            IndexDamaged: SQLite cannot read them.
        """
        with self._readable(), self._lent() as connection:
            return connection.execute(statement, parameters).fetchall()

    def _checked(self, table: str, rows: Iterable[tuple]) -> list[tuple]:
        """`rows` of whole tables, without their checksums.

        Raises:
            IndexDamaged: one does not have its checksum.
        """
        found = []
        for row in rows:
            if checksum(row[:-1]) != row[-1]:
                raise IndexDamaged(path=self.folder, detail=f"{DATABASE}: a row of {table}, {row[0]}")
            found.append(row[:-1])
        return found

    # meta

    def meta(self, name: str) -> str | None:
        rows = self._fetch("SELECT name, value, checksum FROM meta WHERE name = ?", (name,))
        return self._checked("meta", rows)[0][1] if rows else None

    def set_meta(self, name: str, value: str) -> None:
        self.connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", sealed((name, value)))

    def check_seal(self) -> None:
        """Raise IndexDamaged unless all rows are there that the last commit left."""
        with self._readable(), self._lent() as connection:
            whole = not self.version or self.meta("seal") == seal_of(connection)
        if not whole:
            raise IndexDamaged(path=self.folder, detail=f"{DATABASE}: rows of documents or files are missing")

    @property
    def version(self) -> int:
        """Number of the last commit; 0 where nothing was committed yet."""
        return int(self.meta("version") or 0)

    @property
    def manifest(self) -> Manifest | None:
        """What the index was built with; None before the first commit."""
        text = self.meta("manifest")
        if text is None:
            return None
        fields = json.loads(text)
        return Manifest(EmbedderIdentity(**fields["embedder"]), fields["analyser"], fields["tokenizer"])

    @property
    def calibration(self) -> Calibration | None:
        """What was found of the index's retrievers; None where there is none yet, or too little text."""
        return Calibration.from_json(self.meta(CALIBRATION))

    def set_manifest(self, manifest: Manifest) -> None:
        self.set_meta("manifest", manifest.to_json())

    def check_version(self) -> None:
        """Raise IndexDamaged where a later version than the database's was committed.

        SQLite believes its log up to the first frame whose checksum is wrong and drops what follows,
        silently: a flipped bit there takes whole commits back.
        """
        confirmed = versions.last_confirmed(self.folder)
        if confirmed > self.version:
            detail = f"{DATABASE}-wal: version {confirmed} was committed, {self.version} is there"
            raise IndexDamaged(path=self.folder, detail=detail)

    # documents

    def documents(self, version: int) -> list[StoredDocument]:
        """The documents of `version`, in the order in which they came.

        Raises:
            IndexDamaged: a row does not have its checksum.
        """
        rows = self._fetch(
            f"SELECT {DOCUMENT_COLUMNS} FROM documents"
            " WHERE added <= ?1 AND (removed IS NULL OR removed > ?1) ORDER BY content",
            (version,),
        )
        return [
            StoredDocument(identity, title, tuple(json.loads(paths)), tuple(json.loads(groups)), *rest)
            for identity, title, paths, groups, *rest, _, _ in self._checked("documents", rows)
        ]

    def insert_document(self, document: StoredDocument, version: int) -> None:
        row = (
            document.id,
            document.title,
            json.dumps(document.paths),  # escapes: a path may hold bytes that are not UTF-8
            json.dumps(document.groups, ensure_ascii=False),
            document.parser,
            document.bytes,
            document.content,
            document.chunks,
            document.unit,
            document.pages,
            version,
            None,
        )
        self._insert("documents", DOCUMENT_COLUMNS, [row])

    def close_document(self, document_id: str, version: int) -> None:
        """The document is not in `version` nor in later ones."""
        self._close("documents", DOCUMENT_COLUMNS, "id", document_id, version)

    def _insert(self, table: str, columns: str, rows: Iterable[tuple]) -> None:
        marks = ", ".join("?" * len(columns.split(",")))
        self.connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", map(sealed, rows))

    def _close(self, table: str, columns: str, by: str, name: str, version: int) -> None:
        rows = self._fetch(f"SELECT {columns} FROM {table} WHERE {by} = ? AND removed IS NULL", (name,))
        for *fields, _ in self._checked(table, rows):
            self.connection.execute(
                f"UPDATE {table} SET removed = ?, checksum = ? WHERE {by} = ? AND removed IS NULL",
                (version, checksum((*fields, version)), name),
            )

    # pages and chunks

    def insert_content(self, content: int, pages: Sequence[Page], chunks: Sequence[Chunk]) -> None:
        """Store the pages and chunks of one document; chunk keys count up from `content`."""
        self._insert("pages", PAGE_COLUMNS, [(content, *_page_row(page)) for page in pages])
        rows = [
            (
                content + offset,
                chunk.start,
                chunk.end,
                chunk.first_page,
                chunk.last_page,
                chunk.tokens,
                chunk.kind,
                chunk.context,
                chunk.text,
            )
            for offset, chunk in enumerate(chunks)
        ]
        self._insert("chunks", CHUNK_COLUMNS, rows)

    def pages(self, document: StoredDocument) -> list[Page]:
        """The pages of one document, in order.

        Raises:
            IndexDamaged: a row is missing or does not have its checksum.
        """
        rows = self._fetch(
            f"SELECT {PAGE_COLUMNS} FROM pages WHERE content = ? ORDER BY number", (document.content,)
        )
        if len(rows) != document.pages:
            raise IndexDamaged(path=self.folder, detail=f"{DATABASE}: pages of {document.id} are missing")
        return self._read_pages(rows)

    def pages_of_span(self, document: StoredDocument, start: int, end: int) -> list[Page]:
        """The pages of the non-empty span [start, end) of one document, in order.

        Raises:
            IndexDamaged: there are none, or one does not have its checksum.
        """
        rows = self._fetch(
            f"SELECT {PAGE_COLUMNS} FROM pages WHERE content = ? AND end > ? AND start < ? ORDER BY number",
            (document.content, start, max(end, start + 1)),
        )
        if not rows:
            raise IndexDamaged(path=self.folder, detail=f"{DATABASE}: pages of {document.id} are missing")
        return self._read_pages(rows)

    def _read_pages(self, rows: Iterable[tuple]) -> list[Page]:
        return [
            Page(number, label, a, b, bool(readable), *rest)
            for _, number, label, a, b, readable, *rest in self._checked("pages", rows)
        ]

    def doubtful_pages(self, documents: Iterable[StoredDocument]) -> dict[str, dict[int, float]]:
        """Per document id, the pages read by OCR and how sure it was; documents without are left out."""
        by_content = {document.content: document.id for document in documents}
        rows = self._fetch("SELECT content, number, confidence FROM pages WHERE confidence < 1")
        found: dict[str, dict[int, float]] = {}
        for content, number, confidence in rows:
            if content in by_content:
                found.setdefault(by_content[content], {})[number] = confidence
        return found

    def unreadable_pages(self, documents: Iterable[StoredDocument]) -> dict[str, list[int]]:
        """Per document id, the pages nobody could read; documents without such pages are left out."""
        by_content = {document.content: document.id for document in documents}
        rows = self._fetch("SELECT content, number FROM pages WHERE NOT readable")
        found: dict[str, list[int]] = {}
        for content, number in rows:
            if content in by_content:
                found.setdefault(by_content[content], []).append(number)
        return found

    def chunks(self, owner: Callable[[int], StoredDocument], keys: Sequence[int]) -> dict[int, Chunk]:
        """The chunks with these keys, checked against their checksums.

        Args:
            owner: the document that holds the chunk with that key.

        Raises:
            IndexDamaged: a row is missing or does not have its checksum.
        """
        rows = self._fetch(
            f"SELECT {CHUNK_COLUMNS} FROM chunks WHERE key IN ({','.join('?' * len(keys))})", list(keys)
        )
        if len(rows) != len(set(keys)):
            raise IndexDamaged(path=self.folder, detail=f"{DATABASE}: chunks are missing")
        return {row[0]: self._chunk(owner(row[0]).id, row) for row in rows}

    def chunks_of(self, document: StoredDocument) -> list[Chunk]:
        """All chunks of one document, in order; together they are its text."""
        rows = self._fetch(
            f"SELECT {CHUNK_COLUMNS} FROM chunks WHERE key >= ? AND key < ? ORDER BY key",
            (document.content, document.content + document.chunks),
        )
        if len(rows) != document.chunks:
            raise IndexDamaged(path=self.folder, detail=f"{DATABASE}: chunks of {document.id} are missing")
        return [self._chunk(document.id, row) for row in rows]

    def _chunk(self, document_id: str, row: tuple) -> Chunk:
        key, start, end, first_page, last_page, tokens, kind, context, text, stored = row
        if checksum(row[:-1]) != stored or len(text) != end - start:
            raise IndexDamaged(path=self.folder, detail=f"{DATABASE}: the text of chunk {key}")
        identity = chunk_id(document_id, start, end)
        return Chunk(identity, document_id, start, end, text, context, first_page, last_page, tokens, kind)

    def text(self, document: StoredDocument, start: int = 0, end: int | None = None) -> str:
        """`document.text[start:end]`, read from its chunks."""
        rows = self._fetch(
            f"SELECT {CHUNK_COLUMNS}"
            " FROM chunks WHERE key >= ? AND key < ? AND end > ? AND start < ? ORDER BY key",
            (
                document.content,
                document.content + document.chunks,
                start,
                end if end is not None else 1 << 62,
            ),
        )
        chunks = [self._chunk(document.id, row) for row in rows]
        if not chunks:
            return ""
        text = "".join(chunk.text for chunk in chunks)
        return text[max(0, start - chunks[0].start) : None if end is None else end - chunks[0].start]

    def purge(self) -> None:
        """Delete the rows of documents that the last version does not have."""
        kept = {content for (content,) in self._fetch("SELECT content FROM documents WHERE removed IS NULL")}
        gone = self._fetch("SELECT DISTINCT content, chunks FROM documents WHERE removed IS NOT NULL")
        for content, chunks in gone:
            if content not in kept:
                self.connection.execute("DELETE FROM pages WHERE content = ?", (content,))
                self.connection.execute(
                    "DELETE FROM chunks WHERE key >= ? AND key < ?", (content, content + chunks)
                )
        self.connection.execute("DELETE FROM documents WHERE removed IS NOT NULL")

    # files

    def files(self, kind: str | None = None) -> list[StoredFile]:
        """The files of the last version."""
        rows = self._fetch(
            f"SELECT {FILE_COLUMNS} FROM files WHERE removed IS NULL AND (?1 IS NULL OR kind = ?1) ORDER BY name",
            (kind,),
        )
        return [StoredFile(*row[:4]) for row in self._checked("files", rows)]

    def file_names(self, oldest: int) -> set[str]:
        """Names of the files of any version from `oldest` on."""
        return {
            name
            for (name,) in self._fetch(
                "SELECT name FROM files WHERE removed IS NULL OR removed > ?", (oldest,)
            )
        }

    def set_files(self, kind: str, files: Iterable[StoredFile], version: int) -> None:
        """From `version` on, the index's files of `kind` are `files`."""
        current = {file.name: file for file in self.files(kind)}
        files = {file.name: file for file in files}
        for name in current.keys() - files.keys():
            self._close("files", FILE_COLUMNS, "name", name, version)
        added = [files[name] for name in files if name not in current]
        self._insert(
            "files", FILE_COLUMNS, [(f.name, f.kind, f.bytes, f.sha256, version, None) for f in added]
        )

    def forget_files(self, oldest: int) -> None:
        """Drop the rows of files that no version from `oldest` on has."""
        self.connection.execute("DELETE FROM files WHERE removed <= ?", (oldest,))


def _close_all(connections: list[sqlite3.Connection]) -> None:
    while connections:
        connections.pop().close()


def _is_closed(database: Path) -> bool:
    """Whether nobody can be writing to the database, nor this process make the files that a log needs."""
    shared = database.with_name(f"{database.name}-shm")
    return not shared.exists() and not os.access(database.parent, os.W_OK)


def segment_names(store: Store) -> list[str]:
    """Names of the segments of vectors of the last version."""
    return sorted({Path(file.name).name.partition(".")[0] for file in store.files("dense")})


def postings_folders(store: Store) -> list[Path]:
    """The folder of the last version's postings, if it has any."""
    return sorted({store.folder / Path(file.name).parent for file in store.files("lexical")})


def seal_of(connection: sqlite3.Connection) -> str:
    """Numbers and sums of checksums of the rows that are current: a row that is lost changes them."""
    return json.dumps(
        {
            table: connection.execute(
                f"SELECT COUNT(*), TOTAL(checksum) FROM {table} WHERE removed IS NULL"
            ).fetchone()
            for table in ("documents", "files")
        }
    )


def create_database(path: Path, fill: Callable[[sqlite3.Connection], None] = lambda _: None) -> None:
    """Make an empty database at `path`, or one that `fill` fills, in place of what is there.

    Made aside, synced and renamed, so that nobody ever sees half of it.
    """
    aside = path.with_suffix(".new")
    for ending in ("", "-wal", "-shm"):
        Path(f"{aside}{ending}").unlink(missing_ok=True)
    connection = sqlite3.connect(aside, isolation_level=None)
    try:
        connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + SCHEMA)
        connection.execute("BEGIN")
        meta = [("format", str(FORMAT)), ("version", "0"), ("next_key", "1")]
        connection.executemany("INSERT INTO meta VALUES (?, ?, ?)", map(sealed, meta))
        fill(connection)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
    sync(aside)
    aside.rename(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def checksum(row: Sequence) -> int:
    """CRC-32 of a row: SQLite's own check lets most flipped bytes pass.

    `ascii` is the same in every version of Python; `repr` leaves alone what its Unicode tables know.
    """
    return zlib.crc32(ascii(tuple(row)).encode())


def sealed(row: Sequence) -> tuple:
    """`row` with its checksum at the end."""
    return (*row, checksum(row))


def _page_row(page: Page) -> tuple:
    # As SQLite gives it back, so that the checksum is of the same values.
    number, label, start, end, readable, engine, confidence, hidden, source = astuple(page)
    return number, label, start, end, int(readable), engine, float(confidence), hidden, bytes(source)
