"""`rag chat`: at a real terminal, with piped questions, and for programs."""

import codecs
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

import pytest

from rag.prompting.tokens import EMBEDDED_FOLDER, ModelTokenizer
from tests.support.servers.scripted import MODEL, Script, scripted_server, streamed

FIRST, NEXT = "팀장의 직책수당은 얼마인가요?", "그럼 본부장은요?"
WHOLE = "본부장의 직책수당은 얼마인가요?"
ROOT = Path(__file__).parents[3]
KOREAN = os.environ | {
    "LC_ALL": "ko_KR.UTF-8",
    "PYTHONIOENCODING": "utf-8",
    "PYTHONPATH": str(ROOT),
    "COLUMNS": "100",
}


def rag_chat(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "rag", "chat", *arguments]


class Terminal:
    """A process at a terminal: types lines, and waits for what it shows."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._keys, screen = pty.openpty()
        self.process = subprocess.Popen(
            command,
            stdin=screen,
            stdout=screen,
            stderr=screen,
            env=KOREAN,
            cwd=folder,
            start_new_session=True,
        )
        os.close(screen)
        self.shown = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def type(self, line: str) -> None:
        os.write(self._keys, f"{line}\n".encode())

    def until(self, pattern: str, seconds: float = 120) -> str:
        """What the terminal shows up to `pattern`, from where the last call ended."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.shown)):
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.shown!r}"
            if select.select([self._keys], [], [], 0.2)[0]:
                self.shown += self._read()
        text, self.shown = self.shown[: found.end()], self.shown[found.end() :]
        return text

    def _read(self) -> str:
        try:
            data = os.read(self._keys, 65536)
        except OSError:  # the process has ended
            data = b""
        assert data, f"ended, having shown {self.shown!r}"
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._decoder.decode(data).replace("\r", ""))

    def until_it_sleeps(self) -> None:
        """Wait until the process waits for something."""
        status = Path(f"/proc/{self.process.pid}/stat")
        deadline = time.monotonic() + 60
        while status.read_text("utf-8").rpartition(")")[2].split()[0] != "S":
            assert time.monotonic() < deadline, "it goes on working"

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> int:
        """The exit code after Ctrl-D."""
        os.write(self._keys, b"\x04")
        return self.process.wait(60)


@contextmanager
def terminal(command: Sequence[str], folder: Path) -> Iterator[Terminal]:
    opened = Terminal(command, folder)
    try:
        yield opened
    finally:
        if opened.process.poll() is None:
            opened.process.kill()
        opened.process.wait()


def test_a_conversation_at_a_terminal(sample_index, tmp_path):
    with terminal(rag_chat("--index", str(sample_index)), tmp_path) as screen:
        screen.until("질문> ")
        screen.type(FIRST)
        answer = screen.until("질문> $")
        assert "350,000" in answer and "근거" in answer and "취업규칙, 33쪽" in answer
        assert "이렇게 이해했습니다" not in answer
        screen.type(NEXT)
        answer = screen.until("질문> $")
        assert f"이렇게 이해했습니다: {WHOLE}" in answer and "800,000" in answer
        screen.type("/근거 1")
        assert "가족수당 | 배우자 | 50,000" in screen.until("질문> $")
        screen.type("/show 99")
        assert "그런 번호의 발췌문이 없습니다" in screen.until("질문> $")
        screen.type("/저장 대화.json")
        assert "2개 질문" in screen.until("질문> $")
        screen.type("/저장 없는폴더/대화.json")
        assert "쓸 수 없습니다" in screen.until("질문> $")
        screen.type("/새로")
        screen.until("잊었습니다.\n질문> $")
        screen.type(NEXT)
        assert "이렇게 이해했습니다" not in screen.until("질문> $")
        screen.type("/모르는명령")
        assert "/저장 파일" in screen.until("질문> $")
        assert screen.end() == 0
    with terminal(rag_chat("--index", str(sample_index), "--resume", "대화.json"), tmp_path) as screen:
        screen.until("질문> ")
        screen.type("파트장은요?")
        assert "150,000" in screen.until("질문> $")
        screen.type("/끝")
        assert screen.process.wait(60) == 0


