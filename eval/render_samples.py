"""Render the sample documents and resolve the pages of their questions.

Each ``sample_sources/<stem>.md`` becomes ``samples/<stem>.pdf``; each line of
``sample_sources/<stem>.questions.jsonl`` becomes one line of ``samples/questions.jsonl``, with
the physical pages (from 1) on which its evidence was laid out.

    python eval/render_samples.py            write everything
    python eval/render_samples.py --check    exit 1 if anything is out of date

The same source, font and reportlab version always give the same bytes.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.pdfgen.canvas import Canvas

HERE = Path(__file__).resolve().parent
FONT_DIR = Path("/usr/share/fonts/truetype/nanum")
FONTS = {
    "gothic": ("NanumGothic", "NanumGothicBold"),
    "myeongjo": ("NanumMyeongjo", "NanumMyeongjoBold"),
}

PAGE_WIDTH, PAGE_HEIGHT = A4
LEFT = 80.0
WIDTH = PAGE_WIDTH - 2 * LEFT
TOP = PAGE_HEIGHT - 92.0
BOTTOM = 78.0
BODY_SIZE, BODY_LEADING = 10.5, 17.5
CELL_SIZE, CELL_LEADING, CELL_PAD = 9.0, 13.0, 4.0
SMALL_SIZE = 8.5
HEADINGS = {1: (16.0, 22.0, 30.0), 2: (12.5, 18.0, 20.0), 3: (10.8, 16.0, 14.0)}  # leading, gap

NO_LINE_START = set(")]}」』〕〉》’”.,:;!?%·…~、。℃㎡")
NO_LINE_END = set("([{「『〔〈《‘“")
UNBREAKABLE = re.compile(r"[0-9A-Za-z.,%/@_+-]{2}")
LONGEST_CARRY = 12
ITEM = re.compile(
    r"(?P<circled>[①-⑳])\s*|(?P<dot>\d{1,2}\.)\s+|(?P<syllable>[가나다라마바사아자차카타파하]\.)\s+"
    r"|(?P<bracket>\d{1,2}\))\s*|(?P<brackets>\(\d{1,2}\))\s*|(?P<square>□)\s*|(?P<circle>○)\s*"
    r"|(?P<dash>―)\s*|(?P<note>※)\s*|(?P<hyphen>-)\s+"
)
INDENT = {"circled": 0.5, "dot": 1.5, "syllable": 2.8, "bracket": 3.8, "brackets": 3.8,
          "square": 0.0, "circle": 1.0, "dash": 2.0, "note": 1.0, "hyphen": 2.5}  # fmt: skip
CENTRED_HEADING = re.compile(r"제\s*\d+\s*장|부\s*칙|별\s*표")


class SourceError(Exception):
    """A source or question file that cannot be rendered as it stands."""


@dataclass(frozen=True)
class Block:
    """One piece of a source: heading, paragraph, item, table or page break."""

    kind: str
    text: str = ""
    level: int = 0
    marker: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    align: tuple[str, ...] = ()
    caption: str = ""
    unit: str = ""


@dataclass
class Document:
    """A parsed source file."""

    meta: dict[str, str]
    blocks: list[Block]

    @property
    def fonts(self) -> tuple[str, str]:
        """Names of the regular and the bold font."""
        return FONTS[self.meta.get("font", "gothic")]


@dataclass(frozen=True)
class Run:
    """Text drawn at x, its baseline `drop` below the top of its strip."""

    x: float
    drop: float
    text: str
    font: str
    size: float
    spacing: float = 0.0


@dataclass(frozen=True)
class Box:
    """A ruled cell, or with no height a horizontal rule, in a strip."""

    x: float
    drop: float
    width: float
    height: float
    shaded: bool = False


@dataclass
class Strip:
    """A horizontal slice of the text column that is never cut by a page end."""

    height: float
    text: str
    runs: list[Run]
    boxes: list[Box] = field(default_factory=list)
    gap: float = 0.0
    keep: bool = False  # stays on the page of the next strip
    header: Strip | None = None  # drawn again above this strip at the top of a page
    heading: tuple[int, str] | None = None
    page_break: bool = False


Page = list[tuple[float, Strip]]


# --- source -----------------------------------------------------------------


def parse(source: str) -> Document:
    """Read the first lines and the blocks of a source."""
    first, _, body = source.replace("\r\n", "\n").partition("\n\n")
    meta = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())
    }
    missing = {"title", "author", "head"} - meta.keys()
    if missing:
        raise SourceError(f"first lines lack: {', '.join(sorted(missing))}")
    if meta.get("font", "gothic") not in FONTS:
        raise SourceError(f"unknown font: {meta['font']}")
    return Document(meta, list(_number_tables(_blocks(body.splitlines()))))


def _blocks(lines: list[str]) -> Iterator[Block]:
    """Split source lines into blocks."""
    caption = unit = ""
    position = 0
    while position < len(lines):
        line = lines[position].strip()
        position += 1
        if heading := re.fullmatch(r"(#{1,3})\s+(.+)", line):
            yield Block("heading", heading[2], level=len(heading[1]))
        elif line == "---":
            yield Block("break")
        elif line.startswith("표:"):
            caption = line[2:].strip()
        elif line.startswith("단위:"):
            unit = line[3:].strip()
        elif line.startswith("|"):
            end = _end(lines, position, lambda text: text.startswith("|"))
            yield _table([line, *lines[position:end]], caption, unit)
            caption, unit, position = "", "", end
        elif line:
            end = _end(lines, position, _continues)
            text = " ".join([line, *(part.strip() for part in lines[position:end])])
            position = end
            if item := ITEM.match(text):
                yield Block("item", text[item.end() :], marker=item[0].strip())
            else:
                yield Block("paragraph", text)


def _end(lines: list[str], start: int, belongs: Callable[[str], bool]) -> int:
    """Index of the first line from `start` on that does not belong."""
    return next((i for i in range(start, len(lines)) if not belongs(lines[i].strip())), len(lines))


def _continues(line: str) -> bool:
    """Whether a line goes on with the paragraph or item before it."""
    return bool(line) and not ITEM.match(line) and not re.match(r"#{1,3}\s|\||표:|단위:|---$", line)


def _table(lines: list[str], caption: str, unit: str) -> Block:
    """A table block of its `|` lines; a second line of dashes sets alignment."""
    rows = [tuple(cell.strip() for cell in line.strip().strip("|").split("|")) for line in lines]
    align = ("",) * len(rows[0])
    if len(rows) > 1 and all(re.fullmatch(r":?-+:?", cell) for cell in rows[1]):
        ends = [(cell.startswith(":"), cell.endswith(":")) for cell in rows.pop(1)]
        align = tuple("centre" if left and right else "right" if right else "" for left, right in ends)
    if any(len(row) != len(rows[0]) for row in rows) or len(align) != len(rows[0]):
        raise SourceError(f"rows of unequal length in the table {caption or rows[0]}")
    return Block("table", rows=tuple(rows), align=align, caption=caption, unit=unit)


def _number_tables(blocks: Iterable[Block]) -> Iterator[Block]:
    """Put «<표 n>» before captions that bring no label of their own."""
    number = 0
    for block in blocks:
        if block.caption and not block.caption.startswith(("<", "[")):
            number += 1
            block = Block(**{**vars(block), "caption": f"<표 {number}> {block.caption}"})
        yield block


# --- lines ------------------------------------------------------------------


@cache
def _advance(character: str, font: str) -> float:
    """Width of a character at size 1; an error where the font lacks it."""
    if ord(character) not in pdfmetrics.getFont(font).face.charToGlyph:
        raise SourceError(f"{font} has no glyph for {character!r} (U+{ord(character):04X})")
    return pdfmetrics.stringWidth(character, font, 1)


def text_width(text: str, font: str, size: float) -> float:
    """Width of `text` in points."""
    return sum(_advance(character, font) for character in text) * size


def _may_break(text: str, index: int) -> bool:
    """Whether a line may end before text[index]; Korean words may be cut anywhere."""
    before, after = text[index - 1], text[index]
    if after in NO_LINE_START or before in NO_LINE_END:
        return False
    return not UNBREAKABLE.match(before + after)


def wrap(text: str, font: str, size: float, width: float, first: float = 0.0) -> list[str]:
    """Cut text into lines of `width`, the first one shorter by `first`."""
    lines: list[str] = []
    text = text.strip()
    while text:
        room = width - (0.0 if lines else first)
        full = _fitting(text, font, size, room)
        cut = _step_back(text, full, _may_break)
        if full - cut > LONGEST_CARRY:
            # a web address carried over whole would leave this line nearly empty
            cut = _step_back(text, full, lambda text, index: text[index] not in NO_LINE_START)
        cut = cut or max(full, 1)
        lines.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return lines or [""]


def _step_back(text: str, cut: int, allowed: Callable[[str, int], bool]) -> int:
    """The last place up to `cut` where a line may end; 0 if there is none."""
    while 0 < cut < len(text) and not (text[cut] == " " or allowed(text, cut)):
        cut -= 1
    return cut


def _fitting(text: str, font: str, size: float, room: float) -> int:
    """How many characters of text fit into `room`."""
    used = 0.0
    for index, character in enumerate(text):
        used += _advance(character, font) * size
        if used > room:
            return index
    return len(text)


def _line_strips(
    lines: list[str], font: str, x: float, first: float, hang: tuple[Run, str] | None = None
) -> list[Strip]:
    """Justified body lines; `hang` is the marker of an item with its text."""
    strips = []
    for index, line in enumerate(lines):
        start = x + (0.0 if index else first)
        spare = LEFT + WIDTH - start - text_width(line, font, BODY_SIZE)
        spacing = spare / max(len(line) - 1, 1) if index < len(lines) - 1 else 0.0
        runs = [Run(start, BODY_LEADING * 0.72, line, font, BODY_SIZE, round(spacing, 4))]
        recorded = line
        if hang and not index:
            runs.insert(0, hang[0])
            recorded = hang[1] + line
        strips.append(Strip(BODY_LEADING, recorded, runs, gap=0.0 if index else 3.5))
    return strips


# --- strips -----------------------------------------------------------------


def strips_of(document: Document) -> list[Strip]:
    """Lay all blocks out as strips, not yet on pages."""
    regular, bold = document.fonts
    strips: list[Strip] = []
    break_next = False
    for block in document.blocks:
        if block.kind == "break":
            break_next = True
            continue
        chapter = block.kind == "heading" and block.level == 1 and document.meta.get("pagebreak") == "chapter"
        made = _LAYOUT[block.kind](block, regular, bold)
        made[0].page_break = (break_next or chapter) and bool(strips)
        break_next = False
        strips += made
    return strips


def _heading(block: Block, regular: str, bold: str) -> list[Strip]:
    size, leading, gap = HEADINGS[block.level]
    lines = wrap(block.text, bold, size, WIDTH)
    centred = block.level == 1 and CENTRED_HEADING.match(block.text)
    strips = []
    for line in lines:
        x = LEFT + (WIDTH - text_width(line, bold, size)) / 2 if centred else LEFT
        strips.append(Strip(leading, line, [Run(x, leading * 0.74, line, bold, size)], keep=True))
    strips[0].gap = gap
    strips[0].heading = (block.level, block.text)
    if block.level == 1:
        strips[-1].height += 8.0
        if not centred:
            strips[-1].boxes.append(Box(LEFT, leading + 2.0, WIDTH, 0.0))
    return strips


def _paragraph(block: Block, regular: str, bold: str) -> list[Strip]:
    lines = wrap(block.text, regular, BODY_SIZE, WIDTH, first=BODY_SIZE)
    return _line_strips(lines, regular, LEFT, BODY_SIZE)


def _item(block: Block, regular: str, bold: str) -> list[Strip]:
    kind = ITEM.match(block.marker + " ").lastgroup
    x = LEFT + INDENT[kind] * BODY_SIZE
    marker = block.marker + " "
    hang = text_width(marker, regular, BODY_SIZE)
    lines = wrap(block.text, regular, BODY_SIZE, LEFT + WIDTH - x - hang)
    run = Run(x, BODY_LEADING * 0.72, marker, regular, BODY_SIZE)
    return _line_strips(lines, regular, x + hang, 0.0, (run, marker))


def _table_strips(block: Block, regular: str, bold: str) -> list[Strip]:
    widths = _column_widths(block.rows, regular, bold)
    top = _table_titles(block, regular, bold)
    header = _row(block.rows[0], widths, ("centre",) * len(widths), bold, shaded=True)
    header.keep = True
    rows = [_row(row, widths, block.align, regular) for row in block.rows[1:]]
    for row in rows:
        row.header = header
    # a short table looks wrong when it is cut, a long one leaves a hole when it is not
    if sum(row.height for row in rows) < 130.0:
        for row in rows[:-1]:
            row.keep = True
    strips = [*top, header, *rows]
    strips[0].gap = 9.0
    if rows:
        rows[-1].height += 8.0
    return strips


def _table_titles(block: Block, regular: str, bold: str) -> list[Strip]:
    """Caption and, right-aligned, the note on units."""
    strips = []
    for line in wrap(block.caption, bold, 9.5, WIDTH) if block.caption else []:
        strips.append(Strip(15.0, line, [Run(LEFT, 10.5, line, bold, 9.5)], keep=True))
    if block.unit:
        note = f"(단위: {block.unit})"
        x = LEFT + WIDTH - text_width(note, regular, SMALL_SIZE)
        strips.append(Strip(13.0, note, [Run(x, 8.5, note, regular, SMALL_SIZE)], keep=True))
    return strips


def _column_widths(rows: tuple[tuple[str, ...], ...], regular: str, bold: str) -> list[float]:
    """Share the column width out: narrow columns whole, wide ones cut to a common limit."""
    wanted = [
        max(text_width(cell, regular if index else bold, CELL_SIZE) for index, cell in enumerate(column))
        + 2 * CELL_PAD
        + 2.0
        for column in zip(*rows, strict=True)
    ]
    spare = WIDTH - sum(wanted)
    if spare >= 0:
        return [width + spare * width / sum(wanted) for width in wanted]
    left, columns = WIDTH, len(wanted)
    limits = {}
    for index in sorted(range(columns), key=wanted.__getitem__):
        limits[index] = min(wanted[index], left / (columns - len(limits)))
        left -= limits[index]
    return [limits[index] for index in range(columns)]


def _row(
    cells: tuple[str, ...], widths: list[float], align: tuple[str, ...], font: str, shaded: bool = False
) -> Strip:
    """One table row; its cells wrap inside their columns."""
    wrapped = [
        wrap(cell, font, CELL_SIZE, width - 2 * CELL_PAD) for cell, width in zip(cells, widths, strict=True)
    ]
    height = max(map(len, wrapped)) * CELL_LEADING + 2 * CELL_PAD
    strip = Strip(height, " ".join(cells), [])
    x = LEFT
    for lines, width, side in zip(wrapped, widths, align, strict=True):
        strip.boxes.append(Box(x, 0.0, width, height, shaded))
        drop = (height - len(lines) * CELL_LEADING) / 2 + CELL_LEADING * 0.73
        for line in filter(None, lines):
            spare = width - 2 * CELL_PAD - text_width(line, font, CELL_SIZE)
            shift = {"right": spare, "centre": spare / 2}.get(side, 0.0)
            strip.runs.append(Run(x + CELL_PAD + shift, drop, line, font, CELL_SIZE))
            drop += CELL_LEADING
        x += width
    return strip


_LAYOUT = {"heading": _heading, "paragraph": _paragraph, "item": _item, "table": _table_strips}


# --- pages ------------------------------------------------------------------


def paginate(strips: list[Strip]) -> list[Page]:
    """Set the strips on pages, with the top of each strip."""
    pages: list[Page] = [[]]
    y = TOP
    for group in _kept_together(strips):
        needed = sum(strip.gap + strip.height for strip in group)
        if pages[-1] and (group[0].page_break or y - needed < BOTTOM):
            pages.append([])
            y = TOP
            if group[0].header:
                repeated = Strip(group[0].header.height, "", group[0].header.runs, group[0].header.boxes)
                pages[-1].append((y, repeated))
                y -= repeated.height
        for strip in group:
            y -= strip.gap if pages[-1] else 0.0
            pages[-1].append((y, strip))
            y -= strip.height
    return pages


def _kept_together(strips: list[Strip]) -> Iterator[list[Strip]]:
    """Groups of strips that must share a page."""
    group: list[Strip] = []
    for strip in strips:
        group.append(strip)
        if not strip.keep:
            yield group
            group = []
    if group:
        yield group


def contents_pages(pages: list[Page], fonts: tuple[str, str]) -> list[Page]:
    """The contents, whose own length shifts the page numbers it shows."""
    entries = [
        (strip.heading, index)
        for index, page in enumerate(pages)
        for _, strip in page
        if strip.heading and strip.heading[0] < 3
    ]

    def lay_out(offset: int) -> list[Page]:
        lines = [_contents_line(level, text, index + offset, fonts) for (level, text), index in entries]
        return paginate([_contents_title(fonts[1]), *lines])

    length = len(lay_out(0))
    return lay_out(length + 2)


def _contents_title(bold: str) -> Strip:
    text = "목   차"
    x = LEFT + (WIDTH - text_width(text, bold, 18.0)) / 2
    return Strip(48.0, text, [Run(x, 18.0, text, bold, 18.0)])


def _contents_line(level: int, text: str, page: int, fonts: tuple[str, str]) -> Strip:
    """An entry with dotted leader; long titles are shortened, as contents keep to a line."""
    font, size = (fonts[1], 10.5) if level == 1 else (fonts[0], 10.0)
    x = LEFT + (0.0 if level == 1 else 16.0)
    number = str(page)
    number_x = LEFT + WIDTH - text_width(number, font, size)
    shown = text[: _fitting(text, font, size, number_x - x - 30.0)]
    shown = shown if shown == text else shown[:-1] + "…"
    dot = text_width("·", font, size)
    dots = "·" * int((number_x - x - text_width(shown, font, size) - 10.0) / dot)
    dots_x = number_x - 5.0 - len(dots) * dot
    runs = [
        Run(x, 12.0, shown, font, size),
        Run(dots_x, 12.0, dots, font, size),
        Run(number_x, 12.0, number, font, size),
    ]
    return Strip(18.0, shown, runs, gap=5.0 if level == 1 else 0.0)


# --- drawing ----------------------------------------------------------------


def draw(document: Document, contents: list[Page], pages: list[Page]) -> bytes:
    """The PDF: cover, contents, body."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=1, pageCompression=1, lang="ko-KR")
    meta = document.meta
    canvas.setTitle(meta["title"])
    canvas.setAuthor(meta["author"])
    canvas.setSubject(meta.get("subtitle", ""))
    canvas.setCreator("eval/samples/render.py")
    canvas.showOutline()
    _draw_cover(canvas, document)
    open_levels: list[int] = []
    for number, page in enumerate([*contents, *pages], start=2):
        _draw_head(canvas, document)
        for y, strip in page:
            _draw_strip(canvas, y, strip)
            if strip.heading:
                # the outline may not skip a level where a chapter has no sections
                open_levels = [level for level in open_levels if level < strip.heading[0]]
                depth = len(open_levels)
                open_levels.append(strip.heading[0])
                key = f"p{number}y{y:.2f}"
                canvas.bookmarkHorizontal(key, 0, y)
                canvas.addOutlineEntry(strip.heading[1], key, depth, closed=depth > 0)
        footer = f"- {number} -"
        x = (PAGE_WIDTH - text_width(footer, document.fonts[0], 9.0)) / 2
        _draw_run(canvas, 44.0, Run(x, 0.0, footer, document.fonts[0], 9.0))
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _draw_cover(canvas: Canvas, document: Document) -> None:
    """Title, subtitle, date and author, each centred on a line of its own."""
    regular, bold = document.fonts
    meta = document.meta
    canvas.setLineWidth(1.2)
    for y in (PAGE_HEIGHT * 0.74, PAGE_HEIGHT * 0.60):
        canvas.line(LEFT, y, LEFT + WIDTH, y)
    for key, y, font, size in (
        ("title", 0.66, bold, 26.0),
        ("subtitle", 0.618, regular, 13.0),
        ("date", 0.26, regular, 14.0),
        ("author", 0.16, bold, 17.0),
    ):
        if text := meta.get(key):
            size = min(size, WIDTH * 0.96 / text_width(text, font, 1.0))
            x = (PAGE_WIDTH - text_width(text, font, size)) / 2
            _draw_run(canvas, PAGE_HEIGHT * y, Run(x, 0.0, text, font, size))
    canvas.showPage()


