"""A comparison as a file: CSV for spreadsheets, Markdown, JSON, or one HTML page that needs nothing else."""

import json
from collections.abc import Callable
from html import escape
from pathlib import Path

from rag.answer import Citation
from rag.comparing.compare import Comparison, ComparisonCell
from rag.markdown import markdown_line, markdown_table, markdown_words, plain_line
from rag.summarising.files import write_whole
from rag.table_text import csv_text
from rag.wire.bodies import comparison_json
from rag.wording import MARKS, where

FIRST_COLUMN = "항목"
STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1d1d1f;--dim:#6e6e73;--line:#d2d2d7;--soft:#f5f5f7}
@media(prefers-color-scheme:dark){:root{--bg:#161618;--fg:#e8e8ed;--dim:#98989d;--line:#3a3a3c;--soft:#222225}}
body{margin:0 auto;max-width:1500px;padding:1.5rem;background:var(--bg);color:var(--fg);
font:15px/1.6 system-ui,-apple-system,"Apple SD Gothic Neo","Malgun Gothic","Noto Sans KR",sans-serif}
h1{font-size:1.3rem}
.table{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{border:1px solid var(--line);padding:.5rem .7rem;text-align:left;vertical-align:top;min-width:11rem;
overflow-wrap:anywhere}
th{background:var(--soft)}
thead small,.none,summary,footer{color:var(--dim);font-weight:normal}
tbody th{min-width:7rem;width:9rem}
details{font-size:.85rem;margin-top:.3rem}
summary{cursor:pointer}
blockquote{margin:.3rem 0;padding-left:.6rem;border-left:3px solid var(--line);white-space:pre-wrap}
"""


def as_json(comparison: Comparison) -> str:
    return json.dumps(comparison_json(comparison), ensure_ascii=False, indent=1) + "\n"


def as_csv(comparison: Comparison) -> str:
    """A row for each name: behind each report's value the pages and the words that it stands on."""
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
    """A table whose cells point at the quotes below it."""
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
        parts += ["## 확인할 것", "\n".join(f"- {markdown_line(warning)}" for warning in comparison.warnings)]
    return "\n\n".join(parts) + "\n"


def as_html(comparison: Comparison) -> str:
    """One page without scripts and without anything from elsewhere; all that is a document's is escaped."""
    heads = "".join(
        f'<th scope="col">{escape(document.title)}<br><small>{escape(Path(document.path).name)}</small></th>'
        for document in comparison.documents
    )
    rows = "\n".join(
        f'<tr><th scope="row">{escape(row.name)}</th>{"".join(map(_html_cell, row.cells))}</tr>'
        for row in comparison.rows
    )
    warnings = "".join(f"<p>{escape(warning)}</p>" for warning in comparison.warnings)
    return f"""<!doctype html>
<html lang="ko"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>문서 비교</title><style>{STYLE}</style></head><body>
<h1>문서 비교</h1>
<div class="table"><table><thead><tr><th scope="col">{FIRST_COLUMN}</th>{heads}</tr></thead><tbody>
{rows}
</tbody></table></div>
<footer>{warnings}<p>{escape(comparison.generator)}</p></footer>
</body></html>
"""


def _html_cell(cell: ComparisonCell) -> str:
    if not cell.found:
        return f'<td class="none">{escape(cell.text)}</td>'
    shown = "".join(
        (f"<p>{escape(citation.columns)}</p>" if citation.columns else "")
        + f"<blockquote>{escape(citation.quote)}</blockquote>"
        for citation in cell.citations
    )
    place = f"{pages(cell)} {MARKS[cell.support]}"
    return f"<td>{escape(cell.text)}<details><summary>{escape(place)}</summary>{shown}</details></td>"


def pages(cell: ComparisonCell) -> str:
    """«3쪽, 7–8쪽»: where its quotes stand; empty where there are none."""
    return ", ".join(dict.fromkeys(map(place, cell.citations)))


def place(citation: Citation) -> str:
    return where(citation.first_page, citation.last_page, citation.unit)


def quotes(cell: ComparisonCell) -> str:
    """The words that it stands on, one below the other; above the row of a table what its columns are."""
    told = (line for citation in cell.citations for line in (citation.columns, citation.quote) if line)
    return "\n".join(dict.fromkeys(told))


def _evidence(citation: Citation, title: str) -> str:
    quote = " ".join(citation.quote.split())
    columns = f" ({citation.columns})" if citation.columns else ""
    return f"「{title}」 {place(citation)} {MARKS[citation.support]} “{quote}”{columns}"


WRITERS: dict[str, Callable[[Comparison], str]] = {
    ".csv": as_csv,
    ".md": as_markdown,
    ".html": as_html,
    ".json": as_json,
}


def write_comparison(path: Path, comparison: Comparison) -> None:
    """Write it whole, in the form that the name's ending says, one of `WRITERS`.

    Raises:
        OutputFailed: it cannot be written.
    """
    write_whole(path, WRITERS[path.suffix.lower()](comparison), newline="")
