"""`python -m eval.bench beyond`: an index of more vectors than are searched exactly.

Statutes are cut again and again: into single sentences, into pairs beginning with the first and with
the second, into threes … Each way of cutting a law is a document whose chunks tile it, so all texts are
real and none comes twice. Only vectors are made, no words: Kiwi would read for hours. They go through the
writer, commit by commit and merge by merge, as any others.

What an approximate search loses is counted against an exact one of the same rows, with queries that are
no rows: titles of articles, sentences of statutes, and questions that people asked.
"""

import json
import os
import re
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.report import machine, save, table
from eval.speed.index import in_process
from eval.speed.latency import quantiles
from eval.speed.memory import pss_mb
from eval.speed.scale import COMMIT_CHUNKS, SEED, STATUTES, sentences
from eval.training.statutes import read_laws
from indexes.disk import dense
from indexes.disk.store import Store
from indexes.disk.visible import key_ranges
from indexes.disk.writer import Writer
from indexes.embedding import embed_chunks
from indexes.models.embedder import Embedder
from indexes.types import Manifest, NewContent, StoredDocument
from ingest.document import Chunk, Page, chunk_id
from rag import Config, Pipeline

SENTENCE_END = re.compile(r"(?<=다\.)\s+|\n+")
SHORTEST = 15  # characters of a piece; shorter ones are headings, which go with what follows
QUESTIONS = {
    "questions, welfare": "data/qa/welfare/qa.jsonl",
    "questions, KorQuAD": "data/qa/korquad1/qa.jsonl",
}
QUERIES = 200
DEPTHS = (50, 360)  # what recall is stored for; what a hybrid search of 120 asks for


def bench(shared: Path, folder: Path, out: Path, rows: int) -> None:
    """Make the index of `rows` vectors if it is not there yet, measure it; a table, and JSON in `out`."""
    if not (folder / "done").is_file():
        build(shared, folder, rows)
    row = in_process("eval.speed.beyond", shared, folder)
    save(out, {"machine": machine(), "beyond": row})
    print(table({name: {"": value} for name, value in row.items()}, [""]))
    print("ms: milliseconds of a search alone, p50 / p95, on one core")


def build(shared: Path, folder: Path, rows: int) -> None:
    """Make the index `folder` of `rows` chunks, and note in it what that took; progress on standard error."""
    shutil.rmtree(folder, ignore_errors=True)
    pipeline = Pipeline.open(folder, Config())
    manifest = Manifest(pipeline.embedder.identity, pipeline.analyser.name, pipeline.tokenizer.fingerprint)
    made, seconds = 0, 0.0
    with Writer(folder, manifest) as writer:
        for content in _contents(shared, pipeline.embedder):
            writer.add(content)
            if writer.pending_chunks < COMMIT_CHUNKS and made + writer.pending_chunks < rows:
                continue
            made += writer.pending_chunks
            writer.commit()
            started = time.monotonic()
            writer.merge()
            seconds += time.monotonic() - started
            print(f"{made:,} chunks, {seconds:.0f} s of merges", file=sys.stderr)
            if made >= rows:
                break
        if made < rows:
            raise ValueError(f"the statutes make {made:,} pieces, no {rows:,}")
        built = {"merges_s": seconds} | _put_together(writer)
    (folder / "done").write_text(json.dumps(built) + "\n", encoding="utf-8")


def _put_together(writer: Writer) -> dict[str, float]:
    """Make one segment of all, as a merge or `compact` would; seconds, and the process's memory at its peak."""
    started = time.monotonic()
    names = writer.store.files.segments()
    live = key_ranges(writer.rows)
    keys, vectors = _rows([dense.open_segment(writer.folder / "dense", name) for name in names], live)
    writer.replace(names, keys, vectors, None)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"one_segment_s": time.monotonic() - started, "peak_mb": peak}


def _rows(segments, live: dense.KeyRanges) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    parts = [dense.read_rows(segment, live) for segment in segments]
    return np.concatenate([keys for keys, _ in parts]), np.concatenate([rows for _, rows in parts])


def _contents(shared: Path, embedder: Embedder) -> Iterator[NewContent]:
    """Every law cut every way: by one sentence first, then by two, by three …"""
    laws = list(read_laws(shared / STATUTES))
    ends = [_sentence_ends(law.text) for law in laws]
    for together in count(1):
        if together > max(map(len, ends)):
            return
        for first in range(together):
            for law, law_ends in zip(laws, ends, strict=True):
                if len(law_ends) >= together:
                    cuts = sorted({*law_ends[first::together], law_ends[-1]})
                    yield _content(law.name, law.text, f"{law.id} {together}.{first}", cuts, embedder)


