"""A question that is no question is refused before anything is done for it."""

from dataclasses import replace

import pytest

from indexes.types import EVERYTHING
from rag import Pipeline
from rag.asking.ask import ask, ask_each, ask_stream
from rag.asking.read import MOST_CHARACTERS, read_question
from rag.conversing.conversation import Conversation, Exchange
from rag.errors import EmptyQuestion, QuestionTooLong
from rag.prompting.calls import ToolsConfig
from rag.tools.ask import ask_with_tools
from tests.support.fakes import ScriptedGenerator

SAID = [Exchange("연차는?", "연차는?", "15일입니다.")]
LONG = "가" * (MOST_CHARACTERS + 1)


@pytest.fixture
def idle(samples: Pipeline):
    """Stages that fail at any work: nothing to search in, and a generator without replies."""
    return replace(samples._stages(), retrieval=None, generator=ScriptedGenerator())


WAYS = {
    "ask": lambda stages, question: ask(stages, [question], EVERYTHING),
    "stream": lambda stages, question: next(ask_stream(stages, question, EVERYTHING)),
    "chat": lambda stages, question: Conversation(lambda: stages, turns=SAID).ask(question),
    "tools": lambda stages, question: ask_with_tools(stages, question, EVERYTHING, ToolsConfig()),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("question", "error"), [(LONG, QuestionTooLong), (" \n", EmptyQuestion)])
def test_a_question_too_long_or_blank_is_refused_before_any_work(idle, way, question, error):
    with pytest.raises(error):
        WAYS[way](idle, question)


def test_one_question_too_long_does_not_stop_the_others(samples):
    first, second = ask_each(samples._stages(), [LONG, "연차휴가는 며칠인가요?"], EVERYTHING)
    assert isinstance(first, QuestionTooLong) and second.citations
    assert "20,001자" in first.message("ko") and "20,000" in first.message("en")


def test_a_query_too_long_is_refused_and_a_blank_one_finds_nothing(samples):
    with pytest.raises(QuestionTooLong):
        samples.search(LONG)
    with pytest.raises(QuestionTooLong):
        samples.conversation(turns=SAID).understand(LONG)
    assert len(samples.search(" ")) == 0


def test_the_longest_question_is_read():
    assert read_question(LONG[1:]) == LONG[1:]
