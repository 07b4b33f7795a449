"""After any death of a writer the index holds exactly the last commit."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from indexes.disk.writer import Writer
from indexes.errors import IndexUnwritable
from indexes.upkeep.check import check
from tests.faults.run import STEPS, run, steps_said
from tests.flips.run import in_child, long_document, make_index, observe
from tests.support.indexes import MANIFEST, held


def test_fifty_deaths_lose_nothing():
    report = run(7, 52)
    assert report.broken == []
    assert {*STEPS, "random"} == set(report.deaths) and report.power >= 10


def test_the_harness_knows_every_step():
    assert set(steps_said()) <= set(STEPS)
    assert all(re.fullmatch("[a-z ]+", step) for step in STEPS)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of four megabytes."""
    folder = tmp_path / "작은디스크"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("free", [0, 8, 40, 100, 150, 200])
def test_on_a_full_disk_the_last_commit_stands_and_the_writer_goes_on(small_disk, free):
    index, ballast = small_disk / "색인", small_disk / "짐"
    with Writer(index, MANIFEST) as writer:
        writer.add(long_document(0))
        writer.commit()
        whole = held(index)
        with ballast.open("wb") as file:
            left = shutil.disk_usage(small_disk).free - free * 1024
            file.write(b"0" * left)
        for number in range(1, 40):
            writer.add(long_document(number))
        with pytest.raises(IndexUnwritable) as full:
            writer.commit()
        assert "공간" in full.value.say("ko") and "intact" in full.value.say("en")
        assert held(index) == whole and check(index) == (1, [])
        ballast.unlink()
        assert writer.commit() == 2
    assert len(held(index)) == 40 and check(index) == (2, [])


@pytest.fixture
def closed_folder():
    """A folder that everybody may read and only root may write."""
    folder = Path(tempfile.mkdtemp(prefix="rag-readonly-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_an_index_without_the_right_to_write_is_read_and_a_writer_refused(closed_folder):
    if os.geteuid():
        pytest.skip("needs root, to become somebody else")
    index = closed_folder / "색인"
    make_index(index)
    whole = observe(index)  # also loads what nobody may load later
    for name in ("index.sqlite-wal", "index.sqlite-shm"):
        (index / name).unlink(missing_ok=True)
    names = sorted(path.name for path in index.rglob("*"))

    def as_nobody(work):
        tempfile.tempdir = "/tmp"  # not one that only root may use
        os.setresuid(65534, 65534, 65534)
        return work()

    assert in_child(lambda: as_nobody(lambda: observe(index))) == ("done", whole)
    assert in_child(lambda: as_nobody(lambda: check(index)[1])) == ("done", [])
    assert in_child(lambda: as_nobody(lambda: Writer(index, MANIFEST))) == ("refused", "index_unwritable")
    assert sorted(path.name for path in index.rglob("*")) == names
    assert observe(index) == whole
