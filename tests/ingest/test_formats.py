"""Readers of formats other than PDF keep the same promises. The files are made by the tests."""

import random
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path

import docx
import pytest
from docx.enum.text import WD_BREAK
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from hypothesis import assume, given
from hypothesis import strategies as st

from ingest.errors import FILE_CODES, UnreadableFile
from ingest.raw import RawFile
from ingest.readers import archive
from ingest.readers.plain import decode
from ingest.readers.read import ENDINGS, read_file
from tests.support.files import hwpx as hwp
from tests.support.laws import examples

MAX_PAGES = 1000
LOL = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "lol"}">' for i in range(12))
KOREAN = st.text(
    st.sampled_from("가나다라마바사아자차카타파하뷁똠햏힣각간ㄱㅏ漢字①②㎡「」·…ABCabc0123 .,()\n\t"),
    max_size=200,
)
# What XML can hold, and no line break or blank alone.
WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\ufffe\uffff"),
    min_size=1,
    max_size=40,
).filter(str.strip)  # fmt: skip


def read(data: bytes, name: str = "문서.hwpx") -> RawFile:
    """The raw file that `data` is read as; asserts what must hold for every raw file."""
    raw = read_file(Path(name), data, (), MAX_PAGES)
    assert raw.pages and [page.number for page in raw.pages] == list(range(1, len(raw.pages) + 1))
    for line in raw.lines:
        for start, end in (span for cell in line.cells for span in cell):
            assert 0 <= start < end <= len(raw.pages[line.page].text)
    assert [line.page for line in raw.lines] == sorted(line.page for line in raw.lines)
    return raw


def rows(raw: RawFile) -> list[list[str]]:
    """The text of each line, by cell; one of running text has one."""
    return [
        ["".join(raw.pages[line.page].text[start:end] for start, end in cell) for cell in line.cells]
        for line in raw.lines
    ]


def texts(raw: RawFile) -> list[str]:
    return [" | ".join(row) for row in rows(raw)]


def reason(data: bytes, name: str = "문서.hwpx") -> str:
    with pytest.raises(UnreadableFile) as caught:
        read_file(Path(name), data, ("암호",), MAX_PAGES)
    failure = caught.value
    assert name in failure.path and "{" not in failure.say("en") + failure.say("ko")
    return failure.code


# HWPX


def test_paragraphs_come_in_order_with_their_levels_and_line_breaks():
    raw = read(
        hwp.hwpx(
            hwp.paragraph("제1장 총칙", level=1)
            + hwp.paragraph("제1조(목적)", level=2)
            + hwp.paragraph("이 규정은\t목적을 ", "정한다.\n다음 줄이다.")
            + hwp.paragraph(""),
            hwp.paragraph("둘째 구역"),
        ),
        "취업_규칙.hwpx",
    )
    assert (raw.title, raw.unit, len(raw.pages)) == ("취업 규칙", "section", 2)
    assert texts(raw) == [
        "제1장 총칙", "제1조(목적)", "이 규정은\t목적을 정한다.", "다음 줄이다.", "둘째 구역",
    ]  # fmt: skip
    assert [line.level for line in raw.lines] == [1, 2, 0, 0, 0]
    assert [line.wrapped for line in raw.lines] == [False, False, True, False, False]
    assert [line.page for line in raw.lines] == [0, 0, 0, 0, 1]
    assert {page.engine for page in raw.pages} == {"hwpx"} and all(page.drawn for page in raw.pages)


def test_inline_elements_are_characters_and_text_after_them_is_kept():
    inner = '가<hp:nbSpace/>나<hp:fwSpace/>다<hp:hyphen/>라<hp:markpenBegin color="#FF"/>마<hp:markpenEnd/>바'
    assert texts(read(hwp.hwpx(hwp.paragraph(hwp.run(f"<hp:t>{inner}</hp:t>"))))) == [
        "가\xa0나\u2007다-라마바"
    ]


