"""The ask flow: retrieve, pack, generate, resolve."""

import collections.abc
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from indexes.engine import Filter, SearchEngine
from indexes.reranker import Reranker
from rag.answer import Answer, Citation, UnreadablePages, percent
from rag.citations import abstains, resolve
from rag.config import Config
from rag.errors import EmptyQuestion
from rag.find import find
from rag.generator import Completion, Generator, Sampling
from rag.packing import Prompt, pack
from rag.prompts import ABSTENTION
from rag.tokens import ModelTokenizer


@dataclass(frozen=True, slots=True)
class Stages:
    """What the flow runs on: one version of the index, and the models; `reranker` may be None."""

    retriever: SearchEngine
    tokenizer: ModelTokenizer
    generator: Generator
    config: Config
    reranker: Reranker | None = None


def ask(stages: Stages, questions: Sequence[str], allowed: Filter) -> list[Answer]:
    """One answer per question, in order; the generator gets all prompts at once."""
    started = time.monotonic()
    packed = pack_prompts(stages, questions, allowed)
    completions = stages.generator.generate([prompt for prompt, _ in packed], _sampling(stages))
    return [
        _answer(stages, prompt, warnings, completion, started)
        for (prompt, warnings), completion in zip(packed, completions, strict=True)
    ]


def ask_stream(
    stages: Stages, question: str, allowed: Filter
) -> collections.abc.Generator[str | Answer, None, None]:
    """The generated text in pieces as it comes, then the resolved answer."""
    started = time.monotonic()
    ((prompt, warnings),) = pack_prompts(stages, [question], allowed)
    pieces: list[str] = []
    reason = None
    with closing(stages.generator.stream(prompt, _sampling(stages))) as stream:
        while True:
            try:
                pieces.append(next(stream))
            except StopIteration as end:
                reason = end.value
                break
            yield pieces[-1]
    yield _answer(stages, prompt, warnings, Completion("".join(pieces), reason or "stop"), started)


def pack_prompts(
    stages: Stages, questions: Sequence[str], allowed: Filter
) -> list[tuple[Prompt, tuple[str, ...]]]:
    """What the generator is asked, per question: the passages found, packed into the window; and warnings.

    Raises:
        EmptyQuestion, PromptTooLong.
    """
    if not all(question.strip() for question in questions):
        raise EmptyQuestion()
    search, generation = stages.config.search, stages.config.generator
    found = find(stages.retriever, stages.reranker, stages.config, questions, search.k, search.mode, allowed)
    pack_for = partial(
        pack,
        find=stages.retriever.find,
        place_of=stages.retriever.place_of,
        tokenizer=stages.tokenizer,
        window=generation.window,
        reserved_output=generation.reserved_output + stages.generator.margin,
        counted=stages.retriever.manifest.tokenizer == stages.tokenizer.fingerprint,
    )
    return [(pack_for(q, one.passages), one.warnings) for q, one in zip(questions, found, strict=True)]


def _sampling(stages: Stages) -> Sampling:
    generation = stages.config.generator
    return Sampling(generation.reserved_output, generation.temperature)


def _answer(
    stages: Stages, prompt: Prompt, found: tuple[str, ...], completion: Completion, started: float
) -> Answer:
    """`found`: what there is to say about how the passages were found."""
    resolved = resolve(completion.text, prompt.passages, stages.retriever.place_of)
    abstained = abstains(resolved.text)
    citations = () if abstained else resolved.citations
    warnings = _ocr_warnings(citations) + _warnings(stages, completion, resolved.dropped)
    return Answer(
        question=prompt.question,
        text=ABSTENTION if abstained else resolved.text,
        abstained=abstained,
        sentences=() if abstained else resolved.sentences,
        citations=citations,
        passages=prompt.passages,
        budget=prompt.budget,
        generator=stages.generator.name,
        tokenizer=stages.tokenizer.name,
        warnings=(*found, *warnings),
        unreadable_pages=unreadable_pages(stages.retriever, (p.document_id for p in prompt.passages)),
        seconds=time.monotonic() - started,
    )


def _warnings(stages: Stages, completion: Completion, dropped: int) -> list[str]:
    warnings = []
    if dropped:
        warnings.append(f"근거에 없는 인용 번호 {dropped}개를 지웠습니다.")
    if completion.finish_reason == "length":
        warnings.append("답변이 출력 한도에서 끊겼습니다. generator.reserved_output 을 늘려 보세요.")
    if stages.generator.margin:
        warnings.append(
            f"서버가 스스로 토큰화하므로 창에서 {stages.generator.margin:,}토큰을 여유로 비웠습니다."
        )
    built = stages.retriever.manifest.tokenizer
    if built != stages.tokenizer.fingerprint:
        warnings.append("색인의 청크 크기는 다른 토크나이저로 잰 것입니다.")
    return warnings


def _ocr_warnings(citations: Sequence[Citation]) -> list[str]:
    """At most one: which markers point at text from OCR, and how sure that is."""
    doubtful = {citation.marker for citation in citations if citation.ocr is not None}
    if not doubtful:
        return []
    markers = sorted(doubtful)
    lowest = percent(min(citation.ocr for citation in citations if citation.ocr is not None))
    particle = "은" if markers[-1] % 10 in (0, 1, 3, 6, 7, 8) else "는"  # by how the number is read
    sure = f"신뢰도 {lowest}" if len(markers) == 1 else f"가장 낮은 신뢰도 {lowest}"
    named = "".join(f"[{marker}]" for marker in markers)
    return [f"{named}{particle} 스캔한 쪽을 OCR로 읽은 글입니다({sure}). 숫자는 원문에서 확인하세요."]


def unreadable_pages(retriever: SearchEngine, document_ids: Iterable[str]) -> tuple[UnreadablePages, ...]:
    """Of the documents with these ids, those with pages that nobody could read, each once."""
    found = []
    for document_id in dict.fromkeys(document_ids):
        numbers = tuple(page.number for page in retriever.pages(document_id) if not page.readable)
        if numbers:
            document = retriever.find(document_id)
            found.append(UnreadablePages(document_id, document.path, numbers, document.unit))
    return tuple(found)
