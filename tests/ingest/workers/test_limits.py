"""Files made to use up time, memory or disk, and readers that break: each costs one file, clearly."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.errors import ReaderEnded, UnreadableFile
from ingest.parse import IngestConfig, Parsed, ParseOptions
from ingest.workers.jobs import Draw, Locate
from ingest.workers.pool import WorkerPool
from tests.support.files.pdfs import _file, make_pdf
from tests.support.parsing import CHARACTERS, children_of, codes, stats, write, write_big

LIMITS = IngestConfig(workers=1, timeout_seconds=3, max_memory_mb=192, max_pages=1000, max_characters=100_000)
FLATE = b"/FlateDecode "


@pytest.fixture(scope="module")
def pool():
    with WorkerPool(ParseOptions(CHARACTERS, "bigram", limits=LIMITS)) as pool:
        yield pool


def deflated(unit: bytes, megabytes: int) -> bytes:
    """The compressed form of `megabytes` megabytes of repeated `unit`."""
    compressor = zlib.compressobj(9)
    block = unit * (2**20 // len(unit))
    return b"".join(compressor.compress(block) for _ in range(megabytes)) + compressor.flush()


def one_page(
    content: bytes, filters: bytes = b"", *more: bytes, tree: bytes = b"", entries: bytes = b""
) -> bytes:
    """A PDF of one page; `more` are objects from number 6 on, where the page's XObject /X is."""
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R %s"
        b" /Resources << /Font << /F1 5 0 R >> /XObject << /X 6 0 R >> >> >>" % entries
    )
    return _file(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            tree or b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            page,
            b"<< /Length %d /Filter [%s] >>\nstream\n%s\nendstream" % (len(content), filters, content),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            *more,
        ],
        1,
        1,
    )


def form(content: bytes, inner: int) -> bytes:
    """A Form XObject that may use object `inner` as /X."""
    return (
        b"<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /Font << /F1 5 0 R >>"
        b" /XObject << /X %d 0 R >> >> /Length %d >>\nstream\n%s\nendstream" % (inner, len(content), content)
    )


def shared_kids(levels: int) -> bytes:
    """A page tree that claims 100 ** levels pages, all of which are the same page."""
    kids = [
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b"%d 0 R " % (7 + n) * 100, 100 ** (levels - n))
        for n in range(levels - 1)
    ]
    kids.append(b"<< /Type /Pages /Kids [%s] /Count 100 >>" % (b"3 0 R " * 100))
    tree = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b"6 0 R " * 100, 100 ** (levels + 1))
    return one_page(b"", b"", *kids, tree=tree)


def long_text() -> bytes:
    return make_pdf(
        [[f"{page} {line} " + "가나다라마바사 " * 200 for line in range(40)] for page in range(2)]
    )


