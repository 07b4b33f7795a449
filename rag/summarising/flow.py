"""The summary flow of one document: its passages → windows → what each says → windows of that → a summary.

A flow is a generator: it yields the windows of a level, is sent their completions, and returns the
`Summary`. Who runs it, and what else runs beside it, is the business of batch.py.

It ends. A level's sentences hold at most half the tokens of what they were written from, and what fits into
one window is in one. So T tokens of blocks, in windows with room for R, take at most 8 T / R + log2(T / R) + 2
calls (R: no more than `MOST_BLOCKS` blocks of `LEAST_BLOCK` tokens); of a summary by chapters that holds for
what one call, or a chapter alone, is about. Where a completion is of no use, the most
telling sentences of its window stand in for it.
"""

import collections.abc
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from indexes.types import StoredDocument
from ingest.document import CELL_SEPARATOR
from rag.answer import Summary
from rag.models.generator import Completion, Sampling
from rag.prompting.prompts import SUMMARY_SYSTEM
from rag.summarising.assemble import assemble
from rag.summarising.blocks import (
    Block,
    Window,
    chapters_a_call,
    document_blocks,
    plan,
    reserved_output,
    room_for_blocks,
    task_of,
    written_block,
)
from rag.summarising.chapters import calls, chapters
from rag.summarising.kinds import KINDS, SummaryOptions
from rag.summarising.stages import SummaryStages
from rag.summarising.stated import Stated, Tally, none_here, said_by, telling

# Levels of windows: tokens halve at each, so this is more than any document has.
LEVELS = 16
# Sentences of a window that stand in for its completion.
STAND_INS = 8
# Raised whenever the same completions could give another summary.
FLOW = 5

Flow = collections.abc.Generator[list[Window], list[Completion], Summary]
# The windows of one level out, their completions in, and at the end what they say.
Levels = collections.abc.Generator[list[Window], list[Completion], list[Stated]]


def flow(stages: SummaryStages, document: StoredDocument, options: SummaryOptions) -> Flow:
    """Yields the windows of each level, the last of which is one, and takes their completions in order.

    Raises:
        PromptTooLong: the window has no room for text.
    """
    tally = Tally()
    passages = document_blocks(stages, document)
    parts = _parts(stages, document.title, passages, options)
    written = together([levels(stages, document.title, part, options, tally) for part in parts], tally)
    said = [stated for one in (yield from written) for stated in one]
    return assemble(stages, document, options, passages, said, tally, summary_key(stages, document, options))


def levels(
    stages: SummaryStages, title: str, blocks: Sequence[Block], options: SummaryOptions, tally: Tally
) -> Levels:
    """What is said of `blocks` at the end; nothing where no completion was of use, or there was nothing to read."""
    for _ in range(LEVELS):
        if not blocks:
            break
        level = plan(stages, title, blocks, options)
        completions = yield level
        if len(level) == 1:
            tally.cut |= completions[0].finish_reason == "length"
            tally.none_here = none_here(completions[0], options)
            return said_by(stages, level[0], completions[0], options, tally)
        blocks = [
            block
            for window, completion in zip(level, completions, strict=True)
            for block in carried(stages, window, completion, options, tally)
        ]
        tally.none_here = all(none_here(completion, options) for completion in completions)
    return []


def _parts(
    stages: SummaryStages, title: str, passages: Sequence[Block], options: SummaryOptions
) -> list[Sequence[Block]]:
    """What is written about one by one: chapters, as many together as one call can take; else the whole."""
    if not (KINDS[options.kind].by_chapter and passages):
        return [passages]
    found = chapters([block.context for block in passages])
    sizes = [sum(block.tokens for block in passages[one.blocks.start : one.blocks.stop]) for one in found]
    room = room_for_blocks(stages, title, options)
    spans = calls(sizes, max(room, 0), chapters_a_call(stages, options))
    return [passages[found[span.start].blocks.start : found[span.stop - 1].blocks.stop] for span in spans]


def together(
    flows: Sequence[Levels], tally: Tally
) -> collections.abc.Generator[list[Window], list[Completion], list[list[Stated]]]:
    """What each of `flows` returns, in order; the next levels of all that go on are one level."""
    said: list[list[Stated]] = [[] for _ in flows]
    running: dict[int, list[Window]] = {}

    def advance(place: int, completions: list[Completion] | None) -> None:
        running.pop(place, None)
        try:
            running[place] = flows[place].send(completions)
        except StopIteration as end:
            said[place] = end.value

    for place in range(len(flows)):
        advance(place, None)
    while running:
        level = {place: running[place] for place in sorted(running)}
        completions = yield [window for windows_of in level.values() for window in windows_of]
        _count(tally, completions)
        start = 0
        for place, windows_of in level.items():
            advance(place, completions[start : start + len(windows_of)])
            start += len(windows_of)
    return said


def carried(
    stages: SummaryStages, window: Window, completion: Completion, options: SummaryOptions, tally: Tally
) -> list[Block]:
    """What goes up from `window`: sentences of at most half its tokens, in order."""
    said = said_by(stages, window, completion, options, tally)
    if not said and not none_here(completion, options):
        tally.replaced += 1
        said = telling(stages, window.blocks[0].passages[0].title, window.blocks, STAND_INS)
    blocks, room = [], window.tokens // 2
    for stated in said:
        text = CELL_SEPARATOR.join(stated.cells) or stated.text
        unit = stated.passages[0].unit
        block = written_block(stages, text, stated.context, stated.passages, stated.pages, unit)
        if block.tokens <= room:
            blocks.append(block)
            room -= block.tokens
    return blocks


def _count(tally: Tally, completions: Sequence[Completion]) -> None:
    tally.levels += 1
    tally.calls += len(completions)
    tally.prompt_tokens += sum(completion.prompt_tokens for completion in completions)
    tally.completion_tokens += sum(completion.completion_tokens for completion in completions)


def extracted(stages: SummaryStages, document: StoredDocument, options: SummaryOptions) -> Summary:
    """The summary that needs no model: the most telling sentences, in their order, word for word."""
    passages = document_blocks(stages, document)
    key = summary_key(stages, document, options)
    return assemble(stages, document, options, passages, [], Tally(), key)


def sampling(stages: SummaryStages, options: SummaryOptions) -> Sampling:
    """How all windows of a job are generated."""
    generation = stages.generation
    return Sampling(
        reserved_output(stages, options),
        generation.temperature,
        only_shown_markers=generation.grammar == "auto",
        columns=len(KINDS[options.kind].columns),
    )


def summary_key(stages: SummaryStages, document: StoredDocument, options: SummaryOptions) -> str:
    """Equal for two jobs whose summaries of a document would be the same."""
    generation = stages.generation
    decides = [
        FLOW,
        [document.id, document.title, document.parser],
        asdict(options),
        asdict(stages.summary),
        [stages.generator.name, stages.generator.margin, stages.tokenizer.fingerprint],
        [generation.window, generation.reserved_output, generation.temperature, generation.grammar],
        [SUMMARY_SYSTEM, task_of(stages, options, last=True), task_of(stages, options, last=False)],
    ]
    return hashlib.sha256(json.dumps(decides, ensure_ascii=False).encode()).hexdigest()[:32]
