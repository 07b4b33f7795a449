"""A job of many reports: one stream of prompts, each result as it is done, nothing generated twice."""

from collections import Counter
from dataclasses import replace
from itertools import islice
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.answer import FailedSummary, Summary
from rag.errors import GenerationFailed, GeneratorUnavailable
from rag.models.generator import Completion, Sampling
from rag.summarising.checkpoints import Checkpoints, window_key
from rag.summarising.job import GIVE_UP, JobProgress, summarise
from rag.summarising.kinds import SummaryOptions
from rag.summarising.stages import order_of, sampling
from tests.support.summaries import NOTHING_KEPT, TOKENIZER, report, stages_of
from tests.support.writers import ADVERSARIES, BusyWriter, Writer, failing_at, faithful

OPTIONS = SummaryOptions()


def reports(count: int, seed: int = 0):
    random = Random(seed)
    return [report(f"보고서 {n}", seed + n, random.choice([0, 1, 2, 5])) for n in range(count)]


def documents(contents):
    return [content.document for content in contents]


def timeless(results) -> dict:
    """Results by document, without what depends on the clock."""
    return {result.document_id: replace(result, seconds=0.0) for result in results}


@pytest.mark.parametrize("adversary", ["faithful", "nothing", "too much"])
@pytest.mark.parametrize(("seed", "concurrency"), [(0, 1), (1, 2), (2, 6)])
def test_the_order_of_results_changes_no_summary(seed, concurrency, adversary):
    contents = reports(8, seed)
    alone = stages_of(contents, Writer(ADVERSARIES[adversary]))
    busy = stages_of(contents, BusyWriter(ADVERSARIES[adversary], concurrency, seed))
    expected = timeless(summarise(alone, documents(contents), OPTIONS, NOTHING_KEPT))
    assert timeless(summarise(busy, documents(contents), OPTIONS, NOTHING_KEPT)) == expected
    assert list(expected) and expected.keys() == {content.document.document_id for content in contents}
    assert Counter(p.token_ids[-1] for p in alone.generator.prompts) == Counter(
        p.token_ids[-1] for p in busy.generator.prompts
    )


def test_the_generator_has_as_many_windows_as_it_takes():
    contents = [report(f"보고서 {n}", n, 12) for n in range(6)]
    writer = BusyWriter(faithful, 5, 0)
    assert len(list(summarise(stages_of(contents, writer), documents(contents), OPTIONS, NOTHING_KEPT))) == 6
    assert writer.most_running == 5


def test_a_report_is_done_before_the_next_is_begun_where_one_prompt_runs_at_a_time():
    contents = [report(f"보고서 {n}", n, 8) for n in range(4)]
    writer = Writer(faithful)
    seen = []
    for summary in summarise(stages_of(contents, writer), documents(contents), OPTIONS, NOTHING_KEPT):
        seen.append((summary.document_id, len(writer.prompts)))
        assert sum(count for _, count in seen[-1:]) == len(writer.prompts)
    assert [identity for identity, _ in seen] == [content.document.document_id for content in contents]
    assert [count for _, count in seen] == sorted({count for _, count in seen})


@pytest.mark.parametrize(("seed", "concurrency"), [(0, 0), (1, 1), (2, 2), (3, 4)])
def test_one_that_fails_leaves_the_others_as_they_are(seed, concurrency):
    contents = reports(8, seed)
    bad = contents[seed % 8].document
    error = GenerationFailed(detail="it broke")
    reply = failing_at(lambda prompt: f"「{bad.title}」" in prompt.messages[-1].content, error, faithful)
    writer = BusyWriter(reply, concurrency, seed) if concurrency else Writer(reply)
    results = list(summarise(stages_of(contents, writer), documents(contents), OPTIONS, NOTHING_KEPT))
    assert sorted(r.document_id for r in results) == sorted(d.document_id for d in documents(contents))
    failed = [result for result in results if isinstance(result, FailedSummary)]
    has_text = any(chunk.kind == "text" for chunk in contents[seed % 8].chunks)
    assert [(f.document_id, f.error) for f in failed] == [(bad.document_id, error)] * has_text


@pytest.mark.parametrize("concurrency", [0, 4])
def test_a_server_that_is_gone_ends_the_job(concurrency):
    contents = [report(f"보고서 {n}", n, 1) for n in range(3 * GIVE_UP)]
    gone = failing_at(lambda _: True, GeneratorUnavailable(url="x", detail="refused"), faithful)
    writer = BusyWriter(gone, concurrency, 0) if concurrency else Writer(gone)
    with pytest.raises(GeneratorUnavailable):
        list(summarise(stages_of(contents, writer), documents(contents), OPTIONS, NOTHING_KEPT))
    assert len(writer.prompts) < 2 * GIVE_UP


