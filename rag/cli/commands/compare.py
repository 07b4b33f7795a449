"""`rag compare`: several reports side by side, each cell with its evidence."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from rag.cli.terminal.console import err, one_line, out, print_json
from rag.cli.terminal.opening import choose, open_pipeline
from rag.cli.terminal.options import (
    COMMON,
    DEFAULT_INDEX,
    NAMES_HELP,
    SEEN,
    Common,
    IndexOption,
    Seen,
    family,
    grouped,
)
from rag.cli.terminal.progress import progress_bar
from rag.comparing.compare import ROWS, Comparison, ComparisonCell
from rag.comparing.files import FIRST_COLUMN, WRITERS, pages, write_comparison
from rag.language import language, say
from rag.wire.bodies import comparison_json
from rag.wording.places import MARKS

commands = family()


@commands.command(
    help=say(
        "색인된 보고서 여러 개를 표로 비교합니다. 칸마다 문서의 쪽과 원문이 붙고, 없으면 «근거 없음»입니다."
        " --row 를 주지 않으면 여러 보고서에 함께 나오는 항목을 찾아 비교합니다.",
        "Compare reports of the index in a table. Every cell cites page and words, or says that there is no evidence."
        " Without --row the names that the reports share are compared.",
    )
)
@grouped
def compare(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH PATH...", help=NAMES_HELP),
    ],
    names: Annotated[
        list[str],
        typer.Option(
            "--row",
            metavar="NAME",
            help=say(
                "비교할 항목(여러 번 쓸 수 있음), 예: 사업기간 또는 사업기간/용역기간",
                "what to compare (repeatable), e.g. 사업기간, or 사업기간/용역기간 for either",
            ),
        ),
    ] = [],
    most: Annotated[
        int,
        typer.Option("--rows", min=1, help=say("찾을 항목은 많아도 이만큼", "find at most this many rows")),
    ] = ROWS,
    file: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help=say("쓸 파일: ", "file to write: ") + " | ".join(WRITERS)),
    ] = None,
    seen: Seen = SEEN,
    index: IndexOption = DEFAULT_INDEX,
    common: Common = COMMON,
) -> None:
    if file and file.suffix.lower() not in WRITERS:
        raise typer.BadParameter(
            say(f"{', '.join(WRITERS)} 가운데 하나로 끝나야 합니다", f"must end in {', '.join(WRITERS)}"),
            param_hint="--out",
        )
    if any(not name.strip(" /") for name in names):
        raise typer.BadParameter(say("항목이 비어 있습니다", "the name is empty"), param_hint="--row")
    allowed = seen.allowed
    with open_pipeline(index, common) as pipeline:
        chosen = choose(pipeline, paths, allowed)
        if len(chosen) == 1:
            raise typer.BadParameter(
                say("비교할 문서를 둘 이상 주세요", "give two documents or more"), param_hint="PATH"
            )
        with progress_bar() as bar:
            task = bar.add_task(say("비교", "comparing"), total=None, unit=say("칸", "cells"))
            comparison = pipeline.compare(
                chosen,
                names or None,
                most=most,
                allowed=allowed,
                on_cell=lambda done, cells: bar.update(task, completed=done, total=cells),
            )
    if file:
        write_comparison(file, comparison)
    if common.as_json:
        print_json(comparison_json(comparison))
    elif file:
        out().print(Text(one_line(f"✓ {file}")), soft_wrap=True)
    else:
        show_comparison(out(), comparison)
    for warning in () if common.as_json else comparison.warnings:
        err().print(Text(one_line(f"! {warning.say(language())}"), style="yellow"), soft_wrap=True)


def show_comparison(console: Console, comparison: Comparison) -> None:
    table = Table(Column(FIRST_COLUMN, overflow="fold"), show_lines=True)
    for document in comparison.documents:
        table.add_column(Text(one_line(document.title)), overflow="fold")
    for row in comparison.rows:
        table.add_row(Text(row.name, style="bold"), *map(shown_cell, row.cells))
    console.print(table)


def shown_cell(cell: ComparisonCell) -> Text:
    """The value, then page and quote of the best evidence."""
    if not cell.found:
        return Text(cell.text, style="dim")
    text = Text(cell.text)
    text.append(f"\n{pages(cell)} {MARKS[cell.support]}", style="dim")
    best = cell.citations[0]
    if best.columns:
        text.append(f"\n{best.columns}", style="dim")
    quote = " ".join(best.quote.split())
    if quote != cell.text:
        text.append(f"\n“{quote}”", style="cyan")
    return text
