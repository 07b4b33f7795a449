"""SQLite: documents, pages, chunks, and which files hold their vectors and postings.

The database is the truth, and its transaction the commit point: files are written and synced
first, then named in the transaction. What a version holds never changes: rows say in which version
they came and went, so a reader that keeps a version number keeps its view while others write.

A document row is never edited. New paths or groups, or a new text at a path, close the row and
open another; `content` is the key of its first chunk and ties pages and chunks to it.
"""

import json
import sqlite3
import threading
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

from indexes.embedder import EmbedderIdentity
from indexes.errors import AmbiguousDocument, DocumentNotFound, IndexDamaged, IndexFormat, IndexNotFound
from ingest.document import Chunk, Page, chunk_id
from ingest.raw import Unit

FORMAT = 2
DATABASE = "index.sqlite"

SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
  row INTEGER PRIMARY KEY, id TEXT NOT NULL, title TEXT NOT NULL, paths TEXT NOT NULL,
  groups TEXT NOT NULL, parser TEXT NOT NULL, bytes INTEGER NOT NULL, content INTEGER NOT NULL,
  chunks INTEGER NOT NULL, unit TEXT NOT NULL, added INTEGER NOT NULL, removed INTEGER);
CREATE UNIQUE INDEX current_documents ON documents (id) WHERE removed IS NULL;
CREATE TABLE pages (
  content INTEGER, number INTEGER, label TEXT NOT NULL, start INTEGER NOT NULL,
  end INTEGER NOT NULL, readable INTEGER NOT NULL, engine TEXT NOT NULL, confidence REAL NOT NULL,
  hidden INTEGER NOT NULL, source BLOB NOT NULL, PRIMARY KEY (content, number)) WITHOUT ROWID;
