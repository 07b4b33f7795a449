"""Ingest, search and ask on a data set → numbers."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.dataset import Question
from eval.metrics import MEASURES, contains_answer, is_gold, mean, score
from eval.retrieval.units import gains_of, rank_pages
from indexes.types import Passage
from rag import Answer, Pipeline


def run_ingest(pipeline: Pipeline, folders: Sequence[Path]) -> dict[str, Any]:
    """Ingest the folders; counts, speed, and failures by code."""
    report = pipeline.ingest(folders)
    files = report.documents.added + report.documents.updated + report.documents.failed
    return {
        "files": files,
        "documents": report.documents.added + report.documents.updated,
        "pages": report.pages,
        "chunks": report.chunks,
        "seconds": round(report.seconds, 1),
        "pages_per_second": round(report.pages / report.seconds, 1),
        "failures": dict(Counter(failure.code for failure in report.failures)),
        "unreadable_pages": sum(map(len, report.unreadable_pages.values())),
    }


def run_questions(pipeline: Pipeline, questions: Sequence[Question]) -> dict[str, Any]:
    """Search for and answer every question; shares over the answerable ones."""
    asked = [question.text for question in questions]
    started = time.monotonic()
    found = pipeline.search(asked, 10)
    searched = time.monotonic() - started
    answers = pipeline.ask(asked)
    seconds = time.monotonic() - started - searched
    answerable = [(q, answer) for q, answer in zip(questions, answers, strict=True) if q.answerable]
    hopeless = [a for q, a in zip(questions, answers, strict=True) if not q.answerable]
    result = {
        "questions": len(answerable),
        **page_measures(pipeline, questions, found),
        "answers_citing_gold_page": mean(cites_gold(answer, q) for q, answer in answerable),
        "quotes_contain_answer": mean(
            contains_answer((c.quote for c in answer.citations), q) for q, answer in answerable
        ),
        "wrongly_abstained": mean(answer.abstained for _, answer in answerable),
        "search_ms": round(1000 * searched / len(asked), 1),
        "ask_ms": round(1000 * seconds / len(asked), 1),
    }
    if hopeless:
        result["unanswerable"] = len(hopeless)
        result["rightly_abstained"] = mean(answer.abstained for answer in hopeless)
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in result.items()}


def page_measures(
    pipeline: Pipeline, questions: Sequence[Question], found: Sequence[Sequence[Passage]]
) -> dict[str, float]:
    """The means of all measures by page, over the questions that can be answered."""
    rankings = {
        question.id: rank_pages(pipeline.retriever, question, passages)
        for question, passages in zip(questions, found, strict=True)
    }
    gains = {question.id: gains_of(question, "page") for question in questions if question.answerable}
    means = score(rankings, gains).mean(axis=0)
    return {f"page_{name}": float(value) for name, value in zip(MEASURES, means, strict=True)}


def cites_gold(answer: Answer, question: Question) -> bool:
    """Whether a citation of the answer stands on a gold page."""
    return any(is_gold((c.path, c.first_page, c.last_page), question) for c in answer.citations)
