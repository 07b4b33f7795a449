"""Two rankings into one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.search.fusion import fuse_scores

KEYS = st.integers(1, 30)
LEXICAL = st.dictionaries(KEYS, st.floats(0.01, 40))
DENSE = st.dictionaries(KEYS, st.floats(-1, 1))


def test_a_worked_example():
    fused = fuse_scores({1: 8.0, 2: 4.0}, {2: 0.5, 3: 0.75, 1: -0.2}, 0.4)
    assert fused == [(1, 1.0), (2, pytest.approx(0.7)), (3, pytest.approx(0.3))]


def test_ties_go_to_the_lower_key():
    assert [key for key, _ in fuse_scores({9: 1.0, 4: 1.0}, {}, 0.4)] == [4, 9]


@given(LEXICAL, DENSE, st.floats(0, 3))
def test_every_key_comes_once_best_first(lexical, dense, weight):
    fused = fuse_scores(lexical, dense, weight)
    assert sorted(key for key, _ in fused) == sorted(lexical.keys() | dense.keys())
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)


@given(LEXICAL, DENSE)
def test_without_weight_the_lexical_order_stays(lexical, dense):
    order = [key for key, _ in fuse_scores(lexical, dense, 0) if key in lexical]
    assert [lexical[key] for key in order] == pytest.approx(sorted(lexical.values(), reverse=True))


@given(LEXICAL, DENSE, st.floats(0.1, 2))
def test_the_scale_of_bm25_changes_nothing(lexical, dense, factor):
    scaled = {key: factor * score for key, score in lexical.items()}
    one, other = dict(fuse_scores(lexical, dense, 0.4)), dict(fuse_scores(scaled, dense, 0.4))
    assert one == pytest.approx(other)


def test_nothing_fuses_to_nothing_and_a_negative_weight_is_refused():
    assert fuse_scores({}, {}, 0.4) == []
    with pytest.raises(ValueError, match="dense_weight"):
        fuse_scores({}, {}, -0.1)
