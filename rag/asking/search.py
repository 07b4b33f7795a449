"""Queries → search results for a person: the passages found for each, with the names of their documents."""

import time
from collections.abc import Sequence

from indexes import types
from indexes.engine import SearchEngine
from indexes.types import Filter
from rag.answer import Passage, SearchResult
from rag.asking.read import read_query
from rag.asking.resolve import unreadable_pages
from rag.asking.retrieve import Retrieved, retrieve
from rag.asking.stages import RetrievalStages
from rag.prompting.packing import place_of_words


def search(stages: RetrievalStages, queries: Sequence[str], allowed: Filter) -> list[SearchResult]:
    """A result for each query, in order, with at most `search.k` passages each.

    Raises:
        QuestionTooLong: one of the queries has more than `MOST_CHARACTERS`.
    """
    started = time.monotonic()
    retrieved = retrieve(stages, [read_query(query) for query in queries], allowed)
    seconds = (time.monotonic() - started) / max(len(queries), 1)
    return [_result(stages.engine, one, allowed, seconds) for one in retrieved]


def _result(engine: SearchEngine, found: Retrieved, allowed: Filter, seconds: float) -> SearchResult:
    return SearchResult(
        query=found.query,
        passages=tuple(_named(engine, passage) for passage in found.passages),
        understood=engine.understand(found.query, allowed),
        unreadable_pages=unreadable_pages(engine, (passage.chunk.document_id for passage in found.passages)),
        warnings=found.warnings,
        seconds=seconds,
    )


def _named(engine: SearchEngine, passage: types.Passage) -> Passage:
    """`passage` with the path, title and page unit of its document, and its OCR confidence."""
    chunk = passage.chunk
    document = engine.with_id(chunk.document_id)
    return Passage(
        rank=passage.rank,
        score=passage.score,
        chunk=chunk,
        path=document.path,
        title=document.title,
        unit=document.unit,
        ocr=place_of_words(engine.place_of, chunk.document_id, chunk.start, chunk.text).ocr,
    )