def test_headers_footers_comments_and_deleted_text_are_left_out():
    deleted = "<hp:t>매출은 <hp:deleteBegin Id='1'/>12%<hp:deleteEnd Id='1'/>15% 증가</hp:t>"
    body = hwp.paragraph(
        hwp.run(
            hwp.control("header", hwp.paragraph("머리말"), applyPageType="BOTH")
            + hwp.control("footer", hwp.paragraph("꼬리말"))
            + hwp.control("hiddenComment", hwp.paragraph("숨은 설명"))
            + hwp.control("fieldBegin", hwp.paragraph("메모"), type="MEMO")
        ),
        hwp.run(deleted),
    )
    raw = read(hwp.hwpx(body))
    assert texts(raw) == ["매출은 15% 증가"] and raw.pages[0].text == "매출은 15% 증가\n"


def test_a_note_follows_the_paragraph_it_stands_in():
    number = '<hp:ctrl><hp:autoNum num="1" numType="FOOTNOTE"><hp:autoNumFormat type="DIGIT" suffixChar=")"/></hp:autoNum></hp:ctrl>'
    note = hwp.control("footNote", hwp.paragraph(hwp.run(number + hwp.text(" 2024년 기준."))), number="1")
    raw = read(hwp.hwpx(hwp.paragraph("매출", hwp.run(note), "은 늘었다.") + hwp.paragraph("다음")))
    assert texts(raw) == ["매출은 늘었다.", "1) 2024년 기준.", "다음"]


def test_rows_of_a_table_are_lines_of_cells_under_their_columns():
    table = hwp.table(
        [hwp.cell("구분", 0, 0, rows=2), hwp.cell("실적", 1, 0, columns=2)],
        [hwp.cell("2023", 1, 1), hwp.cell("2024", 2, 1)],
        ["매출", hwp.cell("", 1, 2), "20"],
        ["이익", hwp.cell(hwp.paragraph("3") + hwp.paragraph("(잠정)"), 1, 3), "4"],
        caption="표 1",
    )
    raw = read(hwp.hwpx(hwp.paragraph("앞") + hwp.paragraph(hwp.run(table)) + hwp.paragraph("뒤")))
    assert rows(raw) == [
        ["앞"], ["표 1"], ["구분", "실적"], ["", "2023", "2024"], ["매출", "", "20"], ["이익", "3\n(잠정)", "4"], ["뒤"],
    ]  # fmt: skip
    assert [line.table for line in raw.lines] == [-1, -1, 0, 0, 0, 0, -1]
    assert [line.header for line in raw.lines] == [False, False, True, True, False, False, False]
    assert raw.pages[0].text.count("구분") == 1
    assert not any(line.wrapped for line in raw.lines)


def test_header_cells_are_those_marked_so():
    table = hwp.table(["가", "나"], [hwp.cell("다", 0, 1, header=True), "라"], ["마", "바"])
    raw = read(hwp.hwpx(hwp.paragraph(hwp.run(table))))
    assert [line.header for line in raw.lines] == [False, True, False]


def test_a_frame_is_text_and_a_table_in_a_cell_follows_its_row():
    inner = hwp.table(["안1", "안2"], ["안3", "안4"])
    frame = hwp.table([hwp.cell(hwp.paragraph("틀 안", level=1) + hwp.paragraph(hwp.run(inner)), 0, 0)])
    nested = hwp.table([hwp.cell(hwp.paragraph("왼쪽", hwp.run(inner)), 0, 0), "오른쪽"], ["끝1", "끝2"])
    raw = read(hwp.hwpx(hwp.paragraph(hwp.run(frame)) + hwp.paragraph(hwp.run(nested))))
    assert texts(raw) == [
        "틀 안", "안1 | 안2", "안3 | 안4", "왼쪽 | 오른쪽", "안1 | 안2", "안3 | 안4", "끝1 | 끝2",
    ]  # fmt: skip
    assert [line.table for line in raw.lines] == [-1, 0, 0, 1, 2, 2, 1]
    assert raw.lines[0].level == 1


