"""One text or Markdown file → raw sections, whose texts joined are the text of the file.

Markdown is cut before its main headings, plain text after form feeds. A file without those is cut at a
blank line about every SECTION_LINES lines.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ingest.errors import UnreadableFile
from ingest.raw import NO_BOX, RawFile, RawLine, RawPage, Span
from ingest.readers.page_writer import HEADING_LENGTH
from ingest.titles import title_of

# A byte order mark decides the encoding; without one, the first of ENCODINGS that decodes the file does.
# EUC-KR comes before CP949, a superset, which reads a syllable that EUC-KR writes in eight bytes as
# separate letters.
BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
ENCODINGS = ("utf-8", "euc-kr", "cp949")
# Control characters that occur in text files; DOS ended files with \x1a.
TEXT_CONTROLS = "\t\n\v\f\r\x1a\x1b\x85"
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
MAX_CONTROL_SHARE, MAX_CONTROLS = 0.01, 2
LINE = re.compile(r"[^\r\n\f]*(?:\r\n|[\r\n\f]|\Z)")
FORM_FEED = "\f"
SECTION_LINES = 200  # about four printed pages
LONGEST_SECTION = 2 * SECTION_LINES  # in lines; a section without a blank line is cut here

# A file is hard-wrapped if most lines inside its paragraphs end near one width, and most of those
# mid-sentence. Widths are in columns, of which a Hangul character takes two.
FIRST_WIDE = "\u1100"
NARROWEST, WIDEST = 40, 160
NEAR = 0.8
MOSTLY = 0.6
FEWEST_WRAPPED = 4
SENTENCE_END = re.compile(r"[.!?。:;][\"”’)\]]*\s*$")

FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
ATX_HEADING = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)")
UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
TABLE_RULE = re.compile(r"\s*:?-+:?\s*")
CELL_MARK = re.compile(r"\\.|\|")
NEW_BLOCK = re.compile(r"\s*(?:[-*+>|]|\d{1,9}[.)]|#{1,6}\s|`{3}|~{3}|$)")
MARKDOWN_ENDINGS = (".md", ".markdown")
SECTION_LEVEL = 2  # Markdown is cut before headings down to this level


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of the file: where it starts, and where its text ends before the line break."""

    start: int
    end: int
    level: int = 0
    cells: tuple[Span, ...] | None = None  # None: one cell of the whole line; (): shows nothing
    table: int = -1
    header: bool = False
    solid: bool = False  # never wrapped


def read_plain(path: Path, data: bytes, max_pages: int) -> RawFile:
    """The sections of the text in `data`; read as Markdown if the name of `path` ends so.

    Raises:
        UnreadableFile: damaged (not text in a known encoding) or too_large.
    """
    text = decode(str(path), data)
    lines = [_Line(match.start(), _text_end(text, match)) for match in LINE.finditer(text) if match[0]]
    markdown = path.suffix.lower() in MARKDOWN_ENDINGS
    if markdown:
        lines = list(_mark_up(text, lines))
    cuts = _cuts(text, lines, markdown)
    if len(cuts) > max_pages:
        raise UnreadableFile("too_large", str(path), f"{len(cuts):,} > {max_pages:,} sections")
    pages = tuple(
        RawPage(number, str(number), text[start:end], "text", drawn=bool(text[start:end].strip()))
        for number, (start, end) in enumerate(pairwise([*cuts, len(text)]), start=1)
    )
    headings = (text[slice(*line.cells[0])] for line in lines if line.level == 1 and line.cells)
    return RawFile(
        title_of(path, next(headings, "")), pages, tuple(_raw_lines(text, lines, cuts)), unit="section"
    )


def decode(path: str, data: bytes) -> str:
    """The text in `data` without its byte order mark.

    UTF-8, EUC-KR and CP949 are recognised, and UTF-16 if it has a byte order mark.

    Raises:
        UnreadableFile: damaged; with the first byte that does not decode, or the first control character.
    """
    for mark, encoding in BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _readable(path, _strictly(path, data[len(mark) :], (encoding,)))
    return _readable(path, _strictly(path, data, ENCODINGS))


