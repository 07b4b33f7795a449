"""The calls of a model → their results, the passages that they found, and the marker that each passage keeps."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ingest.errors import Notice
from rag.answer import PackedPassage, ToolCall
from rag.prompting.calls import Asked, checked
from rag.prompting.packing import Shelf
from rag.prompting.prompts import REPEATED
from rag.prompting.tokens import Call
from rag.tools.toolbox import Result, Tool

ANSWERED_AGAIN = 1  # times that a repeated call is answered from memory before it is refused
SAID_CHARACTERS = 300  # kept of the text that a model writes beside its calls
# Names that every server accepts; the model is shown a call of any other name as NO_CALL.
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
NO_CALL = "invalid_call"


@dataclass(frozen=True, slots=True)
class Done:
    """A call that was answered; `markers`: of the passages that it found, in order."""

    call: Call
    text: str
    markers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Round:
    """One completion: the text beside its calls, and the calls."""

    said: str
    calls: tuple[Done, ...]


class Record:
    """The calls that a model made for one question so far, and what they found.

    Attributes:
        passages: all that were found, by marker. A passage keeps its marker through all rounds.
        stuck: all calls of the last round were refused as repeated.
    """

    def __init__(self, tools: Sequence[Tool], shelf: Shelf) -> None:
        self.specs = tuple(tool.spec for tool in tools)
        self.rounds: list[Round] = []
        self.calls: list[ToolCall] = []
        self.passages: dict[int, PackedPassage] = {}
        self.warnings: tuple[Notice, ...] = ()
        self.stuck = False
        self._tools = {tool.spec["function"]["name"]: tool for tool in tools}
        self._shelf = shelf
        self._markers: dict[tuple[str, int, int], int] = {}
        self._memory: dict[str, Result] = {}
        self._asked: Counter[str] = Counter()

    def warn(self, *notices: Notice) -> None:
        """Add notices about the answer, each only once."""
        self.warnings = tuple(dict.fromkeys((*self.warnings, *notices)))

    def run(self, said: str, asked: Sequence[Asked]) -> None:
        """Answer the calls `asked` of one completion, in their order; `said` is the text beside them."""
        answered = [self._answer(checked(one, self.specs)) for one in asked]
        self.stuck = not any(new for _, new in answered)
        self.rounds.append(Round(said[:SAID_CHARACTERS], tuple(done for done, _ in answered)))

    def _answer(self, asked: Asked) -> tuple[Done, bool]:
        """A call with its answer, and whether it was answered: False for a repeated call that was refused."""
        result, new = self._result(asked)
        markers = tuple(dict.fromkeys(self._number(packed) for packed in result.passages))
        name = asked.name if NAME.fullmatch(asked.name) else NO_CALL
        arguments = "{}" if asked.error else json.dumps(asked.arguments, ensure_ascii=False)
        call = Call(f"call_{len(self.calls) + 1}", name, arguments)
        error = result.text if result.error else ""
        self.calls.append(ToolCall(asked.name, asked.arguments, len(markers), error))
        return Done(call, result.text, markers), new

    def _result(self, asked: Asked) -> tuple[Result, bool]:
        if asked.error:
            return self._once(asked.error, Result(asked.error, error=True))
        key = json.dumps([asked.name, asked.arguments], ensure_ascii=False, sort_keys=True)
        if key not in self._memory:
            self._memory[key] = self._tools[asked.name].run(**asked.arguments)
            self.warn(*self._memory[key].warnings)
        return self._once(key, self._memory[key])

    def _once(self, key: str, result: Result) -> tuple[Result, bool]:
        """`result` and True; a refusal and False after `1 + ANSWERED_AGAIN` times."""
        self._asked[key] += 1
        if self._asked[key] > 1 + ANSWERED_AGAIN:
            return Result(REPEATED, error=True), False
        return result, True

    def _number(self, packed: PackedPassage) -> int:
        """The marker of `packed`: the one that it has, or the next number."""
        span = packed.document_id, packed.start, packed.end
        if span not in self._markers:
            self._markers[span] = len(self._markers) + 1
            marked = replace(packed, marker=self._markers[span])
            self.passages[marked.marker] = self._shelf.placed(marked)
        return self._markers[span]
