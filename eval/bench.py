"""`python -m eval.bench ingest | index | beyond | gpu | serve | summarise`: how fast, and in how much memory, beside the alternatives?

Each run is a process of its own, whose memory and processor time are sampled together with those
of its children. Pages per second of processor time stay comparable on a busy machine, and hold the
start of Python and the loading of Kiwi; pages per second hold what the run itself took.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from eval.dataset import read_rows
from eval.gpu import bench as bench_gpu
from eval.reading.ingestion import PDF_FOLDERS
from eval.report import machine, save, table
from eval.speed import beyond as larger
from eval.speed import serve as throughput
from eval.speed import summarise as long_reports
from eval.speed.index import bench
from eval.speed.memory import Usage
from eval.speed.processes import OTHERS_PYTHON, run
from eval.speed.scale import SIZES, build
from eval.speed.summarise import Settings
from indexes.discover import discover
from ingest.pdf.read import read_pdf
from ingest.repair.normalise import normalise
from ingest.workers.helper import settle_memory
from rag import Pipeline, load_config

OTHERS = {"LangChain": "langchain", "LlamaIndex": "llamaindex"}
WORKERS = 2
STEPS = (32, 64, 128)
MAX_PAGES = 20_000
READ_COLUMNS = ("files", "failed", "pages", "seconds", "pages_per_second", "times_pypdf")
INGEST_COLUMNS = (
    "files",
    "failed",
    "pages",
    "chunks",
    "seconds",
    "pages_per_second",
    "ours_is_times",
    "cpu_seconds",
    "pages_per_cpu_second",
    "ours_is_times_by_cpu",
    "peak_mb",
    "processes",
)

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)


@app.callback()
def main() -> None:
    """Speed and memory."""


@app.command()
def ingest(
    shared: Annotated[Path, typer.Option(envvar="RAG_SHARED", help="the folder that holds data/pdf")],
    out: Annotated[Path, typer.Option(help="JSON file to write")] = Path("build/bench-ingest.json"),
    files: Annotated[int, typer.Option(help="read only this many files, for a quick look; 0: all")] = 0,
) -> None:
    """Reading on one core, then the whole ingest with two workers, beside pypdf, LangChain and LlamaIndex."""
    paths = pdf_paths(shared, files)
    result: dict[str, Any] = {"machine": machine() | {"load_at_start": os.getloadavg()[0]}}
    result["reading"] = run(["-m", "eval.bench", "read"], paths, one_core=True)[0]
    result["ingest"], result["missing"] = {}, {}
    for count in steps(len(paths)):
        result["ingest"][f"ours, {count} files"] = run_ours(paths[:count])
        save(out, result)  # what was measured so far is kept: the whole takes minutes
    for name, stack in OTHERS.items():
        try:
            result["ingest"][name] = run_other(stack, paths)
        except (OSError, RuntimeError) as exc:
            result["missing"][name] = f"not measured ({exc}); `make bench-ingest` installs it"
        save(out, result)
    compare(result["reading"], result["ingest"], len(paths))
    print(table(result["reading"], READ_COLUMNS), end="\n\n")
    print(table(result["ingest"], INGEST_COLUMNS), end="\n\n")
    for name, why in result["missing"].items():
        print(f"{name}: {why}")
    print(" · ".join(f"{key} {value}" for key, value in result["machine"].items()))
    save(out, result)


@app.command()
def scale(
    shared: Annotated[Path, typer.Option(envvar="RAG_SHARED", help="the folder that holds data/text")],
    folder: Annotated[Path, typer.Option(help="where the indexes go, one folder a size")] = Path(
        "build/scale"
    ),
    size: Annotated[list[int], typer.Option(help="only these sizes, in chunks")] = [],
) -> None:
    """Make the indexes that `index` measures; about 20 minutes for the million."""
    build(shared, folder, size or SIZES)


@app.command()
def index(
    shared: Annotated[Path, typer.Option(envvar="RAG_SHARED", help="the folder that holds data")],
    folder: Annotated[Path, typer.Option(help="where `scale` put the indexes")] = Path("build/scale"),
    out: Annotated[Path, typer.Option(help="JSON file to write")] = Path("build/bench-index.json"),
    size: Annotated[list[int], typer.Option(help="only these sizes, in chunks")] = [],
) -> None:
    """The index by its size: opening, committing, searching, bytes and memory, beside LangChain."""
    bench(shared.resolve(), folder.resolve(), out, size or SIZES)


@app.command()
def beyond(
    shared: Annotated[Path, typer.Option(envvar="RAG_SHARED", help="the folder that holds data")],
    folder: Annotated[Path, typer.Option(help="where the index goes, and stays")] = Path("build/beyond"),
    out: Annotated[Path, typer.Option(help="JSON file to write")] = Path("build/bench-beyond.json"),
    rows: Annotated[int, typer.Option(help="vectors, put together in one segment")] = (1_300_000),
) -> None:
    """More vectors than are searched exactly: what the approximate search finds, and what it costs."""
    larger.bench(shared.resolve(), folder.resolve(), out, rows)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def gpu(context: typer.Context) -> None:
    """The model on this machine's GPU, in transformers and on vLLM; options as of `python -m eval.gpu.bench`."""
    bench_gpu.main(context.args)


