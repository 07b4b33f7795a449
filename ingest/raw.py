"""What a reader makes of one file before any repair: raw pages, and the lines on them in reading order.

`RawPage.text` holds the characters exactly as the engine that read the page gives them; an index
into it is a «raw character index», and the same engine, asked again, finds the same character (and
its box) there. Lines are spans of it. Nothing is mended here; see normalise.py.
"""

from dataclasses import dataclass
from typing import Literal

# Half-open, in raw characters of one page.
Span = tuple[int, int]
# Left, top, right, bottom, in points from the page's top left corner.
Box = tuple[float, float, float, float]
NO_BOX: Box = (0.0, 0.0, 0.0, 0.0)

# Who read a page. "tesseract" is OCR; "layer": the invisible text that a scanner's OCR left.
Engine = Literal["pdfium", "pdfminer", "tesseract", "layer", "hwpx", "docx", "text", "none"]
# What the parts of a file are that `Page` stands for: pages, or sections where a format has none.
Unit = Literal["page", "section"]


@dataclass(frozen=True, slots=True)
class RawPage:
    """One page, or one section of a format without pages.

    `confidence` is below 1 only for text from OCR. `drawn`: whether anything is to be seen there,
    text or not. `hidden` counts characters that nobody sees; they are in `text`, but in no line.
    """

    number: int
    label: str
    text: str
    engine: Engine = "pdfium"
    confidence: float = 1.0
    drawn: bool = True
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class RawLine:
    """A line of text, or one row of a table: the raw characters of each cell, in reading order.

    A line of running text has one cell of one span. A cell whose text is wrapped has one span per
    line of it. `wrapped`: the paragraph may go on in the next line; False where the format says
    that it ends here. `level`: of a heading that the format marks as one, 1 outermost, else 0.
    `table` numbers the tables of the file, -1 outside; `header` rows name the columns.
    """

    page: int  # index into RawFile.pages
    cells: tuple[tuple[Span, ...], ...]
    box: Box = NO_BOX
    size: float = 0.0  # of the type, in points; 0 where unknown
    wrapped: bool = True
    level: int = 0
    table: int = -1
    header: bool = False


@dataclass(frozen=True, slots=True)
class OutlineEntry:
    """One bookmark; level 1 is the outermost, `page` counts from 1."""

    level: int
    title: str
    page: int


@dataclass(frozen=True, slots=True)
class RawFile:
    """Everything read from one file."""

    title: str
    pages: tuple[RawPage, ...]
    lines: tuple[RawLine, ...]
    outline: tuple[OutlineEntry, ...] = ()
    unit: Unit = "page"


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """One line as an engine sets it: raw characters [start, end) of its page, and where they stand."""

    start: int
    end: int
    box: Box
    size: float = 0.0  # of the type, in points; 0 where unknown


@dataclass(frozen=True, slots=True)
class ReadPage:
    """What one engine reads on one page.

    `boxes[i]` is that of `text[i]`; NO_BOX for the spaces and line ends that the engine inserts.
    Lines come in reading order and hold no line end.
    """

    engine: Engine
    text: str
    lines: tuple[PlacedLine, ...]
    boxes: tuple[Box, ...]
    confidence: float = 1.0
