"""Requests that are given up, samples, and servers that die in the middle, on a real vLLM."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from eval.dataset import SAMPLES, load_questions
from rag import Pipeline
from rag.errors import BrokenAnswer, EmptyQuestion
from rag.models.generator import Sampling
from rag.models.servers import VllmGenerator
from tests.server.prompts import ask_prompt, prompt_of_length
from tests.support.servers.tiny_model import WINDOW, TinyModel
from tests.support.servers.vllm import Server, free_port, running_server, wait_until_idle

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
QUESTIONS = 40
CONCURRENCY = 4


@dataclass
class Crashable:
    """A server that can be killed, and started again at its address."""

    arguments: tuple[str, ...]
    folder: Path
    port: int
    stack: ExitStack
    server: Server | None = None

    def start(self) -> None:
        self.server = self.stack.enter_context(running_server(self.arguments, self.folder, self.port))

    def kill(self) -> None:
        os.killpg(self.server.group, signal.SIGKILL)
        self.stack.close()


@pytest.fixture(scope="module")
def crashable(tiny_model: TinyModel, tmp_path_factory) -> Iterator[Crashable]:
    arguments = ("--model", str(tiny_model.weights), "--tokenizer", str(tiny_model.tokenizer))
    with ExitStack() as stack:
        yield Crashable(arguments, tmp_path_factory.mktemp("crashable"), free_port(), stack)


@pytest.fixture(scope="module")
def folder(config, crashable: Crashable, tmp_path_factory) -> Path:
    """An index of the samples, a file of questions, and settings for `crashable`."""
    folder = tmp_path_factory.mktemp("questions")
    with Pipeline.open(folder / "index", config) as pipeline:
        pipeline.ingest(SAMPLES.glob("*.pdf"))
    texts = [question.text for question in load_questions(SAMPLES / "questions.jsonl")][:QUESTIONS]
    rows = [{"id": f"q{number}", "question": text} for number, text in enumerate(texts)]
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    settings = f"""
        [models]
        tokenizer = {json.dumps(config.models.tokenizer)}
        [search]
        k = 3
        [generator]
        backend = "vllm"
        base_url = "http://127.0.0.1:{crashable.port}/v1"
        window = {WINDOW}
        reserved_output = 256
        concurrency = {CONCURRENCY}
        retries = 100
        retry_seconds = 400.0
    """
    (folder / "rag.toml").write_text(settings, "utf-8")
    return folder


class Batch:
    """`rag ask --questions` of `folder` in a process of its own; its rows as they are written."""

    def __init__(self, folder: Path, *overrides: str) -> None:
        self._rows = folder / "rows.jsonl"
        options = [part for override in overrides for part in ("--set", override)]
        with self._rows.open("wb") as rows:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "rag", "ask", "--questions", "questions.jsonl"),
                    *("--index", "index", "--config", "rag.toml", *options),
                ],
                cwd=folder,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=rows,
            )

    def rows(self) -> list[dict[str, Any]]:
        """What was written so far, line by line."""
        whole, _, _ = self._rows.read_text("utf-8").rpartition("\n")
        return [json.loads(line) for line in whole.split("\n") if line]

    def wait_for(self, count: int) -> None:
        """Wait until there are `count` rows."""
        ends = time.monotonic() + 300
        while len(self.rows()) < count:
            assert time.monotonic() < ends and self.process.poll() is None
            time.sleep(0.05)

    def end(self) -> int:
        return self.process.wait(500)


@pytest.fixture(scope="module")
def answers(folder: Path, crashable: Crashable) -> list[str]:
    """The answers if nothing goes wrong; the server is running afterwards."""
    crashable.start()
    batch = Batch(folder)
    assert batch.end() == 0
    assert [row["id"] for row in batch.rows()] == [f"q{number}" for number in range(QUESTIONS)]
    return [row["text"] for row in batch.rows()]


# a server that dies


def test_a_batch_outlives_a_server_that_is_killed_and_comes_back(folder, crashable, answers):
    batch = Batch(folder)
    batch.wait_for(5)
    crashable.kill()
    assert len(batch.rows()) < QUESTIONS - CONCURRENCY  # it was in the middle
    crashable.start()
    assert batch.end() == 0
    assert [row["id"] for row in batch.rows()] == [f"q{number}" for number in range(QUESTIONS)]
    assert [row["text"] for row in batch.rows()] == answers


def test_a_batch_that_is_interrupted_leaves_whole_rows_and_an_idle_server(folder, crashable, answers):
    batch = Batch(folder)
    batch.wait_for(5)
    batch.process.send_signal(signal.SIGINT)
    assert batch.end() == 130
    rows = batch.rows()
    assert 5 <= len(rows) < QUESTIONS
    assert [row["text"] for row in rows] == answers[: len(rows)]
    wait_until_idle(crashable.server, seconds=5)


def test_a_batch_names_each_question_that_a_dead_server_left(folder, crashable, answers):
    batch = Batch(folder, "generator.retries=1")
    batch.wait_for(5)
    crashable.kill()
    assert batch.end() == 3
    rows = batch.rows()
    assert [row["id"] for row in rows] == [f"q{number}" for number in range(QUESTIONS)]
    failed = [row["error"] for row in rows if "error" in row]
    assert len(failed) >= CONCURRENCY and {error["code"] for error in failed} == {"generator_unavailable"}
    assert all(str(crashable.port) in error["message"] and error["remedy"] for error in failed)
    for row, answer in zip(rows, answers, strict=True):
        assert "error" in row or row["text"] == answer


def test_a_stream_whose_server_dies_raises(crashable, generation, tokenizer):
    crashable.start()
    url = f"http://127.0.0.1:{crashable.port}/v1"
    generator = VllmGenerator(replace(generation, base_url=url), tokenizer)
    stream = generator.stream(ask_prompt(tokenizer, "연차는?"), Sampling(12_000, ignore_eos=True))
    for _ in range(5):
        next(stream)
    crashable.kill()
    with pytest.raises(BrokenAnswer):
        list(stream)


# giving up, and samples


def test_closing_a_job_ends_its_requests_on_the_server(server, generation, tokenizer):
    generator = VllmGenerator(replace(generation, concurrency=CONCURRENCY), tokenizer)
    limit = Sampling(12_000, ignore_eos=True)
    job = [EmptyQuestion(), *(ask_prompt(tokenizer, f"{number}. 연차는?") for number in range(12))]
    before = server.metric("generation_tokens_total")
    with closing(generator.generate_each(job, limit)) as results:
        assert isinstance(next(results)[1], EmptyQuestion)
        ends = time.monotonic() + 60
        while server.metric("num_requests_running") < CONCURRENCY:
            assert time.monotonic() < ends
            time.sleep(0.05)
    wait_until_idle(server, seconds=5)
    written = server.metric("generation_tokens_total") - before
    assert written < CONCURRENCY * limit.max_tokens / 2
    time.sleep(1)
    assert server.metric("generation_tokens_total") - before == written


def test_samples_read_their_prompt_once(server, generation, tokenizer):
    generator = VllmGenerator(generation, tokenizer)
    generator.check()
    prompt = prompt_of_length(tokenizer, 6000)
    before = {name: server.metric(name) for name in ("prefix_cache_queries_total", "prefix_cache_hits_total")}
    (completion,) = generator.generate([prompt], Sampling(32, temperature=1.0, n=4))
    asked, cached = (server.metric(name) - value for name, value in before.items())
    texts = {sample.text for sample in (completion, *completion.others)}
    assert len(texts) == 4
    assert completion.prompt_tokens == 6000 and completion.completion_tokens <= 4 * 32
    assert asked == 4 * 6000
    assert 6000 <= asked - cached < 1.05 * 6000  # read once, but for the unfinished block of each further one
