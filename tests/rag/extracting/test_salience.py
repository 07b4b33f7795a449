"""The most telling sentences of a document: laws of any text, examples of the samples."""

from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.document import CELL_SEPARATOR, Chunk
from rag.extracting.priors import SourceSentence, closed, is_heading, priors, readable, source_sentences
from rag.extracting.salience import WEIGHTS, choose, cosines, rank, salient, sections, sentence_vectors

LINES = st.lists(
    st.text(alphabet="가나다함임. 1,2개월%:|□①-<>()\n억원예산은", max_size=60).map(lambda line: line + "\n"),
    max_size=30,
)


def chunk(text: str, start: int = 0, context: str = "", kind: str = "text") -> Chunk:
    return Chunk(f"d:{start}", "d", start, start + len(text), text, context, 1, 1, 1, kind)


def chunks_of(texts: list[str], origin: int = 0) -> list[Chunk]:
    found, start = [], origin
    for number, text in enumerate(texts):
        found.append(chunk(text, start, f"{number // 3 + 1}. 장"))
        start += len(text)
    return found


def sentence(text: str, context: str = "", start: int = 0) -> SourceSentence:
    return SourceSentence(text, start, start + len(text), context, "text", True)


@example(["1  |\n"], 0)
@given(LINES, st.integers(0, 500))
def test_every_sentence_is_its_span_of_the_document(texts, origin):
    chunks = chunks_of([text for text in texts if text], origin)
    whole = "".join(one.text for one in chunks)
    found = source_sentences(chunks)
    for one in found:
        assert one.text == whole[one.start - origin : one.end - origin]
        assert one.text == one.text.strip() != ""
    assert all(one.end <= other.start for one, other in pairwise(found))


@given(LINES, st.integers(-1, 12))
def test_places_ascend_and_are_no_more_than_asked_for(texts, count):
    sentences = source_sentences(chunks_of([text for text in texts if text]))
    places = salient(sentences, count, "예산")
    assert places == sorted(set(places))
    assert len(places) <= max(0, count)
    assert all(0 <= place < len(sentences) for place in places)
    assert places == salient(sentences, count, "예산")


@given(LINES)
def test_a_document_with_text_has_a_summary(texts):
    sentences = source_sentences(chunks_of([text for text in texts if text]))
    assert bool(salient(sentences, 3)) == bool(sentences)


@given(LINES, st.integers(1, 8))
def test_only_readable_sentences_are_chosen_where_there_are_any(texts, count):
    sentences = source_sentences(chunks_of([text for text in texts if text]))
    rated = {place for place, _ in priors(sentences)}
    places = salient(sentences, count)
    if rated:
        assert set(places) <= rated
        assert len(places) == min(count, len(rated))


@given(st.lists(st.text(alphabet="가나다라 1원", max_size=20), min_size=1, max_size=12))
def test_ranks_are_those_of_the_graph_written_out(texts):
    vectors = sentence_vectors(texts)
    graph = (vectors @ vectors.T).toarray()
    np.fill_diagonal(graph, 0)
    graph /= np.maximum(graph.sum(axis=0), 1e-9)
    ranks = np.ones(len(texts))
    for _ in range(40):
        ranks = 0.15 + 0.85 * (graph @ ranks)
    assert rank(vectors) == pytest.approx(ranks, abs=1e-6)


@given(st.lists(st.text(alphabet="가나다라마 3억원", max_size=20), min_size=1, max_size=12))
def test_vectors_are_of_length_one_or_empty(texts):
    vectors = sentence_vectors(texts)
    lengths = np.sqrt(vectors.multiply(vectors).sum(axis=1))
    assert all(length == pytest.approx(1) or length == 0 for length in lengths)


def test_of_equal_sentences_the_first_is_chosen_and_none_is_repeated():
    sentences = [sentence("예산은 3억원으로 확정되었다.", start=100 * number) for number in range(5)]
    assert salient(sentences, 1) == [0]
    assert len(salient(sentences, 5)) == 5


def test_what_another_says_adds_less_than_something_new():
    texts = ["매출은 3억원이다.", "매출은 3억원이다.", "직원은 20명이다."]
    vectors = sentence_vectors(texts)
    worth, parts = np.array([2.0, 1.9, 1.0]), np.zeros(3, np.int64)
    assert choose(vectors, worth, parts, 2, replace(WEIGHTS, redundancy=1.0)) == [0, 2]
    assert choose(vectors, worth, parts, 2, replace(WEIGHTS, redundancy=0.0)) == [0, 1]


def test_another_section_adds_more_than_the_same():
    vectors = sentence_vectors(["가나", "다라", "마바"])
    worth, parts = np.array([2.0, 1.5, 1.0]), np.array([0, 0, 1])
    assert choose(vectors, worth, parts, 2, WEIGHTS) == [0, 2]
    assert choose(vectors, worth, parts, 2, replace(WEIGHTS, spread=0.0)) == [0, 1]


def test_sections_are_the_uppermost_headings_that_divide_the_document():
    shallow = [sentence("가", f"제1편 > 제{number}장 > 제{number}절") for number in range(6)]
    assert sections(shallow, 10).tolist() == [0, 1, 2, 3, 4, 5]
    assert len(set(sections([sentence("가나다")] * 20, 10).tolist())) == 10


