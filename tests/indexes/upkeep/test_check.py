"""A byte that is not what was written is found, in every kind of file."""

import random
import shutil
import sqlite3

import pytest

from indexes.disk.schema import DATABASE
from indexes.disk.writer import Writer
from indexes.errors import IndexNotFound
from indexes.upkeep.check import check
from tests.support.indexes import MANIFEST, numbered


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    with Writer(folder, MANIFEST) as writer:
        for number in range(6):
            writer.add(numbered(number))
            if number % 2:
                writer.commit()
        writer.remove(numbered(0).document.document_id)
        writer.commit()
    return folder


@pytest.fixture
def copy(index, tmp_path):
    return shutil.copytree(index, tmp_path / "copy")


def flip(path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 0x10
    path.write_bytes(data)


def test_a_whole_index_has_no_findings(copy):
    assert check(copy) == (4, [])


def test_a_flipped_byte_in_any_file_but_the_database_is_found_and_named(copy):
    chance = random.Random(7)
    files = sorted(p for kind in ("dense", "lexical") for p in (copy / kind).rglob("*") if p.is_file())
    files = [path for path in files if path.suffix != ".lock" and path.stat().st_size]
    assert len({path.suffix for path in files}) >= 5
    for path in files:
        whole = path.read_bytes()
        flip(path, chance.randrange(len(whole)))
        _, findings = check(copy)
        assert [finding.file for finding in findings] == [str(path.relative_to(copy))]
        assert findings[0].what and findings[0].remedy
        path.write_bytes(whole)


def test_a_flipped_byte_in_a_text_is_found(copy):
    path = copy / DATABASE
    data = path.read_bytes()
    position = data.rindex("3번 문서의 1번 조각".encode())
    flip(path, position + 1)
    _, findings = check(copy)
    assert findings and findings[0].file == DATABASE


@pytest.mark.parametrize("position", [0, 16, 100, 105])
def test_a_flipped_byte_in_the_head_of_the_database_is_found_or_refused(copy, position):
    flip(copy / DATABASE, position)
    _, findings = check(copy)
    assert findings and findings[0].file == DATABASE


def test_a_missing_file_is_found(copy):
    victim = next((copy / "dense").glob("*.faiss"))
    victim.unlink()
    assert [(finding.file, finding.what) for finding in check(copy)[1]] == [
        (f"dense/{victim.name}", "is missing")
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM chunks WHERE key = 7",
        "UPDATE chunks SET start = start + 1 WHERE key = 7",
        "DELETE FROM pages WHERE content = 7",
        "UPDATE pages SET end = end + 1 WHERE content = 7",
        "DELETE FROM files WHERE name LIKE '%.faiss'",
        "UPDATE documents SET chunks = chunks - 1 WHERE content = 7",
        "UPDATE documents SET paths = '[' WHERE content = 7",
    ],
)
def test_rows_that_do_not_fit_together_are_found(copy, statement):
    with sqlite3.connect(copy / DATABASE) as connection:
        assert connection.execute(statement).rowcount
    connection.close()
    assert check(copy)[1]


def test_a_row_that_was_added_is_told_as_such_and_the_file_is_named_once(copy):
    with sqlite3.connect(copy / DATABASE) as connection:
        connection.execute("INSERT INTO files VALUES ('dense/9.faiss', 'dense', 1, 'x', 1, NULL, 1)")
    connection.close()
    (finding,) = check(copy)[1]
    assert finding.file == DATABASE
    assert finding.what == "the rows of documents or files are not those of the seal"


def test_where_there_is_no_index_nothing_is_checked(tmp_path):
    with pytest.raises(IndexNotFound):
        check(tmp_path)
