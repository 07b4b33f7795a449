"""The commands that look after an index: `rag status`, `rag check`, `rag delete` and the rest."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table
from rich.text import Text

from indexes.disk.schema import FORMAT
from indexes.types import Calibration
from rag.cli.terminal.console import DONE, NOTHING, PARTLY, one_line, out, print_json
from rag.cli.terminal.opening import open_pipeline
from rag.cli.terminal.options import (
    COMMON,
    DEFAULT_INDEX,
    Common,
    ConfigOption,
    DebugOption,
    IndexOption,
    JsonOption,
    family,
    grouped,
)
from rag.cli.terminal.progress import counted
from rag.language import say
from rag.wire.bodies import (
    backup_json,
    calibrate_json,
    check_json,
    compact_json,
    delete_json,
    group_json,
    reembed_json,
    repair_json,
    status_json,
    upgrade_json,
)

commands = family()

PANEL = say("색인 관리", "Looking after an index")


@commands.command(
    rich_help_panel=PANEL,
    help=say("색인의 크기와 모델을 봅니다.", "Show how large the index is and what built it."),
)
@grouped
def status(
    index: IndexOption = DEFAULT_INDEX,
    common: Common = COMMON,
) -> None:
    body = status_json(open_pipeline(index, common).upkeep.status())
    if common.as_json:
        print_json(body)
        return
    table = Table("", Column(overflow="fold"), box=None, show_header=False, pad_edge=False)
    for key, value in body.items():
        table.add_row(key, readable(value))
    out().print(table)


def readable(value: Any) -> str:
    """A value of `status` for people."""
    if isinstance(value, dict):
        return " · ".join(f"{name} {part}" for name, part in value.items() if part is not None)
    return f"{value:,}" if isinstance(value, int) else str(value)


@commands.command(
    rich_help_panel=PANEL,
    help=say(
        "색인의 모든 바이트를 확인합니다. 문제가 있으면 종료 코드 1.",
        "Read every byte of the index; exit code 1 if something is wrong.",
    ),
)
@grouped
def check(
    index: IndexOption = DEFAULT_INDEX,
    common: Common = COMMON,
) -> None:
    version, findings = open_pipeline(index, common).upkeep.check()
    if common.as_json:
        print_json(check_json(version, findings))
    elif findings:
        for finding in findings:
            out().print(Text(one_line(f"✗ {finding.file}: {finding.what} — {finding.remedy}"), style="red"))
    else:
        out().print(say(f"이상 없습니다(버전 {version}).", f"nothing wrong (version {version})"))
    raise typer.Exit(NOTHING if findings else DONE)


@commands.command(
    rich_help_panel=PANEL,
    help=say(
        "손상된 색인을 남은 것으로 고칩니다. 벡터와 낱말 색인은 저장된 글에서 다시 만들고, 글이 손상된 문서는"
        " 빼고 알려 줍니다. 뺀 문서는 rag ingest 로 다시 넣으세요(종료 코드 3).",
        "Make a damaged index whole. Vectors and postings are made again from the stored text; a document whose"
        " text is damaged is taken out and named: ingest it again (exit code 3).",
    ),
)
@grouped
def repair(
    index: IndexOption = DEFAULT_INDEX,
    common: Common = COMMON,
) -> None:
    started = time.monotonic()
    with (
        open_pipeline(index, common) as pipeline,
        counted(say("고치는 중", "repairing")) as progress,
    ):
        done = pipeline.upkeep.repair(lambda _: progress)
    if common.as_json:
        print_json(repair_json(index, done, time.monotonic() - started))
        raise typer.Exit(PARTLY if done.removed else DONE)
    for file, what in done.repaired:
        out().print(Text(one_line(f"✓ {file}: {what}")))
    for document in done.removed:
        text = say("뺐습니다, 다시 넣으세요", "taken out, ingest it again")
        out().print(Text(one_line(f"✗ {document.title}: {text} — {document.path}"), style="red"))
    if not done.repaired:
        out().print(say("고칠 것이 없습니다.", "nothing to repair"))
    raise typer.Exit(PARTLY if done.removed else DONE)


@commands.command(
    rich_help_panel=PANEL,
    help=say(
        "색인의 임베더를 설정된 것으로 바꿉니다. 문서를 다시 읽지 않고 저장된 글을 다시 임베딩합니다.\n\n"
        "오래 걸려도 됩니다. 중단하면 다음에 이어서 하고, 끝날 때까지는 이전 벡터로 검색됩니다.",
        "Give the index the configured embedder: the stored text is embedded again, no document is read.\n\n"
        "It may take long. Stopped, it goes on where it was; until it is done the index answers with the old"
        " vectors.",
    ),
)
@grouped
def reembed(
    index: IndexOption = DEFAULT_INDEX,
    common: Common = COMMON,
) -> None:
    started = time.monotonic()
    with (
        open_pipeline(index, common) as pipeline,
        counted(say("임베딩", "embedding")) as progress,
    ):
        version = pipeline.upkeep.reembed(progress)
        name = pipeline.embedder.identity.name
    if common.as_json:
        print_json(reembed_json(index, version, name, time.monotonic() - started))
        return
    out().print(Text(say(f"임베더: {name}(버전 {version})", f"embedder: {name} (version {version})")))


@commands.command(
    rich_help_panel=PANEL,
    help=say(
        "문서에서 뽑은 질문으로 낱말 검색과 뜻 검색의 비중을 다시 재고, 리랭커가 도움이 되는지 봅니다.\n\n"
        "색인이 크게 바뀌면 rag ingest 가 스스로 합니다. 리랭커를 바꾼 뒤에 쓰세요.",
        "Measure anew, by questions taken from the documents, how much meaning counts beside words, and"
        " whether the reranker helps.\n\nrag ingest does this itself where the index has changed much; use it"
        " after changing the reranker.",
    ),
)
@grouped
def calibrate(
    index: IndexOption = DEFAULT_INDEX,
    common: Common = COMMON,
) -> None:
    with open_pipeline(index, common) as pipeline:
        found = pipeline.upkeep.calibrate()
    if common.as_json:
        print_json(calibrate_json(index, found))
    elif found is None:
        out().print(Text(say("글이 적어 잴 수 없습니다.", "too little text to measure by")))
    else:
        for line in calibration_lines(found):
            out().print(Text(line))


def calibration_lines(found: Calibration) -> list[str]:
    """What was measured, for people."""
    measured = f"{found.lexical:.3f} / {found.dense:.3f} / {found.hybrid:.3f}"
    lines = [
        say(
            f"뜻의 비중 {found.dense_weight:g} · 질문 {found.questions}개의 nDCG@10: 낱말 / 뜻 / 함께 {measured}",
            f"weight of meaning {found.dense_weight:g} · nDCG@10 of {found.questions} questions:"
            f" words / meaning / both {measured}",
        )
    ]
    if tried := found.reranker:
        change = f"{tried.before:.3f} → {tried.after:.3f}"
        lines.append(
            say(
                f"리랭커 {tried.name}: {change}" + ("" if tried.helps else " · 껐습니다"),
                f"reranker {tried.name}: {change}" + ("" if tried.helps else " · turned off"),
            )
        )
    return lines


@commands.command(
    rich_help_panel=PANEL,
    help=say("문서를 색인에서 삭제합니다.", "Take documents out of the index."),
)
@grouped
def delete(
    names: Annotated[
        list[str],
        typer.Argument(metavar="ID|PATH...", help=say("아이디, 경로, 파일 이름", "ids, paths or file names")),
    ],
    index: IndexOption = DEFAULT_INDEX,
    common: Common = COMMON,
) -> None:
    with open_pipeline(index, common) as pipeline:
        gone = pipeline.delete(names)
    if common.as_json:
        print_json(delete_json(gone))
        return
    for document in gone:
        out().print(Text(say(f"삭제했습니다: {document.title}", f"deleted: {document.title}")))


@commands.command(
    rich_help_panel=PANEL,
    help=say(
        "문서의 그룹을 바꿉니다. 임베딩과 색인은 그대로입니다.\n\n"
        "그룹은 [bold]--as[/bold] 로 물을 때 볼 수 있는 문서를 정합니다. 그룹이 없는 문서는 --as 로는 아무도 볼 수"
        " 없고, --as 없이 묻는 사람(색인의 주인)은 모두 봅니다.\n\n"
        "예: [bold]rag group '인사/*.pdf' --add 인사 --remove 임시[/bold]",
        "Change the groups of documents; nothing is embedded or indexed anew.\n\n"
        "Groups decide which documents are seen with [bold]--as[/bold]. A document without a group is then seen by"
        " nobody; without --as the caller is the owner and sees everything.\n\n"
        "Example: [bold]rag group 'hr/*.pdf' --add hr --remove draft[/bold]",
    ),
)
def group(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="ID|PATH...",
            help=say("아이디, 경로, 파일 이름, 경로 무늬", "ids, paths, file names or path patterns"),
        ),
    ],
    add: Annotated[
        list[str], typer.Option(metavar="GROUP", help=say("더할 그룹(여러 번)", "groups to add (repeatable)"))
    ] = [],
    remove: Annotated[
        list[str],
        typer.Option(metavar="GROUP", help=say("뺄 그룹(여러 번)", "groups to remove (repeatable)")),
    ] = [],
    only: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="GROUP",
            help=say("이 그룹들로 바꿈(여러 번)", "these groups and no others (repeatable)"),
        ),
    ] = [],
    index: IndexOption = DEFAULT_INDEX,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    if bool(only) == bool(add or remove):
        raise typer.BadParameter(
            say("--add 와 --remove, 아니면 --set 을 쓰세요", "give --add and --remove, or --set")
        )
    with open_pipeline(index, Common(config)) as pipeline:
        changed = pipeline.set_groups(names, lambda groups: only or (groups | set(add)) - set(remove))
    if as_json:
        print_json(group_json(changed))
        return
    for document in changed:
        groups = ", ".join(document.groups) or say("그룹 없음", "no group")
        out().print(Text(one_line(f"{document.title}: {groups}")))
    if not changed:
        out().print(say("바뀐 것이 없습니다.", "nothing changed"))


@commands.command(
    rich_help_panel=PANEL,
    help=say(
        "삭제한 문서의 흔적을 색인 파일에서 모두 없앱니다.\n\n"
        "[bold]rag delete[/bold] 를 하면 그 문서는 바로 검색되지 않지만 글은 파일에 남아 있습니다. 이 명령을 마치면"
        " 어떤 파일에도 남지 않습니다. 삭제한 문서가 있으면 낱말 색인을 다시 만들므로 큰 색인은 오래 걸립니다.",
        "Remove every trace of deleted documents from the files.\n\n"
        "After [bold]rag delete[/bold] a document answers nothing, but its text still lies in the files; after"
        " this it does not. Where documents were deleted the postings are made again, which takes long on a"
        " large index.",
    ),
)
@grouped
def compact(
    wait: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            help=say(
                "이전 버전을 읽는 프로세스를 기다릴 시간", "how long to wait for readers of older versions"
            ),
        ),
    ] = 5.0,
    index: IndexOption = DEFAULT_INDEX,
    common: Common = COMMON,
) -> None:
    started = time.monotonic()
    with (
        open_pipeline(index, common) as pipeline,
        counted(say("낱말 색인", "postings")) as progress,
    ):
        done = pipeline.upkeep.compact(wait, progress)
    if common.as_json:
        print_json(compact_json(index, done, time.monotonic() - started))
        return
    before, after = (f"{size / 2**20:,.1f} MB" for size in (done.bytes_before, done.bytes_after))
    out().print(say(f"정리했습니다: {before} → {after}", f"compacted: {before} → {after}"))


@commands.command(
    rich_help_panel=PANEL,
    help=say(
        "색인의 사본을 만듭니다. 다른 프로세스가 읽거나 쓰는 중에도 됩니다. 사본도 그대로 쓸 수 있는 색인입니다.",
        "Copy the index, also while others read and write it. The copy is an index like any other.",
    ),
)
def backup(
    target: Annotated[Path, typer.Argument(metavar="DIR", help=say("새로 만들 폴더", "the folder to make"))],
    index: IndexOption = DEFAULT_INDEX,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    with open_pipeline(index, Common(config)) as pipeline, counted(say("복사", "copying")) as progress:
        version = pipeline.upkeep.backup(target, progress)
    if as_json:
        print_json(backup_json(index, target, version))
        return
    out().print(
        Text(say(f"{target} 에 저장했습니다(버전 {version})", f"version {version} saved in {target}"))
    )


@commands.command(
    rich_help_panel=PANEL,
    help=say(
        "백업에서 색인을 되살립니다. 백업의 모든 바이트를 먼저 확인합니다.",
        "Bring an index back from a backup; every byte of the backup is checked first.",
    ),
)
def restore(
    source: Annotated[
        Path,
        typer.Argument(metavar="DIR", help=say("rag backup 으로 만든 폴더", "a folder made by rag backup")),
    ],
    force: Annotated[
        bool, typer.Option("--force", help=say("있는 색인을 바꿈", "replace the index that is there"))
    ] = False,
    index: IndexOption = DEFAULT_INDEX,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    with open_pipeline(index, Common(config)) as pipeline, counted(say("복사", "copying")) as progress:
        version = pipeline.upkeep.restore(source, force=force, progress=progress)
    if as_json:
        print_json(backup_json(index, source, version))
        return
    out().print(Text(say(f"되살렸습니다: {index}(버전 {version})", f"version {version} restored: {index}")))


@commands.command(
    rich_help_panel=PANEL,
    help=say(
        "이전 판의 프로그램이 만든 색인을 이 판에 맞춥니다. 문서를 다시 읽거나 임베딩하지 않습니다.",
        "Bring an index that an older program made to this one; no document is read or embedded again.",
    ),
)
@grouped
def upgrade(
    index: IndexOption = DEFAULT_INDEX,
    common: Common = COMMON,
) -> None:
    with (
        open_pipeline(index, common) as pipeline,
        counted(say("다시 만드는 중", "making anew")) as progress,
    ):
        found, renewed = pipeline.upkeep.upgrade(progress)
    if common.as_json:
        print_json(upgrade_json(index, int(found), FORMAT, renewed))
    elif renewed and found == str(FORMAT):
        out().print(say("저장된 글에서 색인을 다시 만들었습니다", "made anew from the stored text"))
    elif found == str(FORMAT):
        out().print(say(f"이미 형식 {FORMAT}입니다", f"already of format {FORMAT}"))
    else:
        out().print(say(f"형식 {found} → {FORMAT}", f"format {found} → {FORMAT}"))
