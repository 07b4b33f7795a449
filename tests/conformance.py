"""The laws of reading and writing that every engine must keep, as functions.

To test another engine, add a class like `Place` to ENGINES in tests/indexes/test_conformance.py: it opens
writers and readers of one index. Documents come as writers take them, with the vectors of
`tests.support.fakes.BigramEmbedder` and the terms of `ingest.korean.analyse.BigramAnalyser`.
"""

import re
from dataclasses import replace
from typing import Protocol

import pytest

from indexes.engine import IndexWriter, SearchEngine
from indexes.errors import DocumentNotFound, IndexBusy
from indexes.types import MODES, Calibration, Filter, NewContent
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


class Place(Protocol):
    """The place of one index, which is empty at first."""

    def writer(self) -> IndexWriter: ...

    def reader(self) -> SearchEngine:
        """An engine that reads the last version."""
        ...


def filled(place: Place) -> SearchEngine:
    """An engine that holds the known documents, each from a commit of its own."""
    with place.writer() as writer:
        for document in known_documents():
            writer.add(document)
            writer.commit()
        writer.merge()
    return place.reader()


def known_documents() -> list[NewContent]:
    """Four documents. Of the first one, page 1 was read by OCR, and page 2 could not be read."""
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
    for name in (hidden.document_id, hidden.path, hidden.title, "보안 지침.pdf"):
        assert engine.document(name) == hidden
        with pytest.raises(DocumentNotFound, match=re.escape(name)):
            engine.document(name, Filter(groups=("인사",)))


def texts_pages_and_places_are_those_of_the_document(engine: SearchEngine) -> None:
    for document in engine.documents:
        text = "".join(TEXTS[document.title])
        assert engine.text(document) == text and engine.text(document, 3, 9) == text[3:9]
        assert engine.with_id(document.document_id) == document
        assert engine.pages(document.document_id)[0].end == len(text)
        assert "".join(chunk.text for chunk in engine.chunks(document)) == text
        for (found,) in (engine.retrieve([part], 1, "lexical") for part in TEXTS[document.title]):
            chunk = found[0].chunk
            assert text[chunk.start : chunk.end] == chunk.text
    first = engine.documents[0]
    assert engine.place_of(first.document_id, 0, 5) == (1, 1, 0.75)
    assert engine.unreadable_pages(engine.documents) == {first.document_id: [2]}
    assert engine.doubtful_pages(engine.documents) == {first.document_id: {1: 0.75}}
    assert engine.unreadable_pages(engine.documents[1:]) == {}


def answers(engine: SearchEngine) -> dict[str, list]:
    """Mode → all that the engine finds for `QUERY`."""
    return {
        mode: [(p.chunk, round(p.score, 5)) for p in engine.retrieve([QUERY], 50, mode)[0]] for mode in MODES
    }


def shown(engine: SearchEngine) -> dict[str, tuple]:
    """Title → groups, paths and text of each document, in order."""
    return {d.title: (d.groups, d.paths, engine.text(d)) for d in engine.documents}


def ids_and_texts_come_out_as_they_went_in(place: Place) -> None:
    made = known_documents()
    engine = filled(place)
    assert [document.document_id for document in engine.documents] == [
        content.document.document_id for content in made
    ]
    for document, content_ in zip(engine.documents, made, strict=True):
        wanted = replace(content_.document, chunks=len(content_.chunks), pages=len(content_.pages))
        assert document == wanted
        assert engine.chunks(document) == list(content_.chunks)
        assert engine.pages(document.document_id) == list(content_.pages)


def a_commit_shows_all_or_nothing(place: Place) -> None:
    first, second, third, _ = known_documents()
    with place.writer() as writer:
        writer.add(first)
        assert writer.has_changes and writer.pending_chunks == len(first.chunks)
        assert writer.commit() == 1 == writer.version
        assert not writer.has_changes and writer.pending_chunks == 0
        writer.add(second)
        writer.remove(first.document.document_id)
        assert set(shown(place.reader())) == {"인사 규정"}
        assert writer.commit() == 2
        assert set(shown(place.reader())) == {"보수 규정"}
        writer.add(third)
    assert set(shown(place.reader())) == {"보수 규정"} and place.reader().version == 2
    with place.writer() as writer:
        assert writer.version == 2 and [d.title for d in writer.documents.values()] == ["보수 규정"]
        writer.add(third)
        writer.commit()
    assert set(shown(place.reader())) == {"보수 규정", "보안 지침"}


def an_empty_commit_makes_no_version_but_the_first(place: Place) -> None:
    with place.writer() as writer:
        assert writer.version == 0 and not writer.has_changes
        assert writer.commit() == writer.commit() == 1
    engine = place.reader()
    assert engine.version == 1 and engine.documents == []
    assert all(engine.retrieve([QUERY], 5, mode) == [[]] for mode in MODES)


def a_document_added_again_takes_the_place_of_the_old_one(place: Place) -> None:
    filled(place)
    new = content("인사 규정", "연차 휴가는 스무 날이다. ", groups=("재무",))
    with place.writer() as writer:
        writer.add(content("인사 규정", "버려질 글이다. "))
        writer.add(new)
        writer.commit()
    engine = place.reader()
    assert shown(engine)["인사 규정"] == (("재무",), new.document.paths, "연차 휴가는 스무 날이다. ")
    assert len(engine.documents) == 4 and engine.documents[-1].title == "인사 규정"
    for mode in MODES:
        found = [passage.chunk.text for passage in engine.retrieve(["연차 휴가 버려질"], 50, mode)[0]]
        assert found.count("연차 휴가는 스무 날이다. ") == 1
        assert not {"버려질 글이다. ", *TEXTS["인사 규정"]} & set(found)


