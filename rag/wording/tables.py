"""Rows of cells: read from a document's text, and written as CSV in which a spreadsheet runs no formula."""

import csv
import io
import re
from collections.abc import Sequence

# Divides the cells of a row; two separators in a row share the blank between them.
SEPARATOR = re.compile(r"(?:^|\s)\|(?=\s|$)")
# Without this mark at the beginning, Excel does not read a CSV file as UTF-8.
BOM = "\ufeff"
# The beginning of a formula for a spreadsheet: such a character, also in full width, also behind blanks.
FORMULA = re.compile(r"[\s\x00]*[=+\-@＝＋－＠\t\r]")


def row_cells(row: str) -> list[str]:
    """The cells of a table row in a document's text; «매출액 | | 3,010» has three, the second empty."""
    return [cell.strip() for cell in SEPARATOR.split(row)]


def row_values(row: str, columns: str = "") -> str:
    """The values of a row, without its first cell: «2,680 / 3,010», or by column «2024년 2,680 / 2025년 3,010».

    Args:
        columns: unit and names of the columns. They are not used unless there is one name for each cell, at least 3.
    """
    cells, names = row_cells(row), row_cells(columns.rpartition(" > ")[2])
    if len(names) != len(cells) or len(cells) < 3:
        names = [""] * len(cells)
    told = list(zip(names, cells, strict=True))[1:]
    return " / ".join(f"{name} {value}".strip() for name, value in told if value)


def csv_text(rows: Sequence[Sequence[str]]) -> str:
    """`rows` as CSV with a byte order mark. A cell that would be a formula gets an apostrophe in front."""
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerows([harmless(cell) for cell in row] for row in rows)
    return BOM + written.getvalue()


def harmless(cell: str) -> str:
    """`cell`, with an apostrophe in front if a spreadsheet would run it as a formula; a lone dash needs none."""
    cell = cell.replace("\x00", "")
    return f"'{cell}" if FORMULA.match(cell) and cell != "-" else cell
