"""The commands that look after an index: `rag status`, `rag check`, `rag delete` and the rest."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from rag.pipeline import Pipeline
from rag.terminal import (
    DEFAULT_INDEX,
    DONE,
    NOTHING,
    ConfigOption,
    DebugOption,
    IndexOption,
    JsonOption,
    SetOption,
    app,
    open_pipeline,
    out,
    print_json,
    read_config,
    say,
)

PANEL = say("색인 관리", "Looking after an index")


@app.command(
    rich_help_panel=PANEL,
    help=say("색인의 크기와 모델을 봅니다.", "Show how large the index is and what built it."),
)
def status(
    index: IndexOption = DEFAULT_INDEX,
    config: ConfigOption = None,
    overrides: SetOption = [],
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    read_config(config, overrides)
    body = Pipeline.status(index)
    if as_json:
        print_json(body)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for key, value in body.items():
        table.add_row(key, f"{value:,}" if isinstance(value, int) else str(value))
    out().print(table)


@app.command(
    rich_help_panel=PANEL,
    help=say(
        "색인의 모든 바이트를 확인합니다. 문제가 있으면 종료 코드 1.",
        "Read every byte of the index; exit code 1 if something is wrong.",
    ),
)
def check(
    index: IndexOption = DEFAULT_INDEX,
    config: ConfigOption = None,
    overrides: SetOption = [],
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    version, findings = open_pipeline(index, config, overrides).check()
    if as_json:
        print_json({"ok": not findings, "version": version, "findings": [asdict(f) for f in findings]})
    elif findings:
        for finding in findings:
            out().print(Text(f"✗ {finding.file}: {finding.what} — {finding.remedy}", style="red"))
    else:
        out().print(say(f"이상 없습니다(버전 {version}).", f"nothing wrong (version {version})"))
    raise typer.Exit(NOTHING if findings else DONE)


@app.command(
    rich_help_panel=PANEL,
    help=say("문서를 색인에서 삭제합니다.", "Take documents out of the index."),
)
def delete(
    names: Annotated[
        list[str],
        typer.Argument(metavar="ID|PATH...", help=say("아이디, 경로, 파일 이름", "ids, paths or file names")),
    ],
    index: IndexOption = DEFAULT_INDEX,
    config: ConfigOption = None,
    overrides: SetOption = [],
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    with open_pipeline(index, config, overrides) as pipeline:
        gone = pipeline.delete(names)
    if as_json:
        print_json({"deleted": [{"document_id": d.id, "path": d.path} for d in gone]})
        return
    for document in gone:
        out().print(Text(say(f"삭제했습니다: {document.title}", f"deleted: {document.title}")))