@app.command()
def serve(
    questions: Annotated[Path, typer.Option(help='JSONL of {"id","question"}')],
    index: Annotated[Path, typer.Option(help="the index that is asked")] = Path("rag-index"),
    config: Annotated[Path, typer.Option(help="whose generator is a vLLM server that runs")] = Path(
        "rag.toml"
    ),
    out: Annotated[Path, typer.Option(help="JSON file to write")] = Path("build/bench-serve.json"),
    rounds: Annotated[int, typer.Option(min=1, help="passes of each kind, in turn")] = 3,
) -> None:
    """The questions of a file: the share of the model server's own throughput that is reached."""
    rows = [row["question"] for row in read_rows(questions)]
    throughput.bench(index, load_config(config), rows, rounds, out)


@app.command()
def summarise(
    shared: Annotated[Path, typer.Option(envvar="RAG_SHARED", help="the folder that holds data/pdf")],
    config: Annotated[Path, typer.Option(help="whose generator is a vLLM server that runs")] = Path(
        "rag.toml"
    ),
    out: Annotated[Path, typer.Option(help="JSON file to write")] = Path("build/bench-summarise.json"),
    reports: Annotated[int, typer.Option(min=1, help="how many, the longest first")] = 20,
    length: Annotated[list[int], typer.Option(help="pages of the joined reports")] = list(
        long_reports.LENGTHS
    ),
    rounds: Annotated[int, typer.Option(min=1, help="passes of each kind, in turn")] = 3,
    folder: Annotated[Path, typer.Option(help="where the indexes go, and stay")] = Path(
        "build/bench-summarise"
    ),
) -> None:
    """Summaries of the longest reports: throughput, cost by length, and LlamaIndex on the same server."""
    paths = long_reports.longest([shared.resolve() / "data" / "pdf" / name for name in PDF_FOLDERS])
    long_reports.bench(paths, reports, Settings(config), length, rounds, folder, out)


