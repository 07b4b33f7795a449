"""One writer at a time, all or nothing, whatever kills it."""

import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from indexes.disk import dense
from indexes.disk.retriever import Retriever
from indexes.disk.store import Store
from indexes.disk.writer import Writer
from indexes.errors import IndexBusy, IndexMismatch, IndexUnwritable
from indexes.types import MODES, EmbedderIdentity
from indexes.upkeep.check import check
from tests.support.fakes import BigramEmbedder
from tests.support.indexes import (
    ANALYSER,
    EMBEDDER,
    ENDLESS_WRITER,
    MANIFEST,
    content,
    found,
    held,
    numbered,
    python,
    reader,
)
from tests.support.laws import tries


def test_nothing_is_seen_before_the_commit_and_all_of_it_after(tmp_path):
    with Writer(tmp_path, MANIFEST) as writer:
        writer.add(content("가", "개인정보를 보호한다. "))
        assert writer.commit() == 1
        writer.add(content("나", "예산을 집행한다. "))
        assert held(tmp_path) == ["가"]
        assert writer.commit() == 2
    assert held(tmp_path) == ["가", "나"]
    for mode in MODES:
        assert found(reader(tmp_path), "예산을 집행한다.", mode)[0] == "예산을 집행한다. "
    assert check(tmp_path) == (2, [])


def test_a_commit_without_changes_makes_no_version(tmp_path):
    with Writer(tmp_path, MANIFEST) as writer:
        assert writer.commit() == 1  # the manifest of a new index
        assert writer.commit() == 1
    assert reader(tmp_path).retrieve(["질문"], 5) == [[]]
    assert check(tmp_path) == (1, [])


def test_what_was_not_committed_is_gone(tmp_path):
    with Writer(tmp_path, MANIFEST) as writer:
        writer.add(numbered(1))
        writer.commit()
        writer.add(numbered(2))
    with Writer(tmp_path, MANIFEST) as writer:
        assert [document.title for document in writer.documents.values()] == ["0001"]


def test_a_second_writer_is_refused_at_once(tmp_path):
    with Writer(tmp_path, MANIFEST):
        started = time.monotonic()
        with pytest.raises(IndexBusy, match="pid"):
            Writer(tmp_path, MANIFEST)
        assert time.monotonic() - started < 1
    with Writer(tmp_path, MANIFEST):
        pass


def test_the_lock_of_a_dead_writer_does_not_linger(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from indexes.disk.writer import Writer\n"
        "from tests.support.indexes import MANIFEST, numbered\n"
        "writer = Writer(Path(sys.argv[1]), MANIFEST); writer.add(numbered(1)); writer.commit()\n"
        "print('committed', flush=True); time.sleep(60)\n"
    )
    with python(program, tmp_path) as process:
        assert process.stdout.readline() == b"committed\n"
        with pytest.raises(IndexBusy, match=str(process.pid)):
            Writer(tmp_path, MANIFEST)
        process.kill()
        process.wait()
        with Writer(tmp_path, MANIFEST) as writer:
            assert len(writer.documents) == 1


def test_kills_leave_exactly_the_last_commit(tmp_path):
    number, version = 0, 0
    for attempt in range(tries(10)):
        # A commit has about ten steps, so each attempt ends at another one of them, after two commits or more.
        with python(ENDLESS_WRITER, tmp_path, number, 30 + 7 * (attempt % 10)) as process:
            assert process.stdout.readline() == b"open\n"
            lines = [line.split() for line in process.stdout.read().splitlines()]
        assert process.wait() == -signal.SIGKILL
        if lines:
            number, version = int(lines[-1][0]) + 1, int(lines[-1][1])
        store = Store(tmp_path)
        assert store.version in (version, version + 1)  # killed before it could tell
        number += store.version - version
        version = store.version
        store.close()
        expected = [n for n in range(number) if not (n % 3 == 0 and n + 2 < number)]
        assert [int(title) for title in held(tmp_path)] == expected
        assert check(tmp_path) == (version, [])
    assert version >= 5


def test_a_reader_keeps_its_version_while_a_writer_commits_and_sweeps(tmp_path):
    with Writer(tmp_path, MANIFEST) as writer:
        for number in range(4):
            writer.add(numbered(number))
            writer.commit()
        old = reader(tmp_path)
        before = {mode: found(old, "2번 문서의 1번 조각", mode) for mode in MODES}
        writer.remove(numbered(2).document.document_id)
        for number in range(4, 12):
            writer.add(numbered(number))
            writer.commit()
    assert {mode: found(old, "2번 문서의 1번 조각", mode) for mode in MODES} == before
    assert old.version == 4 and [d.title for d in old.documents] == [f"{n:04d}" for n in range(4)]
    assert reader(tmp_path).version == 12


def test_readers_that_open_while_a_writer_commits_see_whole_versions(tmp_path):
    with python(ENDLESS_WRITER, tmp_path, 0) as process:
        process.stdout.readline()
        while process.stdout.readline().split()[-1:] != [b"3"]:
            pass
        versions = set()
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            opened = reader(tmp_path)
            versions.add(opened.version)
            wanted = opened.documents[-1]
            query = f"{int(wanted.title)}번 문서의 0번 조각이다."
            assert any(p.chunk.document_id == wanted.document_id for p in opened.retrieve([query], 50)[0])
            opened.store.close()
        process.kill()
    assert len(versions) > 3


