"""Headings and the breadcrumb above each position."""

from bisect import bisect_right
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.document import Heading, Page
from ingest.outline import MAX_TITLE, breadcrumbs, find_headings
from ingest.pdf import OutlineEntry

STATUTE = """개인정보 보호법
제1장 총칙
제1조(목적) 이 법은 개인정보의 처리에 관한 사항을 정한다.
제2조(정의) 이 법에서 사용하는 용어의 뜻은 다음과 같다.
제2장 보호위원회
제1절 구성
제7조의2(구성) 위원회는 아홉 명의 위원으로 구성한다.
부칙
이 법은 공포한 날부터 시행한다.
"""


def breadcrumb(headings: Sequence[Heading], position: int) -> str:
    """The slow, obvious twin of `breadcrumbs`, for one position."""
    stack: list[Heading] = []
    starts = [heading.start for heading in headings]
    for heading in headings[: bisect_right(starts, position)]:
        while stack and stack[-1].level >= heading.level:
            stack.pop()
        stack.append(heading)
    return " > ".join(heading.title for heading in stack)


def one_page(text: str) -> tuple[Page, ...]:
    return (Page(1, "1", 0, len(text), True),)


def above(text: str, words: str, outline=()) -> str:
    return breadcrumb(find_headings(text, one_page(text), outline), text.index(words))


@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(0, 60)), max_size=15),
    st.lists(st.integers(0, 70), max_size=20).map(sorted),
)
@settings(max_examples=300, deadline=None)
def test_breadcrumbs_in_one_pass_are_the_breadcrumbs_one_by_one(levels, positions):
    starts = {start: level for level, start in levels}
    headings = [Heading(starts[start], f"제목 {start}", start) for start in sorted(starts)]
    assert breadcrumbs(headings, positions) == [breadcrumb(headings, at) for at in positions]


@given(st.text("제12장절조()의 총칙부별표.·-Ⅰ\n가", max_size=150))
@settings(max_examples=200, deadline=None)
def test_headings_of_any_text_are_in_order_and_stand_where_they_say(text):
    headings = find_headings(text, one_page(text), [])
    starts = [heading.start for heading in headings]
    assert starts == sorted(set(starts))
    for heading in headings:
        squeezed = "".join(text[heading.start :].split())
        assert squeezed.startswith("".join(heading.title.split()))
        assert len(heading.title) <= MAX_TITLE and "\n" not in heading.title


def test_articles_lie_in_chapters():
    assert above(STATUTE, "이 법은 개인정보의") == "제1장 총칙 > 제1조(목적)"
    assert above(STATUTE, "용어의 뜻") == "제1장 총칙 > 제2조(정의)"
    assert above(STATUTE, "아홉 명") == "제2장 보호위원회 > 제1절 구성 > 제7조의2(구성)"
    assert above(STATUTE, "공포한 날") == "부칙"
    assert above(STATUTE, "개인정보 보호법") == ""


def test_lines_of_a_contents_page_are_no_headings():
    text = "제1장 총칙 ········ 3\n제2장 위원회 ........ 12\n제1장 총칙\n본문이다.\n"
    (heading,) = find_headings(text, one_page(text), [])
    assert heading == Heading(2, "제1장 총칙", text.rindex("제1장"))


def test_bookmarks_are_found_on_their_page_whatever_the_spaces():
    first, second = "차례\n사업 개요\n", "사업  개요\n내용이다.\n"
    text = first + second
    pages = (Page(1, "1", 0, len(first), True), Page(2, "2", len(first), len(text), True))
    assert find_headings(text, pages, [OutlineEntry(1, "사업 개요", 2)]) == (
        Heading(1, "사업 개요", len(first)),
    )


def test_bookmarks_that_stand_nowhere_are_left_out():
    outline = [
        OutlineEntry(1, "없는 제목", 1),
        OutlineEntry(1, "본문", 9),
        OutlineEntry(1, " ", 1),
        OutlineEntry(7, "본문", 1),
    ]
    assert find_headings("본문\n", one_page("본문\n"), outline) == ()


def test_numbered_headings_lie_below_bookmarks():
    text = "총괄 편\n제1장 총칙\n제1조(목적) 이 법은 그렇다.\n"
    assert above(text, "이 법은", [OutlineEntry(1, "총괄 편", 1)]) == "총괄 편 > 제1장 총칙 > 제1조(목적)"
