"""A span is marked where its words are printed, on whatever page, however turned; and nowhere else."""

import json
import random
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from PIL import Image
from pypdf import PdfReader, PdfWriter

from eval.dataset import SAMPLES
from ingest.parse import Parser, Reading
from ingest.pdf.miner import Miner
from ingest.pdf.ocr import find_tesseract
from ingest.pdf.places import page_image, span_boxes
from ingest.raw import Box
from ingest.sourcemap import Run, pack
from rag import Pipeline
from rag.cli.main import main
from rag.config import load_config
from rag.errors import PageNotFound, SpanNotFound
from tests.support.files.pdfs import make_pdf, turned
from tests.support.parsing import options

# Lines of real documents overlap: only what crosses the middle of a rectangle is sure to be on its line.
MIDDLE = 0.3
LINES = [
    "제1조(목적) 이 규칙은 사원의 근로조건을 정함을 목적으로 한다.",
    "제2조(연차휴가) 사원에게 15일의 연차유급휴가를 준다.",
    "제3조(휴일) 매주 일요일을 유급휴일로 한다.",
]


def read(path: Path) -> Reading:
    return Parser(options()).read(str(path))


def boxes_of(reading: Reading, start: int, end: int) -> dict[int, list[Box]]:
    path = Path(reading.path)
    return span_boxes(path, path.read_bytes(), [], reading.document.pages, start, end)


def printed_in(path: Path, found: dict[int, list[Box]], inside: float = 0.05) -> str:
    """What PDFium itself finds in each rectangle, less a share of its height at its edges; no blanks.

    It takes every character that a rectangle touches, so the edges are left out; and the way from
    the picture of a page to the file's coordinates is its own, too.
    """
    pdf = pypdfium2.PdfDocument(path.read_bytes())
    parts = []
    for index, boxes in found.items():
        page = pdf[index]
        width, height = (round(10 * side) for side in page.get_size())
        textpage, place = page.get_textpage(), pypdfium2.PdfPosConv(page, (0, 0, width, height, 0))
        for left, top, right, bottom in boxes:
            edge = inside * min(right - left, bottom - top)
            corners = [
                place.to_page(round(10 * (left + edge)), round(10 * (top + edge))),
                place.to_page(round(10 * (right - edge)), round(10 * (bottom - edge))),
            ]
            (x0, x1), (y0, y1) = (sorted(sides) for sides in zip(*corners, strict=True))
            parts.append(textpage.get_text_bounded(x0, y0, x1, y1))
    pdf.close()
    return "".join("".join(parts).split())


@pytest.mark.parametrize("crop", [(), (30, 50, 560, 820)])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_the_boxes_of_a_word_lie_where_it_is_printed_on_a_turned_page(tmp_path, degrees, crop):
    path = tmp_path / "규칙.pdf"
    path.write_bytes(turned(make_pdf([LINES]), degrees, crop))
    reading = read(path)
    for word in ("근로조건을", "15일의", "제3조(휴일)"):
        start = reading.document.text.index(word)
        found = boxes_of(reading, start, start + len(word))
        assert [len(boxes) for boxes in found.values()] == [1]
        assert printed_in(path, found) == word


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_line_that_is_shown_upright_has_one_rectangle_however_the_file_turns_it(tmp_path, degrees):
    writer = PdfWriter(clone_from=PdfReader(BytesIO(make_pdf([LINES]))))
    page = writer.pages[0]
    page.rotate(degrees)
    page.transfer_rotation_to_content()
    page.rotate(-degrees)
    path = tmp_path / "규칙.pdf"
    with path.open("wb") as file:
        writer.write(file)
    reading = read(path)
    for quote in ("근로조건을 정함을", "15일", LINES[1], "휴일) 매주"):
        start = reading.document.text.index(quote)
        found = boxes_of(reading, start, start + len(quote))
        assert [len(boxes) for boxes in found.values()] == [1]
        assert printed_in(path, found) == quote.replace(" ", "")


