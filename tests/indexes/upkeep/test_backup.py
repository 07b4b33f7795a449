"""A backup is one committed version, whole or not there; an older format is upgraded or refused."""

import hashlib
import re
import shutil
import sqlite3
from pathlib import Path

import pytest

from indexes.disk.dense import ENDINGS
from indexes.disk.schema import DATABASE, FORMAT, seal_of
from indexes.disk.store import Store
from indexes.disk.writer import Writer
from indexes.errors import (
    IndexBusy,
    IndexDamaged,
    IndexFormat,
    IndexNotFound,
    IndexOutdated,
    IndexUnwritable,
    TargetExists,
)
from indexes.types import MODES
from indexes.upkeep.backup import backup, restore
from indexes.upkeep.check import check
from indexes.upkeep.repair import repair
from indexes.upkeep.status import status
from indexes.upkeep.upgrade import upgrade
from rag import Pipeline
from tests.support.indexes import (
    ANALYSER,
    EMBEDDER,
    ENDLESS_WRITER,
    MANIFEST,
    found,
    held,
    numbered,
    python,
    reader,
)
from tests.support.laws import tries

OLD = Path(__file__).parents[2] / "fixtures" / "index-format-2"


@pytest.fixture
def index(tmp_path):
    folder = tmp_path / "색인"
    with Writer(folder, MANIFEST) as writer:
        for number in range(4):
            writer.add(numbered(number))
            writer.commit()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_backup_is_an_index_that_answers_alike(index, tmp_path):
    assert backup(index, tmp_path / "사본") == 4
    assert check(tmp_path / "사본") == (4, []) and held(tmp_path / "사본") == held(index)
    for mode in MODES:
        query = "2번 문서의 1번 조각"
        assert found(reader(tmp_path / "사본"), query, mode) == found(reader(index), query, mode)
    with Writer(tmp_path / "사본", MANIFEST) as writer:
        writer.add(numbered(9))
        assert writer.commit() == 5


def test_backups_while_a_writer_commits_and_sweeps_are_whole_versions(tmp_path):
    folder = tmp_path / "색인"
    with python(ENDLESS_WRITER, folder, 0) as process:
        assert process.stdout.readline() == b"open\n"
        while process.stdout.readline() != b"5 6\n":
            pass
        seen = set()
        for number in range(tries(30)):
            version = backup(folder, tmp_path / str(number))
            assert check(tmp_path / str(number)) == (version, [])
            titles = [f"{n:04d}" for n in range(version) if n % 3 or n + 2 >= version]
            assert held(tmp_path / str(number)) == titles
            seen.add(version)
        process.kill()
    assert len(seen) > 10


def test_what_is_there_is_not_overwritten(index, tmp_path):
    (tmp_path / "사본").mkdir()
    (tmp_path / "사본" / "일기.txt").write_text("소중하다", encoding="utf-8")
    for run in (
        lambda: backup(index, tmp_path / "사본"),
        lambda: restore(index, tmp_path / "사본"),
        lambda: restore(index, tmp_path / "사본", force=True),  # it is no index
    ):
        with pytest.raises(TargetExists):
            run()
    assert contents(tmp_path / "사본") == {"일기.txt": "소중하다".encode()}
    with pytest.raises(IndexNotFound):
        backup(tmp_path / "없음", tmp_path / "새것")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["사본", "색인"]


def test_folders_with_names_like_those_of_a_copy_in_the_making_are_left_alone(index, tmp_path):
    for name in ("사본.partial", "색인.partial", "색인.replaced"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "일기.txt").write_text("소중하다", encoding="utf-8")
    backup(index, tmp_path / "사본")
    restore(tmp_path / "사본", index, force=True)
    assert len(list(tmp_path.glob("*.*/일기.txt"))) == 3 and len(list(tmp_path.iterdir())) == 5


def test_an_index_that_could_not_be_replaced_is_there_again(index, tmp_path, monkeypatch):
    backup(index, tmp_path / "사본")
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise PermissionError(13, "refused")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(IndexUnwritable):
        restore(tmp_path / "사본", index, force=True)
    assert check(index) == (4, []) and len(list(tmp_path.iterdir())) == 2


