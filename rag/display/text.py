"""A result → text for a person, or one line for a programmer."""

from collections.abc import Iterable
from functools import singledispatch

from ingest.errors import shown
from rag.answer import (
    Answer,
    Citation,
    FailedSummary,
    IngestReport,
    PackedPassage,
    Passage,
    SearchResult,
    Summary,
)
from rag.comparing.compare import Comparison, ComparisonCell
from rag.display.words import (
    NEAREST,
    QUOTE_CHARACTERS,
    loose,
    place,
    told,
    understanding,
    verdict,
)
from rag.language import language, say

LINE_CHARACTERS = 60


@singledispatch
def text_of(result: object) -> str:
    """`result` as text for a person: lines, without a line break at the end.

    Raises:
        TypeError: `result` is no result.
    """
    raise TypeError(f"no result: {type(result).__name__}")


@text_of.register
def _(answer: Answer) -> str:
    parts = [readable(answer.text)]
    if answer.citations:
        parts += [say("근거", "Evidence"), *map(_cited, answer.citations)]
    elif answer.abstained and answer.passages:
        parts += [say("가장 가까운 발췌문", "Nearest passages"), *map(_nearest, answer.passages[:NEAREST])]
    parts += [f"✗ {line}" for line in loose(answer.sentences)]
    return "\n".join(parts + _noted(told(answer.warnings, answer.unreadable_pages)))


@text_of.register
def _(citation: Citation) -> str:
    return _cited(citation)


@text_of.register
def _(passage: Passage) -> str:
    where = place(passage.first_page, passage.last_page, passage.unit, passage.ocr)
    heading = f"{passage.rank}. {shown(passage.title)}, {where}  {passage.score:.3f}"
    return f"{heading}\n    “{shown(passage.text, QUOTE_CHARACTERS)}”"


@text_of.register
def _(found: SearchResult) -> str:
    parts = [understanding(found.understood), *map(text_of, found)]
    parts += _noted(told(found.warnings, found.unreadable_pages))
    parts.append(
        say(
            f"{len(found)}개 발췌문 · {found.seconds:.2f}초", f"{len(found)} passages · {found.seconds:.2f} s"
        )
    )
    return "\n".join(filter(None, parts))


@text_of.register
def _(summary: Summary) -> str:
    parts = [shown(summary.title), "", readable(summary.text)]
    if summary.citations:
        parts += ["", say("근거", "Evidence"), *map(_cited, summary.citations)]
    parts += [f"✗ {line}" for line in loose(summary.sentences)]
    return "\n".join(parts + _noted(told(summary.warnings)))


@text_of.register
def _(failed: FailedSummary) -> str:
    return f"✗ {shown(failed.title)}: {failed.error.say(language())}"


@text_of.register
def _(comparison: Comparison) -> str:
    titles = {document.document_id: document.title for document in comparison.documents}
    parts = []
    for row in comparison.rows:
        parts.append(readable(row.name))
        parts += [f"  {shown(titles[cell.document_id])}: {_cell(cell)}" for cell in row.cells]
    return "\n".join(parts + _noted(told(comparison.warnings)))


@text_of.register
def _(report: IngestReport) -> str:
    counts = report.documents
    named = (
        (say("추가", "added"), counts.added),
        (say("갱신", "updated"), counts.updated),
        (say("그대로", "unchanged"), counts.unchanged),
        (say("옮김", "moved"), counts.moved),
        (say("삭제", "removed"), counts.removed),
        (say("실패", "failed"), counts.failed),
    )
    documents = " · ".join(f"{name} {count:,}" for name, count in named if count)
    size = say(
        f"{report.pages:,}쪽, 청크 {report.chunks:,}개 · {report.seconds:.1f}초",
        f"{report.pages:,} pages, {report.chunks:,} chunks · {report.seconds:.1f} s",
    )
    failures = [f"✗ {shown(failure.path)}: {failure.error.say(language())}" for failure in report.failures]
    skipped = [f"- {shown(left.path)}: {left.say(language())}" for left in report.skipped]
    parts = [documents or say("문서 없음", "no documents"), size, *failures, *skipped]
    return "\n".join(parts + _noted(told(report.warnings)))