@app.command(hidden=True)
def summaries(
    index: Path,
    config: Annotated[Path | None, typer.Option()] = None,
    settings: Annotated[list[str], typer.Option("--set")] = [],
    note: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """The documents whose ids stand on standard input, summarised in one job; JSON."""
    ids = sys.stdin.read().splitlines()
    with note.open("w", encoding="utf-8") if note else nullcontext() as file:
        print(json.dumps(long_reports.job(index, ids, load_config(config, settings), file)))


@app.command(hidden=True)
def read() -> None:
    """The files named on standard input by each reader in turn, on one core; JSON."""
    paths = sys.stdin.read().splitlines()
    files = [(Path(path), Path(path).read_bytes()) for path in paths]
    # Kiwi and the network are loaded once in a process's life; the rest is as in the product's readers.
    repair(*files[0])
    settle_memory()
    print(json.dumps({name: time_reader(reader, files) for name, reader in READERS.items()}))


@app.command(hidden=True)
def whole(index: Path) -> None:
    """The files named on standard input into a new index; JSON."""
    config = load_config(None, [f"ingest.workers={WORKERS}"])
    with Pipeline.open(index, config) as pipeline:
        report = pipeline.ingest(sys.stdin.read().splitlines())
    print(
        json.dumps(
            {
                "pages": report.pages,
                "chunks": report.chunks,
                "failed": report.documents.failed,
                "seconds": report.seconds,
            }
        )
    )


def pdf_paths(shared: Path, count: int) -> list[str]:
    """The real PDFs, folder by folder; with `count`, only `count` of them, spread over all folders."""
    folders = [shared / "data" / "pdf" / name for name in PDF_FOLDERS]
    if not all(folder.is_dir() for folder in folders):
        sys.exit(f"no data/pdf in {shared}: set RAG_SHARED to the shared folder")
    paths = discover(folders)[0]
    return paths[:: max(1, len(paths) // count)][:count] if count else paths


def steps(count: int) -> list[int]:
    """Numbers of files to measure memory at, `count` the last."""
    return [step for step in STEPS if step < count] + [count]


def run_ours(paths: Sequence[str]) -> dict[str, Any]:
    """The product's whole ingest: parse, repair, chunk, both indexes, commit."""
    with tempfile.TemporaryDirectory() as folder:
        result, usage = run(["-m", "eval.bench", "whole", str(Path(folder, "index"))], paths)
    return _row(len(paths), result, usage)


def run_other(stack: str, paths: Sequence[str]) -> dict[str, Any]:
    """The same of another project, in its own environment."""
    result, usage = run(["-m", "eval.speed.other_stacks", stack], paths, str(OTHERS_PYTHON))
    return _row(len(paths), result, usage)


def _row(files: int, result: dict[str, Any], usage: Usage) -> dict[str, Any]:
    return result | {
        "files": files,
        "pages_per_second": result["pages"] / result["seconds"],
        "cpu_seconds": usage.cpu_seconds,
        "pages_per_cpu_second": result["pages"] / usage.cpu_seconds if usage.cpu_seconds else 0.0,
        "peak_mb": usage.peak_mb,
        "processes": usage.processes,
    }


def compare(reading: dict[str, Any], whole: dict[str, Any], files: int) -> None:
    """Add the ratios: of reading to pypdf, and of our ingest of all files to the others'."""
    base = reading["pypdf extract_text"]["pages_per_second"]
    for row in reading.values():
        row["times_pypdf"] = row["pages_per_second"] / base
    ours = whole[f"ours, {files} files"]
    for name, row in whole.items():
        if name in OTHERS:
            row["ours_is_times"] = ours["pages_per_second"] / row["pages_per_second"]
            row["ours_is_times_by_cpu"] = ours["pages_per_cpu_second"] / row["pages_per_cpu_second"]


# Readers: each takes a file and says how many pages it read.


def pdfium_text(path: Path, data: bytes) -> int:
    """pypdfium2's text and nothing else: what any reader on top of it can at best reach."""
    import pypdfium2

    pdf = pypdfium2.PdfDocument(data)
    for page in pdf:
        textpage = page.get_textpage()
        textpage.get_text_range(errors="replace")
        textpage.close()
        page.close()
    count = len(pdf)
    pdf.close()
    return count


def read_only(path: Path, data: bytes) -> int:
    """Our reader, before any repair."""
    return len(read_pdf(path, data, (), MAX_PAGES).pages)


def repair(path: Path, data: bytes) -> int:
    """Our reader, and the repair of its text."""
    raw = read_pdf(path, data, (), MAX_PAGES)
    normalise(raw)
    return len(raw.pages)


def pypdf_text(path: Path, data: bytes) -> int:
    """pypdf's `extract_text`, page by page."""
    from io import BytesIO

    from pypdf import PdfReader

    reader = PdfReader(BytesIO(data))
    for page in reader.pages:
        page.extract_text()
    return len(reader.pages)


READERS: dict[str, Callable[[Path, bytes], int]] = {
    "pypdfium2 text alone": pdfium_text,
    "our text": read_only,
    "our text, repaired": repair,
    "pypdf extract_text": pypdf_text,
}


def time_reader(reader: Callable[[Path, bytes], int], files: Sequence[tuple[Path, bytes]]) -> dict[str, Any]:
    """Pages per second of processor time over the files; those that cannot be read are counted.

    All readers work in one thread, so a busy machine changes this less than the time of day would.
    """
    started = time.process_time()
    counts = list(_counts(reader, files))
    seconds = time.process_time() - started
    pages = sum(filter(None, counts))
    return {
        "files": len(files),
        "failed": counts.count(None),
        "pages": pages,
        "seconds": seconds,
        "pages_per_second": pages / seconds,
    }


def _counts(
    reader: Callable[[Path, bytes], int], files: Sequence[tuple[Path, bytes]]
) -> Iterator[int | None]:
    for path, data in files:
        try:
            yield reader(path, data)
        except Exception:  # noqa: BLE001 - pypdf raises many kinds; the file counts as not read
            yield None


if __name__ == "__main__":
    app()
