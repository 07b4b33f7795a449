"""Questions and what they are asked over → RetrievalSet: shared sets, samples, KorQuAD, BEIR, AutoRAG."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from eval.dataset import SAMPLES, Evidence, Question, load_questions, read_rows

Unit = Literal["page", "paragraph", "document"]

REAL_FOLDERS = ("statutes", "agency", "safety_guides", "misc", "welfare", "korquad1")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Files and folders that make one index; sets over the same corpus share it."""

    name: str
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A paragraph or a guide that is known to stand in a PDF (a path in the data set)."""

    id: str
    pdf: str
    text: str


@dataclass(frozen=True, slots=True)
class RetrievalSet:
    """Answerable questions over a corpus, and what is ranked.

    `unit`: "page": the passages, each on its pages. "paragraph" and "document": the stretches, each
    at the place of the first passage that overlaps it most; without stretches, the files.
    """

    name: str
    corpus: Corpus
    unit: Unit
    questions: tuple[Question, ...]
    stretches: tuple[Stretch, ...] = ()


def shared_set(name: str, shared: Path) -> RetrievalSet:
    """The set of that name over the PDFs of the shared folder, or over the samples."""
    return SETS[name](shared)


def real_corpus(shared: Path) -> Corpus:
    """Every real PDF: questions are asked over everything, as users do."""
    return Corpus("real", tuple(shared / "data" / "pdf" / name for name in REAL_FOLDERS))


def korquad1(shared: Path) -> RetrievalSet:
    """KorQuAD 1.0's questions for the paragraph, in the PDFs made of its articles."""
    return _stretch_set("korquad1", "paragraph", shared)


def welfare(shared: Path) -> RetrievalSet:
    """Questions for the welfare guide, of which a PDF holds many."""
    return _stretch_set("welfare", "document", shared)


def _stretch_set(name: str, unit: Unit, shared: Path) -> RetrievalSet:
    folder = shared / "data" / "qa" / name
    stretches = (Stretch(row["id"], row["pdf"], row["text"]) for row in read_rows(folder / "corpus.jsonl"))
    questions = load_questions(folder / "qa.jsonl")
    return RetrievalSet(name, real_corpus(shared), unit, tuple(questions), tuple(stretches))


def articles(shared: Path) -> RetrievalSet:
    """Questions for the page of a statute's article, by its title."""
    rows = read_rows(shared / "data" / "qa" / "statute_articles.jsonl")
    return RetrievalSet("articles", real_corpus(shared), "page", tuple(article_questions(rows)))


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


def samples(_shared: Path) -> RetrievalSet:
    """The questions on the sample documents that have an answer."""
    questions = [q for q in load_questions(SAMPLES / "questions.jsonl") if q.answerable]
    return RetrievalSet("samples", Corpus("samples", (SAMPLES,)), "page", tuple(questions))


SETS: dict[str, Callable[[Path], RetrievalSet]] = {
    "korquad1": korquad1,
    "welfare": welfare,
    "articles": articles,
    "samples": samples,
}
