"""One chunk size → how well pages are found with it, lexically and hybrid."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.dataset import Question, sample
from eval.retrieval.runner import page_measures
from eval.retrieval.sets import SETS
from indexes.types import Mode
from rag import Pipeline

NAMES = ("articles", "korquad1", "welfare")
MODES: tuple[Mode, ...] = ("lexical", "hybrid")


def question_sets(shared: Path, count: int, seed: int) -> dict[str, list[Question]]:
    """`count` questions of each set, the same for the same seed."""
    return {name: sample(SETS[name](shared).questions, count, seed) for name in NAMES}


def run_size(pipeline: Pipeline, size: int, sets: Mapping[str, Sequence[Question]]) -> dict[str, Any]:
    """Rows by "size set mode": how often the page is found, over the index that the pipeline has."""
    chunks = sum(document.chunks for document in pipeline.documents())
    return {
        f"{size} {name} {mode}": {"chunks": chunks} | _search(pipeline, questions, mode)
        for name, questions in sets.items()
        for mode in MODES
    }


def _search(pipeline: Pipeline, questions: Sequence[Question], mode: Mode) -> dict[str, Any]:
    started = time.monotonic()
    found = pipeline.search([question.text for question in questions], 10, mode)
    seconds = time.monotonic() - started
    return {
        "questions": len(questions),
        **page_measures(pipeline, questions, found),
        "search_ms": 1000 * seconds / len(questions),
    }
