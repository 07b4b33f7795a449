"""Markers resolve to the very words of the document, or are dropped and counted."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.types import Place
from rag.evidence.citations import columns_of, resolve
from rag.evidence.support import best_span, missing_quantities, numbers, quantities, verdict
from rag.extracting.extract import extract
from rag.prompting.prompts import passage_block
from tests.support.passages import OFFSET, TEXT, page_three, passage

pieces = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "15일의 휴가를 준다.",
                " ",
                "\n",
                "[1]",
                "[2]",
                "[99]",
                "[1][2]",
                "[1, 3]",
                "[",
                "]",
                "［1］",
                "병가는 60일이다. ",
            ]
        ),
        st.text(alphabet="가나다 .[]0123,", max_size=10),
    ),
    max_size=12,
).map("".join)


@given(pieces)
def test_every_citation_is_exact_and_was_shown(generated):
    resolved = resolve(generated, [passage(1), passage(2)], page_three)
    document = "." * OFFSET + TEXT
    for citation in resolved.citations:
        assert citation.marker in (1, 2)
        assert citation.quote == document[citation.start : citation.end]
        assert citation.quote == citation.quote.strip() != ""
    for number, sentence in enumerate(resolved.sentences):
        assert sentence.text == resolved.text[sentence.start : sentence.end]
        cited = {c.marker for c in resolved.citations if c.sentence == number}
        assert cited == set(sentence.markers)
        assert (sentence.support == "uncited") == (not sentence.markers)


@pytest.mark.parametrize(
    ("generated", "markers"),
    [
        ("휴가는 15일이다[1].", [(1,)]),
        ("휴가는 15일이다. [1]", [(1,)]),
        ("휴가는 15일이다. [1] 병가는 60일이다. [2]", [(1,), (2,)]),
        ("휴가는 15일이다. [1][2]\n병가는 60일이다[2].", [(1, 2), (2,)]),
        ("휴가는 15일이다 [1, 2].", [(1, 2)]),
        ("휴가는 15일이고[1] 병가는 60일이다[2].", [(1, 2)]),
        ("휴가는 15일이다.", [()]),
        ("휴가는 15일이다.[1][2] 병가는 60일이다.[2]", [(1, 2), (2,)]),
    ],
)
def test_markers_belong_to_the_sentence_they_follow(generated, markers):
    resolved = resolve(generated, [passage(1), passage(2)], page_three)
    assert [sentence.markers for sentence in resolved.sentences] == markers


def test_unknown_markers_are_dropped_and_counted():
    resolved = resolve("휴가는 15일이다. [7][1] 병가도 있다. [8]", [passage(1)], page_three)
    assert resolved.dropped == 2
    assert resolved.text == "휴가는 15일이다. [1] 병가도 있다."


def test_the_quote_is_the_sentence_that_supports_the_claim():
    (citation,) = resolve("병가는 60일까지입니다. [1]", [passage(1)], page_three).citations
    assert citation.quote == "제35조(병가) 병가는 연 60일 이내로 한다."
    assert citation.support == "supported"


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("80퍼센트 이상 출근한 사원에게 15일의 휴가를 준다.", "supported"),
        ("80퍼센트 이상 출근한 사원에게 25일의 휴가를 준다.", "unsupported"),
        ("80퍼센트 이상 출근한 사원에게 15년의 휴가를 준다.", "unsupported"),
        ("80퍼센트 이하 출근한 사원에게 15일의 휴가를 준다.", "partial"),
        ("80퍼센트 이상 출근한 사원에게 15일의 휴가를 주지 않는다.", "partial"),
        ("회장은 주주총회에서 선출한다.", "unsupported"),
    ],
)
def test_the_verdict_looks_at_words_numbers_and_negation(claim, expected):
    start, end = best_span(claim, TEXT)
    assert verdict(claim, TEXT[start:end]) == expected


def test_numbers_are_compared_as_numbers():
    assert numbers("1,234억원과 12.50%") == {"1234", "12.5"}
    assert not numbers("12") <= numbers("12.5")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("20일", "20년"),
        ("30일 이내", "30분 이내"),
        ("500만원", "500원"),
        ("12억원", "12조원"),
        ("△5%", "5%"),
        ("3월", "3일"),
    ],
)
def test_quantities_differ_by_unit_and_sign(one, other):
    assert quantities(one) != quantities(other)


@pytest.mark.parametrize(
    ("one", "other"), [("1,234억원", "1234 억원"), ("5 %", "5퍼센트"), ("3.10%", "3.1%")]
)
def test_one_quantity_may_be_written_in_several_ways(one, other):
    assert quantities(one) == quantities(other)


@pytest.mark.parametrize(
    ("claim", "quote", "expected"),
    [
        ("입찰 마감은 2025년 3월 31일이다.", "입찰 마감 : 2025. 3. 31.(월) 14:00", "supported"),
        ("입찰 마감은 2025. 3. 31.이다.", "입찰 마감 : ’25.3.31.", "supported"),
        ("입찰 마감은 3월 31일이다.", "입찰 마감 : 2025. 3. 31.(월) 14:00", "supported"),
        ("입찰 마감은 2025년 3월이다.", "입찰 마감 : 2025-03-31", "supported"),
        ("입찰 마감은 31일 뒤이다.", "입찰 마감 : 2025-03-31", "unsupported"),
        ("입찰 마감은 2025년 3월 30일이다.", "입찰 마감 : 2025. 3. 31.(월) 14:00", "unsupported"),
        ("입찰 마감은 2025. 3. 31.이다.", "입찰 마감 : 2025년 3월", "unsupported"),
        ("2024년 3분기 매출이 늘었다.", "’24.3Q 매출이 늘었다.", "supported"),
        ("사업 예산은 1억 1,000만원이다.", "사업 예산 : 110,000,000원", "supported"),
        ("사업 예산은 110백만원이다.", "사업 예산 : 110,000천원", "supported"),
        ("사업 예산은 1.1억이다.", "사업 예산 : 110,000,000원", "supported"),
        ("사업 예산은 1억 1,100만원이다.", "사업 예산 : 110,000,000원", "unsupported"),
        ("사업 예산은 1억 1,000만원이다.", "사업 예산 : 110,000,000달러", "unsupported"),
        ("영업이익은 △3억원이다.", "영업이익은 300,000,000원이다.", "unsupported"),
        ("관람객은 5만명이다.", "관람객은 50,000명이다.", "supported"),
        ("매출액은 2,680억원이다.", "매출액 | 268,000 | 백만원", "supported"),
        ("매출액은 2,690억원이다.", "매출액 | 268,000 | 백만원", "unsupported"),
        ("회의는 2025년 3월 7일에 개최되었다.", "회의는 ’25.3.7 개최되었다.", "supported"),
        ("점검은 2025년 3월 7일-5월 8일이다.", "점검은 ’25.3.7.~5.8.이다.", "supported"),
        ("계약은 2024년 5월 9일에 끝난다.", "계약은 2024.3.7.에 시작하여 2025.5.9.에 끝난다.", "unsupported"),
        ("2024년 1분기 매출은 5억원이다.", "2024년 3월 매출은 5억원이다.", "unsupported"),
        ("2024년 매출은 5억원이다.", "’24.3Q 매출은 5억원이다.", "supported"),
        ("대상은 2천 가구이다.", "대상은 2000년 가구이다.", "unsupported"),
        ("조회 예산은 3억원이다.", "조회 예산은 3억 건이다.", "unsupported"),
    ],
)
def test_a_day_or_an_amount_may_be_told_in_another_form(claim, quote, expected):
    assert verdict(claim, quote) == expected


@pytest.mark.parametrize(
    ("claim", "other", "quote"),
    [
        ("사업 예산은 1억 1,000만원이다.", "사업 예산은 매년 늘어 왔다.", "사업 예산 : 110,000,000원"),
        ("입찰 마감은 2025년 3월 31일이다.", "입찰 마감은 공고로 정한다.", "마감 : ’25.3.31."),
        ("2024년 3분기 매출액은 30억원이다.", "매출액은 2024년에 크게 늘었다.", "3Q24 매출액 3,000백만원"),
    ],
)
def test_the_sentence_that_says_it_in_another_form_is_the_quote(claim, other, quote):
    text = f"{other}\n{quote}\n"
    start, end = best_span(claim, text)
    assert text[start:end] == quote and verdict(claim, quote) == "supported"


DAYS = (
    "{0:%Y}년 {0.month}월 {0.day}일",
    "{0:%Y}. {0.month}. {0.day}.",
    "{0:%Y}.{0.month}.{0.day}",
    "’{0:%y}.{0.month}.{0.day}.",
    "{0:%Y-%m-%d}",
    "{0:%Y}/{0.month}/{0.day}",
    "{0:%y.%m.%d}",
)
AMOUNTS = ("{0:,}원", "{0}원", "{1:,}만원", "{2:,}백만원", "{2:,} 백만 원", "{3:,}천원", "{4}억원", "{4}억")


@given(
    st.dates(date(2001, 1, 1), date(2040, 12, 31)),
    st.dates(date(2001, 1, 1), date(2040, 12, 31)),
    st.sampled_from(DAYS),
    st.sampled_from(DAYS),
    st.sampled_from(["", "에", "까지", "부터", "(월)"]),
)
def test_a_day_is_the_same_in_every_form_and_no_other_day(day, other, form, another, tail):
    claim = f"계약은 {form.format(day)}{tail} 끝난다"
    assert not missing_quantities(claim, f"계약은 {another.format(day)} 끝난다")
    missing = missing_quantities(claim, f"계약은 {another.format(other)}{tail} 끝난다")
    assert bool(missing) == (day != other) and missing <= quantities(claim)


@given(st.integers(1, 99_999), st.integers(1, 99_999), st.sampled_from(AMOUNTS), st.sampled_from(AMOUNTS))
def test_an_amount_is_the_same_in_every_form_and_no_other_amount(millions, others, form, another):
    def written(form: str, millions: int) -> str:
        won = millions * 10**6
        return f"예산은 {form.format(won, won // 10**4, millions, won // 10**3, millions / 100)}이다"

    claim = written(form, millions)
    assert not missing_quantities(claim, written(another, millions))
    assert bool(missing_quantities(claim, written(another, others))) == (millions != others)


def test_the_dash_of_an_item_or_a_range_is_no_sign():
    assert quantities("- 3명") == {("", "3", "명")}
    assert quantities("10-20명") == {("", "10", ""), ("", "20", "명")}
    assert quantities("증감 -5%, △ 3%") == {("-", "5", "%"), ("-", "3", "%")}


COLUMNS = "(단위: 억원) > 구분 | 2022 | 2023년 | 증감률(%)"


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("2023년 매출액은 3,010억원이다.", "supported"),
        ("2022년 매출액은 2,680억원이고 증감률은 12.3%이다.", "supported"),
        ("2023년 매출액은 3,010만원이다.", "unsupported"),
        ("2023년 매출액은 3,110억원이다.", "unsupported"),
        ("2024년 매출액은 3,010억원이다.", "unsupported"),
        ("매출액 | 2,680 | 3,010 | 12.3", "supported"),
    ],
)
def test_figures_of_a_row_are_of_the_units_and_years_of_its_columns(claim, expected):
    assert verdict(claim, "매출액 | 2,680 | 3,010 | 12.3", columns=COLUMNS) == expected


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("2024년 3분기 매출액은 3,010백만원이다.", "supported"),
        ("2024년 9월 매출액은 30억 1천만원이다.", "supported"),
        ("2024년 4분기 매출액은 3,010백만원이다.", "unsupported"),
    ],
)
def test_periods_of_the_columns_may_be_told_in_another_form(claim, expected):
    assert (
        verdict(claim, "매출액 | 3,010 | 2,680", columns="(단위: 백만원) > 구분 | 3Q24 | ’24.9월") == expected
    )


def test_a_separator_is_a_blank_and_no_sign():
    assert quantities("비율 | - | 54 | △5 | 3") == {("", "54", ""), ("-", "5", ""), ("", "3", "")}
    assert verdict("연차휴가 15일", "연차휴가 | 15 | 일") == "supported"


ROWS = "임원 (단위: 천원)\n구분 | 항목 | 2023년\n복리후생비 | 학자금 | 300\n| 기념품비 | 30\n"


@pytest.mark.parametrize(
    ("context", "text", "columns"),
    [
        ("1. 예산", ROWS, "(단위: 천원) > 구분 | 항목 | 2023년"),
        ("1. 예산 > (단위: 원) > 가 | 나 | 다", ROWS, "(단위: 원) > 가 | 나 | 다"),
        ("1. 예산", "복리후생비 | 300 | 30\n| 기념품비 | 30", ""),
        ("1. 예산", "| 기념품비 | 30", ""),
    ],
)
def test_columns_come_from_the_context_or_stand_above_the_row(context, text, columns):
    shown = replace(passage(1, text), context=context)
    assert columns_of(shown, text.rindex("기념품비")) == columns


def test_a_row_is_quoted_whole_without_the_separators_of_empty_cells():
    text = "구분 | 내용\n| 대학생 자녀에게 지급한다. 단, 연 1회에 한한다. | 기념품비 |\n다음 문장이다.\n"
    (citation,) = resolve("기념품비는 연 1회에 한한다. [1]", [passage(1, text)], page_three).citations
    assert citation.quote == "대학생 자녀에게 지급한다. 단, 연 1회에 한한다. | 기념품비"
    assert text[citation.start - OFFSET : citation.end - OFFSET] == citation.quote


def test_a_citation_knows_the_unit_of_its_document_and_the_ocr_of_its_own_pages():
    shown = replace(passage(1), unit="section", ocr=0.7)
    resolved = resolve("병가는 60일까지입니다. [1]", [shown], lambda *_: Place(4, 4, 0.9))
    (citation,) = resolved.citations
    assert (citation.unit, citation.ocr) == ("section", 0.9)


@pytest.mark.parametrize(
    ("unit", "ocr", "place"),
    [
        ("page", None, "「규칙」 3–4쪽 | 제4장 휴가"),
        ("section", None, "「규칙」 구역 3–4 | 제4장 휴가"),
        ("page", 0.874, "「규칙」 3–4쪽(OCR, 신뢰도 87%) | 제4장 휴가"),
    ],
)
def test_the_model_is_told_where_a_passage_stands_and_who_read_it(unit, ocr, place):
    assert passage_block(replace(passage(1), unit=unit, ocr=ocr)).startswith(f"\n[1] {place}\n")


def test_a_number_of_the_heading_is_no_evidence_for_a_quantity():
    assert verdict("휴가는 15일이다", "휴가는 나누어 쓸 수 있다.", "제15조(휴가)") == "unsupported"


def test_brackets_of_a_document_are_no_markers():
    text = "선행연구[2]에 따르면 병가의 사용률은 95%이다.\n"
    shown = [passage(1, text), passage(2)]
    answer = extract("병가의 사용률은 얼마인가요?", shown)
    resolved = resolve(answer, shown, page_three)
    assert {citation.marker for citation in resolved.citations} == {1}
    assert resolved.dropped == 0 and resolved.citations[0].quote == text.strip()
    assert "[2]" not in passage_block(shown[0]).removeprefix("\n[1]")
