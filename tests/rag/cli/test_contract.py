"""What every command prints with --json has the shape that the JSON Schema states, and no key beyond it."""

import io
import json
import shutil
from pathlib import Path

import pytest
import typer
from jsonschema import Draft202012Validator

from eval.dataset import SAMPLES
from rag.cli.main import app, main
from rag.wire.schema import schema
from rag.wire.shapes import COMMANDS

CLOSED = schema(closed=True)["$defs"]
QUESTION = "연차휴가는 며칠인가요?"


@pytest.fixture
def printed(tmp_path, capsys, monkeypatch):
    """Runs `rag COMMAND … --json`, holds each line against the schema, and gives the exit code and the lines."""
    monkeypatch.chdir(tmp_path)

    def run(command: str, *arguments: str) -> tuple[int, list[dict]]:
        code = main([command, *arguments, "--json"])
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert lines
        for line in lines:
            Draft202012Validator({"$defs": CLOSED, "$ref": f"#/$defs/rag-{command}"}).validate(line)
        return code, lines

    return run


def jsonl(path: Path, key: str, *texts: str) -> str:
    path.write_text("".join(json.dumps({"id": text[:2], key: text}) + "\n" for text in texts), "utf-8")
    return str(path)


def test_every_command_has_a_shape():
    commands = typer.main.get_command(app).commands
    assert COMMANDS.keys() == {name for name, command in commands.items() if not command.hidden}


def test_reading_commands(printed, sample_index, tmp_path, monkeypatch):
    at = ["--index", str(sample_index)]
    assert printed("search", QUESTION, *at)[0] == 0
    questions = jsonl(tmp_path / "q.jsonl", "query", QUESTION, "비밀번호")
    assert [row["id"] for row in printed("search", "--queries", questions, *at)[1]] == ["연차", "비밀"]
    assert not printed("ask", QUESTION, *at)[1][0]["abstained"]
    questions = jsonl(tmp_path / "q.jsonl", "question", QUESTION, " ")
    code, rows = printed("ask", "--questions", questions, *at)
    assert code == 3 and ["error" in row for row in rows] == [False, True]
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{QUESTION}\n{{}}\n"))
    assert printed("chat", *at)[0] == 3
    assert len(printed("list", *at)[1][0]["documents"]) == 3
    assert printed("status", *at)[1][0]["documents"] == 3
    assert printed("check", *at)[1][0]["ok"]
    assert printed("text", "취업규칙.pdf", "--page", "2", *at)[1][0]["pages"][0]["number"] == 2
    assert printed("tokens", QUESTION)[1][0]["tokens"] > 3
    shown = printed("show", "취업규칙.pdf", "--page", "1", *at)[1][0]
    assert Path(shown["pages"][0]["file"]).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", ["executive", "figures"])
def test_summaries(printed, sample_index, kind):
    assert len(printed("summarise", "--all", "--kind", kind, "--index", str(sample_index))[1]) == 3


def test_comparisons(printed, sample_index):
    code, _ = printed("compare", "*", "--row", "목적", "--index", str(sample_index))
    assert code == 0


def test_commands_that_need_no_index(printed, tmp_path):
    assert printed("init")[1] == [{"config": "rag.toml", "profile": "embedded"}]
    assert printed("doctor")[1][0]["checks"]
    assert printed("serve-model")[1][0]["command"][:2] == ["vllm", "serve"]
    (tmp_path / "메모.md").write_text("# 제목\n\n| 가 | 나 |\n|---|---|\n| 1 | 2 |\n", "utf-8")
    assert printed("inspect", "메모.md")[1][0]["tables"]


def test_a_life_of_an_index(printed, sample_index, tmp_path):
    shutil.copytree(sample_index, tmp_path / "rag-index")
    (tmp_path / "새로.md").write_text("# 새 규칙\n\n출장비는 3만원이다.\n", "utf-8")
    (tmp_path / "깨짐.pdf").write_bytes(b"%PDF-1.7 broken")
    code, (report,) = printed("ingest", ".", str(SAMPLES))
    assert code == 3 and report["failures"][0]["code"] == "damaged"
    assert printed("group", "새로.md", "--set", "인사")[1][0]["changed"][0]["groups"] == ["인사"]
    assert printed("calibrate")[0] == 0
    assert printed("reembed")[0] == 0
    assert printed("backup", "사본")[0] == 0
    assert printed("delete", "새로.md")[1][0]["deleted"][0]["path"].endswith("새로.md")
    assert printed("compact")[0] == 0
    assert printed("repair")[1][0]["removed"] == []
    assert printed("upgrade")[0] == 0
    assert printed("restore", "사본", "--force")[0] == 0


@pytest.mark.parametrize(
    "command", [["ask", "--index", "없음", QUESTION], ["ask"], ["ingest", "없음"], ["inspect", "없음"]]
)
def test_an_error_is_an_object(printed, command):
    code, (body,) = printed(*command)
    assert code in (1, 2) and body["error"]["remedy"]
