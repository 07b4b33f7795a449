"""Fakes of models and of a search engine, small enough to understand."""

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from indexes.errors import DocumentNotFound, IndexBusy
from indexes.models.embedder import OnBatch
from indexes.search.fusion import fuse_scores
from indexes.types import (
    EVERYTHING,
    Calibration,
    EmbedderIdentity,
    Manifest,
    NewContent,
    Passage,
    Place,
    StoredDocument,
    find_document,
)
from ingest.document import Chunk, Page
from ingest.korean.analyse import bigrams, fold, words
from rag.models.generator import Completion, Job, Results, Sampling, one_by_one
from rag.prompting.packing import Prompt


class BigramEmbedder:
    """Hashes character bigrams into `dim` dimensions, so that texts that share words are near."""

    def __init__(self, revision: str = "1", max_tokens: int = 1 << 30, dim: int = 64) -> None:
        self.identity = EmbedderIdentity("bigrams", revision, dim, "", "")
        self.max_tokens = max_tokens

    def count_tokens(self, passages: Sequence[str]) -> list[int]:
        return [len(text) for text in passages]

    def embed_passages(self, texts: Sequence[str], on_batch: OnBatch = lambda _: None) -> NDArray[np.float32]:
        dim = self.identity.dim
        vectors = np.zeros((len(texts), dim), np.float32)
        for row, text in enumerate(texts):
            for term in [*bigrams(fold(text)), *words(fold(text))]:
                vectors[row, zlib.crc32(term.encode()) % dim] += 1
        on_batch(len(texts))
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.where(norms > 0, norms, 1)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.embed_passages(texts)


class WordReranker:
    """Scores a text by the share of the query's words in it, or by its negative; keeps what it was given."""

    revision = "1"
    max_tokens = 1 << 30

    def __init__(self, sign: float = 1.0) -> None:
        self.name = f"words {sign:+g}"
        self.given: list[list[tuple[str, str]]] = []
        self._sign = sign

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        self.given.append(list(pairs))
        shares = [sum(word in text for word in query.split()) / len(query.split()) for query, text in pairs]
        return self._sign * np.array(shares, np.float32)


class ScriptedGenerator:
    """Replies with the texts of a list, in order; keeps the prompts that it was given."""

    name = "scripted"
    margin = 0
    writes = True

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)
        self.prompts: list[Prompt] = []

    def generate(self, prompts: Sequence[Prompt], options: Sampling) -> list[Completion]:
        self.prompts += prompts
        return [self._next(options.n) for _ in prompts]

    def _next(self, n: int) -> Completion:
        first, *others = (Completion(self.replies.pop(0), "stop") for _ in range(n))
        return replace(first, others=tuple(others))

    def generate_each(self, job: Job, options: Sampling) -> Results:
        return one_by_one(self, job, options)

    def stream(self, prompt: Prompt, options: Sampling) -> Iterator[str]:
        (completion,) = self.generate([prompt], options)
        for start in range(0, len(completion.text), 3):
            yield completion.text[start : start + 3]


