"""Questions and what they are asked over → RetrievalSet: the shared sets, slices of them, the samples.

Sets of other people's formats are read in corpora.py.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from math import log
from pathlib import Path
from typing import Any, Literal
from zlib import crc32

from eval.dataset import SAMPLES, Evidence, Question, load_questions, read_rows
from eval.reading.linebreaks import page_texts
from ingest.korean.analyse import load_kiwi

Unit = Literal["page", "paragraph", "document"]

REAL_FOLDERS = ("statutes", "agency", "safety_guides", "misc", "welfare", "korquad1")
# Korean words are told apart by their beginning; particles and endings follow it.
STEM = 2
WORD = re.compile(r"[가-힣]{2,}|[A-Za-z0-9]{2,}")
# [시행 2024. 8. 21.] [법률 제20321호, 2024. 2. 20., 일부개정]
PROMULGATION = re.compile(r"\[시행 [^\]]+\]\s*\[([^\],]+?) ?(제[\d-]+호),")
TABLE_HEADING = re.compile(r"^\s*\[별표 (\d+(?:의\d+)?)\]", re.MULTILINE)
SECOND_PARAGRAPH = "②"
NOUNS = ("NNG", "NNP", "XR")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Files and folders that make one index; sets over the same corpus share it."""

    name: str
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A paragraph or guide that is known to stand in the file `path`; without a text, the whole file."""

    id: str
    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class RetrievalSet:
    """Questions that can be answered from a corpus, and what is ranked for them.

    `unit`: "page": the passages, each on its pages. "paragraph" and "document": the stretches, each
    at the rank of the first passage that overlaps it most.
    `base`: the set whose questions these are, worded otherwise under the same ids; "" for none.
    """

    name: str
    corpus: Corpus
    unit: Unit
    questions: tuple[Question, ...]
    stretches: tuple[Stretch, ...] = ()
    base: str = ""


def set_names(names: Iterable[str]) -> list[str]:
    """The names of sets that are meant, each once: a group stands for its sets."""
    return list(dict.fromkeys(one for name in names for one in GROUPS.get(name, (name,))))


def real_corpus(shared: Path) -> Corpus:
    """Every real PDF: questions are asked over everything, as users do."""
    return Corpus("real", tuple(shared / "data" / "pdf" / name for name in REAL_FOLDERS))


# whole sets


@lru_cache(maxsize=1)
def korquad1(shared: Path) -> RetrievalSet:
    """KorQuAD 1.0's questions for the paragraph, in the PDFs made of its articles."""
    return _stretch_set("korquad1", "paragraph", shared)


@lru_cache(maxsize=1)
def welfare(shared: Path) -> RetrievalSet:
    """Questions for the welfare guide, of which a PDF holds many."""
    return _stretch_set("welfare", "document", shared)


def _stretch_set(name: str, unit: Unit, shared: Path) -> RetrievalSet:
    folder = shared / "data" / "qa" / name
    rows = read_rows(folder / "corpus.jsonl")
    stretches = tuple(Stretch(row["id"], shared / row["pdf"], row["text"]) for row in rows)
    return RetrievalSet(
        name, real_corpus(shared), unit, tuple(load_questions(folder / "qa.jsonl")), stretches
    )


@lru_cache(maxsize=1)
def articles(shared: Path) -> RetrievalSet:
    """Questions for the page of a statute's article, by its title."""
    questions = article_questions(_article_rows(shared))
    return RetrievalSet("articles", real_corpus(shared), "page", tuple(questions))


def _article_rows(shared: Path) -> list[dict[str, Any]]:
    return read_rows(shared / "data" / "qa" / "statute_articles.jsonl")


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


# exact references


def reference_articles(shared: Path) -> RetrievalSet:
    """«근로기준법 제34조» → the page where the article begins."""
    found = defaultdict(list)
    for row in _article_rows(shared):
        found[f"{row['law']} {row['article']}"].append(Evidence(row["pdf"], row["page"], row["page"]))
    return _reference_set("ref-articles", shared, found)


def reference_paragraphs(shared: Path) -> RetrievalSet:
    """«근로기준법 제34조제2항» → the page where its ② stands."""
    found = defaultdict(list)
    rows = _article_rows(shared)
    following = [*rows[1:], {"pdf": ""}]
    for row, after in zip(rows, following, strict=True):
        last = after["page"] if after["pdf"] == row["pdf"] else row["page"]
        headings = (_heading(row), _heading(after) if after["pdf"] == row["pdf"] else "")
        if page := page_of_second_paragraph(page_texts(shared / row["pdf"]), row["page"], last, *headings):
            found[f"{row['law']} {row['article']}제2항"].append(Evidence(row["pdf"], page, page))
    return _reference_set("ref-paragraphs", shared, found)


def _heading(row: Mapping[str, Any]) -> str:
    return f"{row['article']}({row['title']})"


def page_of_second_paragraph(
    texts: Sequence[str], first: int, last: int, heading: str, following: str
) -> int | None:
    """The page on which ② of an article stands, of the pages first..last; None where it has none.

    Args:
        texts: of the PDF's pages.
        heading, following: of the article and of the one after it ("" where it is the last).
    """
    started = False
    for number in range(first, last + 1):
        text = "".join(texts[number - 1].split())
        if not started:
            begin = text.rfind("".join(heading.split()))  # a contents page names it before
            if begin < 0:
                return None
            text, started = text[begin + 1 :], True
        end = text.find("".join(following.split())) if following else -1
        text = text[:end] if end >= 0 else text
        if SECOND_PARAGRAPH in text:
            return number
        if end >= 0:
            return None
    return None


