"""The database: what goes in comes out, per version, from any thread."""

import os
import sqlite3
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.disk.database import IDLE
from indexes.disk.documents import DocumentRow
from indexes.disk.files import StoredFile
from indexes.disk.schema import DATABASE, seal_of
from indexes.disk.store import Store
from indexes.errors import DocumentNotFound, IndexDamaged, IndexFormat, IndexNotFound
from indexes.types import EmbedderIdentity, Manifest, StoredDocument, find_document
from ingest.document import Chunk, Page, chunk_id
from tests.support.laws import examples

MANIFEST = Manifest(EmbedderIdentity("bigrams", "1", 64, "", "질문: "), "bigram-1", "characters")
TEXT = st.text("가각ㄱㅏ國①Ａ😀a1 \n", max_size=80)


def stored(identity: str = "0" * 16, content: int = 1, chunks: int = 0, **fields) -> DocumentRow:
    base = StoredDocument(identity, "제목", ("/문서/가.pdf",), ("인사",), "parser-1", 100, chunks)
    return DocumentRow(content, replace(base, **fields))


def chunked(document_id: str, text: str, sizes: list[int]) -> list[Chunk]:
    chunks, start = [], 0
    for size in [*sizes, len(text)]:
        end = min(len(text), start + size)
        if end > start:
            chunks.append(
                Chunk(
                    chunk_id(document_id, start, end),
                    document_id,
                    start,
                    end,
                    text[start:end],
                    "제1장",
                    1,
                    1,
                    3,
                )
            )
        start = end
    return chunks


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("store"), writable=True)
    yield store
    store.close()


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path, writable=True)
    yield store
    store.close()


def put(store: Store, document: DocumentRow, version: int, pages=(), chunks=()) -> None:
    with store.transaction():
        store.documents.insert(document, version)
        store.texts.insert(document.content, pages, chunks)
        store.set_meta("version", str(version))


NUMBERS = iter(range(1, 1 << 30))


@given(TEXT, st.lists(st.integers(1, 20), max_size=6), st.data())
@examples(80)
def test_documents_pages_chunks_and_text_come_out_as_they_went_in(shared_store, text, sizes, data):
    number = next(NUMBERS)
    identity = f"{number:016x}"
    chunks = chunked(identity, text, sizes)
    document = stored(identity, number * 1000, len(chunks), title=text, groups=("가", "나"), pages=2)
    pages = [Page(1, "i", 0, len(text), True), Page(2, "", len(text), len(text), False)]
    put(shared_store, document, number, pages, chunks)
    assert document in shared_store.documents.of(number)
    assert document not in shared_store.documents.of(number - 1)
    assert shared_store.texts.pages(document) == pages
    assert shared_store.texts.chunks_of(document) == chunks
    keys = list(document.keys)
    assert shared_store.texts.chunks(lambda _: identity, keys) == dict(zip(keys, chunks, strict=True))
    assert shared_store.texts.text(document) == text
    start, end = data.draw(st.integers(0, 90)), data.draw(st.integers(0, 90))
    assert shared_store.texts.text(document, start, end) == text[start:end]
    assert shared_store.texts.text(document, start) == text[start:]
    assert shared_store.texts.unreadable_pages([document]) == {identity: [2]}


def test_a_path_whose_bytes_are_not_utf8_comes_back_as_it_was(store):
    path = b"/\xc3\xeb\xbe\xf7.pdf".decode("utf-8", "surrogateescape")
    put(store, stored(paths=(path,)), 1)
    assert store.documents.of(1)[0].document.paths == (path,)


def test_a_version_keeps_its_documents_when_later_ones_change(store):
    put(store, stored(), 1)
    with store.transaction():
        store.documents.close("0" * 16, 2)
        store.documents.insert(stored(paths=("/문서/나.pdf",)), 2)
    with store.transaction():
        store.documents.close("0" * 16, 3)
    assert [[row.document.path for row in store.documents.of(version)] for version in range(4)] == [
        [],
        ["/문서/가.pdf"],
        ["/문서/나.pdf"],
        [],
    ]


def test_a_transaction_that_fails_leaves_nothing(store):
    with pytest.raises(KeyboardInterrupt), store.transaction():
        store.documents.insert(stored(), 1)
        raise KeyboardInterrupt
    assert store.documents.of(1) == []
    put(store, stored(), 1)


def test_a_document_cannot_be_current_twice(store):
    put(store, stored(), 1)
    with pytest.raises(sqlite3.IntegrityError):
        put(store, stored(content=9), 2)


def test_manifest_and_files_come_out_as_they_went_in(store):
    assert store.manifest is None and store.version == 0 and store.files.current() == []
    files = [StoredFile(f"dense/{n}.faiss", "dense", n, f"{n:064x}") for n in range(3)]
    other = StoredFile("lexical/1/meta.json", "lexical", 7, "0" * 64)
    with store.transaction():
        store.set_manifest(MANIFEST)
        store.files.replace("dense", files, 1)
        store.files.replace("lexical", [other], 1)
        store.files.replace("dense", files[:2], 2)
    assert store.manifest == MANIFEST
    assert store.files.current("dense") == files[:2] and store.files.current() == [*files[:2], other]
    assert store.files.names(1) == {*(file.name for file in files), other.name}
    assert store.files.names(2) == {*(file.name for file in files[:2]), other.name}
    store.files.forget(2)
    assert store.files.names(1) == store.files.names(2)


