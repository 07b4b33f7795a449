"""Prompt → completion, by a model server, a model in this process, or no model at all."""

import collections.abc
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol
from urllib.parse import urlsplit

from ingest.errors import MissingDependency, first_line
from rag.errors import (
    ConfigError,
    GenerationFailed,
    GeneratorMismatch,
    GeneratorUnavailable,
)
from rag.extractive import extract
from rag.packing import Prompt
from rag.tokens import Message, ModelTokenizer

Backend = Literal["extractive", "vllm", "openai", "transformers"]
BACKENDS: tuple[Backend, ...] = ("extractive", "vllm", "openai", "transformers")
# Kept free for servers that tokenise themselves: a sixteenth of the window.
OPENAI_MARGIN = 16
# A chat server reads control tokens in what it is sent: a blank of no width makes them text.
CONTROL = re.compile(r"<\|(?=[^|<>\n]{1,40}\|>)")
# What a server's tokenisation is compared on: digits and amounts are what wrong tokenizers split.
PROBES = (
    "제12345조 2026년 11월 23일 매출액 1,234,567백만원 (전년대비 12.5% 증가)",
    "① 사용자는 근로자에게 「근로기준법」 제60조제1항에 따라 15일의 유급휴가를 주어야 한다.\n  가. ㎡ … R&D 투자",
)


@dataclass(frozen=True, slots=True)
class GenerationConfig:
    """Who writes the answer, and in how many tokens. See rag.toml for what each key means."""

    backend: Backend = "extractive"
    model: str = "skt/A.X-4.0-Light"
    base_url: str = "http://127.0.0.1:8000/v1"
    api_key_env: str = ""
    window: int = 16384
    reserved_output: int = 1024
    temperature: float = 0.0
    timeout_seconds: float = 300.0
    concurrency: int = 32

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise ValueError(f"generator.backend must be one of {', '.join(BACKENDS)}, got {self.backend!r}")
        for name in ("window", "reserved_output", "timeout_seconds", "concurrency"):
            if getattr(self, name) <= 0:
                raise ValueError(f"generator.{name} must be above 0, got {getattr(self, name)}")
        if self.reserved_output >= self.window:
            raise ValueError("generator.reserved_output must be smaller than generator.window")
        if self.temperature < 0:
            raise ValueError(f"generator.temperature must be at least 0, got {self.temperature}")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to generate. `ignore_eos` writes all `max_tokens`; it measures, nobody reads it."""

    max_tokens: int
    temperature: float = 0.0
    ignore_eos: bool = False


# Why a completion ended: by itself, or at the output limit.
FinishReason = Literal["stop", "length"]
# Text as it is generated; the value that the iterator returns at its end says why it ended.
Pieces = collections.abc.Generator[str, None, FinishReason]


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back for one prompt; token counts as the backend reports them, else 0."""

    text: str
    finish_reason: FinishReason
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Generator(Protocol):
    """Writes completions. `name` goes into the answer; `margin` tokens of the window stay free."""

    name: str
    margin: int

    def generate(self, prompts: Sequence[Prompt], options: Sampling) -> list[Completion]:
        """One completion per prompt, in order."""
        ...

    def stream(self, prompt: Prompt, options: Sampling) -> Pieces:
        """The completion of one prompt in pieces; closing the iterator ends the generation."""
        ...


def open_generator(config: GenerationConfig, tokenizer: ModelTokenizer) -> Generator:
    """The generator that `config` names. Servers are contacted at first use, not here.

    Raises:
        ConfigError: the tokenizer cannot be that of the model.
        MissingDependency: a library of the backend is not installed.
    """
    if config.backend == "extractive":
        return ExtractiveGenerator()
    if config.backend == "openai":
        return OpenAIGenerator(config)
    if tokenizer.is_embedded:
        raise _embedded_tokenizer(config)
    if config.backend == "vllm":
        return VllmGenerator(config, tokenizer)
    return TransformersGenerator(config, tokenizer)


def _embedded_tokenizer(config: GenerationConfig) -> ConfigError:
    return ConfigError(
        detail=f"generator.backend = {config.backend!r} needs the tokenizer of {config.model};"
        " set models.tokenizer to its hub name or folder (the embedded one belongs to no model)"
    )


class ExtractiveGenerator:
    """No model: the sentences of the passages that answer best, word for word, with markers."""

    name = "extractive"
    margin = 0

    def generate(self, prompts: Sequence[Prompt], options: Sampling) -> list[Completion]:
        return [Completion(self._text(prompt), "stop") for prompt in prompts]

    def stream(self, prompt: Prompt, options: Sampling) -> Pieces:
        yield self._text(prompt)
        return "stop"

    def _text(self, prompt: Prompt) -> str:
        return extract(prompt.question, prompt.passages)


