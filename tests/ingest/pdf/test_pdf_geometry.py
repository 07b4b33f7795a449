"""What a person sees on a page is read, and what nobody sees is left out and counted."""

from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from ingest.pdf.read import read_pdf
from ingest.raw import RawFile
from ingest.repair.normalise import normalise

FONT = "HYSMyeongJo-Medium"


def draw(*paint) -> bytes:
    """A page on which each of `paint` draws with the canvas."""
    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    out = BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1)
    canvas.setFont(FONT, 11)
    for act in paint:
        canvas.saveState()
        act(canvas)
        canvas.restoreState()
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def read(data: bytes) -> RawFile:
    return read_pdf(Path("쪽.pdf"), data, (), 10)


def text_of(data: bytes) -> str:
    return normalise(read(data)).text


def visible(canvas: Canvas) -> None:
    canvas.drawString(60, 700, "누구나 볼 수 있는 문장입니다.")


def white(canvas: Canvas) -> None:
    canvas.setFillColorRGB(1, 1, 1)
    canvas.drawString(60, 600, "흰 바탕의 흰 지시문")


def invisible(canvas: Canvas) -> None:
    text = canvas.beginText(60, 580)
    text.setTextRenderMode(3)
    text.textLine("보이지 않는 지시문")
    canvas.drawText(text)


def off_page(canvas: Canvas) -> None:
    canvas.drawString(60, -200, "쪽 밖의 지시문")


def tiny(canvas: Canvas) -> None:
    canvas.setFont(FONT, 0.5)
    canvas.drawString(60, 560, "너무 작은 지시문")


def white_on_colour(canvas: Canvas) -> None:
    canvas.setFillColorRGB(0.1, 0.2, 0.5)
    canvas.rect(50, 490, 300, 30, stroke=0, fill=1)
    canvas.setFillColorRGB(1, 1, 1)
    canvas.drawString(60, 500, "색 바탕의 흰 제목")


def picture(canvas: Canvas) -> None:
    from PIL import Image
    from reportlab.lib.utils import ImageReader

    canvas.drawImage(ImageReader(Image.new("RGB", (60, 80), (200, 200, 200))), 0, 0, *A4)


@pytest.mark.parametrize("hidden", [white, invisible, off_page, tiny])
def test_what_nobody_sees_is_left_out_and_counted(hidden):
    raw = read(draw(visible, hidden))
    assert normalise(raw).text == "누구나 볼 수 있는 문장입니다.\n"
    assert raw.pages[0].hidden >= 6 and "지시문" in raw.pages[0].text


def test_white_text_on_a_coloured_ground_is_read():
    raw = read(draw(visible, white_on_colour))
    assert "색 바탕의 흰 제목" in normalise(raw).text and raw.pages[0].hidden == 0


def test_the_invisible_text_over_a_scan_is_its_text():
    raw = read(draw(picture, invisible))
    assert raw.pages[0].engine == "layer" and "보이지 않는 지시문" in normalise(raw).text


def test_invisible_text_beside_visible_text_over_a_picture_is_hidden():
    assert "지시문" not in text_of(draw(picture, visible, invisible))


def test_a_page_that_holds_a_picture_only_is_unreadable_and_a_blank_one_is_not():
    assert [page.readable for page in normalise(read(draw(picture))).pages] == [False]
    assert [page.readable for page in normalise(read(draw())).pages] == [True]


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_text_is_read_upright_however_the_page_is_turned(turn):
    writer = PdfWriter(clone_from=PdfReader(BytesIO(draw(visible))))
    writer.pages[0].rotate(turn)
    out = BytesIO()
    writer.write(out)
    (line,) = read(out.getvalue()).lines
    left, top, right, bottom = line.box
    assert 0 <= left < right <= A4[0] and 0 <= top < bottom <= A4[1]
    assert right - left > 5 * (bottom - top)
    assert left == pytest.approx(60, abs=1) and bottom == pytest.approx(A4[1] - 700, abs=5)


def test_a_ruled_table_is_read_by_rows():
    def table(canvas: Canvas) -> None:
        canvas.grid([60, 160, 260, 360], [600, 620, 640, 660])
        for row, cells in enumerate(
            (("구분", "작년", "올해"), ("매출", "2,680", "3,010"), ("이익", "260", "313"))
        ):
            for column, cell in enumerate(cells):
                canvas.drawString(65 + 100 * column, 645 - 20 * row, cell)

    assert text_of(draw(visible, table)) == (
        "누구나 볼 수 있는 문장입니다.\n구분 | 작년 | 올해\n매출 | 2,680 | 3,010\n이익 | 260 | 313\n"
    )
