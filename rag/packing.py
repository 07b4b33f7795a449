"""Retrieved passages → the prompt that fits the window, whole sentences only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from indexes.engine import Passage, Place
from indexes.store import StoredDocument
from ingest.korean import sentence_spans
from rag.answer import BudgetLedger, PackedPassage
from rag.errors import PromptTooLong
from rag.prompts import Turn, answer_messages, passage_header
from rag.tokens import Message, ModelTokenizer, ToolSpec

# A passage cut to its first sentences is worth showing from this many tokens on.
SMALLEST_CUT = 24
# Of the window, so much at most goes to the turns before; and no more than half of what the question leaves.
HISTORY_SHARE = 1 / 4


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question's input, in every form that a generator may need.

    `turns_left_out`: of the conversation, how many of the oldest turns had no room. `tools`: what the model
    may call.
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
    find: Callable[[str], StoredDocument],
    place_of: Callable[[str, int, int], Place],
    tokenizer: ModelTokenizer,
    window: int,
    reserved_output: int,
    *,
    counted: bool = False,
    history: Sequence[Turn] = (),
) -> Prompt:
    """The best of `passages` that fit, as a prompt of at most `window - reserved_output` tokens.

    Passages go in by rank; the first that does not fit is cut after its last whole sentence that
    does. Chunks that touch are joined. Markers count from 1 in the order shown.

    Args:
        passages: best first.
        find: the stored document of an id.
        place_of: the pages of a span of a document, by its id.
        counted: the chunks' own token counts are of `tokenizer`, and need not be made again.
        history: the turns before, oldest first; the newest that fit their share are shown, whole.

    Raises:
        PromptTooLong: the question leaves no room for a passage.
    """
    limit = window - reserved_output
    turns = _newest(history, tokenizer, _history_room(question, tokenizer, window, limit))
    while True:
        empty = len(tokenizer.render(answer_messages(question, [], turns)).token_ids)
        chosen = _number(_join(_choose(passages, find, place_of, tokenizer, max(0, limit - empty), counted)))
        if chosen or not turns or (not passages and empty <= limit):
            break
        turns = turns[1:]  # a passage comes before what was said
    # An answer without a passage would be «not in the documents».
    if empty > limit or (passages and not chosen):
        raise PromptTooLong(tokens=empty, window=window, reserved=reserved_output)
    while True:
        chosen = [_placed(packed, place_of) for packed in chosen]
        messages = answer_messages(question, chosen, turns)
        rendered = tokenizer.render(messages)
        if len(rendered.token_ids) <= limit:
            break
        # The whole can be a token longer than its parts at each header: give up the last sentences.
        chosen = _number(_shorter(chosen, len(rendered.token_ids) - limit, tokenizer))
    budget = ledger(rendered.counts, len(rendered.token_ids), window, reserved_output)
    left_out = len(history) - len(turns)
    return Prompt(rendered.token_ids, messages, tuple(chosen), question, budget, left_out)


def _history_room(question: str, tokenizer: ModelTokenizer, window: int, limit: int) -> int:
    """The most tokens that the turns before may take."""
    alone = len(tokenizer.render(answer_messages(question, [])).token_ids)
    return min(int(window * HISTORY_SHARE), (limit - alone) // 2)


def _newest(history: Sequence[Turn], tokenizer: ModelTokenizer, room: int) -> list[Turn]:
    """The last turns of `history` that fit `room` tokens, with what the template writes around them."""
    if not history:
        return []
    none = len(tokenizer.render(answer_messages("", [])).token_ids)
    kept: list[Turn] = []
    for turn in reversed(history):
        room -= len(tokenizer.render(answer_messages("", [], [turn])).token_ids) - none
        if room < 0:
            break
        kept.append(turn)
    return kept[::-1]


def _choose(
    passages: Sequence[Passage],
    find: Callable[[str], StoredDocument],
    place_of: Callable[[str, int, int], Place],
    tokenizer: ModelTokenizer,
    room: int,
    counted: bool,
) -> list[PackedPassage]:
    chosen = []
    for passage in passages:
        chunk = passage.chunk
        tokens = chunk.tokens if counted else tokenizer.count(chunk.text)
        packed = _placed(_packed(passage, find(chunk.document_id), tokens), place_of)
        header = tokenizer.count(passage_header(packed)) + 1
        if header + packed.tokens > room:
            cut = _cut(packed, room - header, tokenizer)
            return [*chosen, cut] if cut is not None else chosen
        chosen.append(packed)
        room -= header + packed.tokens
    return chosen


def _packed(passage: Passage, document: StoredDocument, tokens: int) -> PackedPassage:
    chunk = passage.chunk
    return PackedPassage(
        99,  # as wide as a marker gets, until it has its own
        chunk.document_id,
        document.path,
        document.title,
        chunk.context,
        chunk.first_page,
        chunk.last_page,
        chunk.start,
        chunk.end,
        chunk.text,
        tokens,
        passage.score,
        document.unit,
    )


def _cut(packed: PackedPassage, room: int, tokenizer: ModelTokenizer) -> PackedPassage | None:
    """`packed` up to its last whole sentence that fits `room` tokens; None where little is left."""
    ends = [end for _, end in sentence_spans(packed.text)]
    low, high = 0, len(ends)  # how many sentences fit, by bisection: counts grow with the text
    while low < high:
        middle = (low + high + 1) // 2
        if tokenizer.count(packed.text[: ends[middle - 1]]) <= room:
            low = middle
        else:
            high = middle - 1
    if not low:
        return None
    shortened = _shorten(packed, ends[low - 1], tokenizer)
    return shortened if shortened.tokens >= SMALLEST_CUT else None


def _shorten(packed: PackedPassage, length: int, tokenizer: ModelTokenizer) -> PackedPassage:
    text = packed.text[:length]
    return replace(packed, end=packed.start + length, text=text, tokens=tokenizer.count(text))


def _join(chosen: Sequence[PackedPassage]) -> list[PackedPassage]:
    """`chosen` with spans of one section that touch joined, at the place of the better ranked one.

    Across sections they stay apart: each keeps its own breadcrumb, and its marker points closely.
    """
    joined: list[PackedPassage] = []
    for packed in chosen:
        section = (packed.document_id, packed.context)
        for position, other in enumerate(joined):
            if (other.document_id, other.context) != section:
                continue
            if packed.start == other.end:
                joined[position] = _concatenate(other, packed)
                break
            if packed.end == other.start:
                joined[position] = _concatenate(packed, other)
                break
        else:
            joined.append(packed)
    return joined if len(joined) == len(chosen) else _join(joined)


def _concatenate(first: PackedPassage, second: PackedPassage) -> PackedPassage:
    return replace(
        first,
        end=second.end,
        text=first.text + second.text,
        last_page=max(first.last_page, second.last_page),
        tokens=first.tokens + second.tokens,
        score=max(first.score, second.score),
    )


def _number(chosen: Sequence[PackedPassage]) -> list[PackedPassage]:
    return [replace(packed, marker=marker) for marker, packed in enumerate(chosen, start=1)]


def _shorter(chosen: Sequence[PackedPassage], excess: int, tokenizer: ModelTokenizer) -> list[PackedPassage]:
    """`chosen` without as many last sentences as hold `excess` tokens: a rendering for each takes long."""
    shorter, tokens = list(chosen), sum(packed.tokens for packed in chosen)
    while shorter and sum(packed.tokens for packed in shorter) > tokens - excess:
        shorter = _without_last_sentence(shorter, tokenizer)
    return shorter


def _without_last_sentence(chosen: Sequence[PackedPassage], tokenizer: ModelTokenizer) -> list[PackedPassage]:
    *others, last = chosen
    start = sentence_spans(last.text)[-1][0]
    return [*others, _shorten(last, start, tokenizer)] if start else others


def _placed(packed: PackedPassage, place_of: Callable[[str, int, int], Place]) -> PackedPassage:
    """`packed` with the pages of its words: a cut or joined passage has others than its chunks."""
    words_end = packed.start + len(packed.text.rstrip())
    place = place_of(packed.document_id, packed.start, words_end)
    return replace(packed, first_page=place.first_page, last_page=place.last_page, ocr=place.ocr)


def ledger(counts: dict[str, int], prompt: int, window: int, reserved_output: int) -> BudgetLedger:
    """Where the window's tokens went, by the counts of a rendered prompt."""
    parts = {part: counts.get(part, 0) for part in ("template", "system", "history", "passages", "question")}
    return BudgetLedger(
        window, reserved_output, **parts, prompt=prompt, free=window - reserved_output - prompt
    )
