"""All that is said of a document → its `Summary`: the text with its markers, chapters or rows, coverage, warnings."""

import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate

from indexes.types import StoredDocument
from rag.answer import Citation, Coverage, Figure, Sentence, Summary, SummaryRow, SummarySection
from rag.extracting.extract import one_line
from rag.extracting.priors import SourceSentence, source_sentences
from rag.extracting.salience import salient
from rag.notices import read_by_ocr
from rag.prompting.prompts import in_other_brackets
from rag.summarising.blocks import Block, most_sentences
from rag.summarising.chapters import Chapter, chapters
from rag.summarising.kinds import KINDS, PAGES_COLUMN, SummaryOptions
from rag.summarising.rows import tells
from rag.summarising.stages import SummaryStages
from rag.summarising.stated import Stated, Tally, cited_pages, itself
from rag.wording import places


def assemble(
    stages: SummaryStages,
    document: StoredDocument,
    options: SummaryOptions,
    passages: Sequence[Block],
    said: Sequence[Stated],
    tally: Tally,
    key: str,
) -> Summary:
    """`said` as the summary; where it is empty, or silent about a chapter, the most telling sentences of that.

    Args:
        passages: all blocks of the document.
        key: as `Summary.key`.
    """
    kind, alone = KINDS[options.kind], not said
    found = chapters([block.context for block in passages]) if kind.by_chapter else []
    found = found or [Chapter("", range(len(passages)))]
    parts = _filled(stages, document, options, passages, found, said, tally)
    said = [stated for part in parts for stated in part]
    lines = alone or kind.columns or options.style == "개조식"
    headings = [_heading(document, one) for one in found] if kind.by_chapter else [""]
    text, sentences, citations, begins = _laid_out(parts, headings, "\n" if lines else " ")
    figures = tuple(
        Figure(index, words, stands) for index, stated in enumerate(said) for words, stands in stated.figures
    )
    return Summary(
        document.id,
        document.path,
        document.title,
        options.kind,
        text,
        sentences,
        citations,
        figures,
        _coverage(stages, document, passages, said),
        tally.calls,
        tally.levels,
        tally.prompt_tokens,
        tally.completion_tokens,
        stages.generator.name,
        stages.tokenizer.name,
        key,
        tuple(_warnings(stages, tally, citations, figures, passages, alone=alone)),
        time.monotonic() - tally.started,
        _sections(headings, found, parts, passages, begins) if kind.by_chapter else (),
        (*kind.columns, PAGES_COLUMN) if kind.columns else (),
        tuple(
            SummaryRow(index, (*stated.cells, places(cited_pages(stated.citations), document.unit)))
            for index, stated in enumerate(said)
            if stated.cells
        ),
        document.unit,
    )


def _filled(
    stages: SummaryStages,
    document: StoredDocument,
    options: SummaryOptions,
    passages: Sequence[Block],
    found: Sequence[Chapter],
    said: Sequence[Stated],
    tally: Tally,
) -> list[Sequence[Stated]]:
    """What is said of each chapter, of the length asked for."""
    if not passages:
        return []
    starts = [passages[one.blocks.start].passages[0].start for one in found]

    def chapter_at(start: int) -> int:
        return max(0, bisect_right(starts, start) - 1)

    parts: list[Sequence[Stated]] = [[] for _ in found]
    for stated in said:
        parts[chapter_at(stated.passages[0].start)].append(stated)
    if not all(parts):
        sentences = source_sentences(stages.engine.chunks(document))
        within: list[list[int]] = [[] for _ in found]
        for place, sentence in enumerate(sentences):
            within[chapter_at(sentence.start)].append(place)
        for number, part in enumerate(parts):
            if not part:
                tally.replaced += tally.calls > 0 and not tally.none_here
                parts[number] = _most_telling(stages, document, options, passages, sentences, within[number])
    kept = [
        _within_tokens(stages, part, options.tokens)
        if options.tokens
        else part[: most_sentences(stages, options)]
        for part in parts
    ]
    tally.extra = sum(map(len, parts)) - sum(map(len, kept))
    return kept


def _most_telling(
    stages: SummaryStages,
    document: StoredDocument,
    options: SummaryOptions,
    passages: Sequence[Block],
    sentences: Sequence[SourceSentence],
    places: Sequence[int],
) -> list[Stated]:
    """The most telling of the document's sentences at `places`, which follow each other."""
    kind = KINDS[options.kind]
    chosen = salient(
        sentences[places[0] : places[-1] + 1] if places else [],
        most_sentences(stages, options),
        options.instruction or document.title,
        keep=partial(tells, kind) if kind.columns else lambda _: True,
    )
    first = passages[0].passages[0]
    found = [itself(stages, sentences, places[place], first, kind) for place in chosen]
    return list({stated.cells or place: stated for place, stated in enumerate(found)}.values())


def _heading(document: StoredDocument, chapter: Chapter) -> str:
    """The heading of a chapter; of what stands above the first, the document's title."""
    return in_other_brackets(one_line(chapter.heading or document.title))