def reference_tables(shared: Path) -> RetrievalSet:
    """«근로기준법 시행령 별표 3» → the page with the heading [별표 3]."""
    found = defaultdict(list)
    for pdf, law in _laws(shared).items():
        for number, text in enumerate(page_texts(shared / pdf), start=1):
            for table in TABLE_HEADING.findall(text):
                found[f"{law} 별표 {table}"].append(Evidence(pdf, number, number))
    return _reference_set("ref-tables", shared, found)


def reference_numbers(shared: Path) -> RetrievalSet:
    """«대통령령 제33078호» → the statute that was promulgated under that number."""
    found = defaultdict(list)
    stretches = []
    for pdf in _laws(shared):
        stretches.append(Stretch(pdf, shared / pdf, ""))
        texts = page_texts(shared / pdf)
        if stated := PROMULGATION.search(texts[0]):
            found[f"{stated[1]} {stated[2]}"].append(Evidence(pdf, 1, len(texts), pdf))
    return replace(_reference_set("ref-numbers", shared, found), unit="document", stretches=tuple(stretches))


def _reference_set(name: str, shared: Path, found: Mapping[str, Sequence[Evidence]]) -> RetrievalSet:
    questions = (Question(text, text, (), tuple(dict.fromkeys(gold))) for text, gold in found.items())
    return RetrievalSet(name, real_corpus(shared), "page", tuple(questions))


def _laws(shared: Path) -> dict[str, str]:
    """The law in each PDF of statutes."""
    return {row["pdf"]: row["law"] for row in _article_rows(shared)}


# slices and other wordings


def low_overlap(base: RetrievalSet) -> RetrievalSet:
    """The fifth of the questions that share least with the text that they ask for."""
    texts = {stretch.id: stretch.text for stretch in base.stretches}
    overlaps = word_overlaps(
        [q.text for q in base.questions], [texts[q.evidence[0].id] for q in base.questions]
    )
    limit = sorted(overlaps)[len(overlaps) // 5]
    least = [q for q, overlap in zip(base.questions, overlaps, strict=True) if overlap < limit]
    return replace(base, name=f"{base.name}-lowoverlap", questions=tuple(least))


def word_overlaps(questions: Sequence[str], texts: Sequence[str]) -> list[float]:
    """How much of each question stands in its text: 0 nothing, 1 every word.

    A word counts as its first two characters, weighted by how rare it is in all the questions, so
    that «어떻게 신청하나요» weighs little. It knows nothing of any retriever's way to cut words.
    """
    stems = [{word[:STEM] for word in WORD.findall(question)} for question in questions]
    counts = Counter(stem for found in stems for stem in found)
    weights = {stem: log(len(questions) / count) + 1e-9 for stem, count in counts.items()}
    return [
        sum(weights[stem] for stem in found if stem in text) / (sum(weights[stem] for stem in found) or 1)
        for found, text in zip(stems, texts, strict=True)
    ]


def reworded(base: RetrievalSet, ending: str, word: Callable[[str], str]) -> RetrievalSet:
    """The questions of `base` that `word` changes, changed."""
    questions = (replace(question, text=word(question.text)) for question in base.questions)
    changed = [q for q, before in zip(questions, base.questions, strict=True) if q.text != before.text]
    return replace(base, name=f"{base.name}-{ending}", questions=tuple(changed), base=base.name)


def thinned(whole: RetrievalSet, count: int) -> RetrievalSet:
    """`count` of the questions, chosen by their ids, so that a set worded otherwise keeps the same ones."""
    kept = sorted(whole.questions, key=lambda question: crc32(question.id.encode()))[:count]
    return replace(whole, questions=tuple(kept))


def without_spaces(text: str) -> str:
    """As it is typed in haste."""
    return "".join(text.split())


def with_split_compounds(text: str) -> str:
    """A blank between the nouns of each compound: 육아휴직급여 → 육아 휴직 급여."""
    tokens = load_kiwi().tokenize(text)
    cuts = [
        right.start
        for left, right in pairwise(tokens)
        if left.tag in NOUNS and right.tag in NOUNS and left.start + left.len == right.start
    ]
    ends = [*cuts, len(text)]
    return " ".join(text[start:end] for start, end in zip([0, *cuts], ends, strict=True))


SETS: dict[str, Callable[[Path], RetrievalSet]] = {
    "korquad1": korquad1,
    "welfare": welfare,
    "welfare-lowoverlap": lambda shared: low_overlap(welfare(shared)),
    "articles": articles,
    "ref-articles": reference_articles,
    "ref-paragraphs": reference_paragraphs,
    "ref-tables": reference_tables,
    "ref-numbers": reference_numbers,
    "samples": samples,
    "korquad1-nospace": lambda shared: reworded(korquad1(shared), "nospace", without_spaces),
    "korquad1-split": lambda shared: reworded(korquad1(shared), "split", with_split_compounds),
    "welfare-nospace": lambda shared: reworded(welfare(shared), "nospace", without_spaces),
    "welfare-split": lambda shared: reworded(welfare(shared), "split", with_split_compounds),
    "articles-nospace": lambda shared: reworded(articles(shared), "nospace", without_spaces),
    "articles-split": lambda shared: reworded(articles(shared), "split", with_split_compounds),
}
GROUPS = {
    "references": tuple(name for name in SETS if name.startswith("ref-")),
    "spacing": tuple(name for name in SETS if name.endswith(("-nospace", "-split"))),
    "all": tuple(SETS),
}
