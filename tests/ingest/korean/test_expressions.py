"""Periods, dates and amounts: one form each."""

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.korean.expressions import Expression, find_expressions, resolve_relative, widened
from tests.support.laws import examples

ALPHABET = "0123456789.,-/~’‘'%() \n년월일도분기상하반제조억만천백십원명여간전작올해재내FYQqHh가國①😀"
PIECES = st.sampled_from(
    ["2024", "24", "2024년", "’24", "3월", "15일", "~", "3분기", "3Q", "3Q24", "상반기", ".", "-", ",", "3조", "2,500억",
     "5백만", "1만", "1,234,567", "원", "여", "제", "전년", "동기", "작년", "FY", " "]
)  # fmt: skip
TODAY = date(2025, 5, 20)


def read(text: str) -> list[tuple[str, str]]:
    return [(text[found.start : found.end], found.value) for found in find_expressions(text)]


def values(text: str) -> list[str]:
    return [found.value for found in find_expressions(text)]


def resolved(question: str) -> list[str | None]:
    found = find_expressions(question)
    return [resolve_relative(one, found, TODAY) for one in found if one.kind == "relative"]


@given(st.text(ALPHABET, max_size=80) | st.lists(PIECES, max_size=20).map("".join))
@examples(1000)
def test_expressions_come_in_order_do_not_overlap_and_hold_no_blanks(text):
    found = find_expressions(text)
    assert all(one.start < one.end <= len(text) for one in found)
    assert all(one.end <= other.start for one, other in pairwise(found))
    assert all(one.value and not any(map(str.isspace, one.value)) for one in found)
    assert all(text[one.start : one.end].strip() == text[one.start : one.end] for one in found)


@given(st.lists(PIECES, max_size=20).map("".join))
@examples(500)
def test_every_relative_period_resolves_to_a_period_or_to_nothing(text):
    found = find_expressions(text)
    for one in found:
        said = resolve_relative(one, found, TODAY)
        assert said is None or one.kind == "relative"
        assert said is None or widened(said) == [] or said.startswith(widened(said)[-1])


@given(st.integers(1970, 2069), st.integers(1, 4))
def test_all_ways_to_write_a_quarter_are_one(year, quarter):
    short = f"{year % 100:02}"
    written = [
        f"{year}년 {quarter}분기", f"{year}년도 {quarter}/4분기", f"{year}년 제{quarter}분기", f"{year}.{quarter}Q",
        f"’{short}.{quarter}Q", f"'{short}.{quarter}Q", f"‘{short}년 {quarter}분기", f"{short}.{quarter}Q",
        f"{quarter}Q{short}", f"{short}년 {quarter}분기", f"FY{year} Q{quarter}", f"{year}Q{quarter}",
    ]  # fmt: skip
    assert [values(f"매출은 {one}에") for one in written] == [[f"{year}q{quarter}"]] * len(written)


@given(st.dates(date(1970, 1, 1), date(2069, 12, 31)))
def test_all_ways_to_write_a_day_are_one(day):
    year, month, number, short = day.year, day.month, day.day, f"{day:%y}"
    written = [
        f"{year}. {month}. {number}.", f"{year}.{month}.{number}", f"{day:%Y-%m-%d}", f"{day:%Y.%m.%d}.",
        f"’{short}.{month}.{number}.", f"{year}년 {month}월 {number}일", f"{short}년 {month}월 {number}일",
    ]  # fmt: skip
    assert [values(f"({one} 시행)") for one in written] == [[day.isoformat()]] * len(written)
    assert widened(day.isoformat()) == [f"{day:%Y-%m}", f"{year}q{(month + 2) // 3}", str(year)]


@given(st.integers(1, 9999), st.integers(0, 9999), st.integers(0, 9999))
def test_amounts_are_sums_of_their_parts(trillions, hundred_millions, ten_thousands):
    text = f"{trillions:,}조 {hundred_millions:,}억 {ten_thousands:,}만원"
    assert values(text) == [str(trillions * 10**12 + hundred_millions * 10**8 + ten_thousands * 10**4)]


@given(st.integers(0, 10**15))
def test_a_plain_number_is_an_amount_from_ten_thousand(number):
    assert values(f"합계 {number:,}원") == ([str(number)] if number >= 10_000 else [])


