"""How pages, places and verdicts are written: in prompts and warnings, in files and on the terminal."""

from collections.abc import Iterable

from ingest.raw import Unit
from rag.answer import Support

# Of many pages so many runs are told.
RUNS = 4
MARKS: dict[Support, str] = {"supported": "✓", "partial": "△", "unsupported": "✗", "uncited": "?"}


def span(first: int, last: int) -> str:
    """«3» or «3–4»."""
    return f"{first}" if first == last else f"{first}–{last}"


def page_runs(pages: Iterable[int], most: int | None = None) -> str:
    """«1–3, 7» for 1, 2, 3, 7; of more than `most` runs the first, and «…»."""
    runs: list[list[int]] = []
    for page in pages:
        if runs and page == runs[-1][-1] + 1:
            runs[-1].append(page)
        else:
            runs.append([page])
    told = ", ".join(span(run[0], run[-1]) for run in runs[:most])
    return told + " …" * (most is not None and len(runs) > most)


def where(first: int, last: int, unit: Unit) -> str:
    """«3쪽», «구역 3–4»."""
    return in_unit(span(first, last), unit)


def places(pages: Iterable[int], unit: Unit) -> str:
    """«1–3, 7쪽»; of more than `RUNS` runs the first, and «…»."""
    return in_unit(page_runs(sorted(pages), RUNS), unit)


def unit_name(unit: Unit) -> str:
    return "쪽" if unit == "page" else "구역"


def in_unit(numbers: str, unit: Unit) -> str:
    """«3–4쪽» or «구역 3–4»."""
    return f"{numbers}쪽" if unit == "page" else f"구역 {numbers}"
