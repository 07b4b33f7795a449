"""Retrieval with one idea left out at a time → what each brings on each set, and what it costs."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from eval.report import machine
from eval.retrieval.runs import Progress, differences, open_corpus, run_set
from eval.retrieval.sets import RetrievalSet
from eval.retrieval.units import Ranker
from indexes.disk.retriever import Retriever
from indexes.search.questions import Question
from indexes.types import Mode
from ingest.structure.terms import REFERENCE
from rag import Config

RESAMPLES = 2_000
# What the search makes of a question, with one thing of it left out.
LEFT_OUT: dict[str, Callable[[str, Question], Question]] = {
    "asking words": lambda text, question: replace(question, words=text),
    "documents named": lambda _, question: replace(question, documents=frozenset()),
    "sections named": lambda _, question: replace(question, keys=_references(question)),
    "references": lambda _, question: replace(
        question,
        keys={key: counts for key, counts in question.keys.items() if key not in _references(question)},
        by_number=False,
    ),
    "no cosine for numbers": lambda _, question: replace(question, by_number=False),
    "periods and amounts": lambda _, question: replace(question, values=()),
    "other names": lambda _, question: replace(question, other_names=""),
}


class Ablated(Retriever):
    """A version of an index that leaves something out of each question."""

    leave_out: Callable[[str, Question], Question] = staticmethod(lambda _, question: question)

    def _read(self, query, searched) -> Question:
        return self.leave_out(query, super()._read(query, searched))


def run_ablations(
    sets: Sequence[RetrievalSet], index: Path, config: Config, mode: Mode, progress: Progress
) -> dict[str, Any]:
    """Per idea and set: nDCG@10 with it less nDCG@10 without it, its interval, milliseconds a question."""
    (corpus,) = {retrieval_set.corpus.name: retrieval_set.corpus for retrieval_set in sets}.values()
    rows: dict[str, Any] = {}
    with open_corpus(corpus, index / corpus.name, config) as pipeline:
        for retrieval_set in sets:
            ranker = Ranker(pipeline.retriever, retrieval_set)
            whole = run_set(pipeline, retrieval_set, ranker, mode)
            progress(whole)
            rows[f"{retrieval_set.name}: all ideas"] = {
                "ndcg@10": whole["measures"]["ndcg@10"]["mean"],
                "ms": whole["ms_per_question"],
            }
            used = pipeline.retriever
            for idea, leave_out in LEFT_OUT.items():
                ablated = Ablated(pipeline.index, pipeline.embedder, pipeline.analyser)
                ablated.leave_out = leave_out
                pipeline._retriever = ablated
                without = run_set(pipeline, retrieval_set, ranker, mode)
                rows[f"{retrieval_set.name}: {idea}"] = _brought(whole, without)
                pipeline._retriever = used
                ablated.close()
    return {"machine": machine(), "mode": mode, "rows": rows}


def _references(question: Question) -> dict[str, float]:
    return {key: counts for key, counts in question.keys.items() if key.startswith(REFERENCE)}


def _brought(whole: dict[str, Any], without: dict[str, Any]) -> dict[str, Any]:
    found = differences(without, whole, RESAMPLES)["measures"]["ndcg@10"]
    return {
        "brings": round(found["difference"], 4),
        "from": round(found["low"], 4),
        "to": round(found["high"], 4),
        "ms": round(whole["ms_per_question"] - without["ms_per_question"], 2),
    }
