"""Windows tile the blocks, fit, keep chapters whole, and are few."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.summarising.division import Headings, shared, windows


@st.composite
def documents(draw) -> tuple[list[Headings], list[int], int, int]:
    """(headings, tokens) of the blocks of a document, and the most tokens and blocks that a window holds."""
    headings: list[Headings] = []
    for chapter in range(draw(st.integers(1, 6))):
        for section in range(draw(st.integers(0, 4))):
            above = draw(st.sampled_from([(), ("보고서",)])), (f"제{chapter}장",), (f"제{section}절",)
            path = sum(above[: draw(st.integers(0, 3))], ())
            headings += [path] * draw(st.integers(1, 5))
    headings = headings or [()]
    tokens = draw(st.lists(st.integers(1, 100), min_size=len(headings), max_size=len(headings)))
    return headings, tokens, draw(st.integers(100, 400)), draw(st.sampled_from([3, 7, 999]))


@given(documents())
def test_windows_tile_the_blocks_and_fit(document):
    headings, tokens, room, most = document
    found = windows(headings, tokens, room, most)
    assert [block for window in found for block in window] == list(range(len(tokens)))
    assert all(sum(tokens[block] for block in window) <= room for window in found)
    assert all(0 < len(window) <= most for window in found)


@given(documents())
def test_no_two_neighbours_would_fit_into_one(document):
    headings, tokens, room, most = document
    found = windows(headings, tokens, room, most)
    for one, other in pairwise(found):
        both = range(one.start, other.stop)
        assert sum(tokens[block] for block in both) > room or len(both) > most
    assert len(found) <= 2 * (sum(tokens) / room + len(tokens) / most) + 1


@given(documents())
def test_a_part_that_fits_is_never_cut(document):
    headings, tokens, room, most = document
    cuts = {window.start for window in windows(headings, tokens, room, most)}
    for depth in range(1, 4):
        start = 0
        while start < len(headings):
            part = headings[start][:depth]
            stop = start
            while stop < len(headings) and headings[stop][:depth] == part:
                stop += 1
            if sum(tokens[start:stop]) <= room and stop - start <= most:
                assert not cuts & set(range(start + 1, stop))
            start = stop


def chapters(*sizes: int) -> tuple[list[Headings], list[int]]:
    """A chapter for each of `sizes`, with that many blocks of 10 tokens, each in a section of its own."""
    headings = [
        ("보고서", f"제{number}장", f"제{block}절")
        for number, size in enumerate(sizes)
        for block in range(size)
    ]
    return headings, [10] * len(headings)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((3, 4), [7]),  # all of it fits
        ((6, 6, 6), [6, 6, 6]),  # whole chapters, though two windows would do
        ((3, 3, 3, 8), [9, 8]),  # small ones share
        ((6, 3, 6), [9, 6]),
        ((20,), [10, 10]),
        ((14, 5), [9, 10]),  # a third window for a rest of four would be too much
        ((14, 9), [7, 7, 9]),  # there is none to share with: two of like length
    ],
)
def test_chapters_share_a_window_and_are_kept_whole(sizes, expected):
    assert [len(window) for window in windows(*chapters(*sizes), room=100)] == expected


def test_without_headings_windows_are_full_or_alike():
    found = windows([()] * 1000, [10] * 1000, room=1000)
    assert [len(window) for window in found] == [100] * 10
    assert [len(window) for window in windows([()] * 1001, [10] * 1001, room=1000)] == [91] * 11


def test_a_block_larger_than_a_window_is_refused():
    with pytest.raises(ValueError, match="101"):
        windows([()], [101], room=100)


def test_there_is_nothing_in_nothing():
    assert windows([], [], room=100) == []


def test_what_headings_share():
    assert shared(("가", "나", "다"), ("가", "나"), ("가", "나", "라")) == 2
    assert shared(("가",), ()) == 0
