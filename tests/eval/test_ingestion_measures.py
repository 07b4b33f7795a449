"""The measures of ingestion, on examples that can be worked out by hand."""

import pytest

from eval.bench import compare, steps
from eval.reading.ingestion import (
    article_place,
    contents_entries,
    ends_as_sentence,
    ends_at_border,
    ends_inside_word,
    line_starts,
    measure_articles,
    measure_chunks,
    measure_outline,
    tiles,
)
from eval.reading.linebreaks import joints, raw_text, squeeze_text, tally, typeset, wrap
from eval.speed.memory import descendants
from ingest.document import Chunk, Document, Heading, Page
from ingest.parse import Parsed

SOURCE = "대한민국은 민주공화국이다. 주권은 국민에게 있다.\n모든 권력은 국민으로부터 나온다."
RAW = "대한민국은 민주공\r\n화국이다. \r\n주권은 국민에게 있다.\r\n모든 권력은 국민으\r\n로부터 나온다."


def judge(ours: str):
    return joints(squeeze_text(RAW), squeeze_text(SOURCE), squeeze_text(ours))


def parsed(
    pages: list[str], cuts: list[int], contexts: list[str], headings: tuple[Heading, ...] = ()
) -> Parsed:
    text, spans = "".join(pages), []
    for number, page in enumerate(pages, start=1):
        start = spans[-1].end if spans else 0
        spans.append(Page(number, str(number), start, start + len(page), True))
    ends = [*cuts, len(text)]
    chunks = []
    for start, end, context in zip([0, *cuts], ends, contexts, strict=True):
        first = next(page.number for page in spans if start < page.end)
        last = next(page.number for page in spans if end <= page.end)
        chunks.append(Chunk(f"d:{start}-{end}", "d", start, end, text[start:end], context, first, last, 5))
    document = Document("d", "문서", text, tuple(spans), headings)
    return Parsed("문서.pdf", 1, document, tuple(chunks), tuple("" for _ in chunks))


def test_the_source_text_itself_has_every_break_right():
    found, unplaced = judge(SOURCE)
    assert [joint.truth for joint in found] == ["", " ", "\n", ""]
    assert unplaced == 0
    result = tally(found)
    assert (result["accuracy"], result["paragraph_ends_kept"], result["in_word"]) == (1.0, 1.0, 2)


def test_each_kind_of_wrong_joint_is_counted():
    found, _ = judge("대한민국은 민주공 화국이다.\n주권은 국민에게 있다. 모든 권력은 국민으로부터 나온다.")
    result = tally(found)
    assert [joint.ours for joint in found] == [" ", "\n", " ", ""]
    assert result["breaks"] == 3
    assert result["accuracy"] == pytest.approx(1 / 3)
    assert result["words_right"] == pytest.approx(
        2 / 3
    )  # the line break is no space, but does not cut a word either
    assert result["in_word_right"] == 0.5
    assert result["false_paragraph_ends"] == pytest.approx(1 / 3)
    assert result["paragraph_ends_kept"] == 0.0
    assert result["always_space"] == pytest.approx(1 / 3)


def test_a_break_beside_text_that_the_source_lacks_is_not_judged():
    raw = "머리말 머리말\r\n대한민국은 민주공\r\n화국이다. 주권은 국민에게 있다."
    found, unplaced = joints(squeeze_text(raw), squeeze_text(SOURCE), squeeze_text(SOURCE))
    assert (len(found), unplaced) == (1, 1)


def test_a_lost_line_is_wrong():
    found, _ = judge("모든 권력은 국민으로부터 나온다.")
    assert tally(found)["lost"] == 3
    assert tally(found)["accuracy"] == pytest.approx(1 / 3)


def test_what_repeats_is_found_where_it_is_due():
    source = "국민의 권리와 의무를 정한다 국민의 권리와 의무를정한다"
    raw = "국민의 권리와 의무를\n정한다 국민의 권리와 의무를\n정한다"
    found, _ = joints(squeeze_text(raw), squeeze_text(source), squeeze_text(source))
    assert [joint.truth for joint in found] == [" ", ""]


def test_wrapped_lines_lose_nothing_but_blanks_at_their_ends():
    lines = wrap("가나 다라마 AB 바사", 3)
    assert lines == ["가나", "다라마", "AB 바", "사"]
    assert max(sum(1 if c >= "\u1100" else 0.5 for c in line) for line in lines) <= 3


def test_typeset_lines_come_out_of_the_pdf_as_they_went_in():
    text = "대한민국은 민주공화국이다. 대한민국의 주권은 국민에게 있다."
    assert raw_text(typeset([text], 10)).split() == " ".join(wrap(text, 10)).split()


@pytest.mark.parametrize(
    ("before", "after", "cut"),
    [
        ("개인정", "보처리자", True),
        ("개인정 ", "보처리자", False),
        ("개인정", " 보처리자", False),
        ("있다.", "그러나", False),
        ("12", "34", True),
    ],
)
def test_a_chunk_that_ends_inside_a_word_is_counted(before, after, cut):
    assert ends_inside_word(before, after) is cut


