"""Summaries of long reports: how fast, at what length, and what does another project spend on them?

On a vLLM server that runs, in three parts. Throughput: the product, and a client that does nothing but send the
very same prompts, all at once, although those of a higher level could not be known yet. Length: the reports
joined and cut, one at a time, with the model and without. Beside: LlamaIndex's tree summariser on the same texts.
Each pass is a process of its own, and begins with an empty prefix cache where the server lets it be emptied
(VLLM_SERVER_DEV_MODE=1). Where server and client share the cores, the server is slower by what the client takes.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from pypdf import PdfReader, PdfWriter

from eval.report import machine, save, table
from eval.speed.processes import OTHERS_PYTHON, run
from eval.speed.serve import alone, counters, empty_cache
from indexes.discover import discover
from ingest.errors import PipelineError
from rag import Config, Pipeline, load_config
from rag.answer import FailedSummary
from rag.models.generator import Generated, Job, Sampling
from rag.models.servers import VllmGenerator
from rag.prompting.packing import Prompt
from rag.summarising.checkpoints import Checkpoints
from rag.summarising.job import summarise
from rag.summarising.kinds import SummaryOptions
from rag.summarising.stages import SummaryStages

MOST_REPORTS = 20
LENGTHS = (10, 50, 200, 1_000)
# LlamaIndex as its guide shows it, call after call, and with everything at once.
OTHERS = {"LlamaIndex": "in-turn", "LlamaIndex, async": "together"}
PASS_COLUMNS = (
    "reports",
    "pages",
    "seconds",
    "reports_per_minute",
    "prompt_tokens_per_second",
    "tokens_per_second",
    "prompt_tokens",
    "generated_tokens",
    "prefix_hits",
    "client_cpu_seconds",
    "peak_mb",
)
LENGTH_COLUMNS = (
    "pages",
    "document_tokens",
    "calls",
    "levels",
    "prompt_tokens",
    "prompt_tokens_per_page",
    "prompt_per_document_token",
    "seconds",
    "seconds_per_page",
    "without_model_seconds",
    "without_model_ms_per_page",
)
OTHER_COLUMNS = (
    "reports",
    "failed",
    "calls",
    "prompt_tokens",
    "generated_tokens",
    "prompt_per_document_token",
    "calls_over_window",
    "tokens_over_window",
    "seconds",
    "client_cpu_seconds",
    "peak_mb",
)


@dataclass(frozen=True, slots=True)
class Settings:
    """A configuration in a form that other processes can be told: a file, and what is set over it."""

    file: Path | None
    overrides: tuple[str, ...] = ()

    def load(self) -> Config:
        return load_config(self.file, self.overrides)

    def arguments(self, *more: str) -> list[str]:
        named = ["--config", str(self.file)] if self.file else []
        return named + [part for override in (*self.overrides, *more) for part in ("--set", override)]


@dataclass(frozen=True, slots=True)
class Report:
    """A document of an index that is summarised."""

    id: str
    pages: int
    text: str
    tokens: int


def bench(
    paths: Sequence[Path],
    count: int,
    settings: Settings,
    lengths: Sequence[int],
    rounds: int,
    folder: Path,
    out: Path,
    others: Sequence[str] = tuple(OTHERS),
) -> None:
    """Measure all three parts, print their tables, and write `out` as far as they are done.

    Args:
        paths: of reports, longest first.
        count: reports that are summarised; all are joined.
        lengths: in pages.
        rounds: passes of each kind, in turn; the table shows the one of median length.
        folder: where indexes and prompts go, and stay.
        others: which of `OTHERS` are measured.
    """
    config = settings.load()
    if config.generator.backend != "vllm":
        sys.exit('generator.backend has to be "vllm"')
    folder = folder.resolve()
    reports = indexed(folder / "reports", paths[:count], config)
    joined = [join(paths, pages, folder / f"{pages}쪽.pdf") for pages in lengths]
    long = indexed(folder / "lengths", joined, config)
    result: dict[str, Any] = {
        "machine": machine(),
        "model": config.generator.model,
        "files": [path.name for path in paths[:count]],
        "window": config.generator.window,
        "concurrency": config.generator.concurrency,
        "max_tokens": config.generator.reserved_output,
        "prefix_cache": "emptied before each pass" if empty_cache(config) else "kept",
    }
    result["passes"], ratios = throughput(folder, reports, settings, config, rounds)
    result |= {"share_of_throughput": statistics.median(ratios), "shares": ratios}
    save(out, result)
    print(table(result["passes"], PASS_COLUMNS), end="\n\n")
    print(f"share of the server's own throughput: {result['share_of_throughput']:.3f} {ratios}\n")
    result["lengths"] = by_length(folder / "lengths", long, settings, config)
    save(out, result)
    print(table(result["lengths"], LENGTH_COLUMNS), end="\n\n")
    ours = beside_others(folder, reports, result["passes"]["rag summarise"], config)
    result["beside"], result["missing"] = {"rag summarise": ours}, {}
    for name in others:
        try:
            result["beside"][name] = by_other(OTHERS[name], reports, config)
        except (OSError, RuntimeError) as exc:
            result["missing"][name] = f"not measured ({exc}); `make bench-summarise` installs it"
    result["machine"]["load_at_end"] = os.getloadavg()[0]
    save(out, result)
    print(table(result["beside"], OTHER_COLUMNS), end="\n\n")
    for name, why in result["missing"].items():
        print(f"{name}: {why}")
    print(" · ".join(f"{key} {value}" for key, value in result["machine"].items()))


# what is summarised


def longest(folders: Sequence[Path]) -> list[Path]:
    """The PDFs with the most pages below `folders`, longest first; more than any bench needs."""
    paths = [Path(path) for path in discover(folders)[0]]
    return sorted(paths, key=lambda path: -len(PdfReader(path).pages))[:MOST_REPORTS]


def join(paths: Sequence[Path], pages: int, target: Path) -> Path:
    """The first `pages` pages of the files at `paths`, one after another, as one PDF; all if there are fewer."""
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    writer = PdfWriter()
    for path in paths:
        reader = PdfReader(path)
        left = pages - len(writer.pages)
        writer.append(reader, pages=(0, min(left, len(reader.pages))))
        if len(writer.pages) == pages:
            break
    writer.write(target)
    return target


def indexed(index: Path, paths: Sequence[Path], config: Config) -> list[Report]:
    """The documents at `paths`, in an index that holds them."""
    with Pipeline.open(index, config) as pipeline:
        pipeline.ingest(paths)
        documents = [pipeline.document(str(path)) for path in paths]
        texts = [pipeline.text(document) for document in documents]
        return [
            Report(document.document_id, document.pages, text, pipeline.tokenizer.count(text))
            for document, text in zip(documents, texts, strict=True)
        ]


# throughput


def throughput(
    folder: Path, reports: Sequence[Report], settings: Settings, config: Config, rounds: int
) -> tuple[dict[str, dict[str, Any]], list[float]]:
    """The passes of median length, and the share of the server's throughput in each round."""
    # The first pass says what is sent, and warms the server up.
    by_product(folder / "reports", reports, settings, note=folder / "requests.jsonl")
    requests = (folder / "requests.jsonl").read_bytes().splitlines()
    passes: dict[str, list[dict[str, Any]]] = {"vLLM alone": [], "rag summarise": []}
    for _ in range(rounds):
        passes["vLLM alone"].append(counted(config, lambda: sent(config, requests)))
        passes["rag summarise"].append(
            counted(config, lambda: by_product(folder / "reports", reports, settings))
        )
    rows = {name: rates(median_pass(ones), reports) for name, ones in passes.items()}
    return rows, [plain["seconds"] / ours["seconds"] for plain, ours in zip(*passes.values(), strict=True)]


