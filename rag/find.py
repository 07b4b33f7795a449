"""Queries → the passages of an index, retrieved and, where there is a reranker, put in order again."""

from collections.abc import Sequence
from dataclasses import dataclass

from indexes.calibration import RerankerTrial
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
    distrusted = reranker is not None and engine.calibration and engine.calibration.distrusts(reranker)
    if reranker is None or distrusted:
        rankings = engine.retrieve(queries, k, mode, allowed, config.search.fixed_weight)
        warnings = (_distrust(engine.calibration.reranker),) if distrusted else ()
        return [Found(passages, warnings) for passages in rankings]
    depth = max(k, config.rerank.k)
    rankings = engine.retrieve(queries, depth, mode, allowed, config.search.fixed_weight)

    def text_of(passage: Passage) -> str:
        return searched_text(engine.find(passage.chunk.document_id).title, passage.chunk)

    reranked = rerank(reranker, queries, rankings, text_of, config.rerank)
    return [Found(result.passages[:k], _warnings(result, config)) for result in reranked]


def _distrust(tried: RerankerTrial) -> str:
    return (
        f"이 색인에서는 리랭커 {tried.name} 가 순위를 떨어뜨려 껐습니다"
        f"(문서에서 뽑은 질문으로 nDCG@10 {tried.before:.3f} → {tried.after:.3f}). rag calibrate 로 다시 잴 수 있습니다."
    )


def _warnings(result: Reranked, config: Config) -> tuple[str, ...]:
    wanted = min(config.rerank.k, len(result.passages))
    if result.scored == wanted:
        return ()
    return (
        f"시간 한도(rerank.timeout_seconds) 안에 발췌문 {wanted}개 가운데 앞의 {result.scored}개만"
        " 다시 줄 세웠습니다.",
    )
