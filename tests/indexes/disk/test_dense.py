"""FAISS segments against numpy, which is slow and plain."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.disk import dense
from indexes.errors import IndexDamaged

ALL = np.array([[0, 1 << 40]], np.int64)


def unit_rows(seed: int, count: int, dim: int = 16) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def write(folder: Path, sizes, seed: int = 0):
    """(keys, vectors as stored) of what is written: segments of these `sizes` with ascending keys."""
    segments, keys, rows, first = [], [], [], 10
    for number, size in enumerate(sizes):
        own = np.arange(first, first + 3 * size, 3, dtype=np.int64)
        vectors = unit_rows(seed + number, size)
        dense.write_segment(folder, f"{number:08d}", own, vectors)
        segments.append(dense.open_segment(folder, f"{number:08d}"))
        keys.append(own)
        rows.append(vectors.astype(np.float16).astype(np.float32))
        first = int(own[-1]) + 1
    return segments, np.concatenate(keys), np.concatenate(rows)


def slow_search(keys, rows, query, k, live):
    allowed = [any(start <= key < end for start, end in live) for key in keys]
    scored = [(int(key), float(row @ query)) for key, row, ok in zip(keys, rows, allowed, strict=True) if ok]
    return sorted(scored, key=lambda pair: (-pair[1], pair[0]))[:k]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("live", [ALL, np.array([[11, 40], [100, 160], [161, 161], [300, 301]], np.int64)])
def test_a_search_finds_what_numpy_finds(tmp_path, seed, live):
    segments, keys, rows = write(tmp_path, [60, 25, 1, 40], seed)
    query = unit_rows(100 + seed, 1)[0]
    for k in (1, 7, 500):
        found, wanted = dense.search(segments, query, k, live), slow_search(keys, rows, query, k, live)
        assert [key for key, _ in found] == [key for key, _ in wanted]
        assert [score for _, score in found] == pytest.approx([score for _, score in wanted], abs=1e-5)


def test_ties_go_to_the_lower_key(tmp_path):
    vectors = np.repeat(unit_rows(1, 1), 40, axis=0)
    dense.write_segment(tmp_path, "a", np.arange(40), vectors)
    dense.write_segment(tmp_path, "b", np.arange(40, 80), vectors)
    segments = [dense.open_segment(tmp_path, name) for name in "ba"]
    assert [key for key, _ in dense.search(segments, vectors[0], 7, ALL)] == list(range(7))


def test_nothing_allowed_finds_nothing(tmp_path):
    segments, _, rows = write(tmp_path, [5])
    assert dense.search(segments, rows[0], 3, np.empty((0, 2), np.int64)) == []
    assert dense.search([], rows[0], 3, ALL) == []


@pytest.mark.parametrize("keys", [[1, 3, 2], [1, 2, 2]])
def test_a_segment_whose_keys_do_not_ascend_is_not_written(tmp_path, keys):
    with pytest.raises(ValueError, match="ascend"):
        dense.write_segment(tmp_path, "a", np.array(keys), unit_rows(1, 3))
    assert not list(tmp_path.iterdir())


def test_scores_of_keys_are_their_cosines_and_unknown_keys_are_left_out(tmp_path):
    segments, keys, rows = write(tmp_path, [10, 10])
    wanted = [int(keys[0]), int(keys[7]), int(keys[15]), 11, 1_000_000]
    scores = dense.scores_of(segments, rows[3], wanted)
    assert scores == pytest.approx({int(keys[i]): float(rows[i] @ rows[3]) for i in (0, 7, 15)}, abs=1e-5)


def test_reading_rows_leaves_out_the_dead_ones(tmp_path):
    (segment,), keys, rows = write(tmp_path, [10])
    kept, vectors = dense.read_rows(segment, np.array([[keys[2], keys[5]]]))
    assert kept.tolist() == keys[2:5].tolist()
    np.testing.assert_array_equal(vectors, rows[2:5])


def test_a_segment_whose_files_disagree_is_refused(tmp_path):
    write(tmp_path, [10])
    np.save(tmp_path / "00000000.keys.npy", np.arange(9))
    with pytest.raises(IndexDamaged, match="10 vectors and 9 keys"):
        dense.open_segment(tmp_path, "00000000")


@pytest.mark.parametrize("ending", dense.ENDINGS)
@pytest.mark.parametrize("garbage", [b"", b"PK\x03\x04", b"garbage " * 40, "truncated"])
def test_a_file_that_is_no_part_of_a_segment_is_refused_without_a_library_s_advice(tmp_path, ending, garbage):
    write(tmp_path, [10])
    path = tmp_path / f"00000000{ending}"
    path.write_bytes(path.read_bytes()[:-40] if garbage == "truncated" else garbage)
    with pytest.raises(IndexDamaged) as refused:
        dense.open_segment(tmp_path, "00000000")
    detail = f"{tmp_path.name}/00000000{ending} cannot be read"
    assert refused.value.fields == {"path": tmp_path.parent, "detail": detail}


def test_an_array_of_objects_is_not_opened(tmp_path):
    write(tmp_path, [10])
    np.save(tmp_path / "00000000.keys.npy", np.array([{}] * 10), allow_pickle=True)
    with pytest.raises(IndexDamaged):
        dense.open_segment(tmp_path, "00000000")


def test_a_segment_has_exactly_its_files():
    whole = [f"dense/1{ending}" for ending in dense.ENDINGS]
    codes = [f"dense/1{dense.COARSE}", f"dense/1{dense.APPROXIMATE}"]
    assert dense.malformed(whole) == dense.malformed(whole + codes) == set()
    for files in (whole[:1], whole + codes[:1], [*whole, "dense/1.other"], ["dense/1.a.faiss", whole[1]]):
        assert dense.malformed(files) == {"1"}


def test_a_full_disk_is_an_error_of_the_operating_system(tmp_path):
    program = (
        "import resource, signal, sys, numpy as np; from pathlib import Path; from indexes.disk import dense\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: dense.write_segment(Path(sys.argv[1]), 'a', np.arange(5000), np.ones((5000, 64), np.float32))\n"
        "except OSError: print('refused')\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "refused\n"


def clustered(rows: int, seed: int = 3) -> np.ndarray:
    """(rows, D): unit rows around sixty centres, like texts on sixty subjects."""
    random = np.random.default_rng(seed)
    found = unit_rows(seed, 60)[random.integers(0, 60, rows)] + 0.15 * random.standard_normal((rows, 16))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def test_a_large_segment_is_approximate_and_its_recall_is_measured(tmp_path):
    rows, keys = clustered(20_050), np.arange(0, 60_000, 3)
    vectors, queries = rows[:20_000], rows[20_000:]
    names = dense.write_segment(tmp_path, "a", keys, vectors, exact_rows=5000)
    assert names == ["a.faiss", "a.coarse", "a.keys.npy", "a.approximate.json"]
    segment = dense.open_segment(tmp_path, "a")
    assert segment.recall >= dense.RECALL
    exact = replace(segment, coarse=None)
    hits = 0
    for query in queries:
        wanted, found = (dict(dense.search([those], query, 50, ALL)) for those in (exact, segment))
        both = wanted.keys() & found.keys()
        assert [found[key] for key in both] == pytest.approx([wanted[key] for key in both], abs=1e-5)
        hits += len(both)
    assert hits / 2500 > dense.RECALL  # other queries than those it was measured with


@pytest.mark.parametrize(
    "live",
    [
        np.array([[30, 60], [9000, 9030]], np.int64),  # a few rows
        np.array([[0, 20_000]], np.int64),  # a third
        np.array([[0, 29_999], [30_005, 59_000]], np.int64),  # almost all
    ],
)
def test_an_approximate_segment_obeys_ranges(tmp_path, live):
    vectors, keys = clustered(20_000), np.arange(0, 60_000, 3)
    dense.write_segment(tmp_path, "a", keys, vectors, exact_rows=5000)
    segment = dense.open_segment(tmp_path, "a")
    for query in clustered(5, seed=5):
        wanted = dict(slow_search(keys, vectors, query, 20, live))
        found = dict(dense.search([segment], query, 20, live))
        assert len(found) == len(wanted) and len(found.keys() & wanted.keys()) >= 19  # fp16 may swap the last
        assert all(any(a <= key < b for a, b in live) for key in found)


def test_a_range_without_the_near_rows_is_searched_exactly(tmp_path):
    keys = np.arange(20_000)
    query = clustered(1, seed=5)[0]
    vectors = clustered(20_000)
    vectors = vectors[np.argsort(-(vectors @ query))]  # the nearest first
    dense.write_segment(tmp_path, "a", keys, vectors, exact_rows=5000)
    segment, live = dense.open_segment(tmp_path, "a"), np.array([[6_000, 20_000]], np.int64)
    found = dense.search([segment], query, 20, live)
    assert found == dense.search([replace(segment, coarse=None)], query, 20, live) and len(found) == 20


def test_an_approximate_segment_gives_its_rows_back(tmp_path):
    vectors, keys = clustered(6000), np.arange(0, 18_000, 3)
    dense.write_segment(tmp_path, "a", keys, vectors, exact_rows=5000)
    segment = dense.open_segment(tmp_path, "a")
    scores = dense.scores_of([segment], vectors[7], [3, 17_997])
    assert scores == pytest.approx(
        {3: float(vectors[1] @ vectors[7]), 17_997: float(vectors[-1] @ vectors[7])}, abs=2e-3
    )
    kept, rows = dense.read_rows(segment, np.array([[0, 10]], np.int64))
    assert kept.tolist() == [0, 3, 6, 9] and np.allclose(rows, vectors[:4], atol=2e-3)


def test_rows_that_codes_cannot_tell_apart_stay_exact(tmp_path):
    alike = unit_rows(1, 1, 64) + 0.001 * unit_rows(2, 6000, 64)
    names = dense.write_segment(tmp_path, "a", np.arange(6000), alike, exact_rows=1000)
    assert names == ["a.faiss", "a.keys.npy"]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=12),
    st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_ranges_hold_the_keys_of_their_documents_and_do_not_touch(gaps_and_counts, chosen):
    spans, first = [], 0
    for gap, count in gaps_and_counts:
        spans.append((first + gap, count))
        first += gap + count
    spans = [span for span, own in zip(spans, chosen, strict=False) if own]
    live = dense.key_ranges(spans)
    assert (live[:, 0] < live[:, 1]).all() and (live[1:, 0] > live[:-1, 1]).all()
    wanted = {key for start, count in spans for key in range(start, start + count)}
    assert {key for start, end in live.tolist() for key in range(start, end)} == wanted
    for keys in (np.arange(first + 2), np.arange(0, first + 2, 3)):
        assert dense.rows_in(keys, live).tolist() == [key in wanted for key in keys.tolist()]
