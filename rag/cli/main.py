"""The command line: `rag ingest`, `rag ask` and the rest. Only this file prints."""

import json
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

import rag.cli.index
import rag.cli.model
from indexes.types import MODES, Filter, Understood
from indexes.wording import page_runs, percent, span
from ingest.errors import PipelineError
from ingest.raw import Unit
from rag.answer import Answer, Citation, SearchResult, Sentence, ToolCall, UnreadablePages
from rag.cli.terminal import (
    DEFAULT_INDEX,
    DONE,
    LANGUAGE,
    NOTHING,
    PARTLY,
    STOPPED,
    USAGE,
    AsOption,
    ConfigOption,
    DebugOption,
    DocumentOption,
    IndexOption,
    JsonOption,
    OcrOption,
    PasswordOption,
    PasswordsOption,
    SetOption,
    allowed_by,
    app,
    err,
    exit_code,
    given_passwords,
    open_pipeline,
    out,
    print_json,
    say,
)
from rag.cli.usage import help_command, usage_message
from rag.config import DEFAULT_FILE, TEMPLATES
from rag.doctor import examine
from rag.errors import (
    ConfigError,
    ConfigExists,
    InputUnreadable,
    OutputFailed,
    PageNotFound,
)
from rag.pipeline import Pipeline
from rag.viewing.inspect import report_json, selected, terminal_report
from rag.viewing.inspect_html import PICTURES, draw_pages, html_report
from rag.wire.bodies import answer_json, error_json, ingest_json, problem
from rag.wording import MARKS, in_unit

SHOWN_AFTER_SECONDS = 5.0
COLORS = {"supported": "green", "partial": "yellow", "unsupported": "red", "uncited": "red"}
NEAREST = 3  # passages shown where the documents hold no answer


# ingest


@app.command(
    help=say(
        "PDF 파일이나 폴더를 읽어 색인합니다. 바뀌지 않은 파일은 건너뛰고, 못 읽는 파일은 알리고 계속합니다.",
        "Read PDF files or folders into the index. Unchanged files are skipped; bad ones are reported.",
    )
)
def ingest(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help=say("파일이나 폴더", "files or folders"))
    ],
    password: PasswordOption = [],
    passwords: PasswordsOption = None,
    group: Annotated[
        list[str], typer.Option(help=say("이 문서들을 볼 수 있는 그룹", "group that may see these documents"))
    ] = [],
    workers: Annotated[
        int | None, typer.Option(help=say("동시에 읽을 파일 수", "files read at a time"))
    ] = None,
    ocr: OcrOption = None,
    sync: Annotated[
        bool,
        typer.Option(
            "--sync",
            help=say("폴더에서 없어진 파일은 색인에서도 삭제", "remove what has gone from the folders"),
        ),
    ] = False,
    index: IndexOption = DEFAULT_INDEX,
    config: ConfigOption = None,
    overrides: SetOption = [],
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    if workers is not None:
        overrides = [*overrides, f"ingest.workers={workers}"]
    if ocr is not None:
        overrides = [*overrides, f"ingest.ocr={ocr}"]
    given = given_passwords(password, passwords)
    with open_pipeline(index, config, overrides) as pipeline, progress_bar() as bar:
        reading = bar.add_task(say("읽는 중", "reading"), total=None, unit="")
        embedding = bar.add_task(
            say("임베딩", "embedding"), total=None, unit=say("청크", "chunks"), visible=False
        )

        def advance(done: int, total: int, pages: int, path: str) -> None:
            unit = say(f"파일 · {pages:,}쪽", f"files · {pages:,} pages")
            bar.update(reading, completed=done, total=total, unit=unit)

        def embedded(done: int, total: int) -> None:  # shown where reading has to wait for it
            slow = bar.tasks[0].elapsed > SHOWN_AFTER_SECONDS and done < total
            bar.update(embedding, completed=done, total=total, visible=slow)

        report = pipeline.ingest(
            paths, groups=group, passwords=given, sync=sync, progress=advance, embedded=embedded
        )
    if as_json:
        print_json(ingest_json(report, LANGUAGE))
    else:
        show_ingest(report)
    succeeded = asdict(report.documents)
    left_out = succeeded.pop("failed") + len(report.skipped)
    raise typer.Exit(DONE if not left_out else PARTLY if any(succeeded.values()) else NOTHING)


