"""Blocks of a document, in order → where they are divided: its chapters, those of one call, and windows that fit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from math import inf

from ingest.document import CELL_SEPARATOR
from ingest.structure.outline import UNIT

# A marker has at most three digits.
MOST_BLOCKS = 999
# What a window costs is 1. The rest decides between as many windows, and together it is below 1, so that
# no two neighbours are ever left that would fit into one.
CROSSING = 0.3  # a window goes on over a border between chapters
CUT_DEEPER = 0.1  # a cut inside a chapter, for each level below it
CUT_SECTION = 0.6  # a cut between two blocks of one section
UNEVEN = 0.05  # an empty window; half empty ones, a quarter of it

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
    """The blocks as consecutive windows, each of at most `room` tokens and `most` blocks.

    A chapter, section or subsection that fits into a window is never cut. Small ones share a window. No two
    neighbouring windows would fit into one, so with T tokens and N blocks there are at most
    2 (T / room + N / most) + 1 of them.

    Args:
        headings: of each block. What all blocks have above them is the document's title, and no chapter.
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
    """`units` put together into windows at the least cost, by dynamic programming; of equals the first."""
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
    """How many headings all of these have above them."""
    return next(
        (depth for depth, level in enumerate(zip(*headings, strict=False)) if len(set(level)) > 1),
        min(map(len, headings)),
    )


# chapters


@dataclass(frozen=True, slots=True)
class Chapter:
    """A range of blocks below one of the uppermost headings. `heading` is empty for what stands above the first."""

    heading: str
    blocks: range


def chapters(contexts: Sequence[str]) -> list[Chapter]:
    """The chapters of the blocks with these breadcrumbs; they tile the blocks.

    What all blocks have above them is the document's title, and no chapter.
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
    """The chapters that each call is to write about, in order.

    A chapter larger than `room` stands alone, and takes several calls; the others share calls, at most `most` in one.

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
