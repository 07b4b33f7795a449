"""One PDF file → raw pages and their lines: pypdf for the structure (outline, labels), pypdfium2 for
the characters and where they stand.

Nothing here repairs text; see normalise.py.
"""

import ctypes
import logging
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from itertools import chain, pairwise
from pathlib import Path

import pypdfium2
from pypdfium2 import raw

from ingest.errors import UnreadableFile
from ingest.layout import page_lines
from ingest.legible import is_doubtful, judge_pages
from ingest.ocr import Tesseract
from ingest.raw import Box, OutlineEntry, RawFile, RawLine, RawPage
from ingest.reread import Rereader
from ingest.tables import Rule, Word

# A PDF header may stand anywhere in the first kilobyte (ISO 32000-1, Annex H, note 13).
HEADER_WINDOW = 1024
# PDFium's error numbers (fpdfview.h), which pypdfium2 keeps as `PdfiumError.err_code`.
PDFIUM_PASSWORD, PDFIUM_SECURITY = 4, 5
# Some files have control characters in place of spaces; U+FFFE is PDFium's hyphen at a line end.
WORD = re.compile("[^\\s\x00-\x1f\ufffe]+")
LINE_END = re.compile("\r\n?|\n|\ufffe(?![ \r\n])")

TEXT, PATH, IMAGE, SHADING, FORM = 1, 2, 3, 4, 5  # FPDF_PAGEOBJ_*
INVISIBLE = 3  # text render mode
WHITE = 250  # of 255, in each colour
SMALLEST = 2.0  # points; nobody reads smaller type
MAX_OBJECTS = 5_000  # more are a drawing: its rules make no tables
MAX_SEGMENTS = 150
RECTANGLE = 5  # segments: a move and four lines
THIN, SHORT = 3.0, 8.0  # points; a rule is thinner than the one and longer than the other
SIDEWAYS_WORD = 3  # characters, of a word that is wider than high if it stands upright
MAX_DEPTH = 5  # of forms within forms
# Invisible text over a picture of so much of the page is what a scanner's OCR read.
LAYER_PICTURE = 0.5
PICTURE = 0.1  # of the page: a smaller one is a logo
# Texts that are drawn and give no character, where there are fewer letters than a third of them: a
# font failed. At least 0.64 on a real page that has so many (one with dot leaders), 0.3 on such a page.
MUTE_TEXTS = 50
MUTE_SHARE = 0.5
MUTE_LETTERS = 0.35
# pypdf rewrites no larger file that PDFium refuses: it takes memory and seconds.
MAX_REWRITTEN_BYTES = 50 * 2**20
MAX_RETRIED = 20  # passwords: pypdf takes 35 ms for one of AES-256
IDENTITY = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


def read_pdf(
    path: Path, data: bytes, passwords: Sequence[str], max_pages: int, tesseract: Tesseract | None = None
) -> RawFile:
    """The pages, lines and outline of the PDF in `data`.

    A page that PDFium cannot read is read again by pdfminer, then by OCR.

    Args:
        path: for messages and the fallback title only.
        passwords: tried in order, after the empty one.
        max_pages: a longer file is refused.
        tesseract: None: no OCR.

    Raises:
        UnreadableFile: not_pdf, damaged, encrypted, unsupported or too_large.
    """
    if b"%PDF-" not in data[:HEADER_WINDOW]:
        raise UnreadableFile("not_pdf", str(path))
    pdf, data, password = open_pdf(path, data, passwords)
    try:
        count = _count_pages(pdf, data, password)
        if count > max_pages:
            raise UnreadableFile("too_large", str(path), f"{count:,} > {max_pages:,} pages")
        labels, outline, title = _structure(data, password, count)
        read = _read_pages(pdf, labels)
        read = _read_again(read, Rereader(pdf, data, password, tesseract))
    except pypdfium2.PdfiumError as exc:
        raise UnreadableFile("damaged", str(path), str(exc)) from exc
    finally:
        pdf.close()
    pages = tuple(one.page for one in read)
    return RawFile(title_of(path, title), pages, tuple(chain(*(one.lines for one in read))), tuple(outline))


