"""What a question names: documents, sections and articles."""

from dataclasses import replace
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from indexes.disk.writer import Writer
from indexes.search.questions import document_names, read_question
from indexes.types import EVERYTHING, Filter, StoredDocument
from ingest.korean.analyse import BigramAnalyser
from ingest.structure.terms import index_terms
from tests.support.indexes import MANIFEST, content, reader

LAW, DECREE = "개인정보 보호법", "개인정보 보호법 시행령"


def stored(title: str, path: str = "") -> StoredDocument:
    return StoredDocument(title[:16], title, (path or f"/문서/{title}.pdf",), (), "p", 1, 1)


NAMES = document_names(
    [stored(LAW), stored(DECREE), stored("제1장"), stored("05_근로기준법(법률)(제20520호)(20250223)")]
)


TODAY = date(2026, 3, 2)
TEXTS = ("개인정보 보호책임자(CPO)를 둔다.", "국토의 계획 및 이용에 관한 법률( 약칭: 국토계획법 )")


def named(question: str, *known: str):
    read = read_question(question, NAMES, lambda key: key in known, lambda key: TEXTS, TODAY)
    return [(found.kind, found.words, found.meaning) for found in read.understood]


@given(st.text("개인정보 보호법시행령은제3조'?", max_size=60))
def test_what_is_understood_are_words_of_the_question_that_do_not_overlap(question):
    read = read_question(question, NAMES, lambda key: True, lambda key: TEXTS, TODAY)
    position = 0
    for found in read.understood:
        start = question.find(found.words, position)
        assert start >= 0
        position = start + len(found.words)
    assert read.documents <= {LAW, DECREE, "제1장", "05_근로기준법(법률)"}


def test_the_longest_name_is_the_document():
    assert named("개인정보보호법 시행령에서 동의는?") == [
        ("document", "개인정보보호법 시행령에서", "개인정보보호법시행령")
    ]
    assert named("개인정보 보호법의 동의는?") == [("document", "개인정보 보호법의", "개인정보보호법")]


def test_numbers_and_dates_around_a_name_are_no_part_of_it():
    assert named("근로기준법에서는?") == [("document", "근로기준법에서는?", "근로기준법")]


def test_sections_and_references_are_those_of_the_index():
    question = "개인정보 보호법 제34조제2항의 유출 통지"
    assert named(question) == [("document", "개인정보 보호법", "개인정보보호법")]
    assert named(question, "@34조", "=유출통지")[1:] == [
        ("reference", "제34조제2항", "34조"),
        ("section", "유출 통지", "유출통지"),
    ]


def test_periods_and_amounts_have_one_form():
    assert named("’24.3Q 매출은 전년 동기보다 3조 2,500억 늘었나요?") == [
        ("period", "’24.3Q", "2024q3"),
        ("period", "전년 동기", "2023q3"),
        ("amount", "3조 2,500억", "3250000000000"),
    ]
    assert named("작년 예산은?") == [("period", "작년", "2025")]


def test_another_name_is_one_that_the_documents_give():
    question = "CPO는 누가 지정하나요?"
    assert named(question) == []
    assert named(question, "~cpo") == [("alias", "CPO는", "개인정보 보호책임자")]
    read = read_question(question, NAMES, lambda key: key == "~cpo", lambda key: TEXTS, TODAY)
    assert read.other_names == "개인정보 보호책임자"


def test_a_name_of_many_documents_names_none():
    many = [replace(stored("제안요청서"), document_id=str(n)) for n in range(50)]
    assert "제안요청서" not in document_names(many)


def article(number: int, title: str, text: str, law: str):
    words = f"제{number}조({title}) {text}"
    made = content(law, words)
    (chunk,) = made.chunks
    chunk = replace(chunk, context=f"{law} > 제{number}조({title})")
    return replace(made, chunks=(chunk,), terms=index_terms(BigramAnalyser(), law, [chunk]))


def search(tmp_path, question: str, allowed: Filter = EVERYTHING):
    with Writer(tmp_path, MANIFEST) as writer:
        writer.add(article(5, "동의", "처리자는 알린다. " * 3, LAW))
        writer.add(
            article(6, "동의에 관한 적용례", "동의를 받는 방법과 동의 사항은 동의에 따른다. ", "동의 지침")
        )
        writer.commit()
    retriever = reader(tmp_path)
    found = [
        retriever.with_id(p.chunk.document_id).title
        for p in retriever.retrieve([question], 2, "lexical", allowed)[0]
    ]
    return found, [each.kind for each in retriever.understand(question, allowed)]


def test_what_is_named_is_found_first(tmp_path):
    found, kinds = search(tmp_path, "개인정보 보호법에서 '동의'에 관한 조문은?")
    assert found[0] == LAW and kinds == ["document", "section"]


def test_what_may_not_be_seen_is_not_named(tmp_path):
    _, kinds = search(tmp_path, "'동의'에 관한 적용례는?", Filter(documents=("*보호법*",)))
    assert kinds == ["section"]
    _, kinds = search(tmp_path / "2", "동의에관한적용례?", Filter(documents=("*보호법*",)))
    assert kinds == []


def test_a_document_that_may_not_be_seen_is_not_named(tmp_path):
    found, kinds = search(tmp_path, "개인정보 보호법에서 동의는?", Filter(documents=("*지침*",)))
    assert found == ["동의 지침"] and "document" not in kinds
