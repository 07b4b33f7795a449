"""A span of a stored document → pictures of its pages, with the span marked."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from indexes.types import StoredDocument
from ingest.document import Page
from ingest.errors import UnreadableFile
from ingest.parse import IngestConfig, file_id
from ingest.pdf.ocr import find_tesseract
from ingest.raw import Box
from ingest.workers.jobs import Draw, Locate
from ingest.workers.pool import WorkerPool, drawing_pool
from rag.errors import NoPages, PageNotFound, SourceChanged, SourceMissing, SpanNotFound


@dataclass(frozen=True, slots=True)
class ShownPage:
    """A page as a picture. `boxes`: the marked areas, in points from the top left corner of the page."""

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
    limits: IngestConfig,
) -> Iterator[ShownPage]:
    """Pictures of the pages that hold the characters [start, end) of `document`, in order.

    The arguments are checked and the span is located before this returns; each picture is drawn when the iterator
    reaches it.

    Args:
        pages: all pages of the document.
        start, end: None for both shows `page` with nothing marked.
        page: a page number, from 1; only this page is shown, with the part of the span that is on it.
        scale: pixels per point.
        passwords: pairs of a path pattern and a password; see `passwords_for`.
        limits: for the child process that opens the file.

    Raises:
        NoPages, SpanNotFound, PageNotFound.
        SourceMissing: the file is gone. SourceChanged: it is not the one that was ingested.
        UnreadableFile: it cannot be opened, it needs a password, or it takes too much time or memory.
        ValueError: neither a whole span nor a page is given.
    """
    if (start is None) != (end is None) or (start is None and page is None):
        raise ValueError("show needs start and end, or page")
    if document.unit != "page":
        raise NoPages(path=document.path)
    wanted = _wanted(pages, start, end, page)
    path = _source(document)
    by_ocr = start is not None and any(pages[index].engine == "tesseract" for index in wanted)
    pool = drawing_pool(limits, tuple(passwords), len(wanted), find_tesseract() if by_ocr else None)
    pictures = _pictures(pool, path, pages, wanted, start, end, page, scale)
    next(pictures)  # the span is looked for now, and the pool ends with this iterator
    return cast("Iterator[ShownPage]", pictures)


def _pictures(
    pool: WorkerPool,
    path: str,
    pages: Sequence[Page],
    wanted: Sequence[int],
    start: int | None,
    end: int | None,
    page: int | None,
    scale: float,
) -> Iterator[ShownPage | None]:
    """Yields None once the span is located, then each page."""
    with pool:
        boxes: dict[int, tuple[Box, ...]] = {}
        if start is not None and end is not None:
            boxes = dict(pool.locate(Locate(path, tuple(pages), start, end)).boxes)
            if page is None:  # the last character of a span may be a line break, which is on no page
                wanted = sorted(boxes) or wanted
        yield None
        for index in wanted:
            marked = boxes.get(index, ())
            (drawn,) = pool.draw([Draw(path, index, marked, scale)])
            if isinstance(drawn, UnreadableFile):
                raise drawn
            yield ShownPage(pages[index].number, marked, drawn.data)


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


def _source(document: StoredDocument) -> str:
    """A path at which the ingested file still is, unchanged; the first such of the document's paths."""
    changed, missing = "", ("", "")
    for path in document.paths:
        try:
            identity = file_id(path)
        except OSError as exc:
            missing = missing if missing[0] else (path, exc.strerror or str(exc))
            continue
        if identity == document.document_id:
            return path
        changed = changed or path
    if changed:
        raise SourceChanged(path=changed)
    raise SourceMissing(path=missing[0] or document.title, detail=missing[1])