def _strictly(path: str, data: bytes, encodings: Sequence[str]) -> str:
    failures: list[UnicodeDecodeError] = []
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as exc:
            failures.append(exc)
    # The encoding that got furthest is most likely the one that was meant.
    last = max(failures, key=lambda failure: failure.start)
    detail = f"not {', '.join(encodings)}: byte 0x{data[last.start]:02X} at {last.start:,}"
    raise UnreadableFile("damaged", path, detail) from last


def _readable(path: str, text: str) -> str:
    """`text`, unless it is binary data that happens to decode."""
    controls = [match.start() for match in CONTROLS.finditer(text) if match[0] not in TEXT_CONTROLS]
    for position in controls:
        if text[position] == "\0" or len(controls) > max(MAX_CONTROLS, MAX_CONTROL_SHARE * len(text)):
            detail = f"no text: U+{ord(text[position]):04X} at {position:,}"
            raise UnreadableFile("damaged", path, detail)
    return text


def _text_end(text: str, match: re.Match) -> int:
    return match.start() + len(match[0].rstrip("\r\n\f"))


def _cuts(text: str, lines: Sequence[_Line], markdown: bool) -> list[int]:
    """Where each section starts, the first at 0."""
    if markdown:
        cuts = [line.start for line in lines if 0 < line.level <= SECTION_LEVEL]
    else:
        cuts = [match.end() for match in re.finditer(FORM_FEED, text)]
    first, last = len(text) - len(text.lstrip()), len(text.rstrip())
    return [0, *([cut for cut in cuts if first < cut < last] or _even_cuts(text, lines))]


def _even_cuts(text: str, lines: Sequence[_Line]) -> Iterator[int]:
    """Cuts after blank lines, so that sections hold about SECTION_LINES lines."""
    first = blank = 0  # indices: the first line of the section, and the line after its last blank one
    for index, line in enumerate(lines):
        if not text[line.start : line.end].strip():
            blank = index + 1
        if index + 1 - first >= SECTION_LINES and first < blank < len(lines):
            yield lines[blank].start
            first = blank
        elif index + 1 - first >= LONGEST_SECTION and index + 1 < len(lines):
            yield lines[index + 1].start
            first = index + 1


def _raw_lines(text: str, lines: Sequence[_Line], cuts: Sequence[int]) -> Iterator[RawLine]:
    width = _wrap_width(text, lines)
    page = 0
    for index, line in enumerate(lines):
        while page + 1 < len(cuts) and line.start >= cuts[page + 1]:
            page += 1
        content = text[line.start : line.end]
        spans = ((line.start, line.end),) if line.cells is None else line.cells
        if spans and content.strip():
            cut = cuts[page]
            cells = tuple(((start - cut, end - cut),) if end > start else () for start, end in spans)
            wrapped = width > 0 and _columns(content) >= NEAR * width and _goes_on(text, lines, index)
            yield RawLine(page, cells, NO_BOX, 0.0, wrapped, line.level, line.table, line.header)


def _wrap_width(text: str, lines: Sequence[_Line]) -> int:
    """The width in columns at which the file is hard-wrapped; 0 if it is not."""
    inner = [text[line.start : line.end] for index, line in enumerate(lines) if _goes_on(text, lines, index)]
    if len(inner) < FEWEST_WRAPPED:
        return 0
    widths = sorted(_columns(line) for line in inner)
    width = widths[int(0.95 * (len(widths) - 1))]
    full = [line for line in inner if _columns(line) >= NEAR * width]
    open_ended = [line for line in full if not SENTENCE_END.search(line)]
    steady = len(full) >= MOSTLY * len(inner) and len(open_ended) >= MOSTLY * len(full)
    return width if steady and NARROWEST <= width <= WIDEST else 0


def _goes_on(text: str, lines: Sequence[_Line], index: int) -> bool:
    """Whether the next line may continue the paragraph of this one."""
    if index + 1 >= len(lines) or lines[index].solid or lines[index + 1].solid:
        return False
    line, after = lines[index], lines[index + 1]
    if not text[line.start : line.end].strip() or FORM_FEED in text[line.start : after.start]:
        return False
    return not NEW_BLOCK.match(text, after.start, after.end)


def _columns(line: str) -> int:
    line = line.rstrip()
    return len(line) + sum(map(FIRST_WIDE.__le__, line))


# Markdown: only paragraphs, headings, tables and code are recognised; marks inside a line stay as they are.


