"""Prompt → completion, by a model in this process: in vLLM, for many prompts, or in transformers."""

import os
import threading
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any

from ingest.errors import MissingDependency, PipelineError, first_line
from rag.errors import ConfigError, GenerationFailed
from rag.models.generator import (
    Completion,
    FinishReason,
    GenerationConfig,
    Job,
    Pieces,
    Results,
    Sampling,
    check_window,
    in_order,
    in_thread,
    one_by_one,
    several,
)
from rag.prompting.markers import marker_grammar
from rag.prompting.packing import Prompt
from rag.prompting.tokens import ModelTokenizer

# vLLM gets up to this many rounds of `concurrency` prompts at a time, so that it idles only after the last.
ROUNDS = 4


class VllmInProcess:
    """The model in this process, run by vLLM: for batches, where no server is wanted.

    vLLM is given ids and gives ids back. It loads a tokenizer only for the grammar, which needs nothing but the
    vocabulary, so it does not matter there that this tokenizer splits text in another way.
    """

    margin = 0
    writes = True

    def __init__(self, config: GenerationConfig, tokenizer: ModelTokenizer) -> None:
        # Standard output belongs to the product, and vLLM must not report its use to anybody.
        os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        try:
            import torch
            from vllm import LLM, SamplingParams, TokensPrompt
            from vllm.sampling_params import StructuredOutputsParams
        except ImportError as exc:
            raise MissingDependency(library="vllm", extra="gpu") from exc
        _check_vocabulary(config, tokenizer, _vocabulary(config.model))
        with _failures():
            self._llm = LLM(
                config.model,
                tokenizer=str(tokenizer.folder),
                skip_tokenizer_init=config.grammar == "off",
                max_model_len=config.window,
                max_num_seqs=config.concurrency,
                enable_prefix_caching=True,
                enforce_eager=not torch.cuda.is_available(),  # without a GPU, compiling costs minutes and gains little
            )
        self._parameters, self._tokens = SamplingParams, TokensPrompt
        self._structured = StructuredOutputsParams
        self._config = config
        self._tokenizer = tokenizer
        self._lock = threading.Lock()  # two threads that step one engine would get each other's results
        self.name = f"vllm-inprocess:{config.model}"

    def generate(self, prompts: Sequence[Prompt], options: Sampling) -> list[Completion]:
        return in_order(self.generate_each(prompts, options), len(prompts))

    def generate_each(self, job: Job, options: Sampling) -> Results:
        size = self._config.concurrency
        prompts, places = iter(job), count()
        taking = in_thread(lambda: _take(prompts, places, size))
        while True:
            chunk, more = taking.result()
            if not chunk and not more:
                return
            size = min(2 * size, ROUNDS * self._config.concurrency)
            # The next prompts are made while these are answered. After a None, all earlier results have been taken.
            taking = in_thread(lambda size=size: _take(prompts, places, size))
            yield from self._chunk(chunk, options)

    def stream(self, prompt: Prompt, options: Sampling) -> Pieces:
        (completion,) = self.generate([prompt], options)
        yield completion.text
        return completion.finish_reason

    def _chunk(self, chunk: Sequence[tuple[int, Prompt | PipelineError]], options: Sampling) -> Results:
        made = [(place, prompt) for place, prompt in chunk if isinstance(prompt, Prompt)]
        yield from ((place, failed) for place, failed in chunk if isinstance(failed, PipelineError))
        try:
            completions = self._complete([prompt for _, prompt in made], options) if made else []
        except GenerationFailed as exc:
            yield from ((place, exc) for place, _ in made)
        else:
            yield from zip((place for place, _ in made), completions, strict=True)

    def _complete(self, prompts: Sequence[Prompt], options: Sampling) -> list[Completion]:
        for prompt in prompts:
            check_window(prompt, options, self._config.window)
        parameters = [self._parameters_of(prompt, options) for prompt in prompts]
        tokens = [self._tokens(prompt_token_ids=prompt.token_ids) for prompt in prompts]
        with self._lock, _failures():
            results = self._llm.generate(tokens, parameters, use_tqdm=False)
            return [self._completion(result) for result in results]

    def _parameters_of(self, prompt: Prompt, options: Sampling) -> Any:
        structured = None
        if options.only_shown_markers and self._config.grammar == "auto":
            grammar = marker_grammar((passage.marker for passage in prompt.passages), options.columns)
            structured = self._structured(regex=grammar)
        return self._parameters(
            n=options.n,
            temperature=options.temperature,
            max_tokens=options.max_tokens,
            stop_token_ids=[] if options.ignore_eos else self._tokenizer.stop_ids,
            ignore_eos=options.ignore_eos,
            detokenize=False,
            structured_outputs=structured,
        )

    def _completion(self, result: Any) -> Completion:
        outputs = sorted(result.outputs, key=lambda output: output.index)
        for output in outputs:
            if output.finish_reason not in ("stop", "length"):
                raise GenerationFailed(detail=f"finish_reason {output.finish_reason}")
        written = sum(len(output.token_ids) for output in outputs)
        completions = (
            Completion(self._tokenizer.decode(output.token_ids), output.finish_reason) for output in outputs
        )
        return several(completions, len(result.prompt_token_ids), written)


