"""Vectors on disk: immutable FAISS segments, each with the chunk keys of its rows.

A segment is two files, `NAME.faiss` (fp16, inner product) and `NAME.keys.npy` (int64, ascending).
Rows are never changed: the caller's ranges keep deleted rows out of a search.

A segment of up to a million rows is searched exactly: 30 to 40 ms for a query of a million rows of 256 dimensions on
one core. A larger one has a third file, `NAME.coarse`, with codes of two bits for each dimension: a search goes
through the codes and scores the best rows exactly. The recall of this search is measured when the segment is written
and stored in a fourth file, `NAME.approximate.json`.

Inverted lists (IVF) were tried instead and not kept: they find rows near another row in few lists, but a question is
no row. On 1.3 million pieces of statutes, 128 of 4,560 lists held .98 of the 50 rows nearest to a row, but .86 of
those nearest to a question, and the lists needed for .98 took as long as the exact search.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from indexes.errors import IndexDamaged

ENDINGS = (".faiss", ".keys.npy")  # of the files of a segment
COARSE, APPROXIMATE = ".coarse", ".approximate.json"
EXACT_ROWS = 1_000_000
RECALL, RECALL_AT = 0.98, 50  # a search by codes must find 98 % of the 50 nearest rows
SAMPLES = 200  # queries that recall is measured with
CODED_TOGETHER = 2  # dimensions in one code of four bits
TRAINED_ON = 20_000  # rows that the codes are trained on
# A search by codes scores 8 times k rows exactly, and at least 1,000.
CANDIDATES, LEAST_CANDIDATES = 8, 1_000
# Rows converted to float32 at a time; all at once would take twice the memory of the stored fp16.
BLOCK = 1 << 16
# Half-open ranges of the chunk keys that a search may return, ascending and disjoint.
KeyRanges = NDArray[np.int64]  # (R, 2)
Content = TypeVar("Content")  # of a file


@dataclass(frozen=True, slots=True)
class DenseSegment:
    """One open segment; `keys[row]` is the chunk key of FAISS row `row`."""

    name: str
    index: object
    keys: NDArray[np.int64]
    coarse: object = None  # the FAISS index of the codes; None: every search is exact
    recall: float = 1.0  # of the search by codes, measured when the segment was written


def write_segment(
    folder: Path,
    name: str,
    keys: NDArray[np.int64],
    vectors: NDArray[np.float32] | NDArray[np.float16],
    exact_rows: int = EXACT_ROWS,
) -> list[str]:
    """Write a new segment of (N, D) unit `vectors`; returns its file names. Files are not synced.

    Args:
        exact_rows: a segment of more rows gets codes, if the search by codes reaches `RECALL`.

    Raises:
        ValueError: the keys do not ascend.
    """
    import faiss

    if not (keys[1:] > keys[:-1]).all():
        raise ValueError("the keys of a segment must ascend")
    index = faiss.IndexScalarQuantizer(
        vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    for _, block in _blocks(vectors):
        index.add(block)
    files = {ENDINGS[0]: index}
    segment = DenseSegment(name, index, keys)
    if len(vectors) > exact_rows and (segment := _with_codes(segment, vectors)).coarse is not None:
        files[COARSE] = segment.coarse
    try:
        for ending, written in files.items():
            faiss.write_index(written, str(folder / f"{name}{ending}"))
    except RuntimeError as exc:  # the only error that faiss raises; the cause is the disk
        raise OSError(str(exc)) from exc
    np.save(folder / f"{name}{ENDINGS[1]}", keys, allow_pickle=False)
    names = [*files, ENDINGS[1]]
    if segment.coarse is not None:
        found = {"recall": segment.recall, "at": RECALL_AT}
        (folder / f"{name}{APPROXIMATE}").write_text(json.dumps(found) + "\n", encoding="utf-8")
        names.append(APPROXIMATE)
    return [f"{name}{ending}" for ending in names]


def _with_codes(segment: DenseSegment, vectors: NDArray) -> DenseSegment:
    """The segment with codes of its rows and their recall; unchanged if the recall is below `RECALL`.

    Recall is measured with sums of three rows as queries, which are as far from any row as questions are.
    """
    import faiss

    rows, dim = vectors.shape
    if dim % CODED_TOGETHER:
        return segment
    random = np.random.default_rng(0)
    sample = np.sort(random.choice(rows, min(rows, TRAINED_ON), replace=False))
    coarse = faiss.IndexPQFastScan(dim, dim // CODED_TOGETHER, 4, faiss.METRIC_INNER_PRODUCT)
    coarse.train(np.ascontiguousarray(vectors[sample], np.float32))
    for _, block in _blocks(vectors):
        coarse.add(block)
    queries = vectors[random.choice(rows, (SAMPLES, 3))].astype(np.float32).sum(axis=1)
    coded = replace(segment, coarse=coarse)
    everything = np.array([[segment.keys[0], segment.keys[-1] + 1]], np.int64)
    hits = 0
    for query, wanted in zip(queries, _nearest(vectors, queries), strict=True):
        found = [key for key, _ in _search_one(coded, query, RECALL_AT, everything)]
        hits += np.isin(segment.keys[wanted], found).sum()
    recall = float(hits / (RECALL_AT * SAMPLES))
    return replace(coded, recall=recall) if recall >= RECALL else segment


def _nearest(vectors: NDArray, queries: NDArray[np.float32]) -> NDArray[np.int64]:
    """(Q, RECALL_AT): the rows of `vectors` that are nearest to each query."""
    import faiss

    best = faiss.ResultHeap(len(queries), RECALL_AT, keep_max=True)
    for first, block in _blocks(vectors):
        scores, rows = faiss.knn(queries, block, RECALL_AT, metric=faiss.METRIC_INNER_PRODUCT)
        best.add_result(scores, rows + first)
    best.finalize()
    return best.I


def _blocks(vectors: NDArray) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """`vectors` as float32, block by block, each with the number of its first row."""
    for first in range(0, len(vectors), BLOCK):
        yield first, np.ascontiguousarray(vectors[first : first + BLOCK], np.float32)


def segment_of(file: str) -> str:
    """The name of the segment that a file belongs to."""
    return Path(file).name.partition(".")[0]


def malformed(files: Iterable[str]) -> set[str]:
    """The segments that do not have exactly the files of a segment among `files`."""
    names = {Path(file).name for file in files}
    segments: dict[str, set[str]] = {segment_of(name): set() for name in names}
    for name in names:
        segments[segment_of(name)].add(name.removeprefix(segment_of(name)))
    whole = ({*ENDINGS}, {*ENDINGS, COARSE, APPROXIMATE})
    return {segment for segment, endings in segments.items() if endings not in whole}


def open_segment(folder: Path, name: str) -> DenseSegment:
    """The segment `name`, its vectors mapped into memory.

    Raises:
        IndexDamaged: a file of it is missing or is not one of its kind, or the numbers of vectors and keys differ.
    """
    import faiss

    faiss.omp_set_num_threads(1)  # for single queries two threads were slower than one
    index = _read(folder / f"{name}{ENDINGS[0]}", _read_vectors)
    keys = _read(folder / f"{name}{ENDINGS[1]}", _read_keys)
    if index.ntotal != len(keys):
        detail = f"{folder.name}/{name} holds {index.ntotal} vectors and {len(keys)} keys"
        raise IndexDamaged(path=folder.parent, detail=detail)
    coarse = folder / f"{name}{COARSE}"
    if not coarse.is_file():
        return DenseSegment(name, index, keys)
    recall = _read(folder / f"{name}{APPROXIMATE}", _read_recall)
    return DenseSegment(name, index, keys, _read(coarse, _read_vectors), recall)


def lowest_recall(folder: Path, files: Iterable[str]) -> float:
    """The lowest measured recall at 50 of the segments with these files; 1 if all are searched exactly.

    Raises:
        IndexDamaged: a file with a recall is missing or damaged.
    """
    names = (Path(file).name for file in files)
    return min((_read(folder / n, _read_recall) for n in names if n.endswith(APPROXIMATE)), default=1.0)


def _read(path: Path, read: Callable[[Path], Content]) -> Content:
    """What `read` makes of the file.

    The words of the libraries are not passed on: for a file that is no array NumPy advises to allow pickle.

    Raises:
        IndexDamaged: it is missing, or not a file of its kind.
    """
    try:
        return read(path)
    except (RuntimeError, ValueError, TypeError, KeyError, EOFError, MemoryError, FileNotFoundError) as exc:
        what = "cannot be read" if path.is_file() else "is missing"
        raise IndexDamaged(path=path.parents[1], detail=f"{path.parent.name}/{path.name} {what}") from exc


def _read_vectors(path: Path):
    import faiss

    return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)


def _read_keys(path: Path) -> NDArray[np.int64]:
    # Mapped, so that a size in its head that the file does not have takes no memory.
    keys = np.array(np.lib.format.open_memmap(path, mode="r"))
    if keys.ndim != 1 or keys.dtype != np.int64:
        raise ValueError("no array of chunk keys")
    return keys


def _read_recall(path: Path) -> float:
    return float(json.loads(path.read_text("utf-8"))["recall"])


def read_rows(segment: DenseSegment, live: KeyRanges) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """Keys (N,) and vectors (N, D) of the rows of `segment` whose keys are in `live`, as stored."""
    rows = np.flatnonzero(rows_in(segment.keys, live))
    vectors = np.empty((len(rows), segment.index.d), np.float16)
    for first in range(0, len(rows), BLOCK):
        vectors[first : first + BLOCK] = segment.index.reconstruct_batch(rows[first : first + BLOCK])
    return segment.keys[rows], vectors


def read_all_rows(
    segments: Sequence[DenseSegment], live: KeyRanges
) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """`read_rows` of one or more segments together, the keys ascending.

    Compacting and repairing move old rows to new segments, so the names of segments do not give the order of keys.
    """
    parts = [read_rows(segment, live) for segment in segments]
    parts.sort(key=lambda part: part[0][:1].tolist())
    keys = np.concatenate([keys for keys, _ in parts])
    vectors = np.concatenate([rows for _, rows in parts])
    if (keys[1:] > keys[:-1]).all():  # the usual case; to sort a million vectors would copy them once more
        return keys, vectors
    order = np.argsort(keys)
    return keys[order], vectors[order]


def search(
    segments: Sequence[DenseSegment], query: NDArray[np.float32], k: int, live: KeyRanges
) -> list[tuple[int, float]]:
    """The `k` chunks nearest to `query` (D,) by cosine, among `live`: (key, score), best first.

    Ties go to the lower key.
    """
    found: list[tuple[int, float]] = []
    for segment in segments:
        found += _search_one(segment, query, k, live)
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:k]


def scores_of(
    segments: Sequence[DenseSegment], query: NDArray[np.float32], keys: Sequence[int]
) -> dict[int, float]:
    """Cosine of `query` (D,) with each of `keys`; keys that no segment holds are left out."""
    wanted = np.array(sorted(keys), np.int64)
    scores: dict[int, float] = {}
    for segment in segments:
        rows = np.searchsorted(segment.keys, wanted)
        inside = rows < len(segment.keys)
        hits = np.flatnonzero(inside)[segment.keys[rows[inside]] == wanted[inside]]
        for position in hits:
            vector = segment.index.reconstruct(int(rows[position]))
            scores[int(wanted[position])] = float(vector @ query)
    return scores


def key_ranges(spans: Iterable[tuple[int, int]]) -> KeyRanges:
    """The chunk keys of documents as ranges (R, 2); adjacent ranges are joined.

    The keys of documents are adjacent, so the ranges of a whole index are few, however many documents it holds.

    Args:
        spans: (first key, number of chunks) of each document.
    """
    ranges = np.array(sorted((first, first + count) for first, count in spans if count), np.int64)
    ranges = ranges.reshape(-1, 2)
    begins, ends = np.ones(len(ranges), bool), np.ones(len(ranges), bool)
    begins[1:] = ends[:-1] = ranges[1:, 0] != ranges[:-1, 1]
    return np.stack([ranges[begins, 0], ranges[ends, 1]], axis=1)


def keys_of(live: KeyRanges) -> NDArray[np.int64]:
    """(N,): all keys that the ranges hold, ascending."""
    return np.concatenate([np.zeros(0, np.int64), *(np.arange(first, end) for first, end in live)])


def rows_in(keys: NDArray[np.int64], live: KeyRanges) -> NDArray[np.bool_]:
    """(N,): for each of the ascending `keys`, whether one of the ranges holds it."""
    spans = _row_spans(keys, live)
    edges = np.zeros(len(keys) + 1, np.int8)
    edges[spans[:, 0]] += 1
    edges[spans[:, 1]] -= 1
    return np.cumsum(edges[:-1], dtype=np.int8).view(bool)


def _row_spans(keys: NDArray[np.int64], live: KeyRanges) -> NDArray[np.int64]:
    """The rows of the ascending `keys` that the ranges hold, as half-open spans (R, 2) without empty ones."""
    spans = np.searchsorted(keys, live)
    return spans[spans[:, 0] < spans[:, 1]]


def _search_one(
    segment: DenseSegment, query: NDArray[np.float32], k: int, live: KeyRanges
) -> list[tuple[int, float]]:
    spans = _row_spans(segment.keys, live)
    count = int((spans[:, 1] - spans[:, 0]).sum())
    if not count:
        return []
    rows = _candidates(segment, query, k, spans, count)
    if rows is not None:
        scores = segment.index.reconstruct_batch(rows) @ query
        best = np.lexsort((rows, -scores))[:k]
        rows, scores = rows[best], scores[best]
    else:
        found = segment.index.search(query[None, :], min(k, count), params=_only(segment, live, count))
        scores, rows = (part[0] for part in found)
    return [
        (int(segment.keys[row]), float(score)) for row, score in zip(rows, scores, strict=True) if row >= 0
    ]


def _candidates(
    segment: DenseSegment, query: NDArray[np.float32], k: int, spans: NDArray[np.int64], count: int
) -> NDArray[np.int64] | None:
    """The rows of `spans` that may be the nearest `k`, by their codes; None if the exact search is to be used.

    FAISS cannot exclude rows from this search, so more are asked for, in proportion to the excluded ones. If most rows
    are excluded the exact search is quicker; if too many of the near ones are, it is needed.
    """
    total = len(segment.keys)
    wanted = max(CANDIDATES * k, LEAST_CANDIDATES)
    asked = wanted * total // count
    if segment.coarse is None or 2 * count < total or 4 * asked > total:
        return None
    rows = segment.coarse.search(query[None, :], asked)[1][0]
    at = np.maximum(np.searchsorted(spans[:, 0], rows, side="right") - 1, 0)
    rows = rows[(spans[at, 0] <= rows) & (rows < spans[at, 1])]
    return rows if 2 * len(rows) >= wanted else None


def _only(segment: DenseSegment, live: KeyRanges, count: int):
    """FAISS's parameters for a search among the `count` rows that `live` holds; None if these are all rows."""
    import faiss

    if count == len(segment.keys):
        return None
    allowed = np.packbits(rows_in(segment.keys, live), bitorder="little")
    return faiss.SearchParameters(sel=faiss.IDSelectorBitmap(allowed))
