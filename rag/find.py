"""Queries → the passages of an index, retrieved and, where there is a reranker, put in order again."""

from collections.abc import Sequence
from dataclasses import dataclass

from indexes.engine import Filter, Mode, Passage, SearchEngine
from indexes.reranker import Reranked, Reranker, rerank
from ingest.terms import searched_text
from rag.config import Config


@dataclass(frozen=True, slots=True)
class Found:
    """The passages for one query, best first, and what there is to say about their order."""

    passages: list[Passage]
    warnings: tuple[str, ...] = ()


def find(
    engine: SearchEngine,
    reranker: Reranker | None,
    config: Config,
    queries: Sequence[str],
    k: int,
    mode: Mode,
    allowed: Filter,
) -> list[Found]:
    """The best `k` passages for each of `queries`; `rerank.k` are read where there is a reranker."""
    depth = max(k, config.rerank.k) if reranker else k
    rankings = engine.retrieve(queries, depth, mode, allowed, config.search.dense_weight)
    if reranker is None:
        return [Found(passages) for passages in rankings]

    def text_of(passage: Passage) -> str:
        return searched_text(engine.find(passage.chunk.document_id).title, passage.chunk)

    reranked = rerank(reranker, queries, rankings, text_of, config.rerank)
    return [Found(result.passages[:k], _warnings(result, config)) for result in reranked]


def _warnings(result: Reranked, config: Config) -> tuple[str, ...]:
    wanted = min(config.rerank.k, len(result.passages))
    if result.scored == wanted:
        return ()
    return (
        f"시간 한도(rerank.timeout_seconds) 안에 발췌문 {wanted}개 가운데 앞의 {result.scored}개만"
        " 다시 줄 세웠습니다.",
    )
