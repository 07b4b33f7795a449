"""A question → an answer for which the model looks things up itself, in several rounds.

    prompt with tools ─generate→ calls ─run→ results ─next prompt─ … ─generate→ text ─resolve→ Answer

Each round's prompt fits the window: results are shown as whole sentences, and where room ends the oldest
leave first. A passage keeps its number through all rounds, so that the answer is resolved as in ask.py,
against what its last prompt showed. A model that never answers is asked once more, without tools, about
what it found; one that looks nothing up gets the ordinary search.
"""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from indexes.errors import AmbiguousDocument, DocumentNotFound
from indexes.types import Filter, StoredDocument
from ingest.document import Page
from ingest.errors import Notice
from ingest.korean.analyse import LONGEST_ROW, sentence_spans
from rag.answer import Answer, PackedPassage, ToolCall
from rag.asking import warnings
from rag.asking.ask import ask, sampling_of
from rag.asking.copies import leave_out_copies
from rag.asking.pack import PackedQuestion
from rag.asking.read import MOST_CHARACTERS, read_question
from rag.asking.resolve import resolve_answer
from rag.asking.retrieve import retrieve
from rag.asking.stages import Stages
from rag.errors import ConfigError
from rag.models.generator import Completion
from rag.prompting.calls import Asked, ToolsConfig, checked, read_calls
from rag.prompting.packing import (
    HISTORY_SHARE,
    SMALLEST_CUT,
    Prompt,
    Shelf,
    cut,
    ledger,
    newest,
    shorter,
)
from rag.prompting.prompts import (
    FOUND,
    FOUND_NOTHING,
    LEFT_OUT,
    NO_DOCUMENT,
    NO_PAGE,
    OPEN_PAGES,
    OPENED,
    OPENED_NOTHING,
    REPEATED,
    SEARCH_DOCUMENTS,
    SHORTENED,
    SHOWN_ABOVE,
    UNREADABLE,
    answer_messages,
    passage_block,
    shown_text,
    tool_messages,
)
from rag.prompting.tokens import Call, Message, Part, ToolSpec
from rag.wording import one_line

SEARCHED = 5  # passages that a search gives where the model does not say
DEPTH = 4  # so many times as many are retrieved, for copies among them are left out
OPENED_PAGES = 10
# A result may take this part of the room that all results have.
RESULT_SHARE = 1 / 2
ANSWERED_AGAIN = 1  # the same call is answered so often from memory, then refused
SAID_CHARACTERS = 300  # of what a model says beside its calls, so much is kept
# Names that every server takes; a call of another is shown to the model under the name below.
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
NO_CALL = "invalid_call"


@dataclass(frozen=True, slots=True)
class Result:
    """What a call gives back: words, and passages that may be cited (their markers are not yet theirs).

    `error`: there is nothing but the words, which say why. `warnings`: what the user is to know.
    """

    text: str
    passages: tuple[PackedPassage, ...] = ()
    warnings: tuple[Notice, ...] = ()
    error: bool = False


@dataclass(frozen=True, slots=True)
class Tool:
    """What the model may call: its description, and what runs a call whose arguments fit that."""

    spec: ToolSpec
    run: Callable[..., Result]


def document_tools(stages: Stages, allowed: Filter) -> list[Tool]:
    """search_documents and open_pages over what `allowed` lets through."""
    return [
        Tool(SEARCH_DOCUMENTS, partial(_search_documents, stages, allowed)),
        Tool(OPEN_PAGES, partial(_open_pages, stages, allowed)),
    ]


def _search_documents(
    stages: Stages, allowed: Filter, query: str, document: str = "", k: int = SEARCHED
) -> Result:
    if document:
        named = _named(stages, document, allowed)
        if isinstance(named, Result):
            return named
        allowed = replace(allowed, documents=(named.id,))
    (retrieved,) = retrieve(stages.retrieval.with_search(DEPTH * k), [query[:MOST_CHARACTERS]], allowed)
    distinct = leave_out_copies(stages, retrieved)
    shelf, count = _shelf(stages), stages.tokenizer.count
    packed = [shelf.take(passage, count(shown_text(passage.chunk.text))) for passage in distinct.passages[:k]]
    return Result(FOUND if packed else FOUND_NOTHING, distinct.named(packed), distinct.warnings)


