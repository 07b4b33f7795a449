"""A vLLM server: seconds until the first token, tokens a second, what its prefix cache gains, and our share.

Token ids are sent and streams are timed, so that what is measured is the server. The share is what the
product's own generator reaches of that, on other prompts of the same length.
"""

import asyncio
import json
import re
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from eval.gpu.workload import EMBEDDED, BenchOptions, Prompts, percentile, reading_row
from rag.models.generator import GenerationConfig, Sampling
from rag.models.servers import VllmGenerator
from rag.prompting.packing import Prompt
from rag.prompting.tokens import ModelTokenizer
from rag.serving.plan import ServingConfig, find_launcher, plan_serving, write_tokenizer_folder
from rag.serving.run import check_server, running_server, wait_until_ready

NAME = "bench"
TIMEOUT_SECONDS = 3600.0
WARM_UP_TOKENS = 8
# Where ours and the server's own throughput are compared: requests at a time, and rounds of each.
SHARE_USERS = 32
SHARE_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Timing:
    """One streamed completion, in seconds since all were sent."""

    first: float  # token
    last: float


def measure(options: BenchOptions, prompts: Prompts) -> dict[str, Any]:
    """All that is measured against a server: the one that runs, or one of random or given weights."""
    tokenizer = ModelTokenizer(options.tokenizer or (options.model if options.has_weights else str(EMBEDDED)))
    with serving(options, tokenizer) as generation:
        server = Server(generation)
        server.complete(prompts.take(1), WARM_UP_TOKENS)
        seconds = [server.complete(prompts.take(1), 1)[0].first for _ in range(options.repeats)]
        rows, again = {}, {}
        for users in options.users:
            taken = prompts.take(users)
            cold = server.complete(taken, options.output_tokens)
            rows[str(users)] = users_row(options, cold)
            again[f"the same {users}"] = prefix_row(server, taken, cold)
        return {
            "what": f"{options.model or 'random weights'}, vLLM {server.version()}",
            "reading": {"one prompt": reading_row(options, seconds)},
            "users": rows,
            "prefix": again,
            "share": {"generate_each": share_row(server, options, prompts, generation, tokenizer)},
        }


@contextmanager
def serving(options: BenchOptions, tokenizer: ModelTokenizer) -> Iterator[GenerationConfig]:
    """The server of `options.base_url`, or one that runs as `rag serve-model` runs it."""
    window = options.config["max_position_embeddings"]
    users = max(*options.users, SHARE_USERS)
    limits = {"window": window, "timeout_seconds": TIMEOUT_SECONDS, "concurrency": users}
    if options.base_url:
        yield GenerationConfig("vllm", options.model or NAME, options.base_url, **limits)
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        weights, extra = options.model, options.server_options
        if not options.has_weights:
            weights, extra = str(place / "weights"), ("--load-format", "dummy", *extra)
            (place / "weights").mkdir()
            (place / "weights" / "config.json").write_text(json.dumps(options.config), "utf-8")
        write_tokenizer_folder(tokenizer, place / "tokenizer")
        generation = GenerationConfig("vllm", NAME, f"http://127.0.0.1:{free_port()}/v1", **limits)
        config = ServingConfig(weights=weights, max_num_seqs=users)
        launcher = find_launcher(options.python)
        plan = plan_serving(generation, config, place / "tokenizer", launcher, extra)
        with running_server(plan, generation, place / "log") as process:
            wait_until_ready(process, generation, place / "log", lambda line: None)
            for check in check_server(generation, tokenizer, "en"):
                print(f"{'✓' if check.ok else '✗'} {check.name}: {check.what}", flush=True)
            yield generation


