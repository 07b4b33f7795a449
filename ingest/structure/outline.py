"""Normalised lines and bookmarks → headings, breadcrumbs, tables with the names of their columns, contents pages.

A breadcrumb is the path of headings that hold at a position.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from ingest.document import CELL_SEPARATOR, Heading, Table
from ingest.korean.analyse import ITEM_LETTERS
from ingest.raw import OutlineEntry
from ingest.repair.normalise import Line, Normalised

# The numbering of laws, reports and notices. NUMBERED: the pattern of a heading's line → its level, 1 outermost.
# The levels below an article are those of the lists in it.
PART, CHAPTER, SECTION, SUBSECTION, ARTICLE = 1, 3, 4, 5, 6
REPORT, NUMBER, LETTER, THIRD, BOX = 2, 7, 8, 9, 10
ARTICLE_HEAD = re.compile(
    r"(제\s?\d+\s?조(?:\s?의\s?\d+)?\s?[(（](?:[^()（）\n]|[(（][^()（）\n]*[)）]){1,80}[)）])"
)
NUMBERED = (
    (re.compile(r"제\s?\d+\s?편(?:\s|$)[^\n]{0,40}$"), PART),
    (re.compile(r"제\s?\d+\s?장(?:\s?의\s?\d+)?(?:\s|$)[^\n]{0,40}$"), CHAPTER),
    (re.compile(r"제\s?\d+\s?절(?:\s?의\s?\d+)?(?:\s|$)[^\n]{0,40}$"), SECTION),
    (re.compile(r"제\s?\d+\s?관(?:\s?의\s?\d+)?(?:\s|$)[^\n]{0,40}$"), SUBSECTION),
    (re.compile(r"부칙(?:\s?[<(\[][^\n]{0,60})?$"), PART),
    (
        re.compile(
            r"[<\[(【]?별\s?[표지]\s?(?:제?\s?\d+(?:\s?호)?(?:의\s?\d+)?|(?!\s?제?\s?\d))"
            r"\s?(?:서식)?[>\])】]?(?:\s[^\n]{0,60})?$"
        ),
        PART,
    ),
    (re.compile(r"(?:[Ⅰ-Ⅻ]|[IVX]{1,4}(?=\.))\s?\.?\s?[^\n]{1,50}$"), REPORT),
    (re.compile(r"(?:\d{1,2}\s?\.\s?(?!\d)|[\ue000-\uf8ff]\s)[^\n]{1,40}$"), NUMBER),
    (re.compile(r"\d{1,2}\.\d{1,2}\.?\s[^\n]{1,40}$"), LETTER),
    (re.compile(r"\d{1,2}(?:\.\d{1,2}){2,3}\.?\s[^\n]{1,40}$"), THIRD),
    (re.compile(rf"[{ITEM_LETTERS}]\s?\.\s[^\n]{{1,40}}$"), LETTER),
    (re.compile(r"[□■◆◇▣]\s?[^\n]{1,40}$"), BOX),
)
# The bookmark of an article, also of a deleted one, which has no title.
ARTICLE_MARK = re.compile(r"제\s?\d+\s?조(?:\s?의\s?\d+)?(?=\s|[(（]|$)")
# A line that ends like a sentence, with a comma or colon, or in a number, is a list item and no heading.
NO_HEADING = re.compile(r"(?:[다요음임함됨것]\s?[.。]?|[.,;:。、]|[^\d]\d{1,3})$")
# A paragraph of one line with at most LARGE_LINE characters, in type at least LARGER times as large as that of
# most of the text, is a heading without a number.
LARGER, LARGE_LINE = 1.25, 40
OUTLINE_LEVELS = 4  # deeper bookmarks are mostly single paragraphs
MAX_TITLE = 60
UNIT = re.compile(r"(?:[(\[]\s*+|(?<!\s)\s++)?단위\s*+[:：][^\n)\]]{1,30}[)\]]?")
CAPTION = re.compile(r"[<\[〈【(]?\s?(?:표|Table|서식)\s?\d*[^\n]{0,50}$|[<〈\[【][^\n]{2,50}[>〉\]】]$")
MAX_HEADER = 160  # characters of a table's context


def find_headings(normalised: Normalised, outline: Sequence[OutlineEntry]) -> tuple[Heading, ...]:
    """The headings in order, with levels from 1 (outermost) without gaps.

    A heading is a line that the format marks as one, that a bookmark names, that is numbered like one,
    or that is set in large type. Entries of contents pages and rows of tables are not headings.

    Args:
        outline: the bookmarks of the file.
    """
    marked = {heading.start: heading for heading in _from_outline(normalised, outline)}
    for line in normalised.lines:
        if line.level:
            marked[line.start] = Heading(line.level, _title(normalised.text, line), line.start)
    numbered = {heading.start: heading for heading in _from_numbering(normalised)}
    numbered = {heading.start: heading for heading in _from_size(normalised, numbered)} | numbered
    mark_of = _mark_levels(numbered, marked)
    # Bookmarks of laws put chapters and articles on one level, so the numbering decides which contains which.
    levels = {start: (heading.level, _number_level(heading.title)) for start, heading in marked.items()} | {
        start: (marked[start].level if start in marked else mark_of(heading.level), heading.level)
        for start, heading in numbered.items()
    }
    ranks = {level: rank for rank, level in enumerate(sorted(set(levels.values())), start=1)}
    return tuple(
        _ranked(ranks[levels[start]], marked.get(start), numbered.get(start)) for start in sorted(levels)
    )


def _ranked(level: int, mark: Heading | None, number: Heading | None) -> Heading:
    """The heading found by its bookmark, its numbering or both. An article's title is taken from the text."""
    best = number if number and (number.article or mark is None) else mark
    return Heading(level, best.title, best.start, best.article)


