"""What was found so far → a prompt that fits the window.

The newest results take their room first; the older ones get what is left of it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from indexes.types import StoredDocument
from rag.answer import PackedPassage
from rag.asking.stages import Stages
from rag.prompting.packing import HISTORY_SHARE, SMALLEST_CUT, Prompt, cut, ledger, newest, shorter
from rag.prompting.prompts import (
    LEFT_OUT,
    SHORTENED,
    SHOWN_ABOVE,
    Turn,
    answer_messages,
    passage_block,
    tool_messages,
)
from rag.prompting.tokens import Message, Part, ToolSpec
from rag.tools.record import Done, Record
from rag.tools.toolbox import shelf_of

# One result takes at most this share of the room for all results.
RESULT_SHARE = 1 / 2

# The passages that are shown, by marker → the messages that show them.
MessagesOf = Callable[[Mapping[int, PackedPassage]], list[Message]]


@dataclass(frozen=True, slots=True)
class Asking:
    """What stays the same through all rounds of one question."""

    stages: Stages
    question: str
    documents: Sequence[StoredDocument]
    turns: Sequence[Turn]

    @classmethod
    def of(cls, stages: Stages, question: str, documents: Sequence[StoredDocument]) -> "Asking":
        """`question` over `documents`, with the newest turns of the conversation that fit their share."""
        room = int(stages.generation.window * HISTORY_SHARE)
        turns = [turn for turn, _ in newest(stages.history, stages.tokenizer, room)]
        return cls(stages, question, documents, turns)

    @property
    def reserved(self) -> int:
        """Tokens of the window that a prompt must leave free."""
        return self.stages.generation.reserved_output + self.stages.generator.margin


def round_prompt(asking: Asking, record: Record) -> Prompt | None:
    """The prompt of the next round, with tools; None where it does not fit."""
    limit = asking.stages.generation.window - asking.reserved
    return _fit(asking, record, lambda shown: _round_messages(asking, record, shown), limit, record.specs)


def last_prompt(asking: Asking, record: Record, tokens: int) -> Prompt | None:
    """The prompt of the last answer, without tools; None where it does not fit.

    Args:
        tokens: what prompt and answer may take together.
    """

    def messages(shown: Mapping[int, PackedPassage]) -> list[Message]:
        return answer_messages(asking.question, [shown[marker] for marker in sorted(shown)], asking.turns)

    limit = min(asking.stages.generation.window, tokens) - asking.reserved
    return _fit(asking, record, messages, limit)


def _fit(
    asking: Asking,
    record: Record,
    messages_of: MessagesOf,
    limit: int,
    specs: tuple[ToolSpec, ...] = (),
) -> Prompt | None:
    """A prompt of at most `limit` tokens; None where it does not fit even without a passage."""
    stages = asking.stages
    tokenizer, shelf = stages.tokenizer, shelf_of(stages)
    room = limit - len(tokenizer.render(messages_of({}), specs).token_ids)
    if room < 0:
        return None
    chosen = _choose(stages, record, room)
    while True:
        chosen = [shelf.placed(packed) for packed in chosen]
        messages = messages_of({packed.marker: packed for packed in chosen})
        rendered = tokenizer.render(messages, specs)
        excess = len(rendered.token_ids) - limit
        if excess <= 0:
            break
        chosen = shorter(chosen, excess, shelf)
    return Prompt(
        token_ids=rendered.token_ids,
        messages=messages,
        passages=tuple(sorted(chosen, key=lambda packed: packed.marker)),
        question=asking.question,
        budget=ledger(rendered.counts, len(rendered.token_ids), stages.generation.window, asking.reserved),
        turns_left_out=len(stages.history) - len(asking.turns),
        tools=specs,
    )


def _choose(stages: Stages, record: Record, room: int) -> list[PackedPassage]:
    """The passages that fit `room` tokens, those of the newest calls first, the last of a call cut to sentences."""
    count, shelf = stages.tokenizer.count, shelf_of(stages)
    share = int(room * RESULT_SHARE)
    chosen: dict[int, PackedPassage] = {}
    for done in _newest_first(record):
        left = min(room, share)
        for marker in done.markers:
            if marker in chosen:
                continue
            packed = record.passages[marker]
            header = count(passage_block(replace(packed, text=""))) + 1
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


def _newest_first(record: Record) -> Iterator[Done]:
    for one in reversed(record.rounds):
        yield from reversed(one.calls)


def _round_messages(asking: Asking, record: Record, shown: Mapping[int, PackedPassage]) -> list[Message]:
    rounds: list[Message] = []
    told: set[int] = set()
    for one in record.rounds:
        calls = tuple(done.call for done in one.calls)
        rounds.append(Message("assistant", (("history", one.said),), calls))
        for done in one.calls:
            parts = tuple(_result_parts(record, done, shown, told))
            rounds.append(Message("tool", parts, call_id=done.call.id))
    return tool_messages(asking.question, asking.documents, rounds, asking.turns)


def _result_parts(
    record: Record, done: Done, shown: Mapping[int, PackedPassage], told: set[int]
) -> list[Part]:
    """A result as the model sees it; the words of a passage are shown once, where it was found first."""
    parts: list[Part] = [("history", done.text)]
    left_out = 0
    for marker in done.markers:
        if marker not in shown:
            left_out += 1
        elif marker in told:
            parts.append(("history", SHOWN_ABOVE.format(marker=marker)))
        else:
            parts.append(("passages", passage_block(shown[marker])))
            if shown[marker].end < record.passages[marker].end:
                parts.append(("history", SHORTENED.format(marker=marker)))
            told.add(marker)
    return parts + [("history", LEFT_OUT.format(count=left_out))] * bool(left_out)