def test_a_text_box_is_read_and_a_picture_only_seen():
    box = f"<hp:rect><hp:drawText>{hwp.sublist(hwp.paragraph('글상자'))}</hp:drawText></hp:rect>"
    raw = read(hwp.hwpx(hwp.paragraph("본문", hwp.run(box)), hwp.paragraph(hwp.run("<hp:pic/>")), ""))
    assert texts(raw) == ["본문", "글상자"]
    assert [page.drawn for page in raw.pages] == [True, True, False]


def test_of_two_versions_of_an_object_one_is_read():
    box = f"<hp:rect><hp:drawText>{hwp.sublist(hwp.paragraph('글상자'))}</hp:drawText></hp:rect>"
    both = f"<hp:switch><hp:case>{box}</hp:case><hp:default>{box}</hp:default></hp:switch>"
    assert texts(read(hwp.hwpx(hwp.paragraph(hwp.run(both))))) == ["글상자"]
    shown = '<hp:compose composeText="인"/><hp:equation><hp:script>a over b</hp:script></hp:equation>'
    assert texts(read(hwp.hwpx(hwp.paragraph("㉠", hwp.run(shown))))) == ["㉠인a over b"]


def test_text_that_nobody_sees_is_in_no_line():
    def written(content: str, shape: int) -> str:
        return hwp.run(hwp.text(content), shape)

    dark = hwp.table([hwp.cell(hwp.paragraph(written("흰 제목", hwp.WHITE)), 0, 0), "값"], ["가", "나"])
    body = hwp.paragraph("보이는 ", written("숨긴 지시", hwp.WHITE), written("작은 글", hwp.TINY), "글")
    body += hwp.paragraph(written("검은 바탕", hwp.SHADED)) + hwp.paragraph(hwp.run(dark))
    raw = read(hwp.hwpx(body))
    assert texts(raw) == ["보이는 글", "검은 바탕", "흰 제목 | 값", "가 | 나"]
    page = raw.pages[0]
    assert page.hidden and page.text.endswith("숨긴 지시작은 글\n")


def test_an_encrypted_file_is_told_from_a_damaged_one():
    manifest = (
        '<odf:manifest xmlns:odf="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><odf:file-entry '
        'full-path="Contents/section0.xml"><odf:encryption-data checksum="x"/></odf:file-entry></odf:manifest>'
    )
    parts = {"META-INF/manifest.xml": manifest, "Contents/section0.xml": "\x8f\x00 no xml"}
    assert reason(hwp.hwpx("", **parts)) == "encrypted"
    assert reason(hwp.hwpx("", **{"Contents/section0.xml": "\x8f\x00 no xml"})) == "damaged"
    assert reason(hwp.hwpx()) == "damaged"


@given(st.lists(WORDS, min_size=1, max_size=5), st.lists(st.tuples(WORDS, WORDS), min_size=2, max_size=4))
@examples(50)
def test_every_span_of_hwpx_is_what_was_written(paragraphs, table):
    body = "".join(map(hwp.paragraph, [*paragraphs])) + hwp.paragraph(
        hwp.run(hwp.table(*[[hwp.cell(hwp.paragraph(c), i, r) for i, c in enumerate(row)] for r, row in enumerate(table)]))
    )  # fmt: skip
    assert rows(read(hwp.hwpx(body))) == [[text] for text in paragraphs] + [list(row) for row in table]


# DOCX


def saved(build: Callable) -> bytes:
    document = docx.Document()
    build(document)
    target = BytesIO()
    document.save(target)
    return target.getvalue()


def mark_page(run) -> None:
    run._r.insert(0, OxmlElement("w:lastRenderedPageBreak"))


