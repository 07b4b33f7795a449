"""PDF files for tests, written byte by byte: Korean text in a font that every reader knows by name.

The font is a standard Korean one with the encoding UniKS-UTF16-H and is not embedded, so no font file is
needed, and readers find exactly the characters that were written.
"""

from collections.abc import Sequence
from io import BytesIO

LINE_HEIGHT = 16


def make_pdf(
    pages: Sequence[Sequence[str]], title: str = "", outline: Sequence[tuple[str, int]] = ()
) -> bytes:
    """A PDF whose page i shows the lines `pages[i]`. `outline`: (title, page number from 1) of each bookmark."""
    objects: list[bytes] = []

    def add(body: bytes) -> int:
        objects.append(body)
        return len(objects)

    catalog, tree, font, cid, descriptor, info = (add(b"") for _ in range(6))
    kids = []
    for lines in pages:
        stream = _page_stream(lines)
        content = add(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        kids.append(
            add(
                b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Contents %d 0 R"
                b" /Resources << /Font << /F1 %d 0 R >> >> >>" % (tree, content, font)
            )
        )
    marks = _outline(add, objects, outline, kids)
    objects[catalog - 1] = b"<< /Type /Catalog /Pages %d 0 R%s >>" % (tree, marks)
    objects[tree - 1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (
        b" ".join(b"%d 0 R" % kid for kid in kids),
        len(kids),
    )
    objects[font - 1] = (
        b"<< /Type /Font /Subtype /Type0 /BaseFont /HYSMyeongJo-Medium /Encoding /UniKS-UTF16-H"
        b" /DescendantFonts [%d 0 R] >>" % cid
    )
    objects[cid - 1] = (
        b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /HYSMyeongJo-Medium /DW 1000"
        b" /CIDSystemInfo << /Registry (Adobe) /Ordering (Korea1) /Supplement 1 >>"
        b" /FontDescriptor %d 0 R >>" % descriptor
    )
    objects[descriptor - 1] = (
        b"<< /Type /FontDescriptor /FontName /HYSMyeongJo-Medium /Flags 4 /FontBBox [0 -148 1001 880]"
        b" /ItalicAngle 0 /Ascent 752 /Descent -271 /CapHeight 737 /StemV 60 >>"
    )
    objects[info - 1] = b"<< /Title <%s> >>" % _hex(title, mark=True)
    return _file(objects, catalog, info)


def _page_stream(lines: Sequence[str]) -> bytes:
    shown = [b"<%s> Tj T*" % _hex(line) for line in lines]
    return b"BT /F1 11 Tf %d TL 56 780 Td\n%s\nET" % (LINE_HEIGHT, b"\n".join(shown))


def _outline(add, objects, entries, kids) -> bytes:
    if not entries:
        return b""
    root = add(b"")
    numbers = [add(b"") for _ in entries]
    for position, (title, page) in enumerate(entries):
        links = b""
        if position:
            links += b" /Prev %d 0 R" % numbers[position - 1]
        if position + 1 < len(entries):
            links += b" /Next %d 0 R" % numbers[position + 1]
        objects[numbers[position] - 1] = b"<< /Title <%s> /Parent %d 0 R /Dest [%d 0 R /Fit]%s >>" % (
            _hex(title, mark=True),
            root,
            kids[page - 1],
            links,
        )
    objects[root - 1] = b"<< /Type /Outlines /First %d 0 R /Last %d 0 R /Count %d >>" % (
        numbers[0],
        numbers[-1],
        len(entries),
    )
    return b" /Outlines %d 0 R" % root


def _hex(text: str, *, mark: bool = False) -> bytes:
    return (("\ufeff" if mark else "") + text).encode("utf-16-be").hex().encode()


def _file(objects: Sequence[bytes], catalog: int, info: int) -> bytes:
    body, offsets = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return (
        body
        + b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root %d 0 R /Info %d 0 R >>\n"
        % (
            len(objects) + 1,
            table,
            len(objects) + 1,
            catalog,
            info,
        )
        + b"startxref\n%d\n%%%%EOF\n" % len(body)
    )


def turned(data: bytes, degrees: int, crop: tuple[float, ...] = ()) -> bytes:
    """The PDF `data` with its first page turned by `degrees` and cut to the box `crop`."""
    from pypdf import PdfReader, PdfWriter
    from pypdf.generic import RectangleObject

    writer = PdfWriter(clone_from=PdfReader(BytesIO(data)))
    page = writer.pages[0]
    page.rotate(degrees)
    if crop:
        page.cropbox = RectangleObject(crop)
    out = BytesIO()
    writer.write(out)
    return out.getvalue()
