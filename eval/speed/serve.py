"""How much of a vLLM server's own throughput do the questions of a file reach?

The same requests twice, on the same server: sent by a client that does nothing else, and made, sent
and resolved by the product, from the questions on; there a latency begins with the making of the prompt,
and holds the wait for a free place. What each question costs the client's own
processor is measured, too: where server and client share the cores, the server is slower for it.
"""

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from eval.report import machine, save, table
from indexes.types import EVERYTHING
from ingest.errors import PipelineError
from rag import Config, Pipeline
from rag.asking.ask import sampling_of
from rag.asking.pack import prepare
from rag.models.connection import server_root
from rag.models.servers import VllmGenerator
from rag.wire.bodies import answer_json

COLUMNS = (
    "questions",
    "seconds",
    "questions_per_second",
    "tokens_per_second",
    "latency_p50",
    "latency_p95",
    "client_cpu_seconds",
    "prompt_tokens",
    "generated_tokens",
    "prefix_hits",
)
COUNTERS = (
    "prompt_tokens_total",
    "generation_tokens_total",
    "prefix_cache_queries_total",
    "prefix_cache_hits_total",
)
WARM_UP = 4


@dataclass(slots=True)
class Run:
    """One pass over all questions: `latencies` in seconds, and what the server counted."""

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    counted: dict[str, float] = field(default_factory=dict)


def bench(index: Path, config: Config, questions: Sequence[str], rounds: int, out: Path) -> None:
    """Measure `rounds` times each in turn, print a table and write `out`.

    Every pass begins with an empty prefix cache where the server lets it be emptied
    (VLLM_SERVER_DEV_MODE=1); else both find the prompts there.
    """
    with Pipeline.open(index, config) as pipeline:
        requests = bodies(pipeline, questions)
        emptied = empty_cache(config)
        alone(config, requests[:WARM_UP])
        product(pipeline, questions[:WARM_UP])
        runs: dict[str, list[Run]] = {"vLLM alone": [], "rag ask --questions": []}
        for _ in range(rounds):
            with measured(config, runs["vLLM alone"]) as run:
                run.latencies = alone(config, requests)
            with measured(config, runs["rag ask --questions"]) as run:
                run.latencies = product(pipeline, questions)
    rows = {name: row(passes) for name, passes in runs.items()}
    ratios = [a.seconds / b.seconds for a, b in zip(*runs.values(), strict=True)]
    result = {
        "machine": machine() | {"load_at_end": os.getloadavg()[0]},
        "model": config.generator.model,
        "concurrency": config.generator.concurrency,
        "max_tokens": config.generator.reserved_output,
        "prefix_cache": "emptied before each pass" if emptied else "kept",
        "runs": rows,
        "share_of_throughput": statistics.median(ratios),
        "shares": ratios,
    }
    save(out, result)
    print(table(rows, COLUMNS), end="\n\n")
    print(f"share of the server's own throughput: {result['share_of_throughput']:.3f} {ratios}")


def bodies(pipeline: Pipeline, questions: Sequence[str]) -> list[bytes]:
    """The requests that the product makes of `questions`."""
    stages = pipeline._stages()
    prompts = [packed.prompt for packed in prepare(stages, questions, EVERYTHING)]
    generator = pipeline.generator
    if not isinstance(generator, VllmGenerator):
        sys.exit('generator.backend has to be "vllm"')
    return [json.dumps(generator.request(prompt, sampling_of(stages))).encode() for prompt in prompts]


def alone(config: Config, requests: Sequence[bytes]) -> list[float]:
    """Seconds that each request took, sent by a plain client, `concurrency` at a time."""
    generation = config.generator
    return asyncio.run(_send(f"{generation.base_url}/completions", requests, generation.concurrency))


async def _send(url: str, requests: Sequence[bytes], concurrency: int) -> list[float]:
    slots = asyncio.Semaphore(concurrency)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=None, limits=limits, trust_env=False) as client:

        async def one(body: bytes) -> float:
            async with slots:
                started = time.monotonic()
                response = await client.post(url, content=body, headers={"Content-Type": "application/json"})
                response.raise_for_status()
                return time.monotonic() - started

        return await asyncio.gather(*map(one, requests))


def product(pipeline: Pipeline, questions: Sequence[str]) -> list[float]:
    """Seconds that each answer took, as `rag ask --questions` makes and writes them."""
    latencies = []
    with closing(pipeline.ask_each(questions)) as results, open(os.devnull, "w", encoding="utf-8") as rows:
        for result in results:
            if isinstance(result, PipelineError):
                raise result
            rows.write(json.dumps(answer_json(result), ensure_ascii=False) + "\n")
            latencies.append(result.seconds)
    return latencies


@contextmanager
def measured(config: Config, runs: list[Run]) -> Iterator[Run]:
    """Time one pass, count what the server did in it, and add it to `runs`."""
    run = Run()
    empty_cache(config)
    before, cpu, started = counters(config), time.process_time(), time.monotonic()
    yield run
    run.seconds, run.cpu_seconds = time.monotonic() - started, time.process_time() - cpu
    run.counted = {name: value - before[name] for name, value in counters(config).items()}
    runs.append(run)


def row(runs: Sequence[Run]) -> dict[str, Any]:
    """The pass of median length, in the columns of the table."""
    run = sorted(runs, key=lambda run: run.seconds)[len(runs) // 2]
    latencies = sorted(run.latencies)
    return {
        "questions": len(latencies),
        "seconds": run.seconds,
        "questions_per_second": len(latencies) / run.seconds,
        "tokens_per_second": run.counted["generation_tokens_total"] / run.seconds,
        "latency_p50": latencies[len(latencies) // 2],
        "latency_p95": latencies[int(len(latencies) * 0.95)],
        "client_cpu_seconds": run.cpu_seconds,
        "prompt_tokens": int(run.counted["prompt_tokens_total"]),
        "generated_tokens": int(run.counted["generation_tokens_total"]),
        "prefix_hits": run.counted["prefix_cache_hits_total"] / run.counted["prefix_cache_queries_total"],
    }


def counters(config: Config) -> dict[str, float]:
    """The server's counters now."""
    lines = httpx.get(f"{_root(config)}/metrics", timeout=60, trust_env=False).text.splitlines()
    return {
        name: sum(float(line.split()[-1]) for line in lines if line.startswith(f"vllm:{name}{{"))
        for name in COUNTERS
    }


def empty_cache(config: Config) -> bool:
    """Empty the server's prefix cache; returns whether the server allows that."""
    return httpx.post(f"{_root(config)}/reset_prefix_cache", timeout=60, trust_env=False).is_success


def _root(config: Config) -> str:
    return server_root(config.generator.base_url)