def build_report(document) -> None:
    document.add_paragraph("머리 앞")
    document.add_heading("제1장 총칙", 1)
    document.add_paragraph("이 규정은\t목적을 정한다.")
    table = document.add_table(3, 3)
    table.cell(0, 0).merge(table.cell(1, 0)).text = "구분"
    table.cell(0, 1).merge(table.cell(0, 2)).text = "실적"
    for (row, column), text in {(1, 1): "2023", (1, 2): "2024", (2, 0): "매출", (2, 2): "20"}.items():
        table.cell(row, column).text = text
    document.add_heading("제2장 보칙", 1)
    document.add_heading("제1절", 2)
    document.add_paragraph("끝.")
    document.sections[0].header.paragraphs[0].text = "머리말"
    document.sections[0].footer.paragraphs[0].text = "꼬리말"


def test_docx_without_marks_of_pages_is_cut_at_main_headings():
    raw = read(saved(build_report), "보고서.docx")
    assert (raw.title, raw.unit) == ("보고서", "section")
    assert rows(raw) == [
        ["머리 앞"], ["제1장 총칙"], ["이 규정은\t목적을 정한다."], ["구분", "실적"], ["", "2023", "2024"],
        ["매출", "", "20"], ["제2장 보칙"], ["제1절"], ["끝."],
    ]  # fmt: skip
    assert [line.page for line in raw.lines] == [0, 1, 1, 1, 1, 1, 2, 2, 2]
    assert [line.level for line in raw.lines] == [0, 1, 0, 0, 0, 0, 1, 2, 0]
    assert [line.header for line in raw.lines][3:6] == [True, True, False]
    assert {page.engine for page in raw.pages} == {"docx"}


def test_docx_with_marks_of_pages_has_page_numbers():
    def build(document):
        document.add_paragraph("첫째 쪽이고 ").add_run("다음 쪽으로 이어진다.")
        mark_page(document.paragraphs[0].runs[1])
        document.add_paragraph("둘째").add_run().add_break(WD_BREAK.PAGE)
        document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)  # an empty third page
        mark_page(document.paragraphs[2].runs[0])
        document.add_paragraph("넷째")
        mark_page(document.paragraphs[3].runs[0])
        table = document.add_table(2, 2)
        for index, cell in enumerate(cell for row in table.rows for cell in row.cells):
            cell.text = f"칸{index}"
        mark_page(table.cell(1, 0).paragraphs[0].runs[0])

    raw = read(saved(build), "가.docx")
    assert raw.unit == "page" and len(raw.pages) == 5
    assert [(line.page, text) for line, text in zip(raw.lines, texts(raw), strict=True)] == [
        (0, "첫째 쪽이고 "), (1, "다음 쪽으로 이어진다."), (1, "둘째"), (3, "넷째"), (3, "칸0 | 칸1"), (4, "칸2 | 칸3"),
    ]  # fmt: skip
    assert [line.wrapped for line in raw.lines] == [True, *[False] * 5]
    assert [page.drawn for page in raw.pages] == [True, True, False, True, True]


def test_docx_hidden_deleted_and_boxed_text():
    def build(document):
        paragraph = document.add_paragraph("보이는")
        paragraph.add_run("숨긴").font.hidden = True
        names = nsdecls("w")
        paragraph._p.append(parse_xml(f"<w:del {names}><w:r><w:delText>지운</w:delText></w:r></w:del>"))
        paragraph._p.append(parse_xml(f"<w:ins {names}><w:r><w:t>넣은</w:t></w:r></w:ins>"))
        box = f"<w:txbxContent {names}><w:p><w:r><w:t>글상자</w:t></w:r></w:p></w:txbxContent>"
        mc = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
        versions = f"<mc:Choice><w:drawing>{box}</w:drawing></mc:Choice><mc:Fallback><w:pict>{box}</w:pict></mc:Fallback>"
        both = f"<mc:AlternateContent>{versions}</mc:AlternateContent>"
        paragraph._p.append(parse_xml(f"<w:r {names} {mc}>{both}</w:r>"))
        control = f"<w:sdt {names}><w:sdtContent><w:p><w:r><w:t>목차</w:t></w:r></w:p></w:sdtContent></w:sdt>"
        document.element.body.insert(1, parse_xml(control))

    raw = read(saved(build), "가.docx")
    assert texts(raw) == ["보이는넣은", "글상자", "목차"]
    assert raw.pages[0].text.endswith("숨긴\n") and raw.pages[0].hidden


