"""What was read from one file → one HTML page that needs nothing from anywhere else.

On the left each page as it is printed, with the boxes of its lines; on the right what became of it.
Everything that comes from the file is escaped: a document is data.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape

from ingest.errors import UnreadableFile
from ingest.parse import IngestConfig, Reading
from ingest.passwords import with_patterns
from ingest.raw import NO_BOX, Box
from ingest.repair.normalise import Removed
from ingest.workers.jobs import Draw, Picture
from ingest.workers.pool import drawing_pool
from rag.viewing.inspect import (
    KINDS,
    Piece,
    chunk_title,
    continued,
    page_title,
    pieces,
    removed_lines,
    say,
    styled,
    summary,
)

# Pages with a picture, where none are picked: each takes some 100 kB.
PICTURES = 60
SCALE = 1.3  # pixels for a point
SECONDS = 30.0  # at most for one picture

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1d1d1f;--dim:#6e6e73;--line:#d2d2d7;--soft:#f5f5f7;
--text:#0066cc;--heading:#b8336a;--header:#00695c;--row:#2e7d32;--contents:#8a6d00;--removed:#c62828;
--chunk:#7b1fa2}
@media(prefers-color-scheme:dark){:root{--bg:#161618;--fg:#e8e8ed;--dim:#98989d;--line:#3a3a3c;--soft:#222225;
--text:#6cb4ff;--heading:#ff8fb8;--header:#5fd3c4;--row:#8fd694;--contents:#e0c060;--removed:#ff8a80;
--chunk:#d39bf0}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1500px;padding:1.5rem;background:var(--bg);color:var(--fg);
font:15px/1.65 system-ui,-apple-system,"Apple SD Gothic Neo","Malgun Gothic","Noto Sans KR",sans-serif}
h1{font-size:1.4rem;margin:0 0 .5rem}
h2{font-size:1rem;margin:2.5rem 0 .75rem;padding:.35rem .75rem;background:var(--soft);border-radius:6px}
h2.bad{color:var(--removed)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:0 1rem;margin:0}
dt,.crumb,.note{color:var(--dim)}dd{margin:0}
.legend{display:flex;flex-wrap:wrap;gap:1rem;margin:1rem 0}
.legend b{display:inline-block;width:1em;height:1em;border:2px solid;border-radius:3px;vertical-align:-.15em}
.sides{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:1.5rem;align-items:start}
@media(max-width:900px){.sides{grid-template-columns:minmax(0,1fr)}}
.sheet{position:relative;border:1px solid var(--line)}
.sheet img{display:block;width:100%;height:auto}
.sheet a{position:absolute;border:1.5px solid;border-radius:2px;opacity:.6}
.sheet a:hover{opacity:1;background:rgba(255,236,92,.45)}
.words{white-space:pre-wrap;overflow-wrap:anywhere}
.words span:target,.words del:target{background:rgba(255,214,10,.4)}
.words .joined{border-left:1px dotted var(--dim)}
.words del{display:block}
.words .row{background:var(--soft)}.words .header{background:var(--soft);font-weight:600}
.words .heading{font-weight:700}.words i{color:var(--dim);opacity:.6;font-style:normal}
.chunk{white-space:normal;margin:.9rem 0 .4rem;padding:.1rem .6rem;border-left:4px solid var(--chunk);
border-top:1px solid var(--chunk);font-size:.85em}
.chunk b{color:var(--chunk)}
""" + "".join(
    f".legend .{kind},.sheet .{kind}{{border-color:var(--{kind})}}"
    + ("" if kind == "text" else f".words .{kind}{{color:var(--{kind})}}")
    for kind in KINDS
)


def draw_pages(
    reading: Reading,
    passwords: Sequence[str | tuple[str, str]],
    wanted: Sequence[int],
    limits: IngestConfig,
) -> dict[int, Picture]:
    """Pictures of the pages at the indices `wanted`; a format without pages has none."""
    if reading.document.unit != "page":
        return {}
    limits = replace(limits, timeout_seconds=min(limits.timeout_seconds, SECONDS))
    jobs = [Draw(reading.path, index, scale=SCALE, form="smaller") for index in wanted]
    with drawing_pool(limits, with_patterns(passwords), len(jobs)) as pool:
        drawn = zip(wanted, pool.draw(jobs), strict=True)
        # One page that cannot be drawn leaves the others.
        return {index: picture for index, picture in drawn if not isinstance(picture, UnreadableFile)}


