"""`rag chat`: a conversation in the terminal, or a question a line for programs."""

import json
import locale
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from ingest.errors import PipelineError
from rag.answer import Answer
from rag.cli.terminal.console import err, exit_code, one_line, out, print_json
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
from rag.cli.terminal.views import inner_context, show_answer, show_pieces
from rag.conversing.conversation import Conversation, read_turns
from rag.display.words import place_of
from rag.language import language, say
from rag.pipeline import Pipeline
from rag.wire.bodies import answer_json, error_json, problem, row_json

commands = family()

# What may be typed in place of a question, in either language whatever the terminal's is.
SHOW, NEW, SAVE, HELP, QUIT = "show", "new", "save", "help", "quit"
COMMANDS = {
    **dict.fromkeys(("/근거", "/show"), SHOW),
    **dict.fromkeys(("/새로", "/new"), NEW),
    **dict.fromkeys(("/저장", "/save"), SAVE),
    **dict.fromkeys(("/도움", "/help", "/?"), HELP),
    **dict.fromkeys(("/끝", "/quit", "/exit"), QUIT),
}
HELP_LINES = say(
    "/근거 N    답의 [N]번 발췌문을 통째로 보기\n"
    "/새로      앞의 대화를 잊고 새로 시작\n"
    "/저장 파일  대화를 파일로 저장(rag chat --resume 파일 로 이어 감)\n"
    "/끝        마침(Ctrl-D도 같음). 답하는 중의 Ctrl-C는 그 답만 멈춤",
    "/show N     the whole passage [N] of the answer\n"
    "/new        forget what was said and begin anew\n"
    "/save FILE  write the conversation to a file (go on with rag chat --resume FILE)\n"
    "/quit       end, as does Ctrl-D; Ctrl-C while it answers stops that answer only",
)


@commands.command(
    help=say(
        "문서와 대화합니다. «그럼 본부장은요?», «2024년은요?»처럼 앞의 질문을 이어 물을 수 있습니다.\n\n"
        "이어 물은 질문은 어떻게 이해했는지 먼저 보여 줍니다. 다르게 이해했으면 온전한 문장으로 다시 물으세요. 앞의"
        " 대화가 창보다 길어지면 오래된 것부터 모델에 보이지 않고, 그때 알려 줍니다.\n\n"
        "[bold]/근거 N[/bold] 답의 N번 발췌문 · [bold]/새로[/bold] 새 대화 · [bold]/저장 파일[/bold] ·"
        " [bold]/끝[/bold] 또는 Ctrl-D. 답하는 중의 Ctrl-C는 그 답만 멈춥니다.\n\n"
        "프로그램에서는 [bold]--json[/bold]: 표준 입력의 한 줄이 질문 하나(글 그대로, 또는"
        ' {"id","question"})이고, 답마다 JSON 객체 한 줄이 나옵니다. "standalone" 이 이해한 질문입니다.',
        "Talk with the documents. A question may go on from the last: «그럼 본부장은요?», «2024년은요?».\n\n"
        "How such a question was understood is shown first; where that is wrong, ask it in full. What no longer"
        " fits the window of what was said leaves oldest first, and a line tells so.\n\n"
        "[bold]/show N[/bold] passage N of the answer · [bold]/new[/bold] a new conversation ·"
        " [bold]/save FILE[/bold] · [bold]/quit[/bold] or Ctrl-D. Ctrl-C while it answers stops that answer only.\n\n"
        "For programs [bold]--json[/bold]: a line of standard input is a question (as it is, or"
        ' {"id","question"}), and each answer is a line with a JSON object. "standalone" is the question as'
        " understood.",
    )
)
@grouped
def chat(
    seen: Seen = SEEN,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help=say("/저장 한 대화를 이어 감", "go on with a conversation that was saved")
        ),
    ] = None,
    index: IndexOption = DEFAULT_INDEX,
    common: Common = COMMON,
) -> None:
    allowed = seen.allowed
    turns = read_turns(resume) if resume else ()
    with open_pipeline(index, common) as pipeline:
        count = len(pipeline.documents(allowed))  # a missing index is one error, not one for each question
        conversation = pipeline.conversation(allowed, turns)
        if common.as_json:
            raise typer.Exit(answer_lines(conversation))
        Talk(pipeline, conversation, count).run()


# for programs


def answer_lines(conversation: Conversation) -> int:
    """Answer every line of standard input, one JSON object a line; returns the exit code."""
    asked = failed = 0
    for line in filter(str.strip, sys.stdin):
        if COMMANDS.get(line.strip()) == NEW:
            conversation.forget()
            continue
        asked += 1
        identity, body = answer_line(conversation, line, asked)
        failed += "error" in body
        print_json(row_json(identity, body))
    return exit_code(asked, failed)


