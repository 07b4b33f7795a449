"""Questions → answers: one, many at once, or in pieces as they are written.

    question ─retrieve→ Retrieved ─leave_out_copies→ DistinctPassages ─pack_question→ PackedQuestion
             ─generate→ Completion ─resolve_answer→ Answer

`prepare` takes several questions through the first line together; the generator works on many prompts at a time.
"""

import collections.abc
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing

from indexes.types import Filter
from ingest.errors import PipelineError
from rag.answer import Answer
from rag.asking.pack import PackedQuestion, prepare
from rag.asking.resolve import resolve_answer
from rag.asking.stages import Stages
from rag.models.generator import Completion, Sampling
from rag.prompting.markers import SettledText
from rag.prompting.packing import Prompt

# At most `ROUNDS_AHEAD * generator.concurrency` questions are begun before the first of them is answered.
ROUNDS_AHEAD = 8


def ask(stages: Stages, questions: Sequence[str], allowed: Filter) -> list[Answer]:
    """One answer per question, in order; the first failure is raised."""
    answers = []
    with closing(ask_each(stages, questions, allowed)) as results:
        for result in results:
            if isinstance(result, PipelineError):
                raise result
            answers.append(result)
    return answers


def ask_each(
    stages: Stages, questions: Iterable[str], allowed: Filter
) -> collections.abc.Generator[Answer | PipelineError, None, None]:
    """The answer or the error of each question, in order; see `ask_pairs`."""
    return ask_pairs(stages, ((question, allowed) for question in questions))


def ask_pairs(
    stages: Stages, asked: Iterable[tuple[str, Filter]]
) -> collections.abc.Generator[Answer | PipelineError, None, None]:
    """The answer or the error of each question, asked of the documents that its filter allows, in order.

    An answer comes out as soon as it and all those before it are done. Prompts are made while the generator
    works, but at most `ROUNDS_AHEAD * concurrency` of them ahead of the answer that the caller waits for, so
    that a long job needs no more memory than a short one.
    """
    ahead = threading.Semaphore(ROUNDS_AHEAD * stages.generation.concurrency)
    making, closed = threading.Lock(), threading.Event()
    made: dict[int, PackedQuestion] = {}
    done: dict[int, Answer | PipelineError] = {}

    def prompts() -> Iterator[Prompt | PipelineError]:  # may run in one of the generator's threads
        for place, (question, allowed) in enumerate(asked):
            ahead.acquire()
            with making:
                if closed.is_set():
                    return
                try:
                    (made[place],) = prepare(stages, [question], allowed)
                    prompt = made[place].prompt
                except PipelineError as exc:
                    prompt = exc
            yield prompt

    given = 0
    generated = stages.generator.generate_each(prompts(), sampling_of(stages))
    try:
        for place, result in generated:
            packed = made.pop(place, None)
            done[place] = resolve_answer(stages, packed, result) if isinstance(result, Completion) else result
            while given in done:
                yield done.pop(given)
                ahead.release()
                given += 1
    finally:
        with making:  # after this block nothing reads the index any more
            closed.set()
        ahead.release()
        generated.close()


def ask_stream(
    stages: Stages, question: str, allowed: Filter
) -> collections.abc.Generator[str | Answer, None, None]:
    """The answer's text in pieces, each as soon as it is settled, then the answer.

    The pieces joined are `answer.text`. Text is held back while it may still become an unknown marker (at
    most `LONGEST_MARKER` characters) or an abstention (as long as it says no more than `ABSTENTION`).
    """
    (packed,) = prepare(stages, [question], allowed)
    sampling = sampling_of(stages)
    if sampling.n > 1:  # only the end shows which sample is the answer
        (completion,) = stages.generator.generate([packed.prompt], sampling)
        answer = resolve_answer(stages, packed, completion)
        yield answer.text
        yield answer
        return
    settled = SettledText([passage.marker for passage in packed.prompt.passages])
    pieces: list[str] = []
    shown = 0
    reason = None
    with closing(stages.generator.stream(packed.prompt, sampling)) as stream:
        while True:
            try:
                pieces.append(next(stream))
            except StopIteration as end:
                reason = end.value
                break
            if text := settled.feed(pieces[-1]):
                shown += len(text)
                yield text
    answer = resolve_answer(stages, packed, Completion("".join(pieces), reason or "stop"))
    if rest := answer.text[shown:]:
        yield rest
    yield answer


def sampling_of(stages: Stages) -> Sampling:
    """The sampling of an answer, as configured."""
    generation = stages.generation
    return Sampling(
        generation.reserved_output,
        generation.temperature,
        n=generation.samples,
        only_shown_markers=generation.grammar == "auto",
    )