def test_a_damaged_file_is_neither_backed_up_nor_restored(index, tmp_path):
    backup(index, tmp_path / "사본")
    for folder in (index, tmp_path / "사본"):
        path = next((folder / "dense").glob("*.faiss"))
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    with pytest.raises(IndexDamaged, match="faiss"):
        backup(index, tmp_path / "둘째")
    assert not (tmp_path / "둘째").exists()
    before = contents(index)
    with pytest.raises(IndexDamaged, match="faiss"):
        restore(tmp_path / "사본", index, force=True)
    assert contents(index) == before


def test_restoring_replaces_an_index_only_when_told_and_when_nobody_writes(index, tmp_path):
    backup(index, tmp_path / "사본")
    with Writer(index, MANIFEST) as writer:
        writer.add(numbered(7))
        writer.commit()
        with pytest.raises(IndexBusy):
            restore(tmp_path / "사본", index, force=True)
    opened = reader(index)
    with pytest.raises(TargetExists):
        restore(tmp_path / "사본", index)
    assert restore(tmp_path / "사본", index, force=True) == 4
    assert held(index) == [f"{number:04d}" for number in range(4)] and check(index) == (4, [])
    assert found(opened, "7번 문서의 0번 조각", "lexical")  # who had it open goes on reading it
    assert sorted(path.name for path in tmp_path.iterdir()) == ["사본", "색인"]


def around(folder: Path) -> list[Path]:
    """All files and folders beside `folder`; inside, SQLite makes files even to read."""
    return sorted(path for path in folder.parent.rglob("*") if folder not in path.parents)


def rename_stored(folder: Path, name: str) -> None:
    """Change a file name in the index, with a valid seal, as somebody could who knows how rows are sealed."""
    store = Store(folder, writable=True)
    with store.transaction() as connection:
        (known, *_) = store.files.current("dense")
        store.files.forget(0)
        connection.execute("DELETE FROM files WHERE name = ?", (known.name,))
        store.database.insert("files", [(name, known.kind, known.bytes, known.sha256, store.version, None)])
        store.set_meta("seal", seal_of(connection))
    store.close()


@pytest.mark.parametrize(
    "outside", ["../밖.faiss", "dense/../../밖.faiss", "/tmp/밖.faiss", "dense//밖.faiss"]
)
def test_a_backup_that_names_files_outside_itself_is_refused_and_nothing_is_written(index, tmp_path, outside):
    backup(index, received := tmp_path / "받은 것")
    rename_stored(received, outside)
    before = around(received)
    with pytest.raises(IndexDamaged, match="names a file outside"):
        restore(received, tmp_path / "여기")
    assert around(received) == before and not Path("/tmp/밖.faiss").exists()


@pytest.mark.parametrize("linked", ["dense", "file", DATABASE])
def test_a_backup_whose_files_are_links_is_refused_and_nothing_is_written(index, tmp_path, linked):
    backup(index, received := tmp_path / "받은 것")
    path = next((received / "dense").glob("*.faiss")) if linked == "file" else received / linked
    path.rename(tmp_path / "딴 곳")
    path.symlink_to(tmp_path / "딴 곳")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(IndexDamaged, match="is a link"):
        restore(received, tmp_path / "여기")
    assert sorted(tmp_path.rglob("*")) == before


def replace_stored(folder: Path, ending: str, data: bytes) -> None:
    """Replace a file of vectors and its checksum, with a valid seal, as somebody could who knows how rows are sealed."""
    store = Store(folder, writable=True)
    with store.transaction() as connection:
        known = next(file for file in store.files.current("dense") if file.name.endswith(ending))
        (folder / known.name).write_bytes(data)
        connection.execute("DELETE FROM files WHERE name = ?", (known.name,))
        digest = hashlib.sha256(data).hexdigest()
        store.database.insert("files", [(known.name, "dense", len(data), digest, store.version, None)])
        store.set_meta("seal", seal_of(connection))
    store.close()