TEXT = b"BT /F1 9 Tf 10 700 Td (many words of text) Tj ET "
# name: (what makes the file, the outcomes that are right)
BOMBS: dict[str, tuple[Callable[[], bytes], set[str]]] = {
    "a gigabyte of blanks, packed twice": (
        lambda: one_page(zlib.compress(deflated(b" ", 1000)), FLATE * 2),
        {"memory"},
    ),
    "text without end": (
        lambda: one_page(zlib.compress(deflated(TEXT, 64)), FLATE * 2),
        {"memory", "too_large", "timeout"},
    ),
    "more characters than allowed": (long_text, {"too_large"}),
    "operators without end": (lambda: one_page(deflated(b"q ", 64), FLATE), {"memory", "timeout", "no_text"}),
    "brackets without end": (
        lambda: one_page(deflated(b"[", 64), FLATE),
        {"no_text"},
    ),
    "an object nested without end": (
        lambda: one_page(b"", entries=b"/A " + b"[" * 500_000),
        {"no_text", "damaged"},
    ),
    "three thousand filters": (
        lambda: one_page(zlib.compress(b"x"), FLATE * 3000),
        {"no_text", "damaged"},
    ),
    "a tree that says it has two thousand million pages": (
        lambda: one_page(b"", tree=b"<< /Type /Pages /Kids [3 0 R] /Count 2147483647 >>"),
        {"too_large", "no_text", "damaged"},
    ),
    "a tree of shared branches": (lambda: shared_kids(3), {"too_large", "damaged"}),
    "a tree that is its own branch": (
        lambda: one_page(b"", tree=b"<< /Type /Pages /Kids [2 0 R 2 0 R 3 0 R] /Count 10 >>"),
        {"no_text", "damaged"},
    ),
    "a form that draws itself": (
        lambda: one_page(b"/X Do", b"", form(b"/X Do /X Do", 6)),
        {"memory", "timeout", "crashed", "no_text"},
    ),
    "forms that double twenty-four times": (
        lambda: one_page(b"/X Do", b"", *(form(b"/X Do /X Do", 7 + n) for n in range(23)), form(TEXT, 6)),
        {"memory", "timeout", "too_large", "no_text"},
    ),
    "an image of ten thousand million dots": (
        lambda: one_page(
            b"/X Do",
            b"",
            b"<< /Type /XObject /Subtype /Image /Width 100000 /Height 100000 /BitsPerComponent 8"
            b" /ColorSpace /DeviceRGB /Length 0 >>\nstream\n\nendstream",
        ),
        {"no_text"},
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_one_file_and_one_line(pool, tmp_path, name):
    make, right = BOMBS[name]
    bomb = tmp_path / "폭탄.pdf"
    bomb.write_bytes(make())
    assert bomb.stat().st_size < 2**20
    before, after = write(tmp_path, "앞.pdf"), write(tmp_path, "뒤.pdf")
    results = list(pool.parse([before, str(bomb), after]))
    assert [isinstance(result, Parsed) for result in results] == [True, False, True]
    assert results[1].code in right
    for language in ("ko", "en"):
        assert len(results[1].say(language).splitlines()) == 1 and len(results[1].say(language)) < 200


def test_too_many_characters_are_named(pool, tmp_path):
    path = tmp_path / "긴.pdf"
    path.write_bytes(long_text())
    (result,) = pool.parse([str(path)])
    assert result.code == "too_large" and "> 100,000 characters" in result.say("en")


@pytest.mark.parametrize(
    ("misdeed", "code", "says"),
    [
        ("exit0", "crashed", "exit 0"),
        ("exit3", "crashed", "exit 3"),
        ("segfault", "crashed", "SIGSEGV"),
        ("abort", "crashed", "SIGABRT"),
        ("hang", "timeout", "3 s"),
        ("recursion", "crashed", "RecursionError"),
        ("devour", "memory", "256 MB"),
        ("shout", "crashed", "ValueError: [31m아아아"),
    ],
)
def test_a_reader_that_breaks_costs_one_file(breaking, tmp_path, misdeed, code, says):
    paths = [write(tmp_path, f"{name}.pdf") for name in ("앞", misdeed, "뒤", "끝")]
    results = list(breaking.parse(paths))
    assert codes(results) == ["read", code, "read", "read"]
    line = results[1].say("en")
    assert says in line and line.isprintable() and len(line) < 300


@pytest.mark.parametrize(
    ("misdeed", "code"), [("segfault", "crashed"), ("hang", "timeout"), ("devour", "memory")]
)
def test_a_look_at_a_file_that_breaks_its_reader_is_one_clear_error(breaking, tmp_path, misdeed, code):
    path, good = write(tmp_path, f"{misdeed}.pdf"), write(tmp_path, "앞.pdf")
    pages = breaking.read(good).document.pages
    for look in (
        lambda path: breaking.read(path).document.pages,
        lambda path: breaking.locate(Locate(path, pages, 0, 3)),
        lambda path: next(breaking.draw([Draw(path, 0)])),
    ):
        try:
            failure = look(path)
        except UnreadableFile as raised:
            failure = raised
        assert failure.code == code and len(failure.say("ko").splitlines()) == 1
        assert not isinstance(look(good), UnreadableFile)


def test_a_child_that_ended_for_want_of_memory_gets_no_job_of_the_next_call(breaking, tmp_path):
    hungry, good = write(tmp_path, "devour.pdf"), write(tmp_path, "앞.pdf")
    for _ in range(10):
        assert codes(breaking.parse([hungry])) == ["memory"]
        assert codes(breaking.parse([good, good])) == ["read", "read"]


@pytest.fixture(scope="module")
def breaking():
    limits = IngestConfig(workers=2, timeout_seconds=3, max_memory_mb=256)
    options = ParseOptions(CHARACTERS, "bigram", limits=limits)
    with WorkerPool(options, module="tests.support.processes.misbehaving_reader") as pool:
        yield pool


def test_a_reader_killed_by_the_system_is_not_over_our_limit(breaking, tmp_path):
    (killed,) = breaking.parse([write(tmp_path, "kill.pdf")])
    (over,) = breaking.parse([write(tmp_path, "devour.pdf")])
    assert killed.code == over.code == "memory"
    assert "max_memory_mb" in over.say("ko") and "max_memory_mb" not in killed.say("ko")


def test_what_readers_leave_in_temporary_folders_goes_with_them(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "임시"))
    (tmp_path / "임시").mkdir()
    options = ParseOptions(CHARACTERS, "bigram", limits=IngestConfig(workers=1))
    with WorkerPool(options, module="tests.support.processes.misbehaving_reader") as pool:
        paths = [write(tmp_path, "litter.pdf"), write(tmp_path, "뒤.pdf")]
        assert codes(pool.parse(paths)) == ["crashed", "read"]
        left = [path for path in (tmp_path / "임시").rglob("*") if path.is_file()]
        assert not left
    assert not list((tmp_path / "임시").iterdir())


PARENT = """
import sys
from ingest.parse import IngestConfig, ParseOptions
from ingest.workers.pool import WorkerPool
from tests.support.parsing import CHARACTERS
options = ParseOptions(CHARACTERS, "bigram", limits=IngestConfig(workers=2, timeout_seconds=60))
with WorkerPool(options, module="tests.support.processes.misbehaving_reader") as pool:
    for result in pool.parse(sys.argv[1:]):
        print(getattr(result, "code", "read"), pool._process.pid, pool._folder, flush=True)
"""


def parent(*paths: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", PARENT, *paths], stdout=subprocess.PIPE, text=True)


def test_what_libraries_print_does_not_reach_standard_output(tmp_path):
    with parent(write(tmp_path, "print.pdf")) as process:
        lines = process.stdout.read().splitlines()
    assert len(lines) == 1 and lines[0].startswith("read ")


def test_a_killed_caller_leaves_no_reader_and_no_file(tmp_path):
    with parent(write(tmp_path, "앞.pdf"), *[write(tmp_path, "hang.pdf")] * 2) as process:
        _, helper, folder = process.stdout.readline().split()
        process.kill()
    wait_for(lambda: not group_alive(int(helper)))
    assert not os.path.exists(folder)


def group_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    # What the system has not collected yet is dead, too.
    return any(int(fields[2]) == group and fields[0] != "Z" for _, fields in stats())


def wait_for(holds: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.05)


def test_the_end_of_the_helper_in_the_middle_of_files_is_one_clear_error(tmp_path):
    options = ParseOptions(CHARACTERS, "bigram", limits=IngestConfig(workers=2))
    with WorkerPool(options) as pool:
        results = pool.parse([write(tmp_path, "앞.pdf"), *[write_big(tmp_path, "큰.pdf", 200)] * 3])
        next(results)
        helper = pool._process.pid
        assert len(children_of(helper)) == 2
        os.kill(helper, signal.SIGKILL)
        with pytest.raises(ReaderEnded, match="SIGKILL"):
            list(results)
    wait_for(lambda: not group_alive(helper))


# Ctrl-C, as a person gives it to a real `rag ingest`.


def rag(folder: Path, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "rag", *arguments, "--index", str(folder / "색인"), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )


def finished(folder: Path, *arguments: str) -> tuple[int, dict]:
    process = rag(folder, *arguments)
    output, errors = process.communicate(timeout=120)
    assert "Traceback" not in errors, errors
    return process.returncode, json.loads(output)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.3, 1, 2, 3, 4, 5, 6, 8, 10])
