"""Second names in brackets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.korean.aliases import find_aliases
from tests.support.laws import examples

PIECES = st.sampled_from(
    [
        "개인정보",
        "보호책임자",
        "(CPO)",
        "CPO",
        "(",
        ")",
        "Chief",
        "Privacy",
        "Officer",
        ",",
        "약칭:",
        " ",
        "이하",
        "\n",
        "“",
        "의",
    ]
)


def aliases(text: str) -> list[tuple[str, str]]:
    return [(alias.long, alias.short) for alias in find_aliases(text)]


@given(st.lists(PIECES, max_size=30).map("".join) | st.text("가나ABab() ,:&-\n", max_size=60))
@examples(1000)
def test_both_names_stand_in_the_span(text):
    for alias in find_aliases(text):
        span = text[alias.start : alias.end]
        assert alias.long in span
        assert alias.short in span
        assert "\n" not in span
        assert span.endswith((")", "）"))


@given(st.text("가나다라마바사아자차", min_size=4, max_size=7), st.text("ABCDEFGH", min_size=3, max_size=4))
def test_both_orders_say_the_same(name, short):
    forward, backward = aliases(f"{name}({short})"), aliases(f"{short}({name})")
    assert backward in ([], forward)  # a name that looks like a verb's form is none of these


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("회사의 개인정보 보호책임자(CPO)는", [("개인정보 보호책임자", "CPO")]),
        ("환경·사회·지배구조(ESG)", [("환경·사회·지배구조", "ESG")]),
        ("기업이 사용하는 인공지능 (AI)", [("인공지능", "AI")]),
        (
            "국제표준화기구(ISO, International Organization for Standardization)",
            [("국제표준화기구", "ISO"), ("International Organization for Standardization", "ISO")],
        ),
        (
            "데이터베이스관리시스템(Database Management System : DBMS)",
            [("데이터베이스관리시스템", "DBMS"), ("Database Management System", "DBMS")],
        ),
        ("our Chief Privacy Officer(CPO)", [("Chief Privacy Officer", "CPO")]),
        ("구성된 TFT(Task Force Team)", [("Task Force Team", "TFT")]),
        ("● DNN (심층 신경망)", [("심층 신경망", "DNN")]),
        ("한국인터넷진흥원(이하 “KISA”라 한다)은", [("한국인터넷진흥원", "KISA")]),
        (
            "부칙\n국토의 계획 및 이용에 관한 법률 ( 약칭: 국토계획법 )",
            [("국토의 계획 및 이용에 관한 법률", "국토계획법")],
        ),
    ],
)
def test_second_names_are_found(text, expected):
    assert aliases(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "제3조(목적)",
        "사업자(이하 “법”이라 한다)",
        "김철수(KIM)",
        "킬로그램(kg)",
        "발전량(MWh)",
        "첨부파일(PDF)",
        "서류를 제출(AI)",
        "가전제품(PC, TV)",
        "연구개발비(2024)",
        "합계(A+B)",
        "유형의 장애(F20-F29)",
        "유형(III)",
        "스위치 위치(OFF)",
        "보안기능(Task Force, CPO)",
        "MSBLen(DB)",
        "보고서(report.pdf)",
        "시작되는데(DLMO)",
        "SaaS(표준등급, 간편등급)",
        "상처부위(제3조)",
    ],
)
def test_what_is_no_second_name(text):
    assert aliases(text) == []
