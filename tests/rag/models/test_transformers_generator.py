"""The model in this process: a random one, with the embedded tokenizer as if it were the model's own."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from rag.errors import GenerationFailed
from rag.models.generator import GenerationConfig, Sampling
from rag.models.local import TransformersGenerator
from rag.models.open import open_generator
from rag.prompting.markers import clean_markers
from rag.prompting.packing import Prompt
from rag.prompting.tokens import EMBEDDED_FOLDER, Message, ModelTokenizer
from tests.support.servers.tiny_model import TinyModel, write_tiny_model

torch = pytest.importorskip("torch", reason="torch is not installed")
LIMIT = 128  # within which some of the answers end by themselves


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory) -> TinyModel:
    return write_tiny_model(EMBEDDED_FOLDER, tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def tokenizer(tiny_model: TinyModel) -> ModelTokenizer:
    return ModelTokenizer(str(tiny_model.tokenizer))


@pytest.fixture(scope="module")
def generator(tiny_model: TinyModel, tokenizer: ModelTokenizer) -> Iterator[TransformersGenerator]:
    config = GenerationConfig("transformers", model=str(tiny_model.weights))
    generator = open_generator(config, tokenizer)
    assert isinstance(generator, TransformersGenerator)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on busy cores, several threads wait for each other 40 times as long
    yield generator
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def prompts(tokenizer: ModelTokenizer) -> list[Prompt]:
    return [make_prompt(tokenizer, f"{number}. 연차는 며칠인가요?") for number in range(8)]


def make_prompt(tokenizer: ModelTokenizer, question: str) -> Prompt:
    messages = [Message("user", (("question", question),))]
    return Prompt(tokenizer.render(messages).token_ids, messages, (), question, None)


def test_an_answer_ends_at_the_models_end_or_at_the_limit(generator, prompts):
    completions = generator.generate(prompts, Sampling(LIMIT))
    assert {completion.finish_reason for completion in completions} == {"stop", "length"}
    for prompt, completion in zip(prompts, completions, strict=True):
        assert completion.prompt_tokens == len(prompt.token_ids)
        assert completion.completion_tokens == LIMIT or completion.finish_reason == "stop"
        assert "<|im_end|>" not in completion.text


def test_several_prompts_are_answered_in_order(generator, prompts):
    together = generator.generate(prompts, Sampling(16))
    assert together == [generator.generate([prompt], Sampling(16))[0] for prompt in prompts]
    assert len({completion.text for completion in together}) == len(prompts)


def test_markers_of_nothing_are_dropped_and_counted(generator, prompts):
    known = (1, 2, 3)
    cleaned = [
        clean_markers(completion.text, known) for completion in generator.generate(prompts, Sampling(LIMIT))
    ]
    assert sum(dropped for _, dropped in cleaned)
    for text, _ in cleaned:
        assert "[" not in re.sub(r"\[[123]\]", "", text)


def test_ignoring_the_end_writes_all_tokens(generator, prompts):
    completions = generator.generate(prompts, Sampling(LIMIT, ignore_eos=True))
    assert [completion.completion_tokens for completion in completions] == [LIMIT] * len(prompts)


def test_a_temperature_changes_the_text(generator, prompts):
    texts = {generator.generate(prompts[:1], Sampling(16, temperature=1.0))[0].text for _ in range(4)}
    assert len(texts) > 1


def test_a_stream_joins_to_the_same_text(generator, prompts):
    completions = generator.generate(prompts, Sampling(LIMIT))
    for prompt, completion in zip(prompts, completions, strict=True):
        assert "".join(generator.stream(prompt, Sampling(LIMIT))) == completion.text


def test_a_stream_that_is_left_ends_the_generation(generator, prompts, tokenizer):
    written = []
    hook = generator._model.register_forward_hook(lambda *_: written.append(1))
    try:
        pieces = generator.stream(prompts[0], Sampling(4000, ignore_eos=True))
        next(pieces)
        pieces.close()
        assert len(written) < 400
    finally:
        hook.remove()


def test_a_failure_in_the_middle_of_a_stream_reaches_the_caller(generator, prompts):
    foreign = replace(prompts[0], token_ids=[*prompts[0].token_ids, 10_000_000])
    with pytest.raises(GenerationFailed):
        list(generator.stream(foreign, Sampling(8)))
    with pytest.raises(GenerationFailed):
        generator.generate([foreign], Sampling(8))


def test_a_model_that_is_not_there_is_named(tmp_path, tokenizer):
    config = GenerationConfig("transformers", model=str(tmp_path / "nothing"))
    with pytest.raises(GenerationFailed, match="nothing"):
        open_generator(config, tokenizer)
