"""The report of one file: it tiles the text, escapes it, and asks nothing of the network."""

import json
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter

from eval.dataset import SAMPLES
from ingest.parse import IngestConfig, Parser, Reading
from rag.cli.main import main
from rag.viewing.inspect import pieces, report_json, selected, terminal_report, title_end
from rag.viewing.inspect_html import draw_pages, html_report
from tests.support.files.pdfs import make_pdf
from tests.support.parsing import options

LIMITS = IngestConfig(workers=2)
VOID = {"meta", "img", "br", "hr", "link"}
LINES = ["제1조(목적) <script>alert('x')</script> & \"글\"을 정한다.", "제2조(휴가) 15일을 준다."]


class Reader(HTMLParser):
    """Checks that elements close in order, and keeps what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data


def parsed(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert not reader.open
    return reader


def read(path: Path) -> Reading:
    return Parser(options()).read(str(path))


@pytest.fixture(scope="module")
def report() -> Reading:
    """A sample with headings, tables, contents and running heads."""
    return read(SAMPLES / "지속가능경영_연차보고서.pdf")


@pytest.fixture
def run(tmp_path: Path, capsys, monkeypatch):
    """Runs `rag …` in a folder of its own; gives exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run_rag(*arguments: str) -> tuple[int, str, str]:
        code = main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_rag


def test_pieces_tile_the_text_and_begin_every_chunk(report):
    by_page = pieces(report)
    assert len(by_page) == len(report.document.pages)
    for page, found in zip(report.document.pages, by_page, strict=True):
        assert [piece.start for piece in found] == [page.start, *(piece.end for piece in found)][: len(found)]
        assert not found or found[-1].end == page.end
    begun = [piece.begins for found in by_page for piece in found if piece.begins >= 0]
    assert begun == list(range(len(report.chunks)))
    kinds = {piece.kind for found in by_page for piece in found}
    assert kinds == {"text", "heading", "header", "row", "contents"}


def test_a_title_ends_with_its_last_character_whatever_blanks_are_between(report):
    for heading in report.document.headings:
        words = report.document.text[heading.start : title_end(report.document, heading)]
        assert "".join(words.split())[:20] == "".join(heading.title.split())[:20]


def test_the_html_is_whole_and_has_no_outside_reference(report):
    wanted = selected(report, [1, 5, 8])
    html = html_report(report, draw_pages(report, [], wanted, LIMITS), wanted, "ko")
    reader = parsed(html)
    assert html.count("<section") == html.count("<img") == 3
    without_pictures = re.sub(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+", "", html)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", without_pictures)
    assert all(link.startswith(("#", "data:image/")) for link in reader.links)
    assert "script" not in reader.tags
    page = report.document.pages[7]
    words = "".join(report.document.text[page.start : page.end].split())
    shown = "".join(reader.text.split())
    assert words[:10] in shown and words[-10:] in shown


def test_every_link_of_the_html_has_its_target(report):
    wanted = selected(report, [])
    html = html_report(report, draw_pages(report, [], wanted[:2], LIMITS), wanted, "en")
    targets = set(re.findall(r' id="([^"]+)"', html))
    links = re.findall(r'href="#([^"]+)"', html)
    assert links and set(links) <= targets
    assert html.count("<img") == 2 and html.count("no picture") == len(wanted) - 2


def test_what_a_file_says_is_escaped(run, tmp_path):
    path = tmp_path / "<b>x" / "<i>이름.pdf"
    path.parent.mkdir()
    path.write_bytes(make_pdf([LINES]))
    code, _, _ = run("inspect", str(path), "--html", "out.html")
    reader = parsed(Path("out.html").read_text("utf-8"))
    assert code == 0 and not {"script", "i"} & reader.tags
    assert "<script>alert('x')</script>" in reader.text and "<i>이름" in reader.text


def test_the_json_speaks_the_contract(run, tmp_path):
    (tmp_path / "규칙.pdf").write_bytes(make_pdf([LINES] * 4))
    code, output, _ = run("inspect", "규칙.pdf", "--json")
    body = json.loads(output)
    assert code == 0
    assert set(body) == {"path", "title", "unit", "pages", "headings", "tables", "contents", "chunks"}
    assert set(body["pages"][0]) == {
        "number",
        "label",
        "engine",
        "confidence",
        "readable",
        "hidden",
        "start",
        "end",
        "removed",
    }
    assert set(body["chunks"][0]) == {
        "start",
        "end",
        "kind",
        "tokens",
        "context",
        "first_page",
        "last_page",
    }
    assert not (tmp_path / "rag-index").exists()


def test_pages_can_be_picked(run, report):
    one = report_json(report, "x.pdf", selected(report, [8]))
    assert [page["number"] for page in one["pages"]] == [8]
    assert one["chunks"] and all(chunk["first_page"] <= 8 <= chunk["last_page"] for chunk in one["chunks"])
    code, output, _ = run("inspect", str(SAMPLES / "취업규칙.pdf"), "--page", "99", "--json")
    assert code == 1 and json.loads(output)["error"]["code"] == "page_not_found"


def test_the_terminal_shows_text_chunks_and_what_was_left_out(report):
    parts = list(terminal_report(report, selected(report, [8]), "ko"))
    words = "\n".join(part.plain if hasattr(part, "plain") else str(part.title) for part in parts)
    page = report.document.pages[7]
    first = report.document.text[page.start : page.end].split("\n")[0]
    assert first in words and "8쪽" in words and "청크" in words
    assert report.removed and any(line.text in words for line in report.removed if line.page == 7)


def test_a_locked_file_needs_its_password(run, tmp_path):
    writer = PdfWriter(clone_from=PdfReader(BytesIO(make_pdf([LINES]))))
    writer.encrypt("key-1234")
    with (tmp_path / "비밀.pdf").open("wb") as file:
        writer.write(file)
    code, output, _ = run("inspect", "비밀.pdf", "--json")
    assert code == 1 and json.loads(output)["error"]["code"] == "encrypted"
    code, output, _ = run("inspect", "비밀.pdf", "--password", "key-1234", "--html", "out.html")
    assert code == 0 and Path("out.html").read_text("utf-8").count("<img") == 1


def test_a_format_without_pages_is_shown_without_pictures(run, tmp_path):
    (tmp_path / "메모.md").write_text("# 제목\n\n글이다.\n", encoding="utf-8")
    code, _, _ = run("inspect", "메모.md", "--html", "out.html")
    html = Path("out.html").read_text("utf-8")
    assert code == 0 and "<img" not in html and "글이다." in parsed(html).text
    code, output, _ = run("inspect", "메모.md")
    assert code == 0 and "글이다." in output


def test_a_page_that_nobody_could_read_is_shown_as_one(run, tmp_path):
    (tmp_path / "빈쪽.pdf").write_bytes(make_pdf([[]]))
    code, output, _ = run("inspect", "빈쪽.pdf", "--json")
    body = json.loads(output)
    assert code == 0 and body["chunks"] == [] and len(body["pages"]) == 1
    assert run("inspect", "빈쪽.pdf", "--html", "out.html")[0] == 0
    assert run("inspect", "없는.pdf", "--json")[0] == 1


def test_the_html_allows_nothing_but_its_own_styles_and_pictures(report):
    html = html_report(report, {}, [0], "ko")
    assert html.index("Content-Security-Policy") < html.index("<title>")
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in html
