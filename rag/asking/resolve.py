"""A completion → the answer: the best sample, its citations, and the notices for the user."""

import time
from collections.abc import Iterable

from indexes.engine import SearchEngine
from ingest.errors import Notice
from rag.answer import Answer, UnreadablePages
from rag.asking import warnings
from rag.asking.pack import PackedQuestion
from rag.asking.stages import Stages
from rag.evidence.citations import Resolved, resolve
from rag.models.generator import Completion
from rag.prompting.markers import abstains
from rag.prompting.packing import Prompt
from rag.prompting.prompts import ABSTENTION
from rag.wording import notices

# What the verdict on a sentence is worth when several samples are compared.
WORTH = {"supported": 1.0, "partial": 0.5, "unsupported": 0.0, "uncited": 0.0}


def resolve_answer(stages: Stages, packed: PackedQuestion, completion: Completion) -> Answer:
    """The answer that `completion` gives to the question of `packed`.

    Of several samples, the answer is the one that its quotes support best, the first of equals.
    """
    prompt, samples = packed.prompt, (completion, *completion.others)
    answers = [resolve(sample.text, prompt.passages, stages.engine.place_of) for sample in samples]
    resolved = max(answers, key=_worth)
    chosen = samples[answers.index(resolved)]
    abstained = abstains(resolved.text)
    told = _of_completion(prompt, resolved, chosen, len(samples), abstained)
    return Answer(
        question=prompt.question,
        text=ABSTENTION if abstained else resolved.text,
        abstained=abstained,
        sentences=() if abstained else resolved.sentences,
        citations=() if abstained else resolved.citations,
        passages=prompt.passages,
        budget=prompt.budget,
        generator=stages.generator.name,
        tokenizer=stages.tokenizer.name,
        warnings=(*packed.warnings, *told, *_of_stages(stages)),
        unreadable_pages=unreadable_pages(stages.engine, (p.document_id for p in prompt.passages)),
        seconds=time.monotonic() - packed.started,
        standalone=prompt.question,
    )


def _worth(resolved: Resolved) -> tuple[float, bool]:
    """How well the quotes support the sentences, from 0 to 1; then whether it abstains, which decides ties.

    An abstention is worth 0, but still more than sentences that nothing supports.
    """
    if abstains(resolved.text):
        return 0.0, True
    worths = [WORTH[sentence.support] for sentence in resolved.sentences]
    return sum(worths) / max(len(worths), 1), False


def _of_completion(
    prompt: Prompt, resolved: Resolved, chosen: Completion, samples: int, abstained: bool
) -> list[Notice]:
    cited = () if abstained else resolved.citations
    told = [*notices.read_by_ocr(cited), *warnings.stands_elsewhere(cited, prompt.passages)]
    if resolved.dropped:
        told.append(notices.unknown_markers(resolved.dropped))
    if chosen.finish_reason == "length":
        told.append(warnings.answer_cut())
    if samples > 1:
        told.append(warnings.chosen_of_samples(samples))
    if prompt.turns_left_out:
        told.append(warnings.turns_left_out(prompt.turns_left_out))
    return told


def _of_stages(stages: Stages) -> list[Notice]:
    """The notices that hold for every answer of these stages."""
    told = []
    if stages.generator.margin:
        told.append(notices.margin_kept(stages.generator.margin))
    if stages.engine.manifest.tokenizer != stages.tokenizer.fingerprint:
        told.append(warnings.other_tokenizer())
    return told


def unreadable_pages(engine: SearchEngine, document_ids: Iterable[str]) -> tuple[UnreadablePages, ...]:
    """The pages that could not be read, for each document that has such pages; each document once."""
    found = []
    for document_id in dict.fromkeys(document_ids):
        numbers = tuple(page.number for page in engine.pages(document_id) if not page.readable)
        if numbers:
            document = engine.with_id(document_id)
            found.append(UnreadablePages(document_id, document.path, numbers, document.unit))
    return tuple(found)