@pytest.mark.parametrize("concurrency", [0, 1, 4])
@pytest.mark.parametrize(("seed", "taken"), [(0, 0), (1, 1), (2, 3), (3, 8)])
def test_a_job_that_was_left_goes_on_where_it_was(tmp_path, seed, concurrency, taken):
    """Results that were taken leave the checkpoints; for the others no finished window is generated again."""
    folder = tmp_path
    contents = reports(8, seed)
    first = BusyWriter(faithful, concurrency, seed) if concurrency else Writer(faithful)
    job = summarise(stages_of(contents, first), documents(contents), OPTIONS, Checkpoints(folder))
    begun = list(islice(job, taken))
    job.close()
    rest = [
        d for d in documents(contents) if d.document_id not in {result.document_id for result in begun[:-1]}
    ]
    kept = {key for d in rest for key in Checkpoints(folder).of(d.document_id)}
    second = Writer(faithful)
    stages = stages_of(contents, second)
    finished = list(summarise(stages, rest, OPTIONS, Checkpoints(folder)))
    keys = [
        {
            window_key(writer, TOKENIZER, sampling(stages, order_of(stages, OPTIONS)), p.token_ids)
            for p in writer.prompts
        }
        for writer in (first, second)
    ]
    assert kept <= keys[0] and not kept & keys[1]
    expected = timeless(
        summarise(stages_of(contents, Writer(faithful)), documents(contents), OPTIONS, NOTHING_KEPT)
    )
    assert timeless(begun) | timeless(finished) == expected
    assert not list(folder.glob("*.jsonl"))


def test_a_document_keeps_its_windows_until_its_summary_was_taken(tmp_path):
    contents = [report(f"보고서 {n}", n, 8) for n in range(2)]
    job = summarise(
        stages_of(contents, Writer(faithful)), documents(contents), OPTIONS, Checkpoints(tmp_path)
    )
    first = next(job)
    assert (tmp_path / f"{first.document_id}.jsonl").is_file()
    next(job)
    assert not (tmp_path / f"{first.document_id}.jsonl").exists()


def test_progress_counts_up_to_everything():
    contents = [report(f"보고서 {n}", n, 12) for n in range(4)]
    told: list[JobProgress] = []
    writer = Writer(faithful)
    results = list(
        summarise(stages_of(contents, writer), documents(contents), OPTIONS, NOTHING_KEPT, told.append)
    )
    windows = [progress.windows for progress in told]
    assert windows == sorted(windows) and windows[-1] == len(writer.prompts)
    assert (told[-1].done, told[-1].failed, told[-1].documents) == (4, 0, 4)
    assert told[-1].prompt_tokens == sum(len(prompt.token_ids) for prompt in writer.prompts)
    assert told[-1].completion_tokens == sum(r.completion_tokens for r in results if isinstance(r, Summary))
    assert told[-1].remaining_seconds == pytest.approx(0) and all(
        p.remaining_seconds is not None for p in told
    )


# what is kept on disk


completions = st.builds(
    Completion,
    st.text(max_size=40),
    st.sampled_from(["stop", "length"]),
    st.integers(0, 99),
    st.integers(0, 9),
)


@given(st.lists(completions, min_size=1, max_size=6), st.data())
def test_a_torn_file_of_checkpoints_loses_the_torn_line_alone(tmp_path_factory, made, data):
    folder = tmp_path_factory.mktemp("kept")
    for number, completion in enumerate(made):
        Checkpoints(folder).keep("가", f"{number}", completion)
    path = folder / "가.jsonl"
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    kept = Checkpoints(folder).of("가")
    lines = whole[:cut].count(b"\n")
    assert [kept.get(f"{n}") for n in range(len(made))][: len(kept)] == made[: len(kept)]
    assert len(kept) >= (lines + 1) // 2
    Checkpoints(folder).keep("가", "later", made[0])
    assert Checkpoints(folder).of("가") == {**kept, "later": made[0]}


def test_a_changed_byte_is_no_checkpoint(tmp_path):
    Checkpoints(tmp_path).keep("가", "1", Completion("매출이 늘었다. [1]", "stop", 5, 5))
    path = tmp_path / "가.jsonl"
    whole = path.read_bytes()
    for place in range(len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert Checkpoints(tmp_path).of("가") == {}


def test_a_window_of_another_model_option_or_text_is_another(tmp_path):
    ids = [1, 2, 3]
    one, other = Writer(faithful), Writer(faithful)
    other.name = "another"
    keys = {
        window_key(one, TOKENIZER, Sampling(120), ids),
        window_key(other, TOKENIZER, Sampling(120), ids),
        window_key(one, TOKENIZER, Sampling(121), ids),
        window_key(one, TOKENIZER, Sampling(120, 0.5), ids),
        window_key(one, TOKENIZER, Sampling(120), [1, 2, 4]),
        window_key(one, TOKENIZER, Sampling(120), [1, 2]),
    }
    assert len(keys) == 6
