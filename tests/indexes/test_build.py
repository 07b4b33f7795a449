"""The ingest flow: what is new is read, what is known is kept, what is gone goes."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from indexes.build import delete
from indexes.discover import discover
from indexes.disk.schema import DATABASE
from indexes.disk.store import Store
from indexes.errors import ChunkTooLong, DocumentNotFound, NoSuchPath, NothingToIngest
from indexes.report import Counts
from indexes.types import MODES, Filter
from indexes.upkeep.calibrate import FEWEST
from indexes.upkeep.check import check
from ingest.parse import IngestConfig, ParseOptions
from ingest.structure.chunking import ChunkingConfig
from tests.support.fakes import BigramEmbedder
from tests.support.files.pdfs import make_pdf
from tests.support.indexes import ingest_files, reader, short_chunks
from tests.support.parsing import CHARACTERS

TOPICS = ("개인정보 보호", "예산 집행", "안전 점검", "휴가 신청", "계약 이행", "감사 결과")


class Counting(BigramEmbedder):
    """An embedder that notes the number of texts in each call."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[int] = []

    def embed_passages(self, texts, on_batch=lambda _: None):
        self.given.append(len(texts))
        return super().embed_passages(texts, on_batch)


class Interrupted(BigramEmbedder):
    """An embedder during whose `at`th call somebody presses Ctrl-C."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.left = at

    def embed_passages(self, texts, on_batch=lambda _: None):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return super().embed_passages(texts, on_batch)


def write(path: Path, topic: str, note: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        f"제1조(목적) 이 지침은 {topic} 업무를 정한다.",
        f"제2조(적용) {topic} 담당자에게 적용한다.{note}",
    ]
    path.write_bytes(make_pdf([lines, ["제3조(시행) 공포한 날부터 시행한다."]]))
    return path


def damage(path: Path) -> None:
    path.write_bytes(b"%PDF-1.7\n" + b"\0" * 300)


def documents(index: Path) -> dict[str, tuple]:
    """File names and groups of each document, by its title."""
    store = Store(index)
    found = {
        row.document.title: (sorted(Path(path).name for path in row.document.paths), row.document.groups)
        for row in store.documents.of(store.version)
    }
    store.close()
    return found


@pytest.fixture
def files(tmp_path):
    for topic in TOPICS[:4]:
        write(tmp_path / "문서" / "아래" / f"{topic}.pdf", topic)
    (tmp_path / "문서" / "메모.csv").write_text("PDF가 아니다", encoding="utf-8")
    write(tmp_path / "문서" / ".숨김.pdf", "숨은")
    return tmp_path / "문서"


@pytest.fixture
def index(tmp_path, files):
    """An index of `files`."""
    report = ingest_files(tmp_path / "index", files)
    assert report.documents == Counts(added=4) and report.pages == 8 and not report.failures
    return tmp_path / "index"


def test_documents_answer_in_every_mode_and_with_their_pages(index):
    for mode in MODES:
        (passages,) = reader(index).retrieve(["예산 집행 담당자"], 3, mode)
        assert "예산 집행" in passages[0].chunk.text and passages[0].chunk.first_page == 1
    assert check(index) == (1, [])


def test_what_is_known_is_not_read_again(index, files):
    before = {
        path: path.stat().st_mtime_ns for path in index.rglob("*") if path.suffix in (".faiss", ".json")
    }
    report = ingest_files(index, files)
    assert report.documents == Counts(unchanged=4)
    assert (report.version, report.pages, report.chunks) == (1, 0, 0)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_changed_file_takes_the_place_of_the_old_one_in_one_commit(index, files):
    write(files / "아래" / "예산 집행.pdf", "회의 운영", " 새로 고쳤다.")
    report = ingest_files(index, files)
    assert report.documents == Counts(updated=1, unchanged=3) and report.version == 2
    texts = [p.chunk.text for p in reader(index).retrieve(["예산 집행 업무 회의 운영"], 40)[0]]
    assert any("회의 운영" in text for text in texts) and not any("예산" in text for text in texts)
    store = Store(index)
    assert [len(store.documents.of(version)) for version in range(3)] == [0, 4, 4]
    store.close()


def test_a_bad_new_version_keeps_the_old_one(index, files):
    damage(files / "아래" / "예산 집행.pdf")
    report = ingest_files(index, files, sync=True)
    assert report.documents == Counts(failed=1, unchanged=3)
    assert [(Path(f.path).name, f.code) for f in report.failures] == [("예산 집행.pdf", "damaged")]
    assert "예산 집행" in documents(index)


def test_a_moved_file_keeps_its_document(index, files):
    (files / "아래" / "예산 집행.pdf").rename(files / "옮긴 것.pdf")
    report = ingest_files(index, files)
    assert report.documents == Counts(moved=1, unchanged=3) and report.pages == 0
    assert documents(index)["예산 집행"][0] == ["옮긴 것.pdf"]


def test_a_copy_is_another_path_to_the_same_document(index, files):
    shutil.copy(files / "아래" / "예산 집행.pdf", files / "사본.pdf")
    report = ingest_files(index, files)
    assert report.documents == Counts(unchanged=5) and report.pages == 0
    assert documents(index)["예산 집행"][0] == ["사본.pdf", "예산 집행.pdf"]
    (files / "사본.pdf").unlink()
    ingest_files(index, files, sync=True)
    assert documents(index)["예산 집행"][0] == ["예산 집행.pdf"]


def test_copies_that_come_together_are_read_once_and_fail_together(tmp_path):
    folder = tmp_path / "문서"
    write(folder / "가.pdf", TOPICS[0])
    shutil.copy(folder / "가.pdf", folder / "나.pdf")
    damage(folder / "다.pdf")
    shutil.copy(folder / "다.pdf", folder / "라.pdf")
    report = ingest_files(tmp_path / "index", folder)
    assert report.documents == Counts(added=1, unchanged=1, failed=2) and report.pages == 2
    assert [Path(failure.path).name for failure in report.failures] == ["다.pdf", "라.pdf"]
    assert documents(tmp_path / "index")["가"][0] == ["가.pdf", "나.pdf"]


def test_only_sync_takes_out_what_is_gone_and_only_under_its_folders(index, files, tmp_path):
    elsewhere = write(tmp_path / "다른 곳" / "계약.pdf", TOPICS[4])
    ingest_files(index, elsewhere)
    elsewhere.unlink()
    (files / "아래" / "예산 집행.pdf").unlink()
    assert ingest_files(index, files).documents == Counts(unchanged=3)
    assert ingest_files(index, files, sync=True).documents == Counts(unchanged=3, removed=1)
    assert sorted(documents(index)) == sorted([*TOPICS[:1], *TOPICS[2:4], "계약"])


def test_sync_with_an_empty_folder_takes_nothing_out(index, files):
    """A share that is not mounted looks like an empty folder."""
    ingest_files(index, files)
    before = documents(index)
    shutil.rmtree(files)
    files.mkdir()
    with pytest.raises(NothingToIngest):
        ingest_files(index, files, sync=True)
    assert documents(index) == before


def test_groups_add_up_and_belong_to_the_document(index, files):
    ingest_files(index, files / "아래" / "예산 집행.pdf", groups=["재무"])
    report = ingest_files(index, files / "아래" / "예산 집행.pdf", groups=["감사", "재무"])
    assert report.documents.unchanged == 1
    assert documents(index)["예산 집행"][1] == ("감사", "재무")
    write(files / "아래" / "예산 집행.pdf", TOPICS[1], " 고쳤다.")
    ingest_files(index, files)
    assert documents(index)["예산 집행"][1] == ("감사", "재무")
    assert {d.title for d in reader(index).visible(Filter(groups=("감사",)))} == {"예산 집행"}


def test_files_that_change_names_among_themselves_keep_their_own_groups(tmp_path):
    folder = tmp_path / "문서"
    write(folder / "가.pdf", TOPICS[0])
    write(folder / "나.pdf", TOPICS[1])
    ingest_files(tmp_path / "index", folder / "가.pdf", groups=["비밀"])
    ingest_files(tmp_path / "index", folder / "나.pdf", groups=["공개"])
    (folder / "가.pdf").rename(folder / "x")
    (folder / "나.pdf").rename(folder / "가.pdf")
    (folder / "x").rename(folder / "나.pdf")
    ingest_files(tmp_path / "index", folder)
    opened = reader(tmp_path / "index")
    for group, topic in (("비밀", TOPICS[0]), ("공개", TOPICS[1])):
        (document,) = opened.visible(Filter(groups=(group,)))
        assert topic in opened.text(document)
    assert sorted(Path(d.path).name for d in opened.documents) == ["가.pdf", "나.pdf"]


def test_another_parser_reads_all_again_and_keeps_one_of_each(index, files):
    other = ParseOptions(CHARACTERS, "bigram", ChunkingConfig(40), IngestConfig(workers=2))
    report = ingest_files(index, files, parse=other)
    assert report.documents == Counts(updated=4)
    assert max(c.tokens for d in reader(index).documents for c in reader(index).chunks(d)) <= 40
    assert check(index)[1] == []


@pytest.mark.parametrize("done", [1, 3])
def test_what_was_read_before_ctrl_c_is_kept(tmp_path, files, done):
    def stop(files_done, *_):
        if files_done == done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest_files(tmp_path / "index", files, progress=stop)
    assert len(documents(tmp_path / "index")) == done
    report = ingest_files(tmp_path / "index", files)
    assert (report.documents.added, report.documents.unchanged) == (4 - done, done)


def test_ctrl_c_while_a_new_version_is_embedded_keeps_the_old_one(index, files):
    write(files / "아래" / "예산 집행.pdf", "회의 운영")
    with pytest.raises(KeyboardInterrupt):
        ingest_files(index, files, embedder=Interrupted(at=1))
    assert len(documents(index)) == 4
    assert any("예산 집행" in p.chunk.text for p in reader(index).retrieve(["예산 집행"], 5)[0])


@pytest.fixture
def many(tmp_path) -> Path:
    """40 small files."""
    (tmp_path / "많은 글").mkdir()
    for number in range(40):
        text = f"제1조(목적) 이 지침은 {number}번 업무를 정한다.\n\n제2조(적용) {number}번 담당자에게 적용한다.\n"
        (tmp_path / "많은 글" / f"{number:02}.txt").write_text(text, encoding="utf-8")
    return tmp_path / "많은 글"


def test_chunks_of_many_small_documents_are_embedded_together(tmp_path, many):
    embedder, told = Counting(), []
    report = ingest_files(
        tmp_path / "index", many, embedder=embedder, embedded=lambda done, read: told.append((done, read))
    )
    assert report.documents == Counts(added=40)
    assert sum(embedder.given) == report.chunks and len(embedder.given) <= 4
    assert told == sorted(told) and told[-1] == (report.chunks, report.chunks)
    opened = reader(tmp_path / "index")
    for number in (0, 17, 39):  # each got its own vector
        (passages,) = opened.retrieve([f"제2조(적용) {number}번 담당자에게 적용한다."], 1, "dense")
        assert f"{number}번" in passages[0].chunk.text


SLOW_INGEST = """
import sys, time
from pathlib import Path
from tests.support.fakes import BigramEmbedder
from tests.support.indexes import ingest_files