class InMemoryIndex:
    """An index in memory: the versions that `InMemoryWriter` committed, each a mapping that never changes."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.versions: list[dict[str, NewContent]] = [{}]  # version 0, which nobody committed
        self.calibration: Calibration | None = None
        self.writing = False

    def open(self, embedder, analyser) -> "InMemoryEngine":
        """An engine for the last version."""
        opened = InMemoryEngine(list(self.versions[-1].values()), self.manifest, embedder, analyser)
        opened.version, opened.calibration = len(self.versions) - 1, self.calibration
        return opened


class InMemoryWriter:
    """Writes to an index in memory; a commit appends one mapping to its versions."""

    def __init__(self, index: InMemoryIndex) -> None:
        if index.writing:
            raise IndexBusy(path="memory", holder="another writer")
        self._index = index
        self._held = dict(index.versions[-1])
        index.writing = True

    def __enter__(self) -> "InMemoryWriter":
        return self

    def __exit__(self, *exc_info) -> None:
        self._index.writing = False

    @property
    def version(self) -> int:
        return len(self._index.versions) - 1

    @property
    def documents(self) -> dict[str, StoredDocument]:
        return {identity: content.document for identity, content in self._held.items()}

    @property
    def calibration(self) -> Calibration | None:
        return self._index.calibration

    @property
    def pending_chunks(self) -> int:
        committed = self._index.versions[-1]
        return sum(
            len(content.chunks)
            for identity, content in self._held.items()
            if identity not in committed or content.chunks is not committed[identity].chunks
        )

    @property
    def has_changes(self) -> bool:
        return self._held != self._index.versions[-1]

    def add(self, content: NewContent) -> None:
        if not len(content.chunks) == len(content.terms) == len(content.vectors):
            raise ValueError(f"{content.document.document_id} has other numbers of chunks, terms and vectors")
        self._held.pop(content.document.document_id, None)
        document = replace(content.document, chunks=len(content.chunks), pages=len(content.pages))
        self._held[document.document_id] = replace(content, document=document)

    def change(self, document: StoredDocument) -> None:
        self._held[document.document_id] = replace(self._held[document.document_id], document=document)

    def remove(self, document_id: str) -> None:
        del self._held[document_id]

    def commit(self) -> int:
        if self.has_changes or not self.version:
            self._index.versions.append(dict(self._held))
        return self.version

    def merge(self) -> int:
        if self.has_changes:
            raise ValueError("commit before merging")
        return self.version

    def chunks(self, document: StoredDocument) -> list[Chunk]:
        return list(self._index.versions[-1][document.document_id].chunks)

    def set_calibration(self, found: Calibration) -> None:
        self._index.calibration = found


class InMemoryEngine:
    """A slow and plain search engine: every query looks at every chunk. BM25 is Lucene's."""

    version = 1
    calibration: Calibration | None = None

    def __init__(self, contents: Sequence[NewContent], manifest: Manifest, embedder, analyser) -> None:
        self.manifest = manifest
        self._embedder, self._analyser = embedder, analyser
        self._held = {
            content.document.document_id: replace(
                content,
                document=replace(content.document, chunks=len(content.chunks), pages=len(content.pages)),
            )
            for content in contents
        }
        firsts = accumulate((len(content.chunks) for content in contents), initial=1)
        self._firsts = dict(zip(self._held, firsts, strict=False))
        self.documents = [content.document for content in self._held.values()]
        self._terms = [row.split() for content in self._held.values() for row in content.terms]

    def retrieve(
        self, queries, k, mode="hybrid", allowed=EVERYTHING, dense_weight=None
    ) -> list[list[Passage]]:
        return [self._retrieve(query, k, mode, allowed, dense_weight) for query in queries]

    def _retrieve(self, query, k, mode, allowed, dense_weight) -> list[Passage]:
        (terms,), (vector,) = self._analyser.terms([query]), self._embedder.embed_queries([query])
        chunks, words, near = {}, {}, {}
        for document in self.visible(allowed):
            content = self._held[document.document_id]
            for offset, chunk in enumerate(content.chunks):
                key = self._firsts[document.document_id] + offset
                chunks[key], near[key] = chunk, float(content.vectors[offset] @ vector)
                if (score := self._bm25(terms, content.terms[offset].split())) > 0:
                    words[key] = score
        scored = {"lexical": words, "dense": near}.get(mode)
        if scored is None:
            ranked = [
                pair
                for pair in fuse_scores(words, near, 0.4 if dense_weight is None else dense_weight)
                if pair[1] > 0
            ]
        else:
            ranked = sorted(scored.items(), key=lambda pair: (-pair[1], pair[0]))
        return [Passage(chunks[key], score, rank) for rank, (key, score) in enumerate(ranked[:k], start=1)]

    def _bm25(self, terms, of, k1=1.2, b=0.75) -> float:
        count = len(self._terms)
        mean = sum(map(len, self._terms)) / count
        total = 0.0
        for term in terms:
            having = sum(term in row for row in self._terms)
            rarity = math.log(1 + (count - having + 0.5) / (having + 0.5))
            times = of.count(term)
            total += rarity * times * (k1 + 1) / (times + k1 * (1 - b + b * len(of) / mean))
        return total

    def understand(self, query, allowed=EVERYTHING) -> tuple:
        return ()

    def visible(self, allowed) -> list[StoredDocument]:
        return [document for document in self.documents if allowed.allows(document)]

    def document(self, name, allowed=EVERYTHING) -> StoredDocument:
        return find_document(self.visible(allowed), name)

    def with_id(self, document_id) -> StoredDocument:
        return self._held[document_id].document

    def text(self, document, start=0, end=None) -> str:
        return "".join(chunk.text for chunk in self.chunks(document))[start:end]

    def chunks(self, document) -> list[Chunk]:
        if document.document_id not in self._held:
            raise DocumentNotFound(name=document.title)
        return list(self._held[document.document_id].chunks)

    def pages(self, document_id) -> list[Page]:
        return list(self._held[document_id].pages)

    def place_of(self, document_id, start, end) -> Place:
        pages = [page for page in self.pages(document_id) if page.start < end and page.end > start]
        lowest = min(page.confidence for page in pages)
        return Place(pages[0].number, pages[-1].number, lowest if lowest < 1 else None)

    def unreadable_pages(self, documents) -> dict[str, list[int]]:
        found = {
            d.document_id: [p.number for p in self.pages(d.document_id) if not p.readable] for d in documents
        }
        return {identity: numbers for identity, numbers in found.items() if numbers}

    def doubtful_pages(self, documents) -> dict[str, dict[int, float]]:
        found = {
            d.document_id: {p.number: p.confidence for p in self.pages(d.document_id) if p.confidence < 1}
            for d in documents
        }
        return {identity: numbers for identity, numbers in found.items() if numbers}

    def close(self) -> None:
        pass
