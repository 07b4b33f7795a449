"""A result → text for a person: one function for each result. Lines, without a line break at the end.

No module of `rag` that knows the results is imported in this room, so that every result may show itself. A result is
any object that has the attributes of the class that is named.
"""

from collections.abc import Iterable
from typing import Any

from ingest.errors import shown
from rag.display.words import (
    NEAREST,
    QUOTE_CHARACTERS,
    loose,
    place_of,
    told,
    understanding,
    verdict,
)
from rag.language import language, say


def answer_text(answer: Any) -> str:
    """A `rag.answer.Answer`."""
    parts = [readable(answer.text)]
    if answer.citations:
        parts += [say("근거", "Evidence"), *map(citation_text, answer.citations)]
    elif answer.abstained and answer.passages:
        parts += [say("가장 가까운 발췌문", "Nearest passages"), *map(_nearest, answer.passages[:NEAREST])]
    parts += [f"✗ {line}" for line in loose(answer.sentences)]
    return "\n".join(parts + _noted(told(answer.warnings, answer.unreadable_pages)))


def citation_text(citation: Any) -> str:
    """A `rag.answer.Citation`."""
    heading = (
        f"[{citation.marker}] {shown(citation.title)}, {place_of(citation)}  {verdict(citation.support)}"
    )
    lines = [heading, shown(citation.columns), f"“{shown(citation.quote, QUOTE_CHARACTERS)}”"]
    return "\n    ".join(filter(None, lines))


def passage_text(passage: Any) -> str:
    """A `rag.answer.Passage`."""
    heading = f"{passage.rank}. {shown(passage.title)}, {place_of(passage)}  {passage.score:.3f}"
    return f"{heading}\n    “{shown(passage.text, QUOTE_CHARACTERS)}”"


def search_text(found: Any) -> str:
    """A `rag.answer.SearchResult`."""
    parts = [understanding(found.understood), *map(passage_text, found.passages)]
    parts += _noted(told(found.warnings, found.unreadable_pages))
    parts.append(
        say(
            f"{len(found.passages)}개 발췌문 · {found.seconds:.2f}초",
            f"{len(found.passages)} passages · {found.seconds:.2f} s",
        )
    )
    return "\n".join(filter(None, parts))


def summary_text(summary: Any) -> str:
    """A `rag.answer.Summary`."""
    parts = [shown(summary.title), "", readable(summary.text)]
    if summary.citations:
        parts += ["", say("근거", "Evidence"), *map(citation_text, summary.citations)]
    parts += [f"✗ {line}" for line in loose(summary.sentences)]
    return "\n".join(parts + _noted(told(summary.warnings)))


def failed_summary_text(failed: Any) -> str:
    """A `rag.answer.FailedSummary`."""
    return f"✗ {shown(failed.title)}: {failed.error.say(language())}"


def comparison_text(comparison: Any) -> str:
    """A `rag.comparing.compare.Comparison`."""
    titles = {document.document_id: document.title for document in comparison.documents}
    parts = []
    for row in comparison.rows:
        parts.append(readable(row.name))
        parts += [f"  {shown(titles[cell.document_id])}: {_cell(cell)}" for cell in row.cells]
    return "\n".join(parts + _noted(told(comparison.warnings)))


def ingest_text(report: Any) -> str:
    """A `rag.answer.IngestReport`."""
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


def readable(text: str) -> str:
    """`text` with its line breaks, and without any other character that a terminal would act on."""
    return "\n".join(shown(line, len(line) + 1) for line in text.split("\n"))


def _nearest(passage: Any) -> str:
    return f"{shown(passage.title)}, {place_of(passage)}\n    “{shown(passage.text, 200)}”"


def _cell(cell: Any) -> str:
    if not cell.citations:
        return readable(cell.text)
    pages = dict.fromkeys(map(place_of, cell.citations))
    return f"{shown(cell.text, QUOTE_CHARACTERS)} ({', '.join(pages)}) {verdict(cell.support)}"


def _noted(lines: Iterable[str]) -> list[str]:
    return [f"! {line}" for line in lines]
