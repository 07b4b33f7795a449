"""What answers are made from: one protocol, which the index here implements and another engine may.

Everything in rag/ that reads an index goes through `SearchEngine`. What another engine, say of a
cluster, has to hold to is written as tests: tests/conformance.py.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from indexes.types import (
    EVERYTHING,
    Calibration,
    Filter,
    Manifest,
    Mode,
    Passage,
    Place,
    StoredDocument,
    Understood,
)
from ingest.document import Chunk, Page


class SearchEngine(Protocol):
    """One version of a set of documents, open for searching; safe to use from several threads.

    What others change meanwhile is not seen. `documents` are those of the version, in the order in
    which they came. `calibration`: what was found of its retrievers, None before that.
    """

    version: int
    manifest: Manifest
    documents: list[StoredDocument]
    calibration: Calibration | None

    def retrieve(
        self,
        queries: Sequence[str],
        k: int,
        mode: Mode = "hybrid",
        allowed: Filter = EVERYTHING,
        dense_weight: float | None = None,
    ) -> list[list[Passage]]:
        """For each query the best `k` of the chunks that `allowed` lets through, best first.

        `dense_weight`: how much the cosine counts beside BM25; None: as the index was calibrated.
        """
        ...

    def understand(self, query: str, allowed: Filter = EVERYTHING) -> tuple[Understood, ...]:
        """What in `query` is taken for more than words, in its order."""
        ...

    def visible(self, allowed: Filter) -> list[StoredDocument]:
        """The documents that `allowed` lets through, in the order in which they came."""
        ...

    def document(self, name: str, allowed: Filter = EVERYTHING) -> StoredDocument:
        """The document with that id, path, file name or title, if `allowed`; else DocumentNotFound."""
        ...

    def with_id(self, document_id: str) -> StoredDocument:
        """The document with that id; KeyError where there is none."""
        ...

    def text(self, document: StoredDocument, start: int = 0, end: int | None = None) -> str:
        """`document.text[start:end]`."""
        ...

    def chunks(self, document: StoredDocument) -> list[Chunk]:
        """All chunks of `document`, in order; together they are its text."""
        ...

    def pages(self, document_id: str) -> list[Page]:
        """The pages of the document with that id."""
        ...

    def place_of(self, document_id: str, start: int, end: int) -> Place:
        """The pages of the non-empty span [start, end) of a document."""
        ...

    def unreadable_pages(self, documents: Iterable[StoredDocument]) -> dict[str, list[int]]:
        """Per document id, the pages nobody could read; documents without such pages are left out."""
        ...

    def doubtful_pages(self, documents: Iterable[StoredDocument]) -> dict[str, dict[int, float]]:
        """Per document id, the pages read by OCR and how sure it was; documents without are left out."""
        ...

    def close(self) -> None:
        """Let go of the version."""
        ...
