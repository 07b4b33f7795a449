"""Retrieved passages → the prompt that fits the window, whole sentences only."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from indexes.types import Passage, Place, StoredDocument
from ingest.document import Chunk
from ingest.korean.analyse import sentence_spans
from rag.answer import BudgetLedger, PackedPassage
from rag.errors import PromptTooLong
from rag.prompting.prompts import NO_PASSAGES, SYSTEM, Turn, answer_messages, passage_header, shown_text
from rag.prompting.tokens import Message, ModelTokenizer, ToolSpec

# A passage cut to its first sentences is worth showing from this many tokens on.
SMALLEST_CUT = 24
# A passage's value is its score divided by its tokens to this power. Where questions share few words with their
# text, one more prompt in a hundred holds the gold passage than at 0; at 1 it is 10 to 25 prompts fewer
# (docs/benchmarks/packing.md).
TOKENS_POWER = 0.15
# At most this many passages that do not fit whole are tried for first sentences that fit.
CUTS = 24
# At most this share of the window goes to earlier turns, and at most half of what the question leaves.
HISTORY_SHARE = 1 / 4
# A passage is counted with this marker before it has its own; few prompts show more passages.
WIDEST_MARKER = 99
# Brackets are counted as they stand, but shown as others, which saves at most this many tokens per chunk.
BRACKET = re.compile(r"[\[\]［］]")
SHORTER = 64


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question's input, in every form that a generator may need.

    `turns_left_out`: the number of the conversation's oldest turns that had no room. `tools`: what the model may
    call.
    """

    token_ids: list[int]
    messages: list[Message]
    passages: tuple[PackedPassage, ...]
    question: str
    budget: BudgetLedger
    turns_left_out: int = 0
    tools: tuple[ToolSpec, ...] = ()


