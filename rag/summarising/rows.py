"""The rows of a summary: read from the lines that a model wrote or, without a model, made from single sentences."""

import re

from ingest.korean.analyse import fold
from rag.extracting.found_actions import action_of_sentence
from rag.extracting.found_figures import figure_of_row, figure_of_sentence
from rag.extracting.priors import SourceSentence
from rag.prompting.prompts import NONE_NAMED
from rag.summarising.kinds import ACTIONS, Kind

BAR = re.compile(r"(?:(?<!\s)\s++)?[|｜]\s*")
RULE = re.compile(r"[\s:|｜\-–—]*")


def read_row(line: str, kind: Kind) -> tuple[str, ...] | None:
    """The cells of a line that a model wrote; None if it is no row or names the columns."""
    cells = BAR.split(line.strip())
    if cells and not cells[0]:
        cells = cells[1:]
    cells = [cell.strip(" *") for cell in cells[: len(kind.columns)]]
    if RULE.fullmatch(line) or len(cells) < 2 or cells[0] == kind.columns[0] or not cells[0]:
        return None
    return (*(cell or NONE_NAMED for cell in cells), *[NONE_NAMED] * (len(kind.columns) - len(cells)))


def prose(cells: tuple[str, ...], kind: Kind) -> str:
    """A row as one line of text, in which form it is checked and shown: «매출액 3,010억원» (revenue, 301 billion won)."""
    before = [cell for cell in cells[: kind.value[0]] if cell != NONE_NAMED]
    return " ".join(filter(None, [*before, value_of(cells, kind)]))


def value_of(cells: tuple[str, ...], kind: Kind) -> str:
    """The cells of a row that must be in its quote, joined; empty if the row names none."""
    return "".join(cells[place] for place in kind.value if cells[place] != NONE_NAMED)


def holds(quote: str, value: str) -> bool:
    """Whether `value` is in `quote`, whatever the blanks and bars."""
    return _squeezed(value) in _squeezed(quote)


def _squeezed(text: str) -> str:
    return re.sub(r"[\s|]", "", fold(text))


# without a model


def tells(kind: Kind, sentence: SourceSentence) -> bool:
    """Whether a row can be made from `sentence`."""
    return made_row(kind, sentence, "") is not None


def made_row(kind: Kind, sentence: SourceSentence, columns: str) -> tuple[str, ...] | None:
    """The row that `sentence` states, in its own words; None if it states none.

    Args:
        columns: for a row of a table, the unit and the names of its columns.
    """
    if kind is ACTIONS:
        return action_of_sentence(sentence.text)
    if sentence.is_row:
        return figure_of_row(sentence.text, columns)
    return figure_of_sentence(sentence.text)