def test_a_row_that_is_changed_or_lost_is_noticed(store):
    with store.transaction():
        store.files.replace("dense", [StoredFile("dense/1.faiss", "dense", 1, "0" * 64)], 1)
        store.documents.insert(stored(pages=1), 1)
        store.texts.insert(1, [Page(1, "1", 0, 0, True)], [])
        store.set_meta("version", "1")
        store.set_meta("seal", seal_of(store.connection))
    store.check_seal()
    reads = {
        "UPDATE documents SET groups = '[\"경영\"]'": lambda: store.documents.of(1),
        "UPDATE pages SET label = '2'": lambda: store.texts.pages(stored(pages=1)),
        "UPDATE files SET bytes = 2": store.files.current,
        "UPDATE meta SET value = '2' WHERE name = 'version'": lambda: store.version,
        "DELETE FROM documents": store.check_seal,
        "DELETE FROM files": store.check_seal,
        "DELETE FROM pages": lambda: store.texts.pages(stored(pages=1)),
    }
    for statement, read in reads.items():
        read()
        store.connection.execute("BEGIN")
        store.connection.execute(statement)
        with pytest.raises(IndexDamaged, match=DATABASE):
            read()
        store.connection.execute("ROLLBACK")


def test_a_changed_text_is_noticed(store):
    document = stored(chunks=1)
    put(store, document, 1, [], chunked(document.document.document_id, "원래 글", []))
    store.connection.execute("UPDATE chunks SET text = '다른 글'")
    for read in (store.texts.text, store.texts.chunks_of, lambda _: store.texts.chunks(lambda _: "가", [1])):
        with pytest.raises(IndexDamaged, match="chunk 1"):
            read(document)
    store.connection.execute("DELETE FROM chunks")
    for read in (store.texts.chunks_of, lambda _: store.texts.chunks(lambda _: "가", [1])):
        with pytest.raises(IndexDamaged, match="missing"):
            read(document)


def test_threads_read_at_the_same_time(store, tmp_path):
    document = stored(chunks=4)
    put(store, document, 1, [], chunked(document.document.document_id, "가나다라마바사아" * 5, [10, 10, 10]))
    reader, texts, errors = Store(tmp_path), [], []

    def read() -> None:
        try:
            for _ in range(50):
                texts.append(reader.texts.text(document))
            reader.close()
        except Exception as exc:  # noqa: BLE001 - the thread that asserts reports it
            errors.append(exc)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and set(texts) == {"가나다라마바사아" * 5} and len(texts) == 400


def test_a_reader_cannot_write(store, tmp_path):
    reader = Store(tmp_path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"), reader.snapshot():
        reader.set_meta("version", "9")


def open_paths() -> list[str]:
    return [os.path.realpath(entry) for entry in os.scandir("/proc/self/fd")]


def test_threads_that_ended_leave_nothing_open(store, tmp_path):
    document = stored(chunks=1)
    put(store, document, 1, [], chunked(document.document.document_id, "가나다라마바사아", []))
    reader = Store(tmp_path)
    reader.texts.text(document)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(40):
        thread = threading.Thread(target=reader.texts.text, args=(document,))
        thread.start()
        thread.join()
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_many_threads_opened_at_once_is_closed_but_for_a_few(store, tmp_path):
    document = stored(chunks=1)
    put(store, document, 1, [], chunked(document.document.document_id, "가나다라마바사아", []))
    reader, together = Store(tmp_path), threading.Barrier(3 * IDLE)

    def read() -> None:
        with reader.snapshot():
            together.wait()

    threads = [threading.Thread(target=read) for _ in range(3 * IDLE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # SQLite keeps a database's descriptors for reuse as long as one connection holds a lock.
    logs = [path for path in open_paths() if path == f"{tmp_path / DATABASE}-wal"]
    assert len(logs) <= IDLE + 1  # the writer's, too


def test_no_index_a_foreign_file_and_another_format_are_told_apart(tmp_path):
    with pytest.raises(IndexNotFound):
        Store(tmp_path)
    store = Store(tmp_path, writable=True)
    store.set_meta("format", "99")
    store.close()
    with pytest.raises(IndexFormat, match="99"):
        Store(tmp_path)
    (tmp_path / DATABASE).write_bytes("이것은 데이터베이스가 아니다".encode() * 100)
    with pytest.raises(IndexDamaged):
        Store(tmp_path)


def test_a_document_is_found_by_id_path_name_and_title_in_that_order():
    first = stored("a" * 16, title="규정", paths=("/문서/지침.pdf",)).document
    second = stored("b" * 16, title="지침.pdf", paths=("/문서/규정", "/옛 문서/가.pdf")).document
    for name, expected in [
        ("b" * 16, second),
        ("/옛 문서/가.pdf", second),
        ("지침.pdf", first),
        ("규정", second),
        ("가.pdf", second),
    ]:
        assert find_document([first, second], name) is expected
    with pytest.raises(DocumentNotFound, match="없는 것"):
        find_document([first, second], "없는 것")
