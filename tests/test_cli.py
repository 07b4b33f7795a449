"""The command line: contract JSON, exit codes, and one-line errors with what to do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from eval.dataset import SAMPLES
from rag.cli import main
from tests.pdfs import make_pdf

RULES = ["제1조(목적) 이 규칙은 근로조건을 정한다.", "제2조(연차휴가) 사원에게 15일의 연차유급휴가를 준다."]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one small PDF."""
    (tmp_path / "문서").mkdir()
    (tmp_path / "문서" / "규칙.pdf").write_bytes(make_pdf([RULES]))
    return tmp_path / "문서"


@pytest.fixture
def run(tmp_path: Path, capsys, monkeypatch):
    """Runs `rag …` in a folder of its own; gives exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run_rag(*arguments: str) -> tuple[int, str, str]:
        code = main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_rag


def only_json(output: str) -> dict:
    (line,) = output.splitlines()
    return json.loads(line)


def test_ingest_then_ask_speaks_the_contract(run, folder):
    code, output, _ = run("ingest", str(folder), "--json")
    report = only_json(output)
    assert code == 0
    assert set(report) == {
        "index",
        "version",
        "documents",
        "pages",
        "chunks",
        "seconds",
        "failures",
        "warnings",
    }
    assert report["documents"] == {
        "added": 1,
        "updated": 0,
        "unchanged": 0,
        "moved": 0,
        "removed": 0,
        "failed": 0,
    }
    code, output, _ = run("ask", "연차휴가는 며칠인가요?", "--json")
    answer = only_json(output)
    assert code == 0 and "15일" in answer["text"] and not answer["abstained"]
    assert set(answer) == {
        "question",
        "text",
        "abstained",
        "sentences",
        "citations",
        "passages",
        "budget",
        "generator",
        "tokenizer",
        "warnings",
        "unreadable_pages",
        "seconds",
    }
    (citation,) = answer["citations"]
    assert set(citation) == {
        "sentence",
        "marker",
        "document_id",
        "path",
        "title",
        "first_page",
        "last_page",
        "start",
        "end",
        "quote",
        "support",
    }
    assert set(answer["sentences"][0]) == {"text", "start", "end", "markers", "support"}
    assert set(answer["passages"][0]) == {
        "marker",
        "document_id",
        "path",
        "title",
        "context",
        "first_page",
        "last_page",
        "start",
        "end",
        "tokens",
    }
    assert set(answer["budget"]) == {
        "window",
        "reserved_output",
        "template",
        "system",
        "history",
        "passages",
        "question",
        "prompt",
        "free",
    }
    code, output, _ = run(
        "text",
        citation["document_id"],
        "--start",
        str(citation["start"]),
        "--end",
        str(citation["end"]),
        "--json",
    )
    text = only_json(output)
    assert text["text"] == citation["quote"]
    assert set(text) == {"document_id", "path", "title", "start", "end", "text", "pages"}


def test_search_list_status_tokens_and_check_speak_the_contract(run, folder):
    run("ingest", str(folder))
    _, output, _ = run("search", "연차휴가", "-k", "1", "--json")
    found = only_json(output)
    assert set(found) == {"query", "passages", "seconds"}
    assert set(found["passages"][0]) == {
        "rank",
        "score",
        "chunk_id",
        "document_id",
        "path",
        "title",
        "context",
        "first_page",
        "last_page",
        "start",
        "end",
        "text",
    }
    (document,) = only_json(run("list", "--json")[1])["documents"]
    assert set(document) == {
        "document_id",
        "path",
        "paths",
        "title",
        "pages",
        "chunks",
        "groups",
        "unreadable_pages",
    }
    assert document["path"].endswith("규칙.pdf") and document["pages"] == 1
    status = only_json(run("status", "--json")[1])
    assert {"index", "version", "documents", "pages", "chunks", "embedder", "tokenizer"} <= set(status)
    assert only_json(run("tokens", "연차휴가", "--json")[1]).keys() == {"tokens", "tokenizer", "characters"}
    assert only_json(run("check", "--json")[1]) == {"ok": True, "version": 1, "findings": []}


def test_questions_and_queries_of_a_file_come_back_in_order(run, folder, tmp_path):
    run("ingest", str(folder))
    questions = tmp_path / "questions.jsonl"
    rows = [
        {"id": "a", "question": "연차휴가는 며칠인가요?"},
        {"id": 7, "question": "화성의 위성은 몇 개인가요?"},
    ]
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8-sig")
    code, output, _ = run("ask", "--questions", str(questions))
    answers = [json.loads(line) for line in output.splitlines()]
    assert code == 0
    assert [(answer["id"], answer["abstained"]) for answer in answers] == [("a", False), (7, True)]
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"id": 1, "query": "휴가"}\n{"id": 2, "query": "목적"}\n', encoding="utf-8")
    found = [json.loads(line) for line in run("search", "--queries", str(queries))[1].splitlines()]
    assert [row["id"] for row in found] == [1, 2]


def test_one_question_too_long_leaves_the_others_their_answers(run, folder, tmp_path):
    run("ingest", str(folder))
    questions = tmp_path / "questions.jsonl"
    rows = [{"id": 1, "question": "가나다라 " * 20000}, {"id": 2, "question": "연차휴가는?"}]
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    code, output, _ = run("ask", "--questions", str(questions))
    first, second = map(json.loads, output.splitlines())
    assert code == 3
    assert first["error"]["code"] == "prompt_too_long" and second["id"] == 2 and second["citations"]


def test_people_get_readable_text(run, folder):
    run("ingest", str(folder))
    code, output, _ = run("ask", "연차휴가는 며칠인가요?")
    assert code == 0
    assert "15일의 연차유급휴가를 준다. [1]" in output
    assert "“제2조(연차휴가) 사원에게 15일의 연차유급휴가를 준다.”" in output
    assert "\u001b" not in output


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["ingest", "없는폴더"], "no_such_path", "없는폴더"),
        (["ingest", "빈폴더"], "nothing_to_ingest", "빈폴더"),
        (["ask", "연차는?"], "index_not_found", "rag-index"),
        (["search", "연차"], "index_not_found", "rag-index"),
        (["status"], "index_not_found", "rag-index"),
        (["check"], "index_not_found", "rag-index"),
        (["list"], "index_not_found", "rag-index"),
        (["ask", "연차는?", "--set", "search.kk=3"], "unknown_config_key", "search.kk"),
        (["ask", "연차는?", "--set", "search.k=0"], "config", "search.k"),
        (["ask", "연차는?", "--config", "없는.toml"], "config", "없는.toml"),
        (["ask", "--questions", "없는.jsonl"], "input_unreadable", "없는.jsonl"),
        (["ask", "--questions", "나쁜.jsonl"], "input_unreadable", "나쁜.jsonl"),
        (["tokens", "글", "--set", "models.tokenizer=/없는/폴더"], "tokenizer_unavailable", "없는"),
    ],
)
def test_an_error_is_one_line_with_its_remedy_and_exit_code_one(run, tmp_path, arguments, code, named):
    (tmp_path / "빈폴더").mkdir()
    (tmp_path / "나쁜.jsonl").write_text('{"question": null}\n', encoding="utf-8")
    exit_code, output, errors = run(*arguments, "--json")
    error = only_json(output)["error"]
    assert exit_code == 1
    assert error["code"] == code and error["message"] and error["remedy"]
    assert len(errors.strip().splitlines()) == 1 and named in errors and "Traceback" not in errors


def test_a_bad_file_never_stops_the_rest(run, folder):
    from io import BytesIO

    from pypdf import PdfReader, PdfWriter

    (folder / "빈파일.pdf").write_bytes(b"")
    (folder / "글.pdf").write_text("이것은 PDF가 아니다", encoding="utf-8")
    (folder / "잘린.pdf").write_bytes(make_pdf([RULES] * 5)[:700])
    (folder / "빈쪽.pdf").write_bytes(make_pdf([[]]))
    writer = PdfWriter(clone_from=PdfReader(BytesIO(make_pdf([["제9조(비밀) 비밀이다."]]))))
    writer.encrypt("열려라", algorithm="AES-256")
    with (folder / "암호.pdf").open("wb") as file:
        writer.write(file)
    code, output, _ = run("ingest", str(folder), "--json")
    report = only_json(output)
    assert code == 3
    assert report["documents"]["added"] == 1 and report["documents"]["failed"] == 5
    assert {Path(f["path"]).name: f["code"] for f in report["failures"]} == {
        "빈파일.pdf": "damaged",
        "글.pdf": "not_pdf",
        "잘린.pdf": "damaged",
        "빈쪽.pdf": "no_text",
        "암호.pdf": "encrypted",
    }
    assert all(failure["message"] for failure in report["failures"])
    code, output, _ = run("ingest", str(folder / "암호.pdf"), "--password", "열려라", "--json")
    assert code == 0 and only_json(output)["documents"]["added"] == 1
    assert run("ask", "비밀은 제 몇 조인가요?", "--json")[0] == 0


def test_only_bad_files_is_nothing_done(run, folder):
    (folder / "규칙.pdf").write_bytes(b"")
    assert run("ingest", str(folder), "--json")[0] == 1


def test_an_index_of_another_model_is_refused_and_left_intact(run, folder, tmp_path):
    run("ingest", str(folder))
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    from rag.tokens import EMBEDDED_FOLDER

    tokenizer = Tokenizer.from_file(str(EMBEDDED_FOLDER / "tokenizer.json"))
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=32)]).save(str(tmp_path / "other"))
    other = ["--set", f"models.embedder={tmp_path / 'other'}"]
    for arguments in (["ask", "연차는?"], ["ingest", str(folder)]):
        code, output, _ = run(*arguments, *other, "--json")
        error = only_json(output)["error"]
        assert code == 1 and error["code"] == "index_mismatch"
        assert "embedded" in error["message"] and "other" in error["message"]
    assert run("ask", "연차휴가는 며칠인가요?")[0] == 0


def test_groups_decide_who_sees_what(run, folder):
    run("ingest", str(folder), "--group", "인사")
    assert only_json(run("list", "--as", "인사", "--json")[1])["documents"]
    assert not only_json(run("list", "--as", "재무", "--json")[1])["documents"]
    assert not only_json(run("search", "연차", "--as", "재무", "--json")[1])["passages"]
    assert only_json(run("ask", "연차휴가는 며칠?", "--as", "재무", "--json")[1])["abstained"]
    assert run("text", "규칙.pdf", "--as", "재무", "--json")[0] == 1


def test_deleted_documents_answer_nothing(run, folder):
    run("ingest", str(folder))
    assert run("delete", "규칙.pdf", "--json")[0] == 0
    for mode in ("hybrid", "lexical", "dense"):
        assert not only_json(run("search", "연차", "--mode", mode, "--json")[1])["passages"]


def test_wrong_usage_is_exit_code_two(run):
    assert run("ask")[0] == 2
    assert run("ask", "질문", "--questions", "파일")[0] == 2
    assert run("search", "질문", "--mode", "magic")[0] == 2
    assert run("nonsense")[0] == 2


def test_questions_that_cannot_be_meant_are_refused(run, folder):
    run("ingest", str(folder))
    assert only_json(run("ask", "  ", "--json")[1])["error"]["code"] == "empty_question"
    assert only_json(run("text", "규칙.pdf", "--page", "9", "--json")[1])["error"]["code"] == "page_not_found"
    assert not only_json(run("search", "!!!", "--json")[1])["passages"]
    assert len(only_json(run("search", "휴가", "-k", "999999999", "--json")[1])["passages"]) == 1
    assert only_json(run("ask", "--json")[1])["error"]["code"] == "usage"
    assert "no document matches" in run("ask", "휴가", "--document", "없는.pdf")[1]
    assert only_json(run("search", "휴가", "--document", "규*", "--json")[1])["passages"]


def test_a_document_can_be_read_and_deleted_without_the_models(run, folder):
    run("ingest", str(folder))
    missing = ["--set", "models.embedder=/no/such/model"]
    assert run("list", *missing)[0] == run("text", "규칙.pdf", *missing)[0] == 0
    assert run("delete", "규칙.pdf", *missing)[0] == 0


def test_init_writes_a_profile_once(run, tmp_path):
    assert run("init", "--profile", "gpu")[0] == 0
    assert "skt/A.X-4.0-Light" in (tmp_path / "rag.toml").read_text("utf-8")
    before = (tmp_path / "rag.toml").read_bytes()
    assert run("init", "--json")[0] == 1
    assert (tmp_path / "rag.toml").read_bytes() == before


def test_the_embedded_tokenizer_is_never_used_for_a_server(run, folder):
    run("ingest", str(folder))
    code, output, _ = run("ask", "연차는?", "--set", "generator.backend=vllm", "--json")
    assert code == 1 and "models.tokenizer" in only_json(output)["error"]["message"]


def test_a_server_that_is_not_there_is_named_with_what_to_do(run, folder):
    run("ingest", str(folder))
    backend = ["--set", "generator.backend=openai", "--set", "generator.base_url=http://127.0.0.1:9/v1"]
    code, output, _ = run("ask", "연차는?", *backend, "--json")
    error = only_json(output)["error"]
    assert code == 1 and error["code"] == "generator_unavailable" and "127.0.0.1:9" in error["message"]


def test_doctor_looks_at_everything(run, folder):
    run("ingest", str(folder))
    code, output, _ = run("doctor", "--json")
    checks = {check["name"]: check for check in only_json(output)["checks"]}
    assert code == 0 and checks["kiwipiepy"]["ok"] and checks["index"]["ok"]
    code, output, _ = run("doctor", "--set", "models.embedder=/no/such/model", "--json")
    bad = [check for check in only_json(output)["checks"] if not check["ok"]]
    assert code == 1 and all(check["remedy"] for check in bad)


@pytest.mark.parametrize(("locale", "word"), [("ko_KR.UTF-8", "색인"), ("C.UTF-8", "index")])
def test_help_and_errors_speak_the_language_of_the_locale(locale, word, tmp_path):
    environment = {**os.environ, "LC_ALL": locale, "PYTHONPATH": str(Path(__file__).parents[1])}
    for arguments in (["ingest", "--help"], ["status"]):
        done = subprocess.run(
            [sys.executable, "-m", "rag", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert word in done.stdout + done.stderr


def test_nothing_is_contacted_that_the_configuration_does_not_name(tmp_path):
    """Every attempt to reach a network ends the process with exit code 99."""
    guard = (
        "import sys, os\n"
        "def watch(event, arguments):\n"
        "    if event in ('socket.getaddrinfo', 'socket.gethostbyname', 'socket.sendto'): os._exit(99)\n"
        "    if event == 'socket.connect' and not isinstance(arguments[1], (str, bytes)): os._exit(99)\n"
        "sys.addaudithook(watch)\n"
        "from rag.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    for arguments in (["ingest", str(SAMPLES / "취업규칙.pdf")], ["ask", "연차는 며칠인가요?"], ["doctor"]):
        done = subprocess.run(
            [sys.executable, "-c", guard, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
