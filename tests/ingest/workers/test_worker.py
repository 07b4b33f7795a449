"""The pool: files in, results out in order, and a bad file costs itself only."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.document import Chunk, ChunkKind
from ingest.errors import ReaderEnded, UnreadableFile
from ingest.parse import IngestConfig, Parsed, ParseOptions, Parser
from ingest.pdf.ocr import Tesseract
from ingest.structure.terms import searched_text
from ingest.workers.pool import WorkerPool
from tests.support.files.pdfs import make_pdf
from tests.support.parsing import CHARACTERS, children_of, codes, options, write, write_big


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="module")
def pool():
    with WorkerPool(options()) as pool:
        yield pool


def test_results_come_in_order_and_equal_those_of_this_process(pool, tmp_path):
    paths = [write_big(tmp_path, "큰.pdf", 6), *(write(tmp_path, f"{n}번.pdf") for n in range(12))]
    results = list(pool.parse(paths))
    assert [result.path for result in results] == paths
    parser = Parser(options())
    assert results == [parser.parse(path) for path in paths]


def test_a_bad_file_among_many_fails_alone(pool, tmp_path):
    (tmp_path / "빈.pdf").write_bytes(b"")
    (tmp_path / "글.pdf").write_text("PDF가 아니다", encoding="utf-8")
    (tmp_path / "폴더.pdf").mkdir()
    (tmp_path / "그림.pdf").write_bytes(make_pdf([[], []]))
    (tmp_path / "끊긴.pdf").write_bytes(Path(write(tmp_path, "온전한.pdf")).read_bytes()[:300])
    names = ["가", "빈", "글", "폴더", "없는", "그림", "끊긴", "나"]
    paths = [str(tmp_path / f"{name}.pdf") for name in names]
    write(tmp_path, "가.pdf")
    write(tmp_path, "나.pdf")
    results = list(pool.parse(paths))
    expected = ["read", "damaged", "not_pdf", "unreadable", "unreadable", "no_text", "damaged", "read"]
    assert codes(results) == expected
    assert [result.path for result in results] == paths


def test_the_pool_reads_again_after_it_was_left_in_the_middle(pool, tmp_path):
    many = [write(tmp_path, f"{n}.pdf") for n in range(6)]
    assert next(iter(pool.parse(many))).path == many[0]
    other = [write(tmp_path, "다른.pdf")]
    assert [result.path for result in pool.parse(other)] == other
    assert [result.document.title for result in pool.parse(other)] == ["다른"]


def test_no_files_start_no_process():
    with WorkerPool(options()) as pool:
        assert list(pool.parse([])) == [] and pool._process is None


def test_a_name_that_is_not_utf8_is_read(pool, tmp_path):
    name = os.fsdecode("취업규칙.pdf".encode("cp949"))
    (result,) = pool.parse([write(tmp_path, name)])
    assert isinstance(result, Parsed) and result.document.title == "취업규칙"
    assert os.path.exists(result.path)


def test_a_file_over_the_time_limit_ends_and_the_next_is_read(tmp_path):
    paths = [write_big(tmp_path, "오래.pdf", 300), write(tmp_path, "짧은.pdf"), write(tmp_path, "끝.pdf")]
    with WorkerPool(options(workers=1, timeout_seconds=0.3)) as pool:
        results = list(pool.parse(paths))
    assert codes(results) == ["timeout", "read", "read"]
    assert "0.3" in results[0].say("ko")


def test_a_file_over_the_memory_limit_ends_and_the_next_is_read(tmp_path):
    big = tmp_path / "큰.pdf"
    big.write_bytes(make_pdf([["본문이다."]]) + b"\0" * (80 << 20))
    paths = [str(big), write(tmp_path, "작은.pdf"), write(tmp_path, "끝.pdf")]
    with WorkerPool(options(workers=1, max_memory_mb=64)) as pool:
        assert codes(pool.parse(paths)) == ["memory", "read", "read"]


def test_a_file_over_the_size_limit_is_not_opened(tmp_path):
    path = tmp_path / "큰.pdf"
    path.write_bytes(b"%PDF-" + b"\0" * (2 << 20))
    with pytest.raises(UnreadableFile) as caught:
        Parser(options(max_file_mb=1)).parse(str(path))
    assert caught.value.code == "too_large"


def kill_busy_child(pool: WorkerPool, killed: list[int]) -> None:
    """SIGKILL for the first child that has been seen working."""
    started: dict[int, float] = {}
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not killed:
        for child in children_of(pool._process.pid) if pool._process else ():
            try:
                used = cpu_seconds(child)
            except OSError:
                continue
            if used > started.setdefault(child, used) + 0.1:
                os.kill(child, signal.SIGKILL)
                killed.append(child)
                return
        time.sleep(0.01)


def test_a_child_killed_from_outside_costs_one_file(tmp_path):
    paths = [write_big(tmp_path, "오래.pdf", 300), *(write(tmp_path, f"{n}.pdf") for n in range(5))]
    killed: list[int] = []
    with WorkerPool(options()) as pool:
        thread = threading.Thread(target=kill_busy_child, args=(pool, killed))
        thread.start()
        results = list(pool.parse(paths))
        thread.join()
    assert killed and codes(results) == ["memory", *["read"] * 5]


def wait_until_it_rests(pid: int) -> None:
    used = -1.0
    for _ in range(60):
        if used == (used := cpu_seconds(pid)):
            return
        time.sleep(0.5)


def test_a_child_killed_in_the_middle_of_its_answer_costs_one_file(tmp_path):
    small = write(tmp_path, "작은.pdf")
    big = write_big(tmp_path, "긴 답.pdf", 60)  # its answer is longer than a socket holds
    with WorkerPool(options()) as pool:
        results = pool.parse([small, big, big, small])
        first = next(results)  # while nobody reads on, the children that have read `big` wait to answer
        for child in children_of(pool._process.pid):
            wait_until_it_rests(child)
            os.kill(child, signal.SIGKILL)
        found = codes([first, *results])
    assert found[0] == found[3] == "read" and set(found) == {"read", "memory"}


def test_idle_children_that_are_killed_cost_no_run(pool, tmp_path):
    paths = [write(tmp_path, f"{n}.pdf") for n in range(8)]
    list(pool.parse(paths[:2]))
    for child in children_of(pool._process.pid):
        os.kill(child, signal.SIGKILL)
    results = list(pool.parse(paths))
    assert len(results) == 8 and codes(results).count("read") >= 6


def test_the_end_of_the_helper_is_an_error_not_a_wait(fresh_helpers, tmp_path):
    path = write(tmp_path, "가.pdf")
    with WorkerPool(options()) as pool:
        assert codes(pool.parse([path])) == ["read"]
        pool._process.kill()
        with pytest.raises(ReaderEnded, match="reading process ended"):
            list(pool.parse([path] * 20))


def test_leaving_the_pool_leaves_no_process(fresh_helpers, tmp_path):
    with WorkerPool(options()) as pool:
        results = pool.parse([write(tmp_path, "작은.pdf"), *[write_big(tmp_path, "큰.pdf", 100)] * 4])
        next(results)
        group = os.getpgid(pool._process.pid)
        assert len(children_of(group)) == 2
    for _ in range(100):  # the killed children are for the system to collect
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("children live on")


def test_the_fingerprint_changes_with_all_that_changes_chunks_and_with_nothing_else():
    base = options().fingerprint
    assert options(workers=7, timeout_seconds=1).fingerprint == base
    assert ParseOptions(CHARACTERS + " ", analyser="bigram").fingerprint != base
    assert ParseOptions(CHARACTERS, analyser="kiwi").fingerprint != base
    tesseract = Tesseract("/usr/bin/tesseract", "5.3.0", "Hangul")
    assert options(ocr="auto").fingerprint == base  # asked for, not installed
    read = {ParseOptions(CHARACTERS, "bigram", tesseract=t).fingerprint for t in (None, tesseract)}
    assert len(read) == 2 and base in read
    moved = replace(tesseract, path="/opt/bin/tesseract")
    assert ParseOptions(CHARACTERS, "bigram", tesseract=moved).fingerprint in read
    newer = replace(tesseract, version="5.5.0")
    assert ParseOptions(CHARACTERS, "bigram", tesseract=newer).fingerprint not in read


def test_the_searched_text_has_each_name_once():
    def chunk(context: str, kind: ChunkKind = "text") -> Chunk:
        return Chunk("가:0-2", "가", 0, 2, "본문", context, 1, 1, 2, kind)

    assert searched_text("규정", chunk("규정 > 제1장")) == "규정 > 제1장\n본문"
    assert searched_text("규정", chunk("제1장")) == "규정\n제1장\n본문"
    assert searched_text("규정", chunk("")) == "규정\n본문"
    assert searched_text("규정", chunk("제1장", "contents")) == ""


@pytest.mark.parametrize(
    "bad", [{"workers": -1}, {"timeout_seconds": 0}, {"max_memory_mb": 0}, {"ocr": "on"}]
)
def test_limits_that_allow_nothing_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        IngestConfig(**bad)


def test_children_know_the_words_of_the_dictionary(tmp_path):
    paths = [write(tmp_path, "적금.pdf", "청년도약계좌 가입 대상을 정한다.")]
    known = replace(options(), dictionary=("청년도약계좌",))
    with WorkerPool(known) as pool:
        (parsed,) = pool.parse(paths)
    assert parsed == Parser(known).parse(paths[0])
    assert parsed.terms != Parser(options()).parse(paths[0]).terms


@pytest.mark.parametrize("encoding", ["utf-8", "euc-kr", "ascii"])
def test_options_reach_the_helper_in_any_locale(fresh_helpers, monkeypatch, tmp_path, encoding):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    path = write(tmp_path, "적금.pdf", "청년도약계좌 가입 대상을 정한다.")
    known = replace(options(), passwords=(("*", "\udcff"),), dictionary=("청년도약계좌",))
    with WorkerPool(known) as pool:
        assert list(pool.parse([path])) == [Parser(known).parse(path)]


LOADED = """
import sys
from ingest.workers.jobs import Worker
from tests.support.parsing import options
Worker(options(), reads=True)
print(*sys.modules)
"""


def test_what_readers_load_at_need_is_loaded_before_children_are_forked():
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    libraries = {
        "pypdf",
        "pypdfium2",
        "PIL.ImageDraw",
        "lxml.etree",
        "docx",
        "langchain_text_splitters",
        "kiwipiepy",
    }
    assert libraries <= set(done.stdout.split())
