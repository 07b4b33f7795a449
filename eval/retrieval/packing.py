"""Questions with gold → is it in the packed prompt, where, and how much of a prompt is like one before it?

Every rule of choosing is an order in which `pack` takes passages, so that all are measured with the product's
own packing: passages with scores below 0 go in as they stand.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any, NamedTuple

from eval.dataset import Question
from eval.metrics import covers
from eval.reading.linebreaks import squeeze_text
from eval.retrieval.sets import RetrievalSet
from eval.retrieval.units import Span, place_stretches
from indexes.search.copies import without_copies
from indexes.types import Passage
from rag import Pipeline
from rag.answer import PackedPassage
from rag.prompting.packing import Prompt, pack
from rag.prompting.tokens import ModelTokenizer

WINDOWS = {2_048: 256, 4_096: 512, 8_192: 1_024, 16_384: 1_024}  # and what is reserved of each
BATCH = 64
BLOCK = 16  # tokens of which a server keeps or forgets all
WHOLE = 0.98  # of a paragraph: its last blanks do not count

Order = Callable[[Sequence[PackedPassage]], list[PackedPassage]]


class Asked(NamedTuple):
    """A question and what was found for it, without copies."""

    question: Question
    passages: list[Passage]


def found(pipeline: Pipeline, questions: Sequence[Question]) -> Iterator[Asked]:
    """What packing gets for each question; no date is asked for, so editions count as copies only."""
    for first in range(0, len(questions), BATCH):
        batch = questions[first : first + BATCH]
        rankings = pipeline.search([q.text for q in batch], pipeline.config.search.k)
        for question, passages in zip(batch, rankings, strict=True):
            distinct = without_copies(passages, pipeline.retriever.with_id, lambda _: None, question.text)
            yield Asked(question, distinct.passages)


def packed(pipeline: Pipeline, question: str, passages: Sequence[Passage], window: int) -> Prompt:
    """The prompt of one question."""
    retriever = pipeline.retriever
    return pack(
        question,
        passages,
        retriever.with_id,
        retriever.place_of,
        pipeline.tokenizer,
        window,
        WINDOWS[window],
        counted=retriever.manifest.tokenizer == pipeline.tokenizer.fingerprint,
    )


# which passages


def by_rank(_: Pipeline, passages: Sequence[Passage]) -> list[Passage]:
    return [replace(passage, score=-float(passage.rank)) for passage in passages]


def by_score_per_token(pipeline: Pipeline, passages: Sequence[Passage]) -> list[Passage]:
    dense = sorted(passages, key=lambda p: -p.score / max(1, p.chunk.tokens))
    return by_rank(pipeline, [replace(passage, rank=rank) for rank, passage in enumerate(dense)])


def with_neighbours(pipeline: Pipeline, passages: Sequence[Passage]) -> list[Passage]:
    """By rank; but what stands before and after the best one in its section comes second and third."""
    if not passages:
        return []
    best = passages[0].chunk
    chunks = pipeline.retriever.chunks(pipeline.retriever.with_id(best.document_id))
    beside = [c for c in chunks if best.start == c.end or c.start == best.end]
    own = [Passage(c, 0.0, 0) for c in beside if (c.context, c.kind) == (best.context, best.kind)]
    ids = {best.id, *(passage.chunk.id for passage in own)}
    ordered = [passages[0], *own, *(p for p in passages if p.chunk.id not in ids)]
    return by_rank(pipeline, [replace(passage, rank=rank) for rank, passage in enumerate(ordered)])


RULES: dict[str, Callable[[Pipeline, Sequence[Passage]], Sequence[Passage]]] = {
    "score / tokens^.15 (ours)": lambda _, passages: passages,
    "by rank": by_rank,
    "score / tokens": by_score_per_token,
    "by rank, with the best one's neighbours": with_neighbours,
}


def gold_in_prompts(pipeline: Pipeline, retrieval_set: RetrievalSet) -> dict[str, dict[str, Any]]:
    """By window and rule: the shares of questions of whose gold a part, the whole, or the answer is there."""
    gold = Gold(pipeline, retrieval_set)
    seen: dict[tuple[int, str], list[dict[str, float]]] = defaultdict(list)
    for asked in found(pipeline, retrieval_set.questions):
        for window in WINDOWS:
            for name, rule in RULES.items():
                prompt = packed(pipeline, asked.question.text, rule(pipeline, asked.passages), window)
                seen[window, name].append(gold.in_prompt(asked.question, prompt))
    return {
        f"{retrieval_set.name}, {window:,}, {name}": {
            what: statistics.fmean(row[what] for row in rows) for what in rows[0]
        }
        for (window, name), rows in sorted(seen.items(), key=lambda pair: pair[0][0])
    }


class Gold:
    """Where the gold of a set's questions stands in an index."""

    def __init__(self, pipeline: Pipeline, retrieval_set: RetrievalSet) -> None:
        spans, _ = place_stretches(pipeline.retriever, retrieval_set.stretches)
        self._places = {span.id: (name, span) for name, own in spans.items() for span in own}

    def in_prompt(self, question: Question, prompt: Prompt) -> dict[str, float]:
        """1 or 0 for each of what is asked; `whole` and `answer` are 0 where a set has no such gold."""
        places = [self._places[e.id] for e in question.evidence if e.id in self._places]
        held = [self._held(prompt.passages, *place) / (place[1].end - place[1].start) for place in places]
        text = squeeze_text("".join(p.text for p in prompt.passages if self.touches(question, p))).chars
        answers = (squeeze_text(answer).chars for answer in question.answers)
        return {
            "some": float(any(self.touches(question, passage) for passage in prompt.passages)),
            "whole": float(max(held, default=0.0) >= WHOLE),
            "answer": float(any(answer in text for answer in answers)),
            "fill": prompt.budget.prompt / (prompt.budget.prompt + prompt.budget.free),
            "passages": len(prompt.passages),
        }

    def touches(self, question: Question, passage: PackedPassage) -> bool:
        """Whether `passage` holds some of the gold."""
        places = [self._places[e.id] for e in question.evidence if e.id in self._places]
        if places:
            return any(self._held([passage], *place) for place in places)
        own = (passage.path, passage.first_page, passage.last_page)
        return any(covers(own, evidence) for evidence in question.evidence)

    @staticmethod
    def _held(passages: Sequence[PackedPassage], document_id: str, span: Span) -> int:
        return sum(
            max(0, min(p.end, span.end) - max(p.start, span.start))
            for p in passages
            if p.document_id == document_id
        )