def test_docx_notes_follow_their_paragraph():
    note = f'<w:footnote {nsdecls("w")} w:id="2"><w:p><w:r><w:t>각주다.</w:t></w:r></w:p></w:footnote>'
    data = saved(lambda d: d.add_paragraph("본문").add_run()._r.append(OxmlElement("w:footnoteReference")))
    parts = unpacked(data)
    parts["word/document.xml"] = parts["word/document.xml"].replace(
        b"<w:footnoteReference/>", b'<w:footnoteReference w:id="2"/>'
    )
    parts["word/footnotes.xml"] = f"<w:footnotes {nsdecls('w')}>{note}</w:footnotes>".encode()
    relation = (
        b'<Relationship Id="rId99" Target="footnotes.xml" Type="http://schemas.openxmlformats.org/'
        b'officeDocument/2006/relationships/footnotes"/></Relationships>'
    )
    name = "word/_rels/document.xml.rels"
    parts[name] = parts[name].replace(b"</Relationships>", relation)
    assert texts(read(hwp.archive(parts), "가.docx")) == ["본문", "각주다."]


@given(st.lists(WORDS, min_size=1, max_size=5))
@examples(25)
def test_every_span_of_docx_is_what_was_written(paragraphs):
    data = saved(lambda document: [document.add_paragraph(text) for text in paragraphs])
    assert texts(read(data, "가.docx")) == paragraphs


def unpacked(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(data)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


# Text and Markdown


@given(KOREAN, st.sampled_from(["utf-8", "utf-8-sig", "cp949", "euc-kr"]))
@examples(300)
def test_korean_text_comes_back_whatever_it_was_saved_in(text, encoding):
    data = text.encode(encoding)
    # One syllable in eleven of EUC-KR is a letter of UTF-8, too («카» is «ī»): a text of them alone is lost.
    assume(encoding.startswith("utf") or not _is_utf8(data) or text.isascii())
    assert decode("가.txt", data) == text


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@given(KOREAN)
def test_utf_16_is_known_by_its_mark(text):
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        assert decode("가.txt", mark + text.encode(encoding)) == text


@pytest.mark.parametrize("ending", [".txt", ".md"])
@given(text=KOREAN | st.text(st.sampled_from("#|- \n`\f가~=\\>*\r1."), max_size=200))
@examples(200)
def test_sections_tile_a_text(ending, text):
    raw = read(text.encode(), f"가{ending}")
    assert "".join(page.text for page in raw.pages) == text


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x81\xff\xfe garbage",
        "가나다".encode() + b"\xff",
        b"text with a \x00 in it",
        bytes(4096),
        "가나다".encode("utf-16-le") + "\n".encode("utf-16-le"),  # without its mark
        b"\xff\xfe\x00",
        bytes(range(1, 32)) * 20,
        random.Random(7).randbytes(2000),
        "é caf\xe9 ".encode("latin-1"),
    ],
)
def test_bytes_that_are_no_text_are_refused(data):
    assert reason(data, "가.txt") == "damaged"


def test_the_byte_that_fits_no_encoding_is_named():
    with pytest.raises(UnreadableFile, match="0xFF at 9"):
        decode("가.txt", "가나다".encode() + b"\xff")


