"""One PDF file → raw pages and their lines.

pypdfium2 gives the characters and their places, pypdf the structure (outline, page labels, title).
Nothing here repairs text; see ingest/repair.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import chain
from pathlib import Path

import numpy as np
import pypdfium2
from numpy.typing import NDArray
from pypdfium2 import raw

from ingest.errors import UnreadableFile
from ingest.korean.legible import GARBLED_SHARE, LEADERS, PARTLY_SHARE, Fault, is_doubtful, judge_pages
from ingest.pdf import pdfium
from ingest.pdf.drawn import shown_words, survey_page
from ingest.pdf.glyphs import NOTHING_DRAWN, Drawn, Fonts
from ingest.pdf.layout import page_lines
from ingest.pdf.ocr import Tesseract
from ingest.pdf.pdfium import Frame
from ingest.pdf.reread import Rereader
from ingest.pdf.tables import Word
from ingest.raw import OutlineEntry, RawFile, RawLine, RawPage
from ingest.titles import one_line, title_of

# A PDF header may stand anywhere in the first kilobyte (ISO 32000-1, Annex H, note 13).
HEADER_WINDOW = 1024
# PDFium's error numbers (fpdfview.h), which pypdfium2 keeps as `PdfiumError.err_code`.
PDFIUM_PASSWORD, PDFIUM_SECURITY = 4, 5
# Words, as group 1, and line ends. Some files have control characters in place of spaces; U+FFFE is PDFium's
# mark of a hyphen at a line end.
TOKEN = re.compile("([^\\s\x00-\x1f\ufffe]+)|\r\n?|\n|\ufffe(?![ \r\n])")

SIDEWAYS_WORD = 3  # characters; a word of this length or more is wider than high when it stands upright
# Invisible text over a picture that covers at least this share of the page is what a scanner's OCR read.
LAYER_PICTURE = 0.5
PICTURE = 0.1  # of the page; a smaller picture is a logo
# The font of a page failed if at least MUTE_TEXTS text objects, and more than MUTE_SHARE of all that are not
# leader dots, are drawn but yield no character, and the page has fewer than MUTE_LETTERS letters for each of
# them. Real pages with that many text objects have at least 0.62 letters for each, pages whose font failed 0.3.
MUTE_TEXTS = 40
MUTE_SHARE = 0.4
MUTE_LETTERS = 0.35
# pypdf rewrites a file that PDFium refuses only up to this size, because it takes memory and seconds.
MAX_REWRITTEN_BYTES = 50 * 2**20
MAX_RETRIED = 20  # passwords that pypdf tries; it takes 35 ms for each with AES-256


def read_pdf(
    path: Path, data: bytes, passwords: Sequence[str], max_pages: int, tesseract: Tesseract | None = None
) -> RawFile:
    """The pages, lines and outline of the PDF in `data`.

    A page that PDFium cannot read is read again by pdfminer, then by OCR.

    Args:
        path: used only in messages, and for the title of a file that names none.
        passwords: tried in order, after the empty one.
        max_pages: a longer file is refused.
        tesseract: None turns OCR off.

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
        fonts = Fonts()
        read = _read_pages(pdf, labels, fonts)
        read = _read_again(read, fonts, Rereader(pdf, data, password, tesseract))
    except pypdfium2.PdfiumError as exc:
        raise UnreadableFile("damaged", str(path), str(exc)) from exc
    finally:
        pdf.close()
    pages = tuple(one.page for one in read)
    return RawFile(title_of(path, title), pages, tuple(chain(*(one.lines for one in read))), tuple(outline))


@dataclass(frozen=True, slots=True)
class _Read:
    """A page and its lines.

    `mute`: text is drawn on it that yielded no character. `drawn`: which fonts draw its characters.
    """

    page: RawPage
    lines: list[RawLine]
    mute: bool = False
    drawn: Drawn = NOTHING_DRAWN

    @property
    def text(self) -> str:
        return "".join(self.page.text[a:b] for line in self.lines for cell in line.cells for a, b in cell)


def _read_pages(pdf, labels: Sequence[str], fonts: Fonts) -> list[_Read]:
    read: list[_Read] = []
    tables = 0
    for index, label in enumerate(labels):
        read.append(_read_page(pdf, index, label, tables, fonts))
        tables = max([tables, *(line.table + 1 for line in read[-1].lines)])
    return read


def _read_again(read: Sequence[_Read], fonts: Fonts, rereader: Rereader) -> list[_Read]:
    """The pages, with those that PDFium could not make sense of read by another engine."""
    texts = [one.text for one in read]
    faults, doubted, misread = judge_pages(texts), is_doubtful(texts), fonts.misread()
    again = []
    for one, fault, garbled in zip(read, faults, _are_garbled(read, faults, misread), strict=True):
        empty = fault == "empty" and not one.mute
        if garbled or one.mute or (empty and one.page.drawn):
            # A wrong ToUnicode table misleads pdfminer, too, so only OCR can help.
            wrong = one.drawn.share(misread) > GARBLED_SHARE
            one = _by_another_engine(one, rereader, only_ocr=empty or wrong, doubted=doubted)
        again.append(one)
    return again


