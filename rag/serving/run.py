"""A plan of rag/serving/plan.py → a model server that runs, is checked, and ends with all that it started."""

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ingest.errors import PipelineError, first_line
from rag.errors import ConfigError, ModelServerEnded, OutputFailed, PortTaken
from rag.language import say_in
from rag.models.clock import REAL, Clock
from rag.models.connection import is_local, server_root
from rag.models.generator import GenerationConfig
from rag.models.servers import VllmGenerator
from rag.prompting.tokens import ModelTokenizer
from rag.serving.plan import ServePlan

STOP_SECONDS = 30
READY_PAUSE, STOP_PAUSE = 0.5, 0.1  # seconds between two looks at a server that starts, at a group that ends
ASK_SECONDS = 120
VARIABLE = re.compile(r"\$\{(\w+)\}")
# A line of vLLM's log that names an error; the last such line says more than the last line of the log.
ERROR_LINE = re.compile(r"\b(\w*Error|Exception)\b: ")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
STRUCTURED = r"(예|아니오)\[1\]"
# A logit bias that lets the model choose nothing else, whatever its weights are.
CERTAIN = 100


@dataclass(frozen=True, slots=True)
class Check:
    """What was found when one thing was checked; `remedy` says what to do where `ok` is False."""

    name: str
    ok: bool
    what: str
    remedy: str = ""