# in which order


def best_document_first(passages: Sequence[PackedPassage]) -> list[PackedPassage]:
    """Each document's passages together, as they stand in it."""
    best: dict[str, int] = {}
    for passage in passages:
        best.setdefault(passage.document_id, passage.marker)
    return sorted(passages, key=lambda p: (best[p.document_id], p.start))


ORDERS: dict[str, Order] = {
    "best first (ours)": list,
    "best last": lambda passages: list(passages)[::-1],
    "by document": lambda passages: sorted(passages, key=lambda p: (p.document_id, p.start)),
    "best document first": best_document_first,
}


def orders(
    pipeline: Pipeline, retrieval_set: RetrievalSet, reworded: RetrievalSet, window: int
) -> dict[str, dict[str, Any]]:
    """By order: where the first gold passage stands, and how much the same question, worded otherwise, begins alike."""
    gold = Gold(pipeline, retrieval_set)
    others = {asked.question.id: asked for asked in found(pipeline, reworded.questions)}
    places, alike = defaultdict(list), defaultdict(list)
    for asked in found(pipeline, [q for q in retrieval_set.questions if q.id in others]):
        question = asked.question
        pair = (asked, others[question.id])
        one, other = (packed(pipeline, a.question.text, a.passages, window).passages for a in pair)
        for name, order in ORDERS.items():
            before = list(takewhile(lambda p, q=question: not gold.touches(q, p), order(one)))
            if len(before) < len(one):
                places[name].append(tokens(before) / tokens(one))
            alike[name].append(beginning(order(one), order(other)) / tokens(other))
    return {
        f"{retrieval_set.name}, {window:,}, {name}": {
            "in the first tenth": statistics.fmean(place < 0.1 for place in places[name]),
            "in the middle half": statistics.fmean(0.25 <= place < 0.75 for place in places[name]),
            "begins alike": statistics.fmean(alike[name]),
            "questions": len(alike[name]),
        }
        for name in ORDERS
    }


def tokens(passages: Sequence[PackedPassage]) -> int:
    return sum(passage.tokens for passage in passages)


def beginning(one: Sequence[PackedPassage], other: Sequence[PackedPassage]) -> int:
    """Tokens of the passages with which both begin, in whole blocks."""
    pairs = zip(one, other, strict=False)
    same = takewhile(lambda pair: replace(pair[0], score=0) == replace(pair[1], score=0), pairs)
    return tokens([passage for passage, _ in same]) // BLOCK * BLOCK


# how fast


class TimedTokenizer(ModelTokenizer):
    """Adds up the seconds of processor time that the encoding itself takes."""

    seconds = 0.0

    def _encode(self, text: str) -> Any:
        started = time.thread_time()
        try:
            return super()._encode(text)
        finally:
            self.seconds += time.thread_time() - started


def speed(pipeline: Pipeline, questions: Sequence[str], k: int) -> dict[str, Any]:
    """Milliseconds of processor time to pack what `k` candidates leave, without and with tokenising."""
    timed, retriever, rows = TimedTokenizer(pipeline.tokenizer.name), pipeline.retriever, []
    for question in questions:
        passages = without_copies(
            pipeline.search(question, k=k), retriever.with_id, lambda _: None, question
        ).passages
        # The indexes of eval/speed/scale.py hold counts of the text before words were exchanged in it.
        passages = [_counted(passage, timed) for passage in passages]
        timed.seconds, started = 0.0, time.thread_time()
        pack(question, passages, retriever.with_id, retriever.place_of, timed, 16_384, 1_024, counted=True)
        whole = time.thread_time() - started
        rows.append((len(passages), 1000 * (whole - timed.seconds), 1000 * whole))
    candidates, beyond, whole = (sorted(column) for column in zip(*rows, strict=True))
    return {
        "candidates": statistics.median(candidates),
        "beyond_tokenising_ms": f"{beyond[len(rows) // 2]:.1f} / {beyond[int(0.95 * len(rows))]:.1f}",
        "whole_ms": f"{whole[len(rows) // 2]:.1f} / {whole[int(0.95 * len(rows))]:.1f}",
    }


def _counted(passage: Passage, tokenizer: ModelTokenizer) -> Passage:
    return replace(passage, chunk=replace(passage.chunk, tokens=tokenizer.count(passage.chunk.text)))
