"""`rag summarise`: contract JSON, exit codes, files that are whole, and what it says when it cannot."""

import json
from collections import Counter
from pathlib import Path

import pytest

from eval.dataset import SAMPLES
from indexes.types import StoredDocument
from rag.cli.main import main
from rag.errors import OutputBusy
from rag.models.generator import Completion
from rag.summarising.checkpoints import Checkpoints
from rag.summarising.files import SummaryFolder, file_names

CONTRACT = {"document_id", "path", "text", "sentences", "citations", "coverage", "warnings", "seconds"}


@pytest.fixture
def run(sample_index: Path, tmp_path: Path, capsys, monkeypatch):
    """Runs `rag summarise …` over the samples; gives exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run_rag(*arguments: str) -> tuple[int, str, str]:
        code = main(["summarise", *arguments, "--index", str(sample_index)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_rag


def test_a_summary_speaks_the_contract(run):
    code, output, _ = run("취업규칙.pdf", "--json", "--sentences", "5")
    (line,) = output.splitlines()
    body = json.loads(line)
    assert code == 0 and body.keys() >= CONTRACT and len(body["sentences"]) == 5
    assert body["coverage"].keys() >= {"pages", "pages_used", "pages_unused", "pages_unreadable"}
    assert body["citations"][0].keys() >= {"sentence", "marker", "quote", "first_page", "support"}


@pytest.mark.parametrize(
    ("names", "count"),
    [(["--all"], 3), (["*규칙*"], 1), ([str(SAMPLES)], 3), (["취업규칙", "취업규칙.pdf"], 1)],
)
def test_documents_are_named_in_many_ways(run, names, count):
    code, output, _ = run(*names, "--json")
    assert (code, len(output.splitlines())) == (0, count)


def test_people_read_text_evidence_and_pages(run):
    code, output, _ = run("취업규칙.pdf", "--sentences", "2")
    assert code == 0 and "[1]" in output and "“" in output and "pages" in output


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["없는문서"], 1, "rag list"),
        ([str(Path(__file__).parent)], 1, "rag ingest"),
        ([], 2, "--all"),
        (["--all", "--kind", "시"], 2, "executive"),
        (["--all", "--sentences", "3", "--tokens", "100"], 2, "not both"),
        (["--all", "취업규칙"], 2, "not both"),
        (["--all", "--style", "반말"], 2, "개조식"),
        (["--all", "--kind", "custom"], 2, "needs an --instruction"),
        (["--all", "--instruction", "예산"], 2, "--kind custom"),
        (["--all", "--sentences", "0"], 2, "rag summarise --help"),
        (["--all", "--retry-failed"], 2, "--out"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(run, arguments, code, said):
    found, _, error = run(*arguments)
    assert found == code and said in error


def test_a_folder_gets_two_files_a_report_and_the_second_run_makes_none_again(run, tmp_path):
    out = tmp_path / "요약"
    assert run("--all", "--out", str(out))[0] == 0
    files = {path.name: path.read_bytes() for path in out.iterdir() if path.suffix in (".md", ".json")}
    files.pop("status.json")
    assert len(files) == 6 and "취업규칙.md" in files and "취업규칙.json" in files
    body = json.loads(files["취업규칙.json"])
    markdown = files["취업규칙.md"].decode("utf-8")
    assert body.keys() >= CONTRACT and body["sentences"][0]["text"] in markdown and "## 근거" in markdown
    code, output, error = run("--all", "--out", str(out), "--json")
    assert code == 0 and "3 were there" in error
    assert [json.loads(line)["document_id"] for line in output.splitlines()]
    assert files == {name: (out / name).read_bytes() for name in files}
    assert run("--all", "--out", str(out), "--sentences", "3")[0] == 0  # another length is another summary
    assert (out / "취업규칙.json").read_bytes() != files["취업규칙.json"]
    assert json.loads((out / "status.json").read_text("utf-8"))["state"] == "done"


def test_what_fails_is_listed_and_tried_again_alone(run, tmp_path):
    out = tmp_path / "요약"
    small = ["--set", "generator.backend=openai", "--set", "generator.window=1200"]
    small += ["--set", "generator.reserved_output=1100"]  # leaves no room for text
    code, _, error = run("--all", "--out", str(out), *small)
    failures = [json.loads(line) for line in (out / "failures.jsonl").read_text("utf-8").splitlines()]
    assert code == 1 and "--retry-failed" in error and len(failures) == 3
    assert failures[0]["error"]["code"] == "prompt_too_long" and failures[0]["error"]["remedy"]
    assert not list(out.glob("*.md"))
    assert run("취업규칙.pdf", "--out", str(out))[0] == 0
    assert len((out / "failures.jsonl").read_text("utf-8").splitlines()) == 2
    code, _, error = run("--retry-failed", "--out", str(out))
    assert (code, len(list(out.glob("*.md")))) == (0, 3) and "2 written" in error
    assert not (out / "failures.jsonl").exists()
    code, _, error = run("--retry-failed", "--out", str(out))
    assert code == 0 and "no executive summary to try again" in error


def test_kinds_share_a_folder_and_take_nothing_from_each_other(run, tmp_path):
    """Neither what one failed at, nor what it needs to go on."""
    out = tmp_path / "요약"
    small = ["--set", "generator.backend=openai", "--set", "generator.window=1200"]
    small += ["--set", "generator.reserved_output=1100"]
    assert run("--all", "--kind", "figures", "--out", str(out), *small)[0] == 1
    identity = json.loads((out / "failures.jsonl").read_text("utf-8").splitlines()[0])["document_id"]
    with SummaryFolder(out, [], "figures") as files:
        Checkpoints(files.checkpoints).keep(identity, "1", Completion("매출액 | 3 | 억원 [1]", "stop"))
        kept = files.checkpoints
    assert run("--all", "--out", str(out))[0] == 0
    assert run("--all", "--out", str(out))[0] == 0  # finds them finished
    assert len((out / "failures.jsonl").read_text("utf-8").splitlines()) == 3
    assert Checkpoints(kept).of(identity)
    assert "0 written" in run("--retry-failed", "--out", str(out))[2]
    assert run("--retry-failed", "--kind", "figures", "--out", str(out))[0] == 0
    assert len(list(out.glob("*.figures.json"))) == 3 and not (out / "failures.jsonl").exists()
    assert not Checkpoints(kept).of(identity)


def test_two_jobs_do_not_write_to_one_folder(run, tmp_path):
    with SummaryFolder(tmp_path / "요약", []):
        code, _, error = run("--all", "--out", str(tmp_path / "요약"))
        assert code == 1 and "another job" in error
        with pytest.raises(OutputBusy):
            SummaryFolder(tmp_path / "요약", [])
    assert run("취업규칙.pdf", "--out", str(tmp_path / "요약"))[0] == 0


def stored(identity: str, path: str) -> StoredDocument:
    return StoredDocument(identity, "제목", (path,), (), "", 0)


def test_files_are_named_after_their_documents_and_never_alike():
    names = file_names(
        [
            stored("a" * 16, "/가/보고서.pdf"),
            stored("b" * 16, "/나/보고서.hwpx"),
            stored("c" * 16, "/가/.숨은 파일.pdf"),
            stored("d" * 16, "/가/" + "긴" * 200 + ".pdf"),
            stored("e" * 16, "/가/a:b?c.pdf"),
            stored("f" * 16, "/가/Status.pdf"),  # status.json is the job's
            stored("g" * 16, "/가/보고.figures.pdf"),  # «보고.figures.json» is that of «보고.pdf»
            stored("h" * 16, "/가/figures.pdf"),
        ]
    )
    assert names["a" * 16] == f"보고서-{'a' * 8}" and names["b" * 16] == f"보고서-{'b' * 8}"
    assert names["c" * 16] == "_숨은 파일" and names["e" * 16] == "a_b_c"
    assert names["f" * 16] == f"Status-{'f' * 8}" and names["g" * 16] == f"보고.figures-{'g' * 8}"
    assert names["h" * 16] == "figures"
    assert all(len(name.encode()) <= 200 for name in names.values()) and len(set(names.values())) == 8


def test_kinds_in_rows_are_tables_on_the_terminal_and_csv_in_the_folder(run, tmp_path):
    code, output, _ = run("취업규칙.pdf", "--kind", "figures", "--sentences", "3")
    assert code == 0 and "항목" in output and "쪽" in output
    assert run("취업규칙.pdf", "--kind", "actions", "--out", str(tmp_path / "요약"))[0] == 0
    assert (
        (tmp_path / "요약" / "취업규칙.actions.csv")
        .read_bytes()
        .startswith("\ufeff할 일,담당,기한,쪽".encode())
    )
    code, output, _ = run("취업규칙.pdf", "--kind", "sections", "--json")
    assert code == 0 and len(json.loads(output)["sections"]) > 3


def test_an_instruction_is_asked_for_with_its_kind_alone(run):
    assert run("취업규칙.pdf", "--kind", "custom")[0] == 2
    assert run("취업규칙.pdf", "--instruction", "휴가")[0] == 2
    code, output, _ = run("취업규칙.pdf", "--kind", "custom", "--instruction", "연차유급휴가 일수", "--json")
    assert code == 0 and json.loads(output)["kind"] == "custom"


@pytest.mark.parametrize("width", range(60, 68))
def test_a_table_on_a_terminal_keeps_every_letter(run, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    rows = json.loads(run("취업규칙.pdf", "--kind", "actions", "--json")[1])["rows"]
    shown = run("취업규칙.pdf", "--kind", "actions")[1].partition("Evidence")[0]
    told = Counter("".join(cell for row in rows for cell in row["cells"]).replace(" ", ""))
    assert rows and told <= Counter(shown) and "…" not in shown
