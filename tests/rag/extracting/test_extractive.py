"""Answers without a model: sentences of the passages, word for word."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.answer import PackedPassage
from rag.evidence.citations import resolve
from rag.extracting.extract import extract, rank_sentences
from rag.prompting.prompts import ABSTENTION
from tests.support.passages import TEXT, page_three, passage


@given(
    st.text(alphabet="가나다라휴가병 .?\n①15일", max_size=40),
    st.lists(st.text(alphabet="가나다휴가병 .\n15일", min_size=1, max_size=60), max_size=4),
)
def test_an_answer_is_made_of_sentences_of_its_passages(question, texts):
    passages = [passage(number, text) for number, text in enumerate(texts, start=1)]
    answer = extract(question, passages)
    if answer == ABSTENTION:
        return
    for line in answer.split("\n"):
        words, _, marker = line.rpartition(" [")
        source = " ".join(passages[int(marker.rstrip("]")) - 1].text.split())
        assert words in source


def test_the_sentence_that_answers_is_quoted():
    answer = extract("병가는 며칠까지 쓸 수 있나요?", [passage(1)])
    resolved = resolve(answer, [passage(1)], page_three)
    assert any("60일" in citation.quote for citation in resolved.citations)
    assert all(citation.support == "supported" for citation in resolved.citations)
    assert all(citation.quote in TEXT for citation in resolved.citations)


def test_a_question_about_something_else_is_not_answered():
    assert extract("대한민국의 수도권 인구 밀도는?", [passage(1)]) == ABSTENTION


def test_without_passages_there_is_no_answer():
    assert extract("휴가는?", []) == ABSTENTION


@pytest.mark.shared
def test_the_first_sentence_holds_the_answer_more_often_than_a_plain_picker(shared):
    """A fifteen-line picker by the IDF of bigrams reaches 83 % on KorQuAD."""
    folder = shared / "data/qa/korquad1"
    corpus = {row["id"]: row for row in map(json.loads, (folder / "corpus.jsonl").open(encoding="utf-8"))}
    titles = set(json.loads((shared / "data/qa/splits.json").read_text("utf-8"))["korquad1_test_titles"])
    rows = [json.loads(line) for line in (folder / "qa.jsonl").open(encoding="utf-8")]
    rows = [row for row in rows if corpus[row["relevant"][0]["id"]]["title"] in titles][::3]
    found = 0
    for row in rows:
        source = corpus[row["relevant"][0]["id"]]
        text = source["text"]
        shown = PackedPassage(1, "d", "p", source["title"], "", 1, 1, 0, len(text), text, 1, 1.0)
        best = rank_sentences(row["question"], [shown])[0][0]
        found += any(answer in best.text for answer in row["answers"])
    assert found / len(rows) > 0.84


def test_the_names_of_the_columns_are_no_answer():
    text = "연도 | 기념품비 수정사유 | 금액\n2023년 | 오류 정정 | 89\n2024년 | 기념품비 감액 | 30\n"
    answer = extract("기념품비 수정사유는 무엇인가요?", [passage(1, text)])
    assert "2024년 | 기념품비 감액 | 30 [1]" in answer and "연도" not in answer
