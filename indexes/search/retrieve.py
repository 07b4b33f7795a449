"""Queries → [Passage], in stages; the same for every engine.

query ─read→ Question ─ask→ Asked ─gather→ Candidates ─score→ ranking ─passages→ [Passage]
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date

from indexes.models.embedder import Embedder
from indexes.search.candidates import Asked, Searched, gather
from indexes.search.fusion import Ranking, score
from indexes.search.questions import OTHER_NAME, Question, read_question
from indexes.types import Mode, Passage
from ingest.korean.analyse import Analyser

# Each retriever gives 3 times k chunks to the fusion, and at least 300: a chunk that one retriever ranks low can win
# by the scores of both.
CANDIDATES, LEAST_CANDIDATES = 3, 300
ALIAS_TEXTS = 5  # chunks that are searched for another name

Read = Callable[[str, Searched], Question]


def retrieve(
    searched: Searched,
    embedder: Embedder | None,
    analyser: Analyser | None,
    queries: Sequence[str],
    k: int,
    mode: Mode,
    dense_weight: float,
    read: Read,
) -> list[list[Passage]]:
    """For each query the best `k` of the chunks `searched`, best first; fewer if there are fewer.

    Args:
        embedder: may be None in the mode "lexical".
        analyser: may be None in the mode "dense".
        dense_weight: weight of the cosine beside BM25, in the mode "hybrid".
        read: makes a Question of a query; not called in the mode "dense".
    """
    if not searched.count:
        return [[] for _ in queries]
    k = min(k, searched.count)
    if mode == "dense":
        nearest = [searched.by_meaning(vector, k) for vector in embedder.embed_queries(queries)]
        return [passages(list(found.items()), searched) for found in nearest]
    asked = ask(
        [read(query, searched) for query in queries],
        queries,
        analyser,
        embedder if mode == "hybrid" else None,
    )
    depth = max(CANDIDATES * k, LEAST_CANDIDATES)
    rankings = (score(gather(each, searched, depth), dense_weight) for each in asked)
    return [passages(ranking[:k], searched) for ranking in rankings]


def read(query: str, searched: Searched, today: date) -> Question:
    """The Question of `query`, with the names that the chunks `searched` know.

    Args:
        today: to resolve relative dates such as «last year».
    """

    def is_key(term: str) -> bool:  # the cheap upper bound first, since most terms are no keys
        return bool(searched.holders(term) and searched.by_words({}, 1, having=term))

    def texts_with(key: str) -> list[str]:
        found = searched.by_words({}, ALIAS_TEXTS, having=key)
        return [chunk.text for chunk in searched.chunks(found.keys()).values()]

    return read_question(query, searched.names, is_key, texts_with, today)


def ask(
    questions: Sequence[Question], queries: Sequence[str], analyser: Analyser, embedder: Embedder | None
) -> list[Asked]:
    """The questions with their weighted terms and, if there is an `embedder`, the vectors of their `queries`."""
    words = analyser.terms([question.words for question in questions])
    others = analyser.terms([question.other_names for question in questions])
    vectors = [None] * len(queries) if embedder is None else embedder.embed_queries(queries)
    asked = []
    for question, own, other, vector in zip(questions, words, others, vectors, strict=True):
        weights = dict.fromkeys(other, OTHER_NAME) | Counter(own)
        asked.append(Asked(question, weights | dict.fromkeys(question.values, 1.0), vector))
    return asked


def passages(ranking: Ranking, searched: Searched) -> list[Passage]:
    """The chunks of a ranking, with ranks from 1; entries of contents pages are left out."""
    chunks = searched.chunks([key for key, _ in ranking])
    # Contents pages have no terms and a vector of zeros, so they rank last if they are found at all.
    found = [(chunks[key], points) for key, points in ranking if chunks[key].kind != "contents"]
    return [Passage(chunk, points, rank) for rank, (chunk, points) in enumerate(found, start=1)]
