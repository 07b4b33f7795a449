"""`python -m eval.bench index`: the index by its size, on the indexes that `eval.bench scale` made.

Each size is measured in a process of its own on one core. Queries are titles of articles and sentences
of statutes in turn; their analysis and embedding are in the figures. Files are as the system's
cache holds them after a first look, as on a machine that answers all day.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from eval.report import machine, save, table
from eval.speed.latency import quantiles
from eval.speed.memory import pss_mb
from eval.speed.processes import OTHERS_PYTHON, ROOT
from eval.speed.scale import SIZES, sentences
from indexes.disk.retriever import Retriever
from indexes.disk.writer import Writer
from indexes.embedding import embed_chunks
from indexes.types import EVERYTHING, MODES, Filter, Manifest, NewContent, StoredDocument
from ingest.parse import Parsed
from ingest.workers.pool import WorkerPool
from rag import Config, Pipeline
from rag.asking.pack import prepare

QUERIES = 200
KS = (10, 120)
PAGES = range(95, 130)  # of the document that is added
OTHERS_MOST = 100_000  # chunks that LangChain's retrievers can bear
COLUMNS = (
    "chunks",
    "segments",
    "bytes_a_chunk",
    "open_ms",
    "memory_mb",
    "commit_s",
    "merge_s",
    "lexical",
    "dense",
    "hybrid",
    "lexical_120",
    "dense_120",
    "hybrid_120",
    "whole",
    "one_document",
    "thousandth",
    "half",
)
OTHER_COLUMNS = ("chunks", "load_s", "memory_mb", "add_and_save_s", "lexical", "dense", "both")


def bench(shared: Path, folder: Path, out: Path, sizes: Sequence[int] = SIZES) -> None:
    """Measure those of the indexes `folder`/SIZE that are there; a table, and JSON in `out`."""
    result: dict[str, Any] = {"machine": machine(), "ours": {}, "LangChain": {}, "missing": {}}
    for size in sizes:
        if not (folder / str(size) / "done").is_file():
            result["missing"][str(size)] = "not made: make index-million"
            continue
        result["ours"][f"{size:,}"] = in_process("eval.speed.index", shared, folder / str(size))
        save(out, result)
        if size <= OTHERS_MOST:
            try:
                result["LangChain"][f"{size:,}"] = _langchain(shared, folder / str(size))
            except (OSError, RuntimeError) as exc:
                result["missing"][f"LangChain, {size:,}"] = str(exc)
            save(out, result)
    print(table(result["ours"], COLUMNS), end="\n\n")
    print(table(result["LangChain"], OTHER_COLUMNS), end="\n\n")
    print("lexical … half: milliseconds, p50 / p95, on one core, query analysis included")
    for name, why in result["missing"].items():
        print(f"{name}: {why}")


def in_process(module: str, *arguments: Path, python: Path | str = sys.executable) -> dict[str, Any]:
    """The JSON that `module` prints in a process of its own, without threads for arithmetic.

    Raises:
        OSError: there is no such Python.
        RuntimeError: it failed; the last line of its messages.
    """
    process = subprocess.run(
        [str(python), "-m", module, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    if process.returncode:
        raise RuntimeError(process.stderr.strip().rpartition("\n")[2])
    return json.loads(process.stdout.splitlines()[-1])


def measure(shared: Path, index: Path) -> dict[str, Any]:
    """All figures of one index."""
    document = _hundred_pages(shared)  # its reading may use all cores
    os.sched_setaffinity(0, {0})
    pipeline = Pipeline.open(index, Config())
    pipeline.analyser.terms(["미리 불러온다"])
    pipeline.embedder.embed_queries(["미리 불러온다"])
    queries = list(sentences(shared, QUERIES))
    Retriever(index, pipeline.embedder, pipeline.analyser).close()  # imports, and the system's cache
    before = pss_mb(os.getpid())
    started = time.perf_counter()
    opened = Retriever(index, pipeline.embedder, pipeline.analyser)
    row: dict[str, Any] = {"open_ms": 1000 * (time.perf_counter() - started)}
    row["chunks"] = sum(document.chunks for document in opened.documents)
    row["segments"] = len(opened._segments)
    row["bytes_a_chunk"] = _bytes_a_chunk(index, row["chunks"])
    for k in KS:
        for mode in MODES:
            name = mode if k == KS[0] else f"{mode}_{k}"
            row[name] = quantiles(lambda q, m=mode, n=k: opened.retrieve([q], n, m), queries)
    row["analysis"] = quantiles(lambda q: pipeline.analyser.terms([q]), queries)
    row["embedding"] = quantiles(lambda q: pipeline.embedder.embed_queries([q]), queries)
    filters = {
        "one_document": Filter(documents=(opened.documents[len(opened.documents) // 2].document_id,)),
        "thousandth": Filter(groups=("천분의일",)),
        "half": Filter(groups=("절반",)),
    }
    for name, allowed in filters.items():
        row[name] = quantiles(lambda q, a=allowed: opened.retrieve([q], 10, "hybrid", a), queries)
    stages = pipeline._stages()
    row["whole"] = quantiles(lambda q: prepare(stages, [q], EVERYTHING), queries)
    row["memory_mb"] = pss_mb(os.getpid()) - before
    opened.close()
    pipeline.close()
    return row | _add_one(pipeline, document, index)


def _add_one(pipeline: Pipeline, document: Parsed, index: Path) -> dict[str, float]:
    """Seconds to open a copy of the index for writing, add one document and commit; and to merge."""
    copy = index.with_name(f"{index.name}.copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(index, copy)
    os.sync()
    title = document.document.title
    vectors = embed_chunks(pipeline.embedder, title, document.chunks)
    stored = StoredDocument(document.document.id, title, (document.path,), (), "scale", 0)
    manifest = Manifest(pipeline.embedder.identity, pipeline.analyser.name, pipeline.tokenizer.fingerprint)
    started = time.perf_counter()
    with Writer(copy, manifest) as writer:
        writer.add(NewContent(stored, document.document.pages, document.chunks, document.terms, vectors))
        writer.commit()
        committed = time.perf_counter()
        writer.merge()
        merged = time.perf_counter()
    shutil.rmtree(copy)
    return {
        "commit_s": committed - started,
        "merge_s": merged - committed,
        "added_chunks": len(document.chunks),
    }


def _hundred_pages(shared: Path) -> Parsed:
    """A real document of about a hundred pages, read."""
    import pypdfium2

    for path in sorted((shared / "data" / "pdf" / "agency").rglob("*.pdf")):
        pdf = pypdfium2.PdfDocument(path)
        pages = len(pdf)
        pdf.close()
        if pages in PAGES:
            options = Pipeline.open("unused", Config())._parse_options(())
            with WorkerPool(replace(options, limits=replace(options.limits, workers=1))) as pool:
                (result,) = pool.parse([str(path)])
            if isinstance(result, Parsed):
                return result
    raise RuntimeError(f"no PDF of {PAGES[0]} to {PAGES[-1]} pages in {shared}")


def _bytes_a_chunk(index: Path, chunks: int) -> dict[str, int]:
    sizes = {"database": 0, "dense": 0, "lexical": 0}
    for path in index.rglob("*"):
        if path.is_file():
            kind = path.relative_to(index).parts[0]
            sizes[kind if kind in sizes else "database"] += path.stat().st_size
    return {kind: round(size / chunks) for kind, size in sizes.items()}


def _langchain(shared: Path, index: Path) -> dict[str, Any]:
    """The same chunks and vectors in LangChain's FAISS and BM25Retriever."""
    texts = index.with_name(f"{index.name}.jsonl")
    with Pipeline.open(index, Config()) as pipeline, texts.open("w", encoding="utf-8") as file:
        for document in pipeline.documents():
            for chunk in pipeline.reader.chunks(document):
                file.write(json.dumps(chunk.text, ensure_ascii=False) + "\n")
    queries = index.with_name("queries.json")
    queries.write_text(json.dumps(list(sentences(shared, QUERIES)), ensure_ascii=False), encoding="utf-8")
    try:
        return in_process("eval.speed.other_index", texts, queries, python=OTHERS_PYTHON)
    finally:
        texts.unlink()


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), Path(sys.argv[2])), ensure_ascii=False))
