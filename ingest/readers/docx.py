"""One DOCX file → raw pages if Word left marks of its page breaks, else raw sections cut at main headings.

python-docx opens the package and finds its parts. The text is walked here, because python-docx skips
content controls, notes, text boxes and page breaks. Left out: headers, footers, comments, deleted text,
and list numbers, which the file does not hold (Word computes them).
"""

import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

from ingest.errors import UnreadableFile
from ingest.raw import RawFile, Unit
from ingest.readers.archive import Archive, Element, broken_xml, local_name, parse_xml, whole_number
from ingest.readers.page_writer import (
    LINE_BREAK,
    PAGE_BREAK,
    RENDERED_BREAK,
    Block,
    Cell,
    PageWriter,
    Paragraph,
    Table,
)
from ingest.titles import title_of

WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
NOTES = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
RELATIONS, TYPES = "_rels/.rels", "[Content_Types].xml"
XML_NAMES = (".xml", ".rels")
HEADING = re.compile(r"(?:heading|제목) ([1-9])", re.IGNORECASE)
CHARACTERS = {
    "tab": "\t",
    "cr": LINE_BREAK,
    "noBreakHyphen": "\u2011",
    "lastRenderedPageBreak": RENDERED_BREAK,
}
# Elements around runs and blocks whose content is shown; that of `del` and `moveFrom` is not.
AROUND = (
    "hyperlink",
    "ins",
    "moveTo",
    "smartTag",
    "sdt",
    "sdtContent",
    "fldSimple",
    "customXml",
    "dir",
    "bdo",
)
PICTURES = ("drawing", "pict", "object")
# A style names the style it is based on; this limit ends a circle of such references.
MAX_BASES = 20