class VllmGenerator:
    """A vLLM server: token ids go to `/v1/completions`, so that it tokenises nothing itself.

    Before the first prompt the server is asked which model it serves, how long its window is, and
    how it tokenises: ids of one tokenizer are never sent to a model of another.
    """

    margin = 0

    def __init__(self, config: GenerationConfig, tokenizer: ModelTokenizer) -> None:
        self._config = config
        self._tokenizer = tokenizer
        self._client = _client(config)
        self._checked = False
        self._lock = threading.Lock()
        self.name = f"vllm:{config.model}"

    def generate(self, prompts: Sequence[Prompt], options: Sampling) -> list[Completion]:
        self.check()
        return _concurrently(lambda prompt: self._complete(prompt, options), prompts, self._config)

    def stream(self, prompt: Prompt, options: Sampling) -> Pieces:
        self.check()
        with _translated(self._config):
            pieces = self._client.completions.create(**self._request(prompt, options), stream=True)
            reason = None
            with pieces:  # leaving it closes the connection, and vLLM drops the request
                for piece in pieces:
                    for choice in piece.choices:
                        reason = choice.finish_reason or reason
                        if choice.text:
                            yield choice.text
        return "length" if reason == "length" else "stop"

    def check(self) -> None:
        """Ask the server once whether it is the one that the configuration means.

        Raises:
            GeneratorUnavailable: it does not answer.
            GeneratorMismatch: it serves another model, a shorter window or another tokenisation.
        """
        with self._lock:
            if self._checked:
                return
            with _translated(self._config):
                self._check_model()
                self._check_tokenizer()
            self._checked = True

    def _check_model(self) -> None:
        config = self._config
        served = {model.id: model for model in self._client.models.list().data}
        if config.model not in served:
            names = ", ".join(served) or "–"
            raise GeneratorMismatch(
                url=config.base_url,
                what=f"serves {names}, not {config.model}",
                fix="set generator.model, or start it with --served-model-name",
                what_ko=f"{config.model}이(가) 아니라 {names}을(를) 서비스합니다",
                fix_ko="generator.model 을 고치거나 --served-model-name 으로 다시 켜세요",
            )
        window = getattr(served[config.model], "max_model_len", None)
        if window is not None and window < config.window:
            raise GeneratorMismatch(
                url=config.base_url,
                what=f"has a window of {window:,} tokens, generator.window says {config.window:,}",
                fix=f"set generator.window = {window}, or raise --max-model-len",
                what_ko=f"창이 {window:,}토큰인데 generator.window 는 {config.window:,}입니다",
                fix_ko=f"generator.window = {window} 로 하거나 --max-model-len 을 늘리세요",
            )

    def _check_tokenizer(self) -> None:
        for probe in PROBES:
            messages = [
                Message("system", (("system", probe),)),
                Message("user", (("question", probe),)),
            ]
            ours = self._tokenizer.render(messages).token_ids
            theirs = self._served_tokens(messages)
            if ours != theirs:
                raise GeneratorMismatch(
                    url=self._config.base_url,
                    what=f"tokenises differently from {self._tokenizer.name}"
                    f" ({len(theirs)} tokens for a line of ours with {len(ours)})",
                    fix="start it with --tokenizer FOLDER, where FOLDER holds tokenizer.json and"
                    " tokenizer_config.json but no config.json",
                    what_ko=f"토큰화가 {self._tokenizer.name}과(와) 다릅니다"
                    f"(같은 문장이 {len(theirs)}토큰, 우리는 {len(ours)}토큰)",
                    fix_ko="tokenizer.json 과 tokenizer_config.json 만 있고 config.json 은 없는 폴더를"
                    " --tokenizer 로 주어 서버를 다시 켜세요",
                )

    def _served_tokens(self, messages: Sequence[Message]) -> list[int]:
        import openai

        try:
            return self.tokenize(messages)
        except openai.NotFoundError as exc:
            raise GeneratorMismatch(
                url=self._config.base_url,
                what="has no /tokenize: it is no vLLM server",
                fix='set generator.backend = "openai" for other servers',
                what_ko="/tokenize 가 없습니다. vLLM 서버가 아닙니다",
                fix_ko='다른 서버라면 generator.backend = "openai" 로 쓰세요',
            ) from exc

    def tokenize(self, messages: Sequence[Message]) -> list[int]:
        """How the server itself tokenises `messages`, ready for the assistant's turn."""
        body = {
            "model": self._config.model,
            "messages": [{"role": m.role, "content": m.content} for m in messages],
            "add_generation_prompt": True,
        }
        url = self._config.base_url.rstrip("/").removesuffix("/v1") + "/tokenize"
        return self._client.post(url, cast_to=object, body=body)["tokens"]

    def _complete(self, prompt: Prompt, options: Sampling) -> Completion:
        with _translated(self._config):
            result = self._client.completions.create(**self._request(prompt, options))
        choice = result.choices[0]
        usage = result.usage
        return Completion(
            choice.text,
            "length" if choice.finish_reason == "length" else "stop",
            usage.prompt_tokens if usage else 0,
            usage.completion_tokens if usage else 0,
        )

    def _request(self, prompt: Prompt, options: Sampling) -> dict:
        # vLLM clamps an overflow in silence, so it is on us: the prompt and its answer must fit.
        if len(prompt.token_ids) + options.max_tokens > self._config.window:
            raise ValueError(
                f"{len(prompt.token_ids)} prompt tokens and {options.max_tokens} for the answer"
                f" are over the window of {self._config.window}"
            )
        # vLLM 0.32 ends at stop_token_ids even where ignore_eos is set.
        stops = [] if options.ignore_eos else self._tokenizer.stop_ids
        extra = {"stop_token_ids": stops, "ignore_eos": options.ignore_eos}
        return {
            "model": self._config.model,
            "prompt": prompt.token_ids,
            "max_tokens": options.max_tokens,
            "temperature": options.temperature,
            "extra_body": extra,
        }


