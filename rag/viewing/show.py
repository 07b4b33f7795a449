"""A span of a stored document → pictures of the pages on which it stands, with the span marked."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from indexes.types import StoredDocument
from ingest.document import Page
from ingest.passwords import passwords_for
from ingest.pdf.ocr import find_tesseract
from ingest.pdf.places import page_image, span_boxes
from ingest.raw import Box
from rag.errors import NoPages, PageNotFound, SourceChanged, SourceMissing, SpanNotFound


@dataclass(frozen=True, slots=True)
class ShownPage:
    """A page as a picture. `boxes`: what is marked on it, in points from its top left corner."""

    number: int
    boxes: tuple[Box, ...]
    png: bytes


def show(
    document: StoredDocument,
    pages: Sequence[Page],
    start: int | None,
    end: int | None,
    page: int | None,
    scale: float,
    passwords: Iterable[tuple[str, str]],
) -> Iterator[ShownPage]:
    """The pages on which the characters [start, end) of `document` stand, in order.

    Everything is checked before this returns; each picture is made when it is asked for.

    Args:
        pages: of the document.
        start, end: both None: nothing is marked, and `page` is shown.
        page: a number; only this page is shown, with what of the span stands on it.
        scale: pixels for a point.
        passwords: pairs of a pattern and a password; see `passwords_for`.

    Raises:
        NoPages, SpanNotFound, PageNotFound.
        SourceMissing, SourceChanged: the file is not the one that was ingested.
        UnreadableFile: it cannot be opened, or only with a password.
        ValueError: neither a whole span nor a page is given.
    """
    if (start is None) != (end is None) or (start is None and page is None):
        raise ValueError("show needs start and end, or page")
    if document.unit != "page":
        raise NoPages(path=document.path)
    wanted = _wanted(pages, start, end, page)
    path, data = _source(document)
    given = passwords_for(str(path), passwords)
    boxes: dict[int, list[Box]] = {}
    if start is not None and end is not None:
        by_ocr = any(pages[index].engine == "tesseract" for index in wanted)
        tesseract = find_tesseract() if by_ocr else None
        boxes = span_boxes(path, data, given, pages, start, end, tesseract)
        if page is None:  # a span's last character may be a line break that stands on no page
            wanted = sorted(boxes) or wanted

    def pictures() -> Iterator[ShownPage]:
        for index in wanted:
            marked = tuple(boxes.get(index, ()))
            image = page_image(path, data, given, index, marked, scale).image
            yield ShownPage(pages[index].number, marked, _png(image))

    return pictures()


def _wanted(pages: Sequence[Page], start: int | None, end: int | None, page: int | None) -> list[int]:
    """Indices of the pages to show."""
    length = pages[-1].end if pages else 0
    found = range(len(pages))
    if start is not None and end is not None:
        if not 0 <= start < end <= length:
            raise SpanNotFound(start=start, end=end, length=length)
        found = [i for i, p in enumerate(pages) if max(p.start, start) < min(p.end, end)]
    if page is not None:
        if not 1 <= page <= len(pages):
            raise PageNotFound(page=page, pages=len(pages))
        found = [page - 1]
    return list(found)


def _source(document: StoredDocument) -> tuple[Path, bytes]:
    """The file that was ingested, and its bytes; any of the paths that led to it will do."""
    changed, missing = "", ("", "")
    for path in document.paths:
        try:
            data = Path(path).read_bytes()
        except OSError as exc:
            missing = missing if missing[0] else (path, exc.strerror or str(exc))
            continue
        if hashlib.sha256(data).hexdigest().startswith(document.id):
            return Path(path), data
        changed = changed or path
    if changed:
        raise SourceChanged(path=changed)
    raise SourceMissing(path=missing[0] or document.title, detail=missing[1])


def _png(image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
