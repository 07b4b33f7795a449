"""Vectors on disk: immutable FAISS segments, each with the chunk keys of its rows.

A segment is two files, `NAME.faiss` (fp16, inner product) and `NAME.keys.npy` (int64, ascending).
Rows are never changed: what is deleted is left out of a search by the caller's ranges.

Up to a million rows a segment is searched exactly: 40 ms a query for a million of 256 dimensions on
one core. A larger one is cut into lists of neighbours, of which a search looks at a few; how many is
chosen when it is written, so that it finds what the exact search finds, and that is measured and
stored in a third file, `NAME.approximate.json`.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ENDINGS = (".faiss", ".keys.npy")  # of the files of a segment
APPROXIMATE = ".approximate.json"
EXACT_ROWS = 1_000_000
# Of the 50 nearest rows, this share is to be found by looking at no more than a quarter of the lists.
RECALL, RECALL_AT, MOST_LISTS = 0.98, 50, 0.25
SAMPLES = 200  # rows that stand for queries
TRAINED_ON = 40  # rows a list
# Half-open ranges of chunk keys, ascending and disjoint: what a search may return.
KeyRanges = NDArray[np.int64]  # (R, 2)


@dataclass(frozen=True, slots=True)
class DenseSegment:
    """One open segment; `keys[row]` is the chunk key of FAISS row `row`."""

    name: str
    index: object
    keys: NDArray[np.int64]
    probes: int = 0  # lists that a search looks at; 0: it is exact
    recall: float = 1.0  # measured when it was written


def write_segment(
    folder: Path,
    name: str,
    keys: NDArray[np.int64],
    vectors: NDArray[np.float32],
    exact_rows: int = EXACT_ROWS,
) -> list[str]:
    """Write a new segment of (N, D) unit `vectors`; returns its file names. Files are not synced.

    Args:
        exact_rows: a segment of more is approximate, if enough can be found so.
    """
    import faiss

    index = faiss.IndexScalarQuantizer(
        vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index.train(vectors)
    index.add(np.ascontiguousarray(vectors))
    names = [f"{name}{ending}" for ending in ENDINGS]
    if len(vectors) > exact_rows and (lists := _in_lists(index, vectors)) is not None:
        index, probes, recall = lists
        names.append(f"{name}{APPROXIMATE}")
        found = {"probes": probes, "recall": recall, "at": RECALL_AT, "lists": index.nlist}
        (folder / names[-1]).write_text(json.dumps(found) + "\n", encoding="utf-8")
    try:
        faiss.write_index(index, str(folder / f"{name}.faiss"))
    except RuntimeError as exc:  # faiss' only kind; it is the disk that refuses
        raise OSError(str(exc)) from exc
    np.save(folder / f"{name}.keys.npy", keys, allow_pickle=False)
    return names


def _in_lists(exact, vectors: NDArray[np.float32]):
    """The same rows in lists of neighbours, how many of them to look at, and the recall that this has.

    None where too many would have to be looked at.
    """
    import faiss

    rows, dim = vectors.shape
    count = int(4 * rows**0.5)
    random = np.random.default_rng(0)
    sample = random.choice(rows, min(rows, TRAINED_ON * count), replace=False)
    index = faiss.index_factory(dim, f"IVF{count},SQfp16", faiss.METRIC_INNER_PRODUCT)
    index.by_residual = False
    index.train(np.ascontiguousarray(vectors[np.sort(sample)]))
    index.add(np.ascontiguousarray(vectors))
    queries = np.ascontiguousarray(vectors[random.choice(rows, min(rows, SAMPLES), replace=False)])
    _, wanted = exact.search(queries, RECALL_AT)
    probes = 4
    while probes <= MOST_LISTS * count:
        _, found = index.search(queries, RECALL_AT, params=faiss.SearchParametersIVF(nprobe=probes))
        recall = float(np.mean([np.isin(w, f).mean() for w, f in zip(wanted, found, strict=True)]))
        if recall >= RECALL:
            return index, probes, recall
        probes *= 2
    return None


def segment_of(file: str) -> str:
    """The name of the segment that a file is part of."""
    return Path(file).name.partition(".")[0]


def incomplete(files: Iterable[str]) -> set[str]:
    """The segments of which one file is not among `files`."""
    names = {Path(file).name for file in files}
    return {segment_of(n) for n in names if not {f"{segment_of(n)}{e}" for e in ENDINGS} <= names}


def open_segment(folder: Path, name: str) -> DenseSegment:
    """The segment `name`, its vectors mapped into memory, not read."""
    import faiss

    faiss.omp_set_num_threads(1)  # for single queries two threads were slower than one
    index = faiss.read_index(str(folder / f"{name}.faiss"), faiss.IO_FLAG_MMAP_IFC)
    keys = np.load(folder / f"{name}.keys.npy", allow_pickle=False)
    if index.ntotal != len(keys):
        raise ValueError(f"{name} holds {index.ntotal} vectors and {len(keys)} keys")
    details = folder / f"{name}{APPROXIMATE}"
    if not details.is_file():
        return DenseSegment(name, index, keys)
    index.make_direct_map()  # for reconstruct
    found = json.loads(details.read_text("utf-8"))
    return DenseSegment(name, index, keys, found["probes"], found["recall"])


def lowest_recall(folder: Path, files: Iterable[str]) -> float:
    """Of the segments with these files: the lowest measured recall at 50; 1 where all are exact."""
    stored = (Path(file).name for file in files)
    details = (
        json.loads((folder / name).read_text("utf-8")) for name in stored if name.endswith(APPROXIMATE)
    )
    return min((found["recall"] for found in details), default=1.0)


def read_rows(segment: DenseSegment, live: KeyRanges) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Keys and vectors of the rows of `segment` that `live` still holds: what a merge copies."""
    rows = np.flatnonzero(rows_in(segment.keys, live))
    vectors = segment.index.reconstruct_n(0, len(segment.keys))[rows]
    return segment.keys[rows], vectors


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
    """The chunk keys of documents, (first key, number of chunks) each, as ranges; touching ones are one.

    Documents lie side by side, so a whole index is a handful of ranges, however many it holds.
    """
    ranges = np.array(sorted((first, first + count) for first, count in spans if count), np.int64)
    ranges = ranges.reshape(-1, 2)
    begins, ends = np.ones(len(ranges), bool), np.ones(len(ranges), bool)
    begins[1:] = ends[:-1] = ranges[1:, 0] != ranges[:-1, 1]
    return np.stack([ranges[begins, 0], ranges[ends, 1]], axis=1)


