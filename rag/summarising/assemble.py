"""The statements about a document → its `Summary`: text with markers, chapters or rows, coverage, notices."""

import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate

from rag.answer import Citation, Coverage, Figure, Sentence, Summary, SummaryRow, SummarySection
from rag.extracting.extract import one_line
from rag.extracting.priors import SourceSentence, source_sentences
from rag.extracting.salience import salient
from rag.prompting.prompts import in_other_brackets
from rag.summarising.blocks import Report
from rag.summarising.kinds import PAGES_COLUMN
from rag.summarising.notices import notices_of
from rag.summarising.rows import tells
from rag.summarising.stages import Order, SummaryStages, summary_key
from rag.summarising.stated import Stated, Tally, cited_pages, itself
from rag.wording.places import places

# The statements of each chapter, in order; a document summarised as a whole has one part.
Parts = Sequence[Sequence[Stated]]


@dataclass(frozen=True, slots=True)
class _Layout:
    """The text, with one marker for each distinct quote, and where its parts stand. `begins`: offset of each part."""

    text: str
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]
    begins: tuple[int, ...]


def assemble(
    stages: SummaryStages, order: Order, report: Report, said: Sequence[Stated], tally: Tally
) -> Summary:
    """The summary made of `said`. A chapter without statements gets the most telling sentences of its own text."""
    whole = _with_document(stages, order, report, said, tally)
    parts = [_shortened(stages, order, part) for part in whole]
    tally.extra = sum(map(len, whole)) - sum(map(len, parts))
    told = [stated for part in parts for stated in part]
    headings = [_heading(report, number) for number in range(len(parts))] if order.kind.by_chapter else [""]
    in_lines = not said or order.kind.columns or order.options.style == "개조식"
    layout = _laid_out(parts, headings, "\n" if in_lines else " ")
    figures = _figures(told)
    document, columns = report.document, order.kind.columns
    return Summary(
        document_id=document.document_id,
        path=document.path,
        title=document.title,
        kind=order.kind.name,
        text=layout.text,
        sentences=layout.sentences,
        citations=layout.citations,
        figures=figures,
        coverage=_coverage(stages, report, told),
        calls=tally.calls,
        levels=tally.levels,
        prompt_tokens=tally.prompt_tokens,
        completion_tokens=tally.completion_tokens,
        generator=stages.generator.name,
        tokenizer=stages.tokenizer.name,
        key=summary_key(stages, order, document),
        warnings=notices_of(
            tally,
            layout.citations,
            figures,
            has_text=bool(report.blocks),
            from_document=not said,
            margin=stages.generator.margin,
        ),
        seconds=time.monotonic() - tally.started,
        sections=_sections(report, parts, headings, layout.begins) if order.kind.by_chapter else (),
        columns=(*columns, PAGES_COLUMN) if columns else (),
        rows=_rows(report, told),
        unit=document.unit,
    )


# the statements of each chapter


def _with_document(
    stages: SummaryStages, order: Order, report: Report, said: Sequence[Stated], tally: Tally
) -> Parts:
    """`said` by chapter; a chapter without statements gets its most telling sentences. Empty without text."""
    if not report.blocks:
        return []
    of_chapters = _by_chapter(report, [stated.passages[0].start for stated in said])
    parts = [[said[place] for place in own] for own in of_chapters]
    if all(parts):
        return parts
    if tally.calls and not tally.none_here:
        tally.replaced += sum(not part for part in parts)
    sentences = source_sentences(stages.engine.chunks(report.document))
    sentences_of = _by_chapter(report, [sentence.start for sentence in sentences])
    return [
        part or _most_telling(stages, order, report, sentences, own)
        for part, own in zip(parts, sentences_of, strict=True)
    ]


def _by_chapter(report: Report, starts: Sequence[int]) -> list[list[int]]:
    """For each chapter, the indices of the `starts` inside it; what begins before the first counts to the first."""
    begins = [report.blocks[chapter.blocks.start].passages[0].start for chapter in report.chapters]
    found: list[list[int]] = [[] for _ in begins]
    for place, start in enumerate(starts):
        found[max(0, bisect_right(begins, start) - 1)].append(place)
    return found


