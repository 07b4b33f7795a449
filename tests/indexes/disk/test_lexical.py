"""BM25 on disk, worked by hand, and versions that do not change one another."""

import math
from collections import Counter

import pytest

from indexes.disk.lexical import LexicalIndex, version_files, write_version

# key: (document, terms)
CHUNKS = {
    1: ("a", "개인 정보 보호 정보"),
    2: ("a", "정보 처리 목적"),
    3: ("b", "보호 위원회 구성 위원 임기"),
    4: ("b", "예산 집행"),
    5: ("c", "정보 정보 정보 공개 청구 절차 와 방법"),
}


def bm25(chunks, query: list[str], k1: float = 1.2, b: float = 0.75) -> dict[int, float]:
    """Robertson's formula with tantivy's idf, ln(1 + (N − n + 0.5) / (n + 0.5))."""
    counts = {key: Counter(terms.split()) for key, (_, terms) in chunks.items()}
    average = sum(sum(count.values()) for count in counts.values()) / len(counts)
    scores: dict[int, float] = {}
    for term in query:
        holding = [key for key, count in counts.items() if count[term]]
        idf = math.log(1 + (len(counts) - len(holding) + 0.5) / (len(holding) + 0.5))
        for key in holding:
            frequency, length = counts[key][term], sum(counts[key].values())
            gain = frequency * (k1 + 1) / (frequency + k1 * (1 - b + b * length / average))
            scores[key] = scores.get(key, 0.0) + idf * gain
    return scores


def rows(chunks):
    return [(key, document, terms) for key, (document, terms) in chunks.items()]


@pytest.fixture
def first(tmp_path):
    write_version(tmp_path / "1", None, [], rows(CHUNKS))
    return tmp_path / "1"


@pytest.mark.parametrize("query", [["정보"], ["보호", "정보"], ["예산"], ["정보", "정보", "구성"]])
def test_scores_are_bm25(first, query):
    found = LexicalIndex(first).search(Counter(query), 10, None)
    assert dict(found) == pytest.approx(bm25(CHUNKS, query), rel=1e-5)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


def test_one_score_worked_by_hand(first):
    # «예산» stands once in 1 of 5 chunks; its chunk has 2 terms, the average is 22 / 5 = 4.4.
    idf = math.log(1 + 4.5 / 1.5)
    score = idf * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 2 / 4.4))
    assert LexicalIndex(first).search(Counter(["예산"]), 10, None) == [(4, pytest.approx(score, rel=1e-5))]


def test_a_weight_multiplies_what_a_term_counts(first):
    index = LexicalIndex(first)
    whole, half = (dict(index.search({"예산": weight}, 10, None)) for weight in (1.0, 0.5))
    assert half == {key: pytest.approx(score / 2, rel=1e-5) for key, score in whole.items()}


def test_a_term_that_a_chunk_must_have_filters_and_counts_nothing(first):
    index = LexicalIndex(first)
    scores = dict(index.search({"정보": 1.0}, 10, None))
    holders = {key for key, (_, terms) in CHUNKS.items() if "보호" in terms.split()}
    found = dict(index.search({"정보": 1.0}, 10, None, having="보호"))
    assert found.keys() == holders and index.holders("보호") == len(holders)
    assert all(score == pytest.approx(scores.get(key, 0.0), rel=1e-5) for key, score in found.items())
    assert index.search({}, 10, None, having="없는말") == [] and index.holders("없는말") == 0


def test_nothing_is_found_for_nothing(first):
    index = LexicalIndex(first)
    assert index.search(Counter([]), 10, None) == [] == index.search(Counter(["없는말"]), 10, None)
    assert index.search(Counter(["정보"]), 10, []) == []


def test_a_filter_acts_before_the_top_k_and_leaves_the_scores(tmp_path):
    many = {key: (f"d{key % 7}", f"정보 {'보호 ' * (key % 5)}") for key in range(1, 200)}
    write_version(tmp_path / "1", None, [], rows(many))
    index = LexicalIndex(tmp_path / "1")
    allowed = {key for key, (document, _) in many.items() if document == "d3"}
    found = index.search(Counter(["정보", "보호"]), 10, ["d3"])
    everything = dict(index.search(Counter(["정보", "보호"]), 500, None))
    assert len(found) == 10 and {key for key, _ in found} <= allowed
    best = sorted(allowed, key=lambda key: -everything[key])[:10]
    assert [score for _, score in found] == pytest.approx([everything[key] for key in best], rel=1e-5)


def test_a_new_version_counts_over_the_whole_and_the_old_one_still_answers(first, tmp_path):
    old = LexicalIndex(first)
    before = old.search(Counter(["정보"]), 10, None)
    more = {6: ("d", "정보 보호 인증"), 7: ("d", "인증 기준")}
    write_version(tmp_path / "2", first, ["b"], rows(more))
    now = {key: row for key, row in (CHUNKS | more).items() if row[0] != "b"}
    found = LexicalIndex(tmp_path / "2").search(Counter(["정보"]), 10, None)
    assert [key for key, _ in found] == sorted(bm25(now, ["정보"]), key=lambda key: -bm25(now, ["정보"])[key])
    assert LexicalIndex(tmp_path / "2").search(Counter(["예산"]), 10, None) == []
    assert (
        old.search(Counter(["정보"]), 10, None)
        == before
        == LexicalIndex(first).search(Counter(["정보"]), 10, None)
    )
    assert LexicalIndex(first).search(Counter(["예산"]), 10, None)


def test_a_version_costs_what_is_new(first, tmp_path):
    write_version(tmp_path / "2", first, [], [(8, "e", "새 문서")])
    shared = set(version_files(first)) & set(version_files(tmp_path / "2"))
    kept = [name for name in shared if (first / name).samefile(tmp_path / "2" / name)]
    assert len(kept) >= 5  # all the finished segment's files


def test_a_folder_without_an_index_is_not_made_one(tmp_path):
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(ValueError, match=r"DoesNotExist|FileDoesNotExist"):
            LexicalIndex(folder)
    assert not list(tmp_path.iterdir())
