"""Clean lines → which of them are running heads, feet or page numbers.

Such a line recurs on page after page in the same place.
"""

import re
from collections import Counter
from collections.abc import Sequence

from ingest.raw import NO_BOX
from ingest.repair.clean import CleanLine

PAGE_NUMBER = re.compile(r"([-–―—~<\[(\s]*)(\d{1,4})(?:\s*+/\s*+\d{1,4})?\s*+(?:쪽|페이지)?[-–―—~>\])\s]*+")
# Chapter, article and annex titles: never running heads, however often one stands at the top of a page.
HEADING = re.compile(r"\[?별\s?[표지]|제\s?\d+\s?(?:편|장|절|관|조)|부\s?칙")
# The number of lines at the top of a page, and at its bottom, that may be running lines.
EDGE_LINES = 3
# A line is running if it stands on at least RUNNING_SHARE of the pages and on at least RUNNING_PAGES pages.
RUNNING_SHARE, RUNNING_PAGES = 0.4, 3
# A height, in bands of SAME_HEIGHT points, is a margin if at least MARGIN_SHARE of the edge lines there recur.
MARGIN_SHARE, SAME_HEIGHT = 0.8, 3.0


def running_lines(lines: Sequence[CleanLine], page_count: int) -> set[int]:
    """Indices into `lines` of the running heads, feet and page numbers."""
    edges = _edges(lines)
    offsets = Counter(
        offset for page in edges for offset in {_page_offset(lines[position]) for position in page} - {None}
    )
    shapes = Counter(s for page in edges for s in {_shape(lines[position], offsets) for position in page})
    placed = _margin_lines([position for page in edges for position in page], lines, offsets)
    needed = max(RUNNING_PAGES, RUNNING_SHARE * page_count)
    return {
        position
        for page in edges
        for position in page
        if _numbers_page(lines[position], offsets)
        or (
            not HEADING.match(lines[position].text)
            and (shapes[_shape(lines[position], offsets)] >= needed or position in placed)
        )
    }


def _margin_lines(positions: Sequence[int], lines: Sequence[CleanLine], offsets: Counter) -> set[int]:
    """Those of `positions` that stand in a margin, that is at a height where nearly all lines recur.

    This finds running chapter titles, which recur only on the pages of their chapter. At the height
    where the text begins, headings may recur too, but among many lines that do not.
    """
    by_height: dict[int, list[int]] = {}
    for position in positions:
        if lines[position].raw.box != NO_BOX:
            by_height.setdefault(round(lines[position].raw.box[1] / SAME_HEIGHT), []).append(position)
    found: set[int] = set()
    for at_height in by_height.values():
        shapes = Counter(_shape(lines[position], offsets) for position in at_height)
        again = [p for p in at_height if shapes[_shape(lines[p], offsets)] >= RUNNING_PAGES]
        if len(again) >= MARGIN_SHARE * len(at_height):
            found.update(again)
    return found


def _edges(lines: Sequence[CleanLine]) -> list[list[int]]:
    """Per page, the positions of the lines nearest to its top and bottom, table rows and marked headings aside."""
    by_page: dict[int, list[int]] = {}
    for position, line in enumerate(lines):
        if line.raw.table < 0 and line.raw.level == 0:
            by_page.setdefault(line.raw.page, []).append(position)
    edges = []
    for positions in by_page.values():
        if all(lines[position].raw.box != NO_BOX for position in positions):
            positions = sorted(positions, key=lambda position: lines[position].raw.box[1])
        edges.append(list(dict.fromkeys(positions[:EDGE_LINES] + positions[-EDGE_LINES:])))
    return edges


def _numbers_page(line: CleanLine, offsets: Counter) -> bool:
    """Whether `line` is a page number: written like one (- 3 -), or counting up with the pages."""
    match = PAGE_NUMBER.fullmatch(line.text)
    return match is not None and (bool(match[1].strip()) or offsets[_page_offset(line)] >= RUNNING_PAGES)


def _page_offset(line: CleanLine) -> int | None:
    """The line's only number less its page's index, constant for page numbers; None if it has not just one."""
    numbers = re.findall(r"\d+", line.text)
    return int(numbers[0]) - line.raw.page if len(numbers) == 1 and len(numbers[0]) <= 4 else None


def _shape(line: CleanLine, offsets: Counter) -> tuple[str, int]:
    """What recurring lines share: the text without blanks and page number, and the type size.

    The size keeps a document's title, in large type, apart from a running head with the same words.
    """
    squeezed = line.text.replace(" ", "")
    counts = offsets[_page_offset(line)] >= RUNNING_PAGES
    return re.sub(r"\d+", "0", squeezed) if counts else squeezed, round(line.raw.size)
