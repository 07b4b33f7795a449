"""Rows of a summary: read from the lines that a model wrote, or, without one, found in single sentences."""

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
    """The cells of a line that a model wrote; None where it is no row, or the one that names the columns."""
    cells = BAR.split(line.strip())
    if cells and not cells[0]:
        cells = cells[1:]
    cells = [cell.strip(" *") for cell in cells[: len(kind.columns)]]
    if RULE.fullmatch(line) or len(cells) < 2 or cells[0] == kind.columns[0] or not cells[0]:
        return None
    return (*(cell or NONE_NAMED for cell in cells), *[NONE_NAMED] * (len(kind.columns) - len(cells)))


def prose(cells: tuple[str, ...], kind: Kind) -> str:
    """A row as it is checked, and read in a line: «매출액 3,010억원»."""
    before = [cell for cell in cells[: kind.value[0]] if cell != NONE_NAMED]
    return " ".join(filter(None, [*before, value_of(cells, kind)]))


def value_of(cells: tuple[str, ...], kind: Kind) -> str:
    """What of a row must stand in its quote; empty where nothing is named."""
    return "".join(cells[place] for place in kind.value if cells[place] != NONE_NAMED)


def holds(quote: str, value: str) -> bool:
    """Whether the words of `value` stand in `quote`."""
    return _squeezed(value) in _squeezed(quote)


def _squeezed(text: str) -> str:
    return re.sub(r"[\s|]", "", fold(text))


# without a model


def tells(kind: Kind, sentence: SourceSentence) -> bool:
    """Whether a row can be made from `sentence`."""
    return made_row(kind, sentence, "") is not None


def made_row(kind: Kind, sentence: SourceSentence, columns: str) -> tuple[str, ...] | None:
    """The row that `sentence` tells, in its own words; None where it tells none.

    Args:
        columns: unit and names of the columns, of the row of a table.
    """
    if kind is ACTIONS:
        return action_of_sentence(sentence.text)
    if sentence.is_row:
        return figure_of_row(sentence.text, columns)
    return figure_of_sentence(sentence.text)