def sent(config: Config, requests: Sequence[bytes]) -> dict[str, Any]:
    """The time of the same requests, sent all at once by a plain client."""
    started, cpu = time.monotonic(), time.process_time()
    alone(config, requests)
    return {"seconds": time.monotonic() - started, "client_cpu_seconds": time.process_time() - cpu}


def counted(config: Config, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` returns, and what the server counted while it ran."""
    empty_cache(config)
    before = counters(config)
    row = work()
    counts = {name: value - before[name] for name, value in counters(config).items()}
    return row | {
        "prompt_tokens": int(counts["prompt_tokens_total"]),
        "generated_tokens": int(counts["generation_tokens_total"]),
        "prefix_hits": counts["prefix_cache_hits_total"] / max(counts["prefix_cache_queries_total"], 1),
    }


def median_pass(passes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The pass of median length; of an even number of passes the longer of the middle two."""
    return sorted(passes, key=lambda row: row["seconds"])[len(passes) // 2]


def rates(row: dict[str, Any], reports: Sequence[Report]) -> dict[str, Any]:
    """`row` with its rates per second."""
    seconds = row["seconds"]
    return row | {
        "reports": len(reports),
        "pages": sum(report.pages for report in reports),
        "reports_per_minute": 60 * len(reports) / seconds,
        "prompt_tokens_per_second": row["prompt_tokens"] / seconds,
        "tokens_per_second": row["generated_tokens"] / seconds,
    }


# the product, in a process of its own


def by_product(
    index: Path, reports: Sequence[Report], settings: Settings, *more: str, note: Path | None = None
) -> dict[str, Any]:
    """One job over `reports`: its time, processor time and memory, and the calls and levels of them all.

    Args:
        more: what is set beside `settings`.
        note: a file for the requests, a line each.

    Raises:
        RuntimeError: a report failed.
    """
    arguments = ["-m", "eval.bench", "summaries", str(index), *settings.arguments(*more)]
    arguments += ["--note", str(note)] if note else []
    row, usage = run(arguments, [report.id for report in reports])
    return row | {"peak_mb": usage.peak_mb}


def job(index: Path, ids: Sequence[str], config: Config, note: TextIO | None) -> dict[str, Any]:
    """What that process does: every step of `rag summarise` but writing the files of the summaries."""
    with Pipeline.open(index, config) as pipeline, tempfile.TemporaryDirectory() as folder:
        generator = Noting(config, pipeline, note) if note else pipeline.generator
        stages = SummaryStages(
            pipeline.reader, pipeline.tokenizer, generator, config.generator, config.summary
        )
        documents = [pipeline.document(one) for one in ids]
        started, cpu = time.monotonic(), time.process_time()
        results = list(summarise(stages, documents, SummaryOptions(), Checkpoints(Path(folder))))
        seconds, cpu = time.monotonic() - started, time.process_time() - cpu
    if failed := [result for result in results if isinstance(result, FailedSummary)]:
        raise failed[0].error
    return {
        "seconds": seconds,
        "client_cpu_seconds": cpu,
        "calls": sum(result.calls for result in results),
        "levels": max(result.levels for result in results),
    }


class Noting(VllmGenerator):
    """A vLLM server, and a line in `note` for each request to it, in their order."""

    def __init__(self, config: Config, pipeline: Pipeline, note: TextIO) -> None:
        super().__init__(config.generator, pipeline.tokenizer)
        self._note = note

    def generate_each(self, job: Job, options: Sampling) -> Iterator[Generated]:
        return super().generate_each(self._noted(job, options), options)

    def _noted(self, job: Job, options: Sampling) -> Iterator[Prompt | PipelineError | None]:
        for prompt in job:
            if isinstance(prompt, Prompt):
                self._note.write(json.dumps(self.request(prompt, options)) + "\n")
            yield prompt


# the other parts


def by_length(
    index: Path, reports: Sequence[Report], settings: Settings, config: Config
) -> dict[str, dict[str, Any]]:
    """Each of `reports` alone, by the model and by extraction."""
    rows = {}
    for report in reports:
        row = counted(config, lambda: by_product(index, [report], settings))  # noqa: B023 - called at once
        plain = by_product(index, [report], settings, "generator.backend=extractive")
        rows[f"{report.pages:,} pages"] = row | {
            "pages": report.pages,
            "document_tokens": report.tokens,
            "prompt_tokens_per_page": row["prompt_tokens"] / report.pages,
            "prompt_per_document_token": row["prompt_tokens"] / report.tokens,
            "seconds_per_page": row["seconds"] / report.pages,
            "without_model_seconds": plain["seconds"],
            "without_model_ms_per_page": 1000 * plain["seconds"] / report.pages,
            "without_model_peak_mb": plain["peak_mb"],
        }
    return rows


def beside_others(
    folder: Path, reports: Sequence[Report], ours: dict[str, Any], config: Config
) -> dict[str, Any]:
    """Our pass in the columns of the others."""
    requests = map(json.loads, (folder / "requests.jsonl").read_text("utf-8").splitlines())
    asked = [len(request["prompt"]) + request["max_tokens"] for request in requests]
    return spent(ours, reports) | over_window(asked, config.generator.window) | {"failed": 0}


def by_other(mode: str, reports: Sequence[Report], config: Config) -> dict[str, Any]:
    """What LlamaIndex spends on the texts of `reports`.

    Raises:
        OSError, RuntimeError: it is not installed, or failed.
    """
    generation = config.generator
    asks = {"url": generation.base_url, "model": generation.model, "mode": mode}
    asks |= {"window": generation.window, "output": generation.reserved_output}
    with tempfile.TemporaryDirectory() as folder:
        for number, report in enumerate(reports):
            Path(folder, f"{number:04}.txt").write_text(report.text, "utf-8")
        lines = [json.dumps(asks), *map(str, sorted(Path(folder).iterdir()))]
        empty_cache(config)
        row, usage = run(["-m", "eval.speed.other_summaries"], lines, str(OTHERS_PYTHON))
    asked = row.pop("asked")
    row |= {"peak_mb": usage.peak_mb, "calls": len(asked)} | over_window(asked, generation.window)
    return spent(row, reports)


def spent(row: dict[str, Any], reports: Sequence[Report]) -> dict[str, Any]:
    """`row` with the prompt tokens that were spent for each token of the documents."""
    tokens = sum(report.tokens for report in reports)
    return row | {"reports": len(reports), "prompt_per_document_token": row["prompt_tokens"] / tokens}


def over_window(asked: Sequence[int], window: int) -> dict[str, int]:
    """How many calls asked for more than the window, prompt and output together, and by how much in all."""
    over = [tokens - window for tokens in asked if tokens > window]
    return {"calls_over_window": len(over), "tokens_over_window": sum(over)}
