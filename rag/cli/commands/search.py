"""`rag search`: the passages nearest to a query."""

from pathlib import Path
from typing import Annotated

import typer
from rich.padding import Padding
from rich.text import Text

from indexes.types import MODES
from rag.answer import SearchResult
from rag.cli.terminal.console import one_line, out, print_json
from rag.cli.terminal.inputs import batches, one_of, read_jsonl
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
from rag.cli.terminal.views import inner_context, shorten, show_understood, show_unreadable
from rag.display.words import place_of
from rag.language import language, say
from rag.wire.bodies import row_json, search_json

commands = family()


@commands.command(
    help=say(
        "질문과 가까운 발췌문을 찾습니다(답변은 만들지 않음).",
        "Find the passages nearest to a query; no answer is written.",
    )
)
@grouped
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
    seen: Seen = SEEN,
    index: IndexOption = DEFAULT_INDEX,
    common: Common = COMMON,
) -> None:
    if mode is not None and mode not in MODES:
        raise typer.BadParameter(say(f"{', '.join(MODES)} 중 하나", f"one of {', '.join(MODES)}"))
    one_of(query, queries, "QUERY", "--queries")
    allowed = seen.allowed
    with open_pipeline(index, common) as pipeline:
        rows = read_jsonl(queries, "query") if queries else [(None, query)]
        for batch in batches(rows, 64):
            found = pipeline.search([text for _, text in batch], k, mode, allowed)
            for (identity, _), one in zip(batch, found, strict=True):
                if common.as_json or queries:
                    body = search_json(one)
                    print_json(body if identity is None else row_json(identity, body))
                else:
                    show_understood(out(), one.understood)
                    show_search(one)


def show_search(found: SearchResult) -> None:
    console, passages, seconds = out(), found.passages, found.seconds
    for passage in passages:
        title = Text(one_line(f"{passage.rank}. {passage.title}, {place_of(passage)}"), style="bold")
        title.append(
            one_line(f"  {passage.score:.3f}  {inner_context(passage.context, passage.title)}"), style="dim"
        )
        console.print(title)
        console.print(Padding(Text(shorten(passage.text, 300)), (0, 0, 1, 3), expand=False))
    for warning in found.warnings:
        console.print(Text(one_line(f"! {warning.say(language())}"), style="yellow"))
    show_unreadable(console, found.unreadable_pages)
    console.print(
        Text(
            say(f"{len(passages)}개 발췌문 · {seconds:.2f}초", f"{len(passages)} passages · {seconds:.2f} s"),
            style="dim",
        )
    )
