"""Prompt → completion, by the model in this process."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from ingest.errors import MissingDependency, first_line
from rag.errors import ConfigError, GenerationFailed
from rag.generator import (
    Completion,
    FinishReason,
    Generated,
    GenerationConfig,
    Pieces,
    Sampling,
    one_by_one,
)
from rag.packing import Prompt
from rag.tokens import ModelTokenizer


class TransformersGenerator:
    """The model in this process, by transformers: one prompt at a time, for trying and testing."""

    margin = 0

    def __init__(self, config: GenerationConfig, tokenizer: ModelTokenizer) -> None:
        try:
            import torch
            from transformers import AutoModelForCausalLM
        except ImportError as exc:
            raise MissingDependency(library="transformers", extra="") from exc
        try:
            self._model = AutoModelForCausalLM.from_pretrained(config.model, dtype="auto")
        except (OSError, ValueError) as exc:
            raise GenerationFailed(detail=first_line(exc)) from exc
        if torch.cuda.is_available():
            self._model = self._model.to("cuda")
        self._model.eval()
        known = self._model.get_input_embeddings().num_embeddings
        if tokenizer.vocabulary > known:
            raise ConfigError(
                detail=f"models.tokenizer = {tokenizer.name!r} has {tokenizer.vocabulary:,} entries, the"
                f" model {config.model} knows {known:,}: it is another model's tokenizer"
            )
        self._tokenizer = tokenizer
        self.name = f"transformers:{config.model}"

    def generate(self, prompts: Sequence[Prompt], options: Sampling) -> list[Completion]:
        return [self._complete(prompt, options) for prompt in prompts]

    def generate_each(self, prompts: Iterable[Prompt], options: Sampling) -> Iterator[Generated]:
        return one_by_one(self, prompts, options)

    def _complete(self, prompt: Prompt, options: Sampling) -> Completion:
        with _torch_failures():
            output = self._model.generate(**self._arguments(prompt, options))
        written = output[0][len(prompt.token_ids) :].tolist()
        text = self._tokenizer.decode(written)
        return Completion(text, self._reason(written), len(prompt.token_ids), len(written))

    def _reason(self, written: Sequence[int]) -> FinishReason:
        return "stop" if written and written[-1] in self._tokenizer.stop_ids else "length"

    def stream(self, prompt: Prompt, options: Sampling) -> Pieces:
        from transformers import StoppingCriteria, StoppingCriteriaList, TextIteratorStreamer

        closed = threading.Event()

        class Closed(StoppingCriteria):
            def __call__(self, input_ids, scores, **_):
                import torch

                return torch.full((input_ids.shape[0],), closed.is_set(), device=input_ids.device)

        streamer = TextIteratorStreamer(_Decoder(self._tokenizer), skip_prompt=True)
        arguments = self._arguments(prompt, options) | {
            "streamer": streamer,
            "stopping_criteria": StoppingCriteriaList([Closed()]),
        }
        with ThreadPoolExecutor(1) as thread:
            writing = thread.submit(self._model.generate, **arguments)
            # Also where it failed: the streamer would wait for its end for ever.
            writing.add_done_callback(lambda _: streamer.end())
            try:
                yield from (piece for piece in streamer if piece)
            finally:
                closed.set()
            with _torch_failures():
                output = writing.result()
        return self._reason(output[0][len(prompt.token_ids) :].tolist())

    def _arguments(self, prompt: Prompt, options: Sampling) -> dict:
        import torch

        ids = torch.tensor([prompt.token_ids], device=self._model.device)
        arguments = {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "max_new_tokens": options.max_tokens,
            "do_sample": options.temperature > 0,
            "eos_token_id": [] if options.ignore_eos else self._tokenizer.stop_ids,
            "pad_token_id": self._tokenizer.stop_ids[0] if self._tokenizer.stop_ids else 0,
        }
        if options.ignore_eos:
            arguments["min_new_tokens"] = options.max_tokens
            arguments["eos_token_id"] = None
        if options.temperature > 0:
            arguments["temperature"] = options.temperature
        return arguments


@contextmanager
def _torch_failures() -> Iterator[None]:
    """What torch raises, out of memory included, as GenerationFailed."""
    try:
        yield
    except (RuntimeError, IndexError, ValueError) as exc:
        raise GenerationFailed(detail=" ".join(str(exc).split())[:300]) from exc


class _Decoder:
    """The face of our tokenizer that transformers' streamer asks for."""

    def __init__(self, tokenizer: ModelTokenizer) -> None:
        self._tokenizer = tokenizer

    def decode(self, ids, **_) -> str:
        return self._tokenizer.decode([int(token) for token in ids])