def _most_telling(
    stages: SummaryStages,
    order: Order,
    report: Report,
    sentences: Sequence[SourceSentence],
    places: Sequence[int],
) -> list[Stated]:
    """Statements made of the most telling sentences at `places`, a run of consecutive indices; rows without repeats."""
    kind, first = order.kind, report.blocks[0].passages[0]
    chosen = salient(
        sentences[places[0] : places[-1] + 1] if places else [],
        order.sentences,
        order.options.instruction or report.document.title,
        keep=partial(tells, kind) if kind.columns else lambda _: True,
    )
    found = [itself(stages.engine, sentences, places[place], first, kind) for place in chosen]
    return list({stated.cells or place: stated for place, stated in enumerate(found)}.values())


def _shortened(stages: SummaryStages, order: Order, said: Sequence[Stated]) -> Sequence[Stated]:
    """The first statements of `said`, up to the length asked for; at least one if that is in tokens."""
    limit = order.options.tokens
    if not limit:
        return said[: order.sentences]
    sizes = accumulate(stages.tokenizer.count(stated.text) for stated in said)
    return said[: max(1, sum(size <= limit for size in sizes))]


# the statements → the text and its offsets


def _heading(report: Report, number: int) -> str:
    """The heading of a chapter; the document's title for the text above the first heading."""
    return in_other_brackets(one_line(report.chapters[number].heading or report.document.title))


def _laid_out(parts: Parts, headings: Sequence[str], separator: str) -> _Layout:
    """The text with `parts` one after the other, each below its heading, sentences joined by `separator`."""
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
            sentences.append(
                Sentence(
                    text=stated.text, start=start, end=len(text), markers=tuple(own), support=stated.support
                )
            )
            text += " " + "".join(f"[{marker}]" for marker in own)
    return _Layout(text, tuple(sentences), tuple(citations), tuple(begins))


def _figures(told: Sequence[Stated]) -> tuple[Figure, ...]:
    return tuple(
        Figure(sentence=place, text=words, stands=stands)
        for place, stated in enumerate(told)
        for words, stands in stated.figures
    )


def _rows(report: Report, told: Sequence[Stated]) -> tuple[SummaryRow, ...]:
    """The rows of a summary that has columns, each with the pages of its quotes."""
    unit = report.document.unit
    return tuple(
        SummaryRow(sentence=place, cells=(*stated.cells, places(cited_pages(stated.citations), unit)))
        for place, stated in enumerate(told)
        if stated.cells
    )


def _sections(
    report: Report, parts: Parts, headings: Sequence[str], begins: Sequence[int]
) -> tuple[SummarySection, ...]:
    """Where each chapter stands in the text; chapters without statements are left out."""
    sections, first = [], 0
    for chapter, part, heading, start in zip(report.chapters, parts, headings, begins, strict=False):
        if part:
            own = report.blocks[chapter.blocks.start : chapter.blocks.stop]
            sections.append(
                SummarySection(
                    heading=heading,
                    start=start,
                    first_sentence=first,
                    count=len(part),
                    first_page=own[0].passages[0].first_page,
                    last_page=own[-1].passages[0].last_page,
                )
            )
            first += len(part)
    return tuple(sections)


def _coverage(stages: SummaryStages, report: Report, told: Sequence[Stated]) -> Coverage:
    pages = stages.engine.pages(report.document.document_id)
    unreadable = {page.number for page in pages if not page.readable}
    read: set[int] = set()
    for block in report.blocks:
        read |= set(range(block.passages[0].first_page, block.passages[0].last_page + 1))
    used = frozenset().union(*(stated.pages for stated in told)) - unreadable
    unused = {page.number for page in pages} - used - unreadable
    return Coverage(
        pages=len(pages),
        pages_used=tuple(sorted(used)),
        pages_unused=tuple(sorted(unused)),
        pages_unreadable=tuple(sorted(unreadable)),
        pages_read=tuple(sorted(read)),
    )
