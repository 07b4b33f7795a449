"""The ask flow: retrieve, leave copies out, pack, generate, resolve."""

import collections.abc
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial

from indexes.engine import SearchEngine
from indexes.search.copies import Copy, without_copies
from indexes.search.editions import OPENING, document_date, edition_name
from indexes.types import Filter, Passage, StoredDocument
from indexes.wording import percent
from ingest.document import Chunk
from ingest.errors import PipelineError
from ingest.korean.words import with_particle
from rag.answer import Answer, Citation, LeftOut, PackedPassage, UnreadablePages
from rag.asking.retrieve import retrieve
from rag.asking.stages import Stages
from rag.errors import EmptyQuestion
from rag.evidence.citations import Resolved, resolve
from rag.models.generator import Completion, Sampling
from rag.prompting.markers import SettledText, abstains
from rag.prompting.packing import Prompt, pack
from rag.prompting.prompts import ABSTENTION
from rag.wording import where

# Of what was left out as a copy, so many lines are told with an answer, each of so many places.
COPY_LINES, COPY_PLACES = 3, 2
# So many rounds of `generator.concurrency` questions may be begun before the first of them is answered.
ROUNDS_AHEAD = 8
# What a sentence's verdict counts where several answers are compared.
WORTH = {"supported": 1.0, "partial": 0.5, "unsupported": 0.0, "uncited": 0.0}


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
    """What came of each question, in order, as soon as it and those before it are done; see `ask_pairs`."""
    return ask_pairs(stages, ((question, allowed) for question in questions))


def ask_pairs(
    stages: Stages, asked: Iterable[tuple[str, Filter]]
) -> collections.abc.Generator[Answer | PipelineError, None, None]:
    """What came of each question, asked of the documents beside it, in order, as soon as those before it are done.

    Prompts are made while the generator works, and only so far ahead of the answer that is waited for:
    memory holds as much of a long job as of a short one.
    """
    ahead = threading.Semaphore(ROUNDS_AHEAD * stages.generation.concurrency)
    making, closed = threading.Lock(), threading.Event()
    made: dict[int, tuple[Prompt, tuple[str, ...], float]] = {}
    done: dict[int, Answer | PipelineError] = {}

    def prompts() -> Iterator[Prompt | PipelineError]:  # may run in a thread of the generator's
        for place, (question, allowed) in enumerate(asked):
            ahead.acquire()
            with making:
                if closed.is_set():
                    return
                started = time.monotonic()
                try:
                    ((prompt, warnings),) = pack_prompts(stages, [question], allowed)
                    made[place] = prompt, warnings, started
                except PipelineError as exc:
                    prompt = exc
            yield prompt

    given = 0
    generated = stages.generator.generate_each(prompts(), sampling_of(stages))
    try:
        for place, result in generated:
            of = made.pop(place, None)
            done[place] = resolved_answer(stages, *of, result) if isinstance(result, Completion) else result
            while given in done:
                yield done.pop(given)
                ahead.release()
                given += 1
    finally:
        with making:  # nobody reads the index any more once this is left
            closed.set()
        ahead.release()
        generated.close()


def ask_stream(
    stages: Stages, question: str, allowed: Filter
) -> collections.abc.Generator[str | Answer, None, None]:
    """The answer's text in pieces, each as soon as it is settled, then the answer.

    The pieces joined are `answer.text`. What may still become an unknown marker, or an abstention,
    waits: no more than `LONGEST_MARKER` characters, or what says no more than the fixed phrase.
    """
    started = time.monotonic()
    ((prompt, warnings),) = pack_prompts(stages, [question], allowed)
    sampling = sampling_of(stages)
    if sampling.n > 1:  # which of them is the answer is known at the end
        (completion,) = stages.generator.generate([prompt], sampling)
        answer = resolved_answer(stages, prompt, warnings, started, completion)
        yield answer.text
        yield answer
        return
    settled = SettledText([passage.marker for passage in prompt.passages])
    pieces: list[str] = []
    shown = 0
    reason = None
    with closing(stages.generator.stream(prompt, sampling)) as stream:
        while True:
            try:
                pieces.append(next(stream))
            except StopIteration as end:
                reason = end.value
                break
            if text := settled.feed(pieces[-1]):
                shown += len(text)
                yield text
    answer = resolved_answer(stages, prompt, warnings, started, Completion("".join(pieces), reason or "stop"))
    if rest := answer.text[shown:]:
        yield rest
    yield answer


