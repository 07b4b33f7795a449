"""The command line: contract JSON, exit codes, and one-line errors with what to do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from eval.dataset import SAMPLES
from ingest.pdf.ocr import find_tesseract
from rag.cli.main import main
from rag.display.words import place as place_of
from rag.prompting.prompts import ABSTENTION
from tests.support.files.pdfs import make_pdf
from tests.support.small_models import static_folder

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
        "skipped",
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
        "standalone",
        "tool_calls",
        "asks_back",
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
        "columns",
        "unit",
        "ocr",
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
        "unit",
        "ocr",
        "copies",
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
    assert set(text) == {"document_id", "path", "title", "start", "end", "text", "unit", "pages"}
    assert set(text["pages"][0]) == {
        "number",
        "label",
        "start",
        "end",
        "readable",
        "engine",
        "confidence",
    }


def test_search_list_status_tokens_and_check_speak_the_contract(run, folder):
    run("ingest", str(folder))
    _, output, _ = run("search", "연차휴가", "-k", "1", "--json")
    found = only_json(output)
    assert set(found) == {"query", "understood", "passages", "unreadable_pages", "warnings", "seconds"}
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
        "unit",
        "ocr",
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
        "unit",
        "ocr_pages",
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
    assert first["error"]["code"] == "question_too_long" and second["id"] == 2 and second["citations"]


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

    from rag.prompting.tokens import EMBEDDED_FOLDER

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
    assert "rag search --help" in run("search", "질문", "--mode", "magic")[2]


@pytest.mark.parametrize(
    ("arguments", "korean"),
    [
        (["summarise", "--sentences", "0"], "--sentences: 1 이상이어야 합니다 — rag summarise --help"),
        (["summarise", "--sentences", "둘"], "--sentences: 정수를 주세요"),
        (["summarise", "--foo"], "없는 옵션입니다: --foo"),
        (["summarise", "--out"], "--out 뒤에 값을 주세요"),
        (["compare"], "PATH PATH... 이(가) 빠졌습니다"),
        (["sumarise"], "없는 명령입니다: sumarise (비슷한 것: 'summarise'"),
        (["list", "여분"], "쓸 곳이 없는 인자입니다: 여분"),
        (["ingest", "폴더", "--ocr", "응"], "응 은(는) 쓸 수 없습니다"),
    ],
)
def test_a_korean_terminal_says_in_korean_what_is_wrong_with_a_command(run, monkeypatch, arguments, korean):
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    code, _, error = run(*arguments)
    assert code == 2 and korean in error and "rag" in error


def test_questions_that_cannot_be_meant_are_refused(run, folder):
    run("ingest", str(folder))
    assert only_json(run("ask", "  ", "--json")[1])["error"]["code"] == "empty_question"
    assert only_json(run("text", "규칙.pdf", "--page", "9", "--json")[1])["error"]["code"] == "page_not_found"
    assert not only_json(run("search", "!!!", "--json")[1])["passages"]
    assert len(only_json(run("search", "휴가", "-k", "999999999", "--json")[1])["passages"]) == len(RULES)
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
    assert checks["reranker"]["ok"] and checks["reranker"]["what"] == "none"
    for model in ("embedder", "reranker"):
        code, output, _ = run("doctor", "--set", f"models.{model}=/no/such/model", "--json")
        bad = [check for check in only_json(output)["checks"] if not check["ok"]]
        assert code == 1 and all(check["remedy"] for check in bad)
        assert model in [check["name"] for check in bad]


def test_another_embedder_takes_an_index_over(run, folder, tmp_path):
    run("ingest", str(folder))
    prompts = {"query": "질문: ", "document": "문서: "}
    model = f"models.embedder={static_folder(tmp_path / 'model', prompts)}"
    code, output, _ = run("search", "연차", "--set", model, "--json")
    assert code == 1 and "reembed" in only_json(output)["error"]["remedy"]
    code, output, _ = run("reembed", "--set", model, "--set", "embedding.dim=64", "--json")
    assert code == 0 and only_json(output)["version"] == 2
    status = only_json(run("status", "--json")[1])
    assert status["embedder_dim"] == 64
    assert (status["embedder_query_prompt"], status["embedder_passage_prompt"]) == ("질문: ", "문서: ")
    code, output, _ = run("search", "연차", "--set", model, "--set", "embedding.dim=64", "--json")
    found = only_json(output)
    assert code == 0 and found["passages"] and found["warnings"] == []
    assert run("check")[0] == 0


@pytest.mark.parametrize(("locale", "word"), [("ko_KR.UTF-8", "색인"), ("C.UTF-8", "index")])
def test_help_and_errors_speak_the_language_of_the_locale(locale, word, tmp_path):
    environment = {**os.environ, "LC_ALL": locale, "PYTHONPATH": str(Path(__file__).parents[3])}
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
        "from rag.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    for arguments in (["ingest", str(SAMPLES / "취업규칙.pdf")], ["ask", "연차는 며칠인가요?"], ["doctor"]):
        done = subprocess.run(
            [sys.executable, "-c", guard, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()


def with_picture(lines: list[str], picture_page: bytes = b"") -> bytes:
    """A PDF of one page of text and one page that is only a picture: noise, unless one is given."""
    from io import BytesIO

    from PIL import Image
    from pypdf import PdfReader, PdfWriter

    picture = BytesIO()
    Image.effect_noise((600, 800), 90).save(picture, "PDF", resolution=72)
    writer = PdfWriter()
    for data in (make_pdf([lines]), picture_page or picture.getvalue()):
        writer.append(PdfReader(BytesIO(data)))
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.fixture
def korean(monkeypatch):
    """The terminal speaks Korean."""
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")


def test_pages_that_nobody_could_read_are_named_in_every_result(run, tmp_path, korean):
    (tmp_path / "규칙.pdf").write_bytes(with_picture(RULES))
    assert "읽을 수 없는 쪽 2" in run("ingest", "규칙.pdf")[1]
    (expected,) = only_json(run("ask", "연차휴가는 며칠인가요?", "--json")[1])["unreadable_pages"]
    assert (expected["pages"], expected["unit"]) == ([2], "page") and expected["path"].endswith("규칙.pdf")
    assert only_json(run("search", "연차휴가", "--json")[1])["unreadable_pages"] == [expected]
    told = "규칙.pdf: 2쪽은 읽지 못해"
    assert told in run("ask", "연차휴가는 며칠인가요?")[1]
    nothing = run("ask", "사원 식당이 파는 점심 메뉴의 가격은 얼마인가요?")[1]
    assert ABSTENTION in nothing and told in nothing
    assert told in run("search", "연차휴가")[1]
    pages = only_json(run("text", "규칙.pdf", "--json")[1])["pages"]
    assert pages[0].items() >= {"readable": True, "engine": "pdfium", "confidence": 1.0}.items()


def test_sections_are_not_called_pages(run, tmp_path, korean):
    text = f"# 총칙\n\n{RULES[0]}\n\n# 휴가\n\n{RULES[1]}\n"
    (tmp_path / "규칙.md").write_text(text, encoding="utf-8")
    run("ingest", "규칙.md")
    answer = only_json(run("ask", "연차휴가는 며칠인가요?", "--json")[1])
    assert answer["citations"][0]["unit"] == answer["passages"][0]["unit"] == "section"
    assert only_json(run("list", "--json")[1])["documents"][0]["unit"] == "section"
    for arguments in (["ask", "연차휴가는 며칠인가요?"], ["search", "연차휴가"]):
        output = run(*arguments)[1]
        assert "구역 2" in output and "2쪽" not in output
    assert "구역 2개" in run("list")[1]


@pytest.mark.parametrize(
    ("place", "korean_text", "english"),
    [
        ((3, 3, "page", None), "3쪽", "p. 3"),
        ((3, 4, "page", None), "3–4쪽", "pp. 3–4"),
        ((3, 3, "section", None), "구역 3", "section 3"),
        ((3, 4, "section", None), "구역 3–4", "sections 3–4"),
        ((3, 3, "page", 0.874), "3쪽(OCR 87%)", "p. 3 (OCR 87%)"),
        ((3, 3, "page", 0.999), "3쪽(OCR 99%)", "p. 3 (OCR 99%)"),
    ],
)
def test_places_read_well(monkeypatch, place, korean_text, english):
    for language, expected in (("ko", korean_text), ("en", english)):
        monkeypatch.setenv("LC_ALL", f"{language}.UTF-8")
        assert place_of(*place) == expected


def test_text_from_ocr_is_marked_wherever_it_is_shown(run, tmp_path, korean):
    if find_tesseract() is None:
        pytest.skip("no Tesseract with the Hangul or kor model")
    from io import BytesIO

    import pypdfium2

    pdf = pypdfium2.PdfDocument(SAMPLES / "취업규칙.pdf")
    scan = BytesIO()
    pdf[5].render(scale=150 / 72, grayscale=True).to_pil().save(scan, "PDF", resolution=150)
    words = pdf[5].get_textpage().get_text_range()
    pdf.close()
    (tmp_path / "스캔.pdf").write_bytes(with_picture(["이 문서의 첫 쪽은 표지이다."], scan.getvalue()))
    code, output, _ = run("ingest", "스캔.pdf", "--ocr", "auto")
    assert code == 0 and "OCR로 읽은 쪽 2 (신뢰도" in output
    question = max((line for line in words.splitlines() if "다." in line), key=len)
    answer = only_json(run("ask", question, "--json")[1])
    citation = answer["citations"][0]
    assert citation["first_page"] == 2 and 0.5 < citation["ocr"] < 1
    assert next(p for p in answer["passages"] if p["marker"] == citation["marker"])["ocr"] == citation["ocr"]
    assert any("스캔한 쪽을 OCR로 읽은 글입니다(신뢰도" in warning["ko"] for warning in answer["warnings"])
    output = run("ask", question)[1]
    assert "2쪽(OCR " in output and "숫자는 원문에서 확인하세요." in output
    found = only_json(run("search", question, "--json")[1])["passages"]
    assert {passage["first_page"]: passage["ocr"] for passage in found}[2] == citation["ocr"]
    (document,) = only_json(run("list", "--json")[1])["documents"]
    assert document["ocr_pages"] == [2] and document["unreadable_pages"] == []
    page = only_json(run("text", "스캔.pdf", "--json")[1])["pages"][1]
    assert page["engine"] == "tesseract" and page["confidence"] == citation["ocr"]


def test_the_evidence_of_a_row_names_its_columns(run, tmp_path, korean):
    table = "# 실적\n\n(단위: 억원)\n\n| 구분 | 2023년 | 2024년 |\n|---|---|---|\n| 매출액 | 3,010 | 2,680 |\n| 영업이익 | 120 | 95 |\n"
    (tmp_path / "실적.md").write_text(table, encoding="utf-8")
    run("ingest", "실적.md")
    answer = only_json(run("ask", "매출액은 얼마인가요?", "--json")[1])
    citation = answer["citations"][0]
    assert answer["sentences"][0]["text"] == citation["quote"] == "매출액 | 3,010 | 2,680"
    assert citation["columns"] == "(단위: 억원) > 구분 | 2023년 | 2024년"
    assert citation["support"] == "supported"
    assert citation["columns"] in run("ask", "매출액은 얼마인가요?")[1]