def pack(
    question: str,
    passages: Sequence[Passage],
    with_id: Callable[[str], StoredDocument],
    place_of: Callable[[str, int, int], Place],
    tokenizer: ModelTokenizer,
    window: int,
    reserved_output: int,
    *,
    counted: bool = False,
    history: Sequence[Turn] = (),
    system: str = SYSTEM,
) -> Prompt:
    """A prompt of at most `window - reserved_output` tokens, with the best of `passages` that fit.

    Passages are taken by value, which is their score for their tokens. One that does not fit is passed over;
    the room that is left at the end goes to the first whole sentences of passages passed over. The prompt shows
    them best first, chunks that touch joined; markers count from 1 in that order.

    Args:
        passages: best first; if all scores are above 0, they are amounts that can be divided.
        with_id: the stored document of an id.
        place_of: the pages of a span of a document, by its id.
        counted: whether `tokenizer` made the chunks' own token counts, so that they can be used.
        history: the turns before, oldest first; the newest that fit their share are shown, whole.
        system: the system prompt.

    Raises:
        PromptTooLong: the question leaves no room for a passage.
    """
    limit = window - reserved_output
    alone = len(tokenizer.render(answer_messages(question, [], system=system)).token_ids)
    turns = newest(history, tokenizer, min(int(window * HISTORY_SHARE), (limit - alone) // 2))
    shelf = Shelf(with_id, place_of, tokenizer, counted)
    ranks = {(p.chunk.document_id, p.chunk.start): rank for rank, p in enumerate(passages)}
    while alone <= limit:
        room = limit - alone - sum(tokens for _, tokens in turns)
        if passages:  # in the rendering without passages this phrase stood in their place
            room += tokenizer.count(NO_PASSAGES)
        shown = [turn for turn, _ in turns]
        prompt = _filled(
            question=question,
            turns=shown,
            passages=passages,
            ranks=ranks,
            shelf=shelf,
            room=room,
            window=window,
            reserved_output=reserved_output,
            system=system,
        )
        if prompt.budget.free >= 0 and (prompt.passages or not passages):
            return replace(prompt, turns_left_out=len(history) - len(turns))
        if not turns:
            break
        turns = turns[1:]  # passages matter more than earlier turns
    # Without a passage the model would answer that the documents do not say.
    raise PromptTooLong(tokens=alone, window=window, reserved=reserved_output)


def newest(history: Sequence[Turn], tokenizer: ModelTokenizer, room: int) -> list[tuple[Turn, int]]:
    """The last turns of `history` that fit `room` tokens together, each with its tokens in the template."""
    if not history:
        return []
    none = len(tokenizer.render(answer_messages("", [])).token_ids)
    kept: list[tuple[Turn, int]] = []
    for turn in reversed(history):
        tokens = len(tokenizer.render(answer_messages("", [], [turn])).token_ids) - none
        room -= tokens
        if room < 0:
            break
        kept.append((turn, tokens))
    return kept[::-1]


def unmarked(
    document: StoredDocument,
    place: Place,
    start: int,
    text: str,
    tokens: int,
    context: str = "",
    score: float = 0.0,
) -> PackedPassage:
    """`text`, which begins at character `start` of `document`, as it is packed before it has a marker of its own."""
    return PackedPassage(
        marker=WIDEST_MARKER,
        document_id=document.document_id,
        path=document.path,
        title=document.title,
        context=context,
        first_page=place.first_page,
        last_page=place.last_page,
        start=start,
        end=start + len(text),
        text=text,
        tokens=tokens,
        score=score,
        unit=document.unit,
        ocr=place.ocr,
    )


def placed(packed: PackedPassage, place_of: Callable[[str, int, int], Place]) -> PackedPassage:
    """`packed` with the pages of its text."""
    place = place_of_words(place_of, packed.document_id, packed.start, packed.text)
    return replace(packed, first_page=place.first_page, last_page=place.last_page, ocr=place.ocr)


def place_of_words(
    place_of: Callable[[str, int, int], Place], document_id: str, start: int, text: str
) -> Place:
    """The pages of `text`, which begins at character `start` of a document, without the blanks at its end."""
    return place_of(document_id, start, start + (len(text.rstrip()) or len(text)))


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where passages are taken from, and how they are counted."""

    with_id: Callable[[str], StoredDocument]
    place_of: Callable[[str, int, int], Place]
    tokenizer: ModelTokenizer
    counted: bool

    def tokens(self, chunk: Chunk, room: int) -> int:
        """The tokens of the chunk's text as it is shown; if it does not fit `room`, some number above `room`."""
        if self.counted and (chunk.tokens > room + SHORTER or not BRACKET.search(chunk.text)):
            return chunk.tokens - chunk.text[-1:].isspace()  # a blank at its end is not shown
        return self.tokenizer.count(shown_text(chunk.text))

    def take(self, passage: Passage, tokens: int) -> PackedPassage:
        """The whole of `passage` as it is packed; `tokens` are those of its text."""
        chunk, document = passage.chunk, self.with_id(passage.chunk.document_id)
        place = place_of_words(self.place_of, chunk.document_id, chunk.start, chunk.text)
        return unmarked(document, place, chunk.start, chunk.text, tokens, chunk.context, passage.score)

    def placed(self, packed: PackedPassage) -> PackedPassage:
        """`packed` with the pages of the text that it has now, after it was cut or joined."""
        return placed(packed, self.place_of)

    def header(self, packed: PackedPassage) -> int:
        """The tokens of what a prompt shows around the passage's text."""
        return self.tokenizer.count(passage_header(packed)) + 1


def _choose(passages: Sequence[Passage], shelf: Shelf, room: int) -> list[PackedPassage]:
    """What fits `room` tokens: whole passages by value, then the first sentences of passages passed over."""
    chosen: list[PackedPassage] = []
    passed_over: list[tuple[Passage, int]] = []
    starts, ends = set(), set()  # of the chosen; a passage that touches one there needs no header of its own
    for passage in _by_value(passages):
        if room < SMALLEST_CUT:
            break
        tokens = shelf.tokens(passage.chunk, room)
        if tokens <= room:
            whole = shelf.take(passage, tokens)
            touches = _start(whole) in ends or _end(whole) in starts
            cost = tokens if touches else tokens + shelf.header(whole)
            if cost <= room:
                chosen.append(whole)
                starts.add(_start(whole))
                ends.add(_end(whole))
                room -= cost
                continue
        passed_over.append((passage, tokens))
    for passage, tokens in passed_over[:CUTS]:
        if room < SMALLEST_CUT:
            break
        whole = shelf.take(passage, tokens)
        header = 0 if _start(whole) in ends else shelf.header(whole)
        first = cut(whole, room - header, SMALLEST_CUT if chosen else 1, shelf)
        if first is not None:
            chosen.append(first)
            room -= header + first.tokens
    return chosen


def _by_value(passages: Sequence[Passage]) -> Sequence[Passage]:
    """`passages` by score for their tokens, best first; as they are ranked where scores are no amounts."""
    if not passages or passages[-1].score <= 0:  # a reranker may give logits
        return passages
    return sorted(passages, key=lambda p: -p.score / max(1, p.chunk.tokens) ** TOKENS_POWER)


def _start(packed: PackedPassage) -> tuple[str, str, int]:
    return packed.document_id, packed.context, packed.start


def _end(packed: PackedPassage) -> tuple[str, str, int]:
    return packed.document_id, packed.context, packed.end


def cut(whole: PackedPassage, room: int, least: int, shelf: Shelf) -> PackedPassage | None:
    """The first whole sentences of `whole` that fit `room` tokens; None if they have under `least` tokens."""
    length = held = 0
    for _, end in sentence_spans(whole.text):
        tokens = shelf.tokenizer.count(shown_text(whole.text[:end]))
        if tokens > room:
            break
        length, held = end, tokens
    if not length or held < least:
        return None
    return shelf.placed(replace(whole, text=whole.text[:length], end=whole.start + length, tokens=held))


def _filled(
    *,
    question: str,
    turns: Sequence[Turn],
    passages: Sequence[Passage],
    ranks: Mapping[tuple[str, int], int],
    shelf: Shelf,
    room: int,
    window: int,
    reserved_output: int,
    system: str,
) -> Prompt:
    """The prompt with those of `passages` that fit `room` tokens; it is over the limit if none can fit."""
    while True:
        chosen = _choose(passages, shelf, room)
        shown = _shown(chosen, ranks, shelf)
        messages = answer_messages(question, shown, turns, system)
        rendered = shelf.tokenizer.render(messages)
        budget = ledger(rendered.counts, len(rendered.token_ids), window, reserved_output)
        if budget.free >= 0 or not chosen:
            return Prompt(rendered.token_ids, messages, tuple(shown), question, budget)
        room += budget.free  # tokens at the borders can make the whole longer than the sum of its parts


def shorter(chosen: Sequence[PackedPassage], excess: int, shelf: Shelf) -> list[PackedPassage]:
    """`chosen` without its last sentences, as many as hold `excess` tokens.

    They leave together, because rendering the prompt after each takes long.
    """
    left = list(chosen)
    while left and excess > 0:
        last = left.pop()
        excess -= last.tokens
        if start := sentence_spans(last.text)[-1][0]:
            text = last.text[:start]
            tokens = shelf.tokenizer.count(shown_text(text))
            left.append(shelf.placed(replace(last, text=text, end=last.start + start, tokens=tokens)))
            excess += tokens
    return left


def _shown(
    chosen: Sequence[PackedPassage], ranks: Mapping[tuple[str, int], int], shelf: Shelf
) -> list[PackedPassage]:
    """`chosen` as it is shown, best first: spans of one section that touch are joined, at the rank of their best.

    Spans of different sections stay apart, so that each keeps its own breadcrumb and its marker is exact.
    """
    runs: list[list[PackedPassage]] = []
    for packed in sorted(chosen, key=_start):
        if runs and _end(runs[-1][-1]) == _start(packed):
            runs[-1].append(packed)
        else:
            runs.append([packed])
    runs.sort(key=lambda run: min(ranks[packed.document_id, packed.start] for packed in run))
    return [replace(_joined(run, shelf), marker=marker) for marker, run in enumerate(runs, start=1)]


def _joined(pieces: Sequence[PackedPassage], shelf: Shelf) -> PackedPassage:
    first, *others = pieces
    if not others:
        return first
    return shelf.placed(
        replace(
            first,
            text="".join(piece.text for piece in pieces),
            end=others[-1].end,
            tokens=sum(piece.tokens for piece in pieces),
            score=max(piece.score for piece in pieces),
        )
    )


def ledger(counts: dict[str, int], prompt: int, window: int, reserved_output: int) -> BudgetLedger:
    """How the window's tokens are spent.

    Args:
        counts: the tokens of each part of the rendered prompt.
        prompt: the tokens of the whole prompt.
    """
    parts = {part: counts.get(part, 0) for part in ("template", "system", "history", "passages", "question")}
    return BudgetLedger(
        window, reserved_output, **parts, prompt=prompt, free=window - reserved_output - prompt
    )
