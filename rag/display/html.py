"""A result → HTML for a notebook: no script, no picture, no link, and all text escaped."""

from functools import singledispatch

from rag.answer import Answer, Citation, Passage, Result, SearchResult, Summary
from rag.comparing.compare import Comparison
from rag.display.text import text_of
from rag.display.words import NEAREST, loose, place, told, understanding, verdict
from rag.html.render import render
from rag.language import say


@singledispatch
def html_of(result: Result) -> str:
    """`result` as one `<div>`; a type without a layout of its own is shown as its text.

    Raises:
        TypeError: `result` is no result.
    """
    return _render("text", text=text_of(result))


@html_of.register
def _(answer: Answer) -> str:
    return _render(
        "answer",
        answer,
        nearest=answer.passages[:NEAREST],
        loose=loose(answer.sentences),
        told=told(answer.warnings, answer.unreadable_pages),
    )


@html_of.register
def _(summary: Summary) -> str:
    return _render("summary", summary, loose=loose(summary.sentences), told=told(summary.warnings))


@html_of.register
def _(citation: Citation) -> str:
    return _render("citation", citation)


@html_of.register
def _(passage: Passage) -> str:
    return _render("passage", passage)


@html_of.register
def _(found: SearchResult) -> str:
    lines = told(found.warnings, found.unreadable_pages)
    return _render("search", found, understood=understanding(found.understood), told=lines)


@html_of.register
def _(comparison: Comparison) -> str:
    return _render("comparison", comparison, told=told(comparison.warnings))


def _render(kind: str, it: Result | None = None, **fields: object) -> str:
    words = {
        "evidence": say("근거", "Evidence"),
        "nearest": say("가장 가까운 발췌문", "Nearest passages"),
    }
    return render("notebook", kind=kind, it=it, words=words, place=_place, verdict=verdict, **fields)


def _place(one: Citation | Passage) -> str:
    return place(one.first_page, one.last_page, one.unit, one.ocr)