def pack_prompts(
    stages: Stages, questions: Sequence[str], allowed: Filter
) -> list[tuple[Prompt, tuple[str, ...]]]:
    """What the generator is asked, per question: the passages found, without copies, packed into the
    window; and warnings.

    Raises:
        EmptyQuestion, PromptTooLong.
    """
    if not all(question.strip() for question in questions):
        raise EmptyQuestion()
    generation = stages.generation
    before = stages.history[-1].question if stages.history else ""
    retrieved = retrieve(stages.retrieval, questions, allowed, before)
    pack_for = partial(
        pack,
        with_id=stages.engine.with_id,
        place_of=stages.engine.place_of,
        tokenizer=stages.tokenizer,
        window=generation.window,
        reserved_output=generation.reserved_output + stages.generator.margin,
        counted=stages.engine.manifest.tokenizer == stages.tokenizer.fingerprint,
        history=stages.history,
        system=stages.system,
    )
    prompts = []
    for question, one in zip(questions, retrieved, strict=True):
        distinct = without_copies(one.passages, stages.engine.with_id, partial(date_of, stages), question)
        prompt = pack_for(question, distinct.passages)
        if distinct.copies:
            named = name_copies(stages, prompt.passages, one.passages, distinct.copies)
            prompt = replace(prompt, passages=named)
        prompts.append((prompt, one.warnings))
    return prompts


def date_of(stages: Stages, document: StoredDocument) -> str | None:
    """The date of a document; kept, for its first words have to be read for it."""
    key = document.id, document.title, document.path
    if key not in stages.dates:
        opening = stages.engine.text(document, 0, OPENING)
        stages.dates[key] = document_date(document.title, document.path, opening)
    return stages.dates[key]


def name_copies(
    stages: Stages, shown: Sequence[PackedPassage], found: Sequence[Passage], copies: Sequence[Copy]
) -> tuple[PackedPassage, ...]:
    """`shown`, each with the names of what was left out for the chunks that it holds."""
    chunks = {passage.chunk.id: passage.chunk for passage in found}
    left_out = [(chunks[copy.kept], _left_out(stages, copy, chunks)) for copy in copies]
    return tuple(_naming(packed, left_out) for packed in shown)


def _left_out(stages: Stages, copy: Copy, chunks: Mapping[str, Chunk]) -> LeftOut:
    kept, dropped = chunks[copy.kept], chunks[copy.dropped]
    document, shown = (
        stages.engine.with_id(dropped.document_id),
        stages.engine.with_id(kept.document_id),
    )
    edition = document.id != shown.id and edition_name(document.title) == edition_name(shown.title) != ""
    return LeftOut(
        document.id,
        document.path,
        document.title,
        date_of(stages, document) if edition else None,
        dropped.first_page,
        dropped.last_page,
        kept.start,
        kept.end,
        copy.reason,
        copy.changed,
        document.unit,
    )


def _naming(packed: PackedPassage, left_out: Sequence[tuple[Chunk, LeftOut]]) -> PackedPassage:
    own = (
        out
        for kept, out in left_out
        if kept.document_id == packed.document_id and out.start < packed.end and out.end > packed.start
    )
    return replace(packed, copies=tuple(own))


def sampling_of(stages: Stages) -> Sampling:
    generation = stages.generation
    return Sampling(
        generation.reserved_output,
        generation.temperature,
        n=generation.samples,
        only_shown_markers=generation.grammar == "auto",
    )


def resolved_answer(
    stages: Stages, prompt: Prompt, found: tuple[str, ...], started: float, completion: Completion
) -> Answer:
    """`found`: what there is to say about how the passages were found."""
    samples = (completion, *completion.others)
    answers = [resolve(sample.text, prompt.passages, stages.engine.place_of) for sample in samples]
    resolved = max(answers, key=_worth)  # the first of equals
    completion = samples[answers.index(resolved)]
    abstained = abstains(resolved.text)
    citations = () if abstained else resolved.citations
    warnings = [
        *ocr_warnings(citations),
        *copy_warnings(citations, prompt.passages),
        *_warnings(stages, completion, resolved.dropped),
        *_comparison(len(samples)),
        *_forgotten(prompt.turns_left_out),
    ]
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
        unreadable_pages=unreadable_pages(stages.engine, (p.document_id for p in prompt.passages)),
        seconds=time.monotonic() - started,
        standalone=prompt.question,
    )


