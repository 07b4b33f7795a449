"""The summary flow of one document: blocks → windows → completions → statements → blocks again, or the summary.

A flow is a generator: it yields the windows of a level, is sent their completions, and returns the
`Summary`. job.py runs the flows of many documents side by side.

A flow always ends. The sentences of a level have at most half the tokens of the blocks that they were written
from, and blocks that fit into one window are put into one. So T tokens of blocks, in windows with room for R, take
at most 8 T / R + log2(T / R) + 2 calls (R: at most the tokens of `MOST_BLOCKS` blocks of `LEAST_BLOCK` tokens). In a
summary by chapters this bound holds for the chapters that share a call, or for one large chapter. Where a completion
is of no use, the most telling sentences of its window take its place.
"""

import collections.abc
from collections.abc import Sequence
from itertools import chain

from indexes.types import StoredDocument
from ingest.document import CELL_SEPARATOR
from rag.answer import Summary
from rag.models.generator import Completion
from rag.summarising.assemble import assemble
from rag.summarising.blocks import Block, Report, Window, plan, read_report, room_for_blocks, written_block
from rag.summarising.division import calls
from rag.summarising.stages import Order, SummaryStages
from rag.summarising.stated import Reading, Stated, Tally, read_completion, telling

# The most levels of windows. Tokens halve at each, so no document has that many.
LEVELS = 16
# This many sentences of a window stand in for a completion of no use.
STAND_INS = 8

Flow = collections.abc.Generator[list[Window], list[Completion], Summary]
# Yields the windows of one level, is sent their completions, and returns the statements of the last level.
Levels = collections.abc.Generator[list[Window], list[Completion], Sequence[Stated]]


def flow(stages: SummaryStages, order: Order, document: StoredDocument) -> Flow:
    """Yields the windows of each level, takes their completions in the same order, and returns the summary.

    Raises:
        PromptTooLong: the window has no room for text.
    """
    tally = Tally()
    report = read_report(stages, order, document)
    parts = block_groups(stages, order, report)
    said = yield from together([levels(stages, order, document.title, part, tally) for part in parts], tally)
    return assemble(stages, order, report, list(chain.from_iterable(said)), tally)


def extracted(stages: SummaryStages, order: Order, document: StoredDocument) -> Summary:
    """The summary without a model: the document's most telling sentences, word for word, in reading order."""
    tally = Tally()
    report = read_report(stages, order, document)
    return assemble(stages, order, report, [], tally)


def block_groups(stages: SummaryStages, order: Order, report: Report) -> list[Sequence[Block]]:
    """The groups of blocks that are summarised apart: one group, or for a kind by chapters one for each call."""
    if not (order.kind.by_chapter and report.blocks):
        return [report.blocks]
    sizes = [
        sum(block.tokens for block in report.blocks[one.blocks.start : one.blocks.stop])
        for one in report.chapters
    ]
    room = max(0, room_for_blocks(stages, order, report.document.title))
    spans = [report.chapters[call.start : call.stop] for call in calls(sizes, room, order.chapters_a_call)]
    return [report.blocks[span[0].blocks.start : span[-1].blocks.stop] for span in spans]


def together(
    flows: Sequence[Levels], tally: Tally
) -> collections.abc.Generator[list[Window], list[Completion], list[Sequence[Stated]]]:
    """What each of `flows` returns, in order. They advance in step: the next windows of all make up one level."""
    said: list[Sequence[Stated]] = [[] for _ in flows]
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
        completions = yield list(chain.from_iterable(level.values()))
        tally.levels += 1
        start = 0
        for place, windows in level.items():
            advance(place, completions[start : start + len(windows)])
            start += len(windows)
    return said


def levels(stages: SummaryStages, order: Order, title: str, blocks: Sequence[Block], tally: Tally) -> Levels:
    """The statements of the last level about `blocks`; none if no completion was of use or `blocks` is empty."""
    for _ in range(LEVELS):
        if not blocks:
            break
        windows = plan(stages, order, title, blocks)
        completions = yield windows
        readings = [
            read_completion(stages, order.kind, window, completion)
            for window, completion in zip(windows, completions, strict=True)
        ]
        for completion, reading in zip(completions, readings, strict=True):
            tally.add(completion, reading)
        tally.none_here = all(reading.none_here for reading in readings)
        if len(windows) == 1:
            tally.cut |= completions[0].finish_reason == "length"
            return readings[0].stated
        said = [
            stand_ins(stages, window, reading, tally)
            for window, reading in zip(windows, readings, strict=True)
        ]
        blocks = [
            block
            for window, stated in zip(windows, said, strict=True)
            for block in carried(stages, window, stated)
        ]
    return []


def stand_ins(stages: SummaryStages, window: Window, reading: Reading, tally: Tally) -> Sequence[Stated]:
    """The statements about `window`: those of `reading`, or its most telling sentences if `reading` has none.

    Empty if the model says that the window holds nothing of what was asked for.
    """
    if reading.stated or reading.none_here:
        return reading.stated
    tally.replaced += 1
    return telling(stages.engine, window.blocks[0].passages[0].title, window.blocks, STAND_INS)


def carried(stages: SummaryStages, window: Window, said: Sequence[Stated]) -> list[Block]:
    """`said` as blocks of the next level, in order; statements that exceed half the tokens of `window` are left out."""
    blocks, room = [], window.tokens // 2
    for stated in said:
        block = written_block(
            stages.tokenizer,
            text=CELL_SEPARATOR.join(stated.cells) or stated.text,
            context=stated.context,
            passages=stated.passages,
            pages=stated.pages,
        )
        if block.tokens <= room:
            blocks.append(block)
            room -= block.tokens
    return blocks