def _sentence_ends(text: str) -> list[int]:
    ends = [0]
    for found in SENTENCE_END.finditer(text):
        if found.end() - ends[-1] >= SHORTEST:
            ends.append(found.end())
    if ends[-1] < len(text):
        ends.append(len(text))
    return ends[1:]


def _content(name: str, text: str, path: str, cuts: Sequence[int], embedder: Embedder) -> NewContent:
    identity = f"{Random(path).getrandbits(64):016x}"
    spans = zip([0, *cuts], cuts)  # noqa: B905 - one longer, on purpose
    chunks = tuple(
        Chunk(chunk_id(identity, start, end), identity, start, end, text[start:end], "", 1, 1, 1)
        for start, end in spans
    )
    stored = StoredDocument(identity, name, (f"/법령/{path}.txt",), (), "beyond", len(text))
    pages = (Page(1, "1", 0, len(text), True),)
    return NewContent(stored, pages, chunks, [""] * len(chunks), embed_chunks(embedder, name, chunks))


def measure(shared: Path, folder: Path) -> dict[str, Any]:
    """What the approximate segments of the index find and cost, beside an exact segment of the same rows."""
    os.sched_setaffinity(0, {0})
    with Pipeline.open(folder, Config()) as pipeline:
        embedder = pipeline.embedder
    store = Store(folder)
    names = store.files.segments()
    live = key_ranges(store.documents.of(store.version))
    queries = {name: embedder.embed_queries(texts) for name, texts in _queries(shared).items()}
    before, started = pss_mb(os.getpid()), time.perf_counter()
    segments = [dense.open_segment(folder / "dense", name) for name in names]
    opened = time.perf_counter() - started
    row: dict[str, Any] = json.loads((folder / "done").read_text("utf-8")) | {
        "rows": sum(len(segment.keys) for segment in segments),
        "segments": len(segments),
        "approximate_segments": sum(segment.coarse is not None for segment in segments),
        "stored_recall": min(segment.recall for segment in segments),
        "open_ms": 1000 * opened,
        "bytes_a_row": sum(file.bytes for file in store.files.current("dense"))
        / sum(len(s.keys) for s in segments),
    }
    row["ms"] = _milliseconds(segments, queries, live)
    row["ms_of_360"] = _milliseconds(segments, queries, live, DEPTHS[1])
    row["ms_half"] = _milliseconds(segments, queries, live[::2])
    row["ms_thousandth"] = _milliseconds(segments, queries, live[::1000])
    row["memory_mb"] = pss_mb(os.getpid()) - before
    with tempfile.TemporaryDirectory(dir=folder.parent) as aside:
        exact = _exact(segments, live, Path(aside))
        row["exact_ms"] = _milliseconds([exact], queries, live)
        for name, vectors in queries.items():
            row[f"recall@{' / @'.join(map(str, DEPTHS))}, {name}"] = _recall(segments, exact, vectors, live)
    return row


def _queries(shared: Path) -> dict[str, list[str]]:
    made = list(islice(sentences(shared, 2 * QUERIES), 2 * QUERIES))
    queries = {"titles": made[1::2], "sentences": made[::2]}
    for name, path in QUESTIONS.items():
        lines = (shared / path).read_text("utf-8").splitlines()
        queries[name] = [json.loads(line)["question"] for line in Random(SEED).sample(lines, QUERIES)]
    return queries


def _milliseconds(segments, queries, live: dense.KeyRanges, depth: int = DEPTHS[0]) -> str:
    vectors = np.concatenate([vectors[:50] for vectors in queries.values()])
    return quantiles(lambda vector: dense.search(segments, vector, depth, live), vectors)


def _exact(segments, live: dense.KeyRanges, folder: Path) -> dense.DenseSegment:
    keys, vectors = _rows(segments, live)
    dense.write_segment(folder, "exact", keys, vectors, exact_rows=len(keys))
    return dense.open_segment(folder, "exact")


def _recall(segments, exact, vectors: NDArray[np.float32], live: dense.KeyRanges) -> str:
    """For each of DEPTHS the share of the nearest rows that the segments find, over all queries."""
    found = dict.fromkeys(DEPTHS, 0)
    for vector in vectors:
        wanted, near = (
            [key for key, _ in dense.search(those, vector, max(DEPTHS), live)]
            for those in ([exact], segments)
        )
        for depth in DEPTHS:
            found[depth] += len(set(wanted[:depth]) & set(near[:depth]))
    return " / ".join(f"{found[depth] / (depth * len(vectors)):.4f}" for depth in DEPTHS)


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), Path(sys.argv[2])), ensure_ascii=False))
