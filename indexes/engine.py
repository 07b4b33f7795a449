"""The two protocols of an index: `SearchEngine` reads one version, `IndexWriter` makes the next.

Everything that searches, builds or changes an index goes through them; `indexes.open` chooses who
fulfils them. What an engine has to hold to is written as tests: tests/conformance.py.
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


class IndexWriter(Protocol):
    """Open for writing, as a context manager; an index has one writer at a time.

    Changes are collected, and a commit makes all of them visible at once or none. Readers that are open
    go on reading their version. For one thread.
    """

    @property
    def version(self) -> int:
        """Number of the last commit; 0 before the first."""
        ...

    @property
    def documents(self) -> Mapping[str, StoredDocument]:
        """The documents by id, in the order in which they came; what is not committed yet is in it."""
        ...

    @property
    def calibration(self) -> Calibration | None:
        """What was found of the index's retrievers; None before that."""
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
        """Let the next writer in; what was not committed is dropped."""
        ...

    def add(self, content: NewContent) -> None:
        """Add a document, in place of the one with its id if there is one.

        Raises:
            ValueError: there is not one row of terms and one vector for each chunk.
        """
        ...

    def change(self, document: StoredDocument) -> None:
        """Store other paths or groups of a document whose content stays."""
        ...

    def remove(self, document_id: str) -> None:
        """Take a document out; KeyError where there is none."""
        ...

    def commit(self) -> int:
        """Make all changes since the last commit visible at once; returns the version.

        Without changes the version stays, but a new index has version 1 from its first commit on.

        Raises:
            IndexUnwritable: the last commit stands, and the changes wait for the next try.
        """
        ...

    def merge(self) -> int:
        """Put small parts of the index together where that pays; answers stay as they are.

        Returns:
            The version, a new one where anything was put together.

        Raises:
            ValueError: there are changes that are not committed.
            IndexUnwritable: the last commit stands.
        """
        ...

    def chunks(self, document: StoredDocument) -> list[Chunk]:
        """All chunks of a committed document, in order."""
        ...

    def set_calibration(self, found: Calibration) -> None:
        """Store what was found of the retrievers, at once; the version stays."""
        ...
