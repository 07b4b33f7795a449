"""Pages that we write run nothing and load nothing, whatever a document says."""

import ast
from pathlib import Path

import pytest
from jinja2 import UndefinedError

import rag.html.render
from rag.html.render import render

TEMPLATES = Path(rag.html.render.__file__).parent / "templates"
HOSTILE = "</title><script>alert('x')</script><img src=\"http://a/b.png\" onerror=x>"


def comparison(**values: object) -> str:
    given = {
        "language": "ko",
        "title": HOSTILE,
        "first_column": HOSTILE,
        "documents": [{"title": HOSTILE, "name": HOSTILE}],
        "rows": [
            {
                "name": HOSTILE,
                "cells": [
                    {
                        "text": HOSTILE,
                        "place": HOSTILE,
                        "citations": [{"columns": HOSTILE, "quote": HOSTILE}],
                    }
                ],
            }
        ],
        "warnings": [HOSTILE],
        "generator": HOSTILE,
    }
    return render("comparison", **(given | values))


def test_what_a_document_says_is_escaped():
    page = comparison()
    assert "<script" not in page and "<img" not in page and page.count("&lt;script&gt;") == 12


def test_a_value_that_is_missing_is_no_empty_page():
    with pytest.raises(UndefinedError, match="title"):
        render("comparison", language="ko")


def test_every_page_has_the_policy():
    assert (
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none';"
        " form-action 'none'\"" in comparison()
    )
    whole = [path.name for path in TEMPLATES.glob("*.html") if "<html" in path.read_text("utf-8")]
    assert whole == ["page.html"]  # the others stand on it, or are parts of a notebook's page


def written_texts(path: Path) -> set[str]:
    """The texts in a module but for its docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {node.value for node in constants if id(node) not in docstrings and isinstance(node.value, str)}


def test_no_module_writes_html_of_its_own():
    root = Path(rag.html.render.__file__).parents[2]
    modules = [path for package in ("ingest", "indexes", "rag") for path in (root / package).rglob("*.py")]
    tags = ("<html", "<body", "<div", "<td", "<section")
    assert len(modules) > 100
    assert [
        path for path in modules if any(tag in text for text in written_texts(path) for tag in tags)
    ] == []
