"""Nobody finds what they may not see, and top-k is filled from what they may."""

from tests.leaks import run


def test_random_callers_find_what_they_may_see_and_nothing_else():
    counts, wrong = run(7, 800)
    assert wrong == []
    assert min(counts[mode] for mode in ("lexical", "dense", "hybrid")) > 200 and counts["of a few"] > 50
