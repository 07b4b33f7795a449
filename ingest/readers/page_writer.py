"""Blocks (paragraphs and tables, as HWPX and DOCX hold them) → raw pages and lines."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from ingest.errors import UnreadableFile
from ingest.raw import Engine, RawLine, RawPage, Span, Unit

# Marks in the text of a block. The text itself holds none of the three characters.
LINE_BREAK = "\n"
PAGE_BREAK = "\v"  # set by the author
RENDERED_BREAK = "\f"  # where the program that saved the file last began a page; also follows a PAGE_BREAK
MARKS = re.compile(r"([\v\f])")
# In characters; a longer paragraph is no heading. Some authors number every paragraph with the outline.
HEADING_LENGTH = 100
# The cells of a row stay in their columns if none lies in this column or beyond.
MAX_COLUMNS = 256
MAX_HEADER_ROWS = 3


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph. `text` holds the marks above; `hidden` is text that a reader does not see.

    `level`: of a heading, 1 outermost, else 0. `drawn`: the paragraph holds a picture.
    """

    text: str
    level: int = 0
    hidden: str = ""
    drawn: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell; merged cells are one. `column` counts from 0; `columns` and `rows` are what it spans."""

    column: int
    columns: int
    rows: int
    header: bool
    blocks: tuple["Paragraph | Table", ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells in reading order."""

    rows: tuple[tuple[Cell, ...], ...]


Block = Paragraph | Table


class PageWriter:
    """Writes blocks one after another into pages (or sections), and records the spans of their lines.

    The text of a page has a line break after each line of a paragraph and after each cell. A line of a
    paragraph is `wrapped` if a mark broke it there. All paragraphs of a cell form one span; an empty
    cell has none. Cells to the right of a merged or empty one stay in their columns. Hidden text stands
    at the end of its page.
    """

    def __init__(self, path: str, engine: Engine, unit: Unit, max_pages: int) -> None:
        self._path, self._engine, self._unit, self._max_pages = path, engine, unit, max_pages
        self._pages: list[RawPage] = []
        self._lines: list[RawLine] = []
        self._tables = 0
        self._breaks = [0, 0]  # page breaks since the last text: set by the author, rendered
        self._begin()

    def write(self, blocks: Iterable[Block]) -> None:
        """Add `blocks` in reading order."""
        for block in blocks:
            if isinstance(block, Paragraph):
                self._write_paragraph(block)
            elif all(len(row) <= 1 for row in block.rows):  # one column: a frame around text
                self.write(chain.from_iterable(cell.blocks for row in block.rows for cell in row))
            else:
                self._write_table(block)

    def turn(self) -> None:
        """End the page, even an empty one, and begin another.

        Raises:
            UnreadableFile: too_large, if there are more than `max_pages`.
        """
        number = len(self._pages) + 1
        if number > self._max_pages:
            raise UnreadableFile("too_large", self._path, f"> {self._max_pages:,} {self._unit}s")
        hidden = "".join(self._hidden)
        text = "".join(self._parts) + hidden
        drawn = self._drawn or bool(self._parts)
        self._pages.append(RawPage(number, str(number), text, self._engine, drawn=drawn, hidden=len(hidden)))
        self._begin()

    def finish(self) -> tuple[tuple[RawPage, ...], tuple[RawLine, ...]]:
        """End the last page; all pages and lines."""
        self.turn()
        return tuple(self._pages), tuple(self._lines)

    @property
    def empty(self) -> bool:
        """Whether nothing is on the page yet."""
        return not (self._parts or self._hidden or self._drawn)

    def _begin(self) -> None:
        self._parts: list[str] = []
        self._hidden: list[str] = []
        self._length = 0
        self._drawn = False

    def _write_paragraph(self, paragraph: Paragraph) -> None:
        # A paragraph may cover several pages, with several lines on each.
        text = paragraph.text
        level = paragraph.level if len(text) <= HEADING_LENGTH else 0
        lines: list[RawLine] = []
        for part in MARKS.split(text):
            if part in (PAGE_BREAK, RENDERED_BREAK):
                self._breaks[part == RENDERED_BREAK] += 1
                continue
            for line in [part] if level else part.split(LINE_BREAK):
                if line.strip():
                    span = self._add(line)
                    lines.append(RawLine(len(self._pages), ((span,),), level=level))
        if lines:
            self._lines += (*lines[:-1], replace(lines[-1], wrapped=False))
        self._note(paragraph)

    def _write_table(self, table: Table) -> None:
        number = self._tables
        self._tables += 1
        headers = _header_rows(table.rows)
        for index, row in enumerate(table.rows):
            cells = [_flatten(cell.blocks) for cell in row]
            texts = [LINE_BREAK.join(p.text for p in paragraphs) for paragraphs, _ in cells]
            before, after = _row_breaks(texts)
            self._breaks = [self._breaks[0] + before[0], self._breaks[1] + before[1]]
            spans = [self._add_cell(MARKS.sub("", text)) for text in texts]
            if any(spans):
                columns = _line_up(row, spans)
                header = index in headers
                self._lines.append(
                    RawLine(len(self._pages), columns, wrapped=False, table=number, header=header)
                )
            self._breaks = [self._breaks[0] + after[0], self._breaks[1] + after[1]]
            for paragraphs, tables in cells:
                for paragraph in paragraphs:
                    self._note(paragraph)
                self.write(tables)

    def _add_cell(self, text: str) -> tuple[Span, ...]:
        return (self._add(text.strip(LINE_BREAK)),) if text.strip() else ()

    def _add(self, text: str) -> Span:
        """The span of `text`, now on the page with a line break behind it and pending page breaks before it."""
        for _ in range(max(self._breaks)):
            self.turn()
        self._breaks = [0, 0]
        start = self._length
        self._parts += (text, "\n")
        self._length += len(text) + 1
        return start, start + len(text)

    def _note(self, paragraph: Paragraph) -> None:
        self._drawn = self._drawn or paragraph.drawn
        hidden = MARKS.sub("", paragraph.hidden)
        if hidden.strip():
            self._hidden += (hidden, "\n")


