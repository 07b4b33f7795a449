"""A page of a PDF → its characters, by pdfminer.six. The only file that imports pdfminer.

It is for pages that PDFium could not read: pdfminer also reads the character map inside a font, so it
finds the characters of some fonts without a ToUnicode table. It has a tenth of PDFium's speed.
"""

import logging
from collections.abc import Iterator
from io import BytesIO

from ingest.raw import NO_BOX, Box, PlacedLine, ReadPage

# How pdfminer's text for a glyph without a known character begins: "(cid:123)".
UNKNOWN_GLYPH = "(cid:"
UNKNOWN = "\ufffd"


class Miner:
    """One PDF file; it is parsed when the first page is asked for."""

    def __init__(self, data: bytes, password: str = "") -> None:
        self._data = data
        self._password = password
        self._pages: list | None = None

    def read_page(self, index: int) -> ReadPage | None:
        """Page `index` (from 0); None if pdfminer cannot read it."""
        logging.getLogger("pdfminer").setLevel(logging.CRITICAL)  # it logs each object that it mends
        try:
            if self._pages is None:
                self._pages = self._parse()
            return _read(self._pages[index]) if index < len(self._pages) else None
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - KeyError, TypeError and more on broken files; OCR follows
            self._pages = self._pages or []
            return None

    def _parse(self) -> list:
        from pdfminer.pdfdocument import PDFDocument
        from pdfminer.pdfpage import PDFPage
        from pdfminer.pdfparser import PDFParser

        # The file's permissions are not asked (check_extractable is off): the caller has opened the file.
        return list(PDFPage.create_pages(PDFDocument(PDFParser(BytesIO(self._data)), self._password)))


def _read(page) -> ReadPage:
    from pdfminer.converter import PDFPageAggregator
    from pdfminer.layout import LAParams
    from pdfminer.pdfinterp import PDFPageInterpreter, PDFResourceManager

    resources = PDFResourceManager()
    device = PDFPageAggregator(resources, laparams=LAParams(all_texts=True))
    PDFPageInterpreter(resources, device).process_page(page)
    left, top = _corner(page)
    characters: list[str] = []
    boxes: list[Box] = []
    lines = []
    for line in _lines(device.get_result()):
        start, sizes = len(characters), []
        for glyph in line:
            text = _text(glyph)
            characters += text
            boxes += _split(_box(glyph, left, top), len(text))
            sizes.append(getattr(glyph, "size", 0.0))
        end = len(characters)
        lines.append(PlacedLine(start, end, _box(line, left, top), max(sizes)))
        characters.append("\n")
        boxes.append(NO_BOX)
    return ReadPage("pdfminer", "".join(characters), tuple(lines), tuple(boxes))


def _lines(item) -> Iterator[list]:
    """The lines in `item`, in reading order, each as a sequence of glyphs."""
    from pdfminer.layout import LTContainer, LTTextLine

    if isinstance(item, LTTextLine):
        yield item
    elif isinstance(item, LTContainer):
        for part in item:
            yield from _lines(part)


def _text(glyph) -> str:
    text = glyph.get_text()
    return UNKNOWN if text.startswith(UNKNOWN_GLYPH) else text.replace("\n", "")


def _corner(page) -> tuple[float, float]:
    """The top left corner of the visible page (x, y), in pdfminer's coordinates.

    pdfminer turns the media box upright and puts its lower left corner at the origin; PDFium shows the
    crop box.
    """
    x0, y0, x1, y1 = page.mediabox
    crop = page.cropbox
    left, bottom = max(crop[0], x0) - x0, max(crop[1], y0) - y0
    right, top = min(crop[2], x1) - x0, min(crop[3], y1) - y0
    width, height = x1 - x0, y1 - y0
    return {
        90: (bottom, width - left),
        180: (width - right, height - bottom),
        270: (height - top, right),
    }.get(page.rotate, (left, top))


def _box(item, left: float, top: float) -> Box:
    if not hasattr(item, "bbox"):  # a space that pdfminer inserts
        return NO_BOX
    x0, y0, x1, y1 = item.bbox
    return x0 - left, top - y1, x1 - left, top - y0


def _split(box: Box, count: int) -> list[Box]:
    """`box` cut into `count` equal parts from left to right: one glyph, a ligature, may be several characters."""
    if count <= 1 or box == NO_BOX:
        return [box] * count
    x0, y0, x1, y1 = box
    step = (x1 - x0) / count
    return [(x0 + i * step, y0, x0 + (i + 1) * step, y1) for i in range(count)]
