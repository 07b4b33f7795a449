"""Prompt → completion, by a model server: vLLM, which gets token ids, or any chat server."""

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from urllib.parse import urlsplit

from ingest.errors import MissingDependency, PipelineError
from rag.errors import GenerationFailed, GeneratorMismatch, GeneratorUnavailable
from rag.generator import Completion, Generated, GenerationConfig, Pieces, Sampling
from rag.packing import Prompt
from rag.tokens import Message, ModelTokenizer

# Kept free for servers that tokenise themselves: a sixteenth of the window.
OPENAI_MARGIN = 16
# A chat server reads control tokens in what it is sent: a blank of no width makes them text.
CONTROL = re.compile(r"<\|(?=[^|<>\n]{1,40}\|>)")
# What a server's tokenisation is compared on: digits and amounts are what wrong tokenizers split.
PROBES = (
    "제12345조 2026년 11월 23일 매출액 1,234,567백만원 (전년대비 12.5% 증가)",
    "① 사용자는 근로자에게 「근로기준법」 제60조제1항에 따라 15일의 유급휴가를 주어야 한다.\n  가. ㎡ … R&D 투자",
)


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
        return _in_order(self.generate_each(prompts, options), len(prompts))

    def generate_each(self, prompts: Iterable[Prompt], options: Sampling) -> Iterator[Generated]:
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
        return _in_order(self.generate_each(prompts, options), len(prompts))

    def generate_each(self, prompts: Iterable[Prompt], options: Sampling) -> Iterator[Generated]:
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


def _concurrently(
    complete: Callable[[Prompt], Completion], prompts: Iterable[Prompt], config: GenerationConfig
) -> Iterator[Generated]:
    """`complete` of each prompt as it is done, at most `config.concurrency` at a time.

    As many again wait their turn, so that the server has work while a result is looked at; further
    prompts are not taken yet. Closing the iterator gives up those that wait.
    """
    pool = ThreadPoolExecutor(config.concurrency)
    running: dict[Future[Completion], int] = {}
    try:
        for place, prompt in enumerate(prompts):
            running[pool.submit(complete, prompt)] = place
            if len(running) >= 2 * config.concurrency:
                yield from _done(running)
        while running:
            yield from _done(running)
    finally:
        pool.shutdown(cancel_futures=True)


def _done(running: dict[Future[Completion], int]) -> Iterator[Generated]:
    """What is done by now, at least one; taken out of `running`."""
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in sorted(done, key=running.__getitem__):
        place = running.pop(future)
        try:
            yield place, future.result()
        except PipelineError as exc:
            yield place, exc


def _in_order(generated: Iterator[Generated], count: int) -> list[Completion]:
    """All completions, in the order of their prompts; the first failure is raised."""
    completions: list[Completion | None] = [None] * count
    with closing(generated):
        for place, result in generated:
            if isinstance(result, PipelineError):
                raise result
            completions[place] = result
    return completions


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
