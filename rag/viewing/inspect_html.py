"""The reading of one file → one self-contained HTML page.

On the left is each page as printed, with the boxes of its lines; on the right is the text that was read from it.
Everything that comes from the file is escaped.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ingest.errors import UnreadableFile
from ingest.parse import IngestConfig, Reading
from ingest.passwords import with_patterns
from ingest.raw import NO_BOX, Box
from ingest.workers.jobs import Draw, Picture
from ingest.workers.pool import drawing_pool
from rag.html.render import render
from rag.language import say_in
from rag.viewing.inspect import (
    KINDS,
    Piece,
    chunk_title,
    continued,
    page_title,
    pieces,
    removed_lines,
    styled,
    summary,
)

# Unless pages are picked, the first 60 have a picture; one takes some 100 kB.
PICTURES = 60
SCALE = 1.3  # pixels per point
SECONDS = 30.0  # the most that one picture may take


def draw_pages(
    reading: Reading,
    passwords: Sequence[str | tuple[str, str]],
    wanted: Sequence[int],
    limits: IngestConfig,
) -> dict[int, Picture]:
    """Pictures by page index, for the indices `wanted`; without pages that cannot be drawn.

    Empty for a format without pages.
    """
    if reading.document.unit != "page":
        return {}
    limits = replace(limits, timeout_seconds=min(limits.timeout_seconds, SECONDS))
    jobs = [Draw(reading.path, index, scale=SCALE, form="smaller") for index in wanted]
    with drawing_pool(limits, with_patterns(passwords), len(jobs)) as pool:
        drawn = zip(wanted, pool.draw(jobs), strict=True)
        return {index: picture for index, picture in drawn if not isinstance(picture, UnreadableFile)}


def html_report(
    reading: Reading, pictures: Mapping[int, Picture], wanted: Sequence[int], language: str
) -> str:
    """The report on the pages at the indices `wanted`, as an HTML page."""
    by_page, removed = pieces(reading), removed_lines(reading)
    boxes = _boxes(reading, by_page)
    return render(
        "inspect",
        language=language,
        title=reading.document.title,
        summary=summary(reading, language),
        kinds={kind: say_in(language, *names) for kind, names in KINDS.items()},
        no_picture=say_in(language, "그림 없음", "no picture"),
        pages=[
            {
                "number": reading.document.pages[index].number,
                "readable": reading.document.pages[index].readable,
                "title": page_title(reading.document.pages[index], reading.document.unit, language),
                "drawable": reading.document.unit == "page",
                "picture": _sheet(pictures[index], boxes.get(index, [])) if index in pictures else None,
                "above": [line.text for line in removed.get(index, ([], []))[0]],
                "below": [line.text for line in removed.get(index, ([], []))[1]],
                "note": _note(reading, by_page[index], language),
                "pieces": [_shown_piece(reading, piece, language) for piece in by_page[index]],
            }
            for index in wanted
        ],
    )


def _note(reading: Reading, found: Sequence[Piece], language: str) -> str:
    """The note above a page that begins inside a chunk; empty for other pages."""
    return continued(reading, found[0].start, language) if found and found[0].begins < 0 else ""


def _shown_piece(reading: Reading, piece: Piece, language: str) -> dict[str, object]:
    """A piece as the template reads it; `chunk` is the border above the first piece of a chunk."""
    line = reading.lines[piece.line]
    first = piece.start == line.start
    border = None
    if piece.begins >= 0:
        border = {
            "number": piece.begins + 1,
            "title": chunk_title(reading, piece.begins, language),
            "context": reading.chunks[piece.begins].context,
        }
    return {
        "chunk": border,
        "id": f"l{piece.line}" if first else "",
        "kind": piece.kind,
        "joined": first and not line.first,
        "words": list(styled(reading.document.text[piece.start : piece.end], piece.kind)),
    }


def _boxes(
    reading: Reading, by_page: Sequence[Sequence[Piece]]
) -> dict[int, list[tuple[str, str, Box, str]]]:
    """By page index: (kind, link target, box, text) of each line on the page."""
    kinds: dict[int, str] = {}
    for page in by_page:
        for piece in page:
            kinds.setdefault(piece.line, piece.kind)
    found: dict[int, list[tuple[str, str, Box, str]]] = {}
    for number, line in enumerate(reading.lines):
        text = reading.document.text[line.start : line.end]
        found.setdefault(line.page, []).append((kinds.get(number, line.kind), f"#l{number}", line.box, text))
    for removed in reading.removed:
        number = reading.document.pages[removed.page].number
        found.setdefault(removed.page, []).append(("removed", f"#p{number}", removed.box, removed.text))
    return found


def _sheet(picture: Picture, boxes: Sequence[tuple[str, str, Box, str]]) -> dict[str, object]:
    """The picture of a page, and the boxes over it, positioned in percent of its size."""
    overlays = []
    for kind, target, box, text in boxes:
        if box == NO_BOX:
            continue
        left, top, right, bottom = box
        shares = (
            ("left", left / picture.width),
            ("top", top / picture.height),
            ("width", (right - left) / picture.width),
            ("height", (bottom - top) / picture.height),
        )
        place = ";".join(f"{name}:{100 * share:.2f}%" for name, share in shares)
        overlays.append({"kind": kind, "target": target, "place": place, "text": text})
    uri = f"data:image/{picture.kind};base64,{b64encode(picture.data).decode('ascii')}"
    return {"uri": uri, "boxes": overlays}
