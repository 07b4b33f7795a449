"""`rag ingest`: files and folders → the index."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from rag.cli.terminal.console import exit_code, one_line, out, print_json
from rag.cli.terminal.opening import open_pipeline
from rag.cli.terminal.options import (
    COMMON,
    DEFAULT_INDEX,
    KEYS,
    Common,
    IndexOption,
    Keys,
    OcrOption,
    family,
    grouped,
)
from rag.cli.terminal.progress import progress_bar
from rag.language import language, say
from rag.wire.bodies import ingest_json

commands = family()


SHOWN_AFTER_SECONDS = 5.0


@commands.command(
    help=say(
        "PDF 파일이나 폴더를 읽어 색인합니다. 바뀌지 않은 파일은 건너뛰고, 못 읽는 파일은 알리고 계속합니다.",
        "Read PDF files or folders into the index. Unchanged files are skipped; bad ones are reported.",
    )
)
@grouped
def ingest(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help=say("파일이나 폴더", "files or folders"))
    ],
    keys: Keys = KEYS,
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
    common: Common = COMMON,
) -> None:
    common = common.setting(ingest__workers=workers, ingest__ocr=ocr)
    given = keys.given
    with open_pipeline(index, common) as pipeline, progress_bar() as bar:
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
    if common.as_json:
        print_json(ingest_json(report, language()))
    else:
        show_ingest(report)
    found = sum(asdict(report.documents).values()) + len(report.skipped)
    raise typer.Exit(exit_code(found, report.documents.failed + len(report.skipped)))


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
    done = [f"{label} {count:,}" for key, label in names.items() if (count := getattr(counts, key))]
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
        console.print(Text(one_line(f"! {notice.say(language())}"), style="yellow"), soft_wrap=True)
    for skipped in report.skipped:
        console.print(
            Text(one_line(f"! {skipped.path}: {skipped.say(language())}"), style="yellow"), soft_wrap=True
        )
    for failure in report.failures:
        reason = f"✗ {failure.path}: {failure.error.say(language())}"
        console.print(Text(one_line(reason), style="red"), soft_wrap=True)
