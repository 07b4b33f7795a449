"""How page numbers and confidences are written for people."""

from collections.abc import Iterable


def page_runs(pages: Iterable[int], most: int | None = None) -> str:
    """Ascending page numbers as runs: «1–3, 7» for 1, 2, 3, 7; after `most` runs it ends with «…»."""
    runs: list[list[int]] = []
    for page in pages:
        if runs and page == runs[-1][-1] + 1:
            runs[-1].append(page)
        else:
            runs.append([page])
    told = ", ".join(span(run[0], run[-1]) for run in runs[:most])
    return told + " …" * (most is not None and len(runs) > most)


def span(first: int, last: int) -> str:
    """«3» or «3–4»."""
    return f"{first}" if first == last else f"{first}–{last}"


def percent(confidence: float) -> str:
    """A confidence of OCR, from 0 to 1, in percent for people; 99 % at most, because OCR is never certain."""
    return f"{min(confidence, 0.99):.0%}"
