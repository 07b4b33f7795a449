"""Which lines of a document are entries of a contents page.

They name what stands elsewhere: nearly all wrong first hits of a search for an article of a law are
its entry in the contents.
"""

import re
from collections.abc import Iterator, Sequence

from ingest.repair.clean import CleanLine

LEADERS = re.compile(r"(?:[.·…‥․ㆍ⋯\-_\s]{4}|…\s*)[-\dⅠ-Ⅻivx]{1,5}$")
TITLE = re.compile(
    r"[<\[【]?\s*(?:목\s*차|차\s*례|순\s*서|contents|table of contents)\s*[>\]】]?", re.IGNORECASE
)
NUMBERED = re.compile(r".{2,60}?[\s|]++-?\s?(\d{1,4})\s?-?$")
# An article or chapter with nothing after its title.
BARE = re.compile(
    r"제\s?(?P<article>\d+)\s?조(?:\s?의\s?\d+)?\s?[(（].{1,80}[)）](?:\s?삭제)?$"
    r"|제\s?\d+\s?(?:편|장|절|관)(?:\s?의\s?\d+)?\s[^.]{1,40}$"
    r"|제\s?(?P<gone>\d+)\s?조(?:\s?의\s?\d+)?\s?삭제(?:\s?<[^>]{1,40}>)?$|부칙(?:\s?[<(\[].{0,60})?$"
)
# A contents page is a run of at least ENTRIES entries. At most OTHERS other lines may lie between two of
# them, and entries are at least SHARE of the run. Bare titles have stricter limits: they also stand in the
# text, above articles whose text begins on the next line.
ENTRIES = 4
OTHERS, SHARE = 2, 0.5
BARE_OTHERS, BARE_SHARE = 1, 0.9


def contents_lines(lines: Sequence[CleanLine]) -> set[int]:
    """Indices into `lines` of the entries, and of what stands between them."""
    leaders = [position for position, line in enumerate(lines) if LEADERS.search(line.text)]
    found = _runs(leaders, OTHERS, SHARE) | _under_title(lines)
    for ascending in _ascending(lines):
        found |= _runs(ascending, BARE_OTHERS, BARE_SHARE)
    return found | _titles_above(lines, found)


def _titles_above(lines: Sequence[CleanLine], found: set[int]) -> set[int]:
    """The title of each contents page, and what stands between it and the first entry."""
    above: set[int] = set()
    for first in (position for position in found if position - 1 not in found):
        near = range(max(0, first - OTHERS - 1), first)
        title = next((position for position in near if TITLE.fullmatch(lines[position].text)), first)
        above.update(range(title, first))
    return above


def _ascending(lines: Sequence[CleanLine]) -> Iterator[list[int]]:
    """Positions of bare titles, a new list where the articles begin again."""
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
    """Whether `title` begins the text of a law: after a contents page, its entries end there."""
    return re.match(r"제\s?1\s?[편장]\s", title) is not None


def _runs(positions: Sequence[int], others: int, share: float) -> set[int]:
    """The indices from the first to the last of each run of enough positions."""
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
    """Entries without leaders: lines under «목차» that end in page numbers that never go down."""
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
