"""Rankings and answers against gold: pure functions."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from eval.dataset import Evidence, Question
from ingest.errors import MissingDependency

# A retrieved or cited stretch of pages: (path of the PDF, first page, last page).
Place = tuple[str, int, int]

# What they are called here and by ir_measures. MRR is the mean of the reciprocal rank.
MEASURES = {
    "hit@1": "Success@1",
    "hit@5": "Success@5",
    "hit@10": "Success@10",
    "mrr": "RR@10",
    "ndcg@10": "nDCG@10",
}
CONFIDENCE = 0.95


def score(
    rankings: Mapping[str, Sequence[str]], gains: Mapping[str, Mapping[str, int]]
) -> NDArray[np.float64]:
    """Each measure of each question, shape (Q, len(MEASURES)), questions in the order of `gains`.

    By ir_measures, that is trec_eval: a question without a ranking scores 0.

    Args:
        rankings: by question, names of what was found, best first, without repeats.
        gains: by question, what each name that is gold is worth.

    Raises:
        MissingDependency: ir_measures.
    """
    try:
        import ir_measures
    except ImportError as exc:
        raise MissingDependency(library="ir-measures", extra="dev") from exc
    rows = {question: row for row, question in enumerate(gains)}
    columns = {ir_measures.parse_measure(name): column for column, name in enumerate(MEASURES.values())}
    # trec_eval sorts by the score and, where that is equal, by the name: so each rank has its own.
    run = (
        ir_measures.ScoredDoc(question, name, -float(rank))
        for question, names in rankings.items()
        for rank, name in enumerate(names)
    )
    qrels = (
        ir_measures.Qrel(question, name, gain)
        for question, worth in gains.items()
        for name, gain in worth.items()
    )
    values = np.zeros((len(rows), len(columns)))
    for metric in ir_measures.iter_calc(list(columns), qrels, run):
        values[rows[metric.query_id], columns[metric.measure]] = metric.value
    return values


def interval(values: NDArray[np.float64], resamples: int, seed: int) -> tuple[NDArray, NDArray]:
    """The 95 % bootstrap interval of the mean of each column: (lows, highs).

    Of the differences between two runs on the same questions it is the paired bootstrap. Percentiles.

    Raises:
        MissingDependency: scipy.
    """
    try:
        from scipy.stats import bootstrap
    except ImportError as exc:
        raise MissingDependency(library="scipy", extra="dev") from exc
    if len(values) < 2:  # nothing to resample
        return values.mean(axis=0), values.mean(axis=0)
    drawn = bootstrap(
        (values,),
        np.mean,
        axis=0,
        n_resamples=resamples,
        batch=max(1, 20_000_000 // values.size),  # 160 MB at a time
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return drawn.confidence_interval.low, drawn.confidence_interval.high


def is_gold(place: Place, question: Question) -> bool:
    """Whether `place` shares a page with the question's evidence."""
    return any(covers(place, evidence) for evidence in question.evidence)


def covers(place: Place, evidence: Evidence) -> bool:
    """Whether `place` shares a page with `evidence`. Paths match by their ends."""
    path, first, last = place
    return path.endswith("/" + evidence.pdf) and first <= evidence.page_end and last >= evidence.page_start


def contains_answer(texts: Iterable[str], question: Question) -> bool:
    """Whether one of `texts` holds a reference answer, blanks aside."""
    squeezed = [squeeze(text) for text in texts]
    return any(squeeze(answer) in text for answer in question.answers for text in squeezed)


def mean(values: Iterable[float]) -> float:
    """The mean; 0 for no values."""
    values = list(values)
    return sum(values) / len(values) if values else 0.0


def squeeze(text: str) -> str:
    """`text` without blanks."""
    return "".join(text.split())
