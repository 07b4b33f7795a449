"""Second tries: pdfminer's characters and boxes are where PDFium's are; the order of the engines."""

from io import BytesIO

import pypdfium2
import pytest

from eval.dataset import SAMPLES
from ingest.pdf.miner import Miner
from ingest.pdf.reread import Rereader
from ingest.raw import NO_BOX, ReadPage
from tests.support.files.pdfs import make_pdf, turned

RULES = SAMPLES / "취업규칙.pdf"
LINES = ["제1조(목적) 이 규칙은 근로조건을 정한다.", "제2조(적용범위) 모든 직원에게 쓴다."]


def check(page: ReadPage) -> None:
    """Assert what must hold of every page that an engine read."""
    assert len(page.boxes) == len(page.text)
    previous = 0
    for line in page.lines:
        assert previous <= line.start < line.end <= len(page.text)
        assert "\n" not in page.text[line.start : line.end]
        assert any(box != NO_BOX for box in page.boxes[line.start : line.end])
        previous = line.end


def seen_at(data: bytes, char: str, occurrence: int = 0) -> tuple[float, ...]:
    """The middle of a character by PDFium (x, y), from the top left corner of the page as it is shown."""
    pdf = pypdfium2.PdfDocument(data)
    page = pdf[0]
    textpage = page.get_textpage()
    index = [i for i, c in enumerate(textpage.get_text_range()) if c == char][occurrence]
    left, bottom, right, top = textpage.get_charbox(index)
    middle = page.render(scale=1).get_posconv(page).to_bitmap((left + right) / 2, (bottom + top) / 2)
    pdf.close()
    return middle


def test_pdfminer_reads_the_words_of_the_samples():
    data = RULES.read_bytes()
    page = Miner(data).read_page(5)
    check(page)
    pdf = pypdfium2.PdfDocument(data)
    theirs = pdf[5].get_textpage().get_text_range()
    pdf.close()
    assert sorted("".join(page.text.split())) == sorted("".join(theirs.split()))


@pytest.mark.parametrize("crop", [(), (30, 50, 560, 820)])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_boxes_are_where_pdfium_shows_the_page(degrees, crop):
    data = turned(make_pdf([LINES]), degrees, crop)
    page = Miner(data).read_page(0)
    check(page)
    for char in "칙원":
        left, top, right, bottom = page.boxes[page.text.index(char)]
        x, y = seen_at(data, char)
        assert left - 4 <= x <= right + 4 and top - 4 <= y <= bottom + 4


def test_a_locked_file_is_read_with_its_password():
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(BytesIO(make_pdf([LINES]))))
    writer.encrypt("key-1234")
    out = BytesIO()
    writer.write(out)
    assert "근로조건" in Miner(out.getvalue(), "key-1234").read_page(0).text
    assert Miner(out.getvalue(), "틀림").read_page(0) is None


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7\n", b"nothing", make_pdf([LINES])[:400]])
def test_a_broken_file_gives_nothing(data):
    assert Miner(data).read_page(0) is None
    assert Miner(make_pdf([LINES])).read_page(7) is None


def test_a_glyph_of_unknown_character_is_one_replacement_character(shared):
    page = Miner((shared / "data/pdf/misc/bigdata.pdf").read_bytes()).read_page(58)
    check(page)
    assert "(cid:" not in page.text and "\ufffd" in page.text


def test_pdfminer_reads_a_font_by_its_own_table(shared):
    data = (shared / "data/pdf/robustness/cid-font-no-tounicode.pdf").read_bytes()
    pdf = pypdfium2.PdfDocument(data)
    page = Rereader(pdf, data, "", None).read(0)
    pdf.close()
    assert page.engine == "pdfminer" and page.confidence == 1
    assert page.text.startswith("The quick brown fox")


def test_the_engine_that_read_a_page_gives_the_same_boxes_later():
    data = make_pdf([LINES])
    pdf = pypdfium2.PdfDocument(data)
    page = Rereader(pdf, data, "", None).read(0)
    start = page.text.index("근로조건")
    assert Rereader(pdf, data, "", None).read_with(page.engine, 0) == page
    lefts = [box[0] for box in page.boxes[start : start + 4]]
    assert lefts == sorted(lefts) and len(set(lefts)) == 4
    pdf.close()


def test_without_ocr_a_page_without_characters_stays_unread():
    data = make_pdf([[]])
    pdf = pypdfium2.PdfDocument(data)
    rereader = Rereader(pdf, data, "", None)
    assert rereader.read(0) is None and rereader.read(0, only_ocr=True) is None
    pdf.close()
