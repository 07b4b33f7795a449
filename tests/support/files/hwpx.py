"""XML of paragraphs → small HWPX files, with the parts, namespaces and attributes that Hancom Office writes."""

import zipfile
from collections.abc import Sequence
from io import BytesIO
from xml.sax.saxutils import escape, quoteattr

NAMESPACES = " ".join(
    f'xmlns:{prefix}="http://www.hancom.co.kr/hwpml/2011/{name}"'
    for prefix, name in (
        ("ha", "app"), ("hp", "paragraph"), ("hs", "section"), ("hc", "core"), ("hh", "head"),
    )
)  # fmt: skip
PROLOGUE = '<?xml version="1.0" encoding="UTF-8" standalone="yes" ?>'
# Ids of paragraph shapes: 1 to 9 are headings of those outline levels, 0 is running text. Character shapes:
PLAIN, WHITE, TINY, SHADED = 0, 1, 2, 3
SUBLIST = 'id="" textDirection="HORIZONTAL" lineWrap="BREAK" vertAlign="CENTER" linkListIDRef="0"'


def hwpx(*sections: str, title: str = "", **parts: str) -> bytes:
    """An HWPX file of `sections`, each the XML of its paragraphs. `parts` add or replace other parts, by name."""
    numbers = range(len(sections))
    files = {
        "mimetype": "application/hwp+zip",
        "version.xml": f'{PROLOGUE}<hv:HCFVersion xmlns:hv="http://www.hancom.co.kr/hwpml/2011/version"/>',
        "Contents/header.xml": header(),
        **{f"Contents/section{i}.xml": section(body) for i, body in enumerate(sections)},
        "Preview/PrvText.txt": "미리보기",
        "Contents/content.hpf": (
            f'{PROLOGUE}<opf:package xmlns:opf="http://www.idpf.org/2007/opf/"><opf:metadata>'
            f"<opf:title>{escape(title)}</opf:title></opf:metadata><opf:manifest>"
            + "".join(f'<opf:item id="section{i}" href="Contents/section{i}.xml"/>' for i in numbers)
            + "</opf:manifest></opf:package>"
        ),
        "META-INF/manifest.xml": (
            f'{PROLOGUE}<odf:manifest xmlns:odf="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
        ),
        **parts,
    }
    return archive(files)


def archive(files: dict[str, str | bytes]) -> bytes:
    """A zip of `files`, the mimetype stored and the rest deflated, as in every HWPX file."""
    target = BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in files.items():
            method = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            packed.writestr(name, text, method)
    return target.getvalue()


def header() -> str:
    shapes = "".join(
        f'<hh:paraPr id="{level}" tabPrIDRef="0"><hh:align horizontal="JUSTIFY" vertical="BASELINE"/>'
        f'<hh:heading type="{"OUTLINE" if level else "NONE"}" idRef="0" level="{max(level - 1, 0)}"/>'
        "</hh:paraPr>"
        for level in range(10)
    )
    types = ((1000, "#000000", "none"), (1000, "#FFFFFF", "none"), (100, "#000000", "none"),
             (1000, "#FFFFFF", "#000000"))  # fmt: skip
    characters = "".join(
        f'<hh:charPr id="{i}" height="{height}" textColor="{colour}" shadeColor="{shade}"/>'
        for i, (height, colour, shade) in enumerate(types)
    )
    return (
        f'{PROLOGUE}<hh:head {NAMESPACES} version="1.4" secCnt="1"><hh:refList>'
        f"<hh:charProperties>{characters}</hh:charProperties>"
        f"<hh:paraProperties>{shapes}</hh:paraProperties></hh:refList></hh:head>"
    )


def section(body: str) -> str:
    return f"{PROLOGUE}<hs:sec {NAMESPACES}>{body}</hs:sec>"


def text(content: str) -> str:
    """hp:t with `content`, in which tabs and line breaks become elements."""
    marked = escape(content).replace("\t", '<hp:tab width="4000" leader="0" type="1"/>')
    return f"<hp:t>{marked.replace(chr(10), '<hp:lineBreak/>')}</hp:t>"


def run(content: str, shape: int = PLAIN) -> str:
    return f'<hp:run charPrIDRef="{shape}">{content}</hp:run>'


def paragraph(*runs: str, level: int = 0) -> str:
    """A paragraph of `runs`, each the XML of a run or plain text."""
    inner = "".join(part if part.startswith("<hp:run") else run(text(part)) for part in runs)
    return (
        f'<hp:p id="0" paraPrIDRef="{level}" styleIDRef="0" pageBreak="0" columnBreak="0" merged="0">{inner}'
        '<hp:linesegarray><hp:lineseg textpos="0" vertpos="0" vertsize="1000"/></hp:linesegarray></hp:p>'
    )


def sublist(body: str) -> str:
    return f"<hp:subList {SUBLIST}>{body}</hp:subList>"


def cell(body: str, column: int, row: int, columns: int = 1, rows: int = 1, header: bool = False) -> str:
    body = body if body.startswith("<hp:p") else paragraph(body)
    return (
        f'<hp:tc name="" header="{int(header)}" hasMargin="0" protect="0" editable="0" dirty="0"'
        f' borderFillIDRef="3">{sublist(body)}<hp:cellAddr colAddr="{column}" rowAddr="{row}"/>'
        f'<hp:cellSpan colSpan="{columns}" rowSpan="{rows}"/><hp:cellSz width="100" height="282"/></hp:tc>'
    )


def table(*rows: Sequence[str], caption: str = "") -> str:
    """A table of `rows` of cells, each the XML of a cell or the text of one that takes one column."""
    inner = "".join(
        "<hp:tr>"
        + "".join(c if c.startswith("<hp:tc") else cell(c, column, i) for column, c in enumerate(row))
        + "</hp:tr>"
        for i, row in enumerate(rows)
    )
    captioned = f'<hp:caption side="TOP">{sublist(paragraph(caption))}</hp:caption>' if caption else ""
    return (
        '<hp:tbl id="1" zOrder="0" numberingType="TABLE" textWrap="TOP_AND_BOTTOM" pageBreak="CELL"'
        f' repeatHeader="1" rowCnt="{len(rows)}"><hp:sz width="42520" height="1000"/>{captioned}{inner}</hp:tbl>'
    )


def control(name: str, body: str, **attributes: str) -> str:
    """hp:ctrl with an element called `name` (a note, header or comment) that holds `body`."""
    given = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<hp:ctrl><hp:{name}{given}>{sublist(body)}</hp:{name}></hp:ctrl>"