@pytest.mark.parametrize(
    ("before", "after", "well"),
    [
        ("국민에게 있다. ", "모든", True),
        ("국민에게 있다.” ", "모든", True),
        ("다음 각 호와 같다 ", "1. 주권", True),
        ("정한다. <개정 2024. 3. 1.> ", "모든", True),
        ("사업비\n", "인건비", True),
        ("국민에게 ", "있다.", False),
        ("이상 2024. ", "3월까지", False),
        ("구분은 가. ", "나머지", False),
    ],
)
def test_where_a_sentence_or_an_item_ends(before, after, well):
    assert ends_at_border(before, after) is well


def test_a_report_style_ending_is_a_sentence():
    assert ends_as_sentence("매출이 늘었음")
    assert not ends_as_sentence("매출이 늘어")


def test_chunk_ends_of_a_file_are_counted():
    one = parsed(["국민에게 있다. 모든 권력은 국민으로부터"], [9, 15], ["", "", ""])
    assert [chunk.text for chunk in one.chunks] == ["국민에게 있다. ", "모든 권력은", " 국민으로부터"]
    result = measure_chunks([one])
    assert (result["inside_word"], result["at_sentence_or_item"]) == (0.0, pytest.approx(2 / 3))
    assert (result["under_40_tokens"], result["not_tiling"]) == (3, 0)


def test_chunks_with_a_gap_do_not_tile():
    one = parsed(["국민에게 있다."], [5], ["", ""])
    torn = Parsed(one.path, 1, one.document, one.chunks[1:], ("",))
    assert tiles(one)
    assert not tiles(torn)


ARTICLES = ["제1조(목적) 이 법은 제2조(정의)에 따른다.\n", "앞 쪽의 끝.\n제2조 (정의) 이 법에서 쓰는 말은\n"]


@pytest.mark.parametrize(
    ("cut", "context", "verdict"),
    [
        (len(ARTICLES[0]) + 7, "", (True, True, "")),
        (len(ARTICLES[0]), "제1장 총칙 > 제2조(정의)", (True, True, "")),
        (len(ARTICLES[0]), "제1장 총칙", (True, False, "not named")),
        (5, "제2조(정의)", (False, True, "chunk begins on an earlier page")),
    ],
)
def test_the_chunk_that_starts_an_article_is_judged(cut, context, verdict):
    one = parsed(ARTICLES, [cut], ["", context])
    assert article_place(one, {"article": "제2조", "title": "정의", "page": 2}) == verdict


def test_a_reference_within_a_line_starts_no_article():
    one = parsed(ARTICLES, [5], ["", ""])
    assert line_starts(one, 1, "제2조(정의)") == []
    shares, failing = measure_articles(
        {"a.pdf": one}, [{"pdf": "a.pdf", "article": "제2조", "title": "정의", "page": 1}]
    )
    assert shares["both"] == 0
    assert failing[0]["reason"] == "not at the start of a line of that page"


def test_a_bookmark_needs_a_heading_on_its_page_and_a_chunk_that_carries_it():
    heading = Heading(1, "제2조 (정의)", len(ARTICLES[0]) + 7)
    one = parsed(ARTICLES, [len(ARTICLES[0]) + 7], ["", "제2조 (정의)"], (heading,))
    rows = [{"pdf": "a.pdf", "title": "제2조(정의)", "page": page} for page in (1, 2)]
    shares, failing = measure_outline({"a.pdf": one}, rows)
    assert shares["both"] == 0.5
    assert failing[0]["page"] == 1


def test_an_entry_of_a_contents_page_ends_with_its_page_number():
    one = parsed(["목차\n1. 적용범위 … 1\n2. 용어 … 3\n", "1. 적용범위\n"], [], [""])
    assert contents_entries(one, 2, "적용범위", 1) == [one.document.text.index("적용범위")]
    assert contents_entries(one, 2, "적용범위", 2) == []


def test_memory_is_that_of_a_process_and_all_below_it():
    assert descendants(2, {1: 0, 2: 1, 3: 2, 4: 3, 5: 1, 6: 2}) == [2, 3, 6, 4]


@pytest.mark.parametrize(("count", "expected"), [(128, [32, 64, 128]), (64, [32, 64]), (6, [6])])
def test_memory_is_measured_at_growing_numbers_of_files(count, expected):
    assert steps(count) == expected


def test_ratios_say_how_many_times_faster_ours_is():
    reading = {"our text": {"pages_per_second": 100.0}, "pypdf extract_text": {"pages_per_second": 25.0}}
    whole = {
        "ours, 6 files": {"pages_per_second": 60.0, "pages_per_cpu_second": 30.0},
        "LangChain": {"pages_per_second": 20.0, "pages_per_cpu_second": 20.0},
    }
    compare(reading, whole, 6)
    assert reading["our text"]["times_pypdf"] == 4.0
    assert whole["LangChain"]["ours_is_times"] == 3.0
    assert whole["LangChain"]["ours_is_times_by_cpu"] == 1.5