def _draw_head(canvas: Canvas, document: Document) -> None:
    """Running head: the title left, the head of the source right."""
    font = document.fonts[0]
    y = PAGE_HEIGHT - 58.0
    title, head = document.meta["title"], document.meta["head"]
    head_width = text_width(head, font, SMALL_SIZE)
    if title not in head and text_width(title, font, SMALL_SIZE) + head_width + 20.0 < WIDTH:
        _draw_run(canvas, y, Run(LEFT, 0.0, title, font, SMALL_SIZE))
    _draw_run(canvas, y, Run(LEFT + WIDTH - head_width, 0.0, head, font, SMALL_SIZE))
    canvas.setLineWidth(0.5)
    canvas.line(LEFT, y - 6.0, LEFT + WIDTH, y - 6.0)


def _draw_strip(canvas: Canvas, top: float, strip: Strip) -> None:
    canvas.setLineWidth(0.5)
    canvas.setFillGray(0.88)
    for box in strip.boxes:
        y = top - box.drop
        if box.height:
            canvas.rect(box.x, y - box.height, box.width, box.height, fill=int(box.shaded))
        else:
            canvas.line(box.x, y, box.x + box.width, y)
    canvas.setFillGray(0.0)
    for run in strip.runs:
        _draw_run(canvas, top, run)


