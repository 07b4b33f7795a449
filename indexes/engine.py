"""The two protocols of an index: `SearchEngine` reads one version, `IndexWriter` makes the next.

Everything that searches, builds or changes an index goes through them; `indexes.open` chooses the classes that
implement them. The tests in tests/conformance.py state what an engine must do.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, Self

from indexes.types import (
    EVERYTHING,
    Calibration,
    Filter,
    Manifest,
    Mode,
    NewContent,
    Passage,
    Place,
    StoredDocument,
    Understood,
)
from ingest.document import Chunk, Page


class SearchEngine(Protocol):
    """One version of a set of documents, open for searching; safe to use from several threads.

    Later changes by others are not visible. `documents`: those of the version, in the order in which they were
    added. `calibration`: the result of calibrating the index, None before.
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
        """The parts of `query` that are understood as names, references or values, in the order of the query."""
        ...

    def visible(self, allowed: Filter) -> list[StoredDocument]:
        """The documents that `allowed` lets through, in the order in which they were added."""
        ...

    def document(self, name: str, allowed: Filter = EVERYTHING) -> StoredDocument:
        """The document with that id, path, file name or title.

        Raises:
            DocumentNotFound: there is none, or `allowed` does not let it through.
            AmbiguousDocument: several have that file name or title.
        """
        ...

    def with_id(self, document_id: str) -> StoredDocument:
        """The document with that id; KeyError if there is none."""
        ...

    def text(self, document: StoredDocument, start: int = 0, end: int | None = None) -> str:
        """`document.text[start:end]`."""
        ...

    def chunks(self, document: StoredDocument) -> list[Chunk]:
        """All chunks of `document`, in order; together they are its text."""
        ...

    def pages(self, document_id: str) -> list[Page]:
        """The pages of the document with that id, in order."""
        ...

    def place_of(self, document_id: str, start: int, end: int) -> Place:
        """The pages that hold the non-empty span [start, end) of a document."""
        ...

    def unreadable_pages(self, documents: Iterable[StoredDocument]) -> dict[str, list[int]]:
        """By document id, the numbers of the pages that could not be read; only documents with such pages."""
        ...

    def doubtful_pages(self, documents: Iterable[StoredDocument]) -> dict[str, dict[int, float]]:
        """By document id, page number → confidence of the pages read by OCR; only documents with such pages."""
        ...

    def close(self) -> None:
        """Close the version, so that a writer may remove its files."""
        ...


class IndexWriter(Protocol):
    """An index open for writing: a context manager, for one thread; an index has one writer at a time.

    Changes are collected; a commit makes either all of them visible at once or none. Open readers keep their version.
    """

    @property
    def version(self) -> int:
        """Number of the last commit; 0 before the first."""
        ...

    @property
    def documents(self) -> Mapping[str, StoredDocument]:
        """The documents by id, in the order in which they were added, uncommitted ones included."""
        ...

    @property
    def calibration(self) -> Calibration | None:
        """The result of calibrating the index; None before."""
        ...

    @property
    def pending_chunks(self) -> int:
        """Number of chunks that the next commit adds."""
        ...

    @property
    def has_changes(self) -> bool:
        """Whether the next commit changes anything."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc_info: object) -> None:
        """Close the writer, so that another can open; uncommitted changes are dropped."""
        ...

    def add(self, content: NewContent) -> None:
        """Add a document; it replaces the one with the same id, if any.

        Raises:
            ValueError: the numbers of chunks, rows of terms and vectors differ.
        """
        ...

    def change(self, document: StoredDocument) -> None:
        """Store new paths or groups of a document whose content stays the same."""
        ...

    def remove(self, document_id: str) -> None:
        """Remove a document; KeyError if there is none with that id."""
        ...

    def commit(self) -> int:
        """Make all changes since the last commit visible at once; returns the version.

        Without changes the version stays the same, but the first commit of a new index always makes version 1.

        Raises:
            IndexUnwritable: the last commit stays in force, and the changes are kept for the next try.
        """
        ...

    def merge(self) -> int:
        """Merge small parts of the index where that pays; search results stay the same.

        Returns:
            The version; a new one if anything was merged.

        Raises:
            ValueError: there are uncommitted changes.
            IndexUnwritable: the last commit stays in force.
        """
        ...

    def chunks(self, document: StoredDocument) -> list[Chunk]:
        """All chunks of a committed document, in order."""
        ...

    def set_calibration(self, found: Calibration) -> None:
        """Store the result of calibrating, at once; the version stays the same."""
        ...
