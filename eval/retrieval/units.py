"""Retrieved passages → the ranking of what a set asks for: pages, paragraphs, documents."""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from eval.dataset import Evidence, Question
from eval.metrics import covers
from eval.reading.linebreaks import squeeze_text
from eval.retrieval.sets import RetrievalSet, Stretch, Unit
from indexes.engine import SearchEngine
from indexes.types import Passage, nfc
from ingest.document import Chunk

# A stretch of this many characters, blanks left out, nearly always stands only once in a document.
ANCHOR = 30


class Span(NamedTuple):
    """Where a stretch stands in its document's text."""

    start: int
    end: int
    id: str


class Ranked(NamedTuple):
    """One rank: the unit, and the passage that brought it there."""

    unit: str
    passage: Passage


class Ranker:
    """Ranks the units of one set from the passages that one index returns.

    `unplaced`: the stretches whose text is not found in the index: nothing can rank them.
    """

    def __init__(self, retriever: SearchEngine, retrieval_set: RetrievalSet) -> None:
        self._retriever = retriever
        self._unit = retrieval_set.unit
        self._spans, self.unplaced = place_stretches(retriever, retrieval_set.stretches)

    def rank(self, question: Question, passages: Sequence[Passage], depth: int) -> list[Ranked]:
        """The first `depth` units, best first; a passage that stands in none is a unit of its own."""
        if self._unit == "page":
            units = rank_pages(self._retriever, question, passages)
        else:
            units = [self._stretch(passage.chunk) for passage in passages]
        first: dict[str, Passage] = {}
        for unit, passage in zip(units, passages, strict=True):
            first.setdefault(unit, passage)
        return [Ranked(unit, passage) for unit, passage in first.items()][:depth]

    def _stretch(self, chunk: Chunk) -> str:
        return largest_overlap(self._spans.get(chunk.document_id, ()), chunk.start, chunk.end) or chunk.id


def rank_pages(retriever: SearchEngine, question: Question, passages: Sequence[Passage]) -> list[str]:
    """A name for each passage: that of the gold pages it touches, else its own.

    Gold pages rank once, at their first passage: what comes again takes up a rank.
    """
    left, units = list(question.evidence), []
    for chunk in (passage.chunk for passage in passages):
        place = (retriever.with_id(chunk.document_id).path, chunk.first_page, chunk.last_page)
        gold = next((evidence for evidence in left if covers(place, evidence)), None)
        if gold is not None:
            left.remove(gold)
        units.append(unit_of(gold, "page") if gold else chunk.id)
    return units


def unit_of(evidence: Evidence, unit: Unit) -> str:
    """The name in a ranking of what is gold."""
    if unit == "page":
        return f"{evidence.pdf}#{evidence.page_start}-{evidence.page_end}"
    return evidence.id


def gains_of(question: Question, unit: Unit) -> dict[str, int]:
    """What each gold unit of the question is worth."""
    return {unit_of(evidence, unit): evidence.gain for evidence in question.evidence}


def largest_overlap(spans: Sequence[Span], start: int, end: int) -> str:
    """The id of the span that shares most with [start, end), the first of equals; "" where none does."""
    shared = [(min(end, span.end) - max(start, span.start), span.id) for span in spans]
    most, name = max(shared, key=lambda pair: pair[0], default=(0, ""))
    return name if most > 0 else ""


def place_stretches(
    retriever: SearchEngine, stretches: Iterable[Stretch]
) -> tuple[dict[str, list[Span]], list[str]]:
    """Per document id the places of its stretches, ascending; and the ids of those that have none."""
    at_path = {nfc(path): document for document in retriever.documents for path in document.paths}
    of_document: dict[str, list[Stretch]] = defaultdict(list)
    unplaced: list[str] = []
    for stretch in stretches:
        if (document := at_path.get(nfc(os.path.abspath(stretch.path)))) is None:
            unplaced.append(stretch.id)
        else:
            of_document[document.document_id].append(stretch)
    spans: dict[str, list[Span]] = {}
    for document_id, known in of_document.items():
        text = retriever.text(retriever.with_id(document_id)) if any(s.text for s in known) else ""
        spans[document_id] = locate(text, known)
        placed = {span.id for span in spans[document_id]}
        unplaced += [stretch.id for stretch in known if stretch.id not in placed]
    return spans, unplaced


def locate(text: str, stretches: Sequence[Stretch]) -> list[Span]:
    """Where the stretches, which follow each other, stand in `text`; those that are not found are left out.

    Blanks do not count. A stretch that reading changed somewhere is found by its pieces.
    """
    squeezed, at, spans = squeeze_text(text), 0, []
    for stretch in stretches:
        if not stretch.text:
            spans.append(Span(0, 1 << 62, stretch.id))
            continue
        wanted = squeeze_text(stretch.text).chars
        if found := _find(squeezed.chars, wanted, at):
            start, at = found
            spans.append(Span(squeezed.positions[start], squeezed.positions[at - 1] + 1, stretch.id))
    return spans


def _find(chars: str, wanted: str, at: int) -> tuple[int, int] | None:
    """Start and end of `wanted` in `chars` from `at` on: whole, or from its first to its last piece there."""
    start = chars.find(wanted, at)
    if start >= 0:
        return start, start + len(wanted)
    pieces = ((i, chars.find(wanted[i : i + ANCHOR], at)) for i in range(len(wanted) - ANCHOR + 1))
    found = [(i, position) for i, position in pieces if position >= 0]
    if not found:
        return None
    (lead, first), (_, last) = found[0], found[-1]
    return max(at, first - lead), min(len(chars), last + len(wanted) - found[-1][0])
