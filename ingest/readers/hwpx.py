"""One HWPX file (OWPML, KS X 6101) → its sections, each as one raw page.

The file marks the page breaks that the author set, but not where pages end in print, so there are no
page numbers. Left out: headers, footers, comments, deleted text, and list numbers, which the file does
not hold (the program computes them).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import UnreadableFile
from ingest.raw import RawFile
from ingest.readers.archive import Archive, Element, local_name, whole_number
from ingest.readers.page_writer import LINE_BREAK, Block, Cell, PageWriter, Paragraph, Table
from ingest.titles import title_of

MIMETYPE = b"application/hwp+zip"
SECTION = re.compile(r"Contents/section(\d{1,6})\.xml", re.IGNORECASE)
HEADER, PACKAGE, MANIFEST = "Contents/header.xml", "Contents/content.hpf", "META-INF/manifest.xml"
# Elements that stand for a character.
CHARACTERS = {
    "tab": "\t",
    "lineBreak": LINE_BREAK,
    "nbSpace": "\xa0",
    "fwSpace": "\u2007",  # as wide as a quarter of the type size
    "hyphen": "-",
}
# Automatic numbers that belong to the text, of captions and notes. The other kinds are page numbers.
NUMBERED = ("TABLE", "PICTURE", "EQUATION", "FOOTNOTE", "ENDNOTE")
# Drawn objects; some hold text boxes or captions.
SHAPES = [
    "rect",
    "ellipse",
    "polygon",
    "curve",
    "arc",
    "line",
    "connectLine",
    "container",
    "pic",
    "ole",
    "chart",
    "video",
    "textart",
    "gso",
]
# In hundredths of a point; text of this size or smaller counts as hidden.
SMALLEST_SIZE = 100
WHITE = "#FFFFFF"


@dataclass(frozen=True, slots=True)
class Styles:
    """What header.xml says of headings and hidden text, by the ids of its shapes."""

    levels: dict[str, int]  # paragraph shape → outline level, 1 outermost
    unseen: frozenset[str]  # character shapes that are too small to see
    white: frozenset[str]  # character shapes in white, unseen on a white ground


def read_hwpx(path: Path, data: bytes, max_pages: int) -> RawFile:
    """The sections of the HWPX file in `data`, with its paragraphs, tables and notes.

    Raises:
        UnreadableFile: damaged, encrypted, unsupported or too_large.
    """
    archive = Archive(str(path), data)
    if MANIFEST in archive.names and _is_encrypted(archive):
        raise UnreadableFile("encrypted", str(path))
    sections = sorted(filter(SECTION.fullmatch, archive.names), key=_section_number)
    if not sections:
        raise UnreadableFile("damaged", str(path), "no Contents/section0.xml")
    styles = _read_styles(archive)
    writer = PageWriter(str(path), "hwpx", "section", max_pages)
    for index, name in enumerate(sections):
        if index:
            writer.turn()
        writer.write(_SectionReader(styles).blocks(archive.outermost(name, "p")))
    pages, lines = writer.finish()
    return RawFile(title_of(path, _metadata_title(archive)), pages, lines, unit="section")


def _section_number(name: str) -> int:
    match = SECTION.fullmatch(name)
    return int(match[1]) if match else 0


def _is_encrypted(archive: Archive) -> bool:
    return any(local_name(element) == "encryption-data" for element in archive.xml(MANIFEST).iter())


def _metadata_title(archive: Archive) -> str:
    if PACKAGE not in archive.names:
        return ""
    titles = (e.text or "" for e in archive.xml(PACKAGE).iter() if local_name(e) == "title")
    return next(titles, "")


def _read_styles(archive: Archive) -> Styles:
    levels: dict[str, int] = {}
    unseen, white = set(), set()
    if HEADER not in archive.names:
        return Styles({}, frozenset(), frozenset())
    for element in archive.xml(HEADER).iter():
        name, identity = local_name(element), element.get("id", "")
        if name == "paraPr":
            headings = (e for e in element.iter() if local_name(e) == "heading")
            heading = next((e for e in headings if e.get("type") == "OUTLINE"), None)
            if heading is not None:
                levels[identity] = whole_number(heading.get("level"), 0) + 1
        elif name == "charPr":
            if whole_number(element.get("height"), 1000) <= SMALLEST_SIZE:
                unseen.add(identity)
            elif element.get("textColor") == WHITE and element.get("shadeColor", "none") in ("none", WHITE):
                white.add(identity)
    return Styles(levels, frozenset(unseen), frozenset(white))


class _SectionReader:
    """Elements of one section → blocks. It remembers whether it is inside deleted text."""

    def __init__(self, styles: Styles) -> None:
        self._styles = styles
        self._deleted = False

    def blocks(self, elements: Iterable[Element], boxed: bool = False) -> Iterator[Block]:
        """The blocks of the paragraphs in `elements`.

        Args:
            boxed: they lie in a cell or text box, whose ground may have any colour: white text is not hidden.
        """
        for element in elements:
            if local_name(element) == "p":
                yield from self._paragraph(element, boxed)

    def _paragraph(self, element: Element, boxed: bool) -> Iterator[Block]:
        """The paragraph and the objects in it: those with text before them follow it, the others precede it."""
        found = _Found()
        for run in element:
            if local_name(run) == "run":
                shape = run.get("charPrIDRef", "")
                hidden = shape in self._styles.unseen or (not boxed and shape in self._styles.white)
                self._run(run, found, hidden, boxed)
        level = self._styles.levels.get(element.get("paraPrIDRef", ""), 0)
        yield from found.before
        yield Paragraph("".join(found.text), level, "".join(found.hidden), found.drawn)
        yield from found.after

    def _run(self, run: Element, found: "_Found", hidden: bool, boxed: bool) -> None:
        text = found.hidden if hidden else found.text
        for child in run:
            name = local_name(child)
            if name == "t":
                self._text(child, text)
            elif name in ("ctrl", "case", "default"):
                self._run(child, found, hidden, boxed)
            elif name == "switch":
                self._run(_chosen(child), found, hidden, boxed)
            elif self._deleted:
                continue
            elif name == "tbl":
                found.place(self._table(child))
            elif name in ("footNote", "endNote"):
                found.after += self._inner(child, boxed=False)
            elif name in SHAPES:
                found.drawn = True
                found.place(self._inner(child, boxed=True))
            else:
                text.append(_characters(child))

    def _text(self, element: Element, text: list[str]) -> None:
        """Append the text of `element` (hp:t) to `text`; its children are tabs and marks between the pieces."""
        pieces = [element.text]
        for child in element:
            name = local_name(child)
            if name in ("deleteBegin", "deleteEnd"):
                self._add(pieces, text)
                self._deleted = name == "deleteBegin"
                pieces = []
            elif name in CHARACTERS:
                self._add(pieces, text)
                pieces = []
                if not self._deleted:
                    text.append(CHARACTERS[name])
            pieces.append(child.tail)
        self._add(pieces, text)

    def _add(self, pieces: Iterable[str | None], text: list[str]) -> None:
        if not self._deleted:
            text += [piece.replace("\r", " ").replace("\n", " ") for piece in pieces if piece]

    def _inner(self, element: Element, boxed: bool) -> list[Block]:
        """The blocks of a note, text box or caption: those of all sub-lists below `element`."""
        blocks: list[Block] = []
        for child in element:
            name = local_name(child)
            if name == "subList":
                blocks += self.blocks(child, boxed)
            elif name in ("drawText", "caption") or name in SHAPES:
                blocks += self._inner(child, boxed=boxed and name != "caption")
        return blocks

    def _table(self, element: Element) -> list[Block]:
        above: list[Block] = []
        below: list[Block] = []
        rows = []
        for child in element:
            name = local_name(child)
            if name == "tr":
                cells = (self._cell(cell) for cell in child if local_name(cell) == "tc")
                rows.append(tuple(sorted(cells, key=lambda cell: cell.column)))
            elif name == "caption":
                side = below if child.get("side") in ("BOTTOM", "RIGHT") else above
                side += self._inner(child, boxed=False)
        return [*above, Table(tuple(rows)), *below]

    def _cell(self, element: Element) -> Cell:
        parts = {local_name(child): child.attrib for child in element}
        address, span = parts.get("cellAddr", {}), parts.get("cellSpan", {})
        lists = (child for child in element if local_name(child) == "subList")
        return Cell(
            whole_number(address.get("colAddr"), 0),
            whole_number(span.get("colSpan"), 1),
            whole_number(span.get("rowSpan"), 1),
            element.get("header") == "1",
            tuple(block for paragraphs in lists for block in self.blocks(paragraphs, boxed=True)),
        )


class _Found:
    """What the runs of one paragraph hold. `before`, `after`: blocks to write before and behind it."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.hidden: list[str] = []
        self.before: list[Block] = []
        self.after: list[Block] = []
        self.drawn = False

    def place(self, blocks: list[Block]) -> None:
        """Put an object before the paragraph if that has no text yet, else behind it."""
        if any(piece.strip() for piece in self.text):
            self.after += blocks
        else:
            self.before += blocks


def _chosen(switch: Element) -> Element:
    """The version of an object that is meant for programs that know none of the newer ones."""
    versions = [child for child in switch if local_name(child) in ("case", "default")]
    return next((v for v in versions if local_name(v) == "default"), versions[0] if versions else switch)


def _characters(element: Element) -> str:
    """The text that an element inside a run shows: a formula, an automatic number, characters in a ring."""
    name = local_name(element)
    if name in CHARACTERS:
        return CHARACTERS[name]
    if name == "compose":
        return element.get("composeText", "")
    if name == "autoNum" and element.get("numType") in NUMBERED:
        return _counted(element)
    wanted = {"equation": "script", "dutmal": "mainText"}.get(name)
    texts = (child.text or "" for child in element if wanted and local_name(child) == wanted)
    return " ".join(next(texts, "").split())


def _counted(element: Element) -> str:
    """The automatic number of a caption or note as last computed, with the file's prefix and suffix."""
    formats = (child.attrib for child in element if local_name(child) == "autoNumFormat")
    form = next(formats, {})
    number = element.get("num", "")
    if form.get("type", "DIGIT") != "DIGIT":
        return ""
    return f"{form.get('prefixChar', '')}{number}{form.get('suffixChar', '')}"
