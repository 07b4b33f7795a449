"""Queries → what a person is shown of the passages found for each."""

import time
from collections.abc import Sequence

from indexes import types
from indexes.engine import SearchEngine
from indexes.models.reranker import Reranker
from indexes.types import Filter, Mode
from rag.answer import Passage, SearchResult
from rag.asking.ask import unreadable_pages
from rag.asking.retrieve import Found, find
from rag.config import Config


def search(
    engine: SearchEngine,
    reranker: Reranker | None,
    config: Config,
    queries: Sequence[str],
    k: int,
    mode: Mode,
    allowed: Filter,
) -> list[SearchResult]:
    """A result for each of `queries`, in order, with at most `k` passages each."""
    started = time.monotonic()
    found = find(engine, reranker, config, queries, k, mode, allowed)
    seconds = (time.monotonic() - started) / max(len(queries), 1)
    return [_result(engine, query, one, allowed, seconds) for query, one in zip(queries, found, strict=True)]


def _result(engine: SearchEngine, query: str, found: Found, allowed: Filter, seconds: float) -> SearchResult:
    return SearchResult(
        query=query,
        passages=tuple(_named(engine, passage) for passage in found.passages),
        understood=engine.understand(query, allowed),
        unreadable_pages=unreadable_pages(engine, (passage.chunk.document_id for passage in found.passages)),
        warnings=tuple(found.warnings),
        seconds=seconds,
    )


def _named(engine: SearchEngine, passage: types.Passage) -> Passage:
    """`passage` with the names of its document."""
    chunk = passage.chunk
    document = engine.with_id(chunk.document_id)
    words_end = chunk.start + (len(chunk.text.rstrip()) or len(chunk.text))
    return Passage(
        rank=passage.rank,
        score=passage.score,
        chunk=chunk,
        path=document.path,
        title=document.title,
        unit=document.unit,
        ocr=engine.place_of(chunk.document_id, chunk.start, words_end).ocr,
    )