def show_ingest(report) -> None:
    counts = report.documents
    names = {
        "added": say("추가", "added"),
        "updated": say("갱신", "updated"),
        "unchanged": say("변경 없음", "unchanged"),
        "moved": say("이동", "moved"),
        "removed": say("삭제", "removed"),
        "failed": say("실패", "failed"),
    }
    done = [f"{label} {count:,}" for key, label in names.items() if (count := asdict(counts)[key])]
    rate = report.pages / report.seconds if report.seconds else 0
    console = out()
    console.print(
        say(f"문서 {', '.join(done) or '없음'}", f"documents: {', '.join(done) or 'none'}")
        + say(
            f" · {report.pages:,}쪽, {report.chunks:,}청크 · {report.seconds:.1f}초(초당 {rate:.0f}쪽)"
            f" · 색인 {report.index} (버전 {report.version})",
            f" · {report.pages:,} pages, {report.chunks:,} chunks · {report.seconds:.1f} s"
            f" ({rate:.0f} pages/s) · index {report.index} (version {report.version})",
        ),
        soft_wrap=True,
    )
    for notice in report.warnings:
        console.print(Text(f"! {notice.say(LANGUAGE)}", style="yellow"), soft_wrap=True)
    for skipped in report.skipped:
        console.print(Text(f"! {skipped.path}: {skipped.say(LANGUAGE)}", style="yellow"), soft_wrap=True)
    for failure in report.failures:
        reason = f"✗ {failure.path}: {failure.error.say(LANGUAGE)}"
        console.print(Text(reason, style="red"), soft_wrap=True)


# search


@app.command(
    help=say(
        "질문과 가까운 발췌문을 찾습니다(답변은 만들지 않음).",
        "Find the passages nearest to a query; no answer is written.",
    )
)
def search(
    query: Annotated[str | None, typer.Argument(help=say("찾을 말", "what to look for"))] = None,
    queries: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help=say('{"id","query"} 가 한 줄씩 든 JSONL', 'JSONL of {"id","query"}')
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help=say("발췌문 수", "how many passages"))] = 10,
    mode: Annotated[
        str | None, typer.Option(help=say("hybrid, lexical 또는 dense", "hybrid, lexical or dense"))
    ] = None,
    groups: AsOption = [],
    documents: DocumentOption = [],
    index: IndexOption = DEFAULT_INDEX,
    config: ConfigOption = None,
    overrides: SetOption = [],
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    if mode is not None and mode not in MODES:
        raise typer.BadParameter(say(f"{', '.join(MODES)} 중 하나", f"one of {', '.join(MODES)}"))
    one_of(query, queries, "QUERY", "--queries")
    allowed = allowed_by(groups, documents)
    with open_pipeline(index, config, overrides) as pipeline:
        rows = read_jsonl(queries, "query") if queries else [(None, query)]
        for batch in batches(rows, 64):
            found = pipeline.search([text for _, text in batch], k, mode, allowed)
            for (identity, _), one in zip(batch, found, strict=True):
                if as_json or queries:
                    given = {} if identity is None else {"id": identity}
                    print_json(given | search_json(one))
                else:
                    show_understood(out(), one.understood)
                    show_search(one)


def search_json(found: SearchResult) -> dict[str, Any]:
    return {
        "query": found.query,
        "understood": [asdict(each) for each in found.understood],
        "passages": [
            {
                "rank": passage.rank,
                "score": passage.score,
                "chunk_id": passage.chunk_id,
                "document_id": passage.document_id,
                "path": passage.path,
                "title": passage.title,
                "context": passage.context,
                "first_page": passage.first_page,
                "last_page": passage.last_page,
                "start": passage.start,
                "end": passage.end,
                "text": passage.text,
                "unit": passage.unit,
                "ocr": passage.ocr,
            }
            for passage in found
        ],
        "unreadable_pages": [asdict(pages) for pages in found.unreadable_pages],
        "warnings": list(found.warnings),
        "seconds": round(found.seconds, 4),
    }


