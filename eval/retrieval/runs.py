"""Sets, modes and an index → rankings, measures with intervals, and what went wrong; two runs → differences."""

import shutil
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.dataset import Evidence, Question
from eval.metrics import MEASURES, interval, score
from eval.report import machine
from eval.retrieval.sets import Corpus, RetrievalSet
from eval.retrieval.units import Ranked, Ranker, gains_of
from indexes.errors import IndexFormat, IndexMismatch
from indexes.types import EVERYTHING, Mode
from rag import Config, Pipeline
from rag.asking.retrieve import retrieve

RANKS = 10
# Passages asked for: several may stand in one paragraph.
DEPTH = 30
BATCH = 256
RESAMPLES, PAIRED_RESAMPLES = 2_000, 10_000
SEED = 20261125
# What a report keeps: the worst questions, the passages of each, the characters of each passage.
WORST, SHOWN, SNIPPET = 20, 5, 300

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
            result["corpora"][corpus.name] = asdict(pipeline.upkeep.status())
            for retrieval_set in (s for s in sets if s.corpus == corpus):
                ranker = Ranker(pipeline.retriever, retrieval_set)
                for mode in modes:
                    result["runs"].append(run_set(pipeline, retrieval_set, ranker, mode))
                    progress(result["runs"][-1])
    for run in result["runs"]:
        if base := find_run(result, run["base"], run["mode"]):
            run["against_base"] = differences(base, run, RESAMPLES)
    return result


def find_run(result: dict[str, Any], name: str, mode: str) -> dict[str, Any] | None:
    """The run of a set in a mode, if there is one."""
    return next((run for run in result["runs"] if (run["set"], run["mode"]) == (name, mode)), None)


def compare(
    before: dict[str, Any], after: dict[str, Any], modes: tuple[Mode, Mode] | None = None
) -> dict[str, dict[str, Any]]:
    """The differences of every set and mode that both run files hold, by "set mode".

    Args:
        modes: of each set, the first in `before` with the second in `after`; None: each with itself.
    """
    found = {}
    for run in after["runs"]:
        mode = run["mode"] if modes is None else modes[0]
        if modes is not None and run["mode"] != modes[1]:
            continue
        if other := find_run(before, run["set"], mode):
            name = run["set"] + " " + (mode if mode == run["mode"] else f"{mode} → {run['mode']}")
            found[name] = differences(other, run, PAIRED_RESAMPLES)
    return found


def differences(before: dict[str, Any], after: dict[str, Any], resamples: int) -> dict[str, Any]:
    """Each measure in two runs over the questions of both, and the paired bootstrap of its difference.

    Questions whose gold is not the same are left out; 0 questions have no measures.
    """
    gold = {result["id"]: result["gold"] for result in before["results"]}
    shared = [result["id"] for result in after["results"] if gold.get(result["id"]) == result["gold"]]
    if not shared:
        return {"questions": 0, "measures": {}}
    old, new = (_values_of(run, shared) for run in (before, after))
    columns = zip(
        MEASURES, old.mean(axis=0), new.mean(axis=0), *interval(new - old, resamples, SEED), strict=True
    )
    return {
        "questions": len(shared),
        "measures": {
            name: {
                "before": round(a, 5),
                "after": round(b, 5),
                "difference": round(b - a, 5),
                "low": round(low, 5),
                "high": round(high, 5),
            }
            for name, a, b, low, high in columns
        },
    }


def _values_of(run: dict[str, Any], ids: Sequence[str]) -> NDArray[np.float64]:
    rows = {result["id"]: row for row, result in enumerate(run["results"])}
    return score_results(run["results"])[[rows[name] for name in ids]]


def rows(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The runs as rows of a table."""
    return {f"{run['set']} {run['mode']}": _row(run) for run in result["runs"]}


def _row(run: dict[str, Any]) -> dict[str, Any]:
    ndcg = run["measures"]["ndcg@10"]
    base = run.get("against_base", {"measures": {}})["measures"]
    return {
        "unit": run["unit"],
        "questions": run["questions"],
        **{name: measured["mean"] for name, measured in run["measures"].items()},
        "interval of ndcg@10": f"{ndcg['low']:.3f}–{ndcg['high']:.3f}",
        "base's ndcg@10": base["ndcg@10"]["before"] if base else "",
        "ms_per_question": run["ms_per_question"],
    }


def comparison_rows(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What `compare` found as rows of a table, one for each measure."""
    return {
        f"{name} {measure}": {
            "questions": one["questions"],
            "before": values["before"],
            "after": values["after"],
            "difference": f"{values['difference']:+.4f}",
            "interval": f"{values['low']:+.4f} to {values['high']:+.4f}",
            "verdict": verdict(values),
        }
        for name, one in found.items()
        for measure, values in one["measures"].items()
    }


def verdict(values: dict[str, float]) -> str:
    """Whether a difference is one, by its interval."""
    return "better" if values["low"] > 0 else "worse" if values["high"] < 0 else "no difference shown"


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
        "base": retrieval_set.base,
        "unit": retrieval_set.unit,
        "mode": mode,
        "questions": len(results),
        "measures": summary(values),
        "ms_per_question": round(1000 * seconds / max(1, len(results)), 2),
        "unplaced": ranker.unplaced,
        "worst": [
            _shown(pipeline, asked[row], results[row]["gold"], values[row]) for row in worst_rows(values)
        ],
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
    """The passages of each question, without the names for people that `Pipeline.search` adds."""
    queries = [question.text for question in questions]
    stages = pipeline._retrieval().with_search(DEPTH, mode)
    return [found.passages for found in retrieve(stages, queries, EVERYTHING)]


def _result(asked: Asked, retrieval_set: RetrievalSet) -> dict[str, Any]:
    return {
        "id": asked.question.id,
        "gold": gains_of(asked.question, retrieval_set.unit),
        "ranking": [ranked.unit for ranked in asked.ranking],
    }


def _shown(
    pipeline: Pipeline, asked: Asked, gold: Collection[str], values: NDArray[np.float64]
) -> dict[str, Any]:
    """A question for people: what it asks, what would have been right, what came instead."""
    return {
        "id": asked.question.id,
        "question": asked.question.text,
        "answers": list(asked.question.answers),
        "measures": dict(zip(MEASURES, map(float, values), strict=True)),
        "gold": [_gold(evidence) for evidence in asked.question.evidence],
        "returned": [
            _returned(pipeline, ranked) | {"right": ranked.unit in gold} for ranked in asked.ranking[:SHOWN]
        ],
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
        "title": pipeline.retriever.with_id(chunk.document_id).title,
        "context": chunk.context,
        "first_page": chunk.first_page,
        "last_page": chunk.last_page,
        "score": round(ranked.passage.score, 4),
        "text": chunk.text if len(chunk.text) <= SNIPPET else chunk.text[:SNIPPET] + "…",
    }
