"""Ingest, search and ask on a data set → numbers."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.dataset import Question
from eval.metrics import Place, contains_answer, hit_at, is_gold, mean, ndcg_at
from indexes.engine import Passage
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
    rankings = [places_of(pipeline, p) for p in pipeline.search_many(asked, 10)]
    searched = time.monotonic() - started
    answers = pipeline.ask_many(asked)
    seconds = time.monotonic() - started - searched
    answerable = [
        (q, ranking, answer)
        for q, ranking, answer in zip(questions, rankings, answers, strict=True)
        if q.answerable
    ]
    hopeless = [a for q, a in zip(questions, answers, strict=True) if not q.answerable]
    result = {
        "questions": len(answerable),
        "page_hit@1": mean(hit_at(ranking, q, 1) for q, ranking, _ in answerable),
        "page_hit@5": mean(hit_at(ranking, q, 5) for q, ranking, _ in answerable),
        "page_ndcg@10": mean(ndcg_at(ranking, q, 10) for q, ranking, _ in answerable),
        "answers_citing_gold_page": mean(cites_gold(answer, q) for q, _, answer in answerable),
        "quotes_contain_answer": mean(
            contains_answer((c.quote for c in answer.citations), q) for q, _, answer in answerable
        ),
        "wrongly_abstained": mean(answer.abstained for _, _, answer in answerable),
        "search_ms": round(1000 * searched / len(asked), 1),
        "ask_ms": round(1000 * seconds / len(asked), 1),
    }
    if hopeless:
        result["unanswerable"] = len(hopeless)
        result["rightly_abstained"] = mean(answer.abstained for answer in hopeless)
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in result.items()}


def places_of(pipeline: Pipeline, passages: Sequence[Passage]) -> list[Place]:
    """Where a ranking's passages stand."""
    return [
        (
            pipeline.retriever.find(p.chunk.document_id).path,
            p.chunk.first_page,
            p.chunk.last_page,
        )
        for p in passages
    ]


def cites_gold(answer: Answer, question: Question) -> bool:
    """Whether a citation of the answer stands on a gold page."""
    return any(is_gold((c.path, c.first_page, c.last_page), question) for c in answer.citations)