def test_a_span_of_two_lines_has_a_rectangle_on_each(tmp_path):
    path = tmp_path / "규칙.pdf"
    path.write_bytes(make_pdf([LINES]))
    reading = read(path)
    text = reading.document.text
    start, end = text.index("연차유급휴가를"), text.index("일요일을")
    (first, second) = boxes_of(reading, start, end)[0]
    assert first[3] <= second[1] + 2 and first[0] > second[0]
    assert printed_in(path, {0: [first, second]}) == "".join(text[start:end].split())


def test_every_span_of_the_samples_is_found_where_it_is_printed():
    chance = random.Random(11)
    reading = read(SAMPLES / "취업규칙.pdf")
    text = reading.document.text
    for _ in range(60):
        start = chance.randrange(len(text) - 60)
        end = start + chance.randrange(1, 60)
        printed = printed_in(SAMPLES / "취업규칙.pdf", boxes_of(reading, start, end), MIDDLE)
        assert lacking(text[start:end], printed) <= 0, text[start:end]


def lacking(quote: str, printed: str) -> int:
    """The number of letters and digits of `quote` that are not in `printed`; marks may lie at a line's edge."""
    wanted = [char for char in quote if char.isalnum()]
    return sum(max(0, wanted.count(char) - printed.count(char)) for char in set(wanted))


@pytest.mark.shared
@pytest.mark.parametrize("part", ["다단*", "제안요청서*", "하나_해외*", "최근의*"])
def test_spans_of_real_documents_are_found_where_they_are_printed(shared, part):
    chance = random.Random(part)
    path = next((shared / "data/pdf/misc").glob(part + ".pdf"))
    reading = read(path)
    text = reading.document.text
    wanted = missing = 0
    for _ in range(25):
        start = chance.randrange(max(1, len(text) - 40))
        end = min(len(text), start + chance.randrange(5, 40))
        # Cells that span rows are printed once and stand in the text once for each row.
        missing += lacking(text[start:end], printed_in(path, boxes_of(reading, start, end), MIDDLE))
        wanted += end - start
    assert missing <= 0.03 * wanted, (missing, wanted)


def test_a_scanned_page_is_marked_where_the_word_was_printed(tmp_path):
    tesseract = find_tesseract()
    if tesseract is None:
        pytest.skip("no Tesseract that reads Korean")
    path, scan = SAMPLES / "취업규칙.pdf", tmp_path / "스캔.pdf"
    page_image(path, path.read_bytes(), [], 3, (), 200 / 72).image.save(scan, resolution=200.0)
    reading = Parser(replace(options(), tesseract=tesseract)).read(str(scan))
    assert reading.document.pages[0].engine == "tesseract"
    before, after = read(path), reading.document
    page = before.document.pages[3]
    words = set(re.findall("[가-힣]{4,}", before.document.text[page.start : page.end]))
    once = [w for w in sorted(words) if before.document.text.count(w) == after.text.count(w) == 1]
    assert len(once) >= 5
    for word in once:
        start, place = after.text.index(word), before.document.text.index(word)
        seen = span_boxes(scan, scan.read_bytes(), [], after.pages, start, start + len(word), tesseract)[0]
        printed = boxes_of(before, place, place + len(word))[3]
        # Where the word begins: it may be wrapped, and the syllables of OCR are not quite level.
        (left, top, _, bottom), (x0, y0, _, y1) = seen[0], printed[0]
        assert abs(left - x0) < 12 and abs(top + bottom - y0 - y1) / 2 < 4, word


def test_a_page_that_pdfminer_read_has_its_boxes(tmp_path):
    path = tmp_path / "규칙.pdf"
    path.write_bytes(make_pdf([LINES]))
    page = read(path).document.pages[0]
    text = Miner(path.read_bytes()).read_page(0).text
    by_miner = replace(page, end=len(text), engine="pdfminer", source=pack([Run(0, 0, len(text))]))
    start = text.index("연차유급휴가")
    found = span_boxes(path, path.read_bytes(), [], [by_miner], start, start + 6)
    assert len(found[0]) == 1 and printed_in(path, found) == "연차유급휴가"