def test_a_line_of_text_is_a_paragraph_unless_the_file_wraps_its_lines():
    sentence = (
        "이 규정은 임직원의 근로조건에 관한 사항을 정하며 그 목적을 달성하기 위하여 필요한 절차를 둔다. "
    )
    flowing = (sentence * 4).replace(" ", "", 3)
    wrapped = [flowing[start : start + 30] for start in range(0, len(flowing), 30)]
    raw = read("\n".join([*wrapped, "", "짧은 줄", "제2조"]).encode(), "가.txt")
    marks = [line.wrapped for line in raw.lines]
    assert marks == [True] * (len(wrapped) - 1) + [False] * 3
    lines = [f"{n}번째 문단은 {'길이가 다르다 ' * (n % 5 + 1)}." for n in range(20)]
    raw = read("\r\n".join(lines).encode("cp949"), "가.txt")
    assert texts(raw) == lines and not any(line.wrapped for line in raw.lines)


def test_text_is_cut_at_form_feeds_else_at_blank_lines():
    raw = read("첫 쪽\n\f둘째 쪽\f".encode(), "가.txt")
    assert [(line.page, text) for line, text in zip(raw.lines, texts(raw), strict=True)] == [
        (0, "첫 쪽"),
        (1, "둘째 쪽"),
    ]
    paragraphs = "\n\n".join(f"{n}줄\n이어서" for n in range(300))
    raw = read(paragraphs.encode(), "가.txt")
    assert len(raw.pages) == 5 and all(page.text.endswith("\n\n") for page in raw.pages[:-1])
    raw = read(b"a\n" * 1000, "a.txt")
    assert [page.text.count("\n") for page in raw.pages] == [400, 400, 200]


def test_markdown_headings_tables_and_code():
    source = """---
title: 가
---
머리 앞

# 제1장 총칙 ##
본문 **굵게**와 [링크](http://a)

| 구분 | 값 |
|:-----|---:|
| 매출 | 1\\|2 |
| | 3 |

```sh
# 주석
| a | b |
```

둘째 장
=======
### C#
가 | 나
"""
    raw = read(source.encode(), "1234.md")
    assert raw.title == "제1장 총칙"
    assert texts(raw) == [
        "---", "title: 가", "---", "머리 앞", "제1장 총칙", "본문 **굵게**와 [링크](http://a)", "구분 | 값",
        "매출 | 1\\|2", " | 3", "# 주석", "| a | b |", "둘째 장", "C#", "가 | 나",
    ]  # fmt: skip
    assert [line.level for line in raw.lines] == [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 3, 0]
    assert [line.table for line in raw.lines] == [-1] * 6 + [0] * 3 + [-1] * 5
    assert [line.header for line in raw.lines] == [False] * 6 + [True] + [False] * 7
    assert [line.page for line in raw.lines] == [0] * 4 + [1] * 7 + [2] * 3


# Which reader, and files that are none


def test_what_is_in_a_file_counts_more_than_its_name():
    data = hwp.hwpx(hwp.paragraph("본문"))
    for name in ("가.pdf", "가.docx", "가.txt", "가.HWPX", "가"):
        assert texts(read(data, name)) == ["본문"]
    word = saved(lambda document: document.add_paragraph("본문"))
    assert texts(read(word, "가.hwpx")) == ["본문"]
    assert texts(read(b"about the %PDF- mark", "a.txt")) == ["about the %PDF- mark"]
    assert set(ENDINGS) >= {".pdf", ".hwpx", ".docx", ".txt", ".md"}


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512)


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("가.hwpx", "글".encode(), "damaged"),
        ("가.docx", b"PK\x03\x04 and no more", "damaged"),
        ("가.pdf", "글".encode(), "not_pdf"),
        ("가.hwp", OLE + b"HWP Document File", "unsupported"),
        ("가.hwpx", OLE + b"HWP Document File", "unsupported"),
        ("가.hwp", b"HWP Document File V3.00 \x1a", "unsupported"),
        ("가.docx", OLE + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
        ("가.doc", OLE + "WordDocument".encode("utf-16-le"), "unsupported"),
        ("가.xlsx", hwp.archive({"xl/workbook.xml": "<a/>"}), "unsupported"),
        ("가.hwpx", hwp.archive({"mimetype": "application/hwp+zip"}), "damaged"),
        ("가.docx", hwp.archive({"word/document.xml": "<a/>"}), "damaged"),
        ("가.docx", hwp.archive({"other": ""}), "damaged"),
    ],
)
def test_a_file_that_is_not_what_it_seems_is_named_for_what_it_is(name, data, code):
    assert reason(data, name) == code


