"""The table of documents: those that each version holds, and the keys of their first chunks."""

import json
from dataclasses import dataclass

from indexes.disk.database import Database
from indexes.disk.schema import DOCUMENT_COLUMNS
from indexes.types import StoredDocument


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document as the database holds it; `content` is the key of its first chunk."""

    content: int
    document: StoredDocument

    @property
    def keys(self) -> range:
        """The keys of its chunks."""
        return range(self.content, self.content + self.document.chunks)


class Documents:
    """The rows of documents in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, version: int) -> list[DocumentRow]:
        """The documents of `version`, in the order in which they were added.

        Raises:
            IndexDamaged: the checksum of a row is wrong.
        """
        rows = self._database.fetch(
            f"SELECT {DOCUMENT_COLUMNS} FROM documents"
            " WHERE added <= ?1 AND (removed IS NULL OR removed > ?1) ORDER BY content",
            (version,),
        )
        return [_document_row(row) for row in self._database.checked("documents", rows)]

    def insert(self, row: DocumentRow, version: int) -> None:
        """Add a document that the index holds from `version` on."""
        document = row.document
        fields = (
            document.document_id,
            document.title,
            json.dumps(document.paths),  # escapes: a path may hold bytes that are not UTF-8
            json.dumps(document.groups, ensure_ascii=False),
            document.parser,
            document.bytes,
            row.content,
            document.chunks,
            document.unit,
            document.pages,
            version,
            None,
        )
        self._database.insert("documents", [fields])

    def close(self, document_id: str, version: int) -> None:
        """End a document's row: `version` and later ones do not hold it."""
        self._database.close_row("documents", "id", document_id, version)


def _document_row(row: tuple) -> DocumentRow:
    identity, title, paths, groups, parser, size, content, chunks, unit, pages, _, _ = row
    document = StoredDocument(
        document_id=identity,
        title=title,
        paths=tuple(json.loads(paths)),
        groups=tuple(json.loads(groups)),
        parser=parser,
        bytes=size,
        chunks=chunks,
        unit=unit,
        pages=pages,
    )
    return DocumentRow(content, document)