@pytest.mark.parametrize(
    "unit",
    ["1", "1,", "1,111,", "1만 ", "9천9백", "1천1", "1.", "1-", "2024년 ", "2024. 3. ", "전 ", "제 ", "1조 "],
)
def test_long_runs_are_read_piece_by_piece(unit):
    text = unit * 20_000
    found = find_expressions(text)
    assert all(one.end - one.start < 400 for one in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("‘24년 상반기", [("‘24년 상반기", "2024h1")]),
        ("FY2024 실적", [("FY2024", "2024")]),
        ("’24년 예산", [("’24년", "2024")]),
        ("’99년", [("’99년", "1999")]),
        ("24년 3월", [("24년 3월", "2024-03")]),
        ("2024. 3. 공고", [("2024. 3.", "2024-03")]),
        ("2024년 1월~3월", [("2024년 1월", "2024-01"), ("3월", "2024-03")]),
        ("2024년 1~3분기", [("2024년 1", "2024q1"), ("3분기", "2024q3")]),
        ("2024년 11월부터 2월까지", [("2024년 11월", "2024-11"), ("2월", "2025-02")]),
        ("2025. 5. 19.(월) ~ 5. 30.(금)", [("2025. 5. 19.", "2025-05-19"), ("5. 30.", "2025-05-30")]),
        ("’22~’24년", [("’22", "2022"), ("’24년", "2024")]),
        ("’22~’24", [("’22", "2022"), ("’24", "2024")]),
        ("’23년~’24년 3분기", [("’23년", "2023"), ("’24년 3분기", "2024q3")]),
        ("3조 2,500억원", [("3조 2,500억", "3250000000000")]),
        ("3.25조", [("3.25조", "3250000000000")]),
        ("1,234백만원", [("1,234백만", "1234000000")]),
        ("2천5백만 원", [("2천5백만", "25000000")]),
        ("45억 3천만원", [("45억 3천만", "4530000000")]),
        ("291만 5,000원", [("291만 5,000", "2915000")]),
        ("9만9900주", [("9만9900", "99900")]),
        ("100만 200만", [("100만", "1000000"), ("200만", "2000000")]),
        ("1.23456만원", [("1.23456만", "12345.6")]),
        ("제3조 2,500억원", [("2,500억", "250000000000")]),
        ("3Q 24억", [("24억", "2400000000")]),
    ],
)
def test_what_is_read(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "24년",
        "24년간",
        "2000년간",
        "24년 6개월",
        "9,999원",
        "제20677호",
        "제1,234,567호",
        "제34조",
        "34조의2",
        "3조 제2항",
        "3조에 따라",
        "3조 원칙",
        "02-123-4567",
        "1.2.3",
        "10.3.2",
        "12,345%",
        "만 8세",
        "1만여 명",
        "수십억 원",
        "제2024-11호",
        "2024",
        "V4 백신",
        "동전년",
        "2전년",
        "전년생",
        "당해연도",
    ],
)
def test_what_is_not_read(text):
    assert read(text) == []


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("2024년 3분기 매출이 전년 동기 대비", ["2023q3"]),
        ("2024년 3분기 매출이 전년보다", ["2023"]),
        ("2024년 1분기는 전분기보다", ["2023q4"]),
        ("2024년 매출은 전분기보다", [None]),
        ("2023년과 2024년 매출의 전년대비 증가율", ["2023"]),
        ("2024년 상반기와 전년 동기", ["2023h1"]),
        ("전년 매출은?", ["2024"]),
        ("전년 동기 매출은?", ["2024q2"]),
        ("2020년 계획과 작년에는 재작년보다", ["2024", "2023"]),
        ("올해와 내년, 지난해", ["2025", "2026", "2024"]),
        ("작년 3분기, 지난해 하반기, 올해 3월", ["2024q3", "2024h2", "2025-03"]),
        ("이번 분기, 지난 분기, 이번 달", ["2025q2", "2025q1", "2025-05"]),
    ],
)
def test_relative_periods(question, expected):
    assert resolved(question) == expected


def test_what_lies_in_nothing_is_not_widened():
    assert (widened("2024q3"), widened("2024h1"), widened("2024-12")) == (
        ["2024"],
        ["2024"],
        ["2024q4", "2024"],
    )
    assert widened("2024") == widened("3250000000000") == widened("year-1") == []


def test_only_relative_expressions_are_resolved():
    assert resolve_relative(Expression("period", 0, 5, "2024"), [], TODAY) is None
    with pytest.raises(ValueError, match="century"):
        resolve_relative(Expression("relative", 0, 5, "century-1"), [], TODAY)
