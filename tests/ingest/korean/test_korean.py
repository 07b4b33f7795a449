"""Sentence spans and index terms of Korean text."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.korean.analyse import (
    BigramAnalyser,
    DictionaryAnalyser,
    KiwiAnalyser,
    bigrams,
    fold,
    load_kiwi,
    open_analyser,
    sentence_spans,
)
from ingest.repair.joints import kiwi_spaces
from tests.support.laws import examples

ALPHABET = "가나다라임ㄱㅏ國Aa19①㎡Ａ😀.。!?…,%()「」『』\"'”’<>[]《》 \t\n제조의"


def sentences(text: str) -> list[str]:
    return [text[start:end].strip() for start, end in sentence_spans(text)]


@given(st.text(ALPHABET, max_size=200))
@examples(400)
def test_sentences_tile_any_text(text):
    spans = sentence_spans(text)
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(start < end for start, end in spans)
    assert all(text[start:end].strip() for start, end in spans) or not text.strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("회사는 정한다. 직원은 따른다.", ["회사는 정한다.", "직원은 따른다."]),
        ("2024. 3. 1. 시행한다. 다음과 같다.", ["2024. 3. 1. 시행한다.", "다음과 같다."]),
        ("금액은 1,234.5원이다. 끝.", ["금액은 1,234.5원이다.", "끝."]),
        ("가. 대상 나. 기간", ["가. 대상 나. 기간"]),
        ("기한 안에 신청할 것. 서류를 갖출 것.", ["기한 안에 신청할 것.", "서류를 갖출 것."]),
        ("가. 대상\n나. 기간", ["가. 대상", "나. 기간"]),
        ("“그렇다.” 그가 말했다. 왜?", ["“그렇다.”", "그가 말했다.", "왜?"]),
        (
            "다음 각 호와 같다. <개정 2021. 10. 19.> ① 목적을 정한다.",
            ["다음 각 호와 같다.", "<개정 2021. 10. 19.> ① 목적을 정한다."],
        ),
        (
            "대통령령으로 정한다.<개정 2021. 10. 19.> 다만, 예외로 한다.",
            ["대통령령으로 정한다.<개정 2021. 10. 19.>", "다만, 예외로 한다."],
        ),
        ("목록\n□ 하나\n□ 둘", ["목록", "□ 하나", "□ 둘"]),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_would_say(text, expected):
    assert sentences(text) == expected


@given(st.text(ALPHABET, max_size=60))
@examples(200)
def test_bigrams_are_two_syllables_that_stand_together(text):
    for term in bigrams(text):
        assert term in text and 1 <= len(term) <= 2


@pytest.fixture(params=["kiwi", "bigram"])
def analyser(request):
    return open_analyser(request.param)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("매출액 1,234,567백만원", "1234567"),
        ("전년 대비 12.5% 증가", "12.5"),
        ("ＡＢＣ 위원회", "abc"),
        ("COVID-19 대응", "covid"),
        ("大韓民國 헌법", "大韓民國"),
        ("면적(㎡)", "m2"),
        ("① 항목", "1"),
        ("제34조제2항", "34"),
        ("개인정보보호법 시행령", "개인"),
        ("개인정보보호법 시행령", "정보"),
        ("개인정보보호법 시행령", "보호"),
    ],
)
def test_an_analyser_finds(analyser, text, expected):
    (terms,) = analyser.terms([text])
    assert expected in terms


def test_an_analyser_gives_a_list_for_each_text(analyser):
    assert [bool(terms) for terms in analyser.terms(["정보", "", "보호"])] == [True, False, True]
    assert analyser.terms([]) == []


def test_terms_hold_no_spaces_for_they_are_stored_joined_with_them(analyser):
    (terms,) = analyser.terms(["사업의 예산 집행 실적, 그리고 New York 2024. 10. 19. 大 韓 😀"])
    assert terms and all(term and not any(char.isspace() for char in term) for term in terms)


def test_a_compound_and_its_parts_share_terms(analyser):
    compound, parts = analyser.terms(["개인정보보호법", "개인정보 보호"])
    assert {"개인", "정보", "보호"} <= set(compound) & set(parts)


def test_analysers_have_names_that_differ_and_an_unknown_one_is_refused():
    assert KiwiAnalyser().name != BigramAnalyser().name
    with pytest.raises(ValueError, match="mecab"):
        open_analyser("mecab")


def test_folding_resolves_compatibility_forms():
    assert fold("㎡ Ⅳ ％ Ａ ①") == "m2 iv % a 1"


def test_kiwi_works_in_a_forked_child_and_is_shared_with_it():
    kiwi = load_kiwi()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            same = len(kiwi.tokenize("개인정보 처리 방침")) == 4
            status = 0 if same and not kiwi_spaces("개인정", "보의") else 2
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_row_of_a_table_is_one_sentence():
    row = "학자금 | 대학생 자녀에게 지급한다. 단, 연 1회에 한한다. | 100만원"
    assert sentences(f"지급한다. 다음과 같다.\n{row}\n끝났다. 끝.") == [
        "지급한다.",
        "다음과 같다.",
        row,
        "끝났다.",
        "끝.",
    ]
    assert sentences(row) == [row]
    assert len(sentences(f"학자금 | {'지급한다. ' * 200}| 100만원")) > 100


def test_words_of_a_dictionary_are_found_whole_however_spaced():
    analyser = DictionaryAnalyser(BigramAnalyser(), ["스마트 안전팀", "K-센서 200"])
    spaced, joined, neither = analyser.terms(["스마트안전 팀의 k-센서200", "스마트안전팀", "안전팀"])
    assert {"!스마트안전팀", "!k-센서200"} <= set(spaced) and "!스마트안전팀" in joined
    assert not any(term.startswith("!") for term in neither)
    (plain,) = BigramAnalyser().terms(["스마트안전팀"])
    assert joined == [*plain, "!스마트안전팀"]


def test_another_dictionary_is_another_analyser():
    names = {open_analyser("bigram", words).name for words in ((), ("가",), ("가", "나"))}
    assert len(names) == 3
    assert open_analyser("bigram", ("가", "나")).name == open_analyser("bigram", ("나", "가 ")).name
