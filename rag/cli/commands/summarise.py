"""`rag summarise`: reports → cited summaries, on the terminal or in a folder."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from indexes.types import StoredDocument
from indexes.wording import page_runs
from rag.answer import FailedSummary, Summary
from rag.cli.terminal.console import err, exit_code, one_line, out, print_json
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
from rag.cli.terminal.views import (
    show_citation,
    show_loose,
)
from rag.language import language, say
from rag.pipeline import Pipeline
from rag.summarising.checkpoints import Checkpoints
from rag.summarising.files import (
    FAILURES,
    SummaryFolder,
    coverage_lines,
    rows_with_evidence,
    section_texts,
)
from rag.summarising.job import JobProgress
from rag.summarising.kinds import CUSTOM, EXECUTIVE, KINDS, STYLES, SummaryOptions
from rag.wire.bodies import failed_summary_json, summary_json

commands = family()

# Seconds between lines about the progress where standard error is no terminal, and between two status files.
LINES_SECONDS, STATUS_SECONDS = 10.0, 1.0


class Wanted(NamedTuple):
    """What a summary is to be."""

    kind: Annotated[
        str,
        typer.Option(
            help=say(
                "executive 핵심 요약 | sections 장마다 | figures 핵심 수치의 표 | actions 할 일의 표 | custom 원하는 대로",
                "executive | sections: each chapter | figures: rows of key figures | actions: rows of what is to be"
                " done | custom: as --instruction says",
            )
        ),
    ] = EXECUTIVE.name
    sentences: Annotated[
        int | None,
        typer.Option(min=1, help=say("많아도 이만큼의 문장이나 행", "at most this many sentences, or rows")),
    ] = None
    tokens: Annotated[
        int | None, typer.Option(min=1, help=say("많아도 이만큼의 토큰", "at most this many tokens"))
    ] = None
    style: Annotated[
        str,
        typer.Option(help=say(f"{' | '.join(STYLES)} (모델이 쓸 때)", f"{' | '.join(STYLES)}, of a model")),
    ] = STYLES[0]
    instruction: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            help=say(
                "--kind custom 에서 무엇을 정리할지, 예: 예산과 기한만",
                "what the summary is to be about, with --kind custom",
            ),
        ),
    ] = ""

    def options(self) -> SummaryOptions:
        """The same, as `Pipeline.summarise` takes it.

        Raises:
            typer.BadParameter: it does not fit together; the message says what to give instead.
        """
        for name, given, known in (("--kind", self.kind, KINDS), ("--style", self.style, STYLES)):
            if given not in known:
                one = ", ".join(known)
                raise typer.BadParameter(
                    say(
                        f"{given} 은(는) 없습니다. {one} 가운데 하나를 주세요",
                        f"no {given}, but one of {one}",
                    ),
                    param_hint=name,
                )
        if self.sentences and self.tokens:
            raise typer.BadParameter(
                say("--sentences 와 --tokens 가운데 하나만 주세요", "give --sentences or --tokens, not both")
            )
        if self.kind == CUSTOM.name and not self.instruction.strip():
            raise typer.BadParameter(
                say(
                    "--kind custom 에는 무엇을 정리할지 적은 --instruction 이 필요합니다",
                    "--kind custom needs an --instruction that says what the summary is to be about",
                )
            )
        if self.kind != CUSTOM.name and self.instruction.strip():
            raise typer.BadParameter(
                say("--instruction 은 --kind custom 과 함께 쓰세요", "--instruction goes with --kind custom")
            )
        return SummaryOptions(*self)


WANTED = Wanted()


@commands.command(
    help=say(
        "색인된 보고서를 요약합니다. 문장마다 쪽과 원문이 붙습니다. --out 폴더를 주면 보고서마다 파일로 쓰고,"
        " 중단되어도 같은 명령을 다시 주면 이어서 합니다.",
        "Summarise reports of the index; every sentence cites pages and words. With --out each report gets its files,"
        " and the same command goes on where a stopped one was.",
    )
)
@grouped
def summarise(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH...", help=NAMES_HELP),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help=say("모든 문서", "all documents"))] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help=say(
                "보고서마다 NAME.md 와 NAME.json 을 쓸 폴더",
                "folder for NAME.md and NAME.json of each report",
            ),
        ),
    ] = None,
    wanted: Wanted = WANTED,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed",
            help=say(
                "--out 폴더의 failures.jsonl 에 적힌 것만 다시", "only what failures.jsonl in --out names"
            ),
        ),
    ] = False,
    seen: Seen = SEEN,
    index: IndexOption = DEFAULT_INDEX,
    common: Common = COMMON,
) -> None:
    if not (paths or everything or retry_failed or seen.documents):
        raise typer.BadParameter(say("PATH 나 --all 을 주세요", "give PATH or --all"))
    if paths and everything:
        raise typer.BadParameter(say("PATH 와 --all 가운데 하나만 주세요", "give PATH or --all, not both"))
    if retry_failed and folder is None:
        raise typer.BadParameter(say("--retry-failed 에는 --out 이 필요합니다", "--retry-failed needs --out"))
    options = wanted.options()
    with open_pipeline(index, common) as pipeline:
        chosen = choose(pipeline, paths or (), seen.allowed)
        if folder is None:
            code = to_terminal(pipeline, chosen, options, common.as_json)
        else:
            with SummaryFolder(folder, pipeline.documents(), options.kind) as files, told_how_to_go_on():
                if retry_failed:
                    chosen = failed_before(chosen, files, options.kind)
                code = to_folder(pipeline, chosen, options, files, common.as_json)
    raise typer.Exit(code)


commands.command("summarize", hidden=True)(summarise)  # as most people spell it


@contextmanager
def told_how_to_go_on() -> Iterator[None]:
    """Where Ctrl-C stops a job with a folder, says that it is not lost."""
    try:
        yield
    except KeyboardInterrupt:
        on = say("같은 명령을 다시 실행하면 멈춘 곳에서 이어 갑니다", "the same command goes on from here")
        err().print(on, soft_wrap=True)
        raise


def failed_before(
    documents: Sequence[StoredDocument], files: SummaryFolder, kind: str
) -> list[StoredDocument]:
    """Those of the documents that have no summary of that kind yet because it failed."""
    again = [document for document in documents if document.document_id in files.failures]
    if not again:
        nothing = say(f"다시 할 {kind} 요약이 없습니다", f"no {kind} summary to try again")
        err().print(f"{nothing}: {files.folder / FAILURES}", soft_wrap=True)
    return again


def to_terminal(
    pipeline: Pipeline, documents: Sequence[StoredDocument], options: SummaryOptions, as_json: bool
) -> int:
    """Print each summary as it is done; returns the exit code."""
    failed = 0
    with progress_shown(len(documents)) as advance:
        for result in run(pipeline, documents, options, None, advance):
            failed += isinstance(result, FailedSummary)
            show_result(result, as_json)
    return exit_code(len(documents), failed)


def to_folder(
    pipeline: Pipeline,
    documents: Sequence[StoredDocument],
    options: SummaryOptions,
    files: SummaryFolder,
    as_json: bool,
) -> int:
    """Write each summary as it is done, but for those that are there; returns the exit code."""
    todo, ready = [], 0
    for document in documents:
        body = files.finished(document.document_id, pipeline.summary_key(document, options))
        if body is None:
            todo.append(document)
            continue
        ready += 1
        Checkpoints(files.checkpoints).forget(
            document.document_id
        )  # a job may have been killed right before this
        if as_json:
            print_json(body)
    failed = 0
    with progress_shown(len(todo)) as advance, status_kept(files, ready) as keep:

        def both(progress: JobProgress) -> None:
            advance(progress)
            keep(progress)

        for result in run(pipeline, todo, options, files.checkpoints, both):
            if isinstance(result, FailedSummary):
                failed += 1
                files.fail(result.document_id, failed_summary_json(result, language()))
            else:
                files.write(result)
            show_written(result, files, as_json)
    show_end(len(todo) - failed, ready, failed, files)
    return exit_code(len(documents), failed)


def run(
    pipeline: Pipeline,
    documents: Sequence[StoredDocument],
    options: SummaryOptions,
    checkpoints: Path | None,
    advance,
) -> Iterator[Summary | FailedSummary]:
    return pipeline.summarise(
        documents,
        options.kind,
        sentences=options.sentences,
        tokens=options.tokens,
        style=options.style,
        instruction=options.instruction,
        checkpoints=checkpoints,
        on_progress=advance,
    )


# what is shown


def show_result(result: Summary | FailedSummary, as_json: bool) -> None:
    if as_json:
        print_json(
            failed_summary_json(result, language())
            if isinstance(result, FailedSummary)
            else summary_json(result)
        )
    elif isinstance(result, FailedSummary):
        show_failure(result)
    else:
        show_summary(out(), result)


def show_written(result: Summary | FailedSummary, files: SummaryFolder, as_json: bool) -> None:
    if as_json or isinstance(result, FailedSummary):
        show_result(result, as_json)
    else:
        out().print(Text(one_line(f"✓ {files.path(result.document_id, '.md')}")), soft_wrap=True)


def show_failure(failed: FailedSummary) -> None:
    reason = f"✗ {failed.title}: {failed.error.say(language())}"
    err().print(Text(one_line(reason), style="red"), soft_wrap=True)


def show_end(written: int, ready: int, failed: int, files: SummaryFolder) -> None:
    parts = [say(f"요약 {written:,}", f"{written:,} written")]
    if ready:
        parts.append(say(f"이미 있음 {ready:,}", f"{ready:,} were there"))
    if failed:
        again = files.folder / FAILURES
        parts.append(
            say(
                f"실패 {failed:,} ({again}, 다시 하려면 --retry-failed)",
                f"{failed:,} failed ({again}; --retry-failed tries them again)",
            )
        )
    err().print(Text(" · ".join(parts)), soft_wrap=True)


def show_summary(console: Console, summary: Summary) -> None:
    console.print(Text(one_line(summary.title), style="bold"))
    show_told(console, summary)
    if summary.citations:
        console.print(Text(say("근거", "Evidence"), style="bold"))
    shown: set[int] = set()
    for citation in summary.citations:
        if citation.marker not in shown:
            shown.add(citation.marker)
            show_citation(console, citation)
    show_loose(console, summary.sentences)
    for warning in summary.warnings:
        console.print(Text(one_line(f"! {warning.say(language())}"), style="yellow"), soft_wrap=True)
    console.print(Text(coverage_text(summary), style="dim"), soft_wrap=True)
    written = say(
        f"{summary.generator} · 호출 {summary.calls}번 · {summary.seconds:.2f}초",
        f"{summary.generator} · {summary.calls} calls · {summary.seconds:.2f} s",
    )
    console.print(Text(written, style="dim"))
    console.print()


def show_told(console: Console, summary: Summary) -> None:
    """What the summary says: as a table, chapter by chapter, or as it is."""
    if summary.columns:
        if not summary.rows:  # a warning says why
            return
        # The default, an ellipsis, takes the place of letters where a wide one ends a line.
        table = Table(*(Column(name, overflow="fold") for name in (*summary.columns, "")))
        for row in rows_with_evidence(summary):
            table.add_row(*map(Text, row))
        console.print(Padding(table, (1, 0, 1, 2), expand=False))
        return
    for section, text in section_texts(summary):
        console.print(Padding(Text(one_line(section.heading), style="bold"), (1, 0, 0, 2), expand=False))
        console.print(Padding(Text(text), (0, 0, 0, 2), expand=False))
    text = "" if summary.sections else summary.text
    console.print(Padding(Text(text), (1, 0, 1, 2), expand=False))


def coverage_text(summary: Summary) -> str:
    coverage = summary.coverage
    if language() == "ko":
        return " · ".join(coverage_lines(summary))
    told = (
        ("used", coverage.pages_used),
        ("unused", coverage.pages_unused),
        ("unreadable", coverage.pages_unreadable),
    )
    return " · ".join(f"pages {name}: {page_runs(pages)}" for name, pages in told if pages)


@contextmanager
def progress_shown(documents: int):
    """A bar on a terminal, else a line now and then, both on standard error; gives what advances it."""
    if not err().is_terminal:
        last = time.monotonic()

        def line(progress: JobProgress) -> None:
            nonlocal last
            if time.monotonic() - last >= LINES_SECONDS:
                last = time.monotonic()
                done = progress.done + progress.failed
                err().print(f"[{done}/{progress.documents}] {progress_text(progress)}", soft_wrap=True)

        yield line
        return
    with progress_bar() as bar:
        task = bar.add_task(say("요약", "summaries"), total=documents, unit="")

        def advance(progress: JobProgress) -> None:
            bar.update(task, completed=progress.done + progress.failed, unit=progress_text(progress))

        yield advance


def progress_text(progress: JobProgress) -> str:
    tokens = (progress.prompt_tokens + progress.completion_tokens) / max(progress.seconds, 1e-9)
    parts = [say(f"창 {progress.windows:,}", f"{progress.windows:,} windows")]
    if progress.failed:
        parts.append(say(f"실패 {progress.failed:,}", f"{progress.failed:,} failed"))
    if tokens:
        parts.append(say(f"초당 {tokens:,.0f}토큰", f"{tokens:,.0f} tokens/s"))
    if progress.remaining_seconds is not None:
        left = timedelta(seconds=round(progress.remaining_seconds))
        parts.append(say(f"남은 시간 {left}", f"{left} left"))
    return " · ".join(parts)


@contextmanager
def status_kept(files: SummaryFolder, ready: int):
    """Keeps status.json up to date while the job runs; gives what is told the progress."""
    last = float("-inf")
    latest: dict[str, Any] = {}

    def keep(progress: JobProgress) -> None:
        nonlocal last
        latest.update(asdict(progress))
        if time.monotonic() - last >= STATUS_SECONDS:
            last = time.monotonic()
            files.tell({"state": "running", "ready": ready} | latest)

    try:
        yield keep
    except BaseException:
        files.tell({"state": "stopped", "ready": ready} | latest)
        raise
    files.tell({"state": "done", "ready": ready} | latest)