def html_report(
    reading: Reading, pictures: Mapping[int, Picture], wanted: Sequence[int], language: str
) -> str:
    """The report of the pages at the indices `wanted` as an HTML page."""
    title = escape(reading.document.title)
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in summary(reading, language)
    )
    legend = "".join(
        f'<span><b class="{kind}"></b> {escape(say(language, *names))}</span>'
        for kind, names in KINDS.items()
    )
    by_page, removed = pieces(reading), removed_lines(reading)
    boxes = _boxes(reading, by_page)
    body = "".join(
        _page(
            reading, index, by_page[index], removed.get(index, ([], [])), boxes, pictures.get(index), language
        )
        for index in wanted
    )
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(language)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body>"
        f'<h1>{title}</h1><dl>{rows}</dl><div class="legend">{legend}</div>{body}</body></html>\n'
    )


def _page(
    reading: Reading,
    index: int,
    found: Sequence[Piece],
    removed: tuple[Sequence[Removed], Sequence[Removed]],
    boxes: Mapping[int, list[tuple[str, str, Box, str]]],
    picture: Picture | None,
    language: str,
) -> str:
    page = reading.document.pages[index]
    above, below = (
        "".join(f'<del class="removed">{escape(line.text)}</del>' for line in side) for side in removed
    )
    words = "".join(_piece(reading, piece, language) for piece in found)
    if found and found[0].begins < 0:
        words = f'<div class="note">{escape(continued(reading, found[0].start, language))}</div>{words}'
    if picture is not None:
        left = _sheet(picture, boxes.get(index, []))
    elif reading.document.unit == "page":
        left = (
            f'<p class="note">{escape(say(language, "그림 없음", "no picture"))} (--page {page.number})</p>'
        )
    else:
        left = ""
    bad = "" if page.readable else ' class="bad"'
    return (
        f'<section id="p{page.number}"><h2{bad}>{escape(page_title(page, reading.document.unit, language))}</h2>'
        f'<div class="sides"><div>{left}</div><div class="words">{above}{words}{below}</div></div></section>'
    )


def _piece(reading: Reading, piece: Piece, language: str) -> str:
    border = ""
    if piece.begins >= 0:
        context = escape(reading.chunks[piece.begins].context)
        border = (
            f'<div class="chunk" id="c{piece.begins + 1}"><b>{escape(chunk_title(reading, piece.begins, language))}'
            f'</b> <span class="crumb">{context}</span></div>'
        )
    line = reading.lines[piece.line]
    begins = piece.start == line.start
    identity = f' id="l{piece.line}"' if begins else ""
    joined = "" if line.first or not begins else " joined"
    words = "".join(
        f"<i>{escape(text)}</i>" if kind == "separator" else escape(text)
        for text, kind in styled(reading.document.text[piece.start : piece.end], piece.kind)
    )
    return f'{border}<span{identity} class="{piece.kind}{joined}">{words}</span>'


def _boxes(
    reading: Reading, by_page: Sequence[Sequence[Piece]]
) -> dict[int, list[tuple[str, str, Box, str]]]:
    """By the index of the page: kind, target, box and text of each line on it."""
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


def _sheet(picture: Picture, boxes: Sequence[tuple[str, str, Box, str]]) -> str:
    """The picture of a page with the boxes over it, placed in shares of its size."""
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
        overlays.append(f'<a class="{kind}" href="{target}" style="{place}" title="{escape(text)}"></a>')
    return f'<div class="sheet"><img alt="" src="{_data_uri(picture)}">{"".join(overlays)}</div>'


def _data_uri(picture: Picture) -> str:
    return f"data:image/{picture.kind};base64,{b64encode(picture.data).decode('ascii')}"
