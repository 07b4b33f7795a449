"""The bytes of a file of any supported format → its raw pages.

The content decides the format; the name only where the content does not.
"""

from collections.abc import Sequence
from pathlib import Path

from ingest.errors import UnreadableFile
from ingest.pdf.ocr import Tesseract
from ingest.pdf.read import HEADER_WINDOW, read_pdf
from ingest.raw import RawFile
from ingest.readers.archive import Archive
from ingest.readers.docx import read_docx
from ingest.readers.hwpx import MIMETYPE, SECTION, read_hwpx
from ingest.readers.plain import read_plain

# The endings of the files that are taken from a folder.
PACKED_ENDINGS = (".hwpx", ".docx")
TEXT_ENDINGS = (".txt", ".md", ".markdown")
ENDINGS = (".pdf", *PACKED_ENDINGS, *TEXT_ENDINGS)

PDF_MARK = b"%PDF-"
ZIP_MARKS = (b"PK\x03\x04", b"PK\x05\x06")
# An OLE file is an HWP 5 or Word 97 file, or wraps an encrypted DOCX; a name inside it tells which.
OLE_MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
HWP5_MARK, HWP3_MARK = b"HWP Document File", b"HWP Document File V3"
ENCRYPTED_MARK = "EncryptedPackage".encode("utf-16-le")


def read_file(
    path: Path, data: bytes, passwords: Sequence[str], max_pages: int, tesseract: Tesseract | None = None
) -> RawFile:
    """The pages of the file in `data`, or its sections if its format has no pages.

    Args:
        path: used in messages, for the title, and for the format if the bytes do not tell it.
        passwords: for PDFs; tried in order, after the empty one.
        max_pages: a file with more pages or sections is refused.
        tesseract: reads pages of PDFs that no other engine can read; None turns OCR off.

    Raises:
        UnreadableFile: not_pdf, damaged, encrypted, unsupported or too_large.
    """
    ending = path.suffix.lower()
    if data.startswith(ZIP_MARKS):
        return _read_zip(path, data, max_pages)
    if data.startswith((OLE_MARK, HWP3_MARK)):
        raise _office_failure(path, data)
    if ending in TEXT_ENDINGS and not data.startswith(PDF_MARK):
        return read_plain(path, data, max_pages)
    if ending in PACKED_ENDINGS and PDF_MARK not in data[:HEADER_WINDOW]:
        raise UnreadableFile("damaged", str(path), f"no {ending[1:].upper()}: it is no zip archive")
    return read_pdf(path, data, passwords, max_pages, tesseract)


def _read_zip(path: Path, data: bytes, max_pages: int) -> RawFile:
    archive = Archive(str(path), data)
    if any(SECTION.fullmatch(name) for name in archive.names) or _says_hwpx(archive):
        return read_hwpx(path, data, max_pages)
    if any(name.startswith("word/") for name in archive.names):
        return read_docx(path, data, max_pages)
    if path.suffix.lower() in PACKED_ENDINGS:
        raise UnreadableFile("damaged", str(path), "its main part is missing")
    raise UnreadableFile("unsupported", str(path), "a zip archive other than HWPX and DOCX")


def _says_hwpx(archive: Archive) -> bool:
    return "mimetype" in archive.names and archive.part("mimetype").startswith(MIMETYPE)


def _office_failure(path: Path, data: bytes) -> UnreadableFile:
    """The error that tells why an OLE or HWP 3 file is not read."""
    if ENCRYPTED_MARK in data:
        return UnreadableFile("encrypted", str(path))
    if HWP5_MARK in data or path.suffix.lower() == ".hwp":
        version = 3 if data.startswith(HWP3_MARK) else 5
        return UnreadableFile("unsupported", str(path), f"HWP {version} (.hwp)")
    if path.suffix.lower() == ".docx":
        return UnreadableFile("encrypted", str(path))
    return UnreadableFile("unsupported", str(path), "an OLE file (.doc, .xls, .ppt)")
