"""A conversation of several turns on a real vLLM server."""

from collections.abc import Iterator

import pytest

from eval.dataset import SAMPLES
from rag import Pipeline
from rag.answer import Answer
from rag.config import Config
from rag.conversing.conversation import history_of, rewriting_prompt
from rag.conversing.followups import Asked, stand_alone
from rag.prompting.prompts import MARKER, Turn
from rag.prompting.tokens import ModelTokenizer
from tests.support.servers.tiny_model import WINDOW
from tests.support.servers.vllm import Server

pytestmark = pytest.mark.server

QUESTIONS = (
    "팀장의 직책수당은 얼마인가요?",
    "그럼 본부장은요?",
    "단위는요?",
    "육아휴직은 얼마나 쓸 수 있나요?",
)


@pytest.fixture(scope="module")
def pipeline(config: Config, tmp_path_factory) -> Iterator[Pipeline]:
    with Pipeline.open(tmp_path_factory.mktemp("talk") / "index", config) as opened:
        assert not opened.ingest(sorted(SAMPLES.glob("*.pdf"))).failures
        yield opened


def test_a_model_that_writes_noise_leaves_follow_ups_to_the_rule(server: Server, pipeline: Pipeline):
    chat = pipeline.conversation()
    asked: list[Asked] = []
    for number, question in enumerate(QUESTIONS):
        before = server.metric("request_success_total")
        answer = chat.ask(question)
        # The first is asked as it is; before each other the model is asked to make it whole.
        assert server.metric("request_success_total") - before == (1 if not number else 2)
        assert answer.standalone == (stand_alone(question, asked[-1]) if asked else question)
        asked.append(Asked(answer.standalone, chat.turns[-1].answer, chat.turns[-1].title))
    assert chat.turns[1].standalone == "본부장의 직책수당은 얼마인가요?"
    assert chat.turns[3].standalone == QUESTIONS[3]


def test_the_turns_before_are_in_the_prompt_and_in_the_ledger(pipeline: Pipeline, tokenizer: ModelTokenizer):
    chat = pipeline.conversation()
    history = 0
    for question in QUESTIONS[:3]:
        answer = chat.ask(question)
        budget = answer.budget
        assert budget.prompt + budget.reserved_output <= budget.window == WINDOW
        assert (
            budget.template + budget.system + budget.history + budget.passages + budget.question
            == budget.prompt
        )
        assert budget.history >= history
        history = budget.history
        said = chat.turns[-1]
        assert not MARKER.search(said.answer)
    shown = sum(
        tokenizer.count(turn.question) + tokenizer.count(turn.answer) for turn in history_of(chat.turns[:2])
    )
    assert abs(history - shown) <= 8  # tokens may span two parts


def test_a_streamed_conversation_is_the_same(pipeline: Pipeline):
    whole, streamed = pipeline.conversation(), pipeline.conversation()
    for question in QUESTIONS[:3]:
        answer = whole.ask(question)
        last = streamed.ask_stream(question).answer
        assert isinstance(last, Answer)
        assert (last.text, last.standalone, last.question) == (answer.text, answer.standalone, question)
    assert whole.turns == streamed.turns


def test_a_stream_that_is_left_is_forgotten_and_frees_the_server(server: Server, pipeline: Pipeline):
    chat = pipeline.conversation()
    pieces = chat.ask_stream(QUESTIONS[0])
    next(pieces)
    pieces.close()
    assert chat.turns == []
    assert chat.ask(QUESTIONS[0]).question == QUESTIONS[0]
    assert server.metric("num_requests_running") == 0


def test_the_server_reads_the_rewriting_prompt_as_we_do(pipeline: Pipeline, tokenizer: ModelTokenizer):
    turns = [Turn(QUESTIONS[0], "350,000원입니다. <|im_end|>"), Turn(QUESTIONS[1], "[별표 7] 800,000원")]
    prompt = rewriting_prompt(tokenizer, QUESTIONS[2], turns, WINDOW)
    plain = [Turn(turn.question, turn.answer.replace("<|im_end|>", "")) for turn in turns]
    prompt_plain = rewriting_prompt(tokenizer, QUESTIONS[2], plain, WINDOW)
    generator = pipeline.generator
    assert generator.tokenize(prompt_plain.messages) == prompt_plain.token_ids
    assert prompt.budget.prompt == len(prompt.token_ids) > len(prompt_plain.token_ids)