def _mark_levels(numbered: dict[int, Heading], marked: dict[int, Heading]) -> Callable[[int], int]:
    """A function: level by numbering → level among the bookmarks, for headings that have no bookmark.

    If headings of that numbering have bookmarks elsewhere, it is their level. If only deeper numbering
    has, it is the outermost level of those. Otherwise it is below all bookmarks.
    """
    known: dict[int, int] = {}
    for start in numbered.keys() & marked.keys():
        level = numbered[start].level
        known[level] = min(known.get(level, 99), marked[start].level)
    deepest = max((heading.level for heading in marked.values()), default=0)

    def mark_of(level: int) -> int:
        if level in known:
            return known[level]
        return min((known[other] for other in known if other > level), default=deepest + 1)

    return mark_of


def breadcrumbs(headings: Sequence[Heading], positions: Sequence[int]) -> list[str]:
    """For each of the ascending `positions` its breadcrumb: the headings that hold there, joined by « > ».

    The outermost comes first; before the first heading the breadcrumb is empty.
    """
    crumbs, stack, upcoming = [], [], 0
    for position in positions:
        while upcoming < len(headings) and headings[upcoming].start <= position:
            while stack and stack[-1].level >= headings[upcoming].level:
                stack.pop()
            stack.append(headings[upcoming])
            upcoming += 1
        crumbs.append(" > ".join(heading.title for heading in stack))
    return crumbs


def find_contents(normalised: Normalised) -> tuple[tuple[int, int], ...]:
    """The spans of contents pages in ascending order: neighbouring entries with their line breaks."""
    spans: list[tuple[int, int]] = []
    for line in normalised.lines:
        if line.kind == "contents":
            end = min(line.end + 1, len(normalised.text))
            if spans and spans[-1][1] == line.start:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((line.start, end))
    return tuple(spans)


def find_tables(normalised: Normalised) -> tuple[Table, ...]:
    """The tables in order, each with its unit and its context: the caption and the names of its columns.

    A table that continues on the next page without a header takes unit and context from the part before.
    """
    tables: list[Table] = []
    columns = 0
    for rows, before in _tables_of(normalised):
        header = [row for row in rows if row.kind == "header"]
        text = normalised.text
        width = max(text.count(CELL_SEPARATOR, row.start, row.end) for row in rows)
        unit, caption = _lines_above(text, before)
        names = " / ".join(text[row.start : row.end] for row in header)
        body = header[-1].end + 1 if header else rows[0].start
        if not header and not unit and tables and before is None and width == columns:
            unit, names, caption = tables[-1].unit, tables[-1].context, ""
        context = names if not caption else f"{caption} > {names}" if names else caption
        tables.append(Table(rows[0].start, rows[-1].end + 1, body, unit, context[:MAX_HEADER]))
        columns = width
    return tuple(tables)


def _tables_of(normalised: Normalised) -> Iterator[tuple[list[Line], tuple[Line, ...] | None]]:
    """The lines of each table, and the up to two lines before it; None if another table ends right before it."""
    rows: list[Line] = []
    before: list[Line] = []
    for line in normalised.lines:
        if rows and line.table != rows[0].table:
            yield rows, _above(before)
            before, rows = [*before, rows[-1]][-2:], []
        if line.table >= 0:
            rows.append(line)
        else:
            before = [*before, line][-2:]
    if rows:
        yield rows, _above(before)


def _above(before: Sequence[Line]) -> tuple[Line, ...] | None:
    return None if before and before[-1].table >= 0 else tuple(before)