def groups_and_paths_change_and_the_text_stays(place: Place) -> None:
    before = answers(filled(place))
    with place.writer() as writer:
        document = writer.documents[known_documents()[2].document.document_id]
        writer.change(replace(document, groups=("인사",)))
        writer.change(replace(document, groups=("감사",), paths=("/새/곳.pdf", "/사본.pdf")))
        assert writer.has_changes and writer.pending_chunks == 0
        writer.commit()
    engine = place.reader()
    assert shown(engine)["보안 지침"] == (("감사",), ("/새/곳.pdf", "/사본.pdf"), *TEXTS["보안 지침"])
    assert answers(engine) == before
    for mode in MODES:
        assert titles(engine, Filter(groups=("감사",)), mode) == ["보안 지침"]
        assert not titles(engine, Filter(groups=("보안",)), mode)
    with place.writer() as writer:  # also for a document that is not committed yet
        writer.add(content("새 글", "새로 쓴 글이다. "))
        writer.change(replace(writer.documents[content("새 글").document.document_id], groups=("감사",)))
        writer.commit()
    assert shown(place.reader())["새 글"][0] == ("감사",)


def a_deleted_document_answers_nothing_from_the_commit_on(place: Place) -> None:
    before = filled(place)
    gone = before.document("보안 지침")
    with place.writer() as writer:
        writer.remove(gone.document_id)
        assert gone.document_id not in writer.documents
        writer.commit()
        with pytest.raises(KeyError):
            writer.remove(gone.document_id)
    engine = place.reader()
    for mode in MODES:
        assert "보안 지침" not in titles(engine, Filter(), mode)
    assert gone.title not in {document.title for document in engine.documents}
    with pytest.raises(DocumentNotFound):
        engine.document(gone.document_id)
    with pytest.raises(KeyError):
        engine.with_id(gone.document_id)
    for read in (engine.text, engine.chunks):
        with pytest.raises(DocumentNotFound):
            read(gone)


def a_document_taken_out_before_its_commit_never_was(place: Place) -> None:
    first, second, *_ = known_documents()
    with place.writer() as writer:
        writer.add(first)
        writer.add(second)
        writer.remove(first.document.document_id)
        writer.commit()
    assert list(shown(place.reader())) == ["보수 규정"]


def a_reader_keeps_its_version(place: Place) -> None:
    old = filled(place)
    version, before, documents = old.version, answers(old), shown(old)
    with place.writer() as writer:
        for document in list(writer.documents.values())[:3]:
            writer.remove(document.document_id)
            writer.add(content(f"{document.title} 2", "휴가와 수당을 새로 정한다. "))
            writer.commit()
        writer.merge()
    assert (old.version, answers(old), shown(old)) == (version, before, documents)
    new = place.reader()
    assert new.version > version and answers(new) != before and len(new.documents) == 4
    new.close()


def a_second_writer_is_refused(place: Place) -> None:
    with place.writer(), pytest.raises(IndexBusy):
        place.writer()
    with place.writer():
        pass


def a_merge_changes_no_answer(place: Place) -> None:
    with place.writer() as writer:
        for number in range(12):
            writer.add(content(f"{number}", f"{number}번 휴가와 수당을 정한다. "))
            writer.commit()
        writer.remove(content("3").document.document_id)
        with pytest.raises(ValueError, match="commit"):
            writer.merge()
        version = writer.commit()
        before = answers(place.reader()), shown(place.reader())
        assert writer.merge() >= version
    after = answers(place.reader()), shown(place.reader())
    # Until they are merged away, deleted documents may still count when the rarity of a word is computed.
    assert after[1] == before[1]
    for mode in MODES:
        assert {chunk.id for chunk, _ in after[0][mode]} == {chunk.id for chunk, _ in before[0][mode]}
    assert after[0]["dense"] == before[0]["dense"]


def what_does_not_fit_is_refused_and_changes_nothing(place: Place) -> None:
    first, second, *_ = known_documents()
    with place.writer() as writer:
        writer.add(first)
        writer.commit()
        with pytest.raises(ValueError):
            writer.add(replace(second, vectors=second.vectors[:1]))
        with pytest.raises(ValueError):
            writer.add(replace(second, terms=second.terms[:1]))
        assert not writer.has_changes and writer.commit() == 1
    assert list(shown(place.reader())) == ["인사 규정"]


def what_was_found_of_the_retrievers_is_kept(place: Place) -> None:
    found = Calibration(0.2, 50, 0.9, 0.5, 0.91, 6)
    filled(place)
    with place.writer() as writer:
        assert writer.calibration is None
        writer.set_calibration(found)
        assert writer.calibration == found
        (first, *_) = writer.documents.values()
        assert "".join(chunk.text for chunk in writer.chunks(first)) == "".join(TEXTS[first.title])
    assert place.reader().calibration == found


LAWS = (
    rankings_are_ordered_and_cut_at_k,
    a_chunk_is_found_first_by_its_own_words,
    a_batch_answers_as_one_by_one,
    filters_act_before_the_top_k_and_fail_closed,
    a_hidden_document_is_not_there_by_any_name,
    texts_pages_and_places_are_those_of_the_document,
)
LAWS_OF_WRITING = (
    ids_and_texts_come_out_as_they_went_in,
    a_commit_shows_all_or_nothing,
    an_empty_commit_makes_no_version_but_the_first,
    a_document_added_again_takes_the_place_of_the_old_one,
    groups_and_paths_change_and_the_text_stays,
    a_deleted_document_answers_nothing_from_the_commit_on,
    a_document_taken_out_before_its_commit_never_was,
    a_reader_keeps_its_version,
    a_second_writer_is_refused,
    a_merge_changes_no_answer,
    what_does_not_fit_is_refused_and_changes_nothing,
    what_was_found_of_the_retrievers_is_kept,
)
