"""A question → an answer; the model looks things up for it itself, in several rounds.

    prompt with tools ─generate→ calls ─run→ results ─next prompt─ … ─generate→ text ─resolve→ Answer

Each round's prompt fits the window: results are shown in whole sentences, and where room is short the oldest
are left out first. A passage keeps its marker through all rounds, so the answer is resolved like any other,
against what its last prompt showed. A model that has not answered when its limits are reached is asked once
more, without tools, about what it found. If it looked nothing up, the question is searched for as usual.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

from indexes.types import Filter
from rag.answer import Answer
from rag.asking import warnings
from rag.asking.ask import ask, sampling_of
from rag.asking.pack import PackedQuestion
from rag.asking.read import read_question
from rag.asking.resolve import resolve_answer
from rag.asking.stages import Stages
from rag.errors import ConfigError
from rag.models.generator import Completion
from rag.prompting.calls import ToolsConfig, read_calls
from rag.prompting.packing import Prompt
from rag.tools.fit import Asking, last_prompt, round_prompt
from rag.tools.record import Record
from rag.tools.toolbox import Tool, document_tools, shelf_of


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
        raise ConfigError(
            detail=f"the generator {stages.generator.name!r} has no model that could call tools"
        )
    given = document_tools(stages, allowed) if tools is None else tools
    dialogue = _Dialogue(stages, question, allowed, limits, given)
    while (prompt := dialogue.next_prompt()) is not None:
        completion = dialogue.generate(prompt)
        said, asked = read_calls(completion.text)
        if not asked:
            return dialogue.answer(prompt, completion)
        left = limits.calls - len(dialogue.record.calls)
        dialogue.record.run(said, asked[:left])
    return dialogue.last_answer()


class _Dialogue:
    """One question, the record of its calls, and the tokens spent on it."""

    def __init__(
        self, stages: Stages, question: str, allowed: Filter, limits: ToolsConfig, tools: Sequence[Tool]
    ) -> None:
        self.record = Record(tools, shelf_of(stages))
        self._asking = Asking.of(stages, question, stages.engine.visible(allowed))
        self._allowed, self._limits = allowed, limits
        self._started = time.monotonic()
        self._spent = 0

    def next_prompt(self) -> Prompt | None:
        """The prompt of the next round; None, and a notice that says why, where the answer is now due."""
        limits, record = self._limits, self.record
        prompt = None
        if record.stuck:
            record.warn(warnings.tools_repeated())
        elif len(record.rounds) >= limits.rounds:
            record.warn(warnings.tools_rounds(limits.rounds))
        elif len(record.calls) >= limits.calls:
            record.warn(warnings.tools_calls(limits.calls))
        elif (fitted := round_prompt(self._asking, record)) is None:
            record.warn(warnings.tools_room())
        elif (
            self._spent + 2 * self._cost(fitted) > limits.tokens
        ):  # as much again is kept for the last answer
            record.warn(warnings.tools_tokens(self._spent))
        else:
            prompt = fitted
        return prompt

    def _cost(self, prompt: Prompt) -> int:
        return len(prompt.token_ids) + self._asking.reserved

    def generate(self, prompt: Prompt) -> Completion:
        """What the model writes for `prompt`; adds the tokens of both to what was spent."""
        stages = self._asking.stages
        options = sampling_of(stages)
        if prompt.tools:
            must_call = self._limits.must_search and not self.record.rounds
            options = replace(options, n=1, must_call=must_call)
        (completion,) = stages.generator.generate([prompt], options)
        written = completion.completion_tokens or stages.tokenizer.count(completion.text)
        self._spent += max(len(prompt.token_ids), completion.prompt_tokens) + written
        return completion

    def answer(self, prompt: Prompt, completion: Completion) -> Answer:
        """The answer from a completion without calls.

        A completion without citations that ends with a question mark asks the user back. Else, if no call was
        answered, the question is searched for as usual and answered from that.
        """
        answer = self._resolved(prompt, completion)
        if not answer.citations and answer.text.endswith(("?", "？")):
            return replace(answer, sentences=(), asks_back=True)
        if all(call.error for call in self.record.calls):
            self.record.warn(warnings.tools_unused())
            return self._ordinary()
        return answer

    def last_answer(self) -> Answer:
        """The answer without tools, from all passages found; the usual answer where none was found or fits."""
        if not self.record.passages:
            return self._ordinary()
        prompt = last_prompt(self._asking, self.record, max(self._limits.tokens - self._spent, 0))
        if prompt is None:
            return self._ordinary()
        return self._resolved(prompt, self.generate(prompt))

    def _resolved(self, prompt: Prompt, completion: Completion) -> Answer:
        packed = PackedQuestion(prompt, self.record.warnings, self._started)
        answer = resolve_answer(self._asking.stages, packed, completion)
        return replace(answer, tool_calls=tuple(self.record.calls))

    def _ordinary(self) -> Answer:
        """The answer that `ask` gives, with the tool calls and notices so far."""
        (answer,) = ask(self._asking.stages, [self._asking.question], self._allowed)
        return replace(
            answer,
            warnings=(*self.record.warnings, *answer.warnings),
            tool_calls=tuple(self.record.calls),
            seconds=time.monotonic() - self._started,
        )
