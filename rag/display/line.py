"""A result → one line for a programmer, as `repr` shows it: one function for each result.

As in `rag.display.text`, a result is any object that has the attributes of the class that is named.
"""

from typing import Any

from ingest.errors import shown

LINE_CHARACTERS = 60


def answer_line(answer: Any) -> str:
    """A `rag.answer.Answer`."""
    counts = {"citations": len(answer.citations), "passages": len(answer.passages)}
    return _line(answer, question=answer.question, text=answer.text, abstained=answer.abstained, **counts)


def citation_line(citation: Any) -> str:
    """A `rag.answer.Citation`."""
    pages = _pages(citation.first_page, citation.last_page)
    return _line(
        citation,
        marker=citation.marker,
        title=citation.title,
        pages=pages,
        support=citation.support,
        quote=citation.quote,
    )


def passage_line(passage: Any) -> str:
    """A `rag.answer.Passage`."""
    pages = _pages(passage.first_page, passage.last_page)
    return _line(
        passage,
        rank=passage.rank,
        score=round(passage.score, 4),
        title=passage.title,
        pages=pages,
        text=passage.text,
    )


def search_line(found: Any) -> str:
    """A `rag.answer.SearchResult`."""
    return _line(found, query=found.query, passages=len(found.passages), warnings=len(found.warnings))


def summary_line(summary: Any) -> str:
    """A `rag.answer.Summary`."""
    counts = {"sentences": len(summary.sentences), "citations": len(summary.citations)}
    return _line(summary, title=summary.title, kind=summary.kind, text=summary.text, **counts)


def failed_summary_line(failed: Any) -> str:
    """A `rag.answer.FailedSummary`."""
    return _line(failed, title=failed.title, kind=failed.kind, error=failed.error.code)


def comparison_line(comparison: Any) -> str:
    """A `rag.comparing.compare.Comparison`."""
    rows = [row.name for row in comparison.rows]
    return _line(comparison, documents=len(comparison.documents), rows=", ".join(rows))


def ingest_line(report: Any) -> str:
    """A `rag.answer.IngestReport`."""
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


def _pages(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first}-{last}"


def _line(result: object, **fields: object) -> str:
    shortened = (
        f"{name}={shown(value, LINE_CHARACTERS)!r}" if isinstance(value, str) else f"{name}={value!r}"
        for name, value in fields.items()
    )
    return f"{type(result).__name__}({', '.join(shortened)})"
