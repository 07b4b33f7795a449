"""Prompt → completion: what a model server, a model in this process and the extracts have in common."""

import collections.abc
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar, get_args

from ingest.errors import PipelineError
from rag.prompting.packing import Prompt

T = TypeVar("T")
Backend = Literal["extractive", "vllm", "vllm-inprocess", "openai", "transformers"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)
Grammar = Literal["auto", "off"]


@dataclass(frozen=True, slots=True)
class GenerationConfig:
    """Who writes the answer, and in how many tokens. See rag.toml for what each key means.

    `samples`: the number of answers written for each question; the one that its quotes support best is taken.
    `timeout_seconds` limits one answer, `connect_seconds` reaching the server. A request that failed for a
    reason that may pass is tried again up to `retries` times, the last time at most `retry_seconds` after the
    first failure.
    """

    backend: Backend = "extractive"
    model: str = "skt/A.X-4.0-Light"
    base_url: str = "http://127.0.0.1:8000/v1"
    api_key_env: str = ""
    window: int = 16384
    reserved_output: int = 1024
    temperature: float = 0.0
    samples: int = 1
    timeout_seconds: float = 300.0
    connect_seconds: float = 5.0
    retries: int = 8
    retry_seconds: float = 120.0
    concurrency: int = 32
    grammar: Grammar = "auto"

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise ValueError(f"generator.backend must be one of {', '.join(BACKENDS)}, got {self.backend!r}")
        if self.grammar not in get_args(Grammar):
            raise ValueError(f"generator.grammar must be auto or off, got {self.grammar!r}")
        for name in (
            "window",
            "reserved_output",
            "samples",
            "timeout_seconds",
            "connect_seconds",
            "concurrency",
        ):
            if getattr(self, name) <= 0:
                raise ValueError(f"generator.{name} must be above 0, got {getattr(self, name)}")
        for name in ("temperature", "retries", "retry_seconds"):
            if getattr(self, name) < 0:
                raise ValueError(f"generator.{name} must be at least 0, got {getattr(self, name)}")
        if self.reserved_output >= self.window:
            raise ValueError("generator.reserved_output must be smaller than generator.window")
        if self.samples > 1 and not self.temperature:
            raise ValueError(
                "generator.samples above 1 needs a generator.temperature above 0: they would be alike"
            )


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to generate.

    `ignore_eos`: all `max_tokens` are written; for measurements, whose text nobody reads.
    `n`: the number of completions of each prompt; the prompt is read once for all of them.
    `only_shown_markers`: a backend that can restricts the text to `rag.prompting.markers.marker_grammar`; with
    `columns` above 0 the text is then rows of `columns` cells.
    `must_call`: if the prompt has tools, only calls of them may be written.
    """

    max_tokens: int
    temperature: float = 0.0
    ignore_eos: bool = False
    n: int = 1
    only_shown_markers: bool = False
    columns: int = 0
    must_call: bool = False


# Why a completion ended: by itself, or at the output limit.
FinishReason = Literal["stop", "length"]
# The pieces of a text as it is generated; at its end the iterator returns why the text ended.
Pieces = collections.abc.Generator[str, None, FinishReason]


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back for one prompt; the token counts are 0 where the backend reports none.

    `others`: the further completions of the same prompt, where `Sampling.n` asks for several. The counts of the
    first are then those of all of them.
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int = 0
    completion_tokens: int = 0
    others: tuple["Completion", ...] = ()


def several(completions: Iterable[Completion], prompt_tokens: int, completion_tokens: int) -> Completion:
    """The first of `completions`, all of one prompt, with the others in it; the counts are those of all."""
    first, *others = completions
    return Completion(first.text, first.finish_reason, prompt_tokens, completion_tokens, tuple(others))


# What to generate, in order. A prompt that could not be made is replaced by its error, which comes out as its result.
# None has no place and no result: the next prompt needs a result, so ask again when the caller has taken one more.
Job = Iterable[Prompt | PipelineError | None]
# The place of a prompt in its job, from 0, and its completion or error.
Generated = tuple[int, Completion | PipelineError]
# The same for each prompt of a job, in the order in which they are done; closing it ends the generation.
Results = collections.abc.Generator[Generated, None, None]


class Generator(Protocol):
    """Writes completions.

    Attributes:
        name: goes into the answer.
        margin: tokens of the window to keep free, for a server that tokenises itself.
        writes: True: a model writes the text; False: it is taken from the passages word for word.
    """

    name: str
    margin: int
    writes: bool

    def generate(self, prompts: Sequence[Prompt], options: Sampling) -> list[Completion]:
        """One completion per prompt, in order.

        Raises:
            PipelineError: the error of the first prompt that fails; the others are cancelled.
        """
        ...

    def generate_each(self, job: Job, options: Sampling) -> Results:
        """The completion or the error of each prompt as it is done; an error does not stop the others.

        Prompts are taken as there is room for them, so that a long job is never whole in memory.
        Closing the iterator ends the generation.
        """
        ...

    def stream(self, prompt: Prompt, options: Sampling) -> Pieces:
        """The completion of one prompt in pieces; closing the iterator ends the generation.

        Raises:
            PipelineError: also where the text broke off, so that half an answer never passes for a whole one.
        """
        ...


def one_by_one(generator: Generator, job: Job, options: Sampling) -> Results:
    """`generate_each` for a generator that works on one prompt at a time."""
    for place, prompt in enumerate(prompt for prompt in job if prompt is not None):
        try:
            if isinstance(prompt, PipelineError):
                raise prompt
            (completion,) = generator.generate([prompt], options)
        except PipelineError as exc:
            yield place, exc
        else:
            yield place, completion


def in_order(generated: Results, count: int) -> list[Completion]:
    """All `count` completions in the order of their prompts; raises the first error."""
    completions: dict[int, Completion] = {}
    with closing(generated):
        for place, result in generated:
            if isinstance(result, PipelineError):
                raise result
            completions[place] = result
    return [completions[place] for place in range(count)]


def check_window(prompt: Prompt, options: Sampling, window: int) -> None:
    """Raise ValueError where prompt and answer exceed the window; vLLM would shorten the answer silently."""
    if len(prompt.token_ids) + options.max_tokens > window:
        raise ValueError(
            f"{len(prompt.token_ids)} prompt tokens and {options.max_tokens} for the answer"
            f" are over the window of {window}"
        )


def in_thread(work: Callable[[], T]) -> Future[T]:
    """The result of `work` in the future; it runs in a daemon thread, which does not hold up the exit."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as exc:  # noqa: BLE001 - raised where the result is asked for
            future.set_exception(exc)

    threading.Thread(target=run, name="prompts", daemon=True).start()
    return future