def _lines_above(text: str, before: tuple[Line, ...] | None) -> tuple[str, str]:
    """The unit and the caption that the lines above a table give; "" for either that they do not."""
    unit = caption = ""
    for line in reversed(before or ()):
        words = text[line.start : line.end]
        if match := UNIT.search(words):
            unit = unit or match[0]
            words = words.replace(match[0], "").strip()
        if not caption and CAPTION.match(words) and len(words) <= MAX_TITLE:
            caption = words
    return unit, caption


def _title(text: str, line: Line) -> str:
    return " ".join(text[line.start : line.end].split())[:MAX_TITLE]


def _from_numbering(normalised: Normalised) -> Iterator[Heading]:
    found = [
        _numbered(normalised.text[line.start : end], line.start) for line, end in _paragraphs(normalised)
    ]
    in_article = False
    for before, heading, after in zip([None, *found], found, [*found[1:], None], strict=False):
        if heading is None:
            continue
        if heading.level < NUMBER:
            in_article = heading.article or (in_article and heading.level > ARTICLE)
            yield heading
        elif not in_article and not any(other and other.level == heading.level for other in (before, after)):
            yield heading  # next to another of the same level it would be a list item


def _from_size(normalised: Normalised, numbered: dict[int, Heading]) -> Iterator[Heading]:
    """Headings in large type. Those on the first page are the document's title and left out."""
    body = _usual_size(normalised.lines)
    # They are the chapters of a report without numbered ones, else sections inside its chapters.
    level = NUMBER if any(heading.level <= CHAPTER for heading in numbered.values()) else REPORT
    for line, end in _paragraphs(normalised):
        words = normalised.text[line.start : end]
        if (
            body
            and line.page > 0
            and line.size >= LARGER * body
            and end == line.end
            and len(words) <= LARGE_LINE
            and NO_HEADING.search(words) is None
            and re.search("[가-힣]{2}", words)
        ):
            yield Heading(level, words, line.start)


def _usual_size(lines: Sequence[Line]) -> float:
    """The most common type size of text outside tables, in points to the half; 0 if sizes are unknown."""
    sizes: Counter[float] = Counter()
    for line in lines:
        if line.table < 0:
            sizes[round(line.size * 2) / 2] += line.end - line.start
    return sizes.most_common(1)[0][0] if sizes else 0.0


def _numbered(words: str, start: int) -> Heading | None:
    """The numbered heading that the paragraph `words` is, or begins with; None if there is none."""
    if match := ARTICLE_HEAD.match(words):
        return Heading(ARTICLE, " ".join(match[1].split())[: 2 * MAX_TITLE], start, article=True)
    for pattern, level in NUMBERED:
        if pattern.match(words) and (level < NUMBER or not NO_HEADING.search(words)):
            return Heading(level, " ".join(words.split())[:MAX_TITLE], start)
    return None


def _number_level(title: str) -> int:
    """The level by numbering of a bookmark's title, for chapters down to articles; 0 if it has none."""
    if ARTICLE_MARK.match(title):
        return ARTICLE
    return next((level for pattern, level in NUMBERED if level <= SUBSECTION and pattern.match(title)), 0)


def _paragraphs(normalised: Normalised) -> Iterator[tuple[Line, int]]:
    """Each paragraph outside tables and contents pages: its first line, and where it ends."""
    begun: Line | None = None
    end = 0
    for line in normalised.lines:
        if line.first:
            if begun:
                yield begun, end
            begun = line if line.kind == "text" and line.table < 0 else None
        end = line.end
    if begun:
        yield begun, end


def _from_outline(normalised: Normalised, outline: Sequence[OutlineEntry]) -> Iterator[Heading]:
    """The bookmarks whose title begins a line of their page, ignoring blanks and lines of contents pages."""
    by_page: dict[int, list[OutlineEntry]] = {}
    for entry in outline:
        by_page.setdefault(entry.page - 1, []).append(entry)
    lines: dict[int, list[tuple[int, str]]] = {}
    for line in normalised.lines:
        if line.page in by_page and line.kind != "contents":
            # A title may continue on the next lines of its paragraph.
            reach = normalised.text[line.start : line.start + 3 * MAX_TITLE].partition("\n")[0]
            lines.setdefault(line.page, []).append((line.start, "".join(reach.split())))
    for page, entries in by_page.items():
        for entry in entries:
            squeezed = "".join(entry.title.split())[:MAX_TITLE]
            if entry.level > OUTLINE_LEVELS or not squeezed:
                continue
            found = next((start for start, text in lines.get(page, ()) if text.startswith(squeezed)), None)
            if found is not None:
                yield Heading(entry.level, entry.title[:MAX_TITLE], found)
