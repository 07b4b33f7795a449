"""The retrievers for LangChain and LlamaIndex, with the real libraries."""

import asyncio
import json

import pytest

from indexes.types import Filter
from rag import Pipeline

QUERY = "연차유급휴가의 사용"
PLACE = {"document_id", "path", "title", "first_page", "last_page", "start", "end", "quote", "score", "rank"}


@pytest.fixture(scope="module")
def pipeline(sample_index):
    with Pipeline.open(sample_index) as opened:
        yield opened


def langchain(pipeline, **options):
    """(text, metadata) of what LangChain's retriever gives, called and awaited."""
    pytest.importorskip("langchain_core")
    from rag.adapters.langchain import PipelineRetriever

    retriever = PipelineRetriever(pipeline=pipeline, **options)
    found, awaited = retriever.invoke(QUERY), asyncio.run(retriever.ainvoke(QUERY))
    assert found == awaited
    return [(document.page_content, document.metadata) for document in found]


def llamaindex(pipeline, **options):
    """(text, metadata) of what LlamaIndex's retriever gives, called and awaited."""
    pytest.importorskip("llama_index.core")
    from rag.adapters.llamaindex import PipelineRetriever

    retriever = PipelineRetriever(pipeline, **options)
    found, awaited = retriever.retrieve(QUERY), asyncio.run(retriever.aretrieve(QUERY))
    assert [(one.node.text, one.score) for one in found] == [(one.node.text, one.score) for one in awaited]
    assert all(one.score == one.node.metadata["score"] for one in found)
    assert "document_id" not in found[0].node.get_metadata_str("llm") if found else True
    return [(one.node.text, one.node.metadata) for one in found]


LIBRARIES = pytest.mark.parametrize("retrieved", [langchain, llamaindex])


@LIBRARIES
def test_a_retriever_gives_what_a_search_finds_with_its_place(pipeline, retrieved):
    rows = retrieved(pipeline, k=4, mode="lexical")
    found = pipeline.search(QUERY, 4, "lexical")
    assert [text for text, _ in rows] == [passage.text for passage in found]
    assert [metadata["rank"] for _, metadata in rows] == [1, 2, 3, 4]
    for text, metadata in rows:
        assert set(metadata) >= PLACE and json.loads(json.dumps(metadata)) == metadata
        document = pipeline.document(metadata["document_id"])
        assert (document.path, document.title) == (metadata["path"], metadata["title"])
        assert pipeline.text(document, metadata["start"], metadata["end"]) == metadata["quote"] == text
        touched = [
            page.number
            for page in pipeline.pages(document)
            if page.start < metadata["start"] + len(text.rstrip()) and page.end > metadata["start"]
        ]
        assert (touched[0], touched[-1]) == (metadata["first_page"], metadata["last_page"])


@LIBRARIES
def test_a_retriever_finds_only_what_is_allowed(pipeline, retrieved):
    assert retrieved(pipeline, allowed={"재무"}) == []
    only = retrieved(pipeline, allowed=Filter(documents=("정보보안_업무지침.pdf",)))
    assert only and {metadata["title"] for _, metadata in only} == {"정보보안 업무지침"}


@LIBRARIES
def test_a_bare_string_and_no_passages_are_refused(pipeline, retrieved):
    with pytest.raises(TypeError, match="allowed="):
        retrieved(pipeline, allowed="인사")
    with pytest.raises(ValueError, match=r"k|greater"):
        retrieved(pipeline, k=0)
