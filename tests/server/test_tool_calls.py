"""Calls of tools on a real vLLM: tokenised as we do, forced into their form, and a loop that ends."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from eval.dataset import SAMPLES
from indexes.types import EVERYTHING
from rag import Pipeline
from rag.answer import Answer, PackedPassage
from rag.config import Config
from rag.models.generator import Completion, GenerationConfig, Generator, Sampling
from rag.models.open import open_generator
from rag.models.servers import VllmGenerator
from rag.prompting.calls import OPENING, ToolsConfig, checked, read_calls
from rag.prompting.packing import Prompt
from rag.prompting.prompts import CUT_CALL, OPEN_PAGES, SEARCH_DOCUMENTS, TOOLS_SYSTEM, tool_messages
from rag.prompting.tokens import Call, Message, ModelTokenizer
from rag.tools.ask import ask_with_tools
from tests.server.prompts import check_answer, random_text
from tests.support.servers.tiny_model import WINDOW

pytestmark = pytest.mark.server

SPECS = (SEARCH_DOCUMENTS, OPEN_PAGES)
QUESTION = "육아휴직은 얼마나 쓸 수 있나요?"
# Markers that the prompt shows: what may be written is told by numbers alone.
SHOWN = tuple(
    PackedPassage(marker, "a", "/a.pdf", "가", "", 1, 1, marker, marker + 1, "가", 1, 0.0)
    for marker in (1, 2, 3)
)


@pytest.fixture
def generator(generation: GenerationConfig, tokenizer: ModelTokenizer) -> VllmGenerator:
    return VllmGenerator(generation, tokenizer)


@pytest.fixture(scope="module")
def pipeline(config: Config, tmp_path_factory) -> Iterator[Pipeline]:
    """A pipeline over the sample documents with the server."""
    with Pipeline.open(tmp_path_factory.mktemp("tool-calls") / "index", config) as opened:
        assert not opened.ingest(sorted(SAMPLES.glob("*.pdf"))).failures
        yield opened


def tool_prompt(tokenizer: ModelTokenizer, question: str) -> Prompt:
    messages = tool_messages(question, [], [])
    return Prompt(tokenizer.render(messages, SPECS).token_ids, messages, SHOWN, question, None, tools=SPECS)


def random_dialogue(seed: int) -> list[Message]:
    """Calls and results with random text, except what the server itself would take for control tokens."""
    pieces = random.Random(seed)

    def text() -> str:
        return random_text(pieces.randrange(10**6))

    def made(number: int) -> Call:
        arguments = {"query": text(), "k": pieces.randrange(10), "more": [text(), None, {"x": 1.5}]}
        return Call(
            f"call_{number}",
            pieces.choice(("search_documents", "open_pages")),
            json.dumps(arguments, ensure_ascii=False),
        )

    messages = [Message("system", (("system", TOOLS_SYSTEM),)), Message("user", (("question", text()),))]
    for first in range(0, 2 * pieces.randrange(1, 4), 2):
        calls = tuple(made(first + place) for place in range(pieces.randrange(1, 3)))
        messages.append(Message("assistant", (("history", pieces.choice(("", text()))),), calls))
        messages += [Message("tool", (("passages", text()),), call_id=one.id) for one in calls]
    return messages


def test_the_server_tokenises_60_random_dialogues_with_tools_as_we_do(generator, tokenizer):
    for seed in range(60):
        messages = random_dialogue(seed)
        rendered = tokenizer.render(messages, SPECS)
        assert generator.tokenize(messages, SPECS) == rendered.token_ids, f"seed {seed}"
        assert sum(rendered.counts.values()) == len(rendered.token_ids)


def test_forced_calls_are_valid_json_that_the_tools_take(generator, tokenizer):
    prompts = [tool_prompt(tokenizer, f"{number}. {QUESTION}") for number in range(32)]
    completions = generator.generate(prompts, Sampling(400, temperature=1.0, must_call=True))
    errors: list[str] = []
    for completion in completions:
        said, asked = read_calls(completion.text)
        assert not said and asked
        errors += [checked(one, SPECS).error for one in asked]
        if completion.finish_reason == "length" and errors[-1] == CUT_CALL:
            errors.pop()
    # Blanks are no query, which the grammar does not say.
    assert [error for error in errors if error and "글이어야" not in error] == []
    assert errors.count("") >= 32


def test_free_text_beside_tools_holds_only_markers_of_what_was_shown(generator, tokenizer):
    prompts = [tool_prompt(tokenizer, f"{number}. {QUESTION}") for number in range(32)]
    completions = generator.generate(prompts, Sampling(200, temperature=1.0, only_shown_markers=True))
    for completion in completions:
        if not completion.text.startswith(OPENING):
            outside = completion.text
            for marker in ("[1]", "[2]", "[3]"):
                outside = outside.replace(marker, "")
            assert not set("[]［］") & set(outside.removesuffix("[").rstrip("123").removesuffix("["))


class Insistent:
    """A generator that is made to call as long as it has tools; keeps the prompts."""

    def __init__(self, generator: Generator) -> None:
        self.name, self.margin, self.writes = generator.name, generator.margin, generator.writes
        self._generator = generator
        self.prompts: list[Prompt] = []

    def generate(self, prompts: Sequence[Prompt], options: Sampling) -> list[Completion]:
        self.prompts += prompts
        return self._generator.generate(prompts, replace(options, must_call=bool(prompts[0].tools)))

    def generate_each(self, job, options):
        return self._generator.generate_each(job, options)


def check_loop(pipeline: Pipeline, answer: Answer, prompts: Sequence[Prompt], limits: ToolsConfig) -> None:
    check_answer(pipeline, answer)
    assert 1 <= len(answer.tool_calls) <= limits.calls
    assert 1 <= sum(bool(prompt.tools) for prompt in prompts) <= limits.rounds
    for prompt in prompts:
        assert prompt.budget.prompt == len(prompt.token_ids)
        assert prompt.budget.prompt + prompt.budget.reserved_output <= WINDOW


@pytest.mark.parametrize("limits", [ToolsConfig(rounds=3), ToolsConfig(calls=2), ToolsConfig(tokens=12_000)])
def test_a_model_that_only_ever_calls_ends_within_the_limits(server, pipeline, limits):
    generator = Insistent(pipeline.generator)
    stages = replace(pipeline._stages(), generator=generator)
    before = server.metric("prompt_tokens_total")
    answer = ask_with_tools(stages, QUESTION, EVERYTHING, limits)
    check_loop(pipeline, answer, generator.prompts, limits)
    read = server.metric("prompt_tokens_total") - before
    if any(not call.error for call in answer.tool_calls):  # else the ordinary search was asked, too
        assert read == sum(len(prompt.token_ids) for prompt in generator.prompts)
    # What we sent is how the server itself writes the dialogue.
    *_, last = (prompt for prompt in generator.prompts if prompt.tools)
    assert pipeline.generator.tokenize(last.messages, last.tools) == last.token_ids


def test_a_model_that_does_as_it_likes_is_answered_all_the_same(pipeline):
    for question in (QUESTION, "매출액은 얼마인가요?", "비밀번호는 며칠마다 바꾸나요?"):
        check_answer(pipeline, pipeline.ask(question, tools=True))


def test_a_chat_server_is_held_to_calls_by_its_own_means(pipeline, tokenizer):
    openai = replace(pipeline.config.generator, backend="openai", temperature=1.0)
    limits = ToolsConfig(rounds=2)
    generator = Insistent(open_generator(openai, tokenizer))
    stages = replace(pipeline._stages(), generator=generator, generation=openai)
    answer = ask_with_tools(stages, QUESTION, EVERYTHING, limits)
    check_loop(pipeline, answer, generator.prompts, limits)
