"""How pages, places and verdicts are written: in prompts and warnings, in files and on the terminal."""

from collections.abc import Iterable

from indexes.wording import page_runs, span
from ingest.errors import printable
from ingest.raw import Unit
from rag.wire.shapes import Support

# A list of pages shows its first 4 runs of consecutive pages.
RUNS = 4
MARKS: dict[Support, str] = {"supported": "✓", "partial": "△", "unsupported": "✗", "uncited": "?"}


def one_line(text: str) -> str:
    """`text` on one line, without control characters and marks that turn the direction of writing.

    For titles and names, which come from files, in prompts and notices.
    """
    return text if text.isprintable() else printable(text)


def where(first: int, last: int, unit: Unit, language: str = "ko") -> str:
    """The pages `first` to `last` for a reader: «3쪽», «구역 3–4»; in English «p. 3», «sections 3–4»."""
    numbers = span(first, last)
    if language == "ko":
        return in_unit(numbers, unit)
    several = first != last
    return f"section{'s' * several} {numbers}" if unit == "section" else f"p{'p' * several}. {numbers}"


def places(pages: Iterable[int], unit: Unit) -> str:
    """`pages` in Korean, «1–3, 7쪽»; after `RUNS` runs of consecutive pages it ends with «…»."""
    return in_unit(page_runs(sorted(pages), RUNS), unit)


def unit_name(unit: Unit) -> str:
    return "쪽" if unit == "page" else "구역"


def in_unit(numbers: str, unit: Unit) -> str:
    """`numbers` with the unit in Korean: «3–4쪽» (pages) or «구역 3–4» (sections)."""
    return f"{numbers}쪽" if unit == "page" else f"구역 {numbers}"