class OpenAIGenerator:
    """Any OpenAI-compatible chat server. It tokenises itself, so a margin of the window is kept."""

    def __init__(self, config: GenerationConfig) -> None:
        self._config = config
        self._client = _client(config)
        self.name = f"openai:{config.model}"
        self.margin = config.window // OPENAI_MARGIN

    def generate(self, prompts: Sequence[Prompt], options: Sampling) -> list[Completion]:
        return _concurrently(lambda prompt: self._complete(prompt, options), prompts, self._config)

    def stream(self, prompt: Prompt, options: Sampling) -> Pieces:
        with _translated(self._config):
            pieces = self._client.chat.completions.create(**self._request(prompt, options), stream=True)
            reason = None
            with pieces:
                for piece in pieces:
                    for choice in piece.choices:
                        reason = choice.finish_reason or reason
                        if choice.delta.content:
                            yield choice.delta.content
        return "length" if reason == "length" else "stop"

    def _complete(self, prompt: Prompt, options: Sampling) -> Completion:
        with _translated(self._config):
            result = self._client.chat.completions.create(**self._request(prompt, options))
        choice = result.choices[0]
        return Completion(
            choice.message.content or "",
            "length" if choice.finish_reason == "length" else "stop",
            result.usage.prompt_tokens if result.usage else 0,
            result.usage.completion_tokens if result.usage else 0,
        )

    def _request(self, prompt: Prompt, options: Sampling) -> dict:
        return {
            "model": self._config.model,
            "messages": [
                {"role": m.role, "content": CONTROL.sub("<\u200b|", m.content)} for m in prompt.messages
            ],
            "max_tokens": options.max_tokens,
            "temperature": options.temperature,
        }


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


def _concurrently(
    complete: Callable[[Prompt], Completion], prompts: Sequence[Prompt], config: GenerationConfig
) -> list[Completion]:
    """`complete` of each prompt, in order; after a failure those that wait are not sent any more."""
    pool = ThreadPoolExecutor(max(1, min(config.concurrency, len(prompts))))
    try:
        return list(pool.map(complete, prompts))
    finally:
        pool.shutdown(cancel_futures=True)


def _client(config: GenerationConfig):
    try:
        import openai
    except ImportError as exc:
        raise MissingDependency(library="openai", extra="") from exc
    key = os.environ.get(config.api_key_env, "") if config.api_key_env else ""
    # A proxy named in the environment cannot reach a server on this machine.
    local = urlsplit(config.base_url).hostname in ("localhost", "127.0.0.1", "::1")
    return openai.OpenAI(
        http_client=openai.DefaultHttpxClient(trust_env=not local),
        base_url=config.base_url,
        api_key=key or "none",  # a server of one's own asks for none; the client insists on one
        timeout=config.timeout_seconds,
        max_retries=2,
    )


class _translated:  # noqa: N801 - reads as a statement
    """The OpenAI client's errors as ours, each with what to do about it."""

    def __init__(self, config: GenerationConfig) -> None:
        self._config = config

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind, error, trace) -> None:
        import openai

        if isinstance(error, openai.APIConnectionError):
            detail = str(error.__cause__ or error)
            raise GeneratorUnavailable(url=self._config.base_url, detail=detail) from error
        if isinstance(error, openai.APIError):
            raise GenerationFailed(detail=" ".join(str(error).split())[:300]) from error
