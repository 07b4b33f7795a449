"""OCR of pages that are pictures, made on the spot from the samples; skips where Tesseract is absent."""

import stat
from dataclasses import replace
from io import BytesIO

import pypdfium2
import pytest

from eval.dataset import SAMPLES
from ingest.pdf import ocr
from ingest.pdf.ocr import Tesseract, Word
from ingest.pdf.reread import Rereader
from ingest.raw import NO_BOX

RULES = SAMPLES / "취업규칙.pdf"
PAGE = 5


@pytest.fixture(scope="module")
def tesseract() -> Tesseract:
    found = ocr.find_tesseract()
    if found is None:
        pytest.skip("no Tesseract with the Hangul or kor model")
    return found


def squeezed(text: str) -> str:
    return "".join(text.split())


def scan(degrees: int = 0) -> bytes:
    """A PDF whose page is a picture of a sample's page at 150 dpi, turned by `degrees`, as from a scanner."""
    pdf = pypdfium2.PdfDocument(RULES)
    image = pdf[PAGE].render(scale=150 / 72, grayscale=True).to_pil().rotate(-degrees, expand=True)
    pdf.close()
    out = BytesIO()
    image.save(out, "PDF", resolution=150)
    return out.getvalue()


def truth() -> str:
    pdf = pypdfium2.PdfDocument(RULES)
    text = pdf[PAGE].get_textpage().get_text_range()
    pdf.close()
    return text


def share_of_words(text: str) -> float:
    words = [word for word in truth().split() if len(word) > 1]
    return sum(word in text for word in words) / len(words)


@pytest.fixture(scope="module")
def scanned(tesseract):
    data = scan()
    pdf = pypdfium2.PdfDocument(data)
    yield pdf, data, Rereader(pdf, data, "", tesseract).read(0)
    pdf.close()


def test_a_scan_is_read_with_the_spaces_between_its_words(scanned):
    _, _, page = scanned
    assert page.engine == "tesseract" and page.confidence > 0.8
    assert share_of_words(page.text) > 0.8


def test_boxes_follow_the_characters(scanned):
    pdf, _, page = scanned
    width, height = pdf[0].get_size()
    assert len(page.boxes) == len(page.text)
    for line in page.lines:
        assert "\n" not in page.text[line.start : line.end]
        left, top, right, bottom = line.box
        assert 0 <= left < right <= width + 1 and 0 <= top < bottom <= height + 1
        for char, box in zip(
            page.text[line.start : line.end], page.boxes[line.start : line.end], strict=True
        ):
            assert (box == NO_BOX) == (char == " ")


def test_a_scan_gives_the_same_boxes_later(scanned, tesseract):
    pdf, data, page = scanned
    again = Rereader(pdf, data, "", tesseract).read_with("tesseract", 0)
    assert (again.text, again.boxes) == (page.text, page.boxes)


def test_a_page_on_its_side_is_turned(tesseract):
    if not tesseract.osd:
        pytest.skip("no osd model")
    data = scan(90)
    pdf = pypdfium2.PdfDocument(data)
    page = Rereader(pdf, data, "", tesseract).read(0)
    width, height = pdf[0].get_size()
    pdf.close()
    assert share_of_words(page.text) > 0.8
    line = max(page.lines, key=lambda line: line.end - line.start)
    assert line.box[3] - line.box[1] > line.box[2] - line.box[0]  # it runs down the page as it is shown
    assert line.box[0] >= 0 and line.box[2] <= width + 1 and line.box[3] <= height + 1


def test_a_picture_without_text_stays_unread(tesseract):
    from PIL import Image

    out = BytesIO()
    Image.effect_noise((900, 1200), 90).save(out, "PDF", resolution=150)
    pdf = pypdfium2.PdfDocument(out.getvalue())
    assert Rereader(pdf, out.getvalue(), "", tesseract).read(0) is None
    pdf.close()


def fake(tmp_path, script: str) -> Tesseract:
    """A Tesseract whose program is the shell script `script`."""
    path = tmp_path / "tesseract"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return Tesseract(str(path), "5.0", "Hangul")


def test_a_program_that_fails_gives_nothing(tmp_path):
    data = scan()
    pdf = pypdfium2.PdfDocument(data)
    assert ocr.read_page(pdf[0], fake(tmp_path, "exit 1")) is None
    assert ocr.read_page(pdf[0], Tesseract(str(tmp_path / "none"), "5.0", "Hangul")) is None
    pdf.close()


@pytest.mark.parametrize(
    ("languages", "found"),
    [("eng", None), ("eng\\nkor\\nosd", "kor"), ("Hangul\\nkor", "Hangul"), ("", None)],
)
def test_only_a_tesseract_that_reads_korean_counts(tmp_path, monkeypatch, languages, found):
    fake(tmp_path, f'[ "$1" = --version ] && echo "tesseract 5.5.0" || printf "{languages}"')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    installed = ocr.find_tesseract()
    assert (installed and installed.language) == found
    if installed:
        assert (
            installed.version == "5.5.0"
            and replace(installed, version="5.6").fingerprint != installed.fingerprint
        )


def row(texts: str, distances: list[float]) -> list[Word]:
    """The words of `texts` on one line, at these `distances`; characters are 10 points high and 9 wide."""
    words, left = [], 0.0
    for text, distance in zip(texts.split(), [*distances, 0.0], strict=True):
        width = 9.0 * len(text)
        words.append(Word((1, 1, 1), text, (left, 0.0, left + width, 10.0), 0.9))
        left += width + distance
    return words


def test_syllables_join_and_words_stand_apart():
    words = row("근 로 계약 을 맺 는 다", [0.5, 0.6, 0.5, 6.0, 0.5, 0.6])
    page = ocr._page(words)
    assert page.text == "근로계약을 맺는다"
    assert len(page.boxes) == len(page.text) and len(page.lines) == 1


def test_breaks_between_latin_words_are_kept():
    assert ocr._page(row("labour law of 2024", [1.0, 1.0, 1.0])).text == "labour law of 2024"


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_box_turned_back_stands_where_it_was(degrees):
    width, height, box = 600.0, 800.0, (100.0, 50.0, 140.0, 60.0)
    left, top, right, bottom = box
    turned = {
        90: (height - bottom, left, height - top, right),
        180: (width - right, height - bottom, width - left, height - top),
        270: (top, width - right, bottom, width - left),
    }[degrees]
    assert ocr._turn_back(turned, degrees, width, height) == box