def show_understood(console: Console, understood: Sequence[Understood]) -> None:
    """A line on what the question was found to name."""
    kinds = {
        "document": say("문서", "document"),
        "section": say("항목", "section"),
        "reference": say("조항", "reference"),
        "period": say("기간", "period"),
        "amount": say("수량", "amount"),
        "alias": say("다른 이름", "also called"),
    }
    if understood:
        told = ("period", "amount", "alias")  # of these the words do not say what they were taken for
        named = " · ".join(
            f"{kinds[each.kind]} «{each.words}»" + (f" = {each.meaning}" if each.kind in told else "")
            for each in understood
        )
        console.print(Text(say(f"이렇게 이해했습니다: {named}", f"understood: {named}"), style="dim"))


def show_search(found: SearchResult) -> None:
    console, passages, seconds = out(), found.passages, found.seconds
    for passage in passages:
        place = place_of(passage.first_page, passage.last_page, passage.unit, passage.ocr)
        title = Text(f"{passage.rank}. {passage.title}, {place}", style="bold")
        title.append(f"  {passage.score:.3f}  {inner_context(passage.context, passage.title)}", style="dim")
        console.print(title)
        console.print(Padding(Text(shorten(passage.text, 300)), (0, 0, 1, 3), expand=False))
    for warning in found.warnings:
        console.print(Text(f"! {warning}", style="yellow"))
    show_unreadable(console, found.unreadable_pages)
    console.print(
        Text(
            say(f"{len(passages)}개 발췌문 · {seconds:.2f}초", f"{len(passages)} passages · {seconds:.2f} s"),
            style="dim",
        )
    )


# ask


@app.command(
    help=say(
        "문서에 질문합니다. 답의 문장마다 근거 문서·쪽·원문이 붙습니다.",
        "Ask a question; every sentence of the answer cites document, page and words.",
    )
)
def ask(
    question: Annotated[str | None, typer.Argument(help=say("질문", "the question"))] = None,
    questions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help=say('{"id","question"} 이 한 줄씩 든 JSONL', 'JSONL of {"id","question"}')
        ),
    ] = None,
    tools: Annotated[
        bool,
        typer.Option(
            "--tools",
            help=say(
                "모델이 직접 문서를 찾고 쪽을 펼쳐 봄(모델이 있는 백엔드)",
                "the model searches and opens pages itself (backends with a model)",
            ),
        ),
    ] = False,
    groups: AsOption = [],
    documents: DocumentOption = [],
    index: IndexOption = DEFAULT_INDEX,
    config: ConfigOption = None,
    overrides: SetOption = [],
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    one_of(question, questions, "QUESTION", "--questions")
    if tools and questions:
        raise typer.BadParameter(
            say("--tools 는 질문 하나에 씁니다", "--tools is for one question"), param_hint="--tools"
        )
    allowed = allowed_by(groups, documents)
    with open_pipeline(index, config, overrides) as pipeline:
        if questions:
            raise typer.Exit(ask_file(pipeline, questions, allowed))
        if as_json:
            print_json(answer_json(pipeline.ask(question, allowed, tools=tools)))
        elif tools:
            show_question(out(), question)
            show_answer(out(), pipeline, pipeline.ask(question, allowed, tools=True), allowed, with_text=True)
        else:
            show_stream(pipeline, question, allowed)


def ask_file(pipeline: Pipeline, questions: Path, allowed: Filter) -> int:
    """Answer every question of the file, one JSON object a line; returns the exit code."""
    rows = read_jsonl(questions, "question")
    pipeline.retriever  # noqa: B018 - a missing index is one error, not one for each question
    failed = 0
    results = pipeline.ask_each((question for _, question in rows), allowed)
    # Rows on a terminal show by themselves how far it is, and a bar would stand between them.
    with closing(results), progress_bar(redirect_stdout=False, disable=sys.stdout.isatty()) as bar:
        answering = bar.add_task(say("답하는 중", "answering"), total=len(rows), unit="")
        for (identity, _), result in zip(rows, results, strict=True):
            failed += isinstance(result, PipelineError)
            body = error_json(result, LANGUAGE) if isinstance(result, PipelineError) else answer_json(result)
            print_json({"id": identity} | body)
            unit = say(f"질문 · 실패 {failed:,}", f"questions · {failed:,} failed")
            bar.update(answering, advance=1, unit=unit)
    return exit_code(len(rows), failed)


def show_question(console: Console, question: str) -> None:
    console.print(Text(f"{say('질문', 'Question')}  {question}", style="bold"))
    console.print()