def _draw_run(canvas: Canvas, top: float, run: Run) -> None:
    text = canvas.beginText(run.x, top - run.drop)
    text.setFont(run.font, run.size)
    text.setCharSpace(run.spacing)
    text.textOut(run.text)
    canvas.drawText(text)


# --- questions --------------------------------------------------------------


def _squeeze(text: str) -> str:
    """Text without the whitespace and cell bars that layout does not keep."""
    return re.sub(r"[\s|]+", "", text)


def resolve(questions: str, stem: str, pages: list[Page], first_page: int) -> list[dict]:
    """Add to each question the pages on which its evidence stands."""
    texts = [_squeeze("".join(strip.text for _, strip in page)) for page in pages]
    owner = [first_page + index for index, text in enumerate(texts) for _ in text]
    whole = "".join(texts)
    records = []
    for line in filter(str.strip, questions.splitlines()):
        question = json.loads(line)
        record = {key: question[key] for key in ("qid", "question", "answers", "evidence")}
        if bool(record["answers"]) != bool(record["evidence"]):
            raise SourceError(f"{record['qid']}: answers and evidence go together")
        record["relevant"] = []
        if wanted := _squeeze(record["evidence"]):
            start = whole.find(wanted)
            if start < 0:
                raise SourceError(f"{record['qid']}: evidence not found: {record['evidence']}")
            if whole.find(wanted, start + 1) >= 0:
                raise SourceError(f"{record['qid']}: evidence found more than once: {record['evidence']}")
            page_start, page_end = owner[start], owner[start + len(wanted) - 1]
            record["relevant"] = [{"pdf": f"{stem}.pdf", "page_start": page_start, "page_end": page_end}]
        records.append(record)
    return records


