"""The generator that the configuration names, and the one that needs no model."""

from collections.abc import Callable, Sequence

from rag.answer import PackedPassage
from rag.errors import ConfigError
from rag.extracting.extract import extract
from rag.models.generator import (
    Completion,
    GenerationConfig,
    Generator,
    Job,
    Pieces,
    Results,
    Sampling,
    one_by_one,
)
from rag.prompting.packing import Prompt
from rag.prompting.tokens import ModelTokenizer


def open_generator(config: GenerationConfig, tokenizer: ModelTokenizer) -> Generator:
    """The generator that `config` names. Servers are contacted at first use, not here.

    Raises:
        ConfigError: the configured tokenizer cannot be the model's: it is the embedded one, or has more entries.
        MissingDependency: a library of the backend is not installed.
    """
    if config.backend == "extractive":
        return ExtractiveGenerator()
    if config.backend == "openai":
        from rag.models.servers import OpenAIGenerator

        return OpenAIGenerator(config)
    if tokenizer.is_embedded:
        raise _embedded_tokenizer(config)
    if config.backend == "vllm":
        from rag.models.servers import VllmGenerator

        return VllmGenerator(config, tokenizer)
    if config.backend == "vllm-inprocess":
        from rag.models.local import VllmInProcess

        return VllmInProcess(config, tokenizer)
    from rag.models.local import TransformersGenerator

    return TransformersGenerator(config, tokenizer)


def _embedded_tokenizer(config: GenerationConfig) -> ConfigError:
    return ConfigError(
        detail=f"generator.backend = {config.backend!r} needs the tokenizer of {config.model};"
        " set models.tokenizer to its hub name or folder (the embedded one belongs to no model)"
    )


class ExtractiveGenerator:
    """No model: the answer is the best sentences of the passages, word for word, with markers."""

    name = "extractive"
    margin = 0
    writes = False

    def __init__(self, answer: Callable[[str, Sequence[PackedPassage]], str] = extract) -> None:
        self._answer = answer

    def generate(self, prompts: Sequence[Prompt], options: Sampling) -> list[Completion]:
        return [Completion(self._text(prompt), "stop") for prompt in prompts]

    def generate_each(self, job: Job, options: Sampling) -> Results:
        return one_by_one(self, job, options)

    def stream(self, prompt: Prompt, options: Sampling) -> Pieces:
        yield self._text(prompt)
        return "stop"

    def _text(self, prompt: Prompt) -> str:
        return self._answer(prompt.question, prompt.passages)
