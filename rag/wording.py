"""How pages, places and verdicts are written: in prompts and warnings, in files and on the terminal."""

from collections.abc import Iterable

from indexes.wording import page_runs, span
from ingest.raw import Unit
from rag.answer import Support

# Of many pages so many runs are told.
RUNS = 4
MARKS: dict[Support, str] = {"supported": "✓", "partial": "△", "unsupported": "✗", "uncited": "?"}


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