class Slow(BigramEmbedder):
    def embed_passages(self, texts, on_batch=lambda _: None):
        time.sleep(0.05 * len(texts))
        return super().embed_passages(texts, on_batch)

ingest_files(Path(sys.argv[1]), Path(sys.argv[2]), embedder=Slow(), commit_chunks=8)
"""


def test_an_ingest_that_was_killed_goes_on_after_its_last_commit(tmp_path, many):
    index = tmp_path / "index"
    root = Path(__file__).parents[2]
    child = subprocess.Popen([sys.executable, "-c", SLOW_INGEST, index, many], cwd=root)
    while child.poll() is None and len(committed(index)) < 8:
        time.sleep(0.02)
    child.kill()
    assert child.wait() != 0
    kept = len(committed(index))
    assert 8 <= kept < 40
    embedder = Counting()
    report = ingest_files(index, many, embedder=embedder)
    assert report.documents == Counts(added=40 - kept, unchanged=kept)
    assert sum(embedder.given) == report.chunks
    assert check(index)[1] == [] and len(committed(index)) == 40


def committed(index: Path) -> dict[str, tuple]:
    """The committed documents of an index; empty if it does not exist yet."""
    return documents(index) if (index / DATABASE).is_file() else {}


def test_a_name_that_is_not_utf8_stops_nothing(tmp_path):
    name = os.fsdecode("휴가 규정.pdf".encode("cp949"))
    write(tmp_path / "문서" / name, TOPICS[3])
    assert ingest_files(tmp_path / "index", tmp_path / "문서").documents == Counts(added=1)
    assert documents(tmp_path / "index") == {"휴가 규정": ([name], ())}
    assert ingest_files(tmp_path / "index", tmp_path / "문서").documents == Counts(unchanged=1)


def test_the_same_folder_gives_the_same_chunks_and_ranks(tmp_path, files, index):
    ingest_files(tmp_path / "other", files, parse=short_chunks(workers=1))
    queries = ["예산 집행", "담당자", "공포한 날부터 시행"]
    for mode in MODES:
        ranked = [
            [
                [(p.chunk.id, round(p.score, 5)) for p in row]
                for row in reader(folder).retrieve(queries, 20, mode)
            ]
            for folder in (index, tmp_path / "other")
        ]
        assert ranked[0] == ranked[1] and any(ranked[0])


def test_deleting_takes_out_all_or_nothing(index):
    manifest = reader(index).manifest
    with pytest.raises(DocumentNotFound, match="없는 것"):
        delete(index, ["예산 집행.pdf", "없는 것"], manifest)
    assert len(documents(index)) == 4
    gone = delete(index, ["예산 집행.pdf", "예산 집행"], manifest)
    assert [document.title for document in gone] == ["예산 집행"]
    for mode in MODES:
        assert not any("예산" in p.chunk.text for p in reader(index).retrieve(["예산 집행"], 40, mode)[0])
    assert check(index)[1] == []


def test_discovering_walks_folders_in_order_and_names_each_file_once(files):
    found, closed, skipped = discover([files, files / "아래", files / "메모.csv"])
    assert not closed and not skipped
    names = [Path(path).name for path in found]
    assert names == [*sorted(f"{topic}.pdf" for topic in TOPICS[:4]), "메모.csv"]
    with pytest.raises(NoSuchPath, match="없는 곳"):
        discover([files, files / "없는 곳"])


def test_a_link_in_a_folder_is_followed_only_inside_it(index, files, tmp_path):
    (secret := tmp_path / "비밀.txt").write_text("바깥에 있는 비밀이다. " * 9, encoding="utf-8")
    (files / "예산 링크.pdf").symlink_to(files / "아래" / "예산 집행.pdf")
    (files / "새어 나감.txt").symlink_to(secret)
    (files / "아래" / "돌아서.txt").symlink_to("../새어 나감.txt")
    report = ingest_files(index, files)
    assert [(skipped.path, skipped.reason) for skipped in report.skipped] == [
        (str(files / "새어 나감.txt"), "linked_outside"),
        (str(files / "아래" / "돌아서.txt"), "linked_outside"),
    ]
    assert report.documents == Counts(unchanged=5)
    assert not any("비밀" in p.chunk.text for p in reader(index).retrieve(["바깥에 있는 비밀"], 20)[0])
    named = ingest_files(index, files, files / "새어 나감.txt")
    assert named.documents == Counts(added=1, unchanged=5)
    assert [Path(skipped.path).name for skipped in named.skipped] == ["돌아서.txt"]


def test_a_folder_that_is_itself_a_link_is_read(files, tmp_path):
    (tmp_path / "바로 가기").symlink_to(files)
    found, _, skipped = discover([tmp_path / "바로 가기"])
    assert len(found) == 4 and not skipped


def test_two_dots_after_a_link_name_the_folder_that_is_walked(index, tmp_path):
    """`a/l/..` is `b`, the parent of where `a/l` leads, though its text reads like `a`."""
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "l").symlink_to("../b/c")
    for folder, text in (("a", "가로등을 고친다. "), ("b", "나루터를 넓힌다. ")):
        (tmp_path / folder / "x.txt").write_text(text * 9, encoding="utf-8")
    named = tmp_path / "a" / "l" / ".."
    assert discover([named]).files == [str(tmp_path / "b" / "x.txt")]
    ingest_files(index, named)
    assert "나루터" in reader(index).retrieve(["나루터를 넓힌다"], 1)[0][0].chunk.text
    (tmp_path / "b" / "x.txt").unlink()
    (tmp_path / "b" / "y.txt").write_text("다른 글이다. " * 9, encoding="utf-8")
    assert ingest_files(index, named, sync=True).documents == Counts(added=1, removed=1)


def test_a_linked_folder_is_reported_if_it_leads_out_of_the_named_folder(files, tmp_path):
    (tmp_path / "바깥").mkdir()
    (tmp_path / "바깥" / "밖.txt").write_text("바깥의 글. ", encoding="utf-8")
    (files / "나가는 길").symlink_to(tmp_path / "바깥")
    (files / "아래" / "위로").symlink_to(files)
    found, _, skipped = discover([files])
    assert len(found) == 4
    assert [(link.path, link.reason) for link in skipped] == [(str(files / "나가는 길"), "linked_outside")]
    found, _, skipped = discover([files, files / "나가는 길"])
    assert str(files / "나가는 길" / "밖.txt") in found and not skipped


def test_a_file_is_titled_by_its_own_name_and_not_by_a_link(index, tmp_path):
    (folder := tmp_path / "묶음").mkdir()
    (folder / "진짜.txt").write_text("이름이 둘인 글이다. " * 9, encoding="utf-8")
    (folder / "가짜.txt").symlink_to("진짜.txt")
    assert ingest_files(index, folder).documents.added == 1
    assert documents(index)["진짜"] == (["가짜.txt", "진짜.txt"], ())


def test_what_cannot_be_done_is_said_before_anything_is_written(tmp_path, files):
    (tmp_path / "빈 폴더").mkdir()
    with pytest.raises(NothingToIngest):
        ingest_files(tmp_path / "index", tmp_path / "빈 폴더")
    with pytest.raises(ChunkTooLong, match=r"reads 32 tokens.* 60 "):
        ingest_files(tmp_path / "index", files, embedder=BigramEmbedder(max_tokens=32))
    assert not (tmp_path / "index").exists()


def test_an_ingest_that_changes_nothing_embeds_nothing(tmp_path):
    """Not even to calibrate an index that has chunks enough, but nothing in them that asks."""
    text = "\n".join(f"{number}번 글 " + "가나다라 " * 50 for number in range(FEWEST + 5))
    (tmp_path / "글.txt").write_text(text, encoding="utf-8")
    parse = replace(short_chunks(), chunking=ChunkingConfig(280))
    first = ingest_files(tmp_path / "색인", tmp_path / "글.txt", parse=parse)
    again = Counting()
    report = ingest_files(tmp_path / "색인", tmp_path / "글.txt", embedder=again, parse=parse)
    assert first.chunks > FEWEST and report.documents.unchanged == 1
    assert again.given == []
