"""Who asks, in every call of the Python API: names of groups are a filter, and a document is looked up in the index."""

import pytest

from indexes.errors import DocumentNotFound, IndexNotFound
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


@pytest.mark.parametrize("field", ["groups", "documents"])
def test_a_list_or_a_set_is_kept_as_a_tuple(field):
    for names in (["재무", "인사"], ("재무", "인사")):
        made = Filter(**{field: names})
        assert getattr(made, field) == ("재무", "인사") and hash(made) == hash(
            Filter(**{field: tuple(names)})
        )
    assert getattr(Filter(**{field: {"재무", "인사"}}), field) == ("인사", "재무")
    assert getattr(Filter(**{field: []}), field) == () and getattr(Filter(), field) is None


@pytest.mark.parametrize("field", ["groups", "documents"])
@pytest.mark.parametrize(("names", "told"), [("인사", r"=\('인사',\)"), ([1], "strings"), (3, "strings")])
def test_a_filter_refuses_what_is_no_collection_of_names(field, names, told):
    with pytest.raises(TypeError, match=field + ".*" + told):
        Filter(**{field: names})


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


def test_a_filter_made_of_a_list_finds_what_one_of_a_tuple_finds(pipeline):
    assert pipeline.search("연봉 인상률", allowed=Filter(groups=["인사"]))[0].text.strip() == SECRET


def test_nobody_widens_the_filter_of_a_conversation(pipeline):
    chat = pipeline.conversation({"재무"})
    with pytest.raises(AttributeError):
        chat.allowed = Filter()
    assert chat.allowed == Filter(groups=("재무",))


def test_a_job_of_many_questions_can_require_the_index_first(pipeline, tmp_path):
    pipeline.require_index()
    with pytest.raises(IndexNotFound):
        Pipeline.open(tmp_path / "none").require_index()


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
