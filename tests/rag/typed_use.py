"""The Python API as a user's typed code has it. The type checker must accept this file in strict mode.

Nothing here runs: `make lint` reads it, and each `assert_type` says what the checker must find.
"""

from collections.abc import AsyncGenerator, Generator
from typing import Any, assert_type

from rag import (
    Answer,
    AnswerStream,
    AsyncAnswerStream,
    Citation,
    Comparison,
    Config,
    Conversation,
    FailedSummary,
    Filter,
    IngestReport,
    Passage,
    Pipeline,
    PipelineError,
    SearchResult,
    StoredDocument,
    Summary,
    Upkeep,
    __version__,
    load_config,
)
from rag.models.generator import Generator as AnswerGenerator
from rag.wire import shapes

assert_type(__version__, str)


def opened(generator: AnswerGenerator) -> Pipeline:
    config = load_config("rag.toml", ["search.k=20"])
    assert_type(config, Config)
    return Pipeline.open("rag-index", config, generator=generator)


def ingested(pipeline: Pipeline) -> None:
    report = pipeline.ingest("문서", groups={"인사"}, passwords=["비밀", ("계약*.pdf", "비밀")])
    assert_type(report, IngestReport)
    assert_type(report.documents.added, int)
    assert_type(report.to_dict(), shapes.Ingest)


def searched(pipeline: Pipeline) -> None:
    found = pipeline.search("연차휴가", k=5, mode="hybrid", allowed={"인사"})
    assert_type(found, SearchResult)
    assert_type(found[0], Passage)
    assert_type(found[:2], tuple[Passage, ...])
    assert_type([passage.title for passage in found], list[str])
    assert_type(found[0].document_id, str)
    assert_type(pipeline.search(["연차", "병가"]), list[SearchResult])


def asked(pipeline: Pipeline) -> None:
    answer = pipeline.ask("연차휴가는 며칠인가요?", Filter(documents=("*.pdf",)))
    assert_type(answer, Answer)
    assert_type(answer.citations, tuple[Citation, ...])
    assert_type(answer.citations[0].first_page, int)
    assert_type(answer.to_dict(), shapes.Answer)
    assert_type(pipeline.ask(["연차?", "병가?"]), list[Answer])
    assert_type(pipeline.ask_each(iter(["연차?"])), Generator[Answer | PipelineError, None, None])


def streamed(pipeline: Pipeline) -> None:
    with pipeline.ask_stream("연차휴가는 며칠인가요?") as stream:
        assert_type(stream, AnswerStream)
        for piece in stream:
            assert_type(piece, str)
    assert_type(stream.answer, Answer)


def talked(pipeline: Pipeline) -> None:
    conversation = pipeline.conversation(allowed=["인사"])
    assert_type(conversation, Conversation)
    assert_type(conversation.ask("본부장은요?"), Answer)
    assert_type(conversation.ask_stream("팀장은요?"), AnswerStream)


def summarised(pipeline: Pipeline) -> None:
    documents = pipeline.documents({"인사"})
    assert_type(documents, list[StoredDocument])
    assert_type(documents[0].document_id, str)
    results = pipeline.summarise(documents, "executive", sentences=5)
    assert_type(results, Generator[Summary | FailedSummary, None, None])
    assert_type(pipeline.summarise_all(documents), list[Summary | FailedSummary])
    assert_type(pipeline.compare(documents, ["사업기간"]), Comparison)
    assert_type(pipeline.text(documents[0], 0, 10), str)


def looked_after(pipeline: Pipeline) -> None:
    assert_type(pipeline.upkeep, Upkeep)
    assert_type(pipeline.upkeep.status().documents, int)
    version, _findings = pipeline.upkeep.check()
    assert_type(version, int)


def caught(pipeline: Pipeline) -> str:
    try:
        return str(pipeline.ask(""))
    except PipelineError as error:
        assert_type(error.fields, dict[str, Any])
        return error.say("ko")


async def awaited(pipeline: Pipeline) -> None:
    assert_type(await pipeline.ingest_async(["문서"]), IngestReport)
    assert_type(await pipeline.search_async("연차"), SearchResult)
    assert_type(await pipeline.search_async(["연차"]), list[SearchResult])
    assert_type(await pipeline.ask_async("연차?"), Answer)
    assert_type(await pipeline.ask_async(("연차?",), tools=True), list[Answer])
    assert_type(pipeline.ask_each_async(["연차?"]), AsyncGenerator[Answer | PipelineError, None])
    async with pipeline.ask_stream_async("연차?") as stream:
        assert_type(stream, AsyncAnswerStream)
        async for piece in stream:
            assert_type(piece, str)
    assert_type(stream.answer, Answer)
    async for result in pipeline.summarise_async("취업규칙.pdf"):
        assert_type(result, Summary | FailedSummary)
    assert_type(await pipeline.compare_async(["a.pdf", "b.pdf"]), Comparison)
    assert_type(await pipeline.conversation().ask_async("연차?"), Answer)


def misused(pipeline: Pipeline) -> None:
    pipeline.ask("연차?", allowed="인사")  # type: ignore[call-overload]
    pipeline.search("연차", mode="magic")  # type: ignore[call-overload]
    pipeline.ask(7)  # type: ignore[call-overload]