def _open_pages(stages: Stages, allowed: Filter, document: str, first_page: int, last_page: int) -> Result:
    named = _named(stages, document, allowed)
    if isinstance(named, Result):
        return named
    if first_page > named.pages:
        return Result(NO_PAGE.format(pages=named.pages), error=True)
    last_page = min(max(first_page, last_page), first_page + OPENED_PAGES - 1)
    pages = [p for p in stages.engine.pages(named.id) if first_page <= p.number <= last_page]
    opened = tuple(_opened(stages, named, pages))
    unreadable = ", ".join(str(page.number) for page in pages if not page.readable)
    text = UNREADABLE.format(pages=unreadable) if unreadable else ""
    return Result(text + (OPENED if opened else OPENED_NOTHING), opened)


def _opened(stages: Stages, document: StoredDocument, pages: Sequence[Page]) -> Iterator[PackedPassage]:
    """Of pages that follow one another, a passage for each: the whole sentences that begin on it.

    The first has the sentence, too, that goes on from the page before.
    """
    start, end = pages[0].start, pages[-1].end
    low = max(0, start - LONGEST_ROW)
    around = stages.engine.text(document, low, end + LONGEST_ROW)
    spans: dict[int, tuple[int, int]] = {}
    for first, last in ((low + a, low + b) for a, b in sentence_spans(around)):
        if last > start and first < end:
            number = next((page.number for page in pages if first < page.end), pages[-1].number)
            spans[number] = (spans.get(number, (first, last))[0], last)
    for first, last in spans.values():
        text = around[first - low : last - low]
        if text.strip():
            tokens = stages.tokenizer.count(shown_text(text))
            yield PackedPassage(
                *(0, document.id, document.path, document.title, "", pages[0].number, pages[-1].number),
                *(first, last, text, tokens, 0.0, document.unit),
            )


def _shelf(stages: Stages) -> Shelf:
    return Shelf(stages.engine.with_id, stages.engine.place_of, stages.tokenizer, counted=False)


def _named(stages: Stages, name: str, allowed: Filter) -> StoredDocument | Result:
    """The document that the model means: one that it may not see is none."""
    try:
        return stages.engine.document(name, allowed)
    except DocumentNotFound:
        return Result(NO_DOCUMENT.format(name=one_line(name)), error=True)
    except AmbiguousDocument as exc:
        return Result(exc.say("ko"), error=True)


def ask_with_tools(
    stages: Stages,
    question: str,
    allowed: Filter,
    limits: ToolsConfig,
    tools: Sequence[Tool] | None = None,
) -> Answer:
    """The answer to `question`, for which the model searches as it likes within `limits`.

    Args:
        tools: what it may call; None: search_documents and open_pages.

    Raises:
        EmptyQuestion, QuestionTooLong, PromptTooLong.
        ConfigError: no model writes the answers.
    """
    read_question(question)
    if not stages.generator.writes:
        raise ConfigError(detail='generator.backend = "extractive" has no model that could call tools')
    started = time.monotonic()
    given = document_tools(stages, allowed) if tools is None else tools
    dialogue = _Dialogue(stages, question, allowed, limits, given)
    while (prompt := dialogue.next_prompt()) is not None:
        completion = dialogue.generate(prompt)
        said, asked = read_calls(completion.text)
        if not asked:
            answer = resolve_answer(stages, dialogue.packed(prompt, started), completion)
            return dialogue.checked_answer(answer, started)
        dialogue.run(said, asked)
    return dialogue.last_answer(started)


@dataclass(frozen=True, slots=True)
class _Done:
    """A call that was answered; `markers` are those of its passages, in order."""

    call: Call
    text: str
    markers: tuple[int, ...] = ()


