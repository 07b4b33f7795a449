"""Query → [Passage]: one version of an index, open for searching."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal, NamedTuple

from indexes.disk import dense, lexical, versions
from indexes.disk.store import Store
from indexes.engine import SearchEngine
from indexes.errors import IndexDamaged, IndexMismatch, IndexNotFound
from indexes.models.embedder import Embedder
from indexes.search.fusion import DEFAULT_WEIGHT, fuse_scores
from indexes.search.questions import (
    NAMED_DOCUMENT,
    OTHER_NAME,
    Names,
    Question,
    document_names,
    read_question,
)
from indexes.types import (
    EVERYTHING,
    MODES,
    Filter,
    Manifest,
    Mode,
    Passage,
    Place,
    StoredDocument,
    Understood,
    find_document,
)
from ingest.document import Chunk, Page
from ingest.korean.analyse import Analyser
from ingest.structure.chunking import pages_of_span

# Each retriever gives this many times k to the fusion, and no fewer than so many: a chunk ranked low by
# one can win by both.
CANDIDATES, LEAST_CANDIDATES = 3, 300
NAMED_CANDIDATES = 100  # of what a query names
# A sentence of a statute names a dozen articles, each a search of 2 ms at 100,000 chunks: the rarest tell most.
MOST_KEYS = 3
ALIAS_TEXTS = 5  # that are asked for another name
CACHED_DOCUMENTS, CACHED_FILTERS = 256, 64


@dataclass(frozen=True, slots=True)
class SearchConfig:
    """`k` passages are retrieved; `dense_weight` is the cosine's part beside BM25 in hybrid mode, "auto"
    what calibration found for the index.

    `analyser`: "kiwi" (morphemes and bigrams) or "bigram" (no start-up time, a little less exact).
    `dictionary`: a file of words, one a line, that are to be found as a whole; empty for none.
    """

    k: int = 120
    mode: Mode = "hybrid"
    dense_weight: float | Literal["auto"] = "auto"
    analyser: str = "kiwi"
    dictionary: str = ""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"search.k must be at least 1, got {self.k}")
        if self.mode not in MODES:
            raise ValueError(f"search.mode must be one of {', '.join(MODES)}, got {self.mode!r}")
        if self.dense_weight != "auto" and (isinstance(self.dense_weight, str) or self.dense_weight < 0):
            raise ValueError(f'search.dense_weight must be "auto" or at least 0, got {self.dense_weight!r}')
        if self.analyser not in ("kiwi", "bigram"):
            raise ValueError(f"search.analyser must be kiwi or bigram, got {self.analyser!r}")

    @property
    def fixed_weight(self) -> float | None:
        """`dense_weight`, None for "auto"."""
        return None if isinstance(self.dense_weight, str) else self.dense_weight


class _Scope(NamedTuple):
    """What one filter lets through: ids of documents (None: all), keys and number of their chunks."""

    ids: list[str] | None
    keys: dense.KeyRanges
    chunks: int
    names: Names


class Retriever(SearchEngine):
    """One version of the index in `folder`; what others commit later does not change it."""

    def __init__(self, folder: Path, embedder: Embedder | None, analyser: Analyser | None) -> None:
        """Open the last committed version.

        Args:
            embedder: None to read without dense search.
            analyser: None to read without lexical search.

        Raises:
            IndexNotFound, IndexFormat, IndexMismatch, IndexDamaged.
        """
        self.store = Store(folder)
        manifest = self.store.manifest
        if manifest is None:
            raise IndexNotFound(path=folder)
        check_manifest(
            folder,
            manifest,
            embedder.identity if embedder else None,
            analyser.name if analyser else None,
        )
        self.manifest = manifest
        self._embedder = embedder
        self._analyser = analyser
        for attempt in range(5):
            # A writer may remove files of the version just read before they are open: read again.
            try:
                self._open_version()
                return
            except (FileNotFoundError, ValueError, RuntimeError) as exc:
                if self.store.version == self.version or attempt == 4:
                    raise IndexDamaged(path=folder, detail=str(exc)) from exc

    def _open_version(self) -> None:
        with self.store.snapshot():
            self.version = self.store.version
            self._held = versions.hold(self.store.folder, self.version)
            self.store.check_seal()
            self.calibration = self.store.calibration
            self.documents = self.store.documents(self.version)
            files = self.store.files()
        self.store.check_version()
        check_sizes(self.store.folder, files)
        self._by_id = {document.id: document for document in self.documents}
        self._by_key = sorted(self.documents, key=lambda document: document.content)
        # An answer asks for the pages of the same few documents again and again. No lru_cache: with
        # itself in a circle of references, a retriever that nobody uses would go on holding its version.
        self._pages: dict[str, list[Page]] = {}
        self._contents = [document.content for document in self._by_key]
        self._scopes: dict[Filter, _Scope] = {}
        self._segments = [
            dense.open_segment(self.store.folder / "dense", Path(file.name).stem)
            for file in files
            if file.kind == "dense" and file.name.endswith(".faiss")
        ]
        folders = {Path(file.name).parent for file in files if file.kind == "lexical"}
        self._postings = [lexical.LexicalIndex(self.store.folder / name) for name in folders]
        # Once more, for a version that could not be held: tantivy takes a file of positions that a
        # writer has just swept for an empty one.
        check_sizes(self.store.folder, files)

    def close(self) -> None:
        """Let go of the index; the writer may then remove the files of this version."""
        self.store.close()
        if self._held is not None:
            self._held.close()

    def document(self, name: str, allowed: Filter = EVERYTHING) -> StoredDocument:
        """The document with that id, path or file name, if `allowed`; else DocumentNotFound."""
        return find_document(filter(allowed.allows, self.documents), name)

    def visible(self, allowed: Filter) -> list[StoredDocument]:
        """The documents that `allowed` lets through, in the order in which they came."""
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
        """For each query the best `k` chunks, best first; fewer where there are not as many."""
        scope = self._scope(allowed)
        if not scope.chunks:
            return [[] for _ in queries]
        if dense_weight is None:
            dense_weight = self.calibration.dense_weight if self.calibration else DEFAULT_WEIGHT
        k = min(k, scope.chunks)
        if mode == "dense":
            vectors = self._embedder.embed_queries(queries)
            return [self._passages(dense.search(self._segments, v, k, scope.keys)) for v in vectors]
        questions = [self._read(query, scope) for query in queries]
        terms = self._weighted_terms(questions)
        vectors = self._embedder.embed_queries(queries) if mode == "hybrid" else [None] * len(queries)
        depth = max(CANDIDATES * k, LEAST_CANDIDATES)
        return [
            self._passages(self._rank(*each, depth, scope, dense_weight)[:k])
            for each in zip(questions, terms, vectors, strict=True)
        ]

    def understand(self, query: str, allowed: Filter = EVERYTHING) -> tuple[Understood, ...]:
        """What in `query` is taken for more than words, in its order."""
        return self._read(query, self._scope(allowed)).understood

    def _read(self, query: str, scope: _Scope) -> Question:
        def is_key(term: str) -> bool:  # counted first, since most are none, but deleted chunks count there
            return any(
                index.holders(term) and index.search({}, 1, scope.ids, term) for index in self._postings
            )

        def texts_with(key: str) -> list[str]:
            keys = [
                hit for index in self._postings for hit, _ in index.search({}, ALIAS_TEXTS, scope.ids, key)
            ]
            return [chunk.text for chunk in self.store.chunks(self._owner, keys).values()]

        return read_question(query, scope.names, is_key, texts_with, date.today())

    def _weighted_terms(self, questions: Sequence[Question]) -> list[dict[str, float]]:
        """The terms to search for, each with its weight, per question."""
        words = self._analyser.terms([question.words for question in questions])
        others = self._analyser.terms([question.other_names for question in questions])
        weighted = []
        for question, own, other in zip(questions, words, others, strict=True):
            weights = dict.fromkeys(other, OTHER_NAME) | Counter(own)
            weighted.append(weights | dict.fromkeys(question.values, 1.0))
        return weighted

    def _scope(self, allowed: Filter) -> "_Scope":
        """What `allowed` lets through; kept, for looking through 15,000 documents takes 10 ms."""
        found = self._scopes.get(allowed)
        if found is None:
            if len(self._scopes) >= CACHED_FILTERS:
                self._scopes.clear()
            documents = self.visible(allowed)
            ids = None if allowed == EVERYTHING else [document.id for document in documents]
            chunks = sum(document.chunks for document in documents)
            found = self._scopes[allowed] = _Scope(
                ids, key_ranges(documents), chunks, document_names(documents)
            )
        return found

    def _rank(
        self,
        question: Question,
        weights: Mapping[str, float],
        vector,
        depth: int,
        scope: _Scope,
        dense_weight: float,
    ) -> list[tuple[int, float]]:
        """Keys of chunks with their scores, best first."""
        by_words, by_meaning = self._search(weights, depth, scope.ids), {}
        named: dict[int, float] = defaultdict(float)
        for key in sorted(question.keys, key=self._holders)[:MOST_KEYS]:
            places = self._search(weights, NAMED_CANDIDATES, scope.ids, key)
            by_words = places | by_words
            for chunk in places:
                named[chunk] += question.keys[key]
        if question.documents:
            by_words = self._search(weights, NAMED_CANDIDATES, sorted(question.documents)) | by_words
        if vector is not None and not question.by_number:
            by_meaning = dict(dense.search(self._segments, vector, depth, scope.keys))
            missing = by_words.keys() - by_meaning.keys()
            by_meaning |= dense.scores_of(self._segments, vector, list(missing))
        if question.documents:
            for chunk in by_words.keys() | by_meaning.keys():
                if self._owner(chunk).id in question.documents:
                    named[chunk] += NAMED_DOCUMENT
        fused = [hit for hit in fuse_scores(by_words, by_meaning, dense_weight, named) if hit[1] > 0]
        if vector is not None:
            return fused
        best = max(by_words.values(), default=0.0) or 1.0
        return [(key, best * score) for key, score in fused]  # BM25 as it is, where nothing is added

    def _holders(self, term: str) -> int:
        return sum(index.holders(term) for index in self._postings)

    def _search(self, terms, k: int, documents, having: str | None = None) -> dict[int, float]:
        return {
            key: score for index in self._postings for key, score in index.search(terms, k, documents, having)
        }

    def _passages(self, ranking: Sequence[tuple[int, float]]) -> list[Passage]:
        chunks = self.store.chunks(self._owner, [key for key, _ in ranking])
        # Contents pages have no terms and a vector of zeros: last, where they come up at all.
        found = [(chunks[key], score) for key, score in ranking if chunks[key].kind != "contents"]
        return [Passage(chunk, score, rank) for rank, (chunk, score) in enumerate(found, start=1)]

    def _owner(self, key: int) -> StoredDocument:
        return self._by_key[bisect_right(self._contents, key) - 1]

    def text(self, document: StoredDocument, start: int = 0, end: int | None = None) -> str:
        """`document.text[start:end]`, read from its chunks."""
        return self.store.text(document, start, end)

    def chunks(self, document: StoredDocument) -> list[Chunk]:
        """All chunks of `document`, in order; together they are its text."""
        return self.store.chunks_of(document)

    def unreadable_pages(self, documents: Iterable[StoredDocument]) -> dict[str, list[int]]:
        """Per document id, the pages nobody could read; documents without such pages are left out."""
        return self.store.unreadable_pages(documents)

    def doubtful_pages(self, documents: Iterable[StoredDocument]) -> dict[str, dict[int, float]]:
        """Per document id, the pages read by OCR and how sure it was; documents without are left out."""
        return self.store.doubtful_pages(documents)

    def with_id(self, document_id: str) -> StoredDocument:
        """The document with that id."""
        return self._by_id[document_id]

    def pages(self, document_id: str) -> list[Page]:
        """The pages of the document with that id."""
        found = self._pages.get(document_id)
        if found is None:
            if len(self._pages) >= CACHED_DOCUMENTS:
                self._pages.clear()
            found = self._pages[document_id] = self.store.pages(self.with_id(document_id))
        return found

    def place_of(self, document_id: str, start: int, end: int) -> Place:
        """The pages of the non-empty span [start, end) of a document."""
        pages = self._pages.get(document_id)
        if pages is None:  # a prompt asks for a few pages of many documents: not for all of them
            pages = self.store.pages_of_span(self.with_id(document_id), start, end)
        else:
            first, last = pages_of_span(pages, start, end)
            pages = pages[first - 1 : last]
        confidence = min(page.confidence for page in pages)
        return Place(pages[0].number, pages[-1].number, confidence if confidence < 1 else None)


def key_ranges(documents: Sequence[StoredDocument]) -> dense.KeyRanges:
    """The chunk keys of `documents`, as ascending half-open ranges."""
    return dense.key_ranges((d.content, d.chunks) for d in documents)


def check_manifest(folder: Path, manifest: Manifest, embedder, analyser: str | None) -> None:
    """Refuse models that the index was not built with.

    Raises:
        IndexMismatch: naming both. A model's name may differ (a hub name, then a local copy of it)
            where its revision does not.
    """
    built = manifest.embedder
    if embedder is not None and not built.same_vectors(embedder):
        raise IndexMismatch(
            path=folder,
            what="embedder",
            built=f"{built.name} ({built.dim}d, {built.revision[:12]})",
            opened=f"{embedder.name} ({embedder.dim}d, {embedder.revision[:12]})",
        )
    if analyser is not None and analyser != manifest.analyser:
        raise IndexMismatch(path=folder, what="analyser", built=manifest.analyser, opened=analyser)


def check_sizes(folder: Path, files) -> None:
    """Raise IndexDamaged where a file is not as long as it was; FileNotFoundError where it is gone."""
    for file in files:
        if (folder / file.name).stat().st_size != file.bytes:
            raise IndexDamaged(path=folder, detail=f"{file.name} has another size")
