"""A.X 4.0, whose window is eight times as long, is a configuration of the same code."""

import gzip
import json
from itertools import islice
from pathlib import Path

import pytest

from rag import Pipeline
from rag.config import TEMPLATES, Config, load_config
from rag.serving.plan import plan_serving

STATUTES = 17
QUESTIONS = ("허가를 취소할 수 있는 경우는 무엇인가?", "과태료는 얼마이며 누가 부과하는가?")


@pytest.fixture(scope="module")
def large(model_folder: Path, tmp_path_factory) -> Config:
    """The profile as `rag init` writes it; of its models the tokenizer alone is at hand, which both share."""
    path = tmp_path_factory.mktemp("large") / "rag.toml"
    path.write_text(TEMPLATES["gpu-72b"], "utf-8")
    here = [
        f"models.tokenizer={model_folder}",
        "models.embedder=embedded",
        "models.reranker=",
        "search.dense_weight=0.4",
        "search.analyser=bigram",  # quicker than Kiwi, and the window does not care
    ]
    return load_config(path, [*here, "generator.backend=extractive"])


@pytest.fixture(scope="module")
def pipeline(large: Config, shared: Path, tmp_path_factory):
    """A pipeline over an index with more than twice the text that the window holds."""
    folder = tmp_path_factory.mktemp("statutes")
    with gzip.open(shared / "data/text/statutes.jsonl.gz", "rt", encoding="utf-8") as lines:
        laws = (json.loads(line) for line in lines)
        long_ones = (law for law in laws if 20_000 < len(law["text"]) < 60_000)
        for number, law in enumerate(islice(long_ones, STATUTES)):
            (folder / f"{number:03d}.txt").write_text(law["text"], "utf-8")
    with Pipeline.open(folder / "index", large) as opened:
        report = opened.ingest([folder])
        assert report.documents.added == STATUTES and report.chunks > large.search.k
        yield opened


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_window_of_131072_is_filled_and_the_ledger_adds_up(pipeline, large, question):
    budget = pipeline.ask(question).budget
    assert (budget.window, budget.reserved_output) == (131_072, 2_048)
    assert budget.prompt + budget.reserved_output <= budget.window
    parts = budget.template + budget.system + budget.history + budget.passages + budget.question
    assert parts == budget.prompt
    assert budget.free == budget.window - budget.reserved_output - budget.prompt
    assert budget.prompt >= 0.97 * (budget.window - budget.reserved_output)


def test_its_server_is_shared_out_over_four_gpus(large):
    command = plan_serving(large.generator, large.serving, Path("/t")).command
    assert command[2] == "skt/A.X-4.0"
    for words in ("--max-model-len 131072", "--tensor-parallel-size 4", "--quantization fp8"):
        assert words in " ".join(command)
