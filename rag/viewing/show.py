"""A span of a stored document → pictures of the pages on which it stands, with the span marked."""

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
    limits: IngestConfig,
) -> Iterator[ShownPage]:
    """The pages on which the characters [start, end) of `document` stand, in order.

    Everything is checked before this returns; each picture is made when it is asked for.

    Args:
        pages: of the document.
        start, end: both None: nothing is marked, and `page` is shown.
        page: a number; only this page is shown, with what of the span stands on it.
        scale: pixels for a point.
        passwords: pairs of a pattern and a password; see `passwords_for`.
        limits: of each look at the file, which a child process takes.

    Raises:
        NoPages, SpanNotFound, PageNotFound.
        SourceMissing, SourceChanged: the file is not the one that was ingested.
        UnreadableFile: it cannot be opened, or only with a password; it takes too much time or memory.
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
    """None once the span is found, then each page."""
    with pool:
        boxes: dict[int, tuple[Box, ...]] = {}
        if start is not None and end is not None:
            boxes = dict(pool.locate(Locate(path, tuple(pages), start, end)).boxes)
            if page is None:  # a span's last character may be a line break that stands on no page
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
    """The path of the file that was ingested; any of the paths that led to it will do."""
    changed, missing = "", ("", "")
    for path in document.paths:
        try:
            identity = file_id(path)
        except OSError as exc:
            missing = missing if missing[0] else (path, exc.strerror or str(exc))
            continue
        if identity == document.id:
            return path
        changed = changed or path
    if changed:
        raise SourceChanged(path=changed)
    raise SourceMissing(path=missing[0] or document.title, detail=missing[1])
