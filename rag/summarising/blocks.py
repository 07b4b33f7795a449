"""A document → blocks, each what one marker stands for → windows of them that fit, each with its prompt."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from indexes.types import StoredDocument
from ingest.document import Chunk
from ingest.korean.analyse import sentence_spans
from ingest.raw import Unit
from rag.answer import PackedPassage
from rag.errors import PromptTooLong
from rag.extracting.extract import one_line
from rag.prompting.packing import Prompt, ledger
from rag.prompting.prompts import block_text, in_other_brackets, pages_text, summary_messages
from rag.summarising.kinds import KINDS, STYLE_RULES, SummaryOptions
from rag.summarising.stages import SummaryStages
from rag.summarising.windows import MOST_BLOCKS, headings_of, windows
from rag.wording import places

# Chunks of one section that touch are one passage up to so many tokens: fewer headers, and still a few
# sentences that a marker points at.
PASSAGE_TOKENS = 800
# A window with less room for blocks is refused.
LEAST_ROOM = 64
# A block counts for so many tokens at least.
LEAST_BLOCK = 8
# About what a Korean sentence with its markers takes; how many of them a window is asked for.
SENTENCE_TOKENS = 70


@dataclass(frozen=True, slots=True)
class Block:
    """What one marker stands for: a passage, or, `written`, a sentence of a level below.

    `passages`: those of the document that it is, or was written from; `pages`: where the quotes stand on
    which a written one rests. `place` and `tokens` are as the prompt shows it, the marker included.
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
    """One prompt, and what its markers stand for, from 1."""

    blocks: tuple[Block, ...]
    prompt: Prompt

    @property
    def tokens(self) -> int:
        return sum(block.tokens for block in self.blocks)


# what a document is read as


def document_blocks(stages: SummaryStages, document: StoredDocument) -> list[Block]:
    """The document's passages in order, without contents pages: chunks of a section that touch are joined."""
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
            passages.append(_passage(document, chunk, tokens))
    return [_verbatim(stages, passage) for passage in passages]


def _passage(document: StoredDocument, chunk: Chunk, tokens: int) -> PackedPassage:
    return PackedPassage(
        0,  # it has a marker only inside a window
        document.id,
        document.path,
        document.title,
        chunk.context,
        chunk.first_page,
        chunk.last_page,
        chunk.start,
        chunk.end,
        chunk.text,
        tokens,
        0.0,
        document.unit,
    )


def _verbatim(stages: SummaryStages, passage: PackedPassage) -> Block:
    """A passage as a block, with the pages of its words."""
    words_end = passage.start + (len(passage.text.rstrip()) or len(passage.text))
    place = stages.engine.place_of(passage.document_id, passage.start, words_end)
    passage = replace(passage, first_page=place.first_page, last_page=place.last_page, ocr=place.ocr)
    context = passage.context.removeprefix(passage.title).removeprefix(" > ")
    # Its words are counted as its chunks were; brackets are shown as others, which are other tokens.
    words = passage.tokens if in_other_brackets(passage.text) == passage.text else None
    return _block(stages, passage.text, False, context, pages_text(passage), (passage,), frozenset(), words)


def written_block(
    stages: SummaryStages,
    text: str,
    context: str,
    passages: tuple[PackedPassage, ...],
    pages: frozenset[int],
    unit: Unit,
) -> Block:
    """A sentence as a block of the next level; its headings, `context`, divide that, and are not shown."""
    return _block(stages, text, True, context, places(pages, unit), passages, pages)


def _block(
    stages: SummaryStages,
    text: str,
    written: bool,
    context: str,
    place: str,
    passages: tuple[PackedPassage, ...],
    pages: frozenset[int],
    words: int | None = None,
) -> Block:
    """`words`: how many tokens `text` has, where that is known."""
    shown = block_text(MOST_BLOCKS, place, "" if written else context, text if words is None else "")
    # One more: where two blocks meet there may be a token more than in both.
    tokens = 1 + stages.tokenizer.count(shown) + (words or 0)
    return Block(text, written, context, place, passages, pages, max(tokens, LEAST_BLOCK))


# a level: blocks → windows


