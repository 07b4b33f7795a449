"""Who asks, in every call of the Python API: names of groups are a filter, and a document is looked up in the index."""

import pytest

from indexes.errors import DocumentNotFound
from indexes.types import Filter
from rag import Pipeline
from rag.api.allowed import filter_of
from tests.support.files.pdfs import make_pdf

SECRET = "연봉 인상률은 사내 비밀이며 올해는 7퍼센트로 한다."


@pytest.mark.parametrize(
    "groups", [{"인사", "재무"}, frozenset({"재무", "인사"}), ["재무", "인사"], ("인사", "재무")]
)
def test_names_of_groups_are_a_filter(groups):
    assert filter_of(groups) == Filter(groups=("인사", "재무"))


def test_no_group_lets_nothing_through():
    assert filter_of(set()) == Filter(groups=())


@pytest.mark.parametrize(
    ("allowed", "told"), [("인사", "allowed={'인사'}"), (None, "leave it out"), ({1}, "group names")]
)
def test_what_is_no_filter_is_refused_and_the_message_says_what_to_write(allowed, told):
    with pytest.raises(TypeError, match=told):
        filter_of(allowed)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """A pipeline over two documents, one of the group «인사» (personnel) and one without groups."""
    folder = tmp_path_factory.mktemp("allowed")
    (folder / "급여.pdf").write_bytes(make_pdf([[SECRET]]))
    (folder / "안내.pdf").write_bytes(make_pdf([["구내식당은 열두 시에 문을 연다."]]))
    with Pipeline.open(folder / "index") as opened:
        opened.ingest(folder / "급여.pdf", groups=["인사"])
        opened.ingest(folder / "안내.pdf")
        yield opened


def test_each_group_sees_its_own(pipeline):
    assert [document.title for document in pipeline.documents({"인사"})] == [
        pipeline.document("급여.pdf").title
    ]
    assert pipeline.documents({"재무"}) == pipeline.documents(set()) == []
    assert len(pipeline.documents()) == 2
    assert not pipeline.search("연봉 인상률", allowed={"재무"})
    assert pipeline.search("연봉 인상률", allowed={"인사"})[0].text.strip() == SECRET
    assert pipeline.ask("연봉 인상률은 얼마인가요?", {"재무"}).abstained


READS = {
    "text": lambda pipeline, document, allowed: pipeline.text(document, allowed=allowed),
    "pages": lambda pipeline, document, allowed: pipeline.pages(document, allowed=allowed),
    "show": lambda pipeline, document, allowed: list(pipeline.show(document, page=1, allowed=allowed)),
    "document": lambda pipeline, document, allowed: pipeline.document(document, allowed),
    "summarise": lambda pipeline, document, allowed: list(pipeline.summarise([document], allowed=allowed)),
    "compare": lambda pipeline, document, allowed: pipeline.compare([document], ["연봉"], allowed=allowed),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("named", ["object", "id"])
def test_a_document_that_one_may_not_see_cannot_be_read_by_handing_it_in(pipeline, read, named):
    document = pipeline.document("급여.pdf")
    handed = document if named == "object" else document.document_id
    with pytest.raises(DocumentNotFound):
        read(pipeline, handed, {"재무"})
    assert read(pipeline, handed, {"인사"})


def test_a_group_that_was_taken_away_closes_an_object_that_was_got_before(pipeline):
    document = pipeline.document("급여.pdf")
    try:
        pipeline.set_groups(["급여.pdf"], lambda groups: groups - {"인사"})
        with pytest.raises(DocumentNotFound):
            pipeline.text(document, allowed={"인사"})
    finally:
        pipeline.set_groups(["급여.pdf"], lambda groups: groups | {"인사"})


def test_groups_of_an_ingest_are_no_bare_string(pipeline):
    with pytest.raises(TypeError, match=r"groups=\['인사'\]"):
        pipeline.ingest("급여.pdf", groups="인사")
