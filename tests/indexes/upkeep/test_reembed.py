"""An index gets another embedder in one version, from its stored text; an interrupted job continues."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from indexes.build import delete
from indexes.disk.retriever import Retriever
from indexes.disk.store import CALIBRATION, Store
from indexes.disk.writer import Writer
from indexes.errors import IndexMismatch, IndexNotFound, TextTooLong
from indexes.types import Calibration
from indexes.upkeep.check import check
from indexes.upkeep.compact import compact
from indexes.upkeep.reembed import FOLDER, reembed
from ingest.korean.analyse import BigramAnalyser
from tests.support.fakes import BigramEmbedder
from tests.support.indexes import ingest_files

CALIBRATED = Calibration(0.7, 50, 0.5, 0.6, 0.7, 240)
QUERIES = ["17번 담당자에게 적용한다", "예산 집행", "3번 업무"]


class Dying(BigramEmbedder):
    """Another embedder, which embeds `after` texts and then dies; notes how many it was given."""

    def __init__(self, after: float = float("inf")) -> None:
        super().__init__("2", dim=32)
        self.after, self.given = after, 0

    def embed_passages(self, texts, on_batch=lambda _: None):
        if self.given >= self.after:
            raise KeyboardInterrupt
        self.given += len(texts)
        return super().embed_passages(texts, on_batch)


@pytest.fixture
def files(tmp_path) -> Path:
    (tmp_path / "글").mkdir()
    for number in range(60):
        text = "\n\n".join(
            f"제{n}조(목적) {number}번 업무의 {n}번째 담당자에게 적용한다." for n in range(1, 5)
        )
        (tmp_path / "글" / f"{number:02}.txt").write_text(text, encoding="utf-8")
    return tmp_path / "글"


@pytest.fixture
def index(tmp_path, files) -> Path:
    ingest_files(tmp_path / "index", files)
    return tmp_path / "index"


def chunks(index: Path) -> int:
    store = Store(index)
    count = sum(row.document.chunks for row in store.documents.of(store.version))
    store.close()
    return count


def ranked(index: Path, embedder) -> list:
    found = Retriever(index, embedder, BigramAnalyser()).retrieve(QUERIES, 5, "dense")
    return [[(p.chunk.id, round(p.score, 3)) for p in row] for row in found]


def test_an_index_with_another_embedder_is_one_that_was_built_with_it(tmp_path, files, index):
    before = Retriever(index, BigramEmbedder(), BigramAnalyser())
    told = []
    with Writer(index, before.manifest) as writer:
        writer.note(CALIBRATION, CALIBRATED.to_json())
    version = reembed(index, Dying(), progress=lambda done, total: told.append((done, total)))
    assert Store(index).calibration is None  # it was another embedder's
    assert version == before.version + 1 and told[-1] == (chunks(index), chunks(index))
    ingest_files(tmp_path / "anew", files, embedder=Dying())
    assert ranked(index, Dying()) == ranked(tmp_path / "anew", Dying())
    assert check(index) == (version, []) and not (index / FOLDER).exists()
    with pytest.raises(IndexMismatch, match="reembed"):
        Retriever(index, BigramEmbedder(), BigramAnalyser())
    assert all(before.retrieve(QUERIES, 5, "dense"))  # who read the version before goes on
    assert ingest_files(index, files, embedder=Dying()).documents.unchanged == 60


def test_where_nothing_changes_nothing_is_done(index):
    assert reembed(index, BigramEmbedder()) == Store(index).version
    with pytest.raises(IndexNotFound):
        reembed(index / "none", BigramEmbedder())
    assert not (index / "none").exists()


def test_what_was_embedded_before_a_death_is_not_embedded_again(index):
    total, first = chunks(index), Dying(after=64)
    with pytest.raises(KeyboardInterrupt):
        reembed(index, first)
    assert 64 <= first.given < total
    assert all(Retriever(index, BigramEmbedder(), BigramAnalyser()).retrieve(QUERIES, 5))  # as it was
    second = Dying()
    told = []
    reembed(index, second, progress=lambda done, _: told.append(done))
    assert second.given == total - first.given and told[0] > first.given
    assert check(index)[1] == []


def test_between_death_and_going_on_documents_may_come_go_and_parts_be_damaged(tmp_path, files, index):
    with pytest.raises(KeyboardInterrupt):
        reembed(index, Dying(after=64))
    delete(index, ["00.txt"], Retriever(index, None, None).manifest)
    (files / "00.txt").unlink()
    (files / "새 글.txt").write_text("제1조(목적) 예산 집행 업무를 정한다.", encoding="utf-8")
    ingest_files(index, files)
    (part,) = (index / FOLDER).rglob("*.npz")
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    again = Dying()
    reembed(index, again)
    assert again.given == chunks(index)
    ingest_files(tmp_path / "anew", files, embedder=Dying())
    assert ranked(index, Dying()) == ranked(tmp_path / "anew", Dying())
    assert check(index)[1] == []


def test_parts_of_an_embedder_that_was_given_up_go(index):
    with pytest.raises(KeyboardInterrupt):
        reembed(index, Dying(after=64))
    compact(index, Retriever(index, None, None).manifest, BigramAnalyser())
    assert not (index / FOLDER).exists()
    with pytest.raises(KeyboardInterrupt):
        reembed(index, Dying(after=64))
    other = Dying()
    other.identity = replace(other.identity, revision="3")
    reembed(index, other)
    assert other.given == chunks(index) and not (index / FOLDER).exists()


def test_an_embedder_that_would_cut_a_chunk_leaves_the_index_as_it_was(index):
    class Short(Dying):
        def embed_passages(self, texts, on_batch=lambda _: None):
            raise TextTooLong(embedder="short", reads=8, tokens=9, text=texts[0])

    before = ranked(index, BigramEmbedder())
    with pytest.raises(TextTooLong):
        reembed(index, Short())
    assert ranked(index, BigramEmbedder()) == before


def test_an_index_without_documents_takes_another_embedder(tmp_path, files, index):
    manifest = Retriever(index, None, None).manifest
    delete(index, [f"{number:02}.txt" for number in range(60)], manifest)
    reembed(index, Dying())
    assert ingest_files(index, files, embedder=Dying()).documents.added == 60
    assert np.isfinite([score for row in ranked(index, Dying()) for _, score in row]).all()
    assert check(index)[1] == []