@contextmanager
def running_server(plan: ServePlan, generation: GenerationConfig, log: Path) -> Iterator[subprocess.Popen]:
    """The server as a process that leads its own process group; at the end the whole group is ended.

    SIGTERM to us interrupts as Ctrl-C does, because the server's engines are processes that would outlive us.

    Args:
        log: the file that gets the server's output.

    Raises:
        PortTaken: something listens at `generation.base_url` already.
        ConfigError: the variable that holds the key is not set.
        OutputFailed: `log` cannot be written.
        ModelServerEnded: the command cannot be run.
    """
    environment = _resolve(plan.environment)
    if _listens(generation.base_url):
        raise PortTaken(url=generation.base_url)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with log.open("wb") as file:
            process = subprocess.Popen(
                plan.command,
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as exc:
        signal.signal(signal.SIGTERM, before)
        if exc.filename == str(log):
            raise OutputFailed(path=log, detail=exc.strerror) from exc
        raise ModelServerEnded(status="–", log=log, last=str(exc)) from exc
    try:
        yield process
    finally:
        end_group(process)
        signal.signal(signal.SIGTERM, before)


def wait_until_ready(
    process: subprocess.Popen,
    generation: GenerationConfig,
    log: Path,
    tell: Callable[[str], None],
    clock: Clock = REAL,
) -> float:
    """Wait until the server answers; returns the seconds that it took.

    There is no time limit: loading 72 billion weights takes as long as the disk needs.

    Args:
        tell: gets the last line of the server's log every half second.

    Raises:
        ModelServerEnded: the server ended before it answered.
    """
    started = clock.now()
    while process.poll() is None:
        with suppress(OSError):
            _request(generation, "/health")
            return clock.now() - started
        tell(last_line(log))
        clock.sleep(READY_PAUSE)
    raise ended(process, log)


def ended(process: subprocess.Popen, log: Path) -> ModelServerEnded:
    """The error that says that the server ended by itself, with the line of its log that says why."""
    lines = _lines(log)
    errors = [line for line in lines if ERROR_LINE.search(line)]
    last = (errors or lines or ["–"])[-1]
    return ModelServerEnded(status=process.returncode, log=log, last=last[:300])


def last_line(log: Path) -> str:
    """The last line of the server's log; "" where there is none yet."""
    lines = _lines(log)
    return lines[-1] if lines else ""


def _lines(log: Path) -> list[str]:
    """The lines in the last 64 KiB of the log, without blank ones and colours."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 65_536))
        text = file.read().decode("utf-8", "replace")
    return [line for line in ANSI.sub("", text).splitlines() if line.strip()]


def end_group(process: subprocess.Popen, clock: Clock = REAL) -> None:
    """End all processes of the group that `process` leads: with SIGTERM, after `STOP_SECONDS` with SIGKILL."""
    for stop in (signal.SIGTERM, signal.SIGKILL):
        deadline = clock.now() + STOP_SECONDS
        with suppress(ProcessLookupError):
            os.killpg(process.pid, stop)
            while clock.now() < deadline:
                process.poll()  # a child that has ended stays a process until it is polled
                os.killpg(process.pid, 0)
                clock.sleep(STOP_PAUSE)


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the server's cache holds at a time."""

    tokens: int
    windows: float  # the number of full windows
    prefix_caching: bool


def check_server(generation: GenerationConfig, tokenizer: ModelTokenizer, language: str) -> Iterator[Check]:
    """Checks of whether the server is what the configuration relies on, each as soon as it is done.

    If the first one fails (another model, or no server), there are no others.
    """

    say = partial(say_in, language)
    restart = say(
        "rag serve-model 이 보여 주는 명령으로 다시 켜세요", "start it with the command of rag serve-model"
    )

    def look(name: str, what: Callable[[], str]) -> Check:
        try:
            return Check(name, True, what())
        except PipelineError as exc:
            return Check(name, False, exc.message(language), exc.remedy(language))
        except (OSError, ValueError, KeyError) as exc:
            return Check(name, False, f"{type(exc).__name__}: {exc}"[:300], restart)

    def identity() -> str:
        VllmGenerator(generation, tokenizer).check()
        return say(
            f"{generation.model} · 창 {generation.window:,}토큰 이상 · 토큰화가 일치합니다",
            f"{generation.model} · window of {generation.window:,} tokens or more · tokenises as we do",
        )

    def end() -> str:
        written = tokens_until_end(generation, tokenizer)
        if written != 1:
            raise ValueError(say("모델의 종료 토큰을 쓰고도 계속합니다", "it goes on after the model's end"))
        return say(f"토큰 {tokenizer.stop_ids}에서 끝납니다", f"ends at token {tokenizer.stop_ids}")

    def structured() -> str:
        text = structured_text(generation)
        if not re.fullmatch(STRUCTURED, text):
            raise ValueError(say(f"문법을 지키지 않습니다: {text}", f"the grammar does not hold: {text}"))
        return say("문법을 지킵니다", "the grammar holds")

    def tools() -> str:
        offer_tool(generation)
        return say("도구를 받습니다", "tools are taken")

    def cache() -> str:
        found = capacity(generation)
        if not found.prefix_caching:
            raise ValueError(say("꺼져 있습니다", "it is off"))
        return say(
            f"{found.tokens:,}토큰 = 가득 찬 창 {found.windows:,.1f}개 · 프리픽스 캐시 켜짐",
            f"{found.tokens:,} tokens = {found.windows:,.1f} full windows · prefix caching is on",
        )

    first = look(say("모델", "model"), identity)
    yield first
    if not first.ok:
        return
    yield look(say("답의 끝", "end of an answer"), end)
    yield look(say("구조화된 출력", "structured outputs"), structured)
    yield look(say("도구 호출", "tool calls"), tools)
    yield look(say("KV 캐시", "KV cache"), cache)


def tokens_until_end(generation: GenerationConfig, tokenizer: ModelTokenizer) -> int:
    """The tokens of a chat reply that is forced to consist of the model's end token; 1 if the server ends there.

    The request names no stop token, so that only the server's own settings can end the reply.
    """
    body = {
        "messages": [{"role": "user", "content": "안녕하세요?"}],
        "max_tokens": 4,
        "logit_bias": {str(tokenizer.stop_ids[0]): CERTAIN},
    }
    return _post(generation, "/v1/chat/completions", body)["usage"]["completion_tokens"]


def structured_text(generation: GenerationConfig) -> str:
    """A short completion that the server is asked to hold to the grammar STRUCTURED."""
    body = {"prompt": "연차가 있나요?", "max_tokens": 16, "structured_outputs": {"regex": STRUCTURED}}
    return _post(generation, "/v1/completions", body)["choices"][0]["text"]


def offer_tool(generation: GenerationConfig) -> None:
    """Offer the model a tool.

    Raises:
        OSError: the server accepts no tools.
    """
    parameters = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
    body = {
        "messages": [{"role": "user", "content": "연차를 찾아 주세요."}],
        "tools": [{"type": "function", "function": {"name": "search", "parameters": parameters}}],
        "tool_choice": "auto",
        "max_tokens": 8,
    }
    _post(generation, "/v1/chat/completions", body)


def capacity(generation: GenerationConfig) -> Capacity:
    """What the caches of all engines hold together, from the server's metrics."""
    text = _request(generation, "/metrics").decode()
    lines = [line for line in text.splitlines() if line.startswith("vllm:cache_config_info{")]
    engines = [dict(re.findall(r'(\w+)="([^"]*)"', line)) for line in lines]
    tokens = sum(int(engine["num_gpu_blocks"]) * int(engine["block_size"]) for engine in engines)
    caching = all(engine["enable_prefix_caching"] == "True" for engine in engines)
    return Capacity(tokens, tokens / generation.window, caching)


def _post(generation: GenerationConfig, path: str, body: dict[str, Any]) -> dict[str, Any]:
    request = {"model": generation.model, "temperature": 0.0} | body
    return json.loads(_request(generation, path, json.dumps(request).encode()))


def _request(generation: GenerationConfig, path: str, body: bytes | None = None) -> bytes:
    """The body of the server's reply: to a POST of `body`, or to a GET where there is none.

    Raises:
        OSError: no server answers, or it refuses; the message then holds what it said.
    """
    import httpx  # 0.1 s to import

    root = server_root(generation.base_url)
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get(generation.api_key_env or "", ""):
        headers["Authorization"] = f"Bearer {key}"
    try:
        with httpx.Client(trust_env=not is_local(root), timeout=ASK_SECONDS) as client:
            reply = client.request("POST" if body else "GET", root + path, content=body, headers=headers)
    except httpx.HTTPError as exc:
        raise OSError(first_line(exc)) from exc
    if reply.is_error:
        raise OSError(f"{reply.status_code} {reply.text[:200]}")
    return reply.content


def _resolve(environment: dict[str, str]) -> dict[str, str]:
    """`environment` with the values of the variables that it names as `${NAME}`."""

    def value(match: re.Match[str]) -> str:
        if not os.environ.get(match[1]):
            raise ConfigError(detail=f"the variable {match[1]} (generator.api_key_env) is not set")
        return os.environ[match[1]]

    return {name: VARIABLE.sub(value, text) for name, text in environment.items()}


def _listens(url: str) -> bool:
    parts = urlsplit(url)
    with suppress(OSError), socket.create_connection((parts.hostname, parts.port or 80), timeout=2):
        return True
    return False
