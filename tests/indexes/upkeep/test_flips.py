"""A flipped bit that changes an answer is found, in every kind of file, and repaired or refused."""

import sqlite3

import pytest

from indexes.disk.schema import DATABASE
from indexes.errors import IndexDamaged
from indexes.types import MODES
from indexes.upkeep.check import check
from indexes.upkeep.repair import repair
from tests.flips.run import make_index, observe, run
from tests.support.indexes import ANALYSER, EMBEDDER, MANIFEST, found, reader
from tests.support.laws import tries


def test_no_flip_is_missed_and_repairs_hold(tmp_path):
    report = run(7, tries(4), tmp_path)
    assert report.broken == []
    assert {
        "index.sqlite",
        "index.sqlite-wal",
        "faiss",
        "keys.npy",
        "coarse",
        "approximate.json",
        ".term",
        ".del",
    } <= report.outcomes.keys()
    assert sum(sum(counts.values()) for counts in report.outcomes.values()) >= 50


@pytest.fixture
def index(tmp_path):
    make_index(tmp_path / "색인")
    return tmp_path / "색인"


def mend(folder):
    return repair(folder, MANIFEST, EMBEDDER, ANALYSER)


def test_a_whole_index_is_left_as_it_is(index):
    before = {path.name: path.read_bytes() for path in index.rglob("*.faiss")}
    done = mend(index)
    assert done.repaired == [] and done.removed == []
    assert {path.name: path.read_bytes() for path in index.rglob("*.faiss")} == before


def test_vectors_and_postings_that_are_gone_are_made_again(index):
    whole = observe(index)
    for path in [*index.glob("dense/*.faiss"), *index.glob("lexical/*/*.term")]:
        path.unlink()
    assert check(index)[1]
    done = mend(index)
    assert done.removed == [] and check(index) == (done.version, [])
    after = observe(index)
    assert after["documents"] == whole["documents"]
    for mode in MODES:
        assert [{chunk for chunk, *_ in row} for row in after[mode]] == [
            {chunk for chunk, *_ in row} for row in whole[mode]
        ]


def test_a_document_whose_text_is_damaged_is_taken_out_and_named(index):
    with sqlite3.connect(index / DATABASE) as connection:
        connection.execute("UPDATE chunks SET text = replace(text, '번째', '번쩨') WHERE key = 7")
    connection.close()
    (finding,) = [finding for finding in check(index)[1] if "0000" in finding.what]
    assert "/문서/0000.pdf" in finding.what and "ingest" in finding.remedy
    done = mend(index)
    assert [(lost.path, lost.title) for lost in done.removed] == [("/문서/0000.pdf", "0000")]
    assert check(index)[1] == []
    assert not any(
        "0번 문서의" in text and text.startswith("0번") for text in found(reader(index), "0번 문서의")
    )


def test_a_file_that_is_no_database_any_more_is_refused(index):
    (index / DATABASE).write_bytes(b"\0" * 4096)
    with pytest.raises(IndexDamaged):
        mend(index)
    assert check(index)[1]
