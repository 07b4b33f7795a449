"""Tables as text: what is written is read back, and no cell runs, whatever is in it."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from ingest.document import CELL_SEPARATOR
from rag.wording.tables import BOM, FORMULA, csv_text, harmless, row_cells
from tests.support.tables import NASTY_CELLS

cells = st.one_of(st.sampled_from(NASTY_CELLS), st.text(max_size=20)).map(
    lambda text: text.replace("\x00", "")
)
tables = st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(cells, min_size=n, max_size=n), max_size=5))


@given(tables)
def test_the_csv_module_reads_back_the_cells_and_none_is_a_formula(rows):
    text = csv_text(rows)
    assert text.startswith(BOM)
    read = list(csv.reader(io.StringIO(text[1:], newline="")))
    assert read == [[harmless(cell) for cell in row] for row in rows]
    for row, written in zip(rows, read, strict=True):
        for cell, found in zip(row, written, strict=True):
            assert found in (cell, f"'{cell}")
            assert found == "-" or not FORMULA.match(found)


@given(st.lists(st.text("가나1, a", max_size=4).map(str.strip), min_size=1, max_size=6))
def test_the_cells_of_a_row_are_read_back_also_where_some_are_empty(row):
    assert row_cells(CELL_SEPARATOR.join(row)) == row
    assert row_cells(" ".join(CELL_SEPARATOR.join(row).split())) == [" ".join(cell.split()) for cell in row]