def plan(stages: SummaryStages, title: str, blocks: Sequence[Block], options: SummaryOptions) -> list[Window]:
    """`blocks` in windows that fit; where that is one, it asks for the summary itself.

    Raises:
        PromptTooLong: there is no room for text.
    """
    reserved = reserved_output(stages, options) + stages.generator.margin
    limit = stages.generation.window - reserved
    room = room_for_blocks(stages, title, options)
    while room >= LEAST_ROOM:
        parts = [part for block in blocks for part in _within(stages, block, room)]
        headings = [headings_of(part.context) for part in parts]
        spans = windows(headings, [part.tokens for part in parts], room)
        task = task_of(stages, options, last=len(spans) == 1)
        made = []
        for span in spans:
            held = tuple(parts[span.start : span.stop])
            made.append(Window(held, _prompt(stages, title, held, task, reserved)))
        over = max(len(window.prompt.token_ids) for window in made) - limit
        if over <= 0:
            return made
        room -= over  # never seen: a block is counted with a token to spare
    raise PromptTooLong(tokens=limit - room, window=stages.generation.window, reserved=reserved)


def room_for_blocks(stages: SummaryStages, title: str, options: SummaryOptions) -> int:
    """How many tokens of blocks a window of a document holds."""
    reserved = reserved_output(stages, options) + stages.generator.margin
    tasks = [task_of(stages, options, last=last) for last in (True, False)]
    frame = max(len(_prompt(stages, title, [], task, reserved).token_ids) for task in tasks)
    return stages.generation.window - reserved - frame


def reserved_output(stages: SummaryStages, options: SummaryOptions) -> int:
    if KINDS[options.kind].by_chapter:  # the tokens asked for are those of a chapter; a call writes several
        return stages.generation.reserved_output
    return options.tokens or stages.generation.reserved_output


def chapters_a_call(stages: SummaryStages, options: SummaryOptions) -> int:
    """Of how many chapters the summaries fit into one completion."""
    return max(1, reserved_output(stages, options) // (most_sentences(stages, options) * SENTENCE_TOKENS))


def task_of(stages: SummaryStages, options: SummaryOptions, *, last: bool) -> str:
    kind, style = KINDS[options.kind], STYLE_RULES[options.style]
    most = (
        most_sentences(stages, options)
        if last
        else max(3, reserved_output(stages, options) // SENTENCE_TOKENS)
    )
    length = f"{most}줄 이내로" if kind.columns else f"{most}문장 이내로"
    wanted = in_other_brackets(one_line(options.instruction))
    return (kind.task if last else kind.part).format(length=length, style=style, instruction=wanted)


def most_sentences(stages: SummaryStages, options: SummaryOptions) -> int:
    """How many sentences a summary is asked for."""
    if options.tokens:
        return max(1, options.tokens // SENTENCE_TOKENS)
    return options.sentences or KINDS[options.kind].sentences or stages.summary.sentences


def _prompt(stages: SummaryStages, title: str, blocks: Sequence[Block], task: str, reserved: int) -> Prompt:
    shown = "".join(
        block_text(marker, block.place, "" if block.written else block.context, block.text)
        for marker, block in enumerate(blocks, start=1)
    )
    messages = summary_messages(title, shown, task)
    rendered = stages.tokenizer.render(messages)
    budget = ledger(rendered.counts, len(rendered.token_ids), stages.generation.window, reserved)
    # Of a written sentence the first passage that it was written from.
    passages = tuple(
        replace(block.passages[0], marker=marker) for marker, block in enumerate(blocks, start=1)
    )
    return Prompt(rendered.token_ids, messages, passages, task, budget)


def _within(stages: SummaryStages, block: Block, room: int) -> list[Block]:
    """`block`, cut in the middle as often as the room demands: between sentences, else anywhere."""
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
    text = block.text[start:end]
    if block.written:
        return _block(stages, text, True, block.context, block.place, block.passages, block.pages)
    (passage,) = block.passages
    span = {"start": passage.start + start, "end": passage.start + end}
    return _verbatim(stages, replace(passage, **span, text=text, tokens=stages.tokenizer.count(text)))