@dataclass(frozen=True, slots=True)
class _Read:
    """A page and its lines; `mute`: text is drawn on it that gave no character."""

    page: RawPage
    lines: list[RawLine]
    mute: bool = False

    @property
    def text(self) -> str:
        return "".join(self.page.text[a:b] for line in self.lines for cell in line.cells for a, b in cell)


def _read_pages(pdf, labels: Sequence[str]) -> list[_Read]:
    read: list[_Read] = []
    tables = 0
    for index, label in enumerate(labels):
        read.append(_read_page(pdf, index, label, tables))
        tables = max([tables, *(line.table + 1 for line in read[-1].lines)])
    return read


def _read_again(read: Sequence[_Read], rereader: Rereader) -> list[_Read]:
    """The pages, those by another engine of which PDFium made no sense."""
    texts = [one.text for one in read]
    doubted = is_doubtful(texts)
    again = []
    for one, fault in zip(read, judge_pages(texts), strict=True):
        empty = fault == "empty" and not one.mute
        if fault == "garbled" or one.mute or (empty and one.page.drawn):
            one = _by_another_engine(one, rereader, drawn_only=empty, doubted=doubted)
        again.append(one)
    return again


def open_pdf(path: Path, data: bytes, passwords: Sequence[str]):
    """The open `pypdfium2.PdfDocument`, its bytes, and the password that opened it ("": none was needed).

    Where PDFium refuses the file, the bytes are those of pypdf's copy of it.

    Raises:
        UnreadableFile: damaged, encrypted or unsupported.
    """
    try:
        pdf, password = _open_pdfium(path, data, passwords)
        return pdf, data, password
    except UnreadableFile as failure:
        if failure.code not in ("damaged", "encrypted") or len(data) > MAX_REWRITTEN_BYTES:
            raise
        copy = _rewrite(data, passwords)
        if copy is None:
            raise
        try:
            return pypdfium2.PdfDocument(copy), copy, ""
        except pypdfium2.PdfiumError:
            raise failure from None


def _rewrite(data: bytes, passwords: Sequence[str]) -> bytes | None:
    """What pypdf makes of a file, without its lock; None where it cannot open it either."""
    from pypdf import PdfReader, PdfWriter

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = PdfReader(BytesIO(data), strict=False)
        if reader.is_encrypted and not _unlocks(reader, passwords):
            return None
        if not reader.pages:
            return None
        copy = BytesIO()
        PdfWriter(clone_from=reader).write(copy)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - pypdf raises many kinds on a broken file; PDFium's reason stands
        return None
    return copy.getvalue()


def _unlocks(reader, passwords: Sequence[str]) -> bool:
    """Whether one of the passwords fits, or none is needed; a forgotten owner's password is no key."""
    from pypdf import PasswordType

    if reader.decrypt("") == PasswordType.USER_PASSWORD:
        return True
    return any(reader.decrypt(password) for password in passwords[:MAX_RETRIED])


def _count_pages(pdf, data: bytes, password: str) -> int:
    """How many pages there are: a damaged file may claim more than it has.

    Pages at the end that PDFium cannot load are none, if pypdf, which walks the tree, finds fewer.
    """
    from pypdf import PdfReader

    def loads(index: int) -> bool:
        size = raw.FS_SIZEF()
        return bool(raw.FPDF_GetPageSizeByIndexF(pdf, index, size))

    claimed = len(pdf)
    if claimed <= 1 or loads(claimed - 1):
        return claimed
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    walked = 0
    try:
        pages = PdfReader(BytesIO(data), password=password or None).pages
        for _ in range(claimed):
            pages[walked]
            walked += 1
    except IndexError:  # pypdf's length of the list is the file's claim, too
        pass
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - as in _structure
        return claimed
    while claimed > max(1, walked) and not loads(claimed - 1):
        claimed -= 1
    return claimed