def test_the_wording_fits_every_format():
    for english, english_remedy, korean, korean_remedy in FILE_CODES.values():
        assert (
            "the PDF" not in english and not korean.endswith("PDF입니다") and english_remedy and korean_remedy
        )


@pytest.mark.parametrize("cut", [0.05, 0.3, 0.6, 0.9, 0.99, 0.999])
def test_a_truncated_archive_is_damaged(cut):
    for data, name in ((hwp.hwpx(hwp.paragraph("본문")), "가.hwpx"), (saved(build_report), "가.docx")):
        assert reason(data[: int(cut * len(data))], name) == "damaged"


def stamped(data: bytes, name: str, method: int = 8, size: int | None = None, flags: int = 0) -> bytes:
    """The zip `data` with changed fields in the directory entry of the part called `name`."""
    changed = bytearray(data)
    at = data.index(archive.ENTRY_MARK)
    while data[at + 46 : at + 46 + len(name)] != name.encode():
        at = data.index(archive.ENTRY_MARK, at + 4)
    struct.pack_into("<HH", changed, at + 8, flags, method)
    if size is not None:
        struct.pack_into("<I", changed, at + 24, size)
    return bytes(changed)


SECTION = "Contents/section0.xml"
DTD = f"<!DOCTYPE a [{LOL}]><a>&l11;</a>"


def word_with(document: str) -> bytes:
    return hwp.archive(unpacked(saved(build_report)) | {"word/document.xml": document})