class _Dialogue:
    """What one question has come to so far."""

    def __init__(
        self,
        stages: Stages,
        question: str,
        allowed: Filter,
        limits: ToolsConfig,
        tools: Sequence[Tool],
    ) -> None:
        self.warnings: tuple[Notice, ...] = ()
        self._stages, self._question, self._allowed, self._limits = stages, question, allowed, limits
        self._tools = {tool.spec["function"]["name"]: tool for tool in tools}
        self._specs = tuple(tool.spec for tool in tools)
        self._documents = stages.engine.visible(allowed)
        room = int(self._window * HISTORY_SHARE)
        self._turns = [turn for turn, _ in newest(stages.history, stages.tokenizer, room)]
        self._rounds: list[tuple[str, list[_Done]]] = []
        self._calls: list[ToolCall] = []
        self._passages: dict[int, PackedPassage] = {}
        self._markers: dict[tuple[str, int, int], int] = {}
        self._memory: dict[str, Result] = {}
        self._asked: Counter[str] = Counter()
        self._stuck = False
        self._spent = 0

    # what the model is asked

    def next_prompt(self) -> Prompt | None:
        """The prompt of the next round; None where it has to be the last answer, and then a warning says why."""
        limits = self._limits
        if self._stuck:
            self._warn(warnings.tools_repeated())
        elif len(self._rounds) >= limits.rounds:
            self._warn(warnings.tools_rounds(limits.rounds))
        elif len(self._calls) >= limits.calls:
            self._warn(warnings.tools_calls(limits.calls))
        else:
            prompt = self._fit(self._messages, self._window - self._reserved, self._specs)
            if prompt is None:
                self._warn(warnings.tools_room())
            # The last answer must be paid for, too.
            elif self._spent + 2 * self._cost(prompt) > limits.tokens:
                self._warn(warnings.tools_tokens(self._spent))
            else:
                return prompt
        return None

    def _warn(self, warning: Notice) -> None:
        self.warnings = (*self.warnings, warning)

    @property
    def _window(self) -> int:
        return self._stages.generation.window

    @property
    def _reserved(self) -> int:
        return self._stages.generation.reserved_output + self._stages.generator.margin

    def _cost(self, prompt: Prompt) -> int:
        return len(prompt.token_ids) + self._reserved

    def generate(self, prompt: Prompt) -> Completion:
        """What the model writes for `prompt`; counted."""
        options = sampling_of(self._stages)
        if prompt.tools:
            must_call = self._limits.must_search and not self._rounds
            options = replace(options, n=1, must_call=must_call)
        (completion,) = self._stages.generator.generate([prompt], options)
        written = completion.completion_tokens or self._stages.tokenizer.count(completion.text)
        self._spent += max(len(prompt.token_ids), completion.prompt_tokens) + written
        return completion

    def _fit(
        self,
        messages_of: Callable[[Mapping[int, PackedPassage]], list[Message]],
        limit: int,
        specs: tuple[ToolSpec, ...] = (),
    ) -> Prompt | None:
        """The prompt of at most `limit` tokens, with what fits of the newest passages, then of older ones.

        None where it does not even fit without any.
        """
        tokenizer = self._stages.tokenizer
        room = limit - len(tokenizer.render(messages_of({}), specs).token_ids)
        if room < 0:
            return None
        chosen, shelf = self._choose(room), _shelf(self._stages)
        while True:
            chosen = [shelf.placed(packed) for packed in chosen]
            messages = messages_of({packed.marker: packed for packed in chosen})
            rendered = tokenizer.render(messages, specs)
            excess = len(rendered.token_ids) - limit
            if excess <= 0:
                break
            chosen = shorter(chosen, excess, shelf)
        budget = ledger(rendered.counts, len(rendered.token_ids), self._window, self._reserved)
        shown = tuple(sorted(chosen, key=lambda packed: packed.marker))
        forgotten = len(self._stages.history) - len(self._turns)
        return Prompt(rendered.token_ids, messages, shown, self._question, budget, forgotten, specs)

    def _choose(self, room: int) -> list[PackedPassage]:
        """Of all results, those of the newest calls first, what fits `room` tokens."""
        tokenizer, shelf = self._stages.tokenizer, _shelf(self._stages)
        share = int(room * RESULT_SHARE)
        chosen: dict[int, PackedPassage] = {}
        for done in (done for _, dones in reversed(self._rounds) for done in reversed(dones)):
            left = min(room, share)
            for marker in done.markers:
                if marker in chosen:
                    continue
                packed = self._passages[marker]
                header = tokenizer.count(passage_block(replace(packed, text=""))) + 1
                whole = header + packed.tokens <= left
                shown = packed if whole else cut(packed, left - header, SMALLEST_CUT, shelf)
                if shown is not None:
                    chosen[marker] = shown
                    left, room = left - header - shown.tokens, room - header - shown.tokens
                if not whole:
                    break
            if room < SMALLEST_CUT:
                break
        return list(chosen.values())

    def _messages(self, shown: Mapping[int, PackedPassage]) -> list[Message]:
        rounds, told = [], set()
        for said, dones in self._rounds:
            calls = tuple(done.call for done in dones)
            rounds.append(Message("assistant", (("history", said),), calls))
            for done in dones:
                parts = tuple(self._result_parts(done, shown, told))
                rounds.append(Message("tool", parts, call_id=done.call.id))
        return tool_messages(self._question, self._documents, rounds, self._turns)

    def _result_parts(self, done: _Done, shown: Mapping[int, PackedPassage], told: set[int]) -> list[Part]:
        """A result as the model sees it; each passage's words stand once, where it was found first."""
        parts = [("history", done.text)]
        left_out = 0
        for marker in done.markers:
            if marker not in shown:
                left_out += 1
            elif marker in told:
                parts.append(("history", SHOWN_ABOVE.format(marker=marker)))
            else:
                parts.append(("passages", passage_block(shown[marker])))
                if shown[marker].end < self._passages[marker].end:
                    parts.append(("history", SHORTENED.format(marker=marker)))
                told.add(marker)
        return parts + [("history", LEFT_OUT.format(count=left_out))] * bool(left_out)

    # what it calls

    def run(self, said: str, asked: Sequence[Asked]) -> None:
        """Answer the calls of one completion, in their order."""
        dones, any_new = [], False
        left = self._limits.calls - len(self._calls)
        for one in (checked(each, self._specs) for each in asked[:left]):
            result, new = self._result(one)
            any_new |= new
            markers = tuple(dict.fromkeys(self._number(packed) for packed in result.passages))
            name = one.name if NAME.fullmatch(one.name) else NO_CALL
            arguments = "{}" if one.error else json.dumps(one.arguments, ensure_ascii=False)
            call = Call(f"call_{len(self._calls) + 1}", name, arguments)
            dones.append(_Done(call, result.text, markers))
            error = result.text if result.error else ""
            self._calls.append(ToolCall(one.name, one.arguments, len(markers), error))
        self._stuck = not any_new
        self._rounds.append((said[:SAID_CHARACTERS], dones))

    def _result(self, asked: Asked) -> tuple[Result, bool]:
        """What a call is answered, and whether it says anything new."""
        if asked.error:
            return self._once(asked.error, Result(asked.error, error=True))
        key = json.dumps([asked.name, asked.arguments], ensure_ascii=False, sort_keys=True)
        if key not in self._memory:
            self._memory[key] = self._tools[asked.name].run(**asked.arguments)
            self.warnings = tuple(dict.fromkeys((*self.warnings, *self._memory[key].warnings)))
        return self._once(key, self._memory[key])

    def _once(self, key: str, result: Result) -> tuple[Result, bool]:
        """`result`, or a refusal where it was given too often; the first time it is new."""
        self._asked[key] += 1
        if self._asked[key] > 1 + ANSWERED_AGAIN:
            return Result(REPEATED, error=True), False
        return result, True

    def _number(self, packed: PackedPassage) -> int:
        """The marker of a passage: its own for ever."""
        span = packed.document_id, packed.start, packed.end
        if span not in self._markers:
            self._markers[span] = len(self._markers) + 1
            marked = replace(packed, marker=self._markers[span])
            self._passages[marked.marker] = _shelf(self._stages).placed(marked)
        return self._markers[span]

    # what it answers

    def packed(self, prompt: Prompt, started: float) -> PackedQuestion:
        """`prompt` with what there is to tell so far."""
        return PackedQuestion(prompt, self.warnings, started)

    def checked_answer(self, answer: Answer, started: float) -> Answer:
        """`answer`, if it is a question back, or anything was looked up for it; else the ordinary one."""
        asks_back = not answer.citations and answer.text.endswith(("?", "？"))
        if asks_back:
            return replace(answer, sentences=(), asks_back=True, tool_calls=tuple(self._calls))
        if not any(not call.error for call in self._calls):
            self._warn(warnings.tools_unused())
            return self._ordinary(started)
        return replace(answer, tool_calls=tuple(self._calls))

    def last_answer(self, started: float) -> Answer:
        """What is answered without tools, from all that was found; where that is nothing, as ever."""
        if not self._passages:
            return self._ordinary(started)
        left = max(self._limits.tokens - self._spent, 0)
        limit = min(self._window, left) - self._reserved
        prompt = self._fit(self._ordinary_messages, limit)
        if prompt is None:
            return self._ordinary(started)
        completion = self.generate(prompt)
        answer = resolve_answer(self._stages, self.packed(prompt, started), completion)
        return replace(answer, tool_calls=tuple(self._calls))

    def _ordinary_messages(self, shown: Mapping[int, PackedPassage]) -> list[Message]:
        return answer_messages(self._question, [shown[marker] for marker in sorted(shown)], self._turns)

    def _ordinary(self, started: float) -> Answer:
        (answer,) = ask(self._stages, [self._question], self._allowed)
        return replace(
            answer,
            warnings=(*self.warnings, *answer.warnings),
            tool_calls=tuple(self._calls),
            seconds=time.monotonic() - started,
        )