def _worth(resolved: Resolved) -> tuple[float, bool]:
    """How well the quotes support the sentences; to abstain is worth nothing, but more than what nothing supports."""
    if abstains(resolved.text):
        return 0.0, True
    worths = [WORTH[sentence.support] for sentence in resolved.sentences]
    return sum(worths) / max(len(worths), 1), False


def _comparison(samples: int) -> list[str]:
    if samples == 1:
        return []
    return [f"답변 후보 {samples}개를 견주어 근거가 가장 잘 뒷받침하는 것을 골랐습니다."]


def _forgotten(turns: int) -> list[str]:
    """What to tell of the turns of the conversation that had no room."""
    return [f"창에 자리가 없어 앞선 대화 {turns}개를 모델에 보이지 않았습니다."] if turns else []


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
    built = stages.engine.manifest.tokenizer
    if built != stages.tokenizer.fingerprint:
        warnings.append("색인의 청크 크기는 다른 토크나이저로 잰 것입니다.")
    return warnings


def ocr_warnings(citations: Sequence[Citation]) -> list[str]:
    """At most one: which markers point at text from OCR, and how sure that is."""
    doubtful = {citation.marker for citation in citations if citation.ocr is not None}
    if not doubtful:
        return []
    markers = sorted(doubtful)
    lowest = percent(min(citation.ocr for citation in citations if citation.ocr is not None))
    sure = f"신뢰도 {lowest}" if len(markers) == 1 else f"가장 낮은 신뢰도 {lowest}"
    named = "".join(f"[{marker}]" for marker in markers)
    return [
        f"{with_particle(named, '은')} 스캔한 쪽을 OCR로 읽은 글입니다({sure}). 숫자는 원문에서 확인하세요."
    ]


def copy_warnings(citations: Sequence[Citation], passages: Sequence[PackedPassage]) -> list[str]:
    """Where else what was cited stands, a line for a marker: other editions before copies.

    At most `COPY_LINES`, each of at most `COPY_PLACES`.
    """
    by_marker = {passage.marker: passage.copies for passage in passages}
    own: dict[int, dict[LeftOut, None]] = {}  # in order, each once
    for cited in citations:
        for out in by_marker[cited.marker]:
            if out.start < cited.end and out.end > cited.start:
                own.setdefault(cited.marker, {})[out] = None
    lines = [
        _copies_of(marker, [out for out in own[marker] if out.reason == reason])
        for reason in ("older", "newer", "copy")
        for marker in sorted(own)
    ]
    return list(filter(None, lines))[:COPY_LINES]


def _copies_of(marker: int, left_out: Sequence[LeftOut]) -> str:
    """One line that names `left_out`, all of one reason; empty where there is none."""
    if not left_out:
        return ""
    places = ", ".join(map(_place, left_out[:COPY_PLACES]))
    if len(left_out) > COPY_PLACES:
        places += f" 외 {len(left_out) - COPY_PLACES}곳"
    if left_out[0].reason == "copy":
        return f"[{marker}]의 내용은 {places}에도 있습니다."
    edition, cited = ("이전", "최신판을") if left_out[0].reason == "older" else ("더 새로운", "질문한 판을")
    where = "의 글과 다릅니다" if any(out.changed for out in left_out) else "에도 있습니다"
    return f"[{marker}]의 내용은 {edition} 판 {places}{where}. {cited} 인용했습니다."


def _place(out: LeftOut) -> str:
    """«「개인정보 보호법」(2023. 3. 14.) 12쪽»."""
    date = f"({'. '.join(str(int(part)) for part in out.date.split('-'))}.)" if out.date else ""
    return f"「{out.title}」{date} {where(out.first_page, out.last_page, out.unit)}"


def unreadable_pages(retriever: SearchEngine, document_ids: Iterable[str]) -> tuple[UnreadablePages, ...]:
    """Of the documents with these ids, those with pages that nobody could read, each once."""
    found = []
    for document_id in dict.fromkeys(document_ids):
        numbers = tuple(page.number for page in retriever.pages(document_id) if not page.readable)
        if numbers:
            document = retriever.with_id(document_id)
            found.append(UnreadablePages(document_id, document.path, numbers, document.unit))
    return tuple(found)
