"""A document → blocks, one for each marker → windows of blocks that fit into a prompt."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from indexes.types import Place, StoredDocument
from ingest.korean.analyse import sentence_spans
from rag.answer import PackedPassage
from rag.errors import PromptTooLong
from rag.prompting.packing import Prompt, ledger, placed, unmarked
from rag.prompting.prompts import block_text, in_other_brackets, pages_text, summary_messages
from rag.prompting.tokens import ModelTokenizer
from rag.summarising.division import MOST_BLOCKS, Chapter, chapters, headings_of, windows
from rag.summarising.stages import Order, SummaryStages
from rag.wording.places import places

# Adjacent chunks of one section are joined to passages of at most 800 tokens: this saves headers in the prompt, and a
# marker still points at a few sentences only.
PASSAGE_TOKENS = 800
# A window must have room for at least 64 tokens of blocks.
LEAST_ROOM = 64
# A block counts as at least 8 tokens.
LEAST_BLOCK = 8


@dataclass(frozen=True, slots=True)
class Block:
    """What one marker stands for: a passage of the document or, if `written`, a sentence of the level below.

    `passages`: the passage itself, or those that the sentence was written from. `pages`: the pages of the quotes of
    a written block, else empty. `place`: its pages as the prompt shows them. `tokens`: in the prompt, marker and
    place included.
    """

    text: str
    written: bool
    context: str
    place: str
    passages: tuple[PackedPassage, ...]
    pages: frozenset[int]
    tokens: int


@dataclass(frozen=True, slots=True)
class Window:
    """One prompt and the blocks that its markers stand for; marker 1 is the first block."""

    blocks: tuple[Block, ...]
    prompt: Prompt

    @property
    def tokens(self) -> int:
        return sum(block.tokens for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Report:
    """A document to summarise. Each block is in one of `chapters`: one for the whole unless the kind is by chapters."""

    document: StoredDocument
    blocks: tuple[Block, ...]
    chapters: tuple[Chapter, ...]


# a document → its blocks


def read_report(stages: SummaryStages, order: Order, document: StoredDocument) -> Report:
    """The blocks and chapters of `document`; no blocks and one empty chapter if it has no text."""
    blocks = tuple(document_blocks(stages, document))
    whole = [Chapter("", range(len(blocks)))]
    found = chapters([block.context for block in blocks]) if order.kind.by_chapter else whole
    return Report(document, blocks, tuple(found or whole))


def document_blocks(stages: SummaryStages, document: StoredDocument) -> list[Block]:
    """The document's passages as blocks, in order, without contents pages; adjacent chunks of a section are joined."""
    counted = stages.engine.manifest.tokenizer == stages.tokenizer.fingerprint
    passages: list[PackedPassage] = []
    for chunk in stages.engine.chunks(document):
        if chunk.kind == "contents" or not chunk.text.strip():
            continue
        tokens = chunk.tokens if counted else stages.tokenizer.count(chunk.text)
        last = passages[-1] if passages else None
        together = last and last.tokens + tokens <= PASSAGE_TOKENS
        if together and last.end == chunk.start and last.context == chunk.context:
            text = last.text + chunk.text
            passages[-1] = replace(last, end=chunk.end, text=text, tokens=last.tokens + tokens)
        else:
            place = Place(chunk.first_page, chunk.last_page, None)
            passages.append(unmarked(document, place, chunk.start, chunk.text, tokens, chunk.context))
    return [_verbatim(stages, passage) for passage in passages]


def _verbatim(stages: SummaryStages, passage: PackedPassage) -> Block:
    """A passage as a block; its pages are those of its text without the blanks at the end."""
    passage = placed(passage, stages.engine.place_of)
    context = passage.context.removeprefix(passage.title).removeprefix(" > ")
    # The passage's tokens are known, unless the prompt shows its brackets as other ones, with other tokens.
    counted = in_other_brackets(passage.text) == passage.text
    shown_as = pages_text(passage)
    return Block(
        text=passage.text,
        written=False,
        context=context,
        place=shown_as,
        passages=(passage,),
        pages=frozenset(),
        tokens=_tokens(
            stages.tokenizer, shown_as, context, passage.text, passage.tokens if counted else None
        ),
    )


