"""Chunks tile the document, stay in their limit and end between words."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.document import Document, Page, Table
from ingest.raw import NO_BOX
from ingest.repair.normalise import Line, Normalised
from ingest.structure.chunking import ChunkingConfig, pages_of_span, split
from ingest.structure.outline import find_headings
from tests.support.laws import examples

ALPHABET = '가나다각힣ㄱㅏ國①Ａ😀제12조장.?!。)"” \t\n\n\u3000()□'


def document(text: str, cuts: tuple[int, ...] = ()) -> Document:
    ends = sorted({*(cut for cut in cuts if cut < len(text)), len(text)})
    pages = tuple(
        Page(number, str(number), start, end, True)
        for number, (start, end) in enumerate(pairwise([0, *ends]), start=1)
    )
    lines, start = [], 0
    for line in text.split("\n"):
        if line:
            lines.append(Line(start, start + len(line), 0, "text", True, -1, 0, 0.0, NO_BOX))
        start += len(line) + 1
    headings = find_headings(Normalised(text, pages, tuple(lines), ()), [])
    return Document("0123456789abcdef", "제목", text, pages, headings)


def pairs(text: str) -> int:
    """Counts one token for two characters, so the count of a whole is not the sum of its parts' counts."""
    return (len(text) + 1) // 2


TEXTS = st.text(ALPHABET, max_size=400)
# The last one counts more tokens for a whole than for its parts, as a real tokenizer may.
COUNTS = st.sampled_from([len, pairs, lambda text: 2 * len(text), lambda text: len(text) // 2])


@given(TEXTS, st.lists(st.integers(1, 400), max_size=5).map(tuple), st.integers(16, 60), COUNTS)
@examples(250)
def test_chunks_tile_any_document(text, cuts, size, count):
    whole = document(text, cuts)
    chunks = split(whole, ChunkingConfig(size), count)
    assert "".join(chunk.text for chunk in chunks) == text
    for chunk in chunks:
        assert chunk.text == text[chunk.start : chunk.end]
        assert chunk.id == f"{whole.id}:{chunk.start}-{chunk.end}"
        assert chunk.tokens == count(chunk.text)
        assert chunk.tokens <= size or len(chunk.text) == 1


@given(TEXTS, st.integers(16, 60), COUNTS)
@examples(250)
def test_no_chunk_ends_inside_a_word_unless_the_word_is_over_the_limit(text, size, count):
    for before, after in pairwise(split(document(text), ChunkingConfig(size), count)):
        word = re.search(r"\S*$", text[: before.end])[0] + re.match(r"\S*", text[after.start :])[0]
        whole = before.text[-1].isspace() or after.text[0].isspace()
        assert whole or count(word + " ") > size  # a blank stays with the word before it


@given(st.integers(1, 300), st.lists(st.integers(1, 300), max_size=6).map(tuple), st.data())
@examples(200)
def test_the_pages_of_a_span_are_those_that_share_a_character_with_it(length, cuts, data):
    pages = document("가" * length, cuts).pages
    start = data.draw(st.integers(0, length - 1))
    end = data.draw(st.integers(start + 1, length))
    shared = [page.number for page in pages if page.start < end and start < page.end]
    assert pages_of_span(pages, start, end) == (shared[0], shared[-1])


def test_empty_pages_hold_no_span():
    pages = (
        Page(1, "1", 0, 0, True),
        Page(2, "2", 0, 5, True),
        Page(3, "3", 5, 5, False),
        Page(4, "4", 5, 9, True),
    )
    assert pages_of_span(pages, 0, 5) == (2, 2)
    assert pages_of_span(pages, 4, 6) == (2, 4)


def test_an_empty_document_has_no_chunks():
    assert split(document(""), ChunkingConfig(), len) == []


def test_a_limit_that_holds_no_sentence_is_refused():
    with pytest.raises(ValueError, match="15"):
        ChunkingConfig(15)


def test_chunks_begin_at_articles_and_carry_their_breadcrumb():
    articles = [
        f"제{n}조(제목{n}) 이 조는 정하는 바가 길고 또 길어서 한 묶음을 채운다.\n" for n in range(1, 6)
    ]
    chunks = split(document("제1장 총칙\n" + "".join(articles)), ChunkingConfig(60), len)
    assert [chunk.text.startswith("제") for chunk in chunks] == [True] * len(chunks)
    assert chunks[-1].context == "제1장 총칙 > 제5조(제목5)"


def test_every_article_begins_a_chunk_with_the_headings_above_it():
    text = "머리말이다.\n제1장 총칙\n제1절 통칙\n제1조(목적) 짧다.\n제2조(정의) 짧다.\n"
    chunks = split(document(text), ChunkingConfig(400), len)
    assert [chunk.text.split("\n")[0] for chunk in chunks] == [
        "머리말이다.",
        "제1장 총칙",
        "제2조(정의) 짧다.",
    ]
    assert chunks[1].context == "제1장 총칙 > 제1절 통칙 > 제1조(목적)"


def test_a_contents_page_is_a_chunk_by_itself():
    whole = document("앞\n제1조(목적)\n제2조(정의)\n뒤\n")
    start, end = whole.text.index("제1조"), whole.text.index("뒤")
    chunks = split(replace(whole, headings=(), contents=((start, end),)), ChunkingConfig(400), len)
    assert [(chunk.kind, chunk.start) for chunk in chunks] == [
        ("text", 0),
        ("contents", start),
        ("text", end),
    ]


def test_a_chunk_inside_a_table_carries_its_unit_and_columns():
    rows = "".join(f"항목{number} | {number},000\n" for number in range(10, 40))
    text = "구분 | 금액\n" + rows
    table = Table(0, len(text), text.index("항목"), "(단위: 천원)", "구분 | 금액")
    chunks = split(replace(document(text), tables=(table,)), ChunkingConfig(100), len)
    assert len(chunks) > 3 and {chunk.kind for chunk in chunks} == {"table"}
    assert [chunk.context for chunk in chunks] == ["(단위: 천원)"] + ["(단위: 천원) > 구분 | 금액"] * (
        len(chunks) - 1
    )
    assert all(chunk.text.endswith("\n") and chunk.text.startswith(("구분", "항목")) for chunk in chunks)


def test_a_word_over_the_limit_is_cut_and_only_that_word():
    text = "앞말 " + "가" * 50 + " 뒷말은 그대로 남는다"
    chunks = split(document(text), ChunkingConfig(16), len)
    assert chunks[0].text == "앞말 " and chunks[-1].text == "뒷말은 그대로 남는다"
    assert max(chunk.tokens for chunk in chunks) == 16


def test_parts_that_count_more_together_are_parted_at_a_blank():
    text = "가" * 27 + " " + "나나 " * 3
    words = {part.strip() for part in re.findall(r"\S+", text)}
    chunks = split(document(text), ChunkingConfig(16), lambda part: len(part) // 2 + (len(part) > 30) * 9)
    assert len(chunks) > 1 and {word for chunk in chunks for word in chunk.text.split()} == words
