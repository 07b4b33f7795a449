"""A span of a document's text → where it stands on the pages of its PDF, and pictures of those pages.

An index keeps text, not geometry: the file is read again, by the engine that read the page then, and
the characters are found by their raw indices. See sourcemap.py.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import sqrt
from operator import itemgetter
from pathlib import Path
from typing import Any

from ingest.document import Page
from ingest.errors import UnreadableFile
from ingest.pdf.ocr import Tesseract
from ingest.pdf.pdfium import Frame
from ingest.pdf.read import open_pdf
from ingest.pdf.reread import Rereader
from ingest.raw import NO_BOX, Box, Span
from ingest.sourcemap import raw_spans

# PDFium's own text, and the text layer of a scan, which is PDFium's too.
BYPDFIUM = ("pdfium", "layer")
# Boxes of one span that follow each other on a line are one rectangle, across the blanks between words.
# Boxes further apart than this many heights of the line are not: that is a line drawn in columns.
SAME_RECTANGLE = 3.0
# Two boxes stand on one line that share more than this of the smaller one's height.
SAME_LINE = 0.5
# A picture has no more pixels: a plan in A0 would take 300 MB.
MAX_PIXELS = 16_000_000
MARK, EDGE = (255, 236, 92), (214, 158, 0)


@dataclass(frozen=True, slots=True)
class PageImage:
    """A page as a `PIL.Image.Image`, and its size as it is shown, in points."""

    image: Any
    width: float
    height: float


def span_boxes(
    path: Path,
    data: bytes,
    passwords: Sequence[str],
    pages: Sequence[Page],
    start: int,
    end: int,
    tesseract: Tesseract | None = None,
) -> dict[int, list[Box]]:
    """Where the characters [start, end) of the text stand: rectangles, by the index of their page.

    In the order of the text, one rectangle for what follows each other on a line; in points from the
    top left corner of the page as it is shown. A page is missing where nothing of the span stands on
    it, or where the engine that read it finds nothing now (OCR that is no longer installed).

    Args:
        path: for messages only.
        pages: of the document; all of them, so that indices are those of the file.
        tesseract: for pages that it read.

    Raises:
        UnreadableFile: damaged, encrypted or unsupported.
    """
    spans = raw_spans(pages, start, end)
    if not spans:
        return {}
    found = {}
    pdf, data, password = open_pdf(path, data, passwords)
    try:
        rereader = Rereader(pdf, data, password, tesseract)
        for index, group in groupby(spans, itemgetter(0)):
            if index >= len(pdf):
                continue
            own = [span for _, span in group]
            by_pdfium = pages[index].engine in BYPDFIUM
            boxes = _pdfium_boxes(pdf, index, own) if by_pdfium else _reread(rereader, pages, index, own)
            # What spans several rows of a table stands in each of them, but once on the page.
            if rectangles := list(dict.fromkeys(box for run in boxes for box in _rectangles(run))):
                found[index] = rectangles
    finally:
        pdf.close()
    return found


def page_image(
    path: Path, data: bytes, passwords: Sequence[str], index: int, boxes: Sequence[Box], scale: float = 2.0
) -> PageImage:
    """The page at `index` as a picture, with `boxes` marked as with a yellow pen.

    Args:
        path: for messages only.
        scale: pixels for a point; less for pages that would have more than MAX_PIXELS.

    Raises:
        UnreadableFile: damaged, encrypted or unsupported.
    """
    import pypdfium2

    pdf, _, _ = open_pdf(path, data, passwords)
    try:
        page = pdf[index]
        width, height = page.get_size()
        scale = min(scale, sqrt(MAX_PIXELS / max(width * height, 1.0)))
        image = page.render(scale=scale).to_pil().convert("RGB")
    except pypdfium2.PdfiumError as exc:
        raise UnreadableFile("damaged", str(path), str(exc), index + 1) from exc
    finally:
        pdf.close()
    return PageImage(mark(image, boxes, scale) if boxes else image, width, height)


def load_pillow():
    """The parts of Pillow that draw. They take time to load: wait until a page is drawn, or load them to be shared."""
    from PIL import Image, ImageChops, ImageDraw

    return Image, ImageChops, ImageDraw


def mark(image, boxes: Sequence[Box], scale: float):
    """`image` with `boxes` (in points) in yellow, under the ink: what was black stays black."""
    pil_image, image_chops, image_draw = load_pillow()
    mask = pil_image.new("L", image.size, 0)
    draw = image_draw.Draw(mask)
    edges = [tuple(round(side * scale) for side in box) for box in boxes]
    for left, top, right, bottom in edges:
        draw.rectangle((left, top, max(left, right), max(top, bottom)), fill=255)
    yellow = image_chops.multiply(image, pil_image.new("RGB", image.size, MARK))
    marked = pil_image.composite(yellow, image, mask)
    draw = image_draw.Draw(marked)
    for left, _, right, bottom in edges:  # on a dark ground only the edge is seen
        draw.line((left, bottom, max(left, right), bottom), fill=EDGE)
    return marked


def _pdfium_boxes(pdf, index: int, spans: Sequence[Span]) -> list[list[Box]]:
    """The boxes of the characters of each span; those that show nothing are left out."""
    import pypdfium2

    raw = pypdfium2.raw
    try:
        page = pdf[index]
        textpage = page.get_textpage()
    except pypdfium2.PdfiumError:
        return []
    frame, rect, count = Frame.of(page), raw.FS_RECTF(), textpage.count_chars()

    def boxes(start: int, end: int) -> Iterator[Box]:
        for char in range(start, min(end, count)):
            blank = chr(min(raw.FPDFText_GetUnicode(textpage, char), 0x10FFFF)).isspace()
            if not blank and raw.FPDFText_GetLooseCharBox(textpage, char, rect):
                yield frame.show(rect.left, rect.bottom, rect.right, rect.top)

    found = [list(boxes(*span)) for span in spans]
    textpage.close()
    page.close()
    return found


def _reread(rereader: Rereader, pages: Sequence[Page], index: int, spans: Sequence[Span]) -> list[list[Box]]:
    page = rereader.read_with(pages[index].engine, index)
    return [list(page.boxes[start:end]) for start, end in spans] if page is not None else []


def _rectangles(boxes: Sequence[Box]) -> Iterator[Box]:
    """Boxes that follow each other on one line, or down one column of a page on its side, as one."""
    run: Box | None = None
    for box in boxes:
        if box == NO_BOX or box[2] <= box[0] or box[3] <= box[1]:
            continue
        if run is None:
            run = box
        elif _follows(run, box):
            run = min(run[0], box[0]), min(run[1], box[1]), max(run[2], box[2]), max(run[3], box[3])
        else:
            yield run
            run = box
    if run is not None:
        yield run


def _follows(run: Box, box: Box) -> bool:
    """Whether `box` stands beside `run`, or above or below it, without a wide gap."""
    wide, high = (min(run[i + 2], box[i + 2]) - max(run[i], box[i]) for i in (0, 1))  # shared; below 0 a gap
    width, height = (min(run[i + 2] - run[i], box[i + 2] - box[i]) for i in (0, 1))
    if high > SAME_LINE * height and wide > -SAME_RECTANGLE * height:
        return True
    # On a page on its side the next character is above or below; a line is not one of its columns.
    column = run[2] - run[0] <= 2 * (box[2] - box[0])
    return column and wide > SAME_LINE * width and high > -SAME_RECTANGLE * width
