"""`rag ask`: a cited answer to one question, or to each question of a file."""

import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from indexes.types import Filter
from ingest.errors import PipelineError
from rag.cli.terminal.console import exit_code, one_line, out, print_json
from rag.cli.terminal.inputs import one_of, read_jsonl
from rag.cli.terminal.opening import open_pipeline
from rag.cli.terminal.options import (
    COMMON,
    DEFAULT_INDEX,
    SEEN,
    Common,
    IndexOption,
    Seen,
    family,
    grouped,
)
from rag.cli.terminal.progress import progress_bar
from rag.cli.terminal.views import show_answer, show_pieces
from rag.language import language, say
from rag.pipeline import Pipeline
from rag.wire.bodies import answer_json, error_json, row_json

commands = family()


@commands.command(
    help=say(
        "문서에 질문합니다. 답의 문장마다 근거 문서·쪽·원문이 붙습니다.",
        "Ask a question; every sentence of the answer cites document, page and words.",
    )
)
@grouped
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
    seen: Seen = SEEN,
    index: IndexOption = DEFAULT_INDEX,
    common: Common = COMMON,
) -> None:
    one_of(question, questions, "QUESTION", "--questions")
    if tools and questions:
        raise typer.BadParameter(
            say("--tools 는 질문 하나에 씁니다", "--tools is for one question"), param_hint="--tools"
        )
    allowed = seen.allowed
    with open_pipeline(index, common) as pipeline:
        if questions:
            raise typer.Exit(ask_file(pipeline, questions, allowed))
        if common.as_json:
            print_json(answer_json(pipeline.ask(question, allowed, tools=tools)))
        elif tools:
            show_question(out(), question)
            show_answer(out(), pipeline, pipeline.ask(question, allowed, tools=True), allowed, with_text=True)
        else:
            show_stream(pipeline, question, allowed)


def ask_file(pipeline: Pipeline, questions: Path, allowed: Filter) -> int:
    """Answer every question of the file, one JSON object a line; returns the exit code."""
    rows = read_jsonl(questions, "question")
    pipeline.require_index()  # a missing index is one error, not one for each question
    failed = 0
    results = pipeline.ask_each((question for _, question in rows), allowed)
    # Rows on a terminal show by themselves how far it is, and a bar would stand between them.
    with closing(results), progress_bar(redirect_stdout=False, disable=sys.stdout.isatty()) as bar:
        answering = bar.add_task(say("답하는 중", "answering"), total=len(rows), unit="")
        for (identity, _), result in zip(rows, results, strict=True):
            failed += isinstance(result, PipelineError)
            body = (
                error_json(result, language()) if isinstance(result, PipelineError) else answer_json(result)
            )
            print_json(row_json(identity, body))
            unit = say(f"질문 · 실패 {failed:,}", f"questions · {failed:,} failed")
            bar.update(answering, advance=1, unit=unit)
    return exit_code(len(rows), failed)


def show_question(console: Console, question: str) -> None:
    console.print(Text(one_line(f"{say('질문', 'Question')}  {question}"), style="bold"))
    console.print()


def show_stream(pipeline: Pipeline, question: str, allowed: Filter) -> None:
    console = out()
    show_question(console, question)
    stream = pipeline.ask_stream(question, allowed)
    live = show_pieces(console, pipeline, stream)
    show_answer(console, pipeline, stream.answer, allowed, with_text=not live)
