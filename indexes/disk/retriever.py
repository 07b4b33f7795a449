"""One version of an index on disk, open for searching: see `indexes.engine.SearchEngine`."""

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from indexes.disk import dense, lexical, versions
from indexes.disk.documents import DocumentRow
from indexes.disk.files import StoredFile
from indexes.disk.store import Store
from indexes.disk.visible import OpenVersion, Visible
from indexes.engine import SearchEngine
from indexes.errors import DocumentNotFound, IndexDamaged
from indexes.models.embedder import Embedder
from indexes.search.candidates import Searched
from indexes.search.fusion import DEFAULT_WEIGHT
from indexes.search.questions import Question
from indexes.search.retrieve import read, retrieve
from indexes.types import (
    EVERYTHING,
    Filter,
    Mode,
    Passage,
    Place,
    StoredDocument,
    Understood,
    check_manifest,
    find_document,
)
from ingest.document import Chunk, Page
from ingest.korean.analyse import Analyser
from ingest.structure.chunking import pages_of_span

CACHED_DOCUMENTS, CACHED_FILTERS = 256, 64


class Retriever(SearchEngine):
    """One version of the index in `folder`; later commits do not change it."""

    def __init__(self, folder: Path, embedder: Embedder | None, analyser: Analyser | None) -> None:
        """Open the last committed version.

        Args:
            embedder: None to read without dense search.
            analyser: None to read without lexical search.

        Raises:
            IndexNotFound, IndexFormat, IndexMismatch, IndexDamaged.
        """
        self.store = Store(folder)
        self.manifest = self.store.built_with
        check_manifest(
            folder,
            self.manifest,
            embedder.identity if embedder else None,
            analyser.name if analyser else None,
        )
        self._embedder = embedder
        self._analyser = analyser
        for attempt in range(5):
            # A writer may remove files of the version that was read before they are open; then the next is read.
            try:
                self._open_version()
                return
            except (FileNotFoundError, ValueError, RuntimeError, IndexDamaged) as exc:
                if self.store.version == self.version or attempt == 4:
                    if isinstance(exc, IndexDamaged):
                        raise
                    raise IndexDamaged(path=folder, detail=str(exc)) from exc

    def _open_version(self) -> None:
        with self.store.snapshot():
            self.version = self.store.version
            self._held = versions.hold(self.store.folder, self.version)
            self.store.check_seal()
            self.calibration = self.store.calibration
            rows = self.store.documents.of(self.version)
            files = self.store.files.current()
        self.store.check_version()
        check_sizes(self.store.folder, files)
        self.documents = [row.document for row in rows]
        self._rows = {row.document.document_id: row for row in rows}
        # An answer asks for the pages of the same few documents again and again. A plain dict, because an lru_cache
        # on a method makes a reference cycle, and an unused retriever would go on holding its version.
        self._pages: dict[str, list[Page]] = {}
        self._visible: dict[Filter, Visible] = {}
        segments = [
            dense.open_segment(self.store.folder / "dense", Path(file.name).stem)
            for file in files
            if file.kind == "dense" and file.name.endswith(".faiss")
        ]
        folders = {Path(file.name).parent for file in files if file.kind == "lexical"}
        postings = [lexical.LexicalIndex(self.store.folder / name) for name in folders]
        self._open = OpenVersion(rows, self.store.texts, segments, postings)
        # Once more, for a version that could not be held: if a writer has just removed a file of positions,
        # tantivy takes it for an empty one.
        check_sizes(self.store.folder, files)

    def close(self) -> None:
        """Close the version; the writer may then remove its files."""
        self.store.close()
        if self._held is not None:
            self._held.close()

    def document(self, name: str, allowed: Filter = EVERYTHING) -> StoredDocument:
        """The document with that id, path, file name or title; see `SearchEngine.document`."""
        return find_document(filter(allowed.allows, self.documents), name)

    def visible(self, allowed: Filter) -> list[StoredDocument]:
        """The documents that `allowed` lets through, in the order in which they were added."""
        if allowed == EVERYTHING:
            return self.documents
        return [document for document in self.documents if allowed.allows(document)]

    def retrieve(
        self,
        queries: Sequence[str],
        k: int,
        mode: Mode = "hybrid",
        allowed: Filter = EVERYTHING,
        dense_weight: float | None = None,
    ) -> list[list[Passage]]:
        """For each query the best `k` chunks, best first; fewer if there are fewer."""
        if dense_weight is None:
            dense_weight = self.calibration.dense_weight if self.calibration else DEFAULT_WEIGHT
        return retrieve(
            self._searched(allowed),
            self._embedder,
            self._analyser,
            queries,
            k,
            mode,
            dense_weight,
            self._read,
        )

    def understand(self, query: str, allowed: Filter = EVERYTHING) -> tuple[Understood, ...]:
        """The parts of `query` that are understood as names, references or values, in the order of the query."""
        return self._read(query, self._searched(allowed)).understood

    def _read(self, query: str, searched: Searched) -> Question:
        return read(query, searched, date.today())

    def _searched(self, allowed: Filter) -> Visible:
        """The chunks that `allowed` lets through; cached, because going through 15,000 documents takes 10 ms."""
        found = self._visible.get(allowed)
        if found is None:
            if len(self._visible) >= CACHED_FILTERS:
                self._visible.clear()
            rows = self._rows_of(self.visible(allowed))
            found = Visible(self._open, rows, everything=allowed == EVERYTHING)
            self._visible[allowed] = found
        return found

    def _row(self, document: StoredDocument) -> DocumentRow:
        """The row of `document` in this version.

        Raises:
            DocumentNotFound: this version does not hold it.
        """
        row = self._rows.get(document.document_id)
        if row is None:
            raise DocumentNotFound(name=document.title)
        return row

    def _rows_of(self, documents: Iterable[StoredDocument]) -> list[DocumentRow]:
        return [self._row(document) for document in documents]

    def text(self, document: StoredDocument, start: int = 0, end: int | None = None) -> str:
        """`document.text[start:end]`, read from its chunks."""
        return self.store.texts.text(self._row(document), start, end)

    def chunks(self, document: StoredDocument) -> list[Chunk]:
        """All chunks of `document`, in order; together they are its text."""
        return self.store.texts.chunks_of(self._row(document))

    def unreadable_pages(self, documents: Iterable[StoredDocument]) -> dict[str, list[int]]:
        """By document id, the numbers of the pages that could not be read; only documents with such pages."""
        return self.store.texts.unreadable_pages(self._rows_of(documents))

    def doubtful_pages(self, documents: Iterable[StoredDocument]) -> dict[str, dict[int, float]]:
        """By document id, page number → confidence of the pages read by OCR; only documents with such pages."""
        return self.store.texts.doubtful_pages(self._rows_of(documents))

    def with_id(self, document_id: str) -> StoredDocument:
        """The document with that id."""
        return self._rows[document_id].document

    def pages(self, document_id: str) -> list[Page]:
        """The pages of the document with that id."""
        found = self._pages.get(document_id)
        if found is None:
            if len(self._pages) >= CACHED_DOCUMENTS:
                self._pages.clear()
            found = self._pages[document_id] = self.store.texts.pages(self._rows[document_id])
        return found

    def place_of(self, document_id: str, start: int, end: int) -> Place:
        """The pages that hold the non-empty span [start, end) of a document."""
        pages = self._pages.get(document_id)
        if pages is None:  # a prompt needs a few pages of each of many documents, so not all pages are read
            pages = self.store.texts.pages_of_span(self._rows[document_id], start, end)
        else:
            first, last = pages_of_span(pages, start, end)
            pages = pages[first - 1 : last]
        confidence = min(page.confidence for page in pages)
        return Place(pages[0].number, pages[-1].number, confidence if confidence < 1 else None)


def check_sizes(folder: Path, files: Iterable[StoredFile]) -> None:
    """Check that every file has the size that was written.

    Raises:
        IndexDamaged: one has another size.
        FileNotFoundError: one is gone.
    """
    for file in files:
        if (folder / file.name).stat().st_size != file.bytes:
            raise IndexDamaged(path=folder, detail=f"{file.name} has another size")
