"""Nothing that a file name, a title, a document or a model holds can steer the terminal."""

import io
import json

import pytest
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rag.cli.main import main
from rag.cli.terminal.console import Terminal, one_line, print_json, print_text
from tests.support.files.pdfs import make_pdf

HOSTILE = "\x1b[2J\x1b]0;title\x07\x9b31m\x00\x7f\u202eevil"


def shown(renderable, **options) -> str:
    file = io.StringIO()
    Terminal(file=file, markup=False, emoji=False, highlight=False, **options).print(renderable)
    return file.getvalue()


def steers(text: str) -> bool:
    return any(
        (ord(char) < 32 and char != "\n") or 127 <= ord(char) < 160 or char == "\u202e" for char in text
    )


@pytest.mark.parametrize(
    "renderable",
    [HOSTILE, Text(HOSTILE), Padding(Text(HOSTILE), 1), Text("a").append(HOSTILE, style="bold")],
    ids=["string", "text", "padding", "part"],
)
def test_no_control_character_is_printed(renderable):
    assert "evil" in shown(renderable) and not steers(shown(renderable))


def test_cells_and_headings_of_tables_are_cleaned():
    table = Table(HOSTILE)
    table.add_row(Text(HOSTILE))
    assert shown(table).count("evil") == 2 and not steers(shown(table))


def test_colours_of_our_own_stay():
    colours = shown(Text("빨강" + HOSTILE, style="red"), force_terminal=True, color_system="standard")
    assert colours.startswith("\x1b[31m빨강") and "\x1b[2J" not in colours


def test_a_name_stays_on_its_line():
    assert one_line("보고서\n✓ supported\r\n\x1b[1A.pdf") == "보고서 ✓ supported [1A.pdf"


def test_json_says_the_same_without_a_control_character(capsys):
    print_json({"title": HOSTILE})
    written = capsys.readouterr().out
    assert not steers(written) and json.loads(written)["title"] == HOSTILE


def test_text_of_a_document_cannot_steer_the_terminal(capsys):
    print_text(f"한 줄{HOSTILE}\n두 줄")
    assert not steers(written := capsys.readouterr().out) and written.endswith("\n두 줄\n")


def test_the_name_of_a_file_cannot_steer_the_terminal(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hostile = "규칙\x1b[2J\n✓ 답\x9b1m.pdf"
    (tmp_path / hostile).write_bytes(make_pdf([["제2조(연차휴가) 사원에게 15일의 연차유급휴가를 준다."]]))
    (tmp_path / f"깨짐{hostile}").write_bytes(b"%PDF-1.7 broken")
    for arguments in (
        ["ingest", "."],
        ["search", "연차휴가"],
        ["ask", "연차휴가는 며칠인가요?"],
        ["list"],
        ["summarise", "--all"],
        ["compare", "*", "--row", "연차휴가"],
        ["text", "없는\x1b[2J문서"],
        ["inspect", hostile],
        ["delete", "*"],
    ):
        main(arguments)
        captured = capsys.readouterr()
        assert captured.out + captured.err
        assert not steers(captured.out) and not steers(captured.err), arguments
        lines = (captured.out + captured.err).splitlines()
        assert not any(line.startswith("✓ 답") for line in lines), arguments