def plain() -> bytes:
    return hwp.hwpx(hwp.paragraph("본문"))


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "blanks": (lambda: hwp.hwpx(f"<!--{' ' * 40_000_000}-->"), "too_large"),
    "one long text": (lambda: hwp.hwpx(hwp.paragraph("가" * 20_000_000)), "too_large"),
    "tables in tables": (
        lambda: hwp.hwpx("<hp:p><hp:run><hp:tbl><hp:tr><hp:tc><hp:subList>" * 1000),
        "too_large",
    ),
    "entities": (lambda: hwp.hwpx("", **{SECTION: DTD}), "unsupported"),
    "entities in UTF-16": (lambda: hwp.hwpx("", **{SECTION: DTD.encode("utf-16")}), "unsupported"),
    "entities in the manifest": (lambda: hwp.hwpx("", **{"META-INF/manifest.xml": DTD}), "unsupported"),
    "a type from elsewhere": (
        lambda: hwp.hwpx("", **{"Contents/header.xml": '<!DOCTYPE a SYSTEM "http://a/b"><a/>'}),
        "unsupported",
    ),
    "entries": (lambda: hwp.archive({str(n): b"" for n in range(archive.MAX_ENTRIES + 1)}), "too_large"),
    "said to be large": (lambda: stamped(plain(), SECTION, size=2**31), "too_large"),
    "said to be small": (lambda: stamped(plain(), SECTION, size=10), "damaged"),
    "packed with bzip2": (lambda: stamped(plain(), SECTION, method=12), "unsupported"),
    "with a zip password": (lambda: stamped(plain(), SECTION, flags=1), "encrypted"),
    "docx: blanks": (lambda: word_with(f"<!--{' ' * 40_000_000}--><a/>"), "too_large"),
    "docx: entities": (lambda: word_with(DTD), "unsupported"),
    "docx: depth": (lambda: word_with("<a>" * 5000 + "</a>" * 5000), "too_large"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_at_once_and_with_little_memory(bomb):
    build, code = BOMBS[bomb]
    data = build()
    tracemalloc.start()
    started = time.perf_counter()
    try:
        assert reason(data) == code
        assert time.perf_counter() - started < 5
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20 + len(data)
    finally:
        tracemalloc.stop()


def test_pictures_are_not_unpacked():
    picture = bytes(64 * 2**20)
    data = hwp.hwpx(hwp.paragraph("본문"), **{"BinData/image1.bmp": picture})
    assert texts(read(data)) == ["본문"]
    word = unpacked(saved(build_report)) | {"word/media/image1.bmp": picture}
    tracemalloc.start()
    assert "끝." in texts(read(hwp.archive(word), "가.docx"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 2**20


def test_too_many_sections_are_refused():
    for data, name in (
        (hwp.hwpx(*[hwp.paragraph("가")] * 4), "가.hwpx"),
        ("\f".join("가나다라").encode(), "가.txt"),
        ("\n".join(f"# {n}" for n in range(4)).encode(), "가.md"),
        (saved(lambda d: [d.add_heading(str(n), 1) for n in range(4)]), "가.docx"),
    ):
        with pytest.raises(UnreadableFile) as caught:
            read_file(Path(name), data, (), 3)
        assert caught.value.code == "too_large"
        assert len(read_file(Path(name), data, (), 4).pages) == 4


@cache
def wholes() -> dict[str, bytes]:
    """A file of each packed format, with something of everything."""
    note = hwp.control("footNote", hwp.paragraph("각주"))
    table = hwp.table([hwp.cell("가", 0, 0, 2, 2), "나"], ["다", "라"])
    body = hwp.paragraph("제1장", level=1) + hwp.paragraph("본문\t", hwp.run(note))
    return {
        "가.hwpx": hwp.hwpx(body + hwp.paragraph(hwp.run(table))),
        "가.docx": saved(build_report),
    }


@pytest.mark.parametrize("name", ["가.hwpx", "가.docx"])
@given(seed=st.integers(0, 2**32))
@examples(100)
def test_broken_bytes_are_read_or_refused(name, seed):
    dice = random.Random(seed)
    data = bytearray(wholes()[name])
    for _ in range(dice.randint(1, 8)):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    if dice.random() < 0.3:
        del data[dice.randrange(len(data)) :]
    _read_or_refuse(bytes(data), name)


@pytest.mark.parametrize("name", ["가.hwpx", "가.docx"])
@given(seed=st.integers(0, 2**32))
@examples(100)
def test_broken_xml_is_read_or_refused(name, seed):
    """Damages the XML before it is packed: checksums of the archive reveal damage done afterwards."""
    dice = random.Random(seed)
    parts = unpacked(wholes()[name])
    part = dice.choice([part for part in parts if part.endswith((".xml", ".rels", ".hpf"))])
    data = bytearray(parts[part])
    for _ in range(dice.randint(1, 4)):
        start = dice.randrange(len(data))
        piece = data[start : start + dice.randint(1, 40)]
        action = dice.choice(["drop", "double", "flip", "digit"])
        if action == "drop":
            del data[start : start + len(piece)]
        elif action == "double":
            data[start:start] = piece
        elif action == "flip":
            data[start] ^= 1 << dice.randrange(8)
        else:
            data[start : start + 1] = b"9999999999999999999999"[: dice.randint(1, 22)]
    _read_or_refuse(hwp.archive(parts | {part: bytes(data)}), name)


def _read_or_refuse(data: bytes, name: str) -> None:
    try:
        read(data, name)
    except UnreadableFile as failure:
        assert failure.code in FILE_CODES


def test_qualified_names_of_word_are_those_of_the_reader():
    from ingest.readers.docx import WORD

    assert qn("w:p") == f"{WORD}p"
