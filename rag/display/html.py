"""A result → HTML for a notebook, one `<div>`: no script, no picture, no link, and all text escaped.

One function for each result that has a layout of its own; the others are shown as their text. As in
`rag.display.text`, a result is any object that has the attributes of the class that is named.
"""

from typing import Any

from rag.display.words import NEAREST, loose, place_of, told, understanding, verdict
from rag.html.render import render
from rag.language import say


def answer_html(answer: Any) -> str:
    """A `rag.answer.Answer`."""
    return _render(
        "answer",
        answer,
        nearest=answer.passages[:NEAREST],
        loose=loose(answer.sentences),
        told=told(answer.warnings, answer.unreadable_pages),
    )


def summary_html(summary: Any) -> str:
    """A `rag.answer.Summary`."""
    return _render("summary", summary, loose=loose(summary.sentences), told=told(summary.warnings))


def citation_html(citation: Any) -> str:
    """A `rag.answer.Citation`."""
    return _render("citation", citation)


def passage_html(passage: Any) -> str:
    """A `rag.answer.Passage`."""
    return _render("passage", passage)


def search_html(found: Any) -> str:
    """A `rag.answer.SearchResult`."""
    lines = told(found.warnings, found.unreadable_pages)
    return _render("search", found, understood=understanding(found.understood), told=lines)


def comparison_html(comparison: Any) -> str:
    """A `rag.comparing.compare.Comparison`."""
    return _render("comparison", comparison, told=told(comparison.warnings))


def text_html(text: str) -> str:
    """The text of a result."""
    return _render("text", text=text)


def _render(kind: str, it: Any = None, **fields: object) -> str:
    words = {
        "evidence": say("근거", "Evidence"),
        "nearest": say("가장 가까운 발췌문", "Nearest passages"),
    }
    return render("notebook", kind=kind, it=it, words=words, place=place_of, verdict=verdict, **fields)