def test_without_the_engine_that_read_a_page_nothing_is_found_on_it():
    path = SAMPLES / "취업규칙.pdf"
    pages = [replace(page, engine="tesseract") for page in read(path).document.pages]
    assert span_boxes(path, path.read_bytes(), [], pages, 0, 100, None) == {}


def test_only_the_boxes_are_coloured_and_the_ink_in_them_stays_black(tmp_path):
    path = tmp_path / "규칙.pdf"
    path.write_bytes(make_pdf([LINES]))
    reading = read(path)
    start = reading.document.text.index("15일")
    ((left, top, right, bottom),) = boxes = boxes_of(reading, start, start + 3)[0]
    plain, marked = (
        np.asarray(page_image(path, path.read_bytes(), [], 0, found, 3.0).image, int) for found in ([], boxes)
    )
    rows, columns = np.nonzero((plain != marked).any(axis=2))
    assert abs(columns.min() / 3 - left) < 1 and abs(columns.max() / 3 - right) < 1
    assert abs(rows.min() / 3 - top) < 1 and abs(rows.max() / 3 - bottom) < 1
    inside = marked[round(top * 3) + 1 : round(bottom * 3) - 1, round(left * 3) + 1 : round(right * 3) - 1]
    paper = inside.reshape(-1, 3)
    assert (paper[:, 2] < paper[:, 0]).mean() > 0.5  # yellow has little blue
    before = plain[round(top * 3) + 1 : round(bottom * 3) - 1, round(left * 3) + 1 : round(right * 3) - 1]
    assert inside[before.sum(axis=2) < 60].max(initial=0) < 60


def test_a_huge_page_is_drawn_smaller(tmp_path):
    writer = PdfWriter()
    writer.add_blank_page(9000, 12000)
    file = BytesIO()
    writer.write(file)
    drawn = page_image(tmp_path / "도면.pdf", file.getvalue(), [], 0, (), 2.0)
    assert drawn.image.width * drawn.image.height < 17_000_000
    assert (drawn.width, drawn.height) == (9000, 12000)


# the command


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with an index of three files, one of them locked and one without pages."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "규칙.pdf").write_bytes(make_pdf([LINES, ["제4조(퇴직) 퇴직은 30일 전에 알린다."]]))
    (folder / "메모.txt").write_text("쪽이 없는 글이다.\n", encoding="utf-8")
    writer = PdfWriter(clone_from=PdfReader(BytesIO(make_pdf([LINES]))))
    writer.encrypt("열쇠-1234", algorithm="AES-256")
    with (folder / "비밀.pdf").open("wb") as file:
        writer.write(file)
    with Pipeline.open(folder / "index", load_config(None, ["search.analyser=bigram"])) as pipeline:
        pipeline.ingest([folder / "규칙.pdf", folder / "비밀.pdf"], groups=["인사"], passwords=["열쇠-1234"])
        pipeline.ingest([folder / "메모.txt"], groups=["모두"])
    return folder


@pytest.fixture
def run(folder: Path, tmp_path: Path, capsys, monkeypatch):
    """Runs `rag …` on that index, in an empty folder; gives exit code, output and error output."""
    monkeypatch.chdir(tmp_path)

    def run_rag(*arguments: str) -> tuple[int, str, str]:
        code = main([*arguments, "--index", str(folder / "index")])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_rag


def span(run, quote: str) -> tuple[str, ...]:
    body = json.loads(run("text", "규칙.pdf", "--json")[1])["text"]
    start = body.index(quote)
    return "--start", str(start), "--end", str(start + len(quote))


