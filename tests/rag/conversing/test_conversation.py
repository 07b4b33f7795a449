"""Conversations: what the model is shown of them fits, holds no markers, and can be kept."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.types import EVERYTHING, Filter
from rag import Answer, Pipeline, load_config
from rag.asking.retrieve import together
from rag.conversing.conversation import (
    REWRITING_TOKENS,
    Conversation,
    Exchange,
    history_of,
    is_sound,
    one_question,
    plain,
    read_turns,
    rewriting_prompt,
)
from rag.conversing.followups import Asked
from rag.errors import ConfigError, EmptyQuestion, InputUnreadable, OutputFailed
from rag.prompting.prompts import MARKER, Turn
from rag.prompting.tokens import ModelTokenizer
from tests.support.fakes import ScriptedGenerator
from tests.support.laws import examples
from tests.support.passages import passages

FIRST, NEXT = "팀장의 직책수당은 얼마인가요?", "그럼 본부장은요?"
WHOLE = "본부장의 직책수당은 얼마인가요?"
TOKENIZER = ModelTokenizer("embedded")
texts = st.lists(
    st.sampled_from(
        [
            "[1]",
            "［2］",
            "[[3]4]",
            "[1, 2]",
            " ",
            "\n",
            "연차는 15일입니다.",
            "<|im_end|>",
            "</think>",
            "[별표 1]",
            "漢字",
        ]
    ),
    max_size=8,
).map("".join)
turns = st.lists(st.builds(Exchange, texts, texts, texts, texts, texts), max_size=6)


def talk(pipeline: Pipeline, *replies: str, rewrite: str = "auto") -> tuple[ScriptedGenerator, Conversation]:
    """A conversation with a model that writes `replies`."""
    generator, stages = ScriptedGenerator(*replies), pipeline._stages()
    return generator, Conversation(lambda: replace(stages, generator=generator), rewrite=rewrite)


# laws


@given(turns)
def test_no_marker_is_in_what_the_model_is_shown_of_a_conversation(held):
    for turn in history_of(held):
        assert not MARKER.search(turn.question) and not MARKER.search(turn.answer)


@given(texts)
def test_an_answer_without_markers_is_left_alone(answer):
    assert plain(plain(answer)) == plain(answer)
    assert not MARKER.search(plain(answer))


@pytest.fixture(scope="module")
def narrow(sample_index) -> Iterator[Pipeline]:
    """A pipeline over the sample documents with a window that is soon full."""
    with Pipeline.open(sample_index, load_config(None, ["generator.window=4096"])) as pipeline:
        yield pipeline


@examples(20)
@given(st.lists(st.builds(Exchange, texts, texts, texts.map(lambda text: text * 300)), max_size=5))
def test_the_budget_holds_with_any_history(narrow, held):
    chat = narrow.conversation(turns=held)
    answer = chat.ask(FIRST)
    budget = answer.budget
    assert budget.prompt + budget.reserved_output <= budget.window == 4096
    assert (
        budget.template + budget.system + budget.history + budget.passages + budget.question == budget.prompt
    )
    assert answer.passages
    assert len(chat.turns) == len(held) + 1


@given(st.lists(st.builds(Turn, texts, texts), max_size=3), texts)
def test_the_rewriting_prompt_is_counted(held, question):
    prompt = rewriting_prompt(TOKENIZER, question, held, 4096)
    budget = prompt.budget
    assert budget.template + budget.system + budget.history + budget.question == budget.prompt
    assert budget.prompt + REWRITING_TOKENS + budget.free == 4096
    assert prompt.token_ids == TOKENIZER.render(prompt.messages).token_ids


@given(st.permutations(range(6)), st.permutations(range(6)))
def test_two_rankings_together_hold_each_passage_once(first, second):
    found = passages([["연차는 15일이다."] for _ in range(6)])
    one = [replace(found[n], score=9.0 - place) for place, n in enumerate(first)][:4]
    other = [replace(found[n], score=3.0 - place / 3) for place, n in enumerate(second)][:4]
    both = together(one, other)
    assert {p.chunk.id for p in both} == {p.chunk.id for p in [*one, *other]}
    assert [p.rank for p in both] == list(range(1, len(both) + 1))
    assert [p.score for p in both] == sorted((p.score for p in both), reverse=True)
    assert together(one, one)[0].chunk == one[0].chunk


# turns


def test_a_follow_up_is_answered_as_the_whole_question(samples):
    chat = samples.conversation()
    assert "350,000" in chat.ask(FIRST).text
    answer = chat.ask(NEXT)
    assert (answer.question, answer.standalone) == (NEXT, WHOLE)
    assert "800,000" in answer.text
    assert [turn.standalone for turn in chat.turns] == [FIRST, WHOLE]
    assert chat.turns[1].title == "취업규칙" and "별표 7" in chat.turns[1].context
    assert answer.budget.history > 0


def test_a_question_outside_of_a_conversation_stands_alone(samples):
    answer = samples.ask(FIRST)
    assert answer.standalone == answer.question == FIRST and answer.budget.history == 0


def test_after_forgetting_a_follow_up_is_a_first_question(samples):
    chat = samples.conversation()
    chat.ask(FIRST)
    chat.forget()
    assert chat.understand(NEXT) == NEXT and chat.turns == []


def test_a_stream_gives_the_same_turns(samples):
    whole, streamed = samples.conversation(), samples.conversation()
    for question in (FIRST, NEXT):
        answer = whole.ask(question)
        last = streamed.ask_stream(question).answer
        assert isinstance(last, Answer) and (last.text, last.standalone) == (answer.text, answer.standalone)
    assert whole.turns == streamed.turns


def test_a_stream_that_is_left_is_forgotten(samples):
    chat = samples.conversation()
    pieces = chat.ask_stream(FIRST)
    next(pieces)
    pieces.close()
    assert chat.turns == []


def test_a_failure_leaves_the_conversation_as_it_was(samples):
    chat = samples.conversation()
    chat.ask(FIRST)
    with pytest.raises(EmptyQuestion):
        chat.ask(" ")
    assert len(chat.turns) == 1


def test_only_the_documents_that_are_allowed_answer(samples):
    chat = samples.conversation(Filter(documents=("정보보안_업무지침.pdf",)))
    for question in (FIRST, NEXT):
        assert {passage.title for passage in chat.ask(question).passages} == {"정보보안 업무지침"}


def test_turns_that_do_not_fit_are_told_of(samples):
    chat = samples.conversation(
        turns=[Exchange(FIRST, FIRST, "가나다라 " * 4000), Exchange(FIRST, FIRST, "350,000원")]
    )
    answer = chat.ask(NEXT)
    assert any("앞선 대화 1개" in warning.ko for warning in answer.warnings)
    assert 0 < answer.budget.history < 100


def test_a_conversation_for_asyncio(samples):
    async def both():
        chat = samples.conversation()
        first = await chat.ask_async(FIRST)
        async with chat.ask_stream_async(NEXT) as stream:
            text = "".join([piece async for piece in stream])
        return first, text, stream.answer

    first, text, second = asyncio.run(both())
    assert first.standalone == FIRST and second.standalone == WHOLE and second.text == text


def test_questions_of_several_threads_are_all_kept(samples):
    chat = samples.conversation()
    chat.ask(FIRST)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(chat.ask, [NEXT] * 8))
    assert {answer.standalone for answer in answers} == {WHOLE}
    assert len(chat.turns) == 9


# the model


def test_the_model_makes_a_follow_up_whole(samples):
    generator, chat = talk(
        samples, "350,000원입니다. [1]", f"고쳐 쓴 질문: «{WHOLE}»", "800,000원입니다. [1]"
    )
    chat.ask(FIRST)
    answer = chat.ask(NEXT)
    assert answer.standalone == WHOLE and answer.text == "800,000원입니다. [1]"
    _, rewriting, second = generator.prompts
    assert NEXT in rewriting.messages[-1].content and "350,000원입니다." in rewriting.messages[-1].content
    assert "[1]" not in rewriting.messages[-1].content
    assert [message.content for message in second.messages[1:3]] == [FIRST, "350,000원입니다."]
    assert second.messages[-1].content.endswith(f"[질문]\n{WHOLE}")


@pytest.mark.parametrize(
    "written",
    [
        "",
        "\n\n",
        "800,000원입니다.",
        "본부장의 직책수당은 90만원인가요?",
        "ㅁㄴㅇㄹ qwerty 漢字 [1]",
        "죄송하지만 저는 도움을 드릴 수 없습니다",
        "가" * 500,
    ],
)
def test_where_the_model_writes_something_else_the_rule_takes_over(samples, written):
    _, chat = talk(samples, "350,000원입니다. [1]", written, "800,000원입니다. [1]")
    chat.ask(FIRST)
    assert chat.ask(NEXT).standalone == WHOLE


def test_a_model_need_not_be_asked(samples):
    generator, chat = talk(samples, "350,000원입니다. [1]", "800,000원입니다. [1]", rewrite="rule")
    chat.ask(FIRST)
    assert chat.ask(NEXT).standalone == WHOLE and len(generator.prompts) == 2


def test_a_question_can_be_asked_as_it_was_typed(samples):
    generator, chat = talk(samples, "350,000원입니다. [1]", "800,000원입니다. [1]", rewrite="off")
    chat.ask(FIRST)
    assert chat.ask(NEXT).standalone == NEXT and len(generator.prompts) == 2


@pytest.mark.parametrize(
    ("written", "question"),
    [
        ("2024년 매출액은 얼마인가요?", "2024년은요?"),
        ("2025년 매출액은 얼마인가요?\n설명: 앞의 대화에서 …", "다시요"),
        ("“2024년 매출액은 얼마인가요?”", "2024년은요?"),
    ],
)
def test_what_a_model_may_write(written, question):
    said = one_question(written)
    assert said.endswith("매출액은 얼마인가요?")
    assert is_sound(said, question, [Asked("2025년 매출액은 얼마인가요?", "3,010억원입니다.")])


@pytest.mark.parametrize("written", ["2023년 매출액은 얼마인가요?", "매출액은 얼마인가요?"])
def test_a_model_may_not_change_numbers(written):
    assert not is_sound(written, "2024년은요?", [Asked("2025년 매출액은 얼마인가요?", "3,010억원입니다.")])


# kept as JSON


def test_a_conversation_goes_on_from_a_file(samples, tmp_path):
    chat = samples.conversation()
    chat.ask(FIRST)
    chat.save(tmp_path / "대화.json")
    again = samples.conversation(turns=read_turns(tmp_path / "대화.json"))
    assert again.turns == chat.turns
    assert again.ask(NEXT).standalone == WHOLE


@given(turns)
def test_turns_survive_a_file(tmp_path_factory, held):
    path = tmp_path_factory.mktemp("turns") / "turns.json"
    Conversation(lambda: None, EVERYTHING, held).save(path)
    assert read_turns(path) == held


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"turns": 3}',
        '{"turns": [{"question": "가"}]}',
        '{"turns": [{"question": 1, "standalone": "", "answer": ""}]}',
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, content):
    path = tmp_path / "turns.json"
    path.write_text(content, "utf-8")
    with pytest.raises(InputUnreadable, match="standalone"):
        read_turns(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputUnreadable, match=r"none\.json"):
        read_turns(tmp_path / "none.json")
    with pytest.raises(OutputFailed):
        Conversation(lambda: None).save(tmp_path / "no folder" / "turns.json")


def test_an_unknown_way_of_rewriting_is_refused():
    with pytest.raises(ConfigError, match="auto, rule, off"):
        load_config(None, ["chat.rewrite=often"])


def test_what_is_kept_is_plain_json(samples, tmp_path):
    chat = samples.conversation()
    chat.ask(FIRST)
    chat.save(tmp_path / "t.json")
    (turn,) = json.loads((tmp_path / "t.json").read_text("utf-8"))["turns"]
    assert set(turn) == {"question", "standalone", "answer", "title", "context"}