def read_docx(path: Path, data: bytes, max_pages: int) -> RawFile:
    """The pages or sections of the DOCX file in `data`, with its paragraphs, tables and notes.

    Raises:
        UnreadableFile: damaged, encrypted, unsupported or too_large.
    """
    parts = _open(str(path), data)
    paged = next(parts.body.iter(f"{WORD}lastRenderedPageBreak"), None) is not None
    unit: Unit = "page" if paged else "section"
    reader = _BodyReader(_Styles(parts.styles), parts.notes, paged)
    writer = PageWriter(str(path), "docx", unit, max_pages)
    for block in reader.blocks(parts.body):
        if not paged and isinstance(block, Paragraph) and block.level == 1 and not writer.empty:
            writer.turn()
        writer.write([block])
    pages, lines = writer.finish()
    return RawFile(title_of(path, parts.title), pages, lines, unit=unit)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of a package that are read. `notes`: footnotes and endnotes by (kind, id)."""

    body: Element
    styles: Element
    notes: dict[tuple[str, str], Element]
    title: str


def load_docx():
    """python-docx. It takes time to load: wait until a file needs it, or load it to be shared."""
    import docx

    return docx


def _open(path: str, data: bytes) -> _Parts:
    archive = Archive(path, data)
    package = _without_pictures(archive)
    try:
        document = load_docx().Document(package)
        body = document.element.body
        notes = dict(_read_notes(path, document))
        parts = _Parts(body, document.styles.element, notes, document.core_properties.title)
    except (UnreadableFile, MemoryError):
        raise
    except Exception as exc:  # python-docx raises many kinds on a broken package
        kind = _other_kind(archive)
        raise (UnreadableFile("unsupported", path, kind) if kind else broken_xml(path, exc)) from exc
    if body is None:
        raise UnreadableFile("damaged", path, "no w:body")
    return parts


def _other_kind(archive: Archive) -> str:
    """The kind that a package refused by python-docx declares itself to be; "" for an ordinary one."""
    said = b"".join(archive.part(name) for name in (RELATIONS, TYPES) if name in archive.names)
    kinds = {
        b"purl.oclc.org/ooxml": "Strict Open XML",
        b"macroEnabled": "DOCM (.docm)",
        b"template.main": "DOTX (.dotx)",
    }
    return next((kind for mark, kind in kinds.items() if mark in said), "")


def _without_pictures(archive: Archive) -> BytesIO:
    """The same package with every part emptied that is not XML, because python-docx unpacks all parts."""
    slim = BytesIO()
    with zipfile.ZipFile(slim, "w") as target:
        for name in dict.fromkeys(archive.names):
            is_xml = name.lower().endswith(XML_NAMES)
            target.writestr(zipfile.ZipInfo(name), archive.xml_part(name) if is_xml else b"")
    return slim


def _read_notes(path: str, document: Any) -> Iterator[tuple[tuple[str, str], Element]]:
    for relation in document.part.rels.values():
        kind = relation.reltype.removeprefix(NOTES).removesuffix("s")
        if kind in ("footnote", "endnote") and not relation.is_external:
            for note in parse_xml(path, relation.target_part.blob):
                if note.get(f"{WORD}type") is None:  # a note with a type is the separator line
                    yield (kind, note.get(f"{WORD}id", "")), note


@dataclass(frozen=True, slots=True)
class _Style:
    name: str
    base: str
    level: int  # of a heading, 1 to 9; 0: no heading; -1: the style does not say
    hidden: bool


class _Styles:
    """The styles of a document: outline levels, and which text is hidden."""

    def __init__(self, styles: Element) -> None:
        self._styles: dict[str, _Style] = {}
        for element in styles:
            if local_name(element) == "style":
                name = _value(element, "name")
                named = HEADING.fullmatch(name)
                said = _outline_level(_child(element, "pPr"))
                level = int(named[1]) if named and said < 0 else said
                hidden = _is_hidden(_child(element, "rPr")) is True
                style = _Style(name, _value(element, "basedOn"), level, hidden)
                self._styles[element.get(f"{WORD}styleId", "")] = style

    def level(self, properties: Element | None) -> int:
        """The level of a heading, 1 outermost, by its own properties or its style; 0 for other paragraphs."""
        said = _outline_level(properties)
        bases = (style.level for style in self._bases(_value(properties, "pStyle")) if style.level >= 0)
        return said if said >= 0 else next(bases, 0)

    def hides(self, properties: Element | None) -> bool:
        """Whether a run with these properties is hidden, by them or by its style."""
        said = _is_hidden(properties)
        bases = self._bases(_value(properties, "rStyle"))
        return any(style.hidden for style in bases) if said is None else said

    def _bases(self, identity: str) -> Iterator[_Style]:
        for _ in range(MAX_BASES):
            style = self._styles.get(identity)
            if style is None:
                return
            yield style
            identity = style.base


class _BodyReader:
    """Elements of the body → blocks."""

    def __init__(self, styles: _Styles, notes: dict[tuple[str, str], Element], paged: bool) -> None:
        self._styles, self._notes, self._paged = styles, notes, paged

    def blocks(self, parent: Element) -> Iterator[Block]:
        """The blocks among the children of `parent`."""
        for child in parent:
            name = local_name(child)
            if name == "p":
                yield from self._paragraph(child)
            elif name == "tbl":
                yield self._table(child)
            elif name in AROUND:
                yield from self.blocks(child)

    def _paragraph(self, element: Element) -> Iterator[Block]:
        found = _Found()
        self._runs(element, found)
        level = self._styles.level(_child(element, "pPr"))
        text = "".join(found.text)
        if not self._paged:
            text = text.replace(PAGE_BREAK, LINE_BREAK)
        yield Paragraph(text, level, "".join(found.hidden), found.drawn)
        yield from found.after

    def _runs(self, parent: Element, found: "_Found") -> None:
        for child in parent:
            name = local_name(child)
            if name == "r":
                text = found.hidden if self._styles.hides(_child(child, "rPr")) else found.text
                self._run(child, found, text)
            elif name in AROUND:
                self._runs(child, found)

    def _run(self, run: Element, found: "_Found", text: list[str]) -> None:
        for child in run:
            name = local_name(child)
            if name == "t":
                text.append((child.text or "").replace("\r", " ").replace("\n", " "))
            elif name == "br":
                text.append(PAGE_BREAK if child.get(f"{WORD}type") == "page" else LINE_BREAK)
            elif name in CHARACTERS:
                text.append(CHARACTERS[name])
            elif name in ("footnoteReference", "endnoteReference"):
                note = self._notes.get((name.removesuffix("Reference"), child.get(f"{WORD}id", "")))
                found.after += self.blocks(note) if note is not None else ()
            elif name == "AlternateContent":
                for version in child[:1]:  # the other versions show the same to older programs
                    self._run(version, found, text)
            elif name in PICTURES:
                found.drawn = True
                for box in _outermost(child, "txbxContent"):
                    found.after += self.blocks(box)

    def _table(self, element: Element) -> Table:
        rows = [self._row(row) for row in _flat(element, "tr")]
        return Table(tuple(_merge(rows)))

    def _row(self, element: Element) -> list[tuple[Cell, bool]]:
        """The cells of a row, each with whether it is merged with the cell above it."""
        properties = _child(element, "trPr")
        column = whole_number(_value(properties, "gridBefore"), 0)
        header = _is_on(_child(properties, "tblHeader"))
        cells = []
        for cell in _flat(element, "tc"):
            own = _child(cell, "tcPr")
            columns = whole_number(_value(own, "gridSpan"), 1)
            merge = _child(own, "vMerge")
            goes_on = merge is not None and merge.get(f"{WORD}val", "continue") == "continue"
            blocks = () if goes_on else tuple(self.blocks(cell))
            cells.append((Cell(column, columns, 1, header is True, blocks), goes_on))
            column += columns
        return cells


class _Found:
    """What the runs of one paragraph hold. `after`: blocks to write behind it, such as notes."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.hidden: list[str] = []
        self.after: list[Block] = []
        self.drawn = False