def written_block(
    tokenizer: ModelTokenizer,
    text: str,
    context: str,
    passages: tuple[PackedPassage, ...],
    pages: frozenset[int],
) -> Block:
    """A sentence as a block of the next level. Its headings, `context`, decide where windows end; no prompt shows them."""
    place = places(pages, passages[0].unit)
    return Block(
        text=text,
        written=True,
        context=context,
        place=place,
        passages=passages,
        pages=pages,
        tokens=_tokens(tokenizer, place, "", text, None),
    )


def _tokens(tokenizer: ModelTokenizer, place: str, context: str, text: str, of_text: int | None) -> int:
    """The tokens of a block in a prompt. `of_text`: the tokens of `text`, if they are known."""
    shown = block_text(MOST_BLOCKS, place, context, text if of_text is None else "")
    # One more: two blocks joined may have one token more than both apart.
    return max(1 + tokenizer.count(shown) + (of_text or 0), LEAST_BLOCK)


# blocks → windows


def plan(stages: SummaryStages, order: Order, title: str, blocks: Sequence[Block]) -> list[Window]:
    """Windows that hold `blocks` in order and fit the model; a single window asks for the summary itself.

    Raises:
        PromptTooLong: a window has room for fewer than `LEAST_ROOM` tokens of blocks.
    """
    limit = stages.generation.window - order.reserved
    room = room_for_blocks(stages, order, title)
    while room >= LEAST_ROOM:
        parts = [part for block in blocks for part in _within(stages, block, room)]
        headings = [headings_of(part.context) for part in parts]
        spans = windows(headings, [part.tokens for part in parts], room)
        task = order.task if len(spans) == 1 else order.part
        held = [tuple(parts[span.start : span.stop]) for span in spans]
        made = [Window(part, _prompt(stages, order, title, part, task)) for part in held]
        over = max(len(window.prompt.token_ids) for window in made) - limit
        if over <= 0:
            return made
        room -= over  # never seen so far, because each block counts with a token to spare
    raise PromptTooLong(tokens=limit - room, window=stages.generation.window, reserved=order.reserved)


def room_for_blocks(stages: SummaryStages, order: Order, title: str) -> int:
    """How many tokens of blocks a window of a document holds."""
    frames = [_prompt(stages, order, title, [], task) for task in (order.task, order.part)]
    frame = max(len(prompt.token_ids) for prompt in frames)
    return stages.generation.window - order.reserved - frame


def _prompt(stages: SummaryStages, order: Order, title: str, blocks: Sequence[Block], task: str) -> Prompt:
    shown = "".join(
        block_text(marker, block.place, "" if block.written else block.context, block.text)
        for marker, block in enumerate(blocks, start=1)
    )
    messages = summary_messages(title, shown, task)
    rendered = stages.tokenizer.render(messages)
    budget = ledger(rendered.counts, len(rendered.token_ids), stages.generation.window, order.reserved)
    # A written sentence is represented by the first passage that it was written from.
    passages = tuple(
        replace(block.passages[0], marker=marker) for marker, block in enumerate(blocks, start=1)
    )
    return Prompt(rendered.token_ids, messages, passages, task, budget)


def _within(stages: SummaryStages, block: Block, room: int) -> list[Block]:
    """`block` in parts that fit `room`: halved again and again, between sentences if it has several, else anywhere."""
    if block.tokens <= room:
        return [block]
    if len(block.text) < 2 or (block.context and stages.tokenizer.count(block.context) > room // 2):
        return _within(stages, _verbatim(stages, replace(block.passages[0], context="")), room)
    ends = [end for _, end in sentence_spans(block.text)][:-1] or [len(block.text) // 2]
    middle = min(ends, key=lambda end: abs(end - len(block.text) / 2))
    halves = ((0, middle), (middle, len(block.text)))
    return [
        part
        for start, end in halves
        if block.text[start:end].strip()
        for part in _within(stages, _part(stages, block, start, end), room)
    ]


def _part(stages: SummaryStages, block: Block, start: int, end: int) -> Block:
    """The block of `block.text[start:end]`."""
    text = block.text[start:end]
    if block.written:
        return replace(block, text=text, tokens=_tokens(stages.tokenizer, block.place, "", text, None))
    (passage,) = block.passages
    span = {"start": passage.start + start, "end": passage.start + end}
    return _verbatim(stages, replace(passage, **span, text=text, tokens=stages.tokenizer.count(text)))
