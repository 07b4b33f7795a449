"""Words with boxes → the lines of a page in reading order, and the rows of its tables.

A PDF says where each character stands, not which ones belong together. Most files draw their text in
reading order, and that order is kept. Where it is visibly wrong (text that jumps up the page again and
again, or columns drawn line by line across the gutter), white space decides the order: bands from top to
bottom, and columns within them.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from ingest.pdf.tables import Rule, Table, Word, find_tables, on_one_line, table_lines
from ingest.raw import Box, RawLine, Span

# In heights of the type: words on one line with a wider gap between them are in different cells or columns.
CELL_GAP = 1.8
# In heights of the type: a smaller gap is kerning, and its two sides are one word.
WORD_GAP = 0.15
# A page is read by white space if at least WRONG_SHARE of the steps from block to block, and at least
# WRONG_STEPS of them, go backwards.
WRONG_SHARE, WRONG_STEPS = 0.06, 3
# A gutter parts columns if at least COLUMN_LINES pairs of blocks face each other across it and both sides hold
# running text: one at least COLUMN_LINES long lines, the other at least LONG_LINES. A long line is at least
# LONG_LINE times as wide as high; the cells of a table without rules are narrower.
COLUMN_LINES = 5
LONG_LINES, LONG_LINE = 2, 12.0
# At most this many blocks (titles, wide figures) cross a gutter, as a share of those in the smaller column.
CROSSING_SHARE = 0.35
GUTTERS = 48  # a page is divided by this; each division is tried as a gutter


class Block:
    """What is put in order: neighbouring words of one line, or a table. `start`: its first raw character."""

    __slots__ = ("bottom", "left", "right", "start", "table", "top", "words")

    def __init__(self, words: list[Word], box: Box, table: Table | None = None) -> None:
        self.words = words
        self.table = table
        self.start = words[0].start if len(words) == 1 else min(word.start for word in words)
        self.left, self.top, self.right, self.bottom = box

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    @property
    def box(self) -> Box:
        return self.left, self.top, self.right, self.bottom


def page_lines(
    page: int,
    text: str,
    words: Sequence[Word],
    across: Sequence[Rule],
    down: Sequence[Rule],
    first_table: int = 0,
) -> list[RawLine]:
    """The lines of one page in reading order.

    Args:
        page: index of the page, for the lines.
        text: the page's raw characters.
        words: of the page, in the order of the file.
        across, down: the horizontal and vertical ruled lines, by which tables are found.
        first_table: the number of the page's first table.
    """
    tables, rest = find_tables(text, words, across, down)
    blocks = [Block(list(table.words), table.box, table) for table in tables] + _fragments(rest)
    blocks.sort(key=lambda block: block.start)
    if _is_scrambled(blocks):
        blocks = _by_white_space(blocks)
    lines, number = [], first_table
    for group in _visual_lines(blocks):
        if group[0].table is not None:
            lines += table_lines(page, text, group[0].table, number)
            number += 1
        else:
            lines.append(_text_line(page, group))
    return lines


def enclosing(words: Sequence[Word]) -> Box:
    """The smallest box around `words`."""
    lefts, tops, rights, bottoms = zip(*(word[2:6] for word in words), strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _fragments(words: Sequence[Word]) -> list[Block]:
    """Blocks of words that follow each other both in the file and on a line; a wide gap begins a new block."""
    if not words:
        return []
    left, top, right, bottom = np.array([word[2:6] for word in words]).T
    height = np.minimum(bottom[:-1] - top[:-1], bottom[1:] - top[1:])
    shared = np.minimum(bottom[:-1], bottom[1:]) - np.maximum(top[:-1], top[1:])
    gap = left[1:] - right[:-1]
    # The rule of on_one_line() for all pairs at once; as a loop this took a tenth of the time of reading a page.
    goes_on = (shared > 0.5 * height) & (-height < gap) & (gap < CELL_GAP * np.maximum(height, 1.0))
    starts = np.append(0, np.flatnonzero(~goes_on) + 1)
    boxes = np.column_stack(
        [
            side.reduceat(of, starts)
            for side, of in ((np.minimum, left), (np.minimum, top), (np.maximum, right), (np.maximum, bottom))
        ]
    )
    spans = pairwise([*starts.tolist(), len(words)])
    return [Block(list(words[a:b]), tuple(box)) for (a, b), box in zip(spans, boxes.tolist(), strict=True)]


def _is_scrambled(blocks: Sequence[Block]) -> bool:
    """Whether the order of the file is visibly wrong."""
    steps = len(blocks) - 1
    wrong = sum(_steps_back(*pair) for pair in pairwise(blocks))
    return wrong >= max(WRONG_STEPS, WRONG_SHARE * steps) or _crosses_gutter(blocks)


def _steps_back(before: Block, after: Block) -> bool:
    if on_one_line(before, after):
        return after.right <= before.left
    # A step up and to the right leads to the next column, which is no step back.
    return after.middle < before.top and after.left < before.right


def _crosses_gutter(blocks: Sequence[Block]) -> bool:
    """Whether columns of running text are drawn line by line across the gutter between them."""
    gaps = [
        (a, b)
        for a, b in pairwise(blocks)
        if a.table is None and b.table is None and on_one_line(a, b) and b.left > a.right
    ]
    for first, second in gaps:
        gutter = (first.right + second.left) / 2
        beside = [(a, b) for a, b in gaps if a.right <= gutter <= b.left]
        if len(beside) >= COLUMN_LINES and _are_columns([a for a, _ in beside], [b for _, b in beside]):
            return True
    return False


def _are_columns(left: Sequence[Block], right: Sequence[Block]) -> bool:
    """Whether running text stands on both sides, and much of it on one."""
    fewer, more = sorted((_long_lines(left), _long_lines(right)))
    return fewer >= LONG_LINES and more >= COLUMN_LINES


def _long_lines(column: Sequence[Block]) -> int:
    lines = (block for block in column if block.table is None)
    return sum(block.right - block.left >= LONG_LINE * block.height for block in lines)


def _by_white_space(blocks: Sequence[Block]) -> list[Block]:
    """`blocks` as a person reads them: bands from top to bottom, in each the columns from left to right."""
    gutter = _gutter(blocks)
    if gutter is None:
        return _top_down(blocks)
    ordered: list[Block] = []
    left: list[Block] = []
    right: list[Block] = []
    for block in _top_down(blocks):
        if block.right <= gutter:
            left.append(block)
        elif block.left >= gutter:
            right.append(block)
        else:  # across the gutter: the columns end above it
            ordered += [*_by_white_space(left), *_by_white_space(right), block]
            left, right = [], []
    return [*ordered, *_by_white_space(left), *_by_white_space(right)]


def _top_down(blocks: Sequence[Block]) -> list[Block]:
    """`blocks` line by line from top to bottom, and within a line from left to right."""
    ordered: list[Block] = []
    line: list[Block] = []
    for block in sorted(blocks, key=lambda block: block.middle):
        if line and not on_one_line(line[0], block):
            ordered += sorted(line, key=lambda block: block.left)
            line = []
        line.append(block)
    return ordered + sorted(line, key=lambda block: block.left)


def _gutter(blocks: Sequence[Block]) -> float | None:
    """The x of the gutter that the fewest blocks cross; None if there are no columns."""
    if len(blocks) < 2 * COLUMN_LINES:
        return None
    low, high = min(block.left for block in blocks), max(block.right for block in blocks)
    best = None
    for step in range(1, GUTTERS):
        x = low + (high - low) * step / GUTTERS
        left = [block for block in blocks if block.right <= x]
        right = [block for block in blocks if block.left >= x]
        fewest = min(len(left), len(right))
        crossing = len(blocks) - len(left) - len(right)
        if fewest < COLUMN_LINES or crossing > CROSSING_SHARE * fewest:
            continue
        if not (_side_by_side(left, right) and _are_columns(left, right)):
            continue
        if best is None or (crossing, -fewest) < best[0]:
            best = ((crossing, -fewest), x)
    return best[1] if best else None


def _side_by_side(left: Sequence[Block], right: Sequence[Block]) -> bool:
    (a, b), (c, d) = (
        (min(block.top for block in side), max(block.bottom for block in side)) for side in (left, right)
    )
    return min(b, d) - max(a, c) > 0.5 * min(b - a, d - c)


def _visual_lines(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Groups of neighbours in `blocks` that stand on one line, from left to right; each table by itself."""
    line: list[Block] = []
    for block in blocks:
        if line and (
            line[-1].table is not None
            or block.table is not None
            or not on_one_line(line[-1], block)
            or block.left < line[-1].right - 0.5 * block.height
        ):
            yield line
            line = []
        line.append(block)
    if line:
        yield line


def _text_line(page: int, group: Sequence[Block]) -> RawLine:
    words = [word for block in group for word in block.words]
    heights = sorted(word.bottom - word.top for word in words)
    height = heights[len(heights) // 2]
    box = group[0].box if len(group) == 1 else enclosing(words)
    return RawLine(page, _runs(words, height), box, height)


def _runs(words: Sequence[Word], height: float) -> tuple[tuple[Span, ...], ...]:
    """The raw spans of a line, by cell. A gap begins a new cell; words that touch are spans of one cell."""
    cells: list[list[Span]] = [[(words[0].start, words[0].end)]]
    for before, after in pairwise(words):
        if after.line == before.line and after.start > before.end:
            cells[-1][-1] = (cells[-1][-1][0], after.end)  # a blank of the file stands between them
        elif after.left - before.right > WORD_GAP * height:
            cells.append([(after.start, after.end)])
        else:
            cells[-1].append((after.start, after.end))
    return tuple(map(tuple, cells))
