"""Rankings and answers against gold pages: pure functions."""

import math
from collections.abc import Iterable, Sequence

from eval.dataset import Question

# A retrieved or cited stretch of pages: (path of the PDF, first page, last page).
Place = tuple[str, int, int]


def is_gold(place: Place, question: Question) -> bool:
    """Whether `place` shares a page with the question's evidence. Paths match by their ends."""
    path, first, last = place
    return any(
        path.endswith("/" + gold.pdf) and first <= gold.page_end and last >= gold.page_start
        for gold in question.evidence
    )


def hit_at(places: Sequence[Place], question: Question, k: int) -> bool:
    """Whether one of the first `k` places is gold."""
    return any(is_gold(place, question) for place in places[:k])


def ndcg_at(places: Sequence[Place], question: Question, k: int) -> float:
    """Normalised discounted cumulative gain of the first `k` places, binary gains.

    Each gold stretch of pages counts once, at its first place. 0 where there is no gold.

    Source: Järvelin and Kekäläinen, TOIS 2002, doi 10.1145/582415.582418.
    """
    left = list(question.evidence)
    gain = 0.0
    for rank, (path, first, last) in enumerate(places[:k], start=1):
        for gold in left:
            if path.endswith("/" + gold.pdf) and first <= gold.page_end and last >= gold.page_start:
                gain += 1 / math.log2(rank + 1)
                left.remove(gold)
                break
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(question.evidence)) + 1))
    return gain / ideal if ideal else 0.0


def contains_answer(texts: Iterable[str], question: Question) -> bool:
    """Whether one of `texts` holds a reference answer, blanks aside."""
    squeezed = [squeeze(text) for text in texts]
    return any(squeeze(answer) in text for answer in question.answers for text in squeezed)


def mean(values: Iterable[float]) -> float:
    """Their mean; 0 of none."""
    values = list(values)
    return sum(values) / len(values) if values else 0.0


def squeeze(text: str) -> str:
    """`text` without blanks."""
    return "".join(text.split())