def _open_pdfium(path: Path, data: bytes, passwords: Sequence[str]):
    for password in (None, *passwords):
        try:
            return pypdfium2.PdfDocument(data, password=password), password or ""
        except pypdfium2.PdfiumError as exc:
            error = getattr(exc, "err_code", None)
            if error == PDFIUM_PASSWORD:
                continue
            if error == PDFIUM_SECURITY:
                raise UnreadableFile("unsupported", str(path), "an unknown encryption") from exc
            raise UnreadableFile("damaged", str(path), str(exc)) from exc
    raise UnreadableFile("encrypted", str(path))


def _read_page(pdf, index: int, label: str, first_table: int) -> _Read:
    try:
        page = pdf[index]
        textpage = page.get_textpage()
    except pypdfium2.PdfiumError:  # one page that cannot be loaded leaves the others readable
        return _Read(RawPage(index + 1, label, "", "none"), [])
    text = characters(textpage)
    frame = Frame.of(page)
    words = list(_words(textpage, text, frame))
    if turns := _sideways(words):
        frame = replace(frame, turns=(frame.turns + turns) % 4)
        words = list(_words(textpage, text, frame))
    survey = _survey(page, frame, has_words=bool(words))
    shown = _shown(textpage, words, survey, frame)
    engine = "pdfium"
    if survey.invisible and not shown and survey.picture_share(frame) >= LAYER_PICTURE:
        engine, shown = "layer", words
    hidden = sum(word.end - word.start for word in words) - sum(word.end - word.start for word in shown)
    lines = page_lines(index, text, shown, survey.across, survey.down, first_table) if shown else []
    mute = _is_mute(textpage, text, survey)
    textpage.close()
    page.close()
    # A page of nothing but its head and number is empty; one with a picture, or with objects that
    # gave no character, is not.
    drawn = survey.picture_share(frame) >= PICTURE or (survey.objects > 0 and not words)
    return _Read(RawPage(index + 1, label, text, engine, drawn=drawn, hidden=hidden), lines, mute)


def _is_mute(textpage, text: str, survey: "_Survey") -> bool:
    """Whether most texts on the page are drawn by a font of which no character is known.

    PDFium leaves such glyphs out, so that only the digits and points of another font remain.
    """
    texts = survey.texts
    if len(texts) < MUTE_TEXTS:
        return False
    letters = sum(map(str.isalpha, text))
    if letters >= MUTE_LETTERS * len(texts):
        return False
    get = raw.FPDFTextObj_GetText
    silent = sum(get(item, textpage, None, 0) <= 2 for item in texts)  # bytes: the closing NUL
    return silent >= MUTE_TEXTS and silent > MUTE_SHARE * len(texts) and letters < MUTE_LETTERS * silent


def _by_another_engine(one: _Read, rereader: Rereader, *, drawn_only: bool, doubted: bool) -> _Read:
    """The page by another engine; without a line where none makes sense of it."""
    index = one.page.number - 1
    found = rereader.read(index, drawn_only=drawn_only, doubted=doubted, mute=one.mute)
    if found is None:
        return _Read(replace(one.page, drawn=True), [])
    lines = [RawLine(index, (((line.start, line.end),),), line.box, line.size) for line in found.lines]
    page = replace(one.page, text=found.text, engine=found.engine, confidence=found.confidence)
    return _Read(page, lines)


def characters(textpage) -> str:
    """The characters of a page: the one at index i is PDFium's character i."""
    count = textpage.count_chars()
    text = textpage.get_text_range(errors="replace") if count > 0 else ""
    if len(text) == count:
        return text
    # Characters without a Unicode value are left out of the whole, but have an index (6 pages of 2,735).
    get = raw.FPDFText_GetUnicode
    return "".join(chr(code) if (code := get(textpage, i)) < 0x110000 else "\ufffd" for i in range(count))


