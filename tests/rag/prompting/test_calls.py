"""Calls in generated text: whatever a model writes is read, or answered with what is wrong."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.prompting.calls import CLOSING, OPENING, Asked, checked, read_calls, write_call
from rag.prompting.prompts import CUT_CALL, NO_NAME, NO_OBJECT, OPEN_PAGES, SEARCH_DOCUMENTS

SPECS = (SEARCH_DOCUMENTS, OPEN_PAGES)
PIECES = (
    *(
        OPENING,
        CLOSING,
        '{"name": "search_documents", "arguments": ',
        '{"query": "연차"}',
        "}",
        "{",
        "[",
        '"',
    ),
    *("\\ud800", "\\", "null", "NaN", "1e999", "9" * 5000, "[" * 3000, "연차휴가", "\n", " ", "<|im_end|>"),
)
scraps = st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=14).map("".join)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    [OPENING, CLOSING, f"가{CLOSING}{OPENING}나", '"}']
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
calls = st.tuples(texts.filter(bool), st.dictionaries(texts, values, max_size=3))


@given(scraps)
def test_whatever_is_written_is_read_and_checked(text):
    said, asked = read_calls(text)
    assert OPENING not in said and bool(asked) == (OPENING in text)
    assert len(asked) <= text.count(OPENING)
    for one in asked:
        found = checked(one, SPECS)
        json.dumps(found.arguments, ensure_ascii=False).encode()
        found.error.encode()
        assert found.error or found.name in ("search_documents", "open_pages")


@given(st.text(alphabet="가나다 .[1]\n", max_size=20), st.lists(calls, min_size=1, max_size=3))
def test_calls_that_are_written_are_read_back(said, written):
    text = said + "\n".join(write_call(name, json.dumps(given)) for name, given in written)
    assert read_calls(text) == (said.strip(), [Asked(name, given) for name, given in written])


@given(calls)
def test_arguments_may_be_json_in_json(call):
    name, given = call
    text = write_call(name, json.dumps(json.dumps(given)))
    assert read_calls(text)[1] == [Asked(name, given)]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (f'{OPENING}{{"name": "search_documents", "arguments": {{"query": "연', CUT_CALL),
        (f"{OPENING}", CUT_CALL),
        (f"{OPENING}{{}}{CLOSING}", NO_NAME),
        (f"{OPENING}[1]{CLOSING}", NO_NAME),
        (f'{OPENING}{{"name": "a", "arguments": [1]}}{CLOSING}', NO_OBJECT),
        (f'{OPENING}{{"name": "a", "arguments": "연차"}}{CLOSING}', NO_OBJECT),
        (f"{OPENING}search_documents(연차){CLOSING}", "JSON으로 읽을 수 없습니다: search_documents(연차)"),
        (f'{OPENING}{{"name": "a"}} 그리고{CLOSING}', 'JSON으로 읽을 수 없습니다: {"name": "a"} 그리고'),
    ],
)
def test_what_is_no_call_says_why(text, error):
    _, (asked,) = read_calls(text)
    assert error in asked.error


def test_a_bad_call_does_not_take_the_next_one_with_it():
    good = write_call("search_documents", '{"query": "연차"}')
    _, asked = read_calls(f"{OPENING}연차 {good}{OPENING}{{{CLOSING}{good}")
    assert [bool(one.error) for one in asked] == [True, False, True, False]


def test_line_ends_and_tabs_may_stand_in_a_string_as_they_are():
    text = f'{OPENING}{{"name": "a", "arguments": {{"query": "연차\n\t휴가"}}}}{CLOSING}'
    assert read_calls(text)[1] == [Asked("a", {"query": "연차\n\t휴가"})]


def test_a_whole_call_counts_though_nothing_closes_it():
    text = write_call("a", "{}").removesuffix(CLOSING)
    assert read_calls(text)[1] == [Asked("a")]
    assert read_calls(text + write_call("b", "{}"))[1] == [Asked("a"), Asked("b")]


@pytest.mark.parametrize(
    ("name", "given", "error"),
    [
        ("search_web", {"query": "연차"}, "search_web 이라는 도구는 없습니다"),
        ("search_documents", {}, "query 인자가 필요합니다"),
        ("search_documents", {"query": None}, "query 인자가 필요합니다"),
        ("search_documents", {"query": "  "}, "query 인자가 잘못되었습니다: 글이어야"),
        ("search_documents", {"query": 3}, "query 인자가 잘못되었습니다: 글이어야"),
        ("search_documents", {"query": "가" * 201}, "200자까지"),
        ("search_documents", {"query": "연차", "limit": 3}, "limit 이라는 인자는 없습니다"),
        ("search_documents", {"query": "연차", "k": 11}, "10 이하"),
        ("search_documents", {"query": "연차", "k": True}, "정수여야"),
        ("search_documents", {"query": "연차", "k": 2.5}, "정수여야"),
        ("search_documents", {"query": "연차", "k": [3]}, "정수여야"),
        ("open_pages", {"document": "가", "first_page": 0, "last_page": 1}, "1 이상"),
        ("open_pages", {"document": "가", "first_page": 1}, "last_page 인자가 필요합니다"),
    ],
)
def test_arguments_that_a_tool_does_not_take_are_named(name, given, error):
    assert error in checked(Asked(name, given), SPECS).error


def test_arguments_are_taken_as_models_write_them():
    given = {"query": " 연차 ", "document": None, "k": "3"}
    assert checked(Asked("search_documents", given), SPECS).arguments == {"query": "연차", "k": 3}
    given = {"document": "가", "first_page": 2.0, "last_page": "4"}
    assert checked(Asked("open_pages", given), SPECS).arguments == {
        "document": "가",
        "first_page": 2,
        "last_page": 4,
    }
