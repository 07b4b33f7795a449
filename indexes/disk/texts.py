"""The tables of pages and chunks: the text of every document, checked whenever it is read."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple

from indexes.disk.database import Database
from indexes.disk.documents import DocumentRow
from indexes.disk.schema import CHUNK_COLUMNS, PAGE_COLUMNS, intact
from ingest.document import Chunk, Page, chunk_id


class Texts:
    """The pages and chunks in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, content: int, pages: Sequence[Page], chunks: Sequence[Chunk]) -> None:
        """Store the pages and chunks of one document; chunk keys count up from `content`."""
        self._database.insert("pages", [(content, *_page_row(page)) for page in pages])
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
        self._database.insert("chunks", rows)

    def pages(self, row: DocumentRow) -> list[Page]:
        """The pages of one document, in order.

        Raises:
            IndexDamaged: a row is missing or its checksum is wrong.
        """
        rows = self._database.fetch(
            f"SELECT {PAGE_COLUMNS} FROM pages WHERE content = ? ORDER BY number", (row.content,)
        )
        if len(rows) != row.document.pages:
            raise self._database.damaged(f"pages of {row.document.document_id} are missing")
        return self._read_pages(rows)

    def pages_of_span(self, row: DocumentRow, start: int, end: int) -> list[Page]:
        """The pages of the non-empty span [start, end) of one document, in order.

        Raises:
            IndexDamaged: there are none, or the checksum of one is wrong.
        """
        rows = self._database.fetch(
            f"SELECT {PAGE_COLUMNS} FROM pages WHERE content = ? AND end > ? AND start < ? ORDER BY number",
            (row.content, start, max(end, start + 1)),
        )
        if not rows:
            raise self._database.damaged(f"pages of {row.document.document_id} are missing")
        return self._read_pages(rows)

    def _read_pages(self, rows: Iterable[tuple]) -> list[Page]:
        checked = self._database.checked("pages", rows)
        return [
            Page(
                number=number,
                label=label,
                start=start,
                end=end,
                readable=bool(readable),
                engine=engine,
                confidence=confidence,
                hidden=hidden,
                source=source,
            )
            for _, number, label, start, end, readable, engine, confidence, hidden, source in checked
        ]

    def doubtful_pages(self, documents: Iterable[DocumentRow]) -> dict[str, dict[int, float]]:
        """By document id, page number → confidence of the pages read by OCR; only documents with such pages."""
        by_content = {row.content: row.document.document_id for row in documents}
        rows = self._database.fetch("SELECT content, number, confidence FROM pages WHERE confidence < 1")
        found: dict[str, dict[int, float]] = {}
        for content, number, confidence in rows:
            if content in by_content:
                found.setdefault(by_content[content], {})[number] = confidence
        return found

    def unreadable_pages(self, documents: Iterable[DocumentRow]) -> dict[str, list[int]]:
        """By document id, the numbers of the pages that could not be read; only documents with such pages."""
        by_content = {row.content: row.document.document_id for row in documents}
        rows = self._database.fetch("SELECT content, number FROM pages WHERE NOT readable")
        found: dict[str, list[int]] = {}
        for content, number in rows:
            if content in by_content:
                found.setdefault(by_content[content], []).append(number)
        return found

    def chunks(self, owner: Callable[[int], str], keys: Sequence[int]) -> dict[int, Chunk]:
        """The chunks with these keys, checked against their checksums.

        Args:
            owner: gives the id of the document that holds the chunk with a key.

        Raises:
            IndexDamaged: a row is missing or its checksum is wrong.
        """
        rows = self._database.fetch(
            f"SELECT {CHUNK_COLUMNS} FROM chunks WHERE key IN ({','.join('?' * len(keys))})", list(keys)
        )
        if len(rows) != len(set(keys)):
            raise self._database.damaged("chunks are missing")
        return {row[0]: self._chunk(owner(row[0]), row) for row in rows}

    def chunks_of(self, row: DocumentRow) -> list[Chunk]:
        """All chunks of one document, in order; together they are its text."""
        rows = self._database.fetch(
            f"SELECT {CHUNK_COLUMNS} FROM chunks WHERE key >= ? AND key < ? ORDER BY key",
            (row.keys.start, row.keys.stop),
        )
        if len(rows) != row.document.chunks:
            raise self._database.damaged(f"chunks of {row.document.document_id} are missing")
        return [self._chunk(row.document.document_id, chunk) for chunk in rows]

    def _chunk(self, document_id: str, row: tuple) -> Chunk:
        key, start, end, first_page, last_page, tokens, kind, context, text, _ = row
        if not intact(row) or len(text) != end - start:
            raise self._database.damaged(f"the text of chunk {key}")
        return Chunk(
            id=chunk_id(document_id, start, end),
            document_id=document_id,
            start=start,
            end=end,
            text=text,
            context=context,
            first_page=first_page,
            last_page=last_page,
            tokens=tokens,
            kind=kind,
        )

    def text(self, row: DocumentRow, start: int = 0, end: int | None = None) -> str:
        """`document.text[start:end]`, read from its chunks."""
        rows = self._database.fetch(
            f"SELECT {CHUNK_COLUMNS}"
            " FROM chunks WHERE key >= ? AND key < ? AND end > ? AND start < ? ORDER BY key",
            (
                row.keys.start,
                row.keys.stop,
                start,
                end if end is not None else 1 << 62,
            ),
        )
        chunks = [self._chunk(row.document.document_id, chunk) for chunk in rows]
        if not chunks:
            return ""
        text = "".join(chunk.text for chunk in chunks)
        return text[max(0, start - chunks[0].start) : None if end is None else end - chunks[0].start]


def _page_row(page: Page) -> tuple:
    # In the types that SQLite gives back, so that the checksum is over the same values.
    number, label, start, end, readable, engine, confidence, hidden, source = astuple(page)
    return number, label, start, end, int(readable), engine, float(confidence), hidden, bytes(source)
