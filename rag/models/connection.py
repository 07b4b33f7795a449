"""Requests to a model server from synchronous code: many at a time, repeated where it helps, cancelled."""

import asyncio
import json
import os
import random
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ingest.errors import MissingDependency, PipelineError
from rag.errors import BrokenAnswer, GenerationFailed, GenerationTimeout, GeneratorBusy, GeneratorUnavailable
from rag.models.clock import REAL, Clock
from rag.models.generator import Completion, FinishReason, Generated, GenerationConfig, Job, Pieces, in_thread
from rag.prompting.packing import Prompt

if TYPE_CHECKING:
    from openai import AsyncOpenAI

T = TypeVar("T")
# Seconds: at most FIRST_PAUSE before the second try, then twice as long each time, up to LONGEST_PAUSE.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 20.0
# No server that has to load a model starts faster than this.
SILENT_SECONDS = 5.0
# Statuses after which another try may work: 408, 429, and all from 500 on but 501, which will never work.
TIMEOUT, TOO_MANY, SERVER_ERROR, NOT_IMPLEMENTED = 408, 429, 500, 501


class Connection:
    """The server at `config.base_url`, asked from an event loop in a thread of its own.

    A request that waits in a thread cannot be cancelled; one that waits in an event loop can. Cancelling it
    closes its connection, and vLLM then stops writing.
    """

    def __init__(self, config: GenerationConfig, clock: Clock = REAL) -> None:
        self._config = config
        self._clock = clock
        self._contact = _Contact()
        self._client = _client(config, self._contact, clock)
        self._loop = asyncio.new_event_loop()
        self.url = config.base_url
        threading.Thread(
            target=_serve, args=(self._loop, self._client), name="generator", daemon=True
        ).start()
        weakref.finalize(self, self._loop.call_soon_threadsafe, self._loop.stop)

    # called from synchronous code

    def run(self, request: Coroutine[Any, Any, T]) -> T:
        """What `request` returns; an interrupt cancels it."""
        future = asyncio.run_coroutine_threadsafe(request, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()

    def each(self, complete: Callable[[Prompt], Awaitable[Completion]], job: Job) -> Iterator[Generated]:
        """The place of each prompt of `job` with its completion or error, as soon as it is done.

        At most `config.concurrency` requests run at a time. Prompts are taken in a thread of their own, so that
        making one holds up no result. Besides the requests that run, as many more may be waiting for their turn
        or for the caller; then no prompt is taken until the caller has taken a result.
        """
        done: SimpleQueue[tuple[int, Future[Completion]] | None] = SimpleQueue()
        running: set[Future[Completion]] = set()
        room = threading.Semaphore(2 * self._config.concurrency)
        slots = asyncio.Semaphore(self._config.concurrency)
        closed = threading.Event()
        looked_at = threading.Event()  # the caller has taken a result since the last None

        async def in_turn(prompt: Prompt | PipelineError) -> Completion:
            if isinstance(prompt, PipelineError):
                raise prompt
            async with slots:
                return await complete(prompt)

        def take() -> int:
            taken = 0
            for prompt in job:
                if prompt is None:
                    looked_at.wait()
                    looked_at.clear()
                    if closed.is_set():
                        break
                    continue
                request = asyncio.run_coroutine_threadsafe(in_turn(prompt), self._loop)
                running.add(request)
                request.add_done_callback(lambda request, place=taken: done.put((place, request)))
                taken += 1
                room.acquire()
                if closed.is_set():
                    request.cancel()
                    break
            return taken

        taking: Future[int] = in_thread(take)
        taking.add_done_callback(lambda _: done.put(None))
        given, count = 0, None
        try:
            while given != count:
                item = done.get()
                if item is None:
                    count = taking.result()
                    continue
                place, request = item
                running.discard(request)
                room.release()
                given += 1
                yield place, _outcome(request)
                looked_at.set()
        finally:
            closed.set()
            looked_at.set()
            room.release()
            for request in tuple(running):
                request.cancel()

    def stream(self, write: Callable[[Callable[[str], None]], Coroutine[Any, Any, FinishReason]]) -> Pieces:
        """The pieces that `write` hands to its argument, as they come; returns what `write` returns."""
        pieces: SimpleQueue[str | None] = SimpleQueue()
        writing = asyncio.run_coroutine_threadsafe(write(pieces.put), self._loop)
        writing.add_done_callback(lambda _: pieces.put(None))
        try:
            while (piece := pieces.get()) is not None:
                yield piece
            return writing.result()
        finally:
            writing.cancel()

    # called in the loop

    async def call(self, attempt: Callable[["AsyncOpenAI"], Awaitable[T]]) -> T:
        """What `attempt` returns; it is tried again after errors that may pass.

        There is no second try with a server that never answered, nor with one that was waited for in vain until
        it answers again: in a long job only the first prompts wait for it.

        Raises:
            GeneratorUnavailable, GeneratorBusy, BrokenAnswer: the error of the last try.
            GenerationTimeout, GenerationFailed: the error of the first try; another would fail the same way.
        """
        tries, last = 0, None
        while True:
            tries += 1
            try:
                async with self.limits():
                    return await attempt(self._client)
            except (GeneratorUnavailable, GeneratorBusy, BrokenAnswer) as exc:
                now = self._clock.now()
                last = last or now + self._config.retry_seconds
                pause = _pause(tries, exc)
                gone = isinstance(exc, GeneratorUnavailable)
                if gone and not self._contact.known:
                    raise
                if tries > self._config.retries or now + pause > last:
                    if gone:
                        self._contact.known = False
                    raise _after(exc, tries) from exc.__cause__
            await self._clock.pause(pause)

    @asynccontextmanager
    async def limits(self) -> AsyncIterator[None]:
        """A context that limits the time of a whole answer and turns the client's errors into ours."""
        import openai

        try:
            async with asyncio.timeout(self._config.timeout_seconds):
                yield
        except TimeoutError as exc:
            raise GenerationTimeout(url=self.url, seconds=self._config.timeout_seconds) from exc
        except openai.APITimeoutError as exc:  # while connecting: the client limits only that
            self._contact.era += 1
            seconds = self._config.connect_seconds
            raise GeneratorUnavailable(url=self.url, detail=f"no connection within {seconds:g} s") from exc
        except openai.APIConnectionError as exc:
            self._contact.era += 1
            raise GeneratorUnavailable(url=self.url, detail=str(exc.__cause__ or exc)) from exc
        except openai.APIStatusError as exc:
            status, detail = exc.status_code, _one_line(exc)
            if status in (TIMEOUT, TOO_MANY) or (status >= SERVER_ERROR and status != NOT_IMPLEMENTED):
                raise GeneratorBusy(url=self.url, detail=detail) from exc
            raise GenerationFailed(detail=detail) from exc
        except json.JSONDecodeError as exc:
            raise BrokenAnswer(url=self.url, detail=_one_line(exc)) from exc
        except openai.APIError as exc:
            raise GenerationFailed(detail=_one_line(exc)) from exc

    def era(self) -> int:
        """A number that changes when another server may have replaced the last one.

        That may be when the server could not be reached, or was silent for longer than a server takes to start:
        the client opens a connection that was closed meanwhile again, and does not say so.
        """
        if self._clock.now() - self._contact.last > SILENT_SECONDS:
            self._contact.era += 1
            self._contact.last = self._clock.now()
        return self._contact.era

    def whole(self, reason: str | None) -> FinishReason:
        """`reason` as ours, if the answer that ended with it is complete or reached its limit.

        Raises:
            BrokenAnswer: the server gave the answer up (vLLM says "abort" when it is told to stop), or the answer
                ended without a reason.
        """
        if reason == "length":
            return "length"
        if reason not in ("stop", "tool_calls"):
            raise BrokenAnswer(url=self.url, detail=f"finish_reason {reason}")
        return "stop"


@dataclass(slots=True)
class _Contact:
    """Whether the server ever answered, when it last did, and how often it may have been replaced."""

    known: bool = False
    last: float = 0.0
    era: int = 0


def server_root(base_url: str) -> str:
    """The address under which vLLM has what is not part of OpenAI's API: /tokenize, /health, /metrics."""
    return base_url.rstrip("/").removesuffix("/v1")


def is_local(url: str) -> bool:
    """Whether `url` is on this machine; a proxy that the environment names cannot reach it there."""
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")


def _serve(loop: asyncio.AbstractEventLoop, client: "AsyncOpenAI") -> None:
    loop.run_forever()
    loop.run_until_complete(client.close())
    loop.close()


def _outcome(request: Future[Completion]) -> Completion | PipelineError:
    try:
        return request.result()
    except PipelineError as exc:
        return exc


def _pause(tries: int, error: PipelineError) -> float:
    """Seconds until the next try: what the server asks for, or ours, which grow with `tries`, if longer."""
    pause = min(FIRST_PAUSE * 2 ** (tries - 1), LONGEST_PAUSE)
    return max(pause * random.uniform(0.5, 1), _retry_after(error.__cause__))


def _retry_after(error: BaseException | None) -> float:
    """The seconds that the reply's Retry-After asks for, as a number or a date; 0 where there is none."""
    response = getattr(error, "response", None)
    value = response.headers.get("retry-after", "") if response is not None else ""
    if value.strip().isdigit():
        return float(value)
    try:
        return (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return 0.0


def _after(error: GenerationFailed | GeneratorUnavailable, tries: int) -> PipelineError:
    """`error`, whose detail says how many tries there were."""
    if tries == 1:
        return error
    return type(error)(**error.fields | {"detail": f"{error.fields['detail']} (×{tries})"})


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _client(config: GenerationConfig, contact: _Contact, clock: Clock) -> "AsyncOpenAI":
    try:
        import openai
    except ImportError as exc:
        raise MissingDependency(library="openai", extra="") from exc
    key = os.environ.get(config.api_key_env, "") if config.api_key_env else ""

    async def answered(_: Any) -> None:
        contact.known, contact.last = True, clock.now()

    proxies = not is_local(config.base_url)
    return openai.AsyncOpenAI(
        http_client=openai.DefaultAsyncHttpxClient(trust_env=proxies, event_hooks={"response": [answered]}),
        base_url=config.base_url,
        api_key=key or "none",  # a server of one's own asks for none; the client insists on one
        timeout=openai.Timeout(None, connect=config.connect_seconds),
        max_retries=0,
    )
