"""Answers, citations and what belongs to them, as people read them on a terminal."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from indexes.types import Filter, Understood
from indexes.wording import page_runs
from ingest.raw import Unit
from rag.answer import Answer, Citation, Sentence, ToolCall, UnreadablePages
from rag.cli.terminal.console import one_line
from rag.display.words import NEAREST, QUOTE_CHARACTERS, kind_name, place, place_of
from rag.language import language, say
from rag.pipeline import Pipeline
from rag.serving.run import Check
from rag.streaming.streams import AnswerStream
from rag.wording.places import MARKS

COLORS = {"supported": "green", "partial": "yellow", "unsupported": "red", "uncited": "red"}


def show_pieces(console: Console, pipeline: Pipeline, stream: AnswerStream) -> bool:
    """Take all pieces of `stream`; returns whether they were shown: at a terminal, what a model writes is."""
    live = console.is_terminal and pipeline.generator.writes
    with stream:
        for piece in stream:
            if live:
                console.print(Text(piece), end="", soft_wrap=True)
    if live:
        console.print("\n")
    return live


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
        console.print(Text(one_line(f"! {warning.say(language())}"), style="yellow"))
    show_unreadable(console, answer.unreadable_pages)
    show_footer(console, len(pipeline.documents(allowed)), answer)


def show_understood(console: Console, understood: Sequence[Understood]) -> None:
    """A line on what the question was found to name."""
    if understood:
        told = ("period", "amount", "alias")  # of these the words do not say what they were taken for
        named = " · ".join(
            f"{kind_name(each.kind)} «{each.words}»" + (f" = {each.meaning}" if each.kind in told else "")
            for each in understood
        )
        console.print(Text(say(f"이렇게 이해했습니다: {named}", f"understood: {named}"), style="dim"))


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
        words = f"「{call.arguments['document']}」 {place(first, max(first, last), 'page')}"
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
        console.print(Text(one_line(f"! {name}: {say(korean, english)}"), style="yellow"), soft_wrap=True)


def show_citations(console: Console, answer: Answer) -> None:
    console.print(Text(say("근거", "Evidence"), style="bold"))
    contexts = {passage.marker: passage.context for passage in answer.passages}
    for citation in answer.citations:
        show_citation(console, citation, contexts[citation.marker])
    show_loose(console, answer.sentences)


def show_citation(console: Console, citation: Citation, context: str = "") -> None:
    line = Text(one_line(f"  [{citation.marker}] "), style="bold")
    line.append(one_line(f"{citation.title}, {place_of(citation)} "))
    line.append(MARKS[citation.support], style=COLORS[citation.support])
    context = context.removesuffix(citation.columns).removesuffix(" > ")
    if inner := inner_context(context, citation.title):
        line.append(one_line(f"  {inner}"), style="dim")
    console.print(line)
    if citation.columns:
        console.print(Padding(Text(one_line(citation.columns), style="dim"), (0, 0, 0, 6), expand=False))
    console.print(
        Padding(
            Text(one_line(f"“{shorten(citation.quote, QUOTE_CHARACTERS)}”"), style="cyan"),
            (0, 0, 0, 6),
            expand=False,
        )
    )


def show_loose(console: Console, sentences: Sequence[Sentence]) -> None:
    """The sentences that no quote carries."""
    for sentence in sentences:
        if sentence.support in ("uncited", "unsupported"):
            why = say("근거가 없는 문장", "no evidence for")
            console.print(Text(one_line(f"  ✗ {why}: {shorten(sentence.text, 80)}"), style="red"))
    console.print()


def show_nearest(console: Console, answer: Answer) -> None:
    if not answer.passages:
        return
    console.print(Text(say("가장 가까운 발췌문", "Nearest passages"), style="bold"))
    for passage in answer.passages[:NEAREST]:
        console.print(Text(one_line(f"  {passage.title}, {place_of(passage)}"), style="bold"))
        console.print(Padding(Text(shorten(passage.text, 200), style="cyan"), (0, 0, 0, 6), expand=False))
    console.print()


def show_footer(console: Console, documents: int, answer: Answer) -> None:
    if not documents:
        nobody = say("조건에 맞는 문서가 없습니다.", "no document matches --as and --document")
        console.print(Text(one_line(f"! {nobody}"), style="yellow"))
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


def check_line(check: Check) -> Text:
    """Whether what was looked at is well, and what was found; without the remedy."""
    line = Text("✓ " if check.ok else "✗ ", style="green" if check.ok else "red")
    return line.append(one_line(f"{check.name}: "), style="bold").append(check.what, style="default")


def page_count(count: int, unit: Unit) -> str:
    sections = say(f"구역 {count:,}개", f"{count:,} section{'s' * (count != 1)}")
    return f"{count:,}" if unit == "page" else sections


def inner_context(context: str, title: str) -> str:
    return context.removeprefix(title).removeprefix(" > ")


def shorten(text: str, length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"