def free_port() -> int:
    """A free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Server:
    """Streams completions from the server, and reads its counters."""

    def __init__(self, generation: GenerationConfig) -> None:
        self._generation = generation
        self._root = generation.base_url.removesuffix("/v1")

    def complete(self, prompts: Sequence[Sequence[int]], tokens: int) -> list[Timing]:
        """All prompts at once, each answered in `tokens` tokens."""
        return asyncio.run(self._complete(prompts, tokens))

    async def _complete(self, prompts: Sequence[Sequence[int]], tokens: int) -> list[Timing]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, limits=limits, trust_env=False) as client:
            started = time.perf_counter()
            streams = [self._stream(client, prompt, tokens, started) for prompt in prompts]
            return await asyncio.gather(*streams)

    async def _stream(
        self, client: httpx.AsyncClient, prompt: Sequence[int], tokens: int, started: float
    ) -> Timing:
        body = {
            "model": self._generation.model,
            "prompt": prompt,
            "max_tokens": tokens,
            "temperature": 0.0,
            "ignore_eos": True,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        times: list[float] = []
        written = 0
        async with client.stream("POST", f"{self._root}/v1/completions", json=body) as reply:
            reply.raise_for_status()
            async for line in reply.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                event = json.loads(line[6:])
                if event["choices"]:
                    times.append(time.perf_counter() - started)
                if event.get("usage"):
                    written = event["usage"]["completion_tokens"]
        if written != tokens:
            raise RuntimeError(f"{tokens} tokens were asked for, {written} came")
        return Timing(times[0], times[-1])

    def version(self) -> str:
        """Of vLLM."""
        return httpx.get(f"{self._root}/version", trust_env=False).json()["version"]

    def counter(self, name: str) -> float:
        """The value of a counter, summed over all engines."""
        text = httpx.get(f"{self._root}/metrics", trust_env=False).text
        return sum(float(value) for value in re.findall(rf"^vllm:{name}{{.*}} (\S+)$", text, re.MULTILINE))


def users_row(options: BenchOptions, timings: Sequence[Timing]) -> dict[str, Any]:
    """`len(timings)` requests at once, each with a prompt that the server has not seen."""
    firsts = [timing.first for timing in timings]
    whole = max(timing.last for timing in timings)
    users = len(timings)
    # Pieces that wait in a socket come together, so the mean of each user is what can be known.
    between = [(timing.last - timing.first) / (options.output_tokens - 1) for timing in timings]
    return {
        "ttft_p50": percentile(firsts, 0.5),
        "ttft_p90": percentile(firsts, 0.9),
        "ttft_max": max(firsts),
        "read_per_second": users * options.prompt_tokens / max(firsts),
        "token_ms_p50": 1000 * percentile(between, 0.5),
        "written_per_second": users * options.output_tokens / whole,
    }


def prefix_row(server: Server, prompts: Sequence[Sequence[int]], cold: Sequence[Timing]) -> dict[str, Any]:
    """The same prompts once more: what the cache still holds of them is not computed again."""
    asked, hit = server.counter("prefix_cache_queries_total"), server.counter("prefix_cache_hits_total")
    again = server.complete(prompts, 1)
    asked = server.counter("prefix_cache_queries_total") - asked
    hit = server.counter("prefix_cache_hits_total") - hit
    cold_seconds = percentile([timing.first for timing in cold], 0.5)
    again_seconds = percentile([timing.first for timing in again], 0.5)
    return {
        "cold_seconds": cold_seconds,
        "again_seconds": again_seconds,
        "gain": cold_seconds / again_seconds,
        "hit_rate": hit / asked if asked else 0.0,
    }


def share_row(
    server: Server,
    options: BenchOptions,
    prompts: Prompts,
    generation: GenerationConfig,
    tokenizer: ModelTokenizer,
) -> dict[str, Any]:
    """Tokens per second of a full batch: sent by a plain client and by the product's generator, in turn."""
    users = min(SHARE_USERS, max(options.users))
    generator = VllmGenerator(generation, tokenizer)
    generator.check()  # once in its life
    sampling = Sampling(options.output_tokens, ignore_eos=True)
    tokens = users * (options.prompt_tokens + options.output_tokens)
    plain, ours = [], []
    for _ in range(SHARE_ROUNDS):
        timings = server.complete(prompts.take(users), options.output_tokens)
        plain.append(tokens / max(timing.last for timing in timings))
        asked = [Prompt(ids, [], (), "", None) for ids in prompts.take(users)]
        started = time.perf_counter()
        generator.generate(asked, sampling)
        ours.append(tokens / (time.perf_counter() - started))
    return {
        "users": users,
        "backend_per_second": median(plain),
        "ours_per_second": median(ours),
        "share": median(ours) / median(plain),
    }
