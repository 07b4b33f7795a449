"""Summaries by a real vLLM: a job of a hundred reports that is killed, and what it costs."""

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from eval.dataset import SAMPLES
from rag import Pipeline, Summary
from rag.comparing.compare import NO_EVIDENCE
from rag.config import Config
from rag.models.generator import Sampling
from rag.prompting.tokens import ModelTokenizer
from rag.summarising.checkpoints import window_key
from tests.summary_kills import kill_and_go_on, most_in_flight, write_reports
from tests.support.servers.tiny_model import TinyModel
from tests.support.servers.vllm import MODEL, Server

pytestmark = pytest.mark.server

REPORTS, KILLS, CONCURRENCY = 100, 5, 8
WINDOW, RESERVED = 1200, 128


class Named:
    """What a window's key asks of a generator."""

    name = f"vllm:{MODEL}"


@contextmanager
def noting_proxy(server: Server, tokenizer: ModelTokenizer, log: Path) -> Iterator[str]:
    """The address of a proxy of `server` that writes to `log` the key of each window that it is asked for."""
    notes = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    client = httpx.Client(base_url=server.root, timeout=300, trust_env=False)

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self):
            self._reply(client.get(self.path))

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            asked = json.loads(body)
            if self.path == "/v1/completions":
                options = Sampling(asked["max_tokens"], asked["temperature"], only_shown_markers=True)
                os.write(notes, f"{window_key(Named(), tokenizer, options, asked['prompt'])}\n".encode())
            self._reply(client.post(self.path, content=body, headers={"content-type": "application/json"}))

        def _reply(self, response: httpx.Response) -> None:
            self.send_response(response.status_code)
            self.send_header("content-type", response.headers["content-type"])
            self.send_header("content-length", str(len(response.content)))
            self.end_headers()
            with suppress(OSError):  # who asked was killed
                self.wfile.write(response.content)

        def log_message(self, *_) -> None:
            pass

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    proxy.daemon_threads = True
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{proxy.server_port}/v1"
    finally:
        proxy.shutdown()
        proxy.server_close()
        os.close(notes)


def test_a_killed_job_of_a_hundred_reports_repeats_nothing_that_was_kept(
    server: Server, tiny_model: TinyModel, tokenizer: ModelTokenizer, tmp_path, capsys
):
    index, out, log = tmp_path / "index", tmp_path / "요약", tmp_path / "log"
    write_reports(index, REPORTS)
    with noting_proxy(server, tokenizer, log) as url:
        settings = {
            "models.tokenizer": tiny_model.tokenizer,
            "generator.backend": "vllm",
            "generator.base_url": url,
            "generator.window": WINDOW,
            "generator.reserved_output": RESERVED,
            "generator.concurrency": CONCURRENCY,
        }
        command = [
            sys.executable,
            "-m",
            "rag",
            "summarise",
            "--all",
            "--index",
            str(index),
            "--out",
            str(out),
        ]
        command += [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
        went = kill_and_go_on(command, index, out, log, KILLS, most_in_flight(CONCURRENCY))
    with capsys.disabled():
        print(f"\n{went}")
    assert went.reports == REPORTS and went.begun > REPORTS


@pytest.mark.parametrize("kind", ["figures", "actions"])
def test_rows_of_a_model_are_rows_with_their_evidence(config: Config, tmp_path, kind):
    write_reports(tmp_path / "index", 2)
    with Pipeline.open(tmp_path / "index", config) as pipeline:
        results = list(pipeline.summarise(pipeline.documents(), kind))
        for summary in results:
            assert isinstance(summary, Summary) and summary.calls > 0
            assert len(summary.rows) == len(summary.sentences) and all(row.cells for row in summary.rows)
            assert not any(notice.code == "no_rows" for notice in summary.warnings)


def test_every_chapter_is_told_of(config: Config, tmp_path):
    write_reports(tmp_path / "index", 2)
    with Pipeline.open(tmp_path / "index", config) as pipeline:
        for summary in pipeline.summarise(pipeline.documents(), "sections"):
            assert isinstance(summary, Summary) and summary.calls > 0 and summary.sections
            assert sum(section.count for section in summary.sections) == len(summary.sentences)


def test_reports_are_compared_at_the_server_each_cell_cited_or_empty(config: Config, tmp_path):
    with Pipeline.open(tmp_path / "index", config) as pipeline:
        pipeline.ingest([SAMPLES])
        documents = pipeline.documents()
        compared = pipeline.compare(documents, ["매출액", "대표이사의 취미"])
        assert compared.generator.startswith("vllm:")
        for row in compared.rows:
            for document, cell in zip(documents, row.cells, strict=True):
                assert cell.found or cell.text == NO_EVIDENCE
                for citation in cell.citations:
                    assert pipeline.text(document, citation.start, citation.end) == citation.quote


def test_a_report_of_many_windows_is_summarised_at_its_pages(config: Config, tmp_path):
    write_reports(tmp_path / "index", 3)
    with Pipeline.open(tmp_path / "index", config) as pipeline:
        results = list(pipeline.summarise(pipeline.documents()))
        assert len(results) == 3
        for summary in results:
            assert isinstance(summary, Summary) and summary.prompt_tokens > 0
            document = pipeline.document(summary.document_id)
            for citation in summary.citations:
                assert pipeline.text(document, citation.start, citation.end) == citation.quote