def show_stream(pipeline: Pipeline, question: str, allowed: Filter) -> None:
    console = out()
    show_question(console, question)
    live = console.is_terminal and pipeline.generator.writes
    with pipeline.ask_stream(question, allowed) as stream:
        for piece in stream:
            if live:
                console.print(Text(piece), end="", soft_wrap=True)
        answer = stream.answer
    if live:
        console.print("\n")
    show_answer(console, pipeline, answer, allowed, with_text=not live)


def show_answer(
    console: Console, pipeline: Pipeline, answer: Answer, allowed: Filter, *, with_text: bool
) -> None:
    if with_text:
        console.print(Padding(Text(answer.text), (0, 0, 1, 2), expand=False))
    show_looked_up(console, answer)
    if answer.abstained:
        show_nearest(console, answer)
    elif not answer.asks_back:
        show_citations(console, answer)
    for warning in answer.warnings:
        console.print(Text(f"! {warning}", style="yellow"))
    show_unreadable(console, answer.unreadable_pages)
    show_footer(console, len(pipeline.documents(allowed)), answer)


def show_looked_up(console: Console, answer: Answer) -> None:
    """A line on what the model looked up itself, in its order."""
    if answer.tool_calls:
        looked_up = " · ".join(map(looked_up_for, answer.tool_calls))
        console.print(Text(say(f"찾아본 것: {looked_up}", f"looked up: {looked_up}"), style="dim"))
        console.print()


def looked_up_for(call: ToolCall) -> str:
    """«연차휴가» 5, 「취업규칙」 8–9쪽 2 …: one call, and how many passages it gave."""
    words = call.name or "?"
    if not call.error and call.name == "search_documents":
        words = f"«{call.arguments['query']}»"
        if document := call.arguments.get("document"):
            words = f"「{document}」 {words}"
    elif not call.error and call.name == "open_pages":
        first, last = call.arguments["first_page"], call.arguments["last_page"]
        words = f"「{call.arguments['document']}」 {place_of(first, max(first, last), 'page', None)}"
    return f"{words} ✗" if call.error else say(f"{words} {call.passages}개", f"{words} ({call.passages})")


def show_unreadable(console: Console, unreadable: Sequence[UnreadablePages]) -> None:
    for pages in unreadable:
        name, numbers = Path(pages.path).name, page_runs(pages.pages)
        if pages.unit == "page":
            korean = f"{numbers}쪽은 읽지 못해 찾아보지 못했습니다"
            english = f"page{'s' * (len(pages.pages) > 1)} {numbers} could not be read, nor searched"
        else:
            korean = f"구역 {numbers}의 내용은 읽지 못해 찾아보지 못했습니다"
            english = f"section{'s' * (len(pages.pages) > 1)} {numbers} could not be read, nor searched"
        console.print(Text(f"! {name}: {say(korean, english)}", style="yellow"), soft_wrap=True)


def show_citations(console: Console, answer: Answer) -> None:
    console.print(Text(say("근거", "Evidence"), style="bold"))
    contexts = {passage.marker: passage.context for passage in answer.passages}
    for citation in answer.citations:
        show_citation(console, citation, contexts[citation.marker])
    show_loose(console, answer.sentences)


def show_citation(console: Console, citation: Citation, context: str = "") -> None:
    line = Text(f"  [{citation.marker}] ", style="bold")
    place = place_of(citation.first_page, citation.last_page, citation.unit, citation.ocr)
    line.append(f"{citation.title}, {place} ")
    line.append(MARKS[citation.support], style=COLORS[citation.support])
    context = context.removesuffix(citation.columns).removesuffix(" > ")
    if inner := inner_context(context, citation.title):
        line.append(f"  {inner}", style="dim")
    console.print(line)
    if citation.columns:
        console.print(Padding(Text(citation.columns, style="dim"), (0, 0, 0, 6), expand=False))
    console.print(
        Padding(Text(f"“{shorten(citation.quote, 400)}”", style="cyan"), (0, 0, 0, 6), expand=False)
    )


def show_loose(console: Console, sentences: Sequence[Sentence]) -> None:
    """The sentences that no quote carries."""
    for sentence in sentences:
        if sentence.support in ("uncited", "unsupported"):
            why = say("근거가 없는 문장", "no evidence for")
            console.print(Text(f"  ✗ {why}: {shorten(sentence.text, 80)}", style="red"))
    console.print()


