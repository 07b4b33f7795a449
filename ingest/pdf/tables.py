"""Words and ruled lines → tables: their rows, cells and header.

A table is a grid of ruled lines that touch each other, with words in several cells of several rows.
Frames around running text, boxes of one row, and the grids of charts do not count as tables. A table of
figures may have horizontal rules only.
"""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from statistics import median
from typing import NamedTuple

import numpy as np

from ingest.raw import Box, RawLine, Span

TOUCH = 3.0  # points; rules at most this far apart touch
SAME = 2.0  # points; rules at most this far apart are one rule
MAX_RULES = 1500  # a page with more rules is a drawing
MAX_CELLS = 4000
# The least shares of the cells and of the rows of a table that are filled. A chart's grid is mostly empty.
FILLED_CELLS, FILLED_ROWS = 0.25, 0.5
# A grid with at most FRAME_CELLS filled cells is a frame around running text if one cell holds more than
# FRAME_SHARE of the words and more than FRAME_WORDS words.
FRAME_SHARE, FRAME_WORDS, FRAME_CELLS = 0.6, 60, 5
# If a cell of a row has more lines than this, the row is written as lines of text.
ROW_LINES = 8
# A merged cell that has one line for each row beside it, and at least this number of them, is one cell per line.
STACKED = 3
# A cell that spans rows is repeated in each of them if it has at most this number of characters.
REPEATED = 30
# A table without vertical rules has at least OPEN_RULES horizontal ones of equal extent. The gaps between its
# columns are at least OPEN_GAP times as wide as the type is high, and at most the share OPEN_CROSSING of its
# lines (headers that span columns) cross them. At least the share OPEN_FIGURES of its words are figures.
OPEN_RULES, OPEN_GAP, OPEN_CROSSING, OPEN_FIGURES = 3, 0.8, 0.15, 0.25
# A header has at most HEADER_ROWS rows; its first row has cells of at most HEADER_CELL characters (PAIR_CELL in
# a table of two columns), of which fewer than half are figures.
HEADER_ROWS, HEADER_CELL, PAIR_CELL = 3, 24, 8
FIGURE = re.compile(r"[\d.,%()△▲+\-–−]+")


class Word(NamedTuple):
    """Characters without a blank between them.

    Their raw span, their box in points from the page's top left corner, and the number of their line in
    the file.
    """

    start: int
    end: int
    left: float
    top: float
    right: float
    bottom: float
    line: int


class Rule(NamedTuple):
    """A ruled line at `at` (y of a horizontal one, x of a vertical one), from `low` to `high`."""

    at: float
    low: float
    high: float