def test_interrupted_at_any_moment_the_next_run_goes_on(tmp_path, seconds):
    interrupt_and_go_on(tmp_path, seconds)


def test_interrupted_while_reading_the_next_run_goes_on(tmp_path):
    assert interrupt_and_go_on(tmp_path, None) in (130, 0)


def interrupt_and_go_on(folder: Path, seconds: float | None) -> int:
    """The exit code of an ingest that is interrupted after `seconds` (None: once it reads)."""
    count = 40 if seconds else 12
    (folder / "문서").mkdir()
    for number in range(count):
        write_big(folder / "문서", f"{number:02}번.pdf", 2 + number % 3)
        with (folder / "문서" / f"{number:02}번.pdf").open("ab") as file:
            file.write(b"%% %d" % number)  # no two of the same bytes
    process = rag(folder, "ingest", str(folder / "문서"), "--workers", "1")
    if seconds is None:
        wait_for(lambda: any(children_of(child) for child in children_of(process.pid)), 60)
        seconds = 0.5
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    if (folder / "색인").exists():
        code, status = finished(folder, "check")
        if code:  # nothing was committed yet
            assert status["error"]["code"] == "index_not_found"
        else:
            assert status["ok"] and len(finished(folder, "list")[1]["documents"]) <= count
    code, report = finished(folder, "ingest", str(folder / "문서"), "--workers", "1")
    assert code == 0
    assert report["documents"]["added"] + report["documents"]["unchanged"] == count
    assert len(finished(folder, "list")[1]["documents"]) == count
    assert finished(folder, "check")[1]["ok"]
    return process.returncode