def show_nearest(console: Console, answer: Answer) -> None:
    if not answer.passages:
        return
    console.print(Text(say("가장 가까운 발췌문", "Nearest passages"), style="bold"))
    for passage in answer.passages[:NEAREST]:
        place = place_of(passage.first_page, passage.last_page, passage.unit, passage.ocr)
        console.print(Text(f"  {passage.title}, {place}", style="bold"))
        console.print(Padding(Text(shorten(passage.text, 200), style="cyan"), (0, 0, 0, 6), expand=False))
    console.print()


def show_footer(console: Console, documents: int, answer: Answer) -> None:
    if not documents:
        nobody = say("조건에 맞는 문서가 없습니다.", "no document matches --as and --document")
        console.print(Text(f"! {nobody}", style="yellow"))
    budget = answer.budget
    tokenizer = Path(answer.tokenizer).name
    console.print(
        Text(
            say(
                f"문서 {documents:,}개에서 찾은 {len(answer.passages)}개 발췌문 · "
                f"프롬프트 {budget.prompt:,} + 답변 {budget.reserved_output:,} / 컨텍스트 창 {budget.window:,}토큰"
                f"({tokenizer}) · {answer.generator} · {answer.seconds:.2f}초",
                f"{len(answer.passages)} passages from {documents:,} documents · "
                f"prompt {budget.prompt:,} + answer {budget.reserved_output:,} / window"
                f" {budget.window:,} tokens ({tokenizer}) · {answer.generator}"
                f" · {answer.seconds:.2f} s",
            ),
            style="dim",
        ),
        soft_wrap=True,
    )


# text, tokens, list, status, check, delete


@app.command(
    help=say("색인에 저장된 문서의 글을 봅니다.", "Print the stored text of a document, or a part of it.")
)
def text(
    document: Annotated[str, typer.Argument(metavar="ID", help=say("아이디나 파일 이름", "id or file name"))],
    page: Annotated[int | None, typer.Option(min=1, help=say("이 쪽만", "only this page"))] = None,
    start: Annotated[int | None, typer.Option(min=0, help=say("첫 글자", "first character"))] = None,
    end: Annotated[
        int | None, typer.Option(min=0, help=say("끝 글자(제외)", "last character, excluded"))
    ] = None,
    groups: AsOption = [],
    documents: DocumentOption = [],
    index: IndexOption = DEFAULT_INDEX,
    config: ConfigOption = None,
    overrides: SetOption = [],
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    with open_pipeline(index, config, overrides) as pipeline:
        found = pipeline.document(document, allowed_by(groups, documents))
        pages = pipeline.reader.pages(found.id)
        if page is not None:
            count = len(pages)
            pages = [p for p in pages if p.number == page]
            if not pages:
                raise PageNotFound(page=page, pages=count)
            start, end = pages[0].start, pages[0].end
        start = start or 0
        body = pipeline.text(found, start, end)
        shown = [p for p in pages if p.start < start + len(body) and p.end > start]
        if not as_json:
            sys.stdout.write(body if body.endswith("\n") else body + "\n")
            return
        print_json(
            {
                "document_id": found.id,
                "path": found.path,
                "title": found.title,
                "start": start,
                "end": start + len(body),
                "text": body,
                "unit": found.unit,
                "pages": [
                    {
                        "number": p.number,
                        "label": p.label,
                        "start": p.start,
                        "end": p.end,
                        "readable": p.readable,
                        "engine": p.engine,
                        "confidence": p.confidence,
                    }
                    for p in shown
                ],
            }
        )


@app.command(
    help=say(
        "설정된 토크나이저로 글의 토큰 수를 정확히 셉니다.",
        "Count the tokens of a text in the configured tokenizer, exactly.",
    )
)
def tokens(
    text: Annotated[str | None, typer.Argument(help=say("글", "the text"))] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help=say("글이 든 UTF-8 파일", "a UTF-8 file"))
    ] = None,
    config: ConfigOption = None,
    overrides: SetOption = [],
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    one_of(text, file, "TEXT", "--file")
    body = read_text(file) if file else text
    tokenizer = open_pipeline(DEFAULT_INDEX, config, overrides).tokenizer
    counted = {"tokens": tokenizer.count(body), "tokenizer": tokenizer.name, "characters": len(body)}
    if as_json:
        print_json(counted)
    else:
        out().print(
            say(
                f"{counted['tokens']:,}토큰 · {counted['characters']:,}자 · {tokenizer.name}",
                f"{counted['tokens']:,} tokens · {counted['characters']:,} characters · {tokenizer.name}",
            )
        )