def _merge(rows: Iterable[list[tuple[Cell, bool]]]) -> Iterator[tuple[Cell, ...]]:
    """The rows, with vertically merged cells made one: the topmost, whose `rows` counts them all."""
    merged: list[list[Cell]] = []
    above: dict[int, tuple[int, int]] = {}  # column → (row, index) of the last cell that began there
    for row in rows:
        kept: list[Cell] = []
        for cell, goes_on in row:
            if goes_on and cell.column in above:
                at, index = above[cell.column]
                merged[at][index] = replace(merged[at][index], rows=merged[at][index].rows + 1)
            elif not goes_on:
                above[cell.column] = len(merged), len(kept)
                kept.append(cell)
        merged.append(kept)
    return map(tuple, merged)


def _flat(parent: Element, wanted: str) -> Iterator[Element]:
    """The rows of a table or the cells of a row, including those inside content controls."""
    for child in parent:
        name = local_name(child)
        if name == wanted:
            yield child
        elif name in AROUND:
            yield from _flat(child, wanted)


def _outermost(element: Element, wanted: str) -> Iterator[Element]:
    """The elements called `wanted` below `element` that lie in no other; of a drawing, only the first version."""
    for child in element:
        name = local_name(child)
        if name == wanted:
            yield child
        elif name != "Fallback":
            yield from _outermost(child, wanted)


def _child(element: Element | None, name: str) -> Element | None:
    return None if element is None else element.find(f"{WORD}{name}")


def _value(element: Element | None, name: str) -> str:
    child = _child(element, name)
    return "" if child is None else child.get(f"{WORD}val", "")


def _is_on(switch: Element | None) -> bool | None:
    """Whether a switch such as w:vanish is on; None if it is absent."""
    return None if switch is None else switch.get(f"{WORD}val", "true") not in ("0", "false", "off")


def _is_hidden(properties: Element | None) -> bool | None:
    return _is_on(_child(properties, "vanish"))


def _outline_level(properties: Element | None) -> int:
    """The outline level, 1 to 9; 0 if the properties say body text, -1 if they do not say."""
    level = whole_number(_value(properties, "outlineLvl"), -1)
    return level if level < 0 else (level + 1) % 10
