"""Distinct passages → the prompt that the generator is given for a question."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from indexes.types import Filter
from ingest.errors import Notice
from rag.asking.copies import DistinctPassages, leave_out_copies
from rag.asking.read import read_question
from rag.asking.retrieve import retrieve
from rag.asking.stages import Stages
from rag.prompting.packing import Prompt, pack


@dataclass(frozen=True, slots=True)
class PackedQuestion:
    """The prompt for one question.

    Attributes:
        warnings: about how its passages were found.
        started: when the work on the question began, by `time.monotonic`.
    """

    prompt: Prompt
    warnings: tuple[Notice, ...]
    started: float


def prepare(stages: Stages, questions: Sequence[str], allowed: Filter) -> list[PackedQuestion]:
    """The prompt for each question, in order. Retrieval takes all questions at once, which is faster.

    Raises:
        EmptyQuestion, QuestionTooLong, PromptTooLong.
    """
    started = time.monotonic()
    read = [read_question(question) for question in questions]
    before = stages.history[-1].question if stages.history else ""
    retrieved = retrieve(stages.retrieval, read, allowed, before)
    return [pack_question(stages, leave_out_copies(stages, one), started) for one in retrieved]


def pack_question(stages: Stages, distinct: DistinctPassages, started: float) -> PackedQuestion:
    """The prompt with the passages that fit the window, each with the copies that were left out for it.

    Raises:
        PromptTooLong.
    """
    engine, generation = stages.engine, stages.generation
    prompt = pack(
        distinct.question,
        distinct.passages,
        with_id=engine.with_id,
        place_of=engine.place_of,
        tokenizer=stages.tokenizer,
        window=generation.window,
        reserved_output=generation.reserved_output + stages.generator.margin,
        counted=engine.manifest.tokenizer == stages.tokenizer.fingerprint,
        history=stages.history,
        system=stages.system,
    )
    prompt = replace(prompt, passages=distinct.with_copies(prompt.passages))
    return PackedQuestion(prompt, distinct.warnings, started)
