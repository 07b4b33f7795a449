"""The reading of one file → a report for a person: what each line was read as, and where chunks begin."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from rich.console import RenderableType
from rich.rule import Rule
from rich.text import Text

from ingest.document import CELL_SEPARATOR, Document, Heading, Page
from ingest.parse import Reading
from ingest.raw import NO_BOX
from ingest.repair.normalise import Line, Removed
from rag.errors import PageNotFound
from rag.language import say_in
from rag.wire import shapes
from rag.wire.bodies import inspect_json

PieceKind = Literal["text", "heading", "header", "row", "contents"]
# Korean, English; in the order of the legend.
KINDS: dict[str, tuple[str, str]] = {
    "text": ("본문", "text"),
    "heading": ("제목", "heading"),
    "header": ("표 머리", "table header"),
    "row": ("표", "table"),
    "contents": ("차례", "contents"),
    "removed": ("머리글·쪽번호(뺌)", "running head (left out)"),
}
STYLES = {
    "text": "",
    "heading": "bold cyan",
    "header": "bold green",
    "row": "green",
    "contents": "dim",
    "removed": "dim strike",
}


@dataclass(frozen=True, slots=True)
class Piece:
    """The characters [start, end) of the text, which have one line, one kind and one chunk.

    `line`: index into `reading.lines`. `begins`: index of the chunk that begins here, else -1.
    """

    start: int
    end: int
    kind: PieceKind
    line: int
    begins: int


def selected(reading: Reading, numbers: Sequence[int]) -> list[int]:
    """Indices of the pages with these numbers, ascending; of all pages if `numbers` is empty.

    Raises:
        PageNotFound: the file has no page with one of the numbers.
    """
    count = len(reading.document.pages)
    for number in numbers:
        if not 1 <= number <= count:
            raise PageNotFound(page=number, pages=count)
    return sorted({number - 1 for number in numbers}) if numbers else list(range(count))


def pieces(reading: Reading) -> list[list[Piece]]:
    """For each page, the pieces of its text, in order and without gaps."""
    document, lines = reading.document, reading.lines
    titles = [(heading.start, title_end(document, heading)) for heading in document.headings]
    begins = {chunk.start: index for index, chunk in enumerate(reading.chunks)}
    cuts = {0, len(document.text), *begins}
    cuts |= {edge for span in titles for edge in span}
    cuts |= {line.start for line in lines} | {page.start for page in document.pages}
    starts = [line.start for line in lines]
    page_starts = [page.start for page in document.pages]
    found: list[list[Piece]] = [[] for _ in document.pages]
    for start, end in pairwise(sorted(cuts)):
        line = bisect_right(starts, start) - 1
        piece = Piece(start, end, _kind(lines[line], titles, start), line, begins.get(start, -1))
        found[bisect_right(page_starts, start) - 1].append(piece)
    return found


def _kind(line: Line, titles: Sequence[tuple[int, int]], position: int) -> PieceKind:
    index = bisect_right(titles, (position, 1 << 60)) - 1
    if index >= 0 and position < titles[index][1]:
        return "heading"
    return "row" if line.kind == "text" and line.table >= 0 else line.kind


def title_end(document: Document, heading: Heading) -> int:
    """The offset in the text where the title of a heading ends; the title may lack blanks that the text has."""
    left = len("".join(heading.title.split()))
    for position in range(heading.start, len(document.text)):
        left -= not document.text[position].isspace()
        if left <= 0:
            return position + 1
    return len(document.text)


def removed_lines(reading: Reading) -> dict[int, tuple[list[Removed], list[Removed]]]:
    """By page index: the lines left out above the text, and those below it."""
    lowest: dict[int, float] = {}
    for line in reading.lines:
        lowest[line.page] = min(lowest.get(line.page, line.box[1]), line.box[1])
    found: dict[int, tuple[list[Removed], list[Removed]]] = {}
    for removed in reading.removed:
        above, below = found.setdefault(removed.page, ([], []))
        over = removed.box == NO_BOX or removed.box[1] <= lowest.get(removed.page, 0.0)
        (above if over else below).append(removed)
    return found


# JSON


def report_json(reading: Reading, path: str, wanted: Sequence[int]) -> shapes.Inspection:
    """The report as JSON data: the pages at the indices `wanted`, with what begins or lies on them."""
    removed = {
        index: [line.text for side in sides for line in side]
        for index, sides in removed_lines(reading).items()
    }
    return inspect_json(path, reading.document, reading.chunks, wanted, removed)


# words that terminal and HTML share


def summary(reading: Reading, language: str) -> list[tuple[str, str]]:
    """(name, value) of each line of the report's summary."""
    document = reading.document
    engines = Counter(page.engine for page in document.pages)
    sizes = [chunk.tokens for chunk in reading.chunks]
    hidden = {page.number: page.hidden for page in document.pages if page.hidden}
    unreadable = ", ".join(map(str, document.unreadable_pages))
    none = say_in(language, "없음", "none")
    unit = (
        say_in(language, "쪽", "pages") if document.unit == "page" else say_in(language, "구역", "sections")
    )
    return [
        (unit, f"{len(document.pages):,}"),
        (
            say_in(language, "읽은 엔진", "read by"),
            ", ".join(f"{name} {count:,}" for name, count in engines.most_common()),
        ),
        (say_in(language, "글자", "characters"), f"{len(document.text):,}"),
        (say_in(language, "제목", "headings"), f"{len(document.headings):,}"),
        (say_in(language, "표", "tables"), f"{len(document.tables):,}"),
        (
            say_in(language, "청크", "chunks"),
            f"{len(sizes):,}" + (f" ({min(sizes):,}–{max(sizes):,} {_tokens(language)})" if sizes else ""),
        ),
        (
            say_in(language, "뺀 머리글·쪽번호", "running heads left out"),
            f"{len(reading.removed):,}",
        ),
        (say_in(language, "못 읽은 쪽", "unreadable pages"), unreadable or none),
        (
            say_in(language, "보이지 않는 글자(뺌)", "hidden characters (left out)"),
            ", ".join(f"{unit} {number}: {count:,}" for number, count in hidden.items()) or none,
        ),
    ]


