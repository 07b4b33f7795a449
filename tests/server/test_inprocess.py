"""vLLM in the product's own process, in the environment that holds vLLM."""

import json
import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers.tiny_model import WINDOW, TinyModel
from tests.support.servers.vllm import ENVIRONMENT, PYTHON

pytestmark = pytest.mark.server

LIMIT = 96
SCRIPT = """
import json
import sys

sys.path.append(sys.argv[4])  # what that environment lacks; what it has comes first

from ingest.errors import PipelineError
from rag.errors import EmptyQuestion
from rag.models.generator import GenerationConfig, Sampling
from rag.models.open import open_generator
from rag.prompting.packing import Prompt
from rag.prompting.tokens import Message, ModelTokenizer

weights, tokenizer_folder, window = sys.argv[1], sys.argv[2], int(sys.argv[3])
tokenizer = ModelTokenizer(tokenizer_folder)
config = GenerationConfig("vllm-inprocess", weights, window=window, concurrency=2)


def prompt_of(question):
    messages = [Message("user", (("question", question),))]
    return Prompt(tokenizer.render(messages).token_ids, messages, (), question, None)


def plain(completion):
    others = [other.text for other in completion.others]
    counts = [completion.prompt_tokens, completion.completion_tokens]
    return {"text": completion.text, "reason": completion.finish_reason, "counts": counts, "others": others}


def stream(prompt, options):
    pieces = generator.stream(prompt, options)
    text = ""
    while True:
        try:
            text += next(pieces)
        except StopIteration as end:
            return {"text": text, "reason": end.value}


generator = open_generator(config, tokenizer)
prompts = [prompt_of(f"{number}. 연차는 며칠인가요?") for number in range(12)]
limit = Sampling(LIMIT)
each = list(generator.generate_each([*prompts[:2], EmptyQuestion(), *prompts[2:]], limit))
try:
    generator.generate([prompt_of("연차 " * window)], limit)
    overflow = ""
except ValueError as exc:
    overflow = str(exc)
print(json.dumps({
    "lengths": [len(prompt.token_ids) for prompt in prompts],
    "together": [plain(completion) for completion in generator.generate(prompts, limit)],
    "places": [place for place, _ in each],
    "errors": [(place, result.code) for place, result in each if isinstance(result, PipelineError)],
    "each": [plain(result) for _, result in each if not isinstance(result, PipelineError)],
    "stream": [stream(prompt, limit) for prompt in prompts[:4]],
    "all": plain(generator.generate(prompts[:1], Sampling(LIMIT, ignore_eos=True))[0]),
    "samples": plain(generator.generate(prompts[:1], Sampling(16, temperature=1.0, n=3))[0]),
    "overflow": overflow,
    "name": generator.name,
}))
"""
REFUSED = """
import sys

sys.path.append(sys.argv[4])

from rag.errors import ConfigError
from rag.models.generator import GenerationConfig
from rag.models.open import open_generator
from rag.prompting.tokens import ModelTokenizer

try:
    open_generator(GenerationConfig("vllm-inprocess", sys.argv[1]), ModelTokenizer(sys.argv[2]))
except ConfigError as exc:
    print(exc)
"""


def run(script: str, weights: Path, tokenizer: Path) -> str:
    """What the script prints to standard output, where vLLM is to write nothing."""
    if not PYTHON.is_file():
        pytest.skip("no vLLM environment (make test-server creates it)")
    ours = sysconfig.get_path("purelib")
    result = subprocess.run(
        [PYTHON, "-c", script, str(weights), str(tokenizer), str(WINDOW), ours],
        env=os.environ
        | ENVIRONMENT
        | {
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            "OMP_NUM_THREADS": "1",  # several wait for each other where cores are busy
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope="module")
def results(tiny_model: TinyModel) -> dict[str, Any]:
    output = run(SCRIPT.replace("LIMIT", str(LIMIT)), tiny_model.weights, tiny_model.tokenizer)
    return json.loads(output)


def test_an_answer_ends_at_the_models_end_or_at_the_limit(results):
    assert {completion["reason"] for completion in results["together"]} == {"stop", "length"}
    for completion, length in zip(results["together"], results["lengths"], strict=True):
        prompt, written = completion["counts"]
        assert prompt == length
        assert written == LIMIT or (written < LIMIT and completion["reason"] == "stop")
        assert completion["text"] and "<|im_end|>" not in completion["text"]


def test_each_together_and_streamed_are_the_same(results):
    # More prompts than are taken at a time, and one that could not be made.
    assert sorted(results["places"]) == list(range(13))
    assert results["errors"] == [[2, "empty_question"]]
    assert sorted(c["text"] for c in results["each"]) == sorted(c["text"] for c in results["together"])
    for streamed, completion in zip(results["stream"], results["together"], strict=False):
        assert (streamed["text"], streamed["reason"]) == (completion["text"], completion["reason"])


def test_samples_differ_and_the_end_can_be_ignored(results):
    samples = [results["samples"]["text"], *results["samples"]["others"]]
    assert len(set(samples)) == 3
    assert results["samples"]["counts"][1] <= 3 * 16
    assert results["all"]["counts"][1] == LIMIT


def test_an_overflow_is_refused(results):
    assert f"over the window of {WINDOW}" in results["overflow"]


def test_a_tokenizer_of_another_model_is_refused_before_the_weights_are_loaded(tiny_model, tmp_path):
    config = json.loads((tiny_model.weights / "config.json").read_text("utf-8"))
    (tmp_path / "config.json").write_text(json.dumps(config | {"vocab_size": 1000}), "utf-8")
    assert "it is another model's tokenizer" in run(REFUSED, tmp_path, tiny_model.tokenizer)
