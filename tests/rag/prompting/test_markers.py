"""Only markers of what was shown come out, as early as they are settled, and never otherwise than they will stand."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.prompting.markers import (
    LONGEST_MARKER,
    MarkerFilter,
    SettledText,
    abstains,
    clean_markers,
    marker_grammar,
    says_none_here,
)
from rag.prompting.prompts import ABSTENTION, MARKER, NONE_HERE
from rag.summarising.kinds import KINDS
from rag.summarising.rows import read_row

KNOWN = (1, 2, 12)
GRAMMAR = re.compile(marker_grammar(KNOWN))

PIECES = (
    *(
        "15일의 휴가를 준다.",
        "다만 ",
        " ",
        "  ",
        "\n",
        "\n\n\n",
        " .",
        "[별표 1]",
        "[2024]",
        "[1" + " " * 200,
    ),
    *(
        "[1]",
        "[12]",
        "[99]",
        "[1][2]",
        "[1, 3]",
        "［1］",
        "［ 2 ，12］",
        "[1·2]",
        "[[9]1]",
        "[1[9]]",
        "[9",
        "1]",
    ),
)
generated = st.lists(
    st.one_of(st.sampled_from(PIECES), st.text(alphabet="가나 .,\n\t[]［］〔0123·，①👩", max_size=12)),
    max_size=14,
).map("".join)


@st.composite
def cut(draw, texts=generated):
    """A text cut into pieces, sometimes of one character each, sometimes with empty ones."""
    text = draw(texts)
    ends = sorted(draw(st.lists(st.integers(0, len(text)), max_size=20)))
    if draw(st.booleans()):
        ends = list(range(len(text)))
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]


@given(cut())
def test_where_a_text_is_cut_changes_nothing(pieces):
    markers = MarkerFilter(KNOWN)
    released = "".join(map(markers.feed, pieces))
    assert (released, markers.dropped) == clean_markers("".join(pieces), KNOWN)


@given(cut())
def test_what_waits_is_no_longer_than_a_marker(pieces):
    markers, text, released = MarkerFilter(KNOWN), "", ""
    for piece in pieces:
        text += piece
        released += markers.feed(piece)
        complete, _ = clean_markers(f"{text}가", KNOWN)
        assert complete.startswith(released)
        assert len(complete) - len(released) <= LONGEST_MARKER + len("\n\n 가")


@given(generated)
def test_brackets_that_come_out_are_markers_of_what_was_shown(text):
    cleaned, _ = clean_markers(text, KNOWN)
    assert not re.search(r"[\[\]［］]", re.sub(r"\[(1|2|12)\]", "", cleaned))
    assert GRAMMAR.fullmatch(cleaned)


@given(generated)
def test_cleaning_twice_changes_nothing(text):
    once, _ = clean_markers(text, KNOWN)
    assert clean_markers(once, KNOWN) == (once, 0)


@given(generated)
def test_no_word_is_lost_or_moved(text):
    cleaned, _ = clean_markers(text, KNOWN)
    assert re.findall(r"[가-힣👩.]", cleaned) == re.findall(r"[가-힣👩.]", text)


spelled = st.tuples(
    st.sampled_from(["휴가는 15일이다", "제1조(목적)", "12.5%", "그렇다."]),
    st.lists(st.sampled_from([1, 2, 3, 12, 40]), max_size=3, unique=True),
    st.sampled_from(["[{}]", "［{}］", "[ {} ]"]),
    st.sampled_from([", ", ",", "，", " · "]),
)


@given(st.lists(spelled))
def test_every_spelling_of_markers_becomes_one(parts):
    text = " ".join(
        word + (form.format(between.join(map(str, numbers))) if numbers else "")
        for word, numbers, form, between in parts
    )
    expected = " ".join(
        word + "".join(f"[{number}]" for number in numbers if number in KNOWN) for word, numbers, *_ in parts
    )
    unknown = sum(number not in KNOWN for _, numbers, *_ in parts for number in numbers)
    assert clean_markers(text, KNOWN) == (expected, unknown)


@given(st.from_regex(GRAMMAR, fullmatch=True, alphabet="가 .\n[]［］0123456789"), st.data())
def test_what_the_grammar_allows_is_only_shortened_by_the_output_limit(text, data):
    end = data.draw(st.integers(0, len(text)))
    cleaned, dropped = clean_markers(text[:end], KNOWN)
    assert dropped == 0
    assert re.findall(r"\[(\d+)\]", cleaned) == re.findall(r"\[(\d+)\]", text[:end])


@pytest.mark.parametrize(
    "text", ["휴가[3]", "휴가[1", "휴가[]", "[별표 1]", "［1］", "휴가[1,2]", "휴가[01]", "[112]"]
)
def test_the_grammar_allows_nothing_else_in_brackets(text):
    assert not GRAMMAR.fullmatch(text)


ROWS = re.compile(marker_grammar(KNOWN, 3))


@given(st.from_regex(ROWS, fullmatch=True, alphabet="가 .\n|-[］0123456789]"), st.data())
def test_what_the_grammar_of_rows_allows_is_read_as_rows(text, data):
    end = data.draw(st.integers(0, len(text)))
    assert clean_markers(text[:end], KNOWN)[1] == 0
    lines = text[:end].split("\n")
    for line in lines if end == len(text) else lines[:-1]:  # the last one was cut
        assert says_none_here(line) or (line.count("|") == 2 and re.search(r"\[(1|2|12)\] ?$", line))
        cells = read_row(MARKER.sub("", line), KINDS["figures"])
        assert cells is None or len(cells) == 3


def test_the_grammar_of_rows_counts_nothing_and_needs_a_passage():
    """xgrammar 0.2.8 looks at the whole vocabulary again wherever it counts."""
    assert not re.search(r"\{\d", marker_grammar(KNOWN, 3))
    assert marker_grammar([], 3) == NONE_HERE


@pytest.mark.parametrize("text", [NONE_HERE, "매출액 | 3,010 | 억원 [1]\n직원 수 | 512 | 명 [2][12]"])
def test_the_grammar_of_rows_allows_rows_and_that_there_are_none(text):
    assert ROWS.fullmatch(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "매출액이 늘었다 [1]",
        "매출액 | 3,010 [1]",
        "매출액 | 3,010 | 억원",
        "매출액 | 3,010 | 억원 [3]",
        "매출액 | | 억원 [1]",
        "매출액 | 3,010 | 억원 [1]\n\n비용 | 1 | 억원 [1]",
        "매출액 [1] | 3,010 | 억원 [1]",
        "|---|---|---|",
    ],
)
def test_the_grammar_of_rows_allows_nothing_else(text):
    assert not ROWS.fullmatch(text)


@pytest.mark.parametrize("text", ["", ABSTENTION, "휴가는 15일이다[1][12].\n병가는 60일이다. [2]"])
def test_the_grammar_allows_answers_and_the_abstention(text):
    assert GRAMMAR.fullmatch(text)


def test_the_grammar_of_no_passages_allows_no_marker():
    assert re.fullmatch(marker_grammar([]), ABSTENTION) and not re.fullmatch(marker_grammar([]), "[1]")


@pytest.mark.parametrize(
    ("text", "cleaned", "dropped"),
    [
        ("휴가는 15일이다. [1", "휴가는 15일이다.", 0),  # passage 1 was shown; this may have been [12]
        ("휴가는 15일이다. [1, 2 · ", "휴가는 15일이다.", 0),
        ("휴가는 15일이다. [7] 병가도 [1, 8] 있다 [9].", "휴가는 15일이다. 병가도 [1] 있다.", 3),
        ("[별표 1]과 [시행 2024. 1. 1.]", "〔별표 1〕과 〔시행 2024. 1. 1.〕", 0),
        ("[[9]1]은", "〔1〕은", 1),  # the rest of what is left out is no marker
        ("가  나\t다 \n\n\n  라 ", "가 나 다\n\n 라", 0),
    ],
)
def test_examples(text, cleaned, dropped):
    assert clean_markers(text, KNOWN) == (cleaned, dropped)


# what can be shown of an answer

said = st.one_of(
    generated,
    st.lists(
        st.sampled_from(
            [ABSTENTION, "문서에서", " 답을", " 찾을 수 없습니다", "다만", "«", "»", ".", " ", "[1]", "[9]"]
        ),
        max_size=8,
    ).map("".join),
)


@given(cut(said))
def test_what_was_shown_is_how_the_answer_begins(pieces):
    cleaned, _ = clean_markers("".join(pieces), KNOWN)
    answer = ABSTENTION if abstains(cleaned) else cleaned
    settled = SettledText(KNOWN)
    shown = "".join(map(settled.feed, pieces))
    assert answer.startswith(shown)
    # A word more that no abstention has, and nothing waits that is settled.
    further, _ = clean_markers("".join(pieces) + "다만", KNOWN)
    assert shown + settled.feed("다만") == further


def test_an_abstention_is_shown_as_it_comes():
    settled = SettledText(KNOWN)
    assert [settled.feed(piece) for piece in ("문서에서 답을", " 찾을 수", " 없습니다. ", "[1]", "")] == [
        *("문서에서 답을", " 찾을 수", " 없습니다.", "", "")
    ]


def test_words_after_the_phrase_make_it_an_answer():
    settled = SettledText(KNOWN)
    assert settled.feed(f"«{ABSTENTION}»") == ""
    assert settled.feed(" 다만 15일이다. [1]") == f"«{ABSTENTION}» 다만 15일이다. [1]"


@pytest.mark.parametrize(
    "text", [ABSTENTION, f"«{ABSTENTION}»", f" {ABSTENTION} [1]", "", ABSTENTION.rstrip(".")]
)
def test_the_abstention_phrase_is_recognised(text):
    assert abstains(text)


def test_a_sentence_more_is_no_abstention():
    assert not abstains(f"{ABSTENTION} 다만 휴가는 15일입니다.")
