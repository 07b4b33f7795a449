"""Under the grammar a model that tries nothing but brackets writes markers of what was shown, and no others."""

import json
import os
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

from rag.models.generator import GenerationConfig, Sampling
from rag.models.servers import VllmGenerator
from rag.prompting.markers import clean_markers, marker_grammar
from rag.prompting.tokens import ModelTokenizer
from tests.server.grammar.measure import Generations, brackets, generate, make_prompts, towards_brackets
from tests.support.servers.tiny_model import TinyModel
from tests.support.servers.vllm import ENVIRONMENT, PYTHON, Server

pytestmark = pytest.mark.server
COUNT = 334  # of each size: 1,000 in all
SIZES = [3, 40, 120]


@pytest.fixture(scope="module", params=SIZES, ids=lambda size: f"{size} passages")
def governed(request, server: Server, tokenizer: ModelTokenizer) -> tuple[int, Generations]:
    """How many passages were shown, and answers to questions about them."""
    bias = towards_brackets(tokenizer)
    return request.param, generate(server, tokenizer, request.param, COUNT, governed=True, bias=bias)


def test_only_markers_of_what_was_shown_are_written(governed):
    passages, generations = governed
    found = brackets(generations, range(1, passages + 1))
    assert found["invalid"] == found["other"] == 0
    assert found["valid"] > COUNT


def test_an_answer_may_end_and_a_marker_cut_by_the_limit_is_dropped(governed):
    passages, generations = governed
    assert set(generations.reasons) == {"stop", "length"}
    known = range(1, passages + 1)
    assert brackets(generations, known)["cut"]
    for text in generations.texts:
        cleaned, dropped = clean_markers(text, known)
        assert dropped == 0
        assert cleaned.count("[") == text.count("]")  # never [12 → [1]


@pytest.mark.parametrize("columns", [2, 3])
def test_rows_have_their_cells_and_their_markers(server, tokenizer, columns):
    bias = towards_brackets(tokenizer)
    written = generate(server, tokenizer, SIZES[0], 100, governed=True, bias=bias, columns=columns)
    row = re.compile(marker_grammar(range(1, SIZES[0] + 1), columns))
    rows = 0
    for text, reason in zip(written.texts, written.reasons, strict=True):
        whole = text if reason == "stop" else text.rpartition("\n")[0]  # the last line was cut
        assert not whole or row.fullmatch(whole), text
        rows += whole.count("\n") + bool(whole)
    assert rows > 20


def test_without_the_grammar_the_same_model_writes_others(server, tokenizer):
    bias = towards_brackets(tokenizer)
    written = generate(server, tokenizer, SIZES[0], 100, governed=False, bias=bias)
    found = brackets(written, range(1, SIZES[0] + 1))
    assert found["invalid"] > 100 and found["other"] > 100


def test_a_stream_is_held_to_the_grammar_too(generation: GenerationConfig, tokenizer: ModelTokenizer):
    generator = VllmGenerator(generation, tokenizer)
    for prompt in make_prompts(tokenizer, 3, 4):
        (completion,) = generator.generate([prompt], Sampling(96, only_shown_markers=True))
        streamed = "".join(generator.stream(prompt, Sampling(96, only_shown_markers=True)))
        assert streamed == completion.text
        assert clean_markers(streamed, (1, 2, 3))[1] == 0


def test_vllm_in_this_process_is_held_to_the_grammar_too(tiny_model: TinyModel):
    if not PYTHON.is_file():
        pytest.skip("no vLLM environment (make test-server creates it)")
    script = Path(__file__).with_name("biased_inprocess.py")
    arguments = (str(tiny_model.weights), str(tiny_model.tokenizer), sysconfig.get_path("purelib"))
    process = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "PYTHONPATH": str(Path(__file__).parents[3])}
    result = subprocess.run(
        [PYTHON, script, *arguments],
        env=os.environ | ENVIRONMENT | process,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    written = json.loads(result.stdout)
    found = {
        governed: brackets(Generations(tuple(t), tuple(reasons), sum(tokens), 0.0), range(1, 13))
        for governed, rows in written.items()
        for t, reasons, tokens in [zip(*rows, strict=True)]
    }
    assert found["True"]["invalid"] == found["True"]["other"] == 0 < found["True"]["valid"]
    assert found["False"]["invalid"] and found["False"]["other"]