CREATE TABLE chunks (
  key INTEGER PRIMARY KEY, start INTEGER NOT NULL, end INTEGER NOT NULL,
  first_page INTEGER NOT NULL, last_page INTEGER NOT NULL, tokens INTEGER NOT NULL,
  kind TEXT NOT NULL, context TEXT NOT NULL, text TEXT NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE files (
  name TEXT PRIMARY KEY, kind TEXT NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL)
  WITHOUT ROWID;
"""
CHUNK_COLUMNS = "key, start, end, first_page, last_page, tokens, kind, context, text, checksum"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an index was built with; an index opened with anything else is refused."""

    embedder: EmbedderIdentity
    analyser: str
    tokenizer: str


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """One document as a version of the index holds it; its text lies in its chunks."""

    id: str
    title: str
    paths: tuple[str, ...]
    groups: tuple[str, ...]
    parser: str
    bytes: int
    content: int
    chunks: int
    unit: Unit = "page"

    @property
    def path(self) -> str:
        """The first of the paths that lead to it."""
        return self.paths[0] if self.paths else ""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An immutable file of the index; `name` is relative to the index's folder."""

    name: str
    kind: str  # "dense" or "lexical"
    bytes: int
    sha256: str


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
        self._local = threading.local()
        if not self._path.is_file():
            if not writable:
                raise IndexNotFound(path=folder)
            self._create()
        try:
            found = self.meta("format")
        except sqlite3.DatabaseError as exc:
            raise IndexDamaged(path=folder, detail=f"{DATABASE}: {exc}") from exc
        if found != str(FORMAT):
            raise IndexFormat(path=folder, found=found, known=FORMAT)

    def _create(self) -> None:
        # Made aside and renamed, so that nobody ever sees half a schema.
        aside = self._path.with_suffix(".new")
        aside.unlink(missing_ok=True)
        with sqlite3.connect(aside) as connection:
            connection.executescript("PRAGMA journal_mode = WAL;" + SCHEMA)
            meta = [("format", str(FORMAT)), ("version", "0"), ("next_key", "1")]
            connection.executemany("INSERT INTO meta VALUES (?, ?)", meta)
        connection.close()
        aside.rename(self._path)

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        if not hasattr(self._local, "connection"):
            mode = "rw" if self._writable else "ro"
            uri = f"{self._path.resolve().as_uri()}?mode={mode}"
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30)
            connection.execute("PRAGMA synchronous = FULL")
            if not self._writable:
                # SQLite before 3.51.3 can lose a WAL reset that a reader makes: only the writer may.
                connection.execute("PRAGMA wal_autocheckpoint = 0")
            self._local.connection = connection
        return self._local.connection

    def close(self) -> None:
        """Close this thread's connection; those of other threads end with their threads."""
        if hasattr(self._local, "connection"):
            self._local.connection.close()
            del self._local.connection

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
        self.connection.execute("BEGIN")
        try:
            yield
        finally:
            self.connection.execute("COMMIT")

    # meta

    def meta(self, name: str) -> str | None:
        row = self.connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def set_meta(self, name: str, value: str) -> None:
        self.connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

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

    def set_manifest(self, manifest: Manifest) -> None:
        self.set_meta("manifest", json.dumps(asdict(manifest), ensure_ascii=False, sort_keys=True))

    # documents

    def documents(self, version: int) -> list[StoredDocument]:
        """The documents of `version`, in the order in which they came."""
        rows = self.connection.execute(
            "SELECT id, title, paths, groups, parser, bytes, content, chunks, unit FROM documents"
            " WHERE added <= ?1 AND (removed IS NULL OR removed > ?1) ORDER BY content",
            (version,),
        )
        return [
            StoredDocument(identity, title, tuple(json.loads(paths)), tuple(json.loads(groups)), *rest)
            for identity, title, paths, groups, *rest in rows
        ]

    def insert_document(self, document: StoredDocument, version: int) -> None:
        self.connection.execute(
            "INSERT INTO documents (id, title, paths, groups, parser, bytes, content, chunks, unit, added)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                document.id,
                document.title,
                json.dumps(document.paths),  # escapes: a path may hold bytes that are not UTF-8
                json.dumps(document.groups, ensure_ascii=False),
                document.parser,
                document.bytes,
                document.content,
                document.chunks,
                document.unit,
                version,
            ),
        )

    def close_document(self, document_id: str, version: int) -> None:
        """The document is not in `version` nor in later ones."""
        self.connection.execute(
            "UPDATE documents SET removed = ? WHERE id = ? AND removed IS NULL",
            (version, document_id),
        )

    # pages and chunks

    def insert_content(self, content: int, pages: Sequence[Page], chunks: Sequence[Chunk]) -> None:
        """Store the pages and chunks of one document; chunk keys count up from `content`."""
        self.connection.executemany(
            "INSERT INTO pages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(content, *astuple(page)) for page in pages],
        )
        self.connection.executemany(
            "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
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
                    checksum(chunk.context, chunk.text),
                )
                for offset, chunk in enumerate(chunks)
            ],
        )

    def pages(self, document: StoredDocument) -> list[Page]:
        rows = self.connection.execute(
            "SELECT number, label, start, end, readable, engine, confidence, hidden, source"
            " FROM pages WHERE content = ?",
            (document.content,),
        )
        return [Page(number, label, a, b, bool(ok), *rest) for number, label, a, b, ok, *rest in rows]

    def page_counts(self, documents: Iterable[StoredDocument]) -> dict[str, int]:
        """Pages of each document, by its id."""
        counts = dict(self.connection.execute("SELECT content, COUNT(*) FROM pages GROUP BY content"))
        return {document.id: counts.get(document.content, 0) for document in documents}

    def doubtful_pages(self, documents: Iterable[StoredDocument]) -> dict[str, dict[int, float]]:
        """Per document id, the pages read by OCR and how sure it was; documents without are left out."""
        by_content = {document.content: document.id for document in documents}
        rows = self.connection.execute("SELECT content, number, confidence FROM pages WHERE confidence < 1")
        found: dict[str, dict[int, float]] = {}
        for content, number, confidence in rows:
            if content in by_content:
                found.setdefault(by_content[content], {})[number] = confidence
        return found

    def unreadable_pages(self, documents: Iterable[StoredDocument]) -> dict[str, list[int]]:
        """Per document id, the pages nobody could read; documents without such pages are left out."""
        by_content = {document.content: document.id for document in documents}
        rows = self.connection.execute("SELECT content, number FROM pages WHERE NOT readable")
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
        rows = self.connection.execute(
            f"SELECT {CHUNK_COLUMNS} FROM chunks WHERE key IN ({','.join('?' * len(keys))})",
            list(keys),
        ).fetchall()
        if len(rows) != len(set(keys)):
            raise IndexDamaged(path=self.folder, detail="chunks are missing")
        return {row[0]: self._chunk(owner(row[0]).id, row) for row in rows}

    def chunks_of(self, document: StoredDocument) -> list[Chunk]:
        """All chunks of one document, in order; together they are its text."""
        rows = self.connection.execute(
            f"SELECT {CHUNK_COLUMNS} FROM chunks WHERE key >= ? AND key < ? ORDER BY key",
            (document.content, document.content + document.chunks),
        ).fetchall()
        if len(rows) != document.chunks:
            raise IndexDamaged(path=self.folder, detail=f"chunks of {document.id} are missing")
        return [self._chunk(document.id, row) for row in rows]

    def _chunk(self, document_id: str, row: tuple) -> Chunk:
        key, start, end, first_page, last_page, tokens, kind, context, text, stored = row
        if checksum(context, text) != stored or len(text) != end - start:
            raise IndexDamaged(path=self.folder, detail=f"{DATABASE}: the text of chunk {key}")
        identity = chunk_id(document_id, start, end)
        return Chunk(identity, document_id, start, end, text, context, first_page, last_page, tokens, kind)

    def text(self, document: StoredDocument, start: int = 0, end: int | None = None) -> str:
        """`document.text[start:end]`, read from its chunks."""
        rows = self.connection.execute(
            f"SELECT {CHUNK_COLUMNS}"
            " FROM chunks WHERE key >= ? AND key < ? AND end > ? AND start < ? ORDER BY key",
            (
                document.content,
                document.content + document.chunks,
                start,
                end if end is not None else 1 << 62,
            ),
        ).fetchall()
        chunks = [self._chunk(document.id, row) for row in rows]
        if not chunks:
            return ""
        text = "".join(chunk.text for chunk in chunks)
        return text[max(0, start - chunks[0].start) : None if end is None else end - chunks[0].start]

    # files

    def files(self, kind: str | None = None) -> list[StoredFile]:
        rows = self.connection.execute(
            "SELECT name, kind, bytes, sha256 FROM files WHERE ?1 IS NULL OR kind = ?1 ORDER BY name",
            (kind,),
        )
        return [StoredFile(*row) for row in rows]

    def set_files(self, kind: str, files: Iterable[StoredFile]) -> None:
        """From this commit on, the index's files of `kind` are `files`."""
        self.connection.execute("DELETE FROM files WHERE kind = ?", (kind,))
        self.connection.executemany(
            "INSERT INTO files VALUES (?, ?, ?, ?)", [(f.name, f.kind, f.bytes, f.sha256) for f in files]
        )


def find_document(documents: Iterable[StoredDocument], name: str) -> StoredDocument:
    """The document whose id, path, file name or title is `name`, in that order of preference.

    Names are compared in NFC: macOS writes file names in NFD, and nobody types those.

    Raises:
        DocumentNotFound: there is none.
        AmbiguousDocument: several have that file name or title.
    """
    documents = list(documents)
    wanted = nfc(name)
    absolute = nfc(str(Path(name).absolute()))
    for matches in (
        lambda document: document.id == name,
        lambda document: {wanted, absolute} & {nfc(path) for path in document.paths},
        lambda document: any(nfc(Path(path).name) == wanted for path in document.paths),
        lambda document: document.title == wanted,
    ):
        found = [document for document in documents if matches(document)]
        if len(found) > 1:
            raise AmbiguousDocument(name=name, ids=", ".join(document.id for document in found))
        if found:
            return found[0]
    raise DocumentNotFound(name=name)


def nfc(text: str) -> str:
    """`text` with its Hangul syllables composed."""
    return unicodedata.normalize("NFC", text)


def checksum(context: str, text: str) -> int:
    """CRC-32 of a chunk's row: SQLite's own check lets most flipped bytes pass."""
    return zlib.crc32(f"{context}\0{text}".encode())