@app.command("list", help=say("색인된 문서의 목록입니다.", "List the documents of the index."))
def list_documents(
    groups: AsOption = [],
    documents: DocumentOption = [],
    index: IndexOption = DEFAULT_INDEX,
    config: ConfigOption = None,
    overrides: SetOption = [],
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    with open_pipeline(index, config, overrides) as pipeline:
        found = pipeline.documents(allowed_by(groups, documents))
        unreadable = pipeline.reader.unreadable_pages(found)
        doubtful = pipeline.reader.doubtful_pages(found)
        if as_json:
            print_json(
                {
                    "documents": [
                        {
                            "document_id": d.id,
                            "path": d.path,
                            "paths": list(d.paths),
                            "title": d.title,
                            "pages": d.pages,
                            "chunks": d.chunks,
                            "groups": list(d.groups),
                            "unreadable_pages": unreadable.get(d.id, []),
                            "unit": d.unit,
                            "ocr_pages": sorted(doubtful.get(d.id, {})),
                        }
                        for d in found
                    ]
                }
            )
            return
    table = Table(box=None, pad_edge=False)
    for name in (
        say("아이디", "id"),
        say("제목", "title"),
        say("쪽", "pages"),
        say("청크", "chunks"),
        say("그룹", "groups"),
    ):
        table.add_column(name, overflow="fold")
    for d in found:
        table.add_row(d.id, Text(d.title), page_count(d.pages, d.unit), f"{d.chunks:,}", ", ".join(d.groups))
    out().print(table)


# show, inspect


@app.command(
    help=say(
        "문서의 쪽을 그림(PNG)으로 저장하고, 인용한 글자를 노랗게 표시합니다.",
        "Write the page of a document as a PNG, with the cited characters marked in yellow.",
    )
)
def show(
    document: Annotated[str, typer.Argument(metavar="ID", help=say("아이디나 파일 이름", "id or file name"))],
    start: Annotated[
        int | None, typer.Option(min=0, help=say("인용의 start", "the citation's start"))
    ] = None,
    end: Annotated[int | None, typer.Option(min=0, help=say("인용의 end", "the citation's end"))] = None,
    page: Annotated[int | None, typer.Option(min=1, help=say("이 쪽만", "only this page"))] = None,
    picture: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="FILE",
            help=say(
                "만들 파일; 여러 쪽이면 page.png, page-2.png …",
                "the file to write; for several pages page.png, page-2.png …",
            ),
        ),
    ] = Path("page.png"),
    scale: Annotated[
        float, typer.Option(min=0.1, max=10.0, help=say("1포인트의 픽셀 수", "pixels for a point"))
    ] = 2.0,
    password: PasswordOption = [],
    passwords: PasswordsOption = None,
    groups: AsOption = [],
    documents: DocumentOption = [],
    index: IndexOption = DEFAULT_INDEX,
    config: ConfigOption = None,
    overrides: SetOption = [],
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    if (start is None) != (end is None) or (start is None and page is None):
        raise typer.BadParameter(
            say("--start 와 --end, 또는 --page 를 주세요", "give --start and --end, or --page")
        )
    given = given_passwords(password, passwords)
    with open_pipeline(index, config, overrides) as pipeline:
        found = pipeline.document(document, allowed_by(groups, documents))
        pages = []
        for shown in pipeline.show(found, start, end, page=page, scale=scale, passwords=given):
            name = f"-{len(pages) + 1}" if pages else ""
            file = picture.with_name(f"{picture.stem}{name}{picture.suffix}")
            write_file(file, shown.png)
            boxes = [[round(side, 2) for side in box] for box in shown.boxes]
            pages.append({"page": shown.number, "file": str(file), "boxes": boxes})
    if as_json:
        print_json({"document_id": found.id, "path": found.path, "start": start, "end": end, "pages": pages})
        return
    for shown in pages:
        place = place_of(shown["page"], shown["page"], "page", None)
        out().print(Text(f"{place}: {shown['file']}"), soft_wrap=True)
        if start is not None and not shown["boxes"]:
            nowhere = say("이 쪽에서 글자의 자리를 찾지 못했습니다", "the span was not found on this page")
            err().print(Text(f"! {nowhere}", style="yellow"), soft_wrap=True)