def _flatten(blocks: Iterable[Block]) -> tuple[list[Paragraph], list[Table]]:
    """The paragraphs of a cell, including those in frames; and its tables, which are written after its row."""
    paragraphs: list[Paragraph] = []
    tables: list[Table] = []
    for block in blocks:
        if isinstance(block, Paragraph):
            paragraphs.append(block)
        elif all(len(row) <= 1 for row in block.rows):
            inner = _flatten(chain.from_iterable(cell.blocks for row in block.rows for cell in row))
            paragraphs += inner[0]
            tables += inner[1]
        else:
            tables.append(block)
    return paragraphs, tables


def _header_rows(rows: Sequence[Sequence[Cell]]) -> range | set[int]:
    """Indices of the rows that name the columns: those marked as headers, else the first row or rows.

    If a cell of the first row spans several columns, the rows below it name each of them; they are
    headers as far down as the tallest cell of the first row reaches.
    """
    marked = {index for index, row in enumerate(rows) if any(cell.header for cell in row)}
    if marked or len(rows) < 2:
        return marked
    deep = any(cell.columns > 1 for cell in rows[0])
    depth = max((cell.rows for cell in rows[0]), default=1) if deep else 1
    return range(min(depth, MAX_HEADER_ROWS, len(rows) - 1))


def _row_breaks(texts: Sequence[str]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Page breaks (set, rendered) before the text of a row, and within it.

    Those within it take effect after the row, which stays on its first page.
    """
    filled = [text for text in texts if text.strip()]
    lead = filled[0][: len(filled[0]) - len(filled[0].lstrip())] if filled else ""
    before = lead.count(PAGE_BREAK), lead.count(RENDERED_BREAK)
    in_all = [max((text.count(mark) for text in texts), default=0) for mark in (PAGE_BREAK, RENDERED_BREAK)]
    return before, (max(in_all[0] - before[0], 0), max(in_all[1] - before[1], 0))


def _line_up(row: Sequence[Cell], spans: Sequence[tuple[Span, ...]]) -> tuple[tuple[Span, ...], ...]:
    """The spans of a row's cells by column; in file order if columns repeat or exceed MAX_COLUMNS."""
    columns: dict[int, tuple[Span, ...]] = {
        cell.column: span for cell, span in zip(row, spans, strict=True) if span
    }
    if len(columns) < sum(map(bool, spans)) or max(columns) >= MAX_COLUMNS:
        return tuple(span for span in spans if span)
    return tuple(columns.get(column, ()) for column in range(max(columns) + 1))
