"""What the documents show a terminal or Python print is what they print: sessions and code are run, page by page."""

import difflib

import pytest

from eval.documents.pages import LANGUAGES, runnable
from eval.documents.transcripts import Step, matches, run_language, settled, steps


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_show_what_is_printed(language):
    """One process and one index of the samples for all pages of a language."""
    differences = [
        difference(step, text)
        for step, text in run_language(language, runnable())
        if not matches(step.expected, text)
    ]
    assert not differences, "run `make docs`, and read what changed:\n" + "\n\n".join(differences)


def difference(step: Step, printed: str) -> str:
    """The difference between what the page shows and what is printed, for people to read; "" if there is none."""
    shown, now = (settled(each).splitlines() for each in (step.expected, printed))
    lines = difflib.unified_diff(shown, now, f"{step.page}: {step.source.strip()}", "printed", lineterm="")
    return "\n".join(lines)


PAGE = """
```console
$ rag list
one

$ rag status --json
```

```python
print(1)
```

```text
1
```

```console no-run
$ rag serve-model
```
"""


def test_sessions_and_python_are_cut_into_steps():
    found = steps("page", PAGE)
    assert [(step.source, step.expected) for step in found] == [
        ("$ rag list", "one\n"),
        ("$ rag status --json", ""),
        ("print(1)\n", "1\n"),
    ]
    assert all(PAGE[step.start : step.end] == step.expected for step in found)


def test_times_and_sizes_may_differ_and_a_cut_stands_for_any_lines():
    assert matches("added 3 · 4.9 s (21 pages/s)\n", "added 3 · 12.0 s (8 pages/s)\n")
    assert matches("추가 3 · 4.9초(초당 21쪽)\n", "추가 3 · 12.0초(초당 8쪽)\n")
    assert matches("0.7 MB → 0.3 MB\n", "0.8 MB → 0.2 MB\n")
    assert matches("a\n…\nz\n", "a\nb\nc\nz\n")
    assert matches("a\n…\n", "a\n")


@pytest.mark.parametrize("text", ["added 4 · 4.9 s\n", "added 3 · 4.9 s\nmore\n", "", "12쪽\n"])
def test_anything_else_that_differs_is_found(text):
    assert not matches("added 3 · 4.9 s\n", text)