@app.command(
    help=say(
        "파일 하나에서 기계가 무엇을 읽었는지 보여 줍니다: 제목, 표, 차례, 뺀 머리글, 청크의 경계. 색인은 필요 없습니다.",
        "Show what was read from one file: headings, tables, contents, what was left out, where chunks end."
        " No index is needed.",
    )
)
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=say("파일", "the file"))],
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT.html",
            help=say("쪽 그림이 든 HTML 파일 하나로 저장", "write one HTML file with pictures of the pages"),
        ),
    ] = None,
    page: Annotated[
        list[int], typer.Option(min=1, help=say("이 쪽만(여러 번 쓸 수 있음)", "only this page (repeatable)"))
    ] = [],
    password: PasswordOption = [],
    passwords: PasswordsOption = None,
    ocr: OcrOption = None,
    config: ConfigOption = None,
    overrides: SetOption = [],
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    if ocr is not None:
        overrides = [*overrides, f"ingest.ocr={ocr}"]
    given = given_passwords(password, passwords)
    with open_pipeline(DEFAULT_INDEX, config, overrides) as pipeline:
        reading = pipeline.inspect(file, given)
    wanted = selected(reading, page)
    if html is not None:
        pictures = draw_pages(reading, given, wanted if page else wanted[:PICTURES], pipeline.config.ingest)
        report = html_report(reading, pictures, wanted, LANGUAGE)
        write_file(html, report.encode("utf-8", "replace"))  # a file's name may be no Unicode
    if as_json:
        print_json(report_json(reading, str(file), wanted))
    elif html is not None:
        out().print(say(f"{html} 을(를) 만들었습니다.", f"wrote {html}"), soft_wrap=True)
    else:
        console = out()
        for part in terminal_report(reading, wanted, LANGUAGE):
            console.print(part)


# init, doctor


