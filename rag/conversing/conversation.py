"""Questions that follow each other → answers: each is rewritten to stand alone, from the turns before, and asked."""

import asyncio
import collections.abc
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from indexes.types import EVERYTHING, Filter
from rag.answer import Answer
from rag.asking.ask import ask, ask_stream
from rag.asking.read import MOST_CHARACTERS, read_query, read_question
from rag.asking.stages import Stages
from rag.conversing.followups import LONGEST, Asked, Rewrite, stand_alone
from rag.errors import InputUnreadable, OutputFailed
from rag.evidence.support import numbers, terms
from rag.models.generator import Sampling
from rag.prompting.packing import Prompt, ledger
from rag.prompting.prompts import MARKER, Turn, in_other_brackets, rewriting_messages
from rag.prompting.tokens import ModelTokenizer
from rag.streaming.streams import AnswerStream, AsyncAnswerStream

# To make a question whole, the model is shown at most this many turns and characters of each answer, and may
# write this many tokens.
TURNS_SHOWN, ANSWER_SHOWN, REWRITING_TOKENS = 3, 300, 128
# At least this share of its terms must stand in the question or the turns before; else it is noise, or an answer.
FROM_CONVERSATION = 0.6
QUOTES = "«»\"'“”‘’「」 "
LABEL = re.compile(r"^(?:\[?고쳐 쓴 질문\]?|질문)\s*[:：]\s*")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question of a conversation, as it was asked and as it was understood, and its answer without markers.

    `title` and `context`: the document and the breadcrumb of the first citation; empty where there was none.
    """

    question: str
    standalone: str
    answer: str
    title: str = ""
    context: str = ""


class Conversation:
    """A conversation over an index. `turns` is its whole state: plain data, which can be kept and given back.

    Questions that several threads ask at the same time see the turns that were there when they were asked;
    each is added to the turns when it is answered.
    """

    def __init__(
        self,
        stages: Callable[[], Stages],
        allowed: Filter = EVERYTHING,
        turns: Iterable[Exchange] = (),
        rewrite: Rewrite = "auto",
    ) -> None:
        """
        Args:
            stages: gives what answers a question; called for each, because the index may have changed.
            allowed: the documents that answers may come from; not part of the state.
            turns: the turns so far, oldest first.
            rewrite: how a follow-up question is made whole.
        """
        self._stages = stages
        self._rewrite = rewrite
        self._allowed = allowed
        self.turns: list[Exchange] = list(turns)

    @property
    def allowed(self) -> Filter:
        """The documents that answers may come from; fixed when the conversation is made."""
        return self._allowed

    def ask(self, question: str) -> Answer:
        """The cited answer to `question`; `Answer.standalone` says how it was understood.

        Raises:
            EmptyQuestion, QuestionTooLong, PromptTooLong: like every error, they leave the turns as they
                were.
        """
        stages, standalone = self._prepared(question)
        (answer,) = ask(stages, [standalone], self._allowed)
        return self._added(question, answer)

    def ask_stream(self, question: str, standalone: str | None = None) -> AnswerStream:
        """The answer's text in pieces as it is generated, then the answer.

        The turn is added at the end, so a stream that is left early adds none.

        Args:
            standalone: what `understand` made of the question; None to find out.
        """
        return AnswerStream(self._pieces(question, standalone))

    def _pieces(
        self, question: str, standalone: str | None
    ) -> collections.abc.Generator[str | Answer, None, None]:
        stages, standalone = self._prepared(question, standalone)
        pieces = ask_stream(stages, standalone, self._allowed)
        try:
            for piece in pieces:
                yield self._added(question, piece) if isinstance(piece, Answer) else piece
        finally:
            pieces.close()

    async def ask_async(self, question: str) -> Answer:
        """`ask`, awaitable."""
        return await asyncio.to_thread(self.ask, question)

    def ask_stream_async(self, question: str, standalone: str | None = None) -> AsyncAnswerStream:
        """`ask_stream` for asyncio; leaving it ends the generation."""
        return AsyncAnswerStream(self.ask_stream(question, standalone))

    def understand(self, question: str) -> str:
        """`question` as it would be asked without the turns before it; unchanged where it stands alone.

        Raises:
            QuestionTooLong.
        """
        return _standalone(self._stages(), read_query(question), tuple(self.turns), self._rewrite)

    def forget(self) -> None:
        """Drop all turns."""
        self.turns.clear()

    def save(self, path: str | Path) -> None:
        """Write the turns as JSON, for `read_turns`.

        Raises:
            OutputFailed.
        """
        text = json.dumps({"turns": [asdict(turn) for turn in self.turns]}, ensure_ascii=False, indent=1)
        try:
            Path(path).write_text(text + "\n", "utf-8")
        except OSError as exc:
            raise OutputFailed(path=path, detail=exc.strerror or str(exc)) from exc

    def _prepared(self, question: str, standalone: str | None = None) -> tuple[Stages, str]:
        read_question(question)
        turns, stages = tuple(self.turns), self._stages()
        if standalone is None:
            standalone = _standalone(stages, question, turns, self._rewrite)
        return replace(stages, history=history_of(turns)), standalone

    def _added(self, question: str, answer: Answer) -> Answer:
        answer = replace(answer, question=question)
        self.turns.append(exchange_of(answer))
        return answer


def read_turns(path: str | Path) -> list[Exchange]:
    """The turns that `Conversation.save` wrote.

    Raises:
        InputUnreadable: no such file, or it holds something else.
    """
    known = {field.name for field in fields(Exchange)}
    try:
        rows = json.loads(Path(path).read_text("utf-8-sig"))["turns"]
        turns = [Exchange(**row) for row in rows]
        if not all(isinstance(value, str) for turn in turns for value in asdict(turn).values()):
            raise TypeError("text")
    except OSError as exc:
        raise InputUnreadable(path=path, detail=exc.strerror) from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise InputUnreadable(path=path, detail=f'{{"turns": [{{{", ".join(sorted(known))}}}]}}') from exc
    return turns


def exchange_of(answer: Answer) -> Exchange:
    """What a conversation keeps of an answer."""
    first = answer.citations[0] if answer.citations else None
    context = next((p.context for p in answer.passages if first and p.marker == first.marker), "")
    return Exchange(
        answer.question,
        answer.standalone,
        plain(answer.text),
        first.title if first else "",
        context.split("\n")[0],
    )


def history_of(turns: Sequence[Exchange]) -> tuple[Turn, ...]:
    """The turns as the model sees them, oldest first.

    Each question is shown in the form that stands alone, because the turns before it may be left out. Answers
    have no markers: those would point at passages of another prompt.
    """
    return tuple(Turn(in_other_brackets(turn.standalone), plain(turn.answer)) for turn in turns)


def plain(answer: str) -> str:
    """An answer's text without its markers."""
    before = None
    while answer != before:  # what stood around a marker may form another one
        before, answer = answer, re.sub(rf"(?<![ \t])[ \t]*+{MARKER.pattern}", "", answer)
    return answer.strip()


