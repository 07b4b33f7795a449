"""What every search engine has to hold to, as functions of one that was made of known documents.

To put another engine to these tests, add to ENGINES in test_conformance.py a function that makes it
of documents as the writer takes them, with the vectors of `tests.support.fakes.BigramEmbedder` and the terms of
`ingest.korean.analyse.BigramAnalyser`.
"""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from indexes.engine import SearchEngine
from indexes.errors import DocumentNotFound
from indexes.types import MODES, Filter, NewContent
from ingest.document import Page
from tests.support.indexes import content

TEXTS = {
    "인사 규정": ("연차 휴가는 열다섯 날이다. ", "육아 휴직은 한 해까지 쓴다. "),
    "보수 규정": ("가족 수당은 매달 지급한다. ", "상여금은 연말에 지급한다. "),
    "보안 지침": ("비밀번호는 석 달마다 바꾼다. ",),
    "무소속": ("휴가와 수당을 함께 적은 글이다. ",),
}
GROUPS = {"인사 규정": ("인사",), "보수 규정": ("인사", "재무"), "보안 지침": ("보안",), "무소속": ()}
QUERY = "휴가 수당 지급 비밀번호"
MakeEngine = Callable[[list[NewContent]], SearchEngine]


def known_documents() -> list[NewContent]:
    """Four documents; the second page of the first could not be read, its first was read by OCR."""
    made = [content(name, *texts, groups=GROUPS[name]) for name, texts in TEXTS.items()]
    length = len("".join(TEXTS["인사 규정"]))
    pages = [
        Page(1, "1", 0, length, True, engine="tesseract", confidence=0.75),
        Page(2, "2", length, length, False),
    ]
    made[0] = replace(made[0], pages=pages)
    return made


def titles(engine: SearchEngine, allowed: Filter, mode, k: int = 50) -> list[str]:
    (found,) = engine.retrieve([QUERY], k, mode, allowed)
    return [engine.with_id(passage.chunk.document_id).title for passage in found]


def rankings_are_ordered_and_cut_at_k(engine: SearchEngine) -> None:
    for mode in MODES:
        for k in (1, 2, 50):
            (found,) = engine.retrieve([QUERY], k, mode)
            assert [passage.rank for passage in found] == list(range(1, len(found) + 1))
            scores = [passage.score for passage in found]
            assert scores == sorted(scores, reverse=True) and len(found) <= k
            assert len({passage.chunk.id for passage in found}) == len(found)


def a_chunk_is_found_first_by_its_own_words(engine: SearchEngine) -> None:
    for name, texts in TEXTS.items():
        for text in texts:
            for mode in MODES:
                (found,) = engine.retrieve([text], 3, mode)
                assert found[0].chunk.text == text, (name, mode)


def a_batch_answers_as_one_by_one(engine: SearchEngine) -> None:
    queries = ["휴가", "수당 지급", "", "없는낱말"]
    for mode in MODES:
        together = engine.retrieve(queries, 5, mode)
        assert together == [engine.retrieve([query], 5, mode)[0] for query in queries]


def filters_act_before_the_top_k_and_fail_closed(engine: SearchEngine) -> None:
    for group, seen in (
        ("인사", {"인사 규정", "보수 규정"}),
        ("보안", {"보안 지침"}),
        ("없음", set()),
        ("", set()),
    ):
        allowed = Filter(groups=(group,))
        assert {document.title for document in engine.visible(allowed)} == seen
        for mode in MODES:
            assert set(titles(engine, allowed, mode)) <= seen
            assert len(titles(engine, allowed, mode, k=1)) == bool(seen)
    assert not any(titles(engine, Filter(groups=()), mode) for mode in MODES)
    assert not any(titles(engine, Filter(documents=()), mode) for mode in MODES)
    assert set(titles(engine, Filter(("인사",), ("*보수*",)), "dense")) == {"보수 규정"}


def a_hidden_document_is_not_there_by_any_name(engine: SearchEngine) -> None:
    hidden = next(document for document in engine.documents if document.title == "보안 지침")
    for name in (hidden.id, hidden.path, hidden.title, "보안 지침.pdf"):
        assert engine.document(name) == hidden
        with pytest.raises(DocumentNotFound, match=re.escape(name)):
            engine.document(name, Filter(groups=("인사",)))


def texts_pages_and_places_are_those_of_the_document(engine: SearchEngine) -> None:
    for document in engine.documents:
        text = "".join(TEXTS[document.title])
        assert engine.text(document) == text and engine.text(document, 3, 9) == text[3:9]
        assert engine.with_id(document.id) == document
        assert engine.pages(document.id)[0].end == len(text)
        assert "".join(chunk.text for chunk in engine.chunks(document)) == text
        for (found,) in (engine.retrieve([part], 1, "lexical") for part in TEXTS[document.title]):
            chunk = found[0].chunk
            assert text[chunk.start : chunk.end] == chunk.text
    first = engine.documents[0]
    assert engine.place_of(first.id, 0, 5) == (1, 1, 0.75)
    assert engine.unreadable_pages(engine.documents) == {first.id: [2]}
    assert engine.doubtful_pages(engine.documents) == {first.id: {1: 0.75}}
    assert engine.unreadable_pages(engine.documents[1:]) == {}


LAWS = (
    rankings_are_ordered_and_cut_at_k,
    a_chunk_is_found_first_by_its_own_words,
    a_batch_answers_as_one_by_one,
    filters_act_before_the_top_k_and_fail_closed,
    a_hidden_document_is_not_there_by_any_name,
    texts_pages_and_places_are_those_of_the_document,
)