# --- command ----------------------------------------------------------------


def build(source: Path) -> tuple[bytes, list[dict]]:
    """The PDF of one source and its resolved questions."""
    document = parse(source.read_text(encoding="utf-8"))
    pages = paginate(strips_of(document))
    contents = contents_pages(pages, document.fonts)
    questions = source.with_suffix(".questions.jsonl")
    text = questions.read_text(encoding="utf-8") if questions.exists() else ""
    return draw(document, contents, pages), resolve(text, source.stem, pages, len(contents) + 2)


def build_all(folder: Path) -> dict[Path, bytes]:
    """Every file this script makes of `folder`, with its bytes."""
    outputs: dict[Path, bytes] = {}
    records: list[dict] = []
    for source in sorted((folder / "sample_sources").glob("*.md")):
        try:
            outputs[folder / "samples" / f"{source.stem}.pdf"], resolved = build(source)
        except (SourceError, KeyError, ValueError) as error:
            raise SourceError(f"{source.name}: {error}") from error
        records += resolved
    duplicates = {record["qid"] for record in records if [r["qid"] for r in records].count(record["qid"]) > 1}
    if duplicates:
        raise SourceError(f"qids used twice: {', '.join(sorted(duplicates))}")
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    outputs[folder / "samples" / "questions.jsonl"] = lines.encode("utf-8")
    return outputs


def register_fonts(folder: Path) -> None:
    """Make the fonts of `folder` known to reportlab."""
    for name in (name for pair in FONTS.values() for name in pair):
        try:
            pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))
        except TTFError as error:
            raise SourceError(
                f"no {name}.ttf in {folder}: install the Debian package fonts-nanum or give --font-dir"
            ) from error


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--font-dir", type=Path, default=FONT_DIR, help="folder of the Nanum fonts (default: %(default)s)"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    options = parser.parse_args(arguments)
    try:
        register_fonts(options.font_dir)
        outputs = build_all(HERE)
    except SourceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    stale = [path for path, data in outputs.items() if not path.exists() or path.read_bytes() != data]
    for path in stale:
        print(f"{'out of date' if options.check else 'written'}: {path.name}")
        if not options.check:
            path.write_bytes(outputs[path])
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
