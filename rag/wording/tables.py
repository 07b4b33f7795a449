"""Rows of cells: read from a document's text, and written as CSV that a spreadsheet opens and does not run."""

import csv
import io
import re
from collections.abc import Sequence

# Between the cells of a row; two that stand together share the blank between them.
SEPARATOR = re.compile(r"(?:^|\s)\|(?=\s|$)")
# Excel takes UTF-8 for it only behind this.
BOM = "\ufeff"
# What a spreadsheet takes for the beginning of a formula, also written full-width, or behind blanks.
FORMULA = re.compile(r"[\s\x00]*[=+\-@＝＋－＠\t\r]")


def row_cells(row: str) -> list[str]:
    """The cells of a table's row as a document's text has it; «매출액 | | 3,010» has an empty one."""
    return [cell.strip() for cell in SEPARATOR.split(row)]


def row_values(row: str, columns: str = "") -> str:
    """What stands behind the name of a row: «2,680 / 3,010», and «2024년 2,680 / 2025년 3,010» by the names of `columns`.

    Args:
        columns: unit and names of the columns; those that have not one for each cell name nothing.
    """
    cells, names = row_cells(row), row_cells(columns.rpartition(" > ")[2])
    if len(names) != len(cells) or len(cells) < 3:
        names = [""] * len(cells)
    told = list(zip(names, cells, strict=True))[1:]
    return " / ".join(f"{name} {value}".strip() for name, value in told if value)


def csv_text(rows: Sequence[Sequence[str]]) -> str:
    """`rows` as CSV with a byte order mark. A cell that would be a formula begins with an apostrophe."""
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerows([harmless(cell) for cell in row] for row in rows)
    return BOM + written.getvalue()


def harmless(cell: str) -> str:
    """`cell` as no spreadsheet runs it; a dash alone is none."""
    cell = cell.replace("\x00", "")
    return f"'{cell}" if FORMULA.match(cell) and cell != "-" else cell