@app.command(
    help=say(
        "주석이 달린 설정 파일 rag.toml 을 만듭니다(있으면 덮어쓰지 않음).",
        "Write a commented rag.toml; an existing one is not overwritten.",
    )
)
def init(
    profile: Annotated[str, typer.Option(help="embedded | gpu | gpu-72b")] = "embedded",
    config: Annotated[
        Path, typer.Option("--config", metavar="FILE", help=say("만들 파일", "the file to write"))
    ] = Path(DEFAULT_FILE),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    if profile not in TEMPLATES:
        raise typer.BadParameter(f"--profile: {' | '.join(TEMPLATES)}")
    try:
        with config.open("x", encoding="utf-8") as file:
            file.write(TEMPLATES[profile])
    except FileExistsError as exc:
        raise ConfigExists(path=config) from exc
    except OSError as exc:
        raise ConfigError(detail=f"{config}: {exc.strerror}") from exc
    if as_json:
        print_json({"config": str(config), "profile": profile})
    else:
        out().print(
            say(f"{config} 을(를) 만들었습니다({profile} 프로필).", f"wrote {config} ({profile} profile)")
        )


@app.command(
    help=say(
        "무엇이 설치되어 있고, 설정한 모델과 서버가 되는지, 안 되면 어떻게 할지 알려 줍니다.",
        "Say what is installed, whether the configured models and servers work, and what to do if not.",
    )
)
def doctor(
    index: IndexOption = DEFAULT_INDEX,
    config: ConfigOption = None,
    overrides: SetOption = [],
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    checks = examine(open_pipeline(index, config, overrides), LANGUAGE)
    bad = [check for check in checks if not check.ok]
    if as_json:
        print_json({"ok": not bad, "checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            line = Text("✓ " if check.ok else "✗ ", style="green" if check.ok else "red")
            line.append(f"{check.name}: ", style="bold").append(check.what, style="default")
            if check.remedy:
                line.append(f"\n    → {check.remedy}", style="yellow")
            out().print(line)
    raise typer.Exit(NOTHING if bad else DONE)


# small things


def progress_bar(**options: bool) -> Progress:
    """A bar on standard error, gone at its end; tasks have the field `unit`."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=err(), transient=True, **options)


def one_of(first: Any, second: Any, first_name: str, second_name: str) -> None:
    if (first is None) == (second is None):
        raise typer.BadParameter(
            say(
                f"{first_name} 또는 {second_name} 중 하나를 주세요",
                f"give either {first_name} or {second_name}",
            )
        )


def write_file(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as exc:
        raise OutputFailed(path=path, detail=exc.strerror or str(exc)) from exc


def read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as exc:
        raise InputUnreadable(path=path, detail=exc.strerror) from exc
    except UnicodeDecodeError as exc:
        raise InputUnreadable(path=path, detail=say("UTF-8 파일이 아닙니다", "not UTF-8")) from exc


def read_jsonl(path: Path, key: str) -> list[tuple[Any, str]]:
    """(id, text) of each line; the line number stands in for a missing id."""
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            value = row[key]
            if not isinstance(value, str):
                raise ValueError(value)
            rows.append((row.get("id", number), value))
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            detail = say(
                f'{number}행: "{key}" 에 글이 든 JSON이 아닙니다',
                f'line {number}: no JSON with text in "{key}"',
            )
            raise InputUnreadable(path=path, detail=detail) from exc
    return rows


def batches(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def shorten(text: str, length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"


def place_of(first: int, last: int, unit: Unit, ocr: float | None) -> str:
    """«3쪽», «구역 3–4», «3쪽(OCR 87%)»: where a passage stands, and whether OCR read it."""
    numbers, several = span(first, last), first != last
    english = f"section{'s' * several} {numbers}" if unit == "section" else f"p{'p' * several}. {numbers}"
    place = say(in_unit(numbers, unit), english)
    read = "" if ocr is None else say(f"(OCR {percent(ocr)})", f" (OCR {percent(ocr)})")
    return place + read


def page_count(count: int, unit: Unit) -> str:
    sections = say(f"구역 {count:,}개", f"{count:,} section{'s' * (count != 1)}")
    return f"{count:,}" if unit == "page" else sections


def inner_context(context: str, title: str) -> str:
    return context.removeprefix(title).removeprefix(" > ")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(arguments, prog_name="rag", standalone_mode=False) or DONE
        if code == STOPPED:  # typer's answer to Ctrl-C
            err().print(say("중단했습니다. 저장된 것은 그대로입니다.", "stopped; what was stored stays"))
        return code
    except PipelineError as exc:
        report_error(exc, arguments)
        return NOTHING
    except typer.Exit as exc:
        return exc.exit_code
    except Exception as exc:
        if hasattr(exc, "format_message"):  # click's usage errors
            said, taught = usage_message(exc), help_command(exc)
            if "--json" in arguments:
                print_json(problem("usage", said, taught))
            message = f"{said} — {say(f'{taught} 를 보세요', f'see {taught}')}"
            err().print(Text(message, style="red"), soft_wrap=True)
            return USAGE
        if "--debug" in arguments:
            raise
        if "--json" in arguments:
            print_json(problem("internal", f"{type(exc).__name__}: {exc}", "--debug"))
        err().print(
            Text(
                say(
                    f"프로그램 오류: {type(exc).__name__}: {exc} — --debug 를 붙이면 자세히 보입니다",
                    f"internal error: {type(exc).__name__}: {exc} — --debug shows where",
                ),
                style="red",
            )
        )
        return NOTHING


def report_error(error: PipelineError, arguments: Sequence[str]) -> None:
    if "--json" in arguments:
        print_json(error_json(error, LANGUAGE))
    if "--debug" in arguments:
        traceback.print_exception(error)
    err().print(Text(error.say(LANGUAGE), style="red"), soft_wrap=True)


def run() -> None:
    """The entry point of the `rag` command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # an EUC-KR terminal has no «–»: show ? instead of failing
            stream.reconfigure(errors="replace")
    sys.exit(main())


import rag.cli.chat  # noqa: E402 - these commands show evidence as `ask` does, so they come last
import rag.cli.compare  # noqa: E402
import rag.cli.summarise  # noqa: E402, F401
