"""Many questions: in order, none lost, bounded; and the best supported of several answers."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from queue import SimpleQueue

import pytest

from indexes.types import EVERYTHING
from rag import Answer, Pipeline
from rag.asking.ask import ROUNDS_AHEAD, ask, ask_each, ask_stream
from rag.asking.stages import Stages
from rag.config import load_config
from rag.errors import ConfigError, EmptyQuestion, GenerationFailed, PromptTooLong
from rag.models.generator import GenerationConfig
from rag.models.servers import VllmGenerator
from rag.prompting.prompts import ABSTENTION
from tests.support.fakes import ScriptedGenerator
from tests.support.servers.scripted import MODEL, Script, failing, hanging, scripted_server, whole

QUESTION = "연차유급휴가는 며칠인가요?"


@contextmanager
def served(samples: Pipeline, script: Script, concurrency: int) -> Iterator[Stages]:
    """The stages of asking, with a model server that follows `script`."""
    with scripted_server(script) as url:
        generation = GenerationConfig("vllm", MODEL, url, concurrency=concurrency, retries=0)
        stages = samples._stages()
        yield replace(
            stages,
            generator=VllmGenerator(generation, samples.tokenizer),
            generation=generation,
        )


@pytest.mark.parametrize("seed", range(3))
def test_each_question_has_its_own_result_at_its_place(samples, seed):
    chance = random.Random(seed)
    kinds = [chance.choice(["whole", "whole", "failing", "empty", "long"]) for _ in range(16)]
    texts = {"empty": " ", "long": "가나다라 " * 3_900}
    questions = [texts.get(kind, f"{kind} {place} 연차는?") for place, kind in enumerate(kinds)]

    def reply(body):
        asked = samples.tokenizer.decode(body["prompt"][-40:])
        time.sleep(chance.random() / 50)
        if "failing" in asked:
            return failing(400)
        return whole(f"{asked.split('whole ')[1].split()[0]}번 답")

    with served(samples, Script(samples.tokenizer, choose=reply), chance.randrange(1, 6)) as stages:
        results = list(ask_each(stages, iter(questions), EVERYTHING))
    errors = {"failing": GenerationFailed, "empty": EmptyQuestion, "long": PromptTooLong}
    for place, (kind, result) in enumerate(zip(kinds, results, strict=True)):
        if kind == "whole":
            assert isinstance(result, Answer) and result.question == questions[place]
            assert result.text.startswith(f"{place}번 답")
        else:
            assert type(result) is errors[kind]


def test_a_slow_question_holds_up_what_is_shown_and_little_is_begun_meanwhile(samples):
    go_on, all_begun, begun, concurrency = threading.Event(), threading.Event(), [], 2
    most = ROUNDS_AHEAD * concurrency

    def questions() -> Iterator[str]:
        for number in range(24):
            begun.append(number)
            if len(begun) == most + 1:  # the last waits for its turn
                all_begun.set()
            yield f"{number}. 연차는?"

    def slow(handler) -> None:
        assert go_on.wait(120)
        whole()(handler)

    script = Script(samples.tokenizer, [slow])
    with (
        served(samples, script, concurrency) as stages,
        closing(ask_each(stages, questions(), EVERYTHING)) as results,
    ):
        first = threading.Thread(target=lambda: shown.append(next(results)))
        shown: list[Answer] = []
        first.start()
        script.until_asked(most)
        assert all_begun.wait(60)
        beside = ask(stages, [QUESTION, QUESTION], EVERYTHING)  # meanwhile the others could go on
        assert not shown and len(script.asked) == most + len(beside) and len(begun) == most + 1
        go_on.set()
        first.join()
        shown += results
    assert [answer.question for answer in shown] == [f"{number}. 연차는?" for number in range(24)]


def test_leaving_gives_up_what_was_begun(samples):
    left: SimpleQueue[bool] = SimpleQueue()
    script = Script(samples.tokenizer, [whole()], choose=lambda body: hanging(left))
    begun, dropped = [], threading.Event()

    def questions() -> Iterator[str]:
        try:
            for number in range(1000):
                begun.append(number)
                yield f"{number}. 연차는?"
        finally:
            dropped.set()

    with served(samples, script, 3) as stages:
        with closing(ask_each(stages, questions(), EVERYTHING)) as results:
            assert isinstance(next(results), Answer)
            script.until_asked(4)
        assert all(left.get(timeout=60) for _ in range(3))
        assert dropped.wait(60) and len(begun) < 1000


# several answers to a question

SUPPORTED = "사원에게 15일의 연차유급휴가를 준다. [1]"
UNSUPPORTED = "화성의 위성은 99개이다. [1]"


@pytest.mark.parametrize(
    ("samples_of", "best"),
    [
        (["근거 없는 문장이다.", "그렇다.", "아니다."], 0),
        ([UNSUPPORTED, ABSTENTION, UNSUPPORTED], 1),
        ([ABSTENTION, UNSUPPORTED, "supported"], 2),
        (["supported", "supported", ABSTENTION], 0),
        (["supported" + UNSUPPORTED, "supported", UNSUPPORTED], 1),
    ],
    ids=[
        "the first of equals",
        "to abstain before nonsense",
        "supported",
        "the first of good ones",
        "wholly",
    ],
)
def test_the_answer_is_the_one_that_its_quotes_support_best(samples, samples_of, best):
    quoted = samples.ask(QUESTION).text.split("[1]")[0] + "[1] "
    texts = [text.replace("supported", quoted).strip() for text in samples_of]
    stages = replace(samples._stages(), generator=ScriptedGenerator(*texts, *texts))
    stages = replace(stages, generation=replace(stages.generation, samples=3, temperature=0.7))
    (answer,) = ask(stages, [QUESTION], EVERYTHING)
    assert answer.text == texts[best]
    assert [warning for warning in answer.warnings if "후보 3개" in warning.ko]
    *pieces, streamed = ask_stream(stages, QUESTION, EVERYTHING)
    assert pieces == [answer.text] and streamed.text == answer.text


def test_one_answer_is_compared_with_nothing(samples):
    assert not [warning for warning in samples.ask(QUESTION).warnings if "후보" in warning.ko]


def test_several_answers_need_a_temperature():
    with pytest.raises(ConfigError, match=r"generator\.temperature above 0"):
        load_config(None, ["generator.samples=4"])
    assert load_config(None, ["generator.temperature=0.7", "generator.samples=4"]).generator.samples == 4