def test_show_writes_the_page_of_a_span(run, folder):
    code, output, _ = run("show", "규칙.pdf", *span(run, "15일"), "--out", "그림.png", "--json")
    body = json.loads(output)
    assert code == 0 and set(body) == {"document_id", "path", "start", "end", "pages"}
    ((page),) = body["pages"]
    assert page["page"] == 1 and page["file"] == "그림.png"
    assert printed_in(folder / "규칙.pdf", {0: page["boxes"]}) == "15일"
    assert Image.open("그림.png").size == (1190, 1684)


def test_a_span_over_two_pages_writes_two_files(run):
    quote = "한다.\n제4조(퇴직)"
    code, output, _ = run("show", "규칙.pdf", *span(run, quote), "--scale", "1")
    assert code == 0 and "page.png" in output and "page-2.png" in output
    assert [Image.open(name).size for name in ("page.png", "page-2.png")] == [(595, 842)] * 2


def test_a_page_alone_is_shown_without_a_mark(run):
    code, output, _ = run("show", "규칙.pdf", "--page", "2", "--json")
    body = json.loads(output)
    assert code == 0 and body["start"] is None
    assert body["pages"] == [{"page": 2, "file": "page.png", "boxes": []}]


def test_a_changed_or_missing_file_is_refused(run, folder, tmp_path):
    path, where = folder / "규칙.pdf", span(run, "15일")
    data = path.read_bytes()
    try:
        path.write_bytes(make_pdf([["다른 글"]]))
        code, output, error = run("show", "규칙.pdf", *where, "--json")
        assert code == 1 and json.loads(output)["error"]["code"] == "source_changed"
        assert len(error.splitlines()) == 1 and str(path) in error
        path.unlink()
        code, output, _ = run("show", "규칙.pdf", *where, "--json")
        assert code == 1 and json.loads(output)["error"]["code"] == "source_missing"
    finally:
        path.write_bytes(data)
    assert not (tmp_path / "page.png").exists()


@pytest.mark.parametrize(
    "arguments, code, name",
    [
        (["메모.txt", "--page", "1"], 1, "no_pages"),
        (["규칙.pdf", "--page", "3"], 1, "page_not_found"),
        (["규칙.pdf", "--start", "5", "--end", "99999"], 1, "span_not_found"),
        (["규칙.pdf", "--start", "5", "--end", "5"], 1, "span_not_found"),
        (["규칙.pdf", "--page", "1", "--as", "모두"], 1, "document_not_found"),
        (["규칙.pdf", "--page", "1", "--out", "없는폴더/쪽.png"], 1, "output_failed"),
        (["규칙.pdf"], 2, "usage"),
        (["규칙.pdf", "--start", "5"], 2, "usage"),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_line(run, arguments, code, name):
    given, output, error = run("show", *arguments, "--json")
    assert given == code and json.loads(output)["error"]["code"] == name
    assert len(error.splitlines()) == 1


def test_a_locked_file_is_shown_with_its_password(run):
    Path("암호.txt").write_text("비밀*.pdf = 열쇠-1234\n", encoding="utf-8")
    code, output, _ = run("show", "비밀.pdf", "--page", "1", "--json")
    assert code == 1 and json.loads(output)["error"]["code"] == "encrypted"
    where = ("--start", "0", "--end", "10")
    code, output, _ = run("show", "비밀.pdf", *where, "--passwords", "암호.txt", "--json")
    assert code == 0 and json.loads(output)["pages"][0]["boxes"]


def test_the_python_call_checks_before_it_draws(folder):
    with Pipeline.open(folder / "index") as pipeline:
        document = pipeline.document("규칙.pdf")
        with pytest.raises(SpanNotFound):
            pipeline.show(document, 10, 10)
        with pytest.raises(PageNotFound):
            pipeline.show(document, page=999)
        with pytest.raises(ValueError, match="start and end"):
            pipeline.show(document, 10)
        (page,) = pipeline.show(document, 3, 20, scale=1.0)
        assert page.png.startswith(b"\x89PNG") and page.boxes