def answer_line(conversation: Conversation, line: str, number: int) -> tuple[Any, dict[str, Any]]:
    """The id of one question, or `number`, and its answer or what is wrong."""
    identity, question = number, line.strip()
    if question.startswith("{"):
        try:
            row = json.loads(question)
            identity, question = row.get("id", number), row["question"]
            if not isinstance(question, str):
                raise TypeError(question)
        except (ValueError, KeyError, TypeError):
            what = say('"question" 에 글이 든 JSON이 아닙니다', 'no JSON with text in "question"')
            return identity, problem("input_unreadable", what, '{"id": 1, "question": "…"}')
    try:
        return identity, answer_json(conversation.ask(question))
    except PipelineError as exc:
        return identity, error_json(exc, language())


# for people


class Talk:
    """One conversation on the terminal, and the answer that was given last."""

    def __init__(self, pipeline: Pipeline, conversation: Conversation, documents: int) -> None:
        self._pipeline = pipeline
        self._conversation = conversation
        self._documents = documents
        self._last: Answer | None = None
        self._console = out()

    def run(self) -> None:
        """Answer what is typed until the end."""
        self._tell(
            say(
                f"문서 {self._documents:,}개와 대화합니다. 질문을 적으세요. /도움 명령 보기 · /끝 마침",
                f"{self._documents:,} documents. Type a question; /help for commands, /quit to end.",
            )
        )
        for line in typed_lines(self._console):
            word, _, rest = line.partition(" ")
            command = COMMANDS.get(word)
            if command == QUIT:
                return
            try:
                if command is None and word.startswith("/"):
                    self._tell(HELP_LINES)
                elif command is None:
                    self._answer(line)
                else:
                    self._do(command, rest.strip())
            except PipelineError as exc:
                err().print(Text(one_line(exc.say(language())), style="red"), soft_wrap=True)
            except KeyboardInterrupt:
                self._tell("\n" + say("이 답을 멈췄습니다.", "stopped this answer"))

    def _do(self, command: str, argument: str) -> None:
        if command == SHOW:
            self._show(argument)
        elif command == NEW:
            self._conversation.forget()
            self._tell(say("앞의 대화를 잊었습니다.", "forgotten"))
        elif command == SAVE and argument:
            self._conversation.save(argument)
            self._tell(
                say(
                    f"{argument} 에 저장했습니다({len(self._conversation.turns)}개 질문).",
                    f"{len(self._conversation.turns)} questions saved in {argument}",
                )
            )
        else:
            self._tell(HELP_LINES)

    def _answer(self, question: str) -> None:
        """As `rag ask` shows an answer; before it how the question was understood, where that is another."""
        standalone = self._conversation.understand(question)
        if standalone != question:
            understood = say(f"이렇게 이해했습니다: {standalone}", f"understood: {standalone}")
            self._console.print(Text(understood, style="dim"), soft_wrap=True)
        self._console.print()
        stream = self._conversation.ask_stream(question, standalone)
        live = show_pieces(self._console, self._pipeline, stream)
        self._last = stream.answer
        allowed = self._conversation.allowed
        show_answer(self._console, self._pipeline, self._last, allowed, with_text=not live)
        self._console.print()

    def _show(self, argument: str) -> None:
        """The passage under a marker of the last answer, whole."""
        passages = {str(passage.marker): passage for passage in self._last.passages} if self._last else {}
        passage = passages.get(argument.strip("[] "))
        if passage is None:
            among = f" (1–{len(passages)})" if passages else ""
            self._tell(say(f"그런 번호의 발췌문이 없습니다{among}.", f"no passage of that number{among}"))
            return
        title = Text(one_line(f"[{passage.marker}] {passage.title}, {place_of(passage)}"), style="bold")
        title.append(one_line(f"  {inner_context(passage.context, passage.title)}"), style="dim")
        self._console.print(title)
        self._console.print(Padding(Text(passage.text.strip(), style="cyan"), (0, 0, 1, 4), expand=False))

    def _tell(self, words: str) -> None:
        self._console.print(Text(words, style="dim"), soft_wrap=True)


def edit_lines() -> None:
    """From now on input() lets lines be edited and called back, as far as the system can.

    Where the environment names a locale that is not installed (ko_KR.UTF-8 in many containers) the system
    takes letters for bytes, and GNU readline the bytes of Hangul for commands.
    """
    with suppress(ImportError, locale.Error):
        if sys.stdin.encoding.lower() == "utf-8" and locale.nl_langinfo(locale.CODESET) != "UTF-8":
            locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
        import readline  # noqa: F401


def typed_lines(console: Console) -> Iterator[str]:
    """The lines of standard input that are not blank; at a terminal with a prompt and what was typed before.

    Ctrl-C at the prompt drops the line, Ctrl-D ends.
    """
    prompt = say("질문> ", "Question> ")
    if not sys.stdin.isatty():
        for line in filter(None, map(str.strip, sys.stdin)):
            console.print(Text(one_line(f"{prompt}{line}"), style="bold"), soft_wrap=True)
            yield line
        return
    edit_lines()
    while True:
        try:
            line = input(prompt).strip()
        except EOFError:
            console.print()
            return
        except KeyboardInterrupt:
            console.print(Text("\n" + say("마치려면 /끝 또는 Ctrl-D", "/quit or Ctrl-D to end"), style="dim"))
            continue
        if line:
            yield line