@pytest.mark.parametrize("ending", ENDINGS)
def test_sealed_garbage_is_found_refused_and_repaired_in_the_words_of_this_program(index, tmp_path, ending):
    backup(index, received := tmp_path / "받은 것")
    replace_stored(received, ending, b"garbage " * 99)
    (finding,) = check(received)[1]
    assert finding.file.startswith("dense/") and finding.what.endswith(f"{ending} cannot be read")
    for read in (lambda: restore(received, tmp_path / "여기"), lambda: reader(received)):
        with pytest.raises(IndexDamaged, match=f"{ending} cannot be read") as refused:
            read()
        assert "pickle" not in str(refused.value)
    done = repair(received, MANIFEST, EMBEDDER, ANALYSER)
    assert done.repaired == [(finding.file, "made again from the stored text")] and not done.removed
    assert check(received) == (done.version, [])


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON documents BEGIN DELETE FROM chunks; END",
        "CREATE VIEW more AS SELECT * FROM chunks",
        "ALTER TABLE chunks RENAME TO kept; CREATE VIEW chunks AS SELECT * FROM kept",
        "CREATE TABLE notes (text TEXT)",
        "DROP INDEX doubtful_pages",
    ],
)
def test_a_backup_with_tables_that_are_not_ours_is_refused_and_can_be_repaired(index, tmp_path, statement):
    backup(index, received := tmp_path / "받은 것")
    with sqlite3.connect(received / DATABASE) as connection:
        connection.executescript(statement)
    connection.close()
    (finding,) = check(received)[1]
    assert finding.file == DATABASE and re.search(r"is not of this program|is missing", finding.what)
    with pytest.raises(IndexDamaged, match=r"is not of this program|is missing"):
        restore(received, tmp_path / "여기")
    assert not (tmp_path / "여기").exists()
    repair(received, MANIFEST, EMBEDDER, ANALYSER)
    assert check(received)[1] == [] and held(received) == held(index)


@pytest.fixture
def old(tmp_path):
    return Path(shutil.copytree(OLD, tmp_path / "옛색인"))


def test_an_older_format_is_refused_with_what_to_do(old):
    for read in (Store, lambda folder: Writer(folder, MANIFEST), status):
        with pytest.raises(IndexOutdated) as refused:
            read(old)
    assert "rag upgrade" in refused.value.say("ko") and "rag upgrade" in refused.value.say("en")


def test_an_older_index_answers_after_its_upgrade(old):
    with Pipeline.open(old) as pipeline:
        assert pipeline.upkeep.upgrade() == ("2", True)
        assert pipeline.upkeep.upgrade() == (str(FORMAT), False)  # once more does nothing
        assert check(old) == (4, [])
        documents = {document.title: document for document in pipeline.documents()}
        assert set(documents) == {"숙소 이용 규정", "보안 점검 지침"}
        assert all(d.groups == ("총무",) and d.pages == 1 for d in documents.values())
        for mode in MODES:
            first = pipeline.search("숙소 이용료는 얼마인가요?", mode=mode)[0]
            assert "12,000원" in first.chunk.text
            assert all(
                "임시" not in passage.chunk.text for passage in pipeline.search("임시 문서", mode=mode)
            )
        assert "12,000원" in pipeline.ask("숙소 이용료는 얼마인가요?").text


def test_an_upgrade_that_is_broken_off_leaves_the_old_index(old):
    with sqlite3.connect(old / DATABASE) as connection:
        connection.execute("UPDATE chunks SET text = '다른 글' WHERE key = 2")
    connection.close()
    with pytest.raises(IndexDamaged, match="chunk 2"):
        upgrade(old)
    with pytest.raises(IndexOutdated):
        Store(old)


def test_a_format_of_the_future_is_refused(old):
    with sqlite3.connect(old / DATABASE) as connection:
        connection.execute("UPDATE meta SET value = '9' WHERE name = 'format'")
    connection.close()
    for refuse in (Store, upgrade):
        with pytest.raises(IndexFormat, match="9") as refused:
            refuse(old)
        assert not isinstance(refused.value, IndexOutdated)