@dataclass(frozen=True, slots=True)
class Frame:
    """How a page is shown: its box in the file's coordinates, and its rotation in quarter turns."""

    left: float
    bottom: float
    right: float
    top: float
    turns: int

    @classmethod
    def of(cls, page) -> "Frame":
        return cls(*page.get_bbox(), page.get_rotation() // 90 % 4)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height as shown, in points."""
        width, height = self.right - self.left, self.top - self.bottom
        return (height, width) if self.turns % 2 else (width, height)

    def show(self, left: float, bottom: float, right: float, top: float) -> Box:
        """A box of the file, whose y grows upwards, as left, top, right, bottom of the shown page."""
        if self.turns == 0:
            return left - self.left, self.top - top, right - self.left, self.top - bottom
        if self.turns == 1:
            return bottom - self.bottom, left - self.left, top - self.bottom, right - self.left
        if self.turns == 2:
            return self.right - right, bottom - self.bottom, self.right - left, top - self.bottom
        return self.top - top, self.right - right, self.top - bottom, self.right - left


def _words(textpage, text: str, frame: Frame) -> Iterator[Word]:
    """The words of a page with the box around their first and last character."""
    get = raw.FPDFText_GetLooseCharBox
    first, last = raw.FS_RECTF(), raw.FS_RECTF()
    by_first, by_last = ctypes.byref(first), ctypes.byref(last)
    start, line = 0, 0
    for stop in [match.start() for match in LINE_END.finditer(text)] + [len(text)]:
        for match in WORD.finditer(text, start, stop):
            begin, end = match.span()
            get(textpage, begin, by_first)
            left, bottom, right, top = first.left, first.bottom, first.right, first.top
            if end - begin > 1:  # conditions: min() and max() took a third of the time
                get(textpage, end - 1, by_last)
                left = last.left if last.left < left else left
                bottom = last.bottom if last.bottom < bottom else bottom
                right = last.right if last.right > right else right
                top = last.top if last.top > top else top
            yield Word(begin, end, *frame.show(left, bottom, right, top), line)
        start, line = stop + 1, line + 1


def _sideways(words: Sequence[Word]) -> int:
    """Quarter turns of the page by which most of its text, a wide table say, stands upright."""
    long = [word for word in words if word.end - word.start >= SIDEWAYS_WORD]
    upright = sum(word.right - word.left > word.bottom - word.top for word in long)
    steps = [pair for pair in pairwise(words) if pair[0].line == pair[1].line]
    if 2 * upright >= len(long):
        backwards = sum(after.right < before.left for before, after in steps)
        return 2 if 2 * backwards > len(steps) else 0
    downwards = sum(after.top > before.top for before, after in steps)
    return 3 if 2 * downwards > len(steps) else 1


# what is drawn on a page


@dataclass(slots=True)
class _Survey:
    texts_only: bool = False
    objects: int = 0
    across: list[Rule] = field(default_factory=list)
    down: list[Rule] = field(default_factory=list)
    pictures: list[Box] = field(default_factory=list)
    coloured: list[Box] = field(default_factory=list)  # areas on which white text can be read
    texts: list = field(default_factory=list)  # text objects, until the page is closed
    white: set[int] = field(default_factory=set)  # addresses of text objects
    invisible: set[int] = field(default_factory=set)

    def picture_share(self, frame: Frame) -> float:
        """The share of the page that its largest picture covers."""
        width, height = frame.size
        areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in self.pictures]
        return max(areas, default=0.0) / max(width * height, 1.0)


def _survey(page, frame: Frame, *, has_words: bool) -> _Survey:
    """What is drawn on a page; of one without a word, such as letters as outlines, its texts only."""
    survey = _Survey(texts_only=not has_words)
    _survey_objects(page, frame, survey, IDENTITY, 0)
    return survey


def _survey_objects(holder, frame: Frame, survey: _Survey, matrix, depth: int) -> None:
    count, get = (
        (raw.FPDFPage_CountObjects, raw.FPDFPage_GetObject)
        if depth == 0
        else (raw.FPDFFormObj_CountObjects, raw.FPDFFormObj_GetObject)
    )
    number = count(holder)
    survey.objects += max(0, number)
    for index in range(number):
        item = get(holder, index)
        kind = raw.FPDFPageObj_GetType(item)
        if kind == TEXT:
            _note_text(item, survey)
        elif kind == FORM and depth < MAX_DEPTH:
            _survey_objects(item, frame, survey, _times(_matrix(item), matrix), depth + 1)
        elif survey.texts_only or survey.objects > MAX_OBJECTS:
            continue
        elif box := _bounds(item, frame, matrix):
            if kind == PATH:
                _note_path(item, box, frame, survey, matrix)
            elif kind in (IMAGE, SHADING):
                survey.pictures.append(box)
                survey.coloured.append(box)


