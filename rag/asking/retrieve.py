"""Queries → the passages of an index, retrieved and, where there is a reranker, put in order again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from indexes.models.reranker import Reranked, rerank
from indexes.types import Filter, Passage
from ingest.errors import Notice
from ingest.structure.terms import searched_text
from rag.asking.stages import RetrievalStages
from rag.asking.warnings import rerank_cut_short, reranker_off

# Each query of a conversation is also searched with the previous question in front of it; this is the weight of
# that second ranking. On the development half of the set of conversations it takes hit@5 from .93 to 1.00 for
# follow-up questions that the rule takes for whole ones, and leaves all others as they were. From .25 on, whole
# questions get worse.
SPOKEN_OF = 0.2


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The passages for one query, best first; `warnings` are about their order."""

    query: str
    passages: list[Passage]
    warnings: tuple[Notice, ...] = ()


def retrieve(
    stages: RetrievalStages, queries: Sequence[str], allowed: Filter, before: str = ""
) -> list[Retrieved]:
    """At most `search.k` passages for each query, best first.

    Where there is a reranker that calibration has not switched off, it puts the best `rerank.k` in order again.

    Args:
        before: the previous question of a conversation; passages that it finds with the query gain a little.
    """
    engine, reranker, k = stages.engine, stages.reranker, stages.search.k
    distrusted = reranker is not None and engine.calibration and engine.calibration.distrusts(reranker)
    if reranker is None or distrusted:
        rankings = _rankings(stages, queries, k, allowed, before)
        told = (reranker_off(engine.calibration.reranker),) if distrusted else ()
        return [Retrieved(query, ranking, told) for query, ranking in zip(queries, rankings, strict=True)]
    rankings = _rankings(stages, queries, max(k, stages.rerank.k), allowed, before)

    def text_of(passage: Passage) -> str:
        return searched_text(engine.with_id(passage.chunk.document_id).title, passage.chunk)

    reranked = rerank(reranker, queries, rankings, text_of, stages.rerank)
    return [
        Retrieved(query, result.passages[:k], _cut_short(result, stages.rerank.k))
        for query, result in zip(queries, reranked, strict=True)
    ]


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
    """Every passage of the two rankings, best first.

    A passage scores score / (best score) in `own` + `SPOKEN_OF` × the same in `others`. Ties stay in order of
    first appearance.
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


def _cut_short(result: Reranked, most: int) -> tuple[Notice, ...]:
    """One notice if fewer passages were reranked than should have been, else none."""
    wanted = min(most, len(result.passages))
    return () if result.scored == wanted else (rerank_cut_short(result.scored, wanted),)