def _mark_up(text: str, lines: Sequence[_Line]) -> Iterator[_Line]:
    """`lines` in order, with headings, tables and code marked."""
    tables = index = 0
    if lines and text[lines[0].start : lines[0].end].rstrip() == "---":
        index = _front_matter(text, lines)
        yield from (_Line(line.start, line.end, solid=True) for line in lines[:index])
    while index < len(lines):
        line = lines[index]
        content = text[line.start : line.end]
        if fence := FENCE.match(content):
            end = _fence_end(text, lines, index, fence[1])
            yield from _code(lines[index:end])
            index = end
        elif rows := _table_rows(text, lines, index):
            yield from _table(text, lines[index : index + rows], tables)
            tables += 1
            index += rows
        elif heading := ATX_HEADING.match(content):
            yield _heading(text, line, heading.end(), len(heading[1]))
            index += 1
        elif under := _underlined(text, lines, index):
            yield _heading(text, line, 0, under)
            yield _Line(lines[index + 1].start, lines[index + 1].end, cells=(), solid=True)
            index += 2
        else:
            yield line
            index += 1


def _front_matter(text: str, lines: Sequence[_Line]) -> int:
    """The number of lines of the front matter at the top; 0 if it has no end."""
    ends = (i for i, line in enumerate(lines[1:], 1) if text[line.start : line.end].rstrip() == "---")
    return next(ends, -1) + 1


def _fence_end(text: str, lines: Sequence[_Line], index: int, fence: str) -> int:
    """The index after the line that closes the code block; the number of lines if none does."""
    for after in range(index + 1, len(lines)):
        content = text[lines[after].start : lines[after].end].strip()
        if len(content) >= len(fence) and not content.strip(fence[0]):
            return after + 1
    return len(lines)


def _code(lines: Sequence[_Line]) -> Iterator[_Line]:
    last = len(lines) - 1
    for index, line in enumerate(lines):
        yield _Line(line.start, line.end, cells=() if index in (0, last) else None, solid=True)


def _heading(text: str, line: _Line, skip: int, level: int) -> _Line:
    """The line as a heading, its text without number signs; `skip` is the length of those before it."""
    start, end = _trim(text, line.start + skip, line.end)
    closed = text[start:end].rstrip("#")
    if skip and (not closed or closed[-1] in " \t"):
        start, end = _trim(text, start, start + len(closed))
    return _Line(line.start, line.end, level, ((start, end),) if end > start else (), solid=True)


def _underlined(text: str, lines: Sequence[_Line], index: int) -> int:
    """The level of the heading that the next line underlines; 0 if it underlines none."""
    if index + 1 >= len(lines):
        return 0
    line, after = lines[index], lines[index + 1]
    under = UNDERLINE.match(text[after.start : after.end])
    long = line.end - line.start > HEADING_LENGTH  # then it is a paragraph above a rule
    if not under or long or NEW_BLOCK.match(text, line.start, line.end):
        return 0
    return 1 if under[1][0] == "=" else 2


def _table_rows(text: str, lines: Sequence[_Line], index: int) -> int:
    """The number of lines of the table that begins at `index`; 0 if none begins there."""
    if index + 1 >= len(lines):
        return 0
    head, rule = (text[line.start : line.end].strip() for line in lines[index : index + 2])
    columns = rule.removeprefix("|").removesuffix("|").split("|")
    if "|" not in head or "|" not in rule or not all(map(TABLE_RULE.fullmatch, columns)):
        return 0
    end = index + 2
    while end < len(lines) and "|" in text[lines[end].start : lines[end].end]:
        end += 1
    return end - index


def _table(text: str, lines: Sequence[_Line], table: int) -> Iterator[_Line]:
    for index, line in enumerate(lines):
        cells = () if index == 1 else tuple(_cells(text, line))
        yield _Line(line.start, line.end, 0, cells, table, header=index == 0, solid=True)


def _cells(text: str, line: _Line) -> Iterator[Span]:
    """The spans between the pipes of a row, without the blanks around them."""
    start, end = _trim(text, line.start, line.end)
    start += text[start] == "|"
    for mark in CELL_MARK.finditer(text, start, end):
        if mark[0] == "|":
            yield _trim(text, start, mark.start())
            start = mark.end()
    if text[start:end].strip():
        yield _trim(text, start, end)


def _trim(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip())
    return (start, start) if left == len(piece) else (start + left, start + len(piece.rstrip()))
