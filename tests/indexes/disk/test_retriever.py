"""Search over one version: order, modes, filters."""

import threading
from dataclasses import replace

import pytest

from indexes.disk.writer import Writer
from indexes.errors import DocumentNotFound, IndexDamaged, IndexNotFound
from indexes.search.config import SearchConfig
from indexes.types import MODES, Filter
from tests.support.indexes import MANIFEST, content, reader

TEXTS = {
    "인사 규정": ("연차 휴가는 열다섯 날이다. ", "육아 휴직은 한 해이다. "),
    "보수 규정": ("수당은 매달 지급한다. ", "휴가 중에도 보수를 지급한다. "),
    "보안 지침": ("비밀번호는 석 달마다 바꾼다. ", "휴가 중에는 접속을 막는다. "),
    "무소속": ("연차 휴가는 누구나 쓴다. ",),
}
GROUPS = {"인사 규정": ("인사",), "보수 규정": ("인사", "재무"), "보안 지침": ("보안",), "무소속": ()}


def document_id(name: str) -> str:
    return name.encode().hex()[:16]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    with Writer(folder, MANIFEST) as writer:
        for name, texts in TEXTS.items():
            paths = (f"/문서/{name}.pdf", f"/사본/{name} (2).pdf")
            writer.add(content(name, *texts, groups=GROUPS[name], paths=paths))
            writer.commit()
    return folder


@pytest.fixture(scope="module")
def retriever(folder):
    return reader(folder)


def titles(retriever, query: str, allowed: Filter, mode: str = "hybrid", k: int = 10) -> set[str]:
    (passages,) = retriever.retrieve([query], k, mode, allowed)
    return {retriever.with_id(passage.chunk.document_id).title for passage in passages}


@pytest.mark.parametrize("mode", MODES)
def test_passages_are_ranked_from_one_best_first_and_at_most_k(retriever, mode):
    for k in (1, 2, 50):
        (passages,) = retriever.retrieve(["연차 휴가는 열다섯 날이다."], k, mode)
        assert passages[0].chunk.text == TEXTS["인사 규정"][0]
        assert [p.rank for p in passages] == list(range(1, len(passages) + 1)) and len(passages) <= k
        assert [p.score for p in passages] == sorted((p.score for p in passages), reverse=True)
        assert len({p.chunk.id for p in passages}) == len(passages)


@pytest.mark.parametrize("mode", MODES)
def test_queries_in_a_batch_are_answered_as_one_by_one(retriever, mode):
    queries = ["휴가", "수당 지급", "비밀번호"]
    together = retriever.retrieve(queries, 5, mode)
    assert together == [retriever.retrieve([query], 5, mode)[0] for query in queries]
    assert retriever.retrieve([], 5, mode) == []


def test_dense_search_alone_finds_every_chunk_and_lexical_only_those_with_a_word(retriever):
    assert len(retriever.retrieve(["휴가"], 50, "dense")[0]) == 7
    assert len(retriever.retrieve(["휴가"], 50, "lexical")[0]) == 4
    assert retriever.retrieve(["zzz"], 50, "lexical") == [[]]


@pytest.mark.parametrize("query", ["", "???", "😀"])
@pytest.mark.parametrize("mode", MODES)
def test_a_query_without_words_is_no_error(retriever, query, mode):
    (passages,) = retriever.retrieve([query], 5, mode)
    assert len(passages) <= 5


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("allowed", "seen"),
    [
        (Filter(), set(TEXTS)),
        (Filter(groups=("인사",)), {"인사 규정", "보수 규정"}),
        (Filter(groups=("재무", "보안")), {"보수 규정", "보안 지침"}),
        (Filter(groups=("없는 집단",)), set()),
        (Filter(groups=()), set()),
        (Filter(groups=("",)), set()),
        (Filter(documents=()), set()),
        (Filter(documents=("인사 규정.pdf",)), {"인사 규정"}),
        (Filter(documents=("인사 규정 (2).pdf",)), {"인사 규정"}),
        (Filter(documents=("/문서/보안 지침.pdf", "없는 것")), {"보안 지침"}),
        (Filter(documents=("/사본/*규정*",)), {"인사 규정", "보수 규정"}),
        (Filter(documents=(document_id("무소속"),)), {"무소속"}),
        (Filter(documents=(document_id("무소속")[:8],)), set()),
        (Filter(groups=("보안",), documents=("인사 규정.pdf",)), set()),
        (Filter(groups=("인사",), documents=("*",)), {"인사 규정", "보수 규정"}),
    ],
)
def test_a_filter_lets_through_what_it_names_and_nothing_else(retriever, allowed, seen, mode):
    assert {document.title for document in retriever.visible(allowed)} == seen
    found = titles(retriever, "휴가 규정 지급 비밀번호", allowed, mode)
    assert found <= seen and (found or not seen)
    for name in TEXTS:
        if name in seen:
            assert retriever.document(name, allowed).title == name
        else:
            with pytest.raises(DocumentNotFound):
                retriever.document(document_id(name), allowed)


def test_a_filter_acts_before_the_top_k(retriever):
    for mode in MODES:
        assert titles(
            retriever, "연차 휴가는 열다섯 날이다.", Filter(documents=("보안 지침.pdf",)), mode, k=1
        ) == {"보안 지침"}


def test_threads_get_the_answers_that_one_thread_gets(retriever):
    queries = ["휴가", "수당 지급", "비밀번호 접속"]
    wanted, wrong = retriever.retrieve(queries, 5), []

    def ask() -> None:
        wrong.extend(1 for _ in range(40) if retriever.retrieve(queries, 5) != wanted)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_folder_without_an_index_is_said_to_be_one(tmp_path):
    with pytest.raises(IndexNotFound, match="rag ingest"):
        reader(tmp_path)


@pytest.mark.parametrize("kind", ["dense", "lexical"])
@pytest.mark.parametrize("harm", ["cut", "gone"])
def test_a_file_that_is_cut_or_gone_is_noticed_on_opening(folder, tmp_path, kind, harm):
    import shutil

    copy = shutil.copytree(folder, tmp_path / "copy")
    victim = max((p for p in (copy / kind).rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    if harm == "gone":
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes()[:-1])
    with pytest.raises(IndexDamaged, match="rag check"):
        reader(copy)


@pytest.mark.parametrize("bad", [{"k": 0}, {"mode": "fuzzy"}, {"dense_weight": -1.0}, {"analyser": "mecab"}])
def test_a_search_configuration_that_means_nothing_is_refused(bad):
    with pytest.raises(ValueError, match=f"search.{next(iter(bad))}"):
        replace(SearchConfig(), **bad)
