"""What the product does about a model server in trouble; the server follows a script, see tests.support.servers."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from queue import SimpleQueue

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import PipelineError
from rag.answer import PackedPassage
from rag.errors import (
    BrokenAnswer,
    GenerationFailed,
    GenerationTimeout,
    GeneratorBusy,
    GeneratorMismatch,
    GeneratorUnavailable,
    PromptTooLong,
)
from rag.models.connection import FIRST_PAUSE, SILENT_SECONDS
from rag.models.generator import Completion, GenerationConfig, Sampling
from rag.models.servers import OpenAIGenerator, VllmGenerator
from rag.prompting.markers import marker_grammar
from rag.prompting.packing import Prompt
from rag.prompting.tokens import EMBEDDED, Message, ModelTokenizer
from tests.support.clocks import QuickClock
from tests.support.laws import examples
from tests.support.servers.scripted import (
    MODEL,
    Handler,
    Reply,
    Script,
    failing,
    garbled,
    hanging,
    scripted_server,
    streamed,
    truncated,
    whole,
)
from tests.support.servers.vllm import free_port

OPTIONS = Sampling(16)


@pytest.fixture(scope="module")
def tokenizer() -> ModelTokenizer:
    return ModelTokenizer(EMBEDDED)


@pytest.fixture(scope="module")
def prompt(tokenizer) -> Prompt:
    return prompt_of(tokenizer, "연차는 며칠인가요?")


@pytest.fixture
def script(tokenizer) -> Script:
    return Script(tokenizer)


@pytest.fixture
def config(script) -> Iterator[GenerationConfig]:
    """The configuration for a scripted server, with short waits."""
    with scripted_server(script) as url:
        yield GenerationConfig("vllm", MODEL, url, retries=3, retry_seconds=20, concurrency=4)


@pytest.fixture
def time_passing() -> QuickClock:
    return QuickClock()


@pytest.fixture
def generator(config, tokenizer, time_passing) -> VllmGenerator:
    return VllmGenerator(config, tokenizer, time_passing.clock)


def prompt_of(tokenizer: ModelTokenizer, question: str) -> Prompt:
    messages = [Message("user", (("question", question),))]
    return Prompt(tokenizer.render(messages).token_ids, messages, (), question, None)


def text_of(prompt: Prompt, choice: int = 0) -> str:
    return f"답 {len(prompt.token_ids)} {choice}"


# what is worth another try


@pytest.mark.parametrize(
    "trouble",
    [failing(500), failing(503), failing(429), failing(408), truncated, garbled, whole("반쪽", "abort")],
    ids=["500", "503", "429", "408", "truncated", "no JSON", "aborted"],
)
def test_what_may_pass_is_tried_again(script, generator, prompt, trouble: Reply):
    script.replies += [trouble, trouble]
    (completion,) = generator.generate([prompt], OPTIONS)
    assert completion == Completion(text_of(prompt), "stop", len(prompt.token_ids), 7)
    assert len(script.asked) == 3 and script.asked[0] == script.asked[2]


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (failing(500), GeneratorBusy),
        (failing(429), GeneratorBusy),
        (truncated, GeneratorUnavailable),
        (whole("반쪽", "abort"), BrokenAnswer),
        (whole("반쪽", None), BrokenAnswer),
    ],
    ids=["500", "429", "truncated", "aborted", "unfinished"],
)
def test_tries_have_an_end_and_the_error_counts_them(script, generator, prompt, trouble: Reply, error):
    script.replies += 10 * [trouble]
    with pytest.raises(error, match="×4"):
        generator.generate([prompt], OPTIONS)
    assert len(script.asked) == 4


@pytest.mark.parametrize("status", [400, 401, 404, 422, 501])
def test_what_will_not_pass_is_not_tried_again(script, generator, prompt, status):
    script.replies += 10 * [failing(status)]
    with pytest.raises(GenerationFailed, match="not now"):
        generator.generate([prompt], OPTIONS)
    assert len(script.asked) == 1


def test_the_pause_that_a_server_asks_for_is_kept(script, generator, time_passing, prompt):
    script.replies += [failing(429, Retry_After="2")]
    generator.generate([prompt], OPTIONS)
    assert time_passing.pauses == [2]
    script.replies += [failing(503, Retry_After="Thu, 01 Jan 1970 00:00:00 GMT")]  # long past
    generator.generate([prompt], OPTIONS)
    assert 0 < time_passing.pauses[1] <= FIRST_PAUSE


def test_each_pause_is_up_to_twice_as_long_as_the_one_before(script, generator, time_passing, prompt):
    script.replies += 3 * [failing(503)]
    generator.generate([prompt], OPTIONS)
    limits = [FIRST_PAUSE * 2**tries for tries in range(3)]
    assert all(
        limit / 2 <= paused <= limit for paused, limit in zip(time_passing.pauses, limits, strict=True)
    )


def test_a_pause_longer_than_the_limit_is_not_waited_for(script, generator, prompt):
    script.replies += [failing(429, Retry_After="3600")]
    with pytest.raises(GeneratorBusy):
        generator.generate([prompt], OPTIONS)
    assert len(script.asked) == 1


# limits of time


def test_an_answer_that_takes_too_long_is_given_up_on_the_server_too(script, config, tokenizer, prompt):
    left: SimpleQueue[bool] = SimpleQueue()
    script.replies.append(hanging(left))
    generator = VllmGenerator(replace(config, timeout_seconds=0.3), tokenizer)
    with pytest.raises(GenerationTimeout, match=r"within 0\.3 s"):
        generator.generate([prompt], OPTIONS)
    assert left.get(timeout=60) and len(script.asked) == 1


def test_a_server_that_is_not_there_is_named_without_further_tries(config, tokenizer, prompt):
    generator = VllmGenerator(replace(config, base_url=f"http://127.0.0.1:{free_port()}/v1"), tokenizer)
    for _ in range(2):
        with pytest.raises(GeneratorUnavailable) as error:
            generator.generate([prompt], OPTIONS)
        assert "×" not in str(error.value)


# giving up


def test_closing_a_job_gives_up_what_is_running(script, generator, prompt):
    left: SimpleQueue[bool] = SimpleQueue()
    script.replies += [whole(), *3 * [hanging(left)]]
    with closing(generator.generate_each(4 * [prompt], OPTIONS)) as results:
        next(results)
        script.until_asked(4)
    assert all(left.get(timeout=60) for _ in range(3))


def test_closing_a_stream_gives_it_up(script, generator, prompt):
    left: SimpleQueue[bool] = SimpleQueue()

    def endless(handler: Handler) -> None:
        streamed(["가", "나"], None, done=False, cut=True)(handler)
        left.put(handler.is_left())

    script.replies.append(endless)
    with closing(generator.stream(prompt, OPTIONS)) as pieces:
        assert next(pieces) == "가"
    assert left.get(timeout=60)


def test_the_first_failure_ends_generate_and_gives_up_the_rest(script, generator, prompt):
    left: SimpleQueue[bool] = SimpleQueue()
    script.replies += [*3 * [hanging(left)], failing(400)]
    with pytest.raises(GenerationFailed):
        generator.generate(4 * [prompt], OPTIONS)
    assert all(left.get(timeout=60) for _ in range(3))


# many prompts


@given(st.lists(st.sampled_from(["whole", "busy", "refused", "no prompt"]), max_size=24), st.integers(1, 5))
@examples(25)
def test_every_prompt_has_one_result_whatever_happens(tokenizer, kinds, concurrency):
    troubles = {"whole": whole(), "busy": failing(503), "refused": failing(400)}
    script = Script(tokenizer)
    unmade = PromptTooLong(tokens=1, window=1, reserved=1)
    prompts = [prompt_of(tokenizer, f"{number} {kind}") for number, kind in enumerate(kinds)]
    by_ids = {tuple(prompt.token_ids): kind for prompt, kind in zip(prompts, kinds, strict=True)}
    script.choose = lambda body: troubles[by_ids[tuple(body["prompt"])]]
    job = [unmade if kind == "no prompt" else prompt for prompt, kind in zip(prompts, kinds, strict=True)]
    with scripted_server(script) as url:
        config = GenerationConfig("vllm", MODEL, url, retries=0, concurrency=concurrency)
        results = list(VllmGenerator(config, tokenizer).generate_each(iter(job), OPTIONS))
    assert sorted(place for place, _ in results) == list(range(len(kinds)))
    expected = {"busy": GeneratorBusy, "refused": GenerationFailed, "no prompt": PromptTooLong}
    for place, result in results:
        if kinds[place] == "whole":
            assert result.text == text_of(prompts[place])
        else:
            assert type(result) is expected[kinds[place]]
    assert script.most <= concurrency


def test_prompts_are_taken_as_results_are(script, generator, prompt):
    taken = 0

    def prompts() -> Iterator[Prompt]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield prompt

    with closing(generator.generate_each(prompts(), OPTIONS)) as results:
        next(results)
        most = 2 * 4 + 2
        script.until_asked(most)
        generator.generate(most * [prompt], OPTIONS)  # a whole job beside it: this one could go on meanwhile
        assert taken == most


def test_a_prompt_that_is_slow_to_make_holds_up_no_result(generator, prompt):
    go_on = threading.Event()

    def prompts() -> Iterator[Prompt]:
        yield prompt
        assert go_on.wait(10)
        yield prompt

    results = generator.generate_each(prompts(), OPTIONS)
    assert next(results)[0] == 0
    go_on.set()
    assert next(results)[0] == 1
    assert not list(results)


def test_an_error_of_the_job_itself_reaches_the_caller(generator, prompt):
    def prompts() -> Iterator[Prompt]:
        yield prompt
        raise KeyError("not ours")

    with pytest.raises(KeyError, match="not ours"):
        list(generator.generate_each(prompts(), OPTIONS))


def test_samples_come_in_their_order_from_one_request(script, generator, prompt):
    (completion,) = generator.generate([prompt], Sampling(16, temperature=1.0, n=3))
    texts = [each.text for each in (completion, *completion.others)]
    assert texts == [text_of(prompt, choice) for choice in range(3)]
    assert len(script.asked) == 1 and completion.completion_tokens == 7


# streams


def test_a_whole_stream_is_handed_on(script, generator, prompt):
    script.replies += [failing(503), streamed(["가", "", "나"], "length")]
    stream, pieces = generator.stream(prompt, OPTIONS), []
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as end:
            assert (pieces, end.value) == (["가", "나"], "length")
            break


@pytest.mark.parametrize(
    "cut",
    [
        streamed(["가", "나"], None, done=False, cut=True),
        streamed(["가", "나"], None, done=False),
        streamed(["가", "나"], None),
        streamed(["가", "나"], "abort"),
    ],
    ids=["connection lost", "connection ended", "ended without a reason", "given up by the server"],
)
def test_half_a_stream_never_passes_for_a_whole(script, generator, prompt, cut: Reply):
    script.replies.append(cut)
    pieces = []
    with pytest.raises(BrokenAnswer):
        pieces += generator.stream(prompt, OPTIONS)
    assert len(script.asked) == 1  # what was shown cannot be taken back, so it is not tried again


# a server that comes back


def test_a_server_that_comes_back_is_waited_for(tokenizer, time_passing, prompt):
    script, port = Script(tokenizer), free_port()
    generator = VllmGenerator(config_of(port), tokenizer, time_passing.clock)
    with scripted_server(script, port):
        generator.generate([prompt], OPTIONS)
    with coming_back(script, port, time_passing):
        (completion,) = generator.generate([prompt], OPTIONS)
    assert completion.text == text_of(prompt)


@pytest.mark.parametrize("asked_meanwhile", [True, False])
def test_a_server_that_comes_back_as_another_gets_no_prompt(tokenizer, time_passing, prompt, asked_meanwhile):
    script, other, port = Script(tokenizer), Script(tokenizer, model="other/model"), free_port()
    generator = VllmGenerator(config_of(port), tokenizer, time_passing.clock)
    with scripted_server(script, port):
        generator.generate([prompt], OPTIONS)
    with coming_back(other, port, time_passing):
        if not asked_meanwhile:
            time_passing.advance(SILENT_SECONDS + 0.5)
        with pytest.raises(GeneratorMismatch, match="serves other/model"):
            generator.generate([prompt], OPTIONS)
    assert not other.asked


def config_of(port: int, retries: int = 5) -> GenerationConfig:
    url = f"http://127.0.0.1:{port}/v1"
    return GenerationConfig("vllm", MODEL, url, retries=retries, retry_seconds=20, concurrency=4)


@contextmanager
def coming_back(script: Script, port: int, time_passing: QuickClock) -> Iterator[None]:
    """A context in which the server comes back when one more second has passed."""
    with ExitStack() as server:
        time_passing.after(1.0, lambda: server.enter_context(scripted_server(script, port)))
        yield


def test_of_a_long_job_only_the_first_prompts_wait_for_a_server_that_is_gone(tokenizer, time_passing, prompt):
    script, port = Script(tokenizer), free_port()
    generator = VllmGenerator(config_of(port, retries=2), tokenizer, time_passing.clock)
    with scripted_server(script, port):
        generator.generate([prompt], OPTIONS)
    results = [result for _, result in generator.generate_each(200 * [prompt], OPTIONS)]
    assert len(results) == 200
    assert all(isinstance(result, GeneratorUnavailable) for result in results)
    assert 1 <= sum("×3" in str(result) for result in results) <= 4  # the others of these failed at once


def test_a_prompt_is_asked_with_the_grammar_of_its_own_passages(script, config, generator, prompt):
    passage = PackedPassage(1, "d", "규칙.pdf", "규칙", "", 1, 1, 0, 3, "휴가.", 3, 1.0)
    both = [
        replace(prompt, passages=(passage,)),
        replace(prompt, passages=(passage, replace(passage, marker=2))),
    ]
    generator.generate(both, replace(OPTIONS, only_shown_markers=True))
    asked = {body["structured_outputs"]["regex"] for body in script.asked}
    assert asked == {marker_grammar([1]), marker_grammar([1, 2])}
    generator.generate(both, OPTIONS)
    assert not any("structured_outputs" in body for body in script.asked[2:])


# chat servers


def test_a_chat_server_is_tried_again_too(script, config, time_passing, prompt):
    def said(handler: Handler) -> None:
        message = {"role": "assistant", "content": f"답 {handler.body['messages'][0]['content']}"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        handler.send(
            {"id": "1", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [choice]}
        )

    script.replies += [failing(503), said]
    (completion,) = OpenAIGenerator(config, time_passing.clock).generate([prompt], OPTIONS)
    assert completion == Completion(f"답 {prompt.question}", "stop")


def test_errors_are_told_in_both_languages():
    errors: list[PipelineError] = [
        GeneratorBusy(url="http://a/v1", detail="503"),
        BrokenAnswer(url="http://a/v1", detail="abort"),
        GenerationTimeout(url="http://a/v1", seconds=300.0),
    ]
    for error in errors:
        for language in ("ko", "en"):
            assert "http://a/v1" in error.message(language) and error.remedy(language)