@singledispatch
def line_of(result: object) -> str:
    """`result` on one line, as `repr` shows it.

    Raises:
        TypeError: `result` is no result.
    """
    raise TypeError(f"no result: {type(result).__name__}")


@line_of.register
def _(answer: Answer) -> str:
    counts = {"citations": len(answer.citations), "passages": len(answer.passages)}
    return _line(answer, question=answer.question, text=answer.text, abstained=answer.abstained, **counts)


@line_of.register
def _(citation: Citation) -> str:
    pages = _pages(citation.first_page, citation.last_page)
    return _line(
        citation,
        marker=citation.marker,
        title=citation.title,
        pages=pages,
        support=citation.support,
        quote=citation.quote,
    )


@line_of.register
def _(passage: Passage) -> str:
    pages = _pages(passage.first_page, passage.last_page)
    return _line(
        passage,
        rank=passage.rank,
        score=round(passage.score, 4),
        title=passage.title,
        pages=pages,
        text=passage.text,
    )


@line_of.register
def _(found: SearchResult) -> str:
    return _line(found, query=found.query, passages=len(found), warnings=len(found.warnings))


@line_of.register
def _(summary: Summary) -> str:
    counts = {"sentences": len(summary.sentences), "citations": len(summary.citations)}
    return _line(summary, title=summary.title, kind=summary.kind, text=summary.text, **counts)


@line_of.register
def _(failed: FailedSummary) -> str:
    return _line(failed, title=failed.title, kind=failed.kind, error=failed.error.code)


@line_of.register
def _(comparison: Comparison) -> str:
    rows = [row.name for row in comparison.rows]
    return _line(comparison, documents=len(comparison.documents), rows=", ".join(rows))


@line_of.register
def _(report: IngestReport) -> str:
    counts = report.documents
    return _line(
        report,
        version=report.version,
        added=counts.added,
        updated=counts.updated,
        unchanged=counts.unchanged,
        failed=counts.failed,
        pages=report.pages,
        chunks=report.chunks,
    )


def readable(text: str) -> str:
    """`text` with its line breaks, and without any other character that a terminal would act on."""
    return "\n".join(shown(line, len(line) + 1) for line in text.split("\n"))


def _cited(citation: Citation) -> str:
    where = place(citation.first_page, citation.last_page, citation.unit, citation.ocr)
    heading = f"[{citation.marker}] {shown(citation.title)}, {where}  {verdict(citation.support)}"
    lines = [heading, shown(citation.columns), f"“{shown(citation.quote, QUOTE_CHARACTERS)}”"]
    return "\n    ".join(filter(None, lines))


def _nearest(passage: PackedPassage) -> str:
    where = place(passage.first_page, passage.last_page, passage.unit, passage.ocr)
    return f"{shown(passage.title)}, {where}\n    “{shown(passage.text, 200)}”"


def _cell(cell: ComparisonCell) -> str:
    if not cell.citations:
        return readable(cell.text)
    pages = dict.fromkeys(place(c.first_page, c.last_page, c.unit, c.ocr) for c in cell.citations)
    return f"{shown(cell.text, QUOTE_CHARACTERS)} ({', '.join(pages)}) {verdict(cell.support)}"


def _noted(lines: Iterable[str]) -> list[str]:
    return [f"! {line}" for line in lines]


def _pages(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first}-{last}"


def _line(result: object, **fields: object) -> str:
    shortened = (
        f"{name}={shown(value, LINE_CHARACTERS)!r}" if isinstance(value, str) else f"{name}={value!r}"
        for name, value in fields.items()
    )
    return f"{type(result).__name__}({', '.join(shortened)})"
