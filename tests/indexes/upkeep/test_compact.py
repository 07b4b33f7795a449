"""After compacting nothing of a deleted document is left in any file."""

import json
import subprocess
import time
from pathlib import Path
from random import Random

import pytest

from indexes.disk import versions
from indexes.disk.schema import DATABASE
from indexes.disk.store import Store
from indexes.disk.writer import Writer
from indexes.errors import IndexInUse
from indexes.types import MODES
from indexes.upkeep.check import check
from indexes.upkeep.compact import compact
from tests.support.indexes import ANALYSER, MANIFEST, content, found, numbered, python, reader

RUN = 12
SECRET = [
    "합병 상대는 가람정밀이고 인수 금액은 4조 5,678억원으로 한다. ",
    "계약금은 서명한 날부터 열흘 안에 치르며 위약금은 두 배이다. ",
    "담당자 이메일은 secretnegotiator@garam-precision.example 이다. ",
]


def index_with_secret(folder: Path) -> str:
    """The id of the secret document, which was deleted from an index made in `folder`."""
    with Writer(folder, MANIFEST) as writer:
        for number in range(6):
            writer.add(numbered(number))
            writer.commit()
        secret = content("인수합병_비밀계획서_초안", *SECRET)
        writer.add(secret)
        writer.commit()
        writer.merge()
        writer.remove(secret.document.document_id)
        writer.commit()
    return secret.document.document_id


def runs_left(folder: Path) -> dict[str, str]:
    """The files that hold 12 characters of the secret text or path, in any form in which they are stored."""
    texts = ["".join(SECRET), "/문서/인수합병_비밀계획서_초안.pdf"]
    pieces = [text[at : at + RUN] for text in texts for at in range(len(text) - RUN + 1)]
    kept = "".join(f"{n}번 문서의 {part}번 조각이다. " for n in range(6) for part in range(3))
    pieces = [piece for piece in pieces if piece not in kept and not piece.endswith(".pdf")]
    forms = {
        form: piece
        for piece in pieces
        for form in (piece.encode(), piece.encode("utf-16-le"), json.dumps(piece)[1:-1].encode())
    }
    left = {}
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            left |= {str(path.relative_to(folder)): forms[form] for form in forms if form in data}
    return left


def test_the_measure_sees_the_text_before_compacting(tmp_path):
    index_with_secret(tmp_path)
    assert DATABASE in runs_left(tmp_path) or f"{DATABASE}-wal" in runs_left(tmp_path)


def test_after_compacting_no_file_holds_twelve_characters_of_a_deleted_document(tmp_path):
    index_with_secret(tmp_path)
    before = {mode: found(reader(tmp_path), "3번 문서의 1번 조각이다.", mode) for mode in MODES}
    done = compact(tmp_path, MANIFEST, ANALYSER)
    assert runs_left(tmp_path) == {}
    assert done.bytes_after < done.bytes_before
    assert check(tmp_path) == (done.version, [])
    for mode in MODES:
        assert found(reader(tmp_path), "3번 문서의 1번 조각이다.", mode) == before[mode]
        assert not set(found(reader(tmp_path), SECRET[0], mode)) & set(SECRET)


def test_purging_alone_leaves_the_text_in_the_files(tmp_path):
    """What the last steps of compacting are for: pages that are free and a log that is not cut hold it."""
    index_with_secret(tmp_path)
    with Writer(tmp_path, MANIFEST) as writer:
        writer.purge()
        assert runs_left(tmp_path)


def test_compacting_again_writes_nothing_new(tmp_path):
    index_with_secret(tmp_path)
    first = compact(tmp_path, MANIFEST, ANALYSER)
    assert compact(tmp_path, MANIFEST, ANALYSER).version == first.version


def test_merging_after_compacting_keeps_every_vector(tmp_path):
    """What compacting leaves of an old segment is a new one: its keys come before those of its elders."""
    with Writer(tmp_path, MANIFEST) as writer:
        for numbers in ([0, 1], [2]):
            for number in numbers:
                writer.add(numbered(number))
            writer.commit()
        writer.remove(numbered(0).document.document_id)
        writer.commit()
    compact(tmp_path, MANIFEST, ANALYSER)
    with Writer(tmp_path, MANIFEST) as writer:
        writer.merge()
    assert check(tmp_path)[1] == []
    left = [chunk.text for number in (1, 2) for chunk in numbered(number).chunks]
    assert sorted(found(reader(tmp_path), "2번 문서", "dense")) == sorted(left)


@pytest.mark.parametrize("seed", range(6))
def test_no_order_of_adding_deleting_merging_and_compacting_loses_a_row(tmp_path, seed):
    random, held = Random(seed), set()
    for _ in range(12):
        with Writer(tmp_path, MANIFEST) as writer:
            for _ in range(random.randrange(1, 4)):
                number = random.randrange(9)
                if number in held and random.random() < 0.5:
                    writer.remove(numbered(number).document.document_id)
                    held.discard(number)
                else:
                    writer.add(numbered(number, random.randrange(1, 6)))
                    held.add(number)
            writer.commit()
            if random.random() < 0.4:
                writer.merge()
        if random.random() < 0.4:
            compact(tmp_path, MANIFEST, ANALYSER)
        assert check(tmp_path)[1] == []


def test_an_index_of_which_all_was_deleted_is_empty_and_whole(tmp_path):
    with Writer(tmp_path, MANIFEST) as writer:
        writer.add(content("비밀", *SECRET))
        writer.commit()
        writer.remove(content("비밀", *SECRET).document.document_id)
        writer.commit()
    compact(tmp_path, MANIFEST, ANALYSER)
    assert runs_left(tmp_path) == {} and check(tmp_path)[1] == []
    assert reader(tmp_path).retrieve(["합병"], 5) == [[]]
    with Writer(tmp_path, MANIFEST) as writer:
        writer.add(numbered(1))
        writer.commit()
    assert found(reader(tmp_path), "1번 문서")


HOLDER = """
import sys, time
from pathlib import Path
from tests.support.indexes import reader, found
opened = reader(Path(sys.argv[1]))
print(found(opened, "계약금 위약금", "lexical"), flush=True)
sys.stdin.readline()
print(found(opened, "계약금 위약금", "lexical"), flush=True)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that reads the version with the secret, which is then deleted."""
    with Writer(tmp_path, MANIFEST) as writer:
        secret = content("비밀", *SECRET)
        writer.add(secret)
        writer.add(numbered(1))
        writer.commit()
        process = python(HOLDER, tmp_path, stdin=subprocess.PIPE, text=True)
        process.first = process.stdout.readline()
        writer.remove(secret.document.document_id)
        writer.commit()
        writer.add(numbered(2))
        writer.commit()
        writer.merge()
    yield process
    process.kill()
    process.communicate()


def test_a_reader_of_an_older_version_is_named_and_keeps_what_it_reads(tmp_path, holder):
    with pytest.raises(IndexInUse, match=str(holder.pid)):
        compact(tmp_path, MANIFEST, ANALYSER)
    assert versions.holders(tmp_path, Store(tmp_path).version) == {1: [holder.pid]}
    holder.stdin.write("\n")
    holder.stdin.flush()
    assert SECRET[1].strip() in holder.first and holder.stdout.readline() == holder.first


def test_compacting_waits_for_readers_and_a_killed_reader_holds_nothing(tmp_path, holder):
    subprocess.Popen(["sh", "-c", f"sleep 1; kill -9 {holder.pid}"])
    started = time.monotonic()
    compact(tmp_path, MANIFEST, ANALYSER, wait_seconds=30)
    assert time.monotonic() - started < 20
    assert runs_left(tmp_path) == {}