def page_title(page: Page, unit: str, language: str) -> str:
    """The title of one page: its number, its label, the engine that read it, and reasons to doubt it."""
    if unit == "page":
        name = say_in(language, f"{page.number}쪽", f"Page {page.number}")
    else:
        name = say_in(language, f"구역 {page.number}", f"Section {page.number}")
    parts = [name if page.label in ("", str(page.number)) else f"{name} «{page.label}»", page.engine]
    if page.confidence < 1:
        parts.append(
            say_in(language, f"OCR 확신도 {page.confidence:.0%}", f"OCR confidence {page.confidence:.0%}")
        )
    if page.hidden:
        parts.append(
            say_in(language, f"보이지 않는 글자 {page.hidden:,}", f"{page.hidden:,} hidden characters")
        )
    if not page.readable:
        parts.append(say_in(language, "읽을 수 없음", "unreadable"))
    return " · ".join(parts)


def chunk_title(reading: Reading, index: int, language: str) -> str:
    """The title of a chunk: its number, size and kind, without the breadcrumb."""
    chunk = reading.chunks[index]
    kind = {"text": "text", "table": "row", "contents": "contents"}[chunk.kind]
    return " · ".join(
        (
            f"{say_in(language, '청크', 'chunk')} {index + 1}",
            f"{chunk.tokens:,} {_tokens(language)}",
            say_in(language, *KINDS[kind]),
        )
    )


def continued(reading: Reading, position: int, language: str) -> str:
    """The note above a page that begins inside a chunk; `position`: offset of the page's first character."""
    index = bisect_right([chunk.start for chunk in reading.chunks], position) - 1
    return say_in(language, f"… 청크 {index + 1} 계속", f"… chunk {index + 1} goes on")


def _tokens(language: str) -> str:
    return say_in(language, "토큰", "tokens")


# terminal


def terminal_report(reading: Reading, wanted: Sequence[int], language: str) -> Iterator[RenderableType]:
    """The report for a terminal, part by part: the summary, then each page with the borders of its chunks."""
    document = reading.document
    yield Text(document.title, style="bold")
    for name, value in summary(reading, language):
        yield Text(f"  {name}  ", style="dim").append(value, style="default not dim")
    legend = Text("  ")
    for kind, names in KINDS.items():
        legend.append(say_in(language, *names), style=STYLES[kind]).append("  ")
    yield legend
    by_page, removed = pieces(reading), removed_lines(reading)
    for index in wanted:
        page = document.pages[index]
        yield Text()
        style = "bold" if page.readable else "bold red"
        yield Rule(Text(page_title(page, document.unit, language), style=style), characters="═", style=style)
        above, below = removed.get(index, ([], []))
        yield from (Text(line.text, style=STYLES["removed"]) for line in above)
        yield from _page_text(reading, by_page[index], language)
        yield from (Text(line.text, style=STYLES["removed"]) for line in below)


def _page_text(reading: Reading, found: Sequence[Piece], language: str) -> Iterator[RenderableType]:
    """The text of one page in colours, with a rule wherever a chunk begins."""
    if found and found[0].begins < 0:
        yield Text(continued(reading, found[0].start, language), style="magenta dim")
    shown = Text()
    for piece in found:
        if piece.begins >= 0:
            yield from _ended(shown)
            shown = Text()
            title = Text(chunk_title(reading, piece.begins, language), style="magenta")
            if context := reading.chunks[piece.begins].context:
                title.append(f"  {context}", style="dim")
            yield Rule(title, align="left", style="magenta dim")
        for text, style in styled(reading.document.text[piece.start : piece.end], piece.kind):
            shown.append(text, style="dim" if style == "separator" else STYLES[style])
    yield from _ended(shown)


def _ended(shown: Text) -> Iterator[Text]:
    if shown.plain.strip():
        shown.rstrip()
        yield shown


def styled(text: str, kind: PieceKind) -> Iterator[tuple[str, str]]:
    """`text` in parts, each with its kind; separators of cells, which are not on the page, are parts of their own."""
    if kind not in ("row", "header"):
        yield text, kind
        return
    for number, cell in enumerate(text.split(CELL_SEPARATOR)):
        if number:
            yield CELL_SEPARATOR, "separator"
        if cell:
            yield cell, kind