def test_a_summary_is_drawn_from_the_whole_of_a_long_document():
    texts = [f"제{number}과제의 예산은 {number}억원으로 확정되었다.\n" for number in range(1, 2_001)]
    sentences = source_sentences([chunk("".join(texts))])
    places = salient(sentences, 10)
    assert len(places) == 10
    assert max(places) - min(places) > 1_000


@pytest.mark.parametrize(
    "text",
    [
        "제3장 사업 내용",
        "Ⅱ 감사실시 결과",
        "1 감사 총평",
        "○ 관련 규격 및 자료",
        "<표 3> 연도별 실적(2024년)",
        "제 3 장 학습조직 <개정 2021.10.28.>",
        "13. 해외여행 중 입원일당(4일 이상) 특별약관 57",
        "<개정 2017.6.1.> <개정 2019.7.15.>",
        "90 95 00 05 10 15 20 90 95 00 주 1)",
        "치즈, 버터 | 치즈, 버터",
        "집기비품 | 101,358 | 13,009 | - | (44,951) | 69,416",
        "개요",
    ],
)
def test_what_says_nothing_alone_is_not_readable(text):
    assert not readable(sentence(text))


@pytest.mark.parametrize(
    "text",
    [
        "매출액은 3,010억원으로 전년보다 12.3% 늘었습니다.",
        "o 사업예산 : 110,000,000원 (부가세 포함)",
        "□ 여름 휴가철 공직기강 해이 사전 예방 및 업무 공백 방지",
        "기업당 지원금 | 10백만원 이내",
        "지적사항이 발생하지 않았음",
    ],
)
def test_what_says_something_alone_is_readable(text):
    assert readable(sentence(text))


def test_the_title_is_no_sentence_and_entries_of_contents_pages_are_none():
    assert not readable(sentence("발파공사 안전보건작업 지침이다."), "발파공사 안전보건작업 지침이다.")
    entry = SourceSentence("1. 목적은 다음과 같다. … 3", 0, 18, "", "contents", True)
    assert not readable(entry)


def test_sentences_end_in_stops_verbs_and_nouns_made_of_verbs():
    assert all(closed(text) for text in ("늘었다.", "늘었습니다", "확인됨", "나타남", "필요함", "쉬나요?"))
    assert not any(closed(text) for text in ("안전관리책임", "사업 개요", "영업팀", "다음", "지침"))


def test_headings_are_told_from_items():
    assert is_heading(sentence("2. 추진배경 및 목표"))
    assert is_heading(sentence("개인정보의 보호", "제9장 > 개인정보의 보호"))
    assert not is_heading(sentence("ㅇ 공동수급은 불허함"))


def test_the_row_that_names_the_columns_is_left_out():
    text = f"구분{CELL_SEPARATOR}지원 내용\n신뢰성 평가{CELL_SEPARATOR}기업당 10백만원\n"
    sentences = source_sentences([chunk(text)])
    assert [sentences[place].text for place in salient(sentences, 5)] == ["신뢰성 평가 | 기업당 10백만원"]


def test_annexes_count_less_than_the_document():
    body = "".join(f"{number}월의 지원 한도는 {number}억원 이내로 한다.\n" for number in range(1, 7))
    annex = "붙임서식\n" + "".join(
        f"{number}번 양식의 한도는 {number}억원 이내로 한다.\n" for number in range(1, 7)
    )
    sentences = source_sentences([chunk(body + annex)])
    limit = len(body)
    assert all(sentences[place].start < limit for place in salient(sentences, 3))


def test_weights_of_zero_leave_their_prior_out():
    names = {field.name for field in fields(WEIGHTS)}
    neutral = replace(WEIGHTS, **dict.fromkeys(names, 0.0))
    texts = ["문의는 누리집에 하시기 바랍니다.\n", "예산은 3억원으로 확정되었다.\n"]
    sentences = source_sentences([chunk("".join(texts))])
    assert salient(sentences, 1, weights=neutral) == [0]  # all alike: the first
    assert salient(sentences, 1) == [1]


def test_cosines_are_those_of_the_terms():
    vectors = sentence_vectors(["가나다라", "가나다라", "마바사아"])
    assert cosines(vectors, vectors[[0]]).tolist() == pytest.approx([1, 1, 0])


def test_the_annual_report_is_summed_up_by_its_figures(samples):
    document = samples.retriever.document("지속가능경영_연차보고서.pdf")
    chunks = samples.retriever.chunks(document)
    sentences = source_sentences(chunks)
    chosen = [sentences[place].text for place in salient(sentences, 10, document.title)]
    told = "\n".join(chosen)
    assert "3,010억원" in told
    assert "3,380억원" in told
    assert all(one in samples.retriever.text(document) for one in chosen)


def test_the_rules_of_employment_begin_with_what_they_are_for(samples):
    document = samples.retriever.document("정보보안_업무지침.pdf")
    sentences = source_sentences(samples.retriever.chunks(document))
    chosen = [sentences[place] for place in salient(sentences, 10, document.title)]
    assert "목적으로 한다" in chosen[0].text
    assert len({one.headings[0] for one in chosen if one.headings}) >= 6
