"""The reranker orders the head of a ranking within its time, and a guard notices if that makes rankings worse."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.errors import ModelUnavailable, NoReranker
from indexes.models.reranker import (
    SLICE,
    CrossEncoderReranker,
    RerankConfig,
    ndcg,
    open_reranker,
    rerank,
    reranking_helps,
)
from indexes.types import Passage
from ingest.document import Chunk
from rag import Pipeline
from rag.config import load_config
from tests.support.fakes import WordReranker
from tests.support.small_models import make_cross_encoder, make_tokenizer

WORDS = ["연차", "휴가", "병가", "매출액"]


@dataclass(frozen=True)
class Question:
    text: str
    gold: frozenset[int]


class Slow(WordReranker):
    """Takes 50 ms for each call, by its own clock."""

    now = 0.0

    def score(self, pairs):
        self.now += 0.05
        return super().score(pairs)


def ranking(texts: list[str]) -> list[Passage]:
    """Passages of `texts`, with falling scores."""
    return [
        Passage(Chunk(f"d:{n}", "d", n, n + 1, text, "", 1, 1, 1, "text"), 1 - n / 1000, n + 1)
        for n, text in enumerate(texts)
    ]


def text_of(passage: Passage) -> str:
    return passage.chunk.text


@given(
    st.lists(st.lists(st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join), max_size=70), max_size=3),
    st.integers(1, 60),
)
def test_the_head_is_in_order_of_score_ties_as_they_were_and_the_rest_follows(texts, k):
    rankings = [ranking(row) for row in texts]
    queries = ["연차 휴가 병가"] * len(rankings)
    config = RerankConfig(k=k, timeout_seconds=1000)
    results = rerank(WordReranker(), queries, rankings, text_of, config)
    for before, result in zip(rankings, results, strict=True):
        after = result.passages
        assert result.scored == min(k, len(before))
        scores = dict(
            zip(
                [p.chunk.id for p in before],
                WordReranker().score([(queries[0], p.chunk.text) for p in before]).tolist(),
                strict=True,
            )
        )
        expected = sorted(before[:k], key=lambda p: -scores[p.chunk.id]) + before[k:]
        assert [p.chunk.id for p in after] == [p.chunk.id for p in expected]
        assert [p.rank for p in after] == list(range(1, len(before) + 1))
        assert all(a.score >= b.score for a, b in pairwise(after))


def test_when_the_time_is_up_the_rest_keep_their_order_behind_those_that_were_scored():
    texts = ["매출액"] * (SLICE - 1) + ["연차"] + ["연차 휴가"] * 3 * SLICE
    slow = Slow()
    (result,) = rerank(
        slow,
        ["연차 휴가"],
        [ranking(texts)],
        text_of,
        RerankConfig(k=60, timeout_seconds=0.04),
        lambda: slow.now,
    )
    assert result.scored == SLICE == len(slow.given[0]) and len(slow.given) == 1
    ids = [passage.chunk.id for passage in result.passages]
    assert ids == [f"d:{SLICE - 1}", *(f"d:{n}" for n in range(len(texts)) if n != SLICE - 1)]


def test_a_slice_holds_passages_of_all_queries():
    fake = WordReranker()
    rerank(fake, WORDS, [ranking(WORDS * 5)] * 4, text_of, RerankConfig(k=20))
    assert [len(pairs) for pairs in fake.given] == [4 * SLICE, 4 * (20 - SLICE)]
    assert {query for query, _ in fake.given[0]} == set(WORDS)


# a real cross-encoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_cross_encoder(tmp_path_factory.mktemp("cross"))


def test_scores_are_those_of_the_library_whatever_the_batches(folder):
    from sentence_transformers import CrossEncoder

    pairs = [("연차 휴가", "병가 " * length) for length in (30, 1, 12, 5)] + [("매출액", "")]
    expected = CrossEncoder(str(folder), device="cpu").predict(pairs)
    for batch_tokens in (1, 60, 16_384):
        ours = CrossEncoderReranker(str(folder), RerankConfig(batch_tokens=batch_tokens))
        np.testing.assert_allclose(ours.score(pairs), expected, atol=1e-5)
    assert ours.score([]).shape == (0,) and ours.max_tokens == 128
    half = CrossEncoderReranker(str(folder), RerankConfig(dtype="float16"))
    np.testing.assert_allclose(half.score(pairs), expected, atol=0.01)


def test_of_a_text_that_is_too_long_the_best_part_counts(folder):
    ours, tokenizer = CrossEncoderReranker(str(folder)), make_tokenizer()
    text = "매출액 " * 90 + "병가 " * 90
    middle = text.find(" ", len(text) // 2)
    halves = [("휴가", text[:middle]), ("휴가", text[middle:])]
    assert all(len(tokenizer(*half)["input_ids"]) <= 128 for half in halves)
    assert len(tokenizer("휴가", text)["input_ids"]) > 128
    scores = ours.score([halves[0], ("휴가", text), halves[1]])
    assert scores[0] != scores[2] and scores[1] == pytest.approx(max(scores[0], scores[2]), abs=1e-6)
    assert np.isfinite(ours.score([("휴가 " * 300, text)])).all()  # ends, though no part fits


def test_what_is_no_reranker_is_refused(tmp_path, folder):
    with pytest.raises(NoReranker, match="3"):
        CrossEncoderReranker(str(make_cross_encoder(tmp_path / "labels", labels=3)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelUnavailable) as caught:
        open_reranker(str(tmp_path / "empty"), RerankConfig())
    assert "models.reranker" in caught.value.say("ko")
    assert open_reranker("", RerankConfig()) is None


# the guard


def judged(count: int = 20) -> tuple[list[Question], list[list[tuple[int, str]]]]:
    """Questions, and for each a ranking of six in which the answer stands third."""
    questions = [Question("연차 휴가", frozenset({10 * n + 2})) for n in range(count)]
    texts = ["매출액", "연차", "연차 휴가", "병가", "휴가", "매출액"]
    return questions, [[(10 * n + at, text) for at, text in enumerate(texts)] for n in range(count)]


def test_a_reranker_that_helps_stays_and_one_that_reverses_is_noticed():
    questions, found = judged()
    good = reranking_helps(WordReranker(), questions, lambda queries: found)
    assert (good.before, good.after, good.helps, good.questions) == (0.5, 1.0, True, 20)
    bad = reranking_helps(WordReranker(-1), questions, lambda queries: found)
    assert bad.after == pytest.approx(1 / np.log2(7)) and not bad.helps
    assert reranking_helps(WordReranker(-1), [], lambda queries: []).helps


def test_a_loss_that_chance_explains_does_not_turn_it_off():
    questions, found = judged(10)
    # Nine questions stay as they are, one loses its answer: within the standard error of ten.
    same = [[(key, "연차") for key, _ in row] for row in found[:9]]
    result = reranking_helps(WordReranker(-1), questions, lambda queries: [*same, found[9]])
    assert result.after < result.before and result.helps


def test_only_the_first_k_are_judged():
    questions, found = judged(1)
    fake = WordReranker()
    assert reranking_helps(fake, questions, lambda queries: found, k=2).after == 0
    assert [len(pairs) for pairs in fake.given] == [2]


def test_ndcg_of_worked_rankings():
    assert ndcg([1, 2, 3], frozenset({1})) == 1
    assert ndcg([1, 2, 3], frozenset({2})) == pytest.approx(1 / np.log2(3))
    assert ndcg([1, 2, 3], frozenset({3, 1})) == pytest.approx((1 + 0.5) / (1 + 1 / np.log2(3)))
    assert ndcg([1], frozenset()) == ndcg([], frozenset({1})) == 0
    assert ndcg(list(range(20)), frozenset({15})) == 0


# in the pipeline


def test_a_pipeline_with_a_reranker_finds_the_same_passages_in_its_order(sample_index, folder):
    config = load_config(None, [f"models.reranker={folder}", "rerank.k=20", "rerank.timeout_seconds=600"])
    with Pipeline.open(sample_index) as plain, Pipeline.open(sample_index, config) as reranked:
        query = "연차휴가는 며칠인가요?"
        before, after = plain.search(query, 20), reranked.search(query, 20)
        assert {p.chunk.id for p in before} == {p.chunk.id for p in after}
        assert [p.chunk.id for p in before] != [p.chunk.id for p in after]
        assert [p.chunk.id for p in reranked.search(query, 5)] == [p.chunk.id for p in after[:5]]
        assert not reranked.ask(query).warnings


def test_an_answer_says_that_the_time_was_too_short(sample_index, folder):
    config = load_config(None, [f"models.reranker={folder}", "rerank.timeout_seconds=0.000001"])
    with Pipeline.open(sample_index, config) as pipeline:
        found = pipeline.search("연차휴가는 며칠인가요?", 5)
        assert len(found.passages) == 5 and "50개 가운데 앞의 0개" in found.warnings[0].ko
        assert found.warnings[0] in pipeline.ask("연차휴가는 며칠인가요?").warnings