# a question and what came before → one that stands alone


def _standalone(stages: Stages, question: str, turns: Sequence[Exchange], how: Rewrite) -> str:
    """`question` made whole, as `how` (chat.rewrite) says: by the model where there is one, else by rule."""
    if not turns or how == "off" or not question.strip():
        return question
    asked = [Asked(turn.standalone, turn.answer, turn.title, turn.context) for turn in turns]
    if how == "auto" and stages.generator.writes:
        written = _by_model(stages, question, history_of(turns[-TURNS_SHOWN:]))
        if is_sound(written, question, asked[-TURNS_SHOWN:]):
            return written
    whole = stand_alone(question, asked[-1])
    return whole if len(whole) <= MOST_CHARACTERS else question


def _by_model(stages: Stages, question: str, history: Sequence[Turn]) -> str:
    """`question` as the model rewrites it; empty where the prompt does not fit or the model did not finish."""
    shown = [Turn(turn.question, turn.answer[:ANSWER_SHOWN]) for turn in history]
    prompt = rewriting_prompt(stages.tokenizer, question, shown, stages.generation.window)
    if prompt.budget.free < stages.generator.margin:
        return ""
    (completion,) = stages.generator.generate([prompt], Sampling(REWRITING_TOKENS))
    return one_question(completion.text) if completion.finish_reason == "stop" else ""


def rewriting_prompt(
    tokenizer: ModelTokenizer, question: str, history: Sequence[Turn], window: int
) -> Prompt:
    """The prompt that asks for `question` in a form that stands alone.

    Where it does not fit the window, its `budget.free` is below 0.
    """
    messages = rewriting_messages(question, history)
    rendered = tokenizer.render(messages)
    budget = ledger(rendered.counts, len(rendered.token_ids), window, REWRITING_TOKENS)
    return Prompt(rendered.token_ids, messages, (), question, budget)


def one_question(written: str) -> str:
    """The first line of `written` that is not blank, without a label before it and quotation marks around it."""
    line = next((line.strip() for line in written.splitlines() if line.strip()), "")
    return LABEL.sub("", line).strip(QUOTES)


def is_sound(written: str, question: str, asked: Sequence[Asked]) -> bool:
    """Whether `written` by a model can stand for `question`.

    It can if most of its terms come from the question and the turns `asked`, it keeps all numbers of the question,
    and it adds none that the turns do not hold. An answer, an explanation or noise cannot.
    """
    if not written or len(written) > LONGEST + len(question) or MARKER.search(written) or "<|" in written:
        return False
    said = " ".join(part for turn in asked for part in (turn.question, turn.answer, turn.title, turn.context))
    known = terms(f"{said} {question}")
    own = terms(written)
    if not own or len(own & known) < FROM_CONVERSATION * len(own):
        return False
    return numbers(question) <= numbers(written) <= numbers(f"{said} {question}")