def rows_in(keys: NDArray[np.int64], live: KeyRanges) -> NDArray[np.bool_]:
    """For each of the ascending `keys`: does one of the ranges hold it?"""
    spans = _row_spans(keys, live)
    edges = np.zeros(len(keys) + 1, np.int8)
    edges[spans[:, 0]] += 1
    edges[spans[:, 1]] -= 1
    return np.cumsum(edges[:-1], dtype=np.int8).view(bool)


def _row_spans(keys: NDArray[np.int64], live: KeyRanges) -> NDArray[np.int64]:
    """The rows of the ascending `keys` that the ranges hold, as half-open spans (R, 2), none empty."""
    spans = np.searchsorted(keys, live)
    return spans[spans[:, 0] < spans[:, 1]]


def _search_one(
    segment: DenseSegment, query: NDArray[np.float32], k: int, live: KeyRanges
) -> list[tuple[int, float]]:
    spans = _row_spans(segment.keys, live)
    count = int((spans[:, 1] - spans[:, 0]).sum())
    if not count:
        return []
    parameters = _parameters(segment, live, count)
    scores, rows = segment.index.search(query[None, :], min(k, count), params=parameters)
    return [
        (int(segment.keys[row]), float(score))
        for score, row in zip(scores[0], rows[0], strict=True)
        if row >= 0
    ]


def _parameters(segment: DenseSegment, live: KeyRanges, count: int):
    """How FAISS is to search: which `count` rows, and of an approximate segment how many lists.

    The fewer rows may be found, the more lists are looked at: all, where there are few.
    """
    import faiss

    selector = None
    if count < len(segment.keys):
        allowed = rows_in(segment.keys, live)
        selector = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
    if segment.probes:
        probes = min(segment.index.nlist, segment.probes * len(segment.keys) // count)
        return faiss.SearchParametersIVF(sel=selector, nprobe=probes)
    return faiss.SearchParameters(sel=selector) if selector else None
