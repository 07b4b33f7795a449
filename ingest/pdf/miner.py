"""A page of a PDF → its characters by pdfminer.six, which reads a font's own character map.

For pages that PDFium could not read: pdfminer finds the characters of some fonts without a ToUnicode
table, at a tenth of the speed. The only file that imports pdfminer.
"""

import logging
from collections.abc import Iterator
from io import BytesIO

from ingest.raw import NO_BOX, Box, PlacedLine, ReadPage

# What pdfminer writes for a glyph whose character it does not know, as "(cid:123)".
UNKNOWN_GLYPH = "(cid:"
UNKNOWN = "\ufffd"


class Miner:
    """One PDF file, parsed at the first page that is asked for."""

    def __init__(self, data: bytes, password: str = "") -> None:
        self._data = data
        self._password = password
        self._pages: list | None = None

    def read_page(self, index: int) -> ReadPage | None:
        """Page `index` (from 0); None where pdfminer cannot read it."""
        logging.getLogger("pdfminer").setLevel(logging.CRITICAL)  # it reports what it mends, per object
        try:
            if self._pages is None:
                self._pages = self._parse()
            return _read(self._pages[index]) if index < len(self._pages) else None
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - KeyError, TypeError and more on broken files; it is the second try
            self._pages = self._pages or []
            return None

    def _parse(self) -> list:
        from pdfminer.pdfdocument import PDFDocument
        from pdfminer.pdfpage import PDFPage
        from pdfminer.pdfparser import PDFParser

        # Whether text may be taken out is for the caller to have decided: pdfminer is only told how.
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
    """The lines in `item`, in reading order, each without the line end that pdfminer puts after it."""
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
    """Where the top left corner of the page that is seen lies, in pdfminer's upright coordinates.

    pdfminer turns the media box upright, its lower left corner at the origin; PDFium shows the crop
    box.
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
    """`box` cut evenly from left to right: a ligature is one glyph of several characters."""
    if count <= 1 or box == NO_BOX:
        return [box] * count
    x0, y0, x1, y1 = box
    step = (x1 - x0) / count
    return [(x0 + i * step, y0, x0 + (i + 1) * step, y1) for i in range(count)]
