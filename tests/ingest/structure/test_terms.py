"""The keys by which a chunk is found besides its words, and the possible names in a question."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.document import Chunk
from ingest.korean.analyse import BigramAnalyser
from ingest.structure.terms import (
    ALIAS,
    AMOUNT,
    HEADING,
    PERIOD,
    REFERENCE,
    WORD,
    chunk_keys,
    find_references,
    heading_key,
    index_terms,
    possible_names,
    squeeze,
    without_asking,
)

LETTERS = "가나다라개인정보보호법제12조의항별표 ()[]<>①②·ㆍ.,'?Ab\n大😀"
TITLE = "개인정보 보호법"
ARTICLE = f"{TITLE} > 제4장 안전한 관리 > 제34조의2(노출된 개인정보의 삭제ㆍ차단)"


def chunk(text: str, context: str, kind="text") -> Chunk:
    return Chunk("d:0-9", "d", 0, len(text), text, context, 1, 1, 10, kind)


@given(st.text(LETTERS, max_size=80), st.text(LETTERS, max_size=80))
def test_keys_are_single_terms_that_no_word_can_be(text, context):
    keys = chunk_keys(TITLE, chunk(text, context))
    assert len(set(keys)) == len(keys)
    assert all(
        key[0] in HEADING + REFERENCE + PERIOD + AMOUNT + ALIAS and len(key) > 2 and not key.split()[1:]
        for key in keys
    )
    (words,) = BigramAnalyser().terms([text])
    assert not set(keys) & set(words)


@given(st.text(LETTERS, max_size=120))
def test_possible_names_are_whole_words_of_the_question(question):
    for start, end, forms in possible_names(question):
        assert squeeze(question[start:end]) == forms[0]
        assert start == 0 or not WORD.match(question[start - 1])
        assert end == len(question) or not WORD.match(question[end])


@given(st.text(LETTERS, max_size=60))
def test_something_is_left_of_every_question(question):
    assert bool(squeeze(without_asking(question))) == bool(squeeze(question))


def test_an_article_begins_under_its_title_number_and_paragraphs():
    text = (
        "제34조의2(노출된 개인정보의 삭제ㆍ차단) ① 처리자는 노출되지 아니하도록 한다.\n② 처리자는 차단한다.\n"
    )
    keys = chunk_keys(TITLE, chunk(text, ARTICLE))
    assert set(keys) == {"=노출된개인정보의삭제차단", "@34조의2", "@34조의21항", "@34조의22항"}


def test_what_goes_on_in_an_article_has_its_paragraphs_only():
    assert chunk_keys(TITLE, chunk("③ 제2항에도 불구하고 알린다.\n", ARTICLE)) == ["@34조의23항"]


def test_articles_of_supplementary_provisions_are_not_those_of_the_law():
    context = f"{TITLE} > 부칙 <제19234호> > 제2조(적용례)"
    assert chunk_keys(TITLE, chunk("제2조(적용례) 이 법은 시행한다.\n", context)) == ["=적용례"]


def test_annexes_and_chapters_are_named_and_titles_of_documents_are_not():
    context = f"{TITLE} > 제2절 안전인증 <개정 2020. 2. 4.> > [별지 제33호서식] 변경신청서"
    text = f"{TITLE}\n제2절 안전인증 <개정 2020. 2. 4.>\n[별지 제33호서식] 변경신청서\n"
    assert set(chunk_keys(TITLE, chunk(text, context))) == {"=안전인증", "=변경신청서", "@별지33"}


def test_periods_amounts_and_other_names_have_one_form():
    text = "’24.3Q 매출은 3조 2,500억원이다. 개인정보 보호책임자(CPO)를 둔다. <개정 2011. 1. 1.>"
    keys = set(chunk_keys(TITLE, chunk(text, "")))
    assert keys == {"#2024q3", "#2024", "$3250000000000", "~개인정보보호책임자", "~cpo"}


def test_annexes_begin_lines():
    text = "[별표 11] 자체심사의 기준\n[별지 제33호의2서식] 신청서\n별표 3 수수료\n별표 19와 같다.\n법 별표 5에 따른다.\n"
    assert set(chunk_keys(TITLE, chunk(text, ""))) == {"@별표11", "@별지33의2", "@별표3"}


def test_contents_pages_have_neither_terms_nor_keys():
    assert index_terms(BigramAnalyser(), TITLE, [chunk("제1조(목적) ··· 3\n", ARTICLE, "contents")]) == [""]


def test_headings_are_compared_without_number_and_marks():
    forms = {
        heading_key(h)
        for h in ("제3조(정의)", "Ⅱ. 정의", "2.1 정의", "나. 정의", "□ 정의", "정의 <개정 2020>")
    }
    assert forms == {"=정의"}
    assert heading_key("제28조") == ""


def test_references_of_questions():
    def keys(question):
        return [reference.keys for reference in find_references(question)]

    assert keys("개인정보 보호법 제34조의2제1항은?") == [("@34조의21항", "@34조의2")]
    assert keys("제12조 제3항 제2호와 별표 3") == [("@12조3항", "@12조"), ("@별표3",)]
    assert keys("별지 제33호서식에 무엇을 쓰나요?") == [("@별지33",)]
    assert keys("예산 3조 2,500억 원") == []


def test_only_what_asks_is_left_out():
    assert without_asking("육아휴직은 얼마나 쓸 수 있나요?").split() == ["육아휴직", "쓸", "수"]
    assert without_asking("얼마인가요?") == "얼마인가요?"


def test_numbers_of_documents_are_words():
    (terms,) = BigramAnalyser().terms(["문서번호 안전-2024-013, KS-C-0262"])
    assert {"안전-2024-013", "2024", "013", "ks-c-0262"} <= set(terms)