def test_ctrl_c_stops_the_answer_and_not_the_conversation(sample_index, tmp_path):
    left: SimpleQueue[bool] = SimpleQueue()

    def endless(handler) -> None:
        """A first piece, and then nothing until the client is gone."""
        streamed(["350,000원을 "], None, done=False, cut=True)(handler)
        left.put(handler.is_left())

    script = Script(
        ModelTokenizer(str(EMBEDDED_FOLDER)), [endless, streamed(["350,000원입니다.", " [1]"], "stop")]
    )
    with scripted_server(script) as url:
        settings = ("generator.backend=vllm", f"generator.base_url={url}", f"generator.model={MODEL}")
        options = [
            part for one in (*settings, f"models.tokenizer={EMBEDDED_FOLDER}") for part in ("--set", one)
        ]
        with terminal(rag_chat("--index", str(sample_index), *options), tmp_path) as screen:
            screen.until("질문> ")
            screen.type(FIRST)
            screen.until("350,000원을")
            screen.interrupt()
            screen.until("이 답을 멈췄습니다.\n질문> $")
            assert left.get(timeout=30)
            screen.type(FIRST)
            assert "350,000원입니다. [1]" in screen.until("질문> $")
            assert screen.end() == 0
    assert [body["stream"] for body in script.asked] == [
        True,
        True,
    ]  # the stopped turn is none: nothing to go on from


def test_ctrl_c_at_the_prompt_ends_nothing(sample_index, tmp_path):
    with terminal(rag_chat("--index", str(sample_index)), tmp_path) as screen:
        screen.until("질문> ")
        screen.until_it_sleeps()  # the prompt is shown just before keys are waited for
        screen.interrupt()
        screen.until("/끝 또는 Ctrl-D\n질문> $")
        assert screen.end() == 0


def piped(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        rag_chat(*arguments),
        input=text,
        capture_output=True,
        text=True,
        env=KOREAN,
        cwd=folder,
        check=False,
        encoding="utf-8",
    )


def test_piped_questions_are_answered_one_after_the_other(sample_index, tmp_path):
    done = piped(tmp_path, f"{FIRST}\n\n{NEXT}\n/끝\n{FIRST}\n", "--index", str(sample_index))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("질문> ") == 3 and done.stdout.count("근거\n") == 2
    assert f"이렇게 이해했습니다: {WHOLE}" in done.stdout


def test_programs_get_a_line_of_json_for_each_question(sample_index, tmp_path):
    lines = [
        FIRST,
        json.dumps({"id": "둘", "question": NEXT}),
        '{"question": 3}',
        "",
        '{"id": 9, "question": " "}',
        "/new",
        NEXT,
    ]
    done = piped(tmp_path, "\n".join(lines), "--index", str(sample_index), "--json")
    first, second, broken, empty, anew = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 3 and done.stderr == ""
    assert (first["id"], first["question"], first["standalone"]) == (1, FIRST, FIRST)
    assert (second["id"], second["question"], second["standalone"]) == ("둘", NEXT, WHOLE)
    assert "800,000" in second["text"] and second["budget"]["history"] > 0
    assert broken["error"]["code"] == "input_unreadable"
    assert (empty["id"], empty["error"]["code"]) == (9, "empty_question")
    assert anew["standalone"] == NEXT and anew["budget"]["history"] == 0


def test_a_missing_index_is_one_error(tmp_path):
    done = piped(tmp_path, f"{FIRST}\n", "--index", "none", "--json")
    assert done.returncode == 1 and json.loads(done.stdout)["error"]["code"] == "index_not_found"


@pytest.mark.parametrize("word", ["--resume", "/show", "Ctrl-C", "standalone"])
def test_the_help_teaches(tmp_path, word):
    done = subprocess.run(
        rag_chat("--help"),
        capture_output=True,
        text=True,
        env=KOREAN | {"LC_ALL": "C.UTF-8", "COLUMNS": "200"},
        cwd=tmp_path,
        check=True,
    )
    assert word in done.stdout