def _are_garbled(read: Sequence[_Read], faults: Sequence[Fault], misread: set[int]) -> list[bool]:
    """For each page, whether its text is garbled, judged by its words, its glyphs and the file's other pages."""
    shares = [max(one.drawn.share(misread), one.drawn.unmapped) for one in read]
    garbled = [
        fault == "garbled" or share > GARBLED_SHARE for fault, share in zip(faults, shares, strict=True)
    ]
    if 2 * sum(garbled) <= sum(fault != "empty" for fault in faults):
        return garbled
    # If most pages of a file are garbled, then a partly garbled page is garbled whole: its words are chance.
    parts = [fault == "partly" or share > PARTLY_SHARE for fault, share in zip(faults, shares, strict=True)]
    return [whole or part for whole, part in zip(garbled, parts, strict=True)]


def open_pdf(path: Path, data: bytes, passwords: Sequence[str]):
    """The open `pypdfium2.PdfDocument`, its bytes, and the password that opened it, "" if none was needed.

    If PDFium refuses the file, the document and the bytes are those of a copy that pypdf writes.

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


def load_pypdf():
    """pypdf. It takes time to load: wait until a file needs it, or load it to be shared."""
    import pypdf

    return pypdf


def _rewrite(data: bytes, passwords: Sequence[str]) -> bytes | None:
    """The bytes of an unencrypted copy of the file by pypdf; None if pypdf cannot open it either."""
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = load_pypdf().PdfReader(BytesIO(data), strict=False)
        if reader.is_encrypted and not _unlocks(reader, passwords):
            return None
        if not reader.pages:
            return None
        copy = BytesIO()
        load_pypdf().PdfWriter(clone_from=reader).write(copy)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - pypdf raises many kinds on a broken file; PDFium's reason stands
        return None
    return copy.getvalue()


def _unlocks(reader, passwords: Sequence[str]) -> bool:
    """Whether the empty password opens the file as a user's password, or one of `passwords` opens it.

    An owner's password that happens to be empty does not count.
    """
    if reader.decrypt("") == load_pypdf().PasswordType.USER_PASSWORD:
        return True
    return any(reader.decrypt(password) for password in passwords[:MAX_RETRIED])


def _count_pages(pdf, data: bytes, password: str) -> int:
    """The number of pages. A damaged file may claim more pages than it has.

    Pages at the end that PDFium cannot load do not count if pypdf, which walks the page tree, finds fewer.
    """

    def loads(index: int) -> bool:
        size = raw.FS_SIZEF()
        return bool(raw.FPDF_GetPageSizeByIndexF(pdf, index, size))

    claimed = len(pdf)
    if claimed <= 1 or loads(claimed - 1):
        return claimed
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    walked = 0
    try:
        pages = load_pypdf().PdfReader(BytesIO(data), password=password or None).pages
        for _ in range(claimed):
            pages[walked]
            walked += 1
    except IndexError:  # the end of the tree; len(pages) would repeat the file's claim
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


def _read_page(pdf, index: int, label: str, first_table: int, fonts: Fonts) -> _Read:
    try:
        page = pdf[index]
        textpage = page.get_textpage()
    except pypdfium2.PdfiumError:  # the other pages may still be readable
        return _Read(RawPage(index + 1, label, "", "none"), [])
    text = characters(textpage)
    handle = pdfium.handle_of(textpage)
    starts, ends, numbers = _words(text)
    placed = _word_boxes(handle, starts, ends)
    frame = Frame.of(page)
    boxes = np.stack(frame.show(*placed))
    if turns := _sideways(boxes, ends - starts, numbers):
        frame = replace(frame, turns=(frame.turns + turns) % 4)
        boxes = np.stack(frame.show(*placed))
    survey = survey_page(page, frame, texts_only=not len(starts))
    shown = shown_words(handle, starts, ends, boxes.T, survey, frame)
    engine = "pdfium"
    if survey.invisible and not shown.any() and survey.picture_share(frame) >= LAYER_PICTURE:
        engine, shown = "layer", np.ones(len(starts), bool)
    hidden = int((ends - starts)[~shown].sum())
    columns = (column[shown].tolist() for column in (starts, ends, *boxes, numbers))
    words = list(map(Word, *columns))
    lines = page_lines(index, text, words, survey.across, survey.down, first_table) if words else []
    mute = _is_mute(handle, text, survey.texts)
    drawn_with = fonts.note(handle, text, survey.invisible)
    textpage.close()
    page.close()
    # A page with only a running head and a number counts as empty; not so one with a picture, or one whose
    # objects yield no word.
    drawn = survey.picture_share(frame) >= PICTURE or (survey.objects > 0 and not len(starts))
    return _Read(RawPage(index + 1, label, text, engine, drawn=drawn, hidden=hidden), lines, mute, drawn_with)


def _is_mute(textpage: pdfium.Handle, text: str, texts: Sequence[pdfium.Handle]) -> bool:
    """Whether most text objects of the page are drawn in a font whose characters are unknown.

    PDFium leaves such glyphs out, so only the digits and dots of other fonts remain.
    """
    if len(texts) < MUTE_TEXTS:
        return False
    letters = sum(map(str.isalpha, text))
    if letters >= MUTE_LETTERS * len(texts):
        return False
    silent = int((pdfium.text_lengths(texts, textpage) <= 0).sum())
    leaders = sum(map(text.count, LEADERS))  # on a contents page each dot may be a text object
    others = max(silent, len(texts) - leaders)
    return silent >= MUTE_TEXTS and silent > MUTE_SHARE * others and letters < MUTE_LETTERS * silent


def _by_another_engine(one: _Read, rereader: Rereader, *, only_ocr: bool, doubted: bool) -> _Read:
    """The page as another engine reads it; without lines if no engine makes sense of it."""
    index = one.page.number - 1
    found = rereader.read(index, only_ocr=only_ocr, doubted=doubted, mute=one.mute)
    if found is None:
        return _Read(replace(one.page, drawn=True), [])
    lines = [RawLine(index, (((line.start, line.end),),), line.box, line.size) for line in found.lines]
    page = replace(one.page, text=found.text, engine=found.engine, confidence=found.confidence)
    return _Read(page, lines)


def characters(textpage) -> str:
    """The characters of a text page of pypdfium2; the one at index i is PDFium's character i."""
    count = textpage.count_chars()
    text = textpage.get_text_range(errors="replace") if count > 0 else ""
    if len(text) == count:
        return text
    # The range leaves out characters without a Unicode value, though they have an index (6 pages of 2,735).
    get = raw.FPDFText_GetUnicode
    return "".join(chr(code) if (code := get(textpage, i)) < 0x110000 else "\ufffd" for i in range(count))