def _take(
    prompts: Iterator[Prompt | PipelineError | None], places: Iterator[int], size: int
) -> tuple[list[tuple[int, Prompt | PipelineError]], bool]:
    """The next prompts with their places, at most `size`, up to a None; and whether there may be more."""
    taken: list[tuple[int, Prompt | PipelineError]] = []
    for prompt in prompts:
        if prompt is None:
            return taken, True
        taken.append((next(places), prompt))
        if len(taken) == size:
            return taken, True
    return taken, False


def _vocabulary(model: str) -> int:
    """The number of token ids that `model` knows, from its configuration; loading its weights takes minutes."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(model).vocab_size
    except (OSError, ValueError) as exc:
        raise GenerationFailed(detail=first_line(exc)) from exc


class TransformersGenerator:
    """The model in this process, run by transformers: one prompt at a time, for trials and tests."""

    margin = 0
    writes = True

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
        _check_vocabulary(config, tokenizer, self._model.get_input_embeddings().num_embeddings)
        self._tokenizer = tokenizer
        self.name = f"transformers:{config.model}"

    def generate(self, prompts: Sequence[Prompt], options: Sampling) -> list[Completion]:
        return [self._complete(prompt, options) for prompt in prompts]

    def generate_each(self, job: Job, options: Sampling) -> Results:
        return one_by_one(self, job, options)

    def _complete(self, prompt: Prompt, options: Sampling) -> Completion:
        with _failures():
            outputs = self._model.generate(**self._arguments(prompt, options), num_return_sequences=options.n)
        stops = () if options.ignore_eos else self._tokenizer.stop_ids
        written = [_ended(output[len(prompt.token_ids) :].tolist(), stops) for output in outputs]
        completions = (Completion(self._tokenizer.decode(ids), self._reason(ids)) for ids in written)
        return several(completions, len(prompt.token_ids), sum(map(len, written)))

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
            # Also after a failure: else the loop below would wait for ever.
            writing.add_done_callback(lambda _: streamer.end())
            try:
                yield from (piece for piece in streamer if piece)
            finally:
                closed.set()
            with _failures():
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


def _ended(written: list[int], stops: Collection[int]) -> list[int]:
    """`written` up to and with its first stop; where several are generated, the shorter ones are padded."""
    ends = (count for count, token in enumerate(written, start=1) if token in stops)
    return written[: next(ends, None)]


def _check_vocabulary(config: GenerationConfig, tokenizer: ModelTokenizer, known: int) -> None:
    if tokenizer.vocabulary > known:
        raise ConfigError(
            detail=f"models.tokenizer = {tokenizer.name!r} has {tokenizer.vocabulary:,} entries, the"
            f" model {config.model} knows {known:,}: it is another model's tokenizer"
        )


@contextmanager
def _failures() -> Iterator[None]:
    """A context that turns what torch and vLLM raise, out of memory included, into GenerationFailed."""
    try:
        yield
    except GenerationFailed:
        raise
    except Exception as exc:  # vLLM raises many classes and makes none of them public
        raise GenerationFailed(detail=" ".join(str(exc).split())[:300]) from exc


class _Decoder:
    """Our tokenizer with the interface that transformers' streamer needs."""

    def __init__(self, tokenizer: ModelTokenizer) -> None:
        self._tokenizer = tokenizer

    def decode(self, ids, **_) -> str:
        return self._tokenizer.decode([int(token) for token in ids])
