"""Vectors on disk: immutable FAISS segments, each with the chunk keys of its rows.

A segment is two files, `NAME.faiss` (fp16, inner product, exact) and `NAME.keys.npy` (int64,
ascending). Rows are never changed: what is deleted is left out of a search by the caller's ranges.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ENDINGS = (".faiss", ".keys.npy")  # of the files of a segment
# Half-open ranges of chunk keys, ascending and disjoint: what a search may return.
KeyRanges = NDArray[np.int64]  # (R, 2)


@dataclass(frozen=True, slots=True)
class DenseSegment:
    """One open segment; `keys[row]` is the chunk key of FAISS row `row`."""

    name: str
    index: object
    keys: NDArray[np.int64]


def write_segment(
    folder: Path, name: str, keys: NDArray[np.int64], vectors: NDArray[np.float32]
) -> list[str]:
    """Write a new segment of (N, D) unit `vectors`; returns its file names. Files are not synced."""
    import faiss

    index = faiss.IndexScalarQuantizer(
        vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index.train(vectors)
    index.add(np.ascontiguousarray(vectors))
    try:
        faiss.write_index(index, str(folder / f"{name}.faiss"))
    except RuntimeError as exc:  # faiss' only kind; it is the disk that refuses
        raise OSError(str(exc)) from exc
    np.save(folder / f"{name}.keys.npy", keys, allow_pickle=False)
    return [f"{name}{ending}" for ending in ENDINGS]


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
    return DenseSegment(name, index, keys)


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
    """Ascending half-open ranges of the chunk keys of documents: (first key, number of chunks) each."""
    return np.array(sorted((first, first + count) for first, count in spans), np.int64).reshape(-1, 2)


def rows_in(keys: NDArray[np.int64], live: KeyRanges) -> NDArray[np.bool_]:
    """For each of the ascending `keys`: does one of the ranges hold it?"""
    if not len(live):
        return np.zeros(len(keys), bool)
    at = np.searchsorted(live[:, 0], keys, side="right") - 1
    return (at >= 0) & (keys < live[np.maximum(at, 0), 1])


def _search_one(
    segment: DenseSegment, query: NDArray[np.float32], k: int, live: KeyRanges
) -> list[tuple[int, float]]:
    import faiss

    allowed = rows_in(segment.keys, live)
    count = int(allowed.sum())
    if not count:
        return []
    parameters = None
    if count < len(allowed):
        bitmap = np.packbits(allowed, bitorder="little")
        parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bitmap))
    scores, rows = segment.index.search(query[None, :], min(k, count), params=parameters)
    return [
        (int(segment.keys[row]), float(score))
        for score, row in zip(scores[0], rows[0], strict=True)
        if row >= 0
    ]
