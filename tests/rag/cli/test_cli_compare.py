"""`rag compare`: contract JSON, exit codes, files, and what it says when it cannot."""

import json
from pathlib import Path

import pytest

from rag.cli.main import main


@pytest.fixture
def run(sample_index: Path, tmp_path: Path, capsys, monkeypatch):
    """Runs `rag compare …` over the samples; gives exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run_rag(*arguments: str) -> tuple[int, str, str]:
        code = main(["compare", *arguments, "--index", str(sample_index)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_rag


def test_a_comparison_speaks_the_contract(run):
    code, output, _ = run("취업규칙.pdf", "정보보안*", "--row", "목적", "--row", "연차유급휴가", "--json")
    (line,) = output.splitlines()
    body = json.loads(line)
    assert code == 0
    assert body.keys() == {"documents", "rows", "rows_found", "generator", "tokenizer", "warnings", "seconds"}
    assert [row["name"] for row in body["rows"]] == ["목적", "연차유급휴가"] and not body["rows_found"]
    assert all(len(row["cells"]) == 2 for row in body["rows"])
    cell = body["rows"][0]["cells"][0]
    assert cell.keys() == {"document_id", "text", "citations", "support"}
    assert cell["citations"][0].keys() >= {"quote", "first_page", "start", "end", "document_id"}
    assert body["rows"][1]["cells"][1]["text"] == "근거 없음"
    (notice,) = body["warnings"]
    assert notice.keys() == {"code", "ko", "en"} and notice["code"] == "cells_without_evidence"


def test_what_stands_below_the_heading_is_the_value_and_not_the_chapter_around_it(run):
    _, output, _ = run("취업규칙.pdf", "정보보안*", "--row", "목적", "--row", "시행일", "--json")
    purpose, begins = ([cell["text"] for cell in row["cells"]] for row in json.loads(output)["rows"])
    assert [text[:4] for text in purpose] == ["이 규칙", "이 지침"]
    assert [text.split()[2] for text in begins] == ["2024년", "2025년"]


def test_people_read_a_table_with_pages_and_quotes(run):
    code, output, error = run("취업규칙.pdf", "정보보안*", "--row", "목적", "--row", "연차유급휴가")
    assert (
        code == 0
        and "쪽" in output
        and "“" in output
        and "근거 없음" in output
        and "No evidence was found" in error
    )


@pytest.mark.parametrize("ending", [".csv", ".md", ".html", ".json"])
def test_the_ending_of_the_file_says_its_form(run, tmp_path, ending):
    file = tmp_path / f"비교{ending}"
    code, output, _ = run("취업규칙.pdf", "정보보안*", "--row", "목적", "--out", str(file))
    text = file.read_bytes().decode("utf-8")
    begins = {".csv": "\ufeff항목", ".md": "| 항목", ".html": "<!doctype html>", ".json": "{"}
    assert code == 0 and file.name in output.replace("\n", "") and text.startswith(begins[ending])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["취업규칙.pdf", "없는문서", "--row", "목적"], 1, "rag list"),
        (["취업규칙.pdf", "--row", "목적"], 2, "two documents"),
        (["*", "--row", " "], 2, "empty"),
        (["*", "--row", " / "], 2, "empty"),
        (["*", "--row", "목적", "--out", "비교.xlsx"], 2, ".csv"),
        (["*", "--row", "목적", "--rows", "0"], 2, "--rows"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(run, arguments, code, said):
    found, _, error = run(*arguments)
    assert found == code and said in error
