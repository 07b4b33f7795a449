"""The blocks of a document → ranges of them: its chapters, the chapters that share a call, and windows that fit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from math import inf

from ingest.document import CELL_SEPARATOR
from ingest.structure.outline import UNIT

# A marker has at most three digits.
MOST_BLOCKS = 999
# A window costs 1; the costs below decide between divisions with the same number of windows. To join two neighbours
# saves 1 and adds less than 1, so two neighbours that would fit into one window are always joined.
CROSSING = 0.3  # for each border between chapters inside a window
CUT_DEEPER = 0.1  # for a cut inside a chapter, times the number of headings that both sides share
CUT_SECTION = 0.6  # for a cut between two blocks of one section
UNEVEN = 0.05  # times the square of the window's empty share

# The headings above a block, outermost first.
Headings = tuple[str, ...]


def headings_of(context: str) -> Headings:
    """The headings of a breadcrumb, without the unit and the columns of a table."""
    crumbs = context.split(" > ") if context else []
    return tuple(crumb for crumb in crumbs if CELL_SEPARATOR not in crumb and not UNIT.fullmatch(crumb))


# windows


def windows(
    headings: Sequence[Headings], tokens: Sequence[int], room: int, most: int = MOST_BLOCKS
) -> list[range]:
    """Consecutive ranges of blocks, each of at most `room` tokens and `most` blocks; they cover all blocks.

    A chapter, section or subsection that fits into a window is never cut. Small ones share a window. No two
    neighbouring windows would fit into one, so T tokens in N blocks make at most
    2 (T / room + N / most) + 1 windows.

    Args:
        headings: of each block. A heading above all blocks is the document's title, not a chapter.
        tokens: of each block, at most `room`.

    Raises:
        ValueError: a block is larger than a window.
    """
    if not headings:
        return []
    if max(tokens) > room or most < 1:
        raise ValueError(f"a block of {max(tokens)} tokens does not fit a window of {room}")
    ends = [0, *accumulate(tokens)]
    units = list(_units(headings, ends, range(len(headings)), 0, room, most))
    return _cheapest(units, headings, ends, room, most)


def _units(
    headings: Sequence[Headings], ends: Sequence[int], blocks: range, depth: int, room: int, most: int
) -> Iterator[range]:
    """The largest parts of the structure that fit a window, in order."""
    if ends[blocks.stop] - ends[blocks.start] <= room and len(blocks) <= most:
        yield blocks
        return
    if all(len(headings[block]) <= depth for block in blocks):  # one section: nothing divides it further
        yield from (range(block, block + 1) for block in blocks)
        return
    start = blocks.start
    for _, run in groupby(blocks, key=lambda block: headings[block][: depth + 1]):
        stop = start + sum(1 for _ in run)
        yield from _units(headings, ends, range(start, stop), depth + 1, room, most)
        start = stop


def _cheapest(
    units: Sequence[range], headings: Sequence[Headings], ends: Sequence[int], room: int, most: int
) -> list[range]:
    """The windows of least cost that `units` can be joined into, by dynamic programming; of equals the first."""
    title = shared(*headings)
    levels = [0] + [shared(headings[u.start - 1], headings[u.start]) - title for u in units[1:]]
    chapters = list(accumulate(level == 0 for level in levels))
    best, begins = [0.0], [0]
    for last, unit in enumerate(units):
        best.append(inf)
        begins.append(last)
        for first in range(last, -1, -1):
            size = ends[unit.stop] - ends[units[first].start]
            if size > room or unit.stop - units[first].start > most:
                break
            section = first and headings[units[first].start - 1] == headings[units[first].start]
            cut = CUT_SECTION if section else min(CUT_DEEPER * levels[first], CUT_SECTION)
            crossed = CROSSING * (chapters[last] - chapters[first])
            cost = best[first] + 1 + cut * (first > 0) + crossed + UNEVEN * (1 - size / room) ** 2
            if cost < best[-1]:
                best[-1], begins[-1] = cost, first
    found, stop = [], len(units)
    while stop:
        found.append(range(units[begins[stop]].start, units[stop - 1].stop))
        stop = begins[stop]
    return found[::-1]


def shared(*headings: Headings) -> int:
    """How many outermost headings all of `headings` have in common."""
    return next(
        (depth for depth, level in enumerate(zip(*headings, strict=False)) if len(set(level)) > 1),
        min(map(len, headings)),
    )


# chapters


@dataclass(frozen=True, slots=True)
class Chapter:
    """The blocks below one uppermost heading. `heading` is empty for the blocks above the first heading."""

    heading: str
    blocks: range


def chapters(contexts: Sequence[str]) -> list[Chapter]:
    """The chapters of the blocks with these breadcrumbs, in order; each block is in exactly one.

    A heading above all blocks is the document's title, not a chapter.
    """
    above = [headings_of(context) for context in contexts]
    depth = shared(*above) if above else 0
    found, start = [], 0
    for key, run in groupby(above, key=lambda headings: headings[depth : depth + 1]):
        stop = start + sum(1 for _ in run)
        found.append(Chapter(key[0] if key else "", range(start, stop)))
        start = stop
    return found


def calls(sizes: Sequence[int], room: int, most: int) -> list[range]:
    """Ranges of chapters, in order; each range is summarised together.

    A chapter larger than `room` is alone in its range and takes several calls; up to `most` others share a call.

    Args:
        sizes: of each chapter, in tokens.
        room: tokens of blocks that a call holds.
    """
    found: list[range] = []
    start = 0
    for large, run in groupby(size > room for size in sizes):
        stop = start + sum(1 for _ in run)
        if large:
            found += [range(place, place + 1) for place in range(start, stop)]
        else:
            spans = windows([()] * (stop - start), sizes[start:stop], room, most)
            found += [range(start + span.start, start + span.stop) for span in spans]
        start = stop
    return found
