"""One PDF file → raw pages: pypdf for the structure (outline, labels), pypdfium2 for the text.

Nothing here repairs text; see normalise.py.
"""

import logging
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from ingest.errors import UnreadableFile

# A PDF header may stand anywhere in the first kilobyte (ISO 32000-1, Annex H, note 13).
HEADER_WINDOW = 1024
# PDFium's error numbers (fpdfview.h), which pypdfium2 keeps as `PdfiumError.err_code`.
PDFIUM_PASSWORD, PDFIUM_SECURITY = 4, 5


@dataclass(frozen=True, slots=True)
class RawPage:
    """The text of one page as the file gives it, lines ending in `\\r\\n`."""

    number: int
    label: str
    text: str
    objects: int  # things drawn on the page: text, images, paths


@dataclass(frozen=True, slots=True)
class OutlineEntry:
    """One bookmark; level 1 is the outermost, `page` counts from 1."""

    level: int
    title: str
    page: int


@dataclass(frozen=True, slots=True)
class RawPdf:
    """Everything read from one file, before any repair."""

    title: str
    pages: tuple[RawPage, ...]
    outline: tuple[OutlineEntry, ...]


def read_pdf(path: Path, data: bytes, passwords: Sequence[str], max_pages: int) -> RawPdf:
    """The pages, labels and outline of the PDF in `data`.

    Args:
        path: for messages and the fallback title only.
        passwords: tried in order, after the empty one.
        max_pages: a longer file is refused.

    Raises:
        UnreadableFile: not_pdf, damaged, encrypted, unsupported or too_large.
    """
    import pypdfium2

    if b"%PDF-" not in data[:HEADER_WINDOW]:
        raise UnreadableFile("not_pdf", str(path))
    pdf, password = _open_pdfium(path, data, passwords)
    try:
        if len(pdf) > max_pages:
            raise UnreadableFile("too_large", str(path), f"{len(pdf):,} > {max_pages:,} pages")
        labels, outline, title = _structure(data, password, len(pdf))
        pages = tuple(_read_pages(pdf, labels))
    except pypdfium2.PdfiumError as exc:
        raise UnreadableFile("damaged", str(path), str(exc)) from exc
    finally:
        pdf.close()
    return RawPdf(title_of(path, title), pages, tuple(outline))


def _open_pdfium(path: Path, data: bytes, passwords: Sequence[str]):
    import pypdfium2

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


def _read_pages(pdf, labels: Sequence[str]) -> Iterator[RawPage]:
    import pypdfium2

    for index in range(len(pdf)):
        try:
            page = pdf[index]
            textpage = page.get_textpage()
        except pypdfium2.PdfiumError:  # one page that cannot be loaded leaves the others readable
            yield RawPage(index + 1, labels[index], "", 1)
            continue
        text = textpage.get_text_range(errors="replace") if textpage.count_chars() else ""
        objects = pypdfium2.raw.FPDFPage_CountObjects(page)
        textpage.close()
        page.close()
        yield RawPage(index + 1, labels[index], text, objects)


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
