"""Packed prompts on a real vLLM: it counts them as we do, and leaves the answer its tokens."""

from random import Random

import pytest

from rag.errors import PromptTooLong
from rag.models.generator import GenerationConfig, Sampling
from rag.models.servers import VllmGenerator
from rag.prompting.packing import Prompt
from rag.prompting.tokens import ModelTokenizer
from tests.ledger import Case, Library, packed
from tests.support.servers.tiny_model import WINDOW
from tests.support.slow_tokens import SlowTokenizer

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def generator(generation: GenerationConfig, tokenizer: ModelTokenizer) -> VllmGenerator:
    return VllmGenerator(generation, tokenizer)


@pytest.fixture(scope="module")
def prompts(tokenizer: ModelTokenizer, tiny_model) -> list[tuple[Case, Prompt]]:
    """500 of the ledger's, without control tokens in their texts: a server would let those act."""
    slow = SlowTokenizer(tiny_model.tokenizer / "tokenizer.json")
    random, found = Random(11), []
    while len(found) < 500:
        library = Library(random, tokenizer)
        for case in (library.case(random) for _ in range(100)):
            if case.window > WINDOW:
                continue
            try:
                prompt = packed(case, library, tokenizer)
            except PromptTooLong:
                continue
            if not any(slow.has_controls(message.content) for message in prompt.messages):
                found.append((case, prompt))
    return found[:500]


def test_the_server_tokenises_500_packed_prompts_as_we_do(generator, prompts):
    for number, (_, prompt) in enumerate(prompts):
        assert generator.tokenize(prompt.messages) == prompt.token_ids, number
    assert sum(len(prompt.messages) > 2 for _, prompt in prompts) > 100  # with turns before
    assert sum(bool(prompt.passages) for _, prompt in prompts) > 300


def test_all_reserved_tokens_come_back_beside_packed_prompts(generator, prompts):
    some = [(case, prompt) for case, prompt in prompts if case.reserved <= 200][:40]
    for case, prompt in some:
        (completion,) = generator.generate([prompt], Sampling(case.reserved, ignore_eos=True))
        assert completion.completion_tokens == case.reserved
        assert completion.prompt_tokens == prompt.budget.prompt <= case.window - case.reserved
    assert len(some) == 40
