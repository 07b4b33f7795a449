"""One chunk size → how well pages are found with it, lexically and hybrid."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.dataset import Evidence, Question, load_questions, sample
from eval.ingestion import read_rows
from eval.metrics import hit_at, mean, ndcg_at
from eval.runner import places_of
from indexes.engine import Mode
from rag import Pipeline

MODES: tuple[Mode, ...] = ("lexical", "hybrid")


def question_sets(shared: Path, count: int, seed: int) -> dict[str, list[Question]]:
    """`count` questions of each set, the same for the same seed."""
    folder = shared / "data" / "qa"
    sets = {name: load_questions(folder / name / "qa.jsonl") for name in ("korquad1", "welfare")}
    sets = {"articles": article_questions(read_rows(folder / "statute_articles.jsonl")), **sets}
    return {name: sample(questions, count, seed) for name, questions in sets.items()}


def article_questions(rows: Sequence[Mapping[str, Any]]) -> list[Question]:
    """A question for the page of every article whose title its law has once."""
    seen = Counter((row["law"], row["title"]) for row in rows)
    return [
        Question(
            f"{row['law']} {row['article']}",
            f"{row['law']}에서 '{row['title']}'에 관한 조문은 무엇인가?",
            (),
            (Evidence(row["pdf"], row["page"], row["page"]),),
        )
        for row in rows
        if seen[row["law"], row["title"]] == 1
    ]


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
    found = pipeline.search_many([question.text for question in questions], 10, mode)
    seconds = time.monotonic() - started
    ranked = [(places_of(pipeline, passages), q) for passages, q in zip(found, questions, strict=True)]
    return {
        "questions": len(questions),
        "page_hit@1": mean(hit_at(places, q, 1) for places, q in ranked),
        "page_hit@5": mean(hit_at(places, q, 5) for places, q in ranked),
        "page_ndcg@10": mean(ndcg_at(places, q, 10) for places, q in ranked),
        "search_ms": 1000 * seconds / len(questions),
    }