def _words(text: str) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(N,) each: where a word begins in `text`, where it ends, and the number of its line, from 0."""
    spans, lines = [], []
    line = 0
    for match in TOKEN.finditer(text):
        if match.lastindex:
            spans.append(match.span())
            lines.append(line)
        else:
            line += 1
    starts, ends = np.array(spans, np.int64).reshape(-1, 2).T
    return starts, ends, np.array(lines, np.int64)


def _word_boxes(textpage: pdfium.Handle, starts, ends) -> NDArray[np.float64]:
    """(4, N): left, bottom, right, top of the box around the first and the last character of each word."""
    first, last = pdfium.char_boxes(textpage, starts).T, pdfium.char_boxes(textpage, ends - 1).T
    # A word may turn up the page: its left side is not always its first character's.
    return np.concatenate([np.minimum(first, last)[:2], np.maximum(first, last)[2:]])


def _sideways(boxes: NDArray[np.float64], lengths: NDArray[np.int64], lines: NDArray[np.int64]) -> int:
    """The clockwise quarter turns, 0 to 3, that set most text of the page upright, such as a wide table.

    Args:
        boxes: (4, N), of the words as the page is shown.
        lengths: (N,), of the words in characters.
        lines: (N,), the line of each word.
    """
    left, top, right, bottom = boxes
    long = lengths >= SIDEWAYS_WORD
    upright = (right - left > bottom - top)[long].sum()
    steps = lines[1:] == lines[:-1]
    if 2 * upright >= long.sum():
        backwards = (right[1:] < left[:-1])[steps].sum()
        return 2 if 2 * backwards > steps.sum() else 0
    downwards = (top[1:] > top[:-1])[steps].sum()
    return 3 if 2 * downwards > steps.sum() else 1


# structure


def _structure(data: bytes, password: str, page_count: int) -> tuple[list[str], list[OutlineEntry], str]:
    """Page labels, outline and title, by pypdf. What it cannot read is replaced by plain numbers and nothing."""
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it logs each object that it mends
    labels = [str(number) for number in range(1, page_count + 1)]
    try:
        reader = load_pypdf().PdfReader(BytesIO(data), password=password or None)
        title = str(reader.metadata.title or "") if reader.metadata else ""
        root = reader.trailer["/Root"]
        if not ("/PageLabels" in root or "/Outlines" in root):
            return labels, [], title  # without walking the pages, which is a third of pypdf's time
        if len(reader.pages) != page_count:
            return labels, [], ""
        if "/PageLabels" in root:
            labels = [one_line(str(label)) for label in reader.page_labels]
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
            yield OutlineEntry(level, one_line(str(entry.title)), page + 1)
