"""A comparison → a file: CSV for spreadsheets, Markdown, JSON, or one self-contained HTML page."""

import json
from collections.abc import Callable
from pathlib import Path

from rag.answer import Citation
from rag.comparing.compare import Comparison, ComparisonCell
from rag.html.render import render
from rag.summarising.files import write_whole
from rag.wire.bodies import comparison_json
from rag.wording.markdown import markdown_line, markdown_table, markdown_words, plain_line
from rag.wording.places import MARKS, where
from rag.wording.tables import csv_text

FIRST_COLUMN = "항목"


def as_json(comparison: Comparison) -> str:
    return json.dumps(comparison_json(comparison), ensure_ascii=False, indent=1) + "\n"


def as_csv(comparison: Comparison) -> str:
    """CSV with a row for each name; each document has three columns: the value, its pages and the words it is from."""
    columns = [FIRST_COLUMN]
    for document in comparison.documents:
        title = plain_line(document.title)
        columns += [title, f"{title} (쪽)", f"{title} (원문)"]
    rows = [
        [row.name, *(text for cell in row.cells for text in (cell.text, pages(cell), quotes(cell)))]
        for row in comparison.rows
    ]
    return csv_text([columns, *rows])


def as_markdown(comparison: Comparison) -> str:
    """Markdown: a table whose cells point by number at the quotes below it, then the notices."""
    numbers: dict[tuple[str, int, int], int] = {}
    lines: list[str] = []
    titles = {document.document_id: document.title for document in comparison.documents}

    def pointed(cell: ComparisonCell) -> str:
        markers = []
        for citation in cell.citations:
            span = (citation.document_id, citation.start, citation.end)
            if span not in numbers:
                numbers[span] = len(numbers) + 1
                evidence = markdown_words(_evidence(citation, titles[cell.document_id]))
                lines.append(f"- [{numbers[span]}] {evidence}")
            markers.append(f"[{numbers[span]}]")
        return " ".join([cell.text, "".join(markers)]).strip()

    rows = [(row.name, *map(pointed, row.cells)) for row in comparison.rows]
    parts = [markdown_table((FIRST_COLUMN, *(document.title for document in comparison.documents)), rows)]
    parts += ["## 근거", "\n".join(lines)] if lines else []
    if comparison.warnings:
        parts += [
            "## 확인할 것",
            "\n".join(f"- {markdown_line(warning.ko)}" for warning in comparison.warnings),
        ]
    return "\n\n".join(parts) + "\n"


def as_html(comparison: Comparison) -> str:
    """One HTML page without scripts and external resources; all text from documents is escaped."""
    return render(
        "comparison",
        language="ko",
        title="문서 비교",
        first_column=FIRST_COLUMN,
        documents=[{"title": one.title, "name": Path(one.path).name} for one in comparison.documents],
        rows=[{"name": row.name, "cells": list(map(_shown_cell, row.cells))} for row in comparison.rows],
        warnings=[warning.ko for warning in comparison.warnings],
        generator=comparison.generator,
    )


def _shown_cell(cell: ComparisonCell) -> dict[str, object]:
    place = f"{pages(cell)} {MARKS[cell.support]}"
    return {"text": cell.text, "place": place, "citations": cell.citations}


def pages(cell: ComparisonCell) -> str:
    """The pages of a cell's quotes, «3쪽, 7–8쪽» (pages 3, 7–8); empty for a cell without quotes."""
    return ", ".join(dict.fromkeys(map(place, cell.citations)))


def place(citation: Citation) -> str:
    return where(citation.first_page, citation.last_page, citation.unit)


def quotes(cell: ComparisonCell) -> str:
    """A cell's quotes, one on each line; above a row of a table, the names of its columns."""
    told = (line for citation in cell.citations for line in (citation.columns, citation.quote) if line)
    return "\n".join(dict.fromkeys(told))


def _evidence(citation: Citation, title: str) -> str:
    columns = f" ({citation.columns})" if citation.columns else ""
    return f"「{title}」 {place(citation)} {MARKS[citation.support]} “{citation.quote}”{columns}"


WRITERS: dict[str, Callable[[Comparison], str]] = {
    ".csv": as_csv,
    ".md": as_markdown,
    ".html": as_html,
    ".json": as_json,
}


def write_comparison(path: Path, comparison: Comparison) -> None:
    """Write the comparison to `path`, whole or not at all, in the format of its ending, one of `WRITERS`.

    Raises:
        OutputFailed: the file cannot be written.
    """
    write_whole(path, WRITERS[path.suffix.lower()](comparison), newline="")