class Cell(NamedTuple):
    """One cell, as it stands in one row.

    `words` are in the file's order. `rows`: the number of rows that the cell spans from this row on.
    `begins`: it begins in this row, not in one above.
    """

    words: tuple[Word, ...]
    rows: int
    begins: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `rows[i]` holds the cells of row i from left to right.

    A cell that spans several rows stands in each of them; below its first row without words if it is long.
    """

    box: Box
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def words(self) -> Iterator[Word]:
        """All words; those of repeated cells come more than once."""
        return (word for row in self.rows for cell in row for word in cell.words)


def find_tables(
    text: str, words: Sequence[Word], across: Sequence[Rule], down: Sequence[Rule]
) -> tuple[list[Table], list[Word]]:
    """The tables of a page, and the words outside of them, in the order of `words`.

    Args:
        text: the page's raw characters.
        across: horizontal rules.
        down: vertical rules.
    """
    if len(across) < 2 or len(across) + len(down) > MAX_RULES:
        return [], list(words)
    tables: list[Table] = []
    rest = list(words)
    across, down = _merged(across), _merged(down)
    for grid in chain(_grids(across, down), _open_grids(across, text, words)):
        inside, outside = _divide(rest, grid.box)
        table = _table(grid, inside)
        if table is not None:
            tables.append(table)
            rest = outside
    return tables, rest


def on_one_line(one, other) -> bool:
    """Whether two words or blocks stand on one line: more than half the height of the lower one is shared."""
    # Written as conditions, because min() and max() took a tenth of the time of reading a page.
    top, bottom, above, below = one.top, one.bottom, other.top, other.bottom
    shared = (bottom if bottom < below else below) - (top if top > above else above)
    low, high = bottom - top, below - above
    return shared > 0.5 * (low if low < high else high)


def table_lines(page: int, text: str, table: Table, number: int) -> list[RawLine]:
    """The raw lines of a table: one per row, but one per line of its cells for a row with a long cell.

    Args:
        page: index of the page.
        text: the page's raw characters.
        number: of the table in the file.
    """
    lines = []
    header_rows = _header_rows(table.rows, text)
    for index, row in enumerate(table.rows):
        cells = [_cell_lines(cell) for cell in row]
        if not any(cells):
            continue
        box = (table.box[0], _top(row), table.box[2], _bottom(row))
        if max(map(len, cells)) > ROW_LINES:
            lines += [
                _long_line(page, line, number)
                for cell in row
                if cell.begins
                for line in _word_lines(cell.words)
            ]
        else:
            size = max(word.bottom - word.top for cell in row for word in cell.words)
            header = index < header_rows
            lines.append(RawLine(page, tuple(cells), box, size, wrapped=False, table=number, header=header))
    return lines


# rules → grids


class _Grid(NamedTuple):
    """A grid: the places of its columns' edges, of its rows' edges, and the rules that it is made of."""

    xs: list[float]
    ys: list[float]
    across: list[Rule]
    down: list[Rule]

    @property
    def box(self) -> Box:
        return self.xs[0], self.ys[0], self.xs[-1], self.ys[-1]


def _merged(rules: Sequence[Rule]) -> list[Rule]:
    """The rules with pieces of one line joined, sorted by place."""
    merged: list[Rule] = []
    open_rules: list[Rule] = []
    for rule in sorted(rules):
        still_open = []
        for other in open_rules:
            if rule.at - other.at > SAME:
                merged.append(other)
            elif rule.low <= other.high + SAME and other.low <= rule.high + SAME:
                rule = Rule(other.at, min(rule.low, other.low), max(rule.high, other.high))
            else:
                still_open.append(other)
        open_rules = [*still_open, rule]
    return sorted(merged + open_rules)


def _grids(across: Sequence[Rule], down: Sequence[Rule]) -> Iterator[_Grid]:
    """One grid for each group of rules that touch, largest first."""
    heights = [rule.at for rule in across]
    parent = list(range(len(across) + len(down)))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = item = parent[parent[item]]
        return item

    for index, rule in enumerate(down):
        first, last = bisect_left(heights, rule.low - TOUCH), bisect_right(heights, rule.high + TOUCH)
        for other in range(first, last):
            if across[other].low - TOUCH <= rule.at <= across[other].high + TOUCH:
                parent[root(len(across) + index)] = root(other)
    groups: dict[int, tuple[list[Rule], list[Rule]]] = {}
    for item in range(len(parent)):
        horizontal, vertical = groups.setdefault(root(item), ([], []))
        if item < len(across):
            horizontal.append(across[item])
        else:
            vertical.append(down[item - len(across)])
    grids = [_grid(*group) for group in groups.values() if len(group[0]) >= 2 and group[1]]
    grids = [grid for grid in grids if len(grid.xs) >= 3 and len(grid.ys) >= 3]
    # The largest come first, so that a table inside a cell of another becomes part of that cell.
    return iter(sorted(grids, key=_area, reverse=True))


def _open_grids(across: Sequence[Rule], text: str, words: Sequence[Word]) -> Iterator[_Grid]:
    """Grids of tables that have horizontal rules only; white space parts their columns, each line is a row."""
    stacks: list[list[Rule]] = []
    for rule in across:
        for stack in stacks:
            if max(abs(stack[0].low - rule.low), abs(stack[0].high - rule.high)) <= 2 * TOUCH:
                stack.append(rule)
                break
        else:
            stacks.append([rule])
    for stack in stacks:
        if len(stack) >= OPEN_RULES:
            box = (stack[0].low, stack[0].at, stack[0].high, stack[-1].at)
            inside, _ = _divide(words, box)
            lines = _word_lines(inside)
            gaps = _column_gaps(lines, box)
            if gaps and len(lines) >= OPEN_RULES and _holds_figures(inside, text):
                yield _lined_grid(box, lines, gaps)


def _column_gaps(lines: Sequence[Sequence[Word]], box: Box) -> list[float]:
    """The middles of the wide gaps that all but a few of the lines leave free; the margins are no gaps."""
    if not lines:
        return []
    height = median(word.bottom - word.top for line in lines for word in line)
    low, high = int(box[0]), int(box[2]) + 1
    covered = np.zeros((len(lines), high - low), bool)
    for row, line in zip(covered, lines, strict=True):
        for word in line:
            row[max(0, int(word.left) - low) : max(0, int(word.right) + 1 - low)] = True
    crossed = covered.sum(axis=0).tolist()
    gaps, start = [], None
    for x, count in enumerate(crossed):
        if count <= OPEN_CROSSING * len(lines):
            start = x if start is None else start
        elif start is not None:
            if start > 0 and x - start >= OPEN_GAP * height:
                gaps.append(low + (start + x) / 2)
            start = None
    return gaps


def _holds_figures(words: Sequence[Word], text: str) -> bool:
    figures = sum(FIGURE.fullmatch(text[word.start : word.end]) is not None for word in words)
    return figures >= OPEN_FIGURES * len(words)


def _lined_grid(box: Box, lines: Sequence[Sequence[Word]], gaps: Sequence[float]) -> _Grid:
    left, top, right, bottom = box
    middles = [sum(word.top + word.bottom for word in line) / 2 / len(line) for line in lines]
    ys = [top, *((above + below) / 2 for above, below in pairwise(middles)), bottom]
    xs = [left, *gaps, right]
    return _Grid(xs, ys, [Rule(y, left, right) for y in ys], [Rule(x, top, bottom) for x in xs])


def _area(grid: _Grid) -> float:
    left, top, right, bottom = grid.box
    return (right - left) * (bottom - top)


def _grid(across: list[Rule], down: list[Rule]) -> _Grid:
    """The grid of rules that touch. A side without a rule is where the rules that reach furthest to it end."""
    xs = _places([r.at for r in down], min(r.low for r in across), max(r.high for r in across))
    ys = _places([r.at for r in across], min(r.low for r in down), max(r.high for r in down))
    return _Grid(xs, ys, across, down)


def _places(places: Sequence[float], low: float, high: float) -> list[float]:
    kept: list[float] = []
    for place in sorted([*places, low, high]):
        if not kept or place - kept[-1] > 2 * TOUCH:
            kept.append(place)
    return kept


# grid and words → table


def _divide(words: Sequence[Word], box: Box) -> tuple[list[Word], list[Word]]:
    left, top, right, bottom = box
    inside: list[Word] = []
    outside: list[Word] = []
    for word in words:
        x, y = (word.left + word.right) / 2, (word.top + word.bottom) / 2
        (inside if left <= x <= right and top <= y <= bottom else outside).append(word)
    return inside, outside


def _table(grid: _Grid, words: Sequence[Word]) -> Table | None:
    columns, rows = len(grid.xs) - 1, len(grid.ys) - 1
    if not words or columns * rows > MAX_CELLS:
        return None
    owners = _merge_cells(grid, rows, columns)
    held: dict[int, list[Word]] = {}
    for word in words:
        column = _slot(grid.xs, (word.left + word.right) / 2)
        row = _slot(grid.ys, (word.top + word.bottom) / 2)
        held.setdefault(owners[row * columns + column], []).append(word)
    _part_stacked(grid, owners, held, columns)
    last_rows = {owner: cell // columns for cell, owner in enumerate(owners)}
    laid = [_row(owners, last_rows, held, row, columns) for row in range(rows)]
    kept = [row for row in laid if any(cell.words for cell in row)]
    if not _is_table(held, kept, set(owners)):
        return None
    return Table(grid.box, tuple(map(tuple, kept)))


def _part_stacked(grid: _Grid, owners: list[int], held: dict[int, list[Word]], columns: int) -> None:
    """Split, in `owners` and `held`, merged cells that hold one line for each row beside them.

    Such a cell is a column of cells whose rules were not drawn.
    """
    sizes = Counter(owners)
    for owner in [cell for cell in held if sizes[cell] >= STACKED]:
        cells = [cell for cell, other in enumerate(owners) if other == owner]
        lines = _word_lines(held[owner])
        rows = {_slot(grid.ys, (line[0].top + line[0].bottom) / 2) for line in lines}
        if len(lines) < STACKED or rows != {cell // columns for cell in cells} or len(rows) != len(lines):
            continue
        del held[owner]
        for cell in cells:
            owners[cell] = cell - cell % columns + owner % columns
        for line in lines:
            row = _slot(grid.ys, (line[0].top + line[0].bottom) / 2)
            held[row * columns + owner % columns] = line


def _slot(edges: Sequence[float], place: float) -> int:
    return min(max(bisect_right(edges, place) - 1, 0), len(edges) - 2)


def _merge_cells(grid: _Grid, rows: int, columns: int) -> list[int]:
    """For each cell of the grid, row by row, the first cell of the merged cell that it belongs to."""
    owners = list(range(rows * columns))
    walls = [_at(grid.down, x) for x in grid.xs]
    floors = [_at(grid.across, y) for y in grid.ys]

    def root(cell: int) -> int:
        while owners[cell] != cell:
            cell = owners[cell]
        return cell

    def join(one: int, other: int) -> None:
        one, other = sorted((root(one), root(other)))
        owners[other] = one

    for row in range(rows):
        y = (grid.ys[row] + grid.ys[row + 1]) / 2
        for column in range(columns):
            cell = row * columns + column
            x = (grid.xs[column] + grid.xs[column + 1]) / 2
            if column + 1 < columns and not _covers(walls[column + 1], y):
                join(cell, cell + 1)
            if row + 1 < rows and not _covers(floors[row + 1], x):
                join(cell, cell + columns)
    return [root(cell) for cell in range(rows * columns)]


def _at(rules: Sequence[Rule], place: float) -> list[Rule]:
    return [rule for rule in rules if abs(rule.at - place) <= 2 * TOUCH]


def _covers(rules: Sequence[Rule], place: float) -> bool:
    return any(rule.low - SAME <= place <= rule.high + SAME for rule in rules)


def _row(
    owners: Sequence[int],
    last_rows: dict[int, int],
    held: dict[int, list[Word]],
    row: int,
    columns: int,
) -> list[Cell]:
    cells, seen = [], set()
    for column in range(columns):
        owner = owners[row * columns + column]
        if owner in seen:
            continue
        seen.add(owner)
        words = held.get(owner, [])
        begins = owner // columns == row
        if not begins and sum(word.end - word.start for word in words) > REPEATED:
            words = []
        span = last_rows[owner] - row + 1
        cells.append(Cell(tuple(words), span, begins))
    return cells


def _is_table(held: dict[int, list[Word]], rows: Sequence[Sequence[Cell]], cells: set[int]) -> bool:
    full_rows = sum(sum(bool(cell.words) for cell in row) >= 2 for row in rows)
    largest = max(map(len, held.values()))
    framed = (
        len(held) <= FRAME_CELLS
        and largest > FRAME_WORDS
        and largest > FRAME_SHARE * sum(map(len, held.values()))
    )
    return (
        len(held) >= 4
        and full_rows >= 2
        and full_rows >= FILLED_ROWS * len(rows)
        and len(held) >= FILLED_CELLS * len(cells)
        and not framed
    )


# table → lines


def _word_lines(words: Sequence[Word]) -> list[list[Word]]:
    """The words by lines from top to bottom, and in each from left to right."""
    lines: list[list[Word]] = []
    for word in sorted(words, key=lambda word: (word.top + word.bottom) / 2):
        line = lines[-1] if lines else None
        if line and on_one_line(line[0], word):
            line.append(word)
        else:
            lines.append([word])
    return [sorted(line, key=lambda word: word.left) for line in lines]


def _cell_lines(cell: Cell) -> tuple[Span, ...]:
    return tuple(span for line in _word_lines(cell.words) for span in _spans(line))


def _spans(line: Sequence[Word]) -> list[Span]:
    spans: list[Span] = [(line[0].start, line[0].end)]
    for before, after in pairwise(line):
        if after.line == before.line and after.start > before.end:
            spans[-1] = (spans[-1][0], after.end)
        else:
            spans.append((after.start, after.end))
    return spans


def _long_line(page: int, line: Sequence[Word], number: int) -> RawLine:
    box = (
        line[0].left,
        min(word.top for word in line),
        line[-1].right,
        max(word.bottom for word in line),
    )
    return RawLine(page, (tuple(_spans(line)),), box, box[3] - box[1], table=number)


def _top(row: Sequence[Cell]) -> float:
    return min(word.top for cell in row for word in cell.words)


def _bottom(row: Sequence[Cell]) -> float:
    return max(word.bottom for cell in row for word in cell.words)


def _header_rows(rows: Sequence[Sequence[Cell]], text: str) -> int:
    """The number of header rows: as many as the tallest cell of the first row spans; 0 without a header."""
    first = ["".join(text[w.start : w.end] for w in cell.words) for cell in rows[0] if cell.words]
    figures = sum(FIGURE.fullmatch(cell) is not None for cell in first)
    # A table of two columns mostly pairs names with values and has no header.
    longest = HEADER_CELL if max(map(len, rows)) > 2 else PAIR_CELL
    if len(rows) < 3 or len(first) < 2 or 2 * figures >= len(first) or max(map(len, first)) > longest:
        return 0
    count = max(cell.rows for cell in rows[0] if cell.words)
    return count if count <= HEADER_ROWS and count < len(rows) else 1