def _note_text(item, survey: _Survey) -> None:
    survey.texts.append(item)
    if raw.FPDFTextObj_GetTextRenderMode(item) == INVISIBLE:
        survey.invisible.add(ctypes.addressof(item.contents))
    elif _is_white(item):
        survey.white.add(ctypes.addressof(item.contents))


def _is_white(item) -> bool:
    """Whether an object is filled with white, or with nothing that can be seen."""
    red, green, blue, alpha = _COLOUR
    if not raw.FPDFPageObj_GetFillColor(item, *_COLOUR_REFERENCES):
        return False
    return alpha.value == 0 or (red.value >= WHITE and green.value >= WHITE and blue.value >= WHITE)


def _note_path(item, box: Box, frame: Frame, survey: _Survey, matrix) -> None:
    left, top, right, bottom = box
    if right - left < SHORT and bottom - top < SHORT:
        return  # a mark in a chart, a letter as an outline
    fill, stroke = _MODE
    raw.FPDFPath_GetDrawMode(item, *_MODE_REFERENCES)
    if not (fill.value or stroke.value):
        return
    if bottom - top <= THIN:
        if right - left >= SHORT:
            survey.across.append(Rule((top + bottom) / 2, left, right))
        return
    if right - left <= THIN:
        if bottom - top >= SHORT:
            survey.down.append(Rule((left + right) / 2, top, bottom))
        return
    coloured = bool(fill.value) and not _is_white(item)
    if coloured:
        survey.coloured.append(box)
    segments = raw.FPDFPath_CountSegments(item)
    if segments > MAX_SEGMENTS or not (stroke.value or coloured):
        return
    for (x0, y0), (x1, y1) in _sides(item, segments, _times(_matrix(item), matrix)):
        if abs(x1 - x0) > 1 and abs(y1 - y0) > 1:
            continue  # neither across nor down
        x0, y0, x1, y1 = frame.show(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
        if y1 - y0 <= 1 and x1 - x0 >= SHORT:
            survey.across.append(Rule((y0 + y1) / 2, x0, x1))
        elif x1 - x0 <= 1 and y1 - y0 >= SHORT:
            survey.down.append(Rule((x0 + x1) / 2, y0, y1))


def _sides(item, segments: int, matrix) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    """The straight pieces of a path, as pairs of points."""
    x, y = ctypes.c_float(), ctypes.c_float()
    begin = point = None
    for index in range(segments):
        segment = raw.FPDFPath_GetPathSegment(item, index)
        raw.FPDFPathSegment_GetPoint(segment, x, y)
        before, point = point, _apply(matrix, x.value, y.value)
        kind = raw.FPDFPathSegment_GetType(segment)
        if kind == raw.FPDF_SEGMENT_MOVETO:
            begin = point
        elif kind == raw.FPDF_SEGMENT_LINETO and before:
            yield before, point
        # Only the last piece of a rectangle closes it; those of longer paths are asked one by one.
        if (
            begin
            and (index == segments - 1 or segments > RECTANGLE)
            and raw.FPDFPathSegment_GetClose(segment)
        ):
            yield point, begin


# What PDFium writes its answers into, made once: a page has hundreds of objects.
_COLOUR = tuple(ctypes.c_uint() for _ in range(4))
_MODE = tuple(ctypes.c_int() for _ in range(2))
_BOUNDS = tuple(ctypes.c_float() for _ in range(4))
_COLOUR_REFERENCES, _MODE_REFERENCES, _BOUNDS_REFERENCES = (
    tuple(map(ctypes.byref, parts)) for parts in (_COLOUR, _MODE, _BOUNDS)
)


def _bounds(item, frame: Frame, matrix) -> Box | None:
    left, bottom, right, top = _BOUNDS
    if not raw.FPDFPageObj_GetBounds(item, *_BOUNDS_REFERENCES):
        return None
    box = left.value, bottom.value, right.value, top.value
    if matrix is not IDENTITY:
        (x0, y0), (x1, y1) = _apply(matrix, *box[:2]), _apply(matrix, *box[2:])
        box = min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
    return frame.show(*box)


def _matrix(item) -> tuple[float, ...]:
    found = raw.FS_MATRIX()
    if not raw.FPDFPageObj_GetMatrix(item, found):
        return IDENTITY
    return found.a, found.b, found.c, found.d, found.e, found.f


def _times(one, other) -> tuple[float, ...]:
    """First `one`, then `other`."""
    if other is IDENTITY:
        return one
    a, b, c, d, e, f = one
    g, h, i, j, k, m = other
    return a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m


def _apply(matrix, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


# hidden text


def _shown(textpage, words: Sequence[Word], survey: _Survey, frame: Frame) -> list[Word]:
    """The words that a person sees: on the page, large enough, and in ink."""
    width, height = frame.size
    shown = [
        word
        for word in words
        if word.right > 0
        and word.bottom > 0
        and word.left < width
        and word.top < height
        and (word.bottom - word.top >= SMALLEST or word.right - word.left >= 2 * SMALLEST)
    ]
    if not (survey.white or survey.invisible):
        return shown
    return [word for word in shown if not _is_hidden(textpage, word, survey)]


def _is_hidden(textpage, word: Word, survey: _Survey) -> bool:
    for index in {word.start, word.end - 1}:
        item = raw.FPDFText_GetTextObject(textpage, index)
        if not item:
            continue
        address = ctypes.addressof(item.contents)
        if address in survey.invisible:
            return True
        if address in survey.white and not _lies_on_colour(word, survey.coloured):
            return True
    return False


def _lies_on_colour(word: Word, coloured: Sequence[Box]) -> bool:
    x, y = (word.left + word.right) / 2, (word.top + word.bottom) / 2
    return any(left <= x <= right and top <= y <= bottom for left, top, right, bottom in coloured)


# structure and title


def _structure(data: bytes, password: str, page_count: int) -> tuple[list[str], list[OutlineEntry], str]:
    """Labels, outline and title by pypdf; plain numbers and nothing where it cannot read them."""
    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it reports what it mends, per object
    labels = [str(number) for number in range(1, page_count + 1)]
    try:
        reader = PdfReader(BytesIO(data), password=password or None)
        if len(reader.pages) != page_count:
            return labels, [], ""
        if "/PageLabels" in reader.trailer["/Root"]:
            labels = [_one_line(str(label)) for label in reader.page_labels]
        title = str(reader.metadata.title or "") if reader.metadata else ""
        return labels, list(_walk_outline(reader, reader.outline, 1)), title
    except MemoryError:
        raise
    except RecursionError:
        return labels, [], ""
    except Exception:  # noqa: BLE001 - pypdf raises many kinds on a broken file; the text stands alone
        return [str(number) for number in range(1, page_count + 1)], [], ""


def _walk_outline(reader, entries, level: int) -> Iterator[OutlineEntry]:
    for entry in entries:
        if isinstance(entry, list):
            yield from _walk_outline(reader, entry, level + 1)
            continue
        page = reader.get_destination_page_number(entry)
        if page is not None and page >= 0 and entry.title:
            yield OutlineEntry(level, _one_line(str(entry.title)), page + 1)


def title_of(path: Path, metadata_title: str) -> str:
    """The file's name: metadata titles of office software are mostly wrong («제목 없음», a template's).

    Used only where the name says nothing, as in `1234.pdf`. Names are often NFD (macOS), and CP949
    where a Korean Windows archive was unpacked.
    """
    stem = unicodedata.normalize("NFC", _readable(path.stem)).replace("_", " ").strip()
    metadata_title = _one_line(metadata_title)
    named = re.search(r"[^\W\d_]{2,}", stem)
    return stem if named or not metadata_title else metadata_title


def _readable(name: str) -> str:
    """`name` without lone surrogates, which stand for bytes that are not UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("cp949", "replace")
    return name


def _one_line(text: str) -> str:
    clean = "".join(char if char.isprintable() else " " for char in text)
    return unicodedata.normalize("NFC", " ".join(clean.split()))
