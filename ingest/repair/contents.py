"""Clean lines → which of them are entries of a contents page.

An entry only names what stands elsewhere. When a search for an article of a law had a wrong first
hit, that hit was nearly always the article's entry in the contents.
"""

import re
from collections.abc import Iterator, Sequence

from ingest.repair.clean import CleanLine

LEADERS = re.compile(r"(?:[.·…‥․ㆍ⋯\-_\s]{4}|…\s*)[-\dⅠ-Ⅻivx]{1,5}$")
TITLE = re.compile(
    r"[<\[【]?\s*(?:목\s*차|차\s*례|순\s*서|contents|table of contents)\s*[>\]】]?", re.IGNORECASE
)
NUMBERED = re.compile(r".{2,60}?[\s|]++-?\s?(\d{1,4})\s?-?$")
# The title of an article or chapter, with nothing after it on the line.
BARE = re.compile(
    r"제\s?(?P<article>\d+)\s?조(?:\s?의\s?\d+)?\s?[(（].{1,80}[)）](?:\s?삭제)?$"
    r"|제\s?\d+\s?(?:편|장|절|관)(?:\s?의\s?\d+)?\s[^.]{1,40}$"
    r"|제\s?(?P<gone>\d+)\s?조(?:\s?의\s?\d+)?\s?삭제(?:\s?<[^>]{1,40}>)?$|부칙(?:\s?[<(\[].{0,60})?$"
)
# A contents page is a run of at least ENTRIES entries. At most OTHERS other lines lie between two entries, and
# entries make up at least SHARE of the run. The limits for bare titles are stricter, because a bare title also
# stands above an article whose text begins on the next line.
ENTRIES = 4
OTHERS, SHARE = 2, 0.5
BARE_OTHERS, BARE_SHARE = 1, 0.9


def contents_lines(lines: Sequence[CleanLine]) -> set[int]:
    """Indices into `lines` of all contents entries, of the lines between them, and of the title above them."""
    leaders = [position for position, line in enumerate(lines) if LEADERS.search(line.text)]
    found = _runs(leaders, OTHERS, SHARE) | _under_title(lines)
    for ascending in _ascending(lines):
        found |= _runs(ascending, BARE_OTHERS, BARE_SHARE)
    return found | _titles_above(lines, found)


def _titles_above(lines: Sequence[CleanLine], found: set[int]) -> set[int]:
    """Indices of the title line of each contents page, and of the lines between it and the first entry.

    `found` holds the indices of the entries.
    """
    above: set[int] = set()
    for first in (position for position in found if position - 1 not in found):
        near = range(max(0, first - OTHERS - 1), first)
        title = next((position for position in near if TITLE.fullmatch(lines[position].text)), first)
        above.update(range(title, first))
    return above


def _ascending(lines: Sequence[CleanLine]) -> Iterator[list[int]]:
    """Positions of bare titles outside tables; a new list starts wherever article numbers start over."""
    run: list[int] = []
    last = 0
    for position, line in enumerate(lines):
        match = BARE.match(line.text) if line.raw.table < 0 else None
        if match is None:
            continue
        article = int(match["article"] or match["gone"] or 0)
        if (article and article < last) or (run and _is_first(line.text)):
            yield run
            run, last = [], 0
        run.append(position)
        last = article or last
    yield run


def _is_first(title: str) -> bool:
    """Whether `title` is the first part or chapter of a law. After entries, it is where the law's text begins."""
    return re.match(r"제\s?1\s?[편장]\s", title) is not None


def _runs(positions: Sequence[int], others: int, share: float) -> set[int]:
    """All indices from the first to the last position of each run that is long and dense enough."""
    found: set[int] = set()
    run: list[int] = []
    for position in [*positions, 1 << 60]:
        if run and position - run[-1] > others + 1:
            if len(run) >= max(ENTRIES, share * (run[-1] - run[0] + 1)):
                found.update(range(run[0], run[-1] + 1))
            run = []
        run.append(position)
    return found


def _under_title(lines: Sequence[CleanLine]) -> set[int]:
    """Entries without leaders: lines below a title «목차» whose page numbers, at their ends, never decrease."""
    found: set[int] = set()
    for start, line in enumerate(lines):
        if TITLE.fullmatch(line.text):
            entries = list(_numbered_after(lines, start))
            found |= _runs(entries, OTHERS, SHARE)
    return found


def _numbered_after(lines: Sequence[CleanLine], start: int) -> Iterator[int]:
    last, missed = 0, 0
    for position in range(start + 1, len(lines)):
        match = NUMBERED.fullmatch(lines[position].text)
        if match and int(match[1]) >= last:
            last, missed = int(match[1]), 0
            yield position
        else:
            missed += 1
            if missed > OTHERS:
                return
