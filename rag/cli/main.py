"""The command line: `rag ingest`, `rag ask` and the rest."""

import sys
import traceback
from collections.abc import Sequence

import typer
from rich.text import Text

from ingest.errors import PipelineError
from rag.cli.commands import ask, chat, compare, documents, ingest, model, search, setup, summarise, upkeep
from rag.cli.terminal.console import DONE, NOTHING, STOPPED, USAGE, err, one_line, print_json
from rag.cli.usage import help_command, usage_message
from rag.language import language, say
from rag.wire.bodies import error_json, problem

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help=say(
        "한국어 PDF 문서에 질문하고, 문장마다 문서·쪽·원문이 붙은 답을 받습니다.\n\n"
        '처음이라면:  [bold]rag ingest 문서폴더[/bold]  다음에  [bold]rag ask "연차는 며칠인가요?"[/bold]\n\n'
        "모델이나 GPU가 없어도 됩니다(내장 프로필: 문서의 문장을 그대로 뽑아 답합니다). "
        "GPU 서버가 있으면 [bold]rag init --profile gpu[/bold] 로 설정하세요. "
        "안 되는 것이 있으면 [bold]rag doctor[/bold] 가 이유와 해결책을 알려 줍니다.",
        "Ask questions over Korean PDFs; every sentence of the answer cites document, page and words.\n\n"
        'To begin:  [bold]rag ingest FOLDER[/bold]  and then  [bold]rag ask "연차는 며칠인가요?"[/bold]\n\n'
        "No model and no GPU needed (the embedded profile answers with sentences of the documents). "
        "With a GPU server: [bold]rag init --profile gpu[/bold]. "
        "If something does not work, [bold]rag doctor[/bold] says why and what to do.",
    ),
)


# In the order of `rag --help`.
for group in (model, ingest, search, ask, documents, setup, chat, compare, summarise, upkeep):
    app.add_typer(group.commands)


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
            err().print(Text(one_line(message), style="red"), soft_wrap=True)
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
        print_json(error_json(error, language()))
    if "--debug" in arguments:
        err().print(Text("".join(traceback.format_exception(error))), soft_wrap=True)
    err().print(Text(one_line(error.say(language())), style="red"), soft_wrap=True)


def run() -> None:
    """The entry point of the `rag` command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # an EUC-KR terminal has no «–»: show ? instead of failing
            stream.reconfigure(errors="replace")
    sys.exit(main())
