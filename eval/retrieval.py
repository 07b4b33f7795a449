"""Sets, modes and an index → rankings, measures with intervals, and what went wrong."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.dataset import Evidence, Question
from eval.metrics import MEASURES, interval, score
from eval.report import machine
from eval.sets import Corpus, RetrievalSet
from eval.units import Ranked, Ranker, gains_of
from indexes.engine import Mode
from indexes.errors import IndexFormat, IndexMismatch
from rag import Config, Pipeline

RANKS = 10
# Passages asked for: several may stand in one paragraph.
DEPTH = 30
BATCH = 256
RESAMPLES = 2_000
SEED = 20261125
# Of the questions that went worst so many are kept with so many passages, so many characters of each.
WORST, SHOWN, SNIPPET = 25, 5, 400

# Called with each run when it is done.
Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the ranking of units that came back."""

    question: Question
    ranking: tuple[Ranked, ...]


def run_sets(
    sets: Sequence[RetrievalSet], modes: Sequence[Mode], index: Path, config: Config, progress: Progress
) -> dict[str, Any]:
    """All sets in all modes, as the run file holds them; an index per corpus in the folder `index`.

    An index that is there is brought up to the files, and made anew where it was built otherwise.
    """
    result: dict[str, Any] = {"machine": machine(), "config": asdict(config), "corpora": {}, "runs": []}
    corpora = {retrieval_set.corpus.name: retrieval_set.corpus for retrieval_set in sets}
    for corpus in corpora.values():
        with open_corpus(corpus, index / corpus.name, config) as pipeline:
            result["corpora"][corpus.name] = pipeline.status(pipeline.index)
            for retrieval_set in (s for s in sets if s.corpus == corpus):
                ranker = Ranker(pipeline.retriever, retrieval_set)
                for mode in modes:
                    result["runs"].append(run_set(pipeline, retrieval_set, ranker, mode))
                    progress(result["runs"][-1])
    return result


def rows(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The runs as rows of a table."""
    return {f"{run['set']} {run['mode']}": _row(run) for run in result["runs"]}


def _row(run: dict[str, Any]) -> dict[str, Any]:
    ndcg = run["measures"]["ndcg@10"]
    return {
        "unit": run["unit"],
        "questions": run["questions"],
        **{name: measured["mean"] for name, measured in run["measures"].items()},
        "interval of ndcg@10": f"{ndcg['low']:.3f}–{ndcg['high']:.3f}",
        "ms_per_question": run["ms_per_question"],
    }


def open_corpus(corpus: Corpus, index: Path, config: Config) -> Pipeline:
    """A pipeline over the corpus, its files read and its models loaded."""
    pipeline = Pipeline.open(index, config)
    try:
        pipeline.ingest(corpus.paths, sync=True)
    except (IndexMismatch, IndexFormat):  # of other models, or another format: it is a benchmark's own
        shutil.rmtree(index)
        pipeline.ingest(corpus.paths)
    pipeline.search("한")
    return pipeline


def run_set(pipeline: Pipeline, retrieval_set: RetrievalSet, ranker: Ranker, mode: Mode) -> dict[str, Any]:
    """One set in one mode, as the run file holds it: measures, every ranking, the worst questions."""
    started = time.monotonic()
    found = [
        passages for batch in _batches(retrieval_set.questions) for passages in _search(pipeline, batch, mode)
    ]
    seconds = time.monotonic() - started
    asked = [
        Asked(question, tuple(ranker.rank(question, passages, RANKS)))
        for question, passages in zip(retrieval_set.questions, found, strict=True)
    ]
    results = [_result(one, retrieval_set) for one in asked]
    values = score_results(results)
    return {
        "set": retrieval_set.name,
        "unit": retrieval_set.unit,
        "mode": mode,
        "questions": len(results),
        "measures": summary(values),
        "ms_per_question": round(1000 * seconds / max(1, len(results)), 2),
        "unplaced": ranker.unplaced,
        "worst": [_shown(pipeline, asked[row], values[row]) for row in worst_rows(values)],
        "results": results,
    }


def score_results(results: Sequence[dict[str, Any]]) -> NDArray[np.float64]:
    """The measures of each result of a run file, shape (Q, len(MEASURES))."""
    return score(
        {result["id"]: result["ranking"] for result in results},
        {result["id"]: result["gold"] for result in results},
    )


def summary(values: NDArray[np.float64]) -> dict[str, dict[str, float]]:
    """The mean of each measure and its interval."""
    low, high = interval(values, RESAMPLES, SEED)
    columns = zip(MEASURES, values.mean(axis=0), low, high, strict=True)
    return {name: {"mean": round(m, 5), "low": round(a, 5), "high": round(b, 5)} for name, m, a, b in columns}


def worst_rows(values: NDArray[np.float64]) -> list[int]:
    """The rows that score least by nDCG; of equals, a sample that is the same every time."""
    shuffled = np.random.default_rng(SEED).permutation(len(values))
    ndcg = values[shuffled, list(MEASURES).index("ndcg@10")]
    rows = shuffled[np.argsort(ndcg, kind="stable")][:WORST]
    return [int(row) for row in rows if values[row].min() < 1]


def _batches(questions: Sequence[Question]) -> Iterator[Sequence[Question]]:
    for start in range(0, len(questions), BATCH):
        yield questions[start : start + BATCH]


def _search(pipeline: Pipeline, questions: Sequence[Question], mode: Mode):
    return pipeline.search_many([question.text for question in questions], DEPTH, mode)


def _result(asked: Asked, retrieval_set: RetrievalSet) -> dict[str, Any]:
    return {
        "id": asked.question.id,
        "gold": gains_of(asked.question, retrieval_set.unit),
        "ranking": [ranked.unit for ranked in asked.ranking],
    }


def _shown(pipeline: Pipeline, asked: Asked, values: NDArray[np.float64]) -> dict[str, Any]:
    """A question for people: what it asks, what would have been right, what came instead."""
    return {
        "id": asked.question.id,
        "question": asked.question.text,
        "answers": list(asked.question.answers),
        "measures": dict(zip(MEASURES, map(float, values), strict=True)),
        "gold": [_gold(evidence) for evidence in asked.question.evidence],
        "returned": [_returned(pipeline, ranked) for ranked in asked.ranking[:SHOWN]],
    }


def _gold(evidence: Evidence) -> dict[str, Any]:
    return {
        "id": evidence.id,
        "file": evidence.pdf,
        "first_page": evidence.page_start,
        "last_page": evidence.page_end,
    }


def _returned(pipeline: Pipeline, ranked: Ranked) -> dict[str, Any]:
    chunk = ranked.passage.chunk
    return {
        "unit": ranked.unit,
        "title": pipeline.retriever.find(chunk.document_id).title,
        "context": chunk.context,
        "first_page": chunk.first_page,
        "last_page": chunk.last_page,
        "score": round(ranked.passage.score, 4),
        "text": chunk.text[:SNIPPET],
    }
