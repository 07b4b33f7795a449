"""Queries → the passages of an index, retrieved and, where there is a reranker, put in order again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from indexes.models.reranker import Reranked, rerank
from indexes.types import Filter, Passage, RerankerTrial
from ingest.structure.terms import searched_text
from rag.asking.stages import RetrievalStages

# How much it counts what is found with the question before, where one goes on from it. On the development half of
# the set of conversations: follow-ups that the rule takes for whole questions .93 → 1.00 hit@5, the others and
# the whole ones as they were; from .25 on the whole ones lose.
SPOKEN_OF = 0.2


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The passages for one query, best first, and what there is to say about their order."""

    passages: list[Passage]
    warnings: tuple[str, ...] = ()


def retrieve(
    stages: RetrievalStages, queries: Sequence[str], allowed: Filter, before: str = ""
) -> list[Retrieved]:
    """The best `search.k` passages for each query; a reranker reads the best `rerank.k` of them again.

    Args:
        before: the previous question of a conversation; what it names counts a little, too.
    """
    engine, reranker, k = stages.engine, stages.reranker, stages.search.k
    distrusted = reranker is not None and engine.calibration and engine.calibration.distrusts(reranker)
    if reranker is None or distrusted:
        rankings = _rankings(stages, queries, k, allowed, before)
        warnings = (_distrust(engine.calibration.reranker),) if distrusted else ()
        return [Retrieved(passages, warnings) for passages in rankings]
    rankings = _rankings(stages, queries, max(k, stages.rerank.k), allowed, before)

    def text_of(passage: Passage) -> str:
        return searched_text(engine.with_id(passage.chunk.document_id).title, passage.chunk)

    reranked = rerank(reranker, queries, rankings, text_of, stages.rerank)
    return [Retrieved(result.passages[:k], _warnings(result, stages.rerank.k)) for result in reranked]


def _rankings(
    stages: RetrievalStages, queries: Sequence[str], k: int, allowed: Filter, before: str
) -> list[list[Passage]]:
    asked = [*queries, *(f"{before} {query}" for query in queries)] if before else queries
    search = stages.search
    rankings = stages.engine.retrieve(asked, k, search.mode, allowed, search.fixed_weight)
    if not before:
        return rankings
    own, with_before = rankings[: len(queries)], rankings[len(queries) :]
    return [together(one, other)[:k] for one, other in zip(own, with_before, strict=True)]


def together(own: Sequence[Passage], others: Sequence[Passage]) -> list[Passage]:
    """Every passage of the two rankings: score / (best score) in `own` + `SPOKEN_OF` × the same in `others`.

    Ties stay in order of first appearance.
    """
    scores: dict[str, float] = {}
    passages: dict[str, Passage] = {}
    for ranking, weight in ((own, 1.0), (others, SPOKEN_OF)):
        best = max((passage.score for passage in ranking), default=0.0)
        for passage in ranking:
            name = passage.chunk.id
            passages.setdefault(name, passage)
            scores[name] = scores.get(name, 0.0) + (weight * passage.score / best if best > 0 else 0.0)
    names = sorted(scores, key=scores.__getitem__, reverse=True)
    return [
        replace(passages[name], score=scores[name], rank=rank) for rank, name in enumerate(names, start=1)
    ]


def _distrust(tried: RerankerTrial) -> str:
    return (
        f"이 색인에서는 리랭커 {tried.name} 가 순위를 떨어뜨려 껐습니다"
        f"(문서에서 뽑은 질문으로 nDCG@10 {tried.before:.3f} → {tried.after:.3f}). rag calibrate 로 다시 잴 수 있습니다."
    )


def _warnings(result: Reranked, most: int) -> tuple[str, ...]:
    wanted = min(most, len(result.passages))
    if result.scored == wanted:
        return ()
    return (
        f"시간 한도(rerank.timeout_seconds) 안에 발췌문 {wanted}개 가운데 앞의 {result.scored}개만"
        " 다시 줄 세웠습니다.",
    )