@pytest.mark.parametrize("mode", MODES)
def test_a_deleted_document_answers_nothing_from_the_commit_on(tmp_path, mode):
    with Writer(tmp_path, MANIFEST) as writer:
        writer.add(content("비밀", "비밀 유지 약정을 맺는다. "))
        writer.add(content("공개", "회의록을 공개한다. "))
        writer.commit()
        writer.remove(content("비밀").document.document_id)
        writer.commit()
    texts = found(reader(tmp_path), "비밀 유지 약정을 맺는다.", mode)
    assert "비밀 유지 약정을 맺는다. " not in texts
    assert check(tmp_path)[1] == []


def test_a_document_added_again_is_there_once(tmp_path):
    with Writer(tmp_path, MANIFEST) as writer:
        for text in ("첫 번째 글이다. ", "두 번째 글이다. "):
            writer.add(content("같은", text))
            writer.commit()
        writer.add(content("같은", "버려질 글이다. "))
        writer.add(content("같은", "세 번째 글이다. "))
        writer.commit()
    for mode in MODES:
        assert found(reader(tmp_path), "세 번째 글이다.", mode) == ["세 번째 글이다. "]
    assert check(tmp_path) == (3, [])


def files_of(folder: Path) -> list[str]:
    return sorted(path.name for kind in ("dense", "lexical") for path in (folder / kind).rglob("*"))


def test_new_groups_write_no_file(tmp_path):
    with Writer(tmp_path, MANIFEST) as writer:
        writer.add(numbered(1))
        writer.commit()
        before = files_of(tmp_path)
        (document,) = writer.documents.values()
        writer.change(replace(document, groups=("인사",)))
        writer.commit()
        after = files_of(tmp_path)
    assert [d.groups for d in reader(tmp_path).documents] == [("인사",)]
    assert after == before


def test_segments_are_few_and_large_ones_are_left_alone(tmp_path):
    largest = []
    with Writer(tmp_path, MANIFEST) as writer:
        for number in range(32):
            writer.add(numbered(number, 2))
            writer.commit()
            writer.merge()
            sizes = [(path.stat().st_size, path.name) for path in (tmp_path / "dense").glob("*.faiss")]
            assert len(sizes) <= 6
            largest.append(max(sizes)[1])
        names = {path.stem for path in (tmp_path / "dense").glob("*.faiss")}
        total = sum(len(dense.open_segment(tmp_path / "dense", name).keys) for name in names)
    assert total == 64
    assert len(set(largest)) <= 6  # written anew only when it doubles


def test_a_merge_leaves_the_vectors_of_deleted_documents_behind(tmp_path):
    with Writer(tmp_path, MANIFEST) as writer:
        writer.add(numbered(1))
        writer.commit()
        writer.remove(numbered(1).document.document_id)
        writer.add(numbered(2, 5))
        writer.commit()
        writer.merge()
    (segment,) = [dense.open_segment(path.parent, path.stem) for path in (tmp_path / "dense").glob("*.faiss")]
    assert len(segment.keys) == 5
    assert check(tmp_path)[1] == []


def test_another_embedder_is_refused_with_both_names(tmp_path):
    with Writer(tmp_path, MANIFEST) as writer:
        writer.add(numbered(1))
        writer.commit()
    other = EmbedderIdentity("KURE-v1", "abc", 1024, "", "")
    with pytest.raises(IndexMismatch, match=r"bigrams \(64d, 1\).*KURE-v1 \(1024d, abc\)"):
        Writer(tmp_path, replace(MANIFEST, embedder=other))
    with pytest.raises(IndexMismatch, match=r"bigrams.*bigrams \(64d, 2\)"):
        Retriever(tmp_path, BigramEmbedder(revision="2"), ANALYSER)
    with pytest.raises(IndexMismatch, match=r"bigram-2.*kiwi"):
        Writer(tmp_path, replace(MANIFEST, analyser="kiwi-9"))
    with Writer(tmp_path, replace(MANIFEST, embedder=replace(EMBEDDER.identity, name="a local copy"))):
        pass  # the same revision under another name


def test_after_a_full_disk_the_same_writer_commits(tmp_path):
    with Writer(tmp_path, MANIFEST) as writer:
        writer.add(numbered(1))
        writer.commit()
        (tmp_path / "lexical" / "00000002").write_text("in the way of the next version", encoding="utf-8")
        writer.add(numbered(2))
        (tmp_path / "dense").rename(tmp_path / "elsewhere")
        with pytest.raises(IndexUnwritable):
            writer.commit()
        assert held(tmp_path) == ["0001"]
        (tmp_path / "elsewhere").rename(tmp_path / "dense")
        (tmp_path / "lexical" / "00000002").unlink()
        (tmp_path / "lexical" / "00000002").mkdir()  # half a version
        (tmp_path / "dense" / "00000002.faiss").write_bytes(b"half a segment")
        assert writer.commit() == 2
    assert held(tmp_path) == ["0001", "0002"]
    assert check(tmp_path) == (2, [])


def test_rows_and_vectors_that_do_not_fit_are_refused_and_change_nothing(tmp_path):
    with Writer(tmp_path, MANIFEST) as writer:
        writer.add(numbered(1))
        writer.commit()
        with pytest.raises(ValueError, match="3 chunks, 3 rows of terms, 2 vectors"):
            writer.add(replace(numbered(2), vectors=np.ones((2, 64), np.float32)))
        assert writer.commit() == 1
    assert held(tmp_path) == ["0001"]