def _sections(
    headings: Sequence[str],
    found: Sequence[Chapter],
    parts: Sequence[Sequence[Stated]],
    passages: Sequence[Block],
    begins: Sequence[int],
) -> tuple[SummarySection, ...]:
    """Where each chapter stands in the text; those of which nothing can be said are left out."""
    sections, first = [], 0
    for heading, chapter, part, start in zip(headings, found, parts, begins, strict=True):
        if part:
            own = passages[chapter.blocks.start : chapter.blocks.stop]
            pages = own[0].passages[0].first_page, own[-1].passages[0].last_page
            sections.append(SummarySection(heading, start, first, len(part), *pages))
            first += len(part)
    return tuple(sections)


def _within_tokens(stages: SummaryStages, said: Sequence[Stated], room: int) -> Sequence[Stated]:
    """The first of `said` that `room` tokens hold; at least one."""
    sizes = accumulate(stages.tokenizer.count(stated.text) for stated in said)
    return said[: max(1, sum(size <= room for size in sizes))]


def _laid_out(
    parts: Sequence[Sequence[Stated]], headings: Sequence[str], separator: str
) -> tuple[str, tuple[Sentence, ...], tuple[Citation, ...], list[int]]:
    """The text with a marker for each distinct quote, its sentences and citations, and where each part begins."""
    bullet = "- " if separator == "\n" else ""
    numbers: dict[tuple[int, int], int] = {}
    text, sentences, citations, begins = "", [], [], []
    for heading, part in zip(headings, parts, strict=False):
        text += "\n\n" if text and part else ""
        begins.append(len(text))
        text += f"{heading}\n" if heading and part else ""
        for place, stated in enumerate(part):
            text += (separator if place else "") + bullet
            start = len(text)
            text += stated.text
            own = [numbers.setdefault((c.start, c.end), len(numbers) + 1) for c in stated.citations]
            citations += [
                replace(citation, sentence=len(sentences), marker=marker)
                for citation, marker in zip(stated.citations, own, strict=True)
            ]
            sentences.append(Sentence(stated.text, start, len(text), tuple(own), stated.support))
            text += " " + "".join(f"[{marker}]" for marker in own)
    return text, tuple(sentences), tuple(citations), begins


def _coverage(
    stages: SummaryStages, document: StoredDocument, passages: Sequence[Block], said: Sequence[Stated]
) -> Coverage:
    pages = stages.engine.pages(document.id)
    unreadable = {page.number for page in pages if not page.readable}
    read: set[int] = set()
    for block in passages:
        read |= set(range(block.passages[0].first_page, block.passages[0].last_page + 1))
    used = frozenset().union(*(stated.pages for stated in said)) - unreadable
    unused = {page.number for page in pages} - used - unreadable
    return Coverage(len(pages), *(tuple(sorted(numbers)) for numbers in (used, unused, unreadable, read)))


def _warnings(
    stages: SummaryStages,
    tally: Tally,
    citations: Sequence[Citation],
    figures: Sequence[Figure],
    passages: Sequence[Block],
    *,
    alone: bool,
) -> list[str]:
    """`alone`: the model said nothing."""
    missing = sum(not figure.stands for figure in figures)
    told = (
        (not passages, "읽을 수 있는 글이 없어 요약하지 못했습니다."),
        (passages and not citations, "이 문서에서 해당하는 내용을 찾지 못했습니다."),
        (tally.unknown, f"근거에 없는 인용 번호 {tally.unknown}개를 지웠습니다."),
        (tally.shapeless, f"표의 행이 아닌 줄 {tally.shapeless}개를 뺐습니다."),
        (tally.uncited, f"인용 번호가 없는 문장 {tally.uncited}개를 뺐습니다."),
        (tally.unfounded, f"근거에 없는 수치가 든 문장 {tally.unfounded}개를 뺐습니다."),
        (missing, f"근거에서 확인되지 않은 수치가 {missing}개 있습니다. 원문에서 확인하세요."),
        (tally.replaced, f"모델의 글을 쓸 수 없어 {tally.replaced}번은 원문의 문장으로 대신했습니다."),
        (
            tally.none_here and alone and citations,
            "모델은 이 문서에서 해당하는 내용을 찾지 못했습니다. 원문에서 고른 것이니 확인하세요.",
        ),
        (tally.extra, f"정한 길이를 넘은 문장 {tally.extra}개를 뺐습니다."),
        (
            tally.cut,
            "요약이 출력 한도에서 끊겼습니다. generator.reserved_output 이나 --tokens 를 늘려 보세요.",
        ),
        (
            stages.generator.margin,
            f"서버가 스스로 토큰화하므로 창에서 {stages.generator.margin:,}토큰을 여유로 비웠습니다.",
        ),
    )
    return [*(notice.ko for notice in read_by_ocr(citations)), *(text for happened, text in told if happened)]
