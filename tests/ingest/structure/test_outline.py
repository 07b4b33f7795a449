"""Headings and the breadcrumb above each position."""

from bisect import bisect_right
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from ingest.document import Heading
from ingest.raw import OutlineEntry, RawFile, RawLine, RawPage
from ingest.repair.normalise import normalise
from ingest.structure.outline import MAX_TITLE, breadcrumbs, find_contents, find_headings, find_tables
from tests.support.files.raw import paragraphs, raw_file
from tests.support.laws import examples

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


def above(text: str, words: str, outline=()) -> str:
    normalised = paragraphs(text)
    return breadcrumb(find_headings(normalised, outline), normalised.text.index(words))


def titles(text: str) -> list[str]:
    return [heading.title for heading in find_headings(paragraphs(text), [])]


@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(0, 60)), max_size=15),
    st.lists(st.integers(0, 70), max_size=20).map(sorted),
)
@examples(300)
def test_breadcrumbs_in_one_pass_are_the_breadcrumbs_one_by_one(levels, positions):
    starts = {start: level for level, start in levels}
    headings = [Heading(starts[start], f"제목 {start}", start) for start in sorted(starts)]
    assert breadcrumbs(headings, positions) == [breadcrumb(headings, at) for at in positions]


@given(st.text("제12장절조()의 총칙부별표.·-Ⅰ\n가", max_size=150))
@examples(200)
def test_headings_of_any_text_are_in_order_and_stand_where_they_say(text):
    normalised = paragraphs(text)
    headings = find_headings(normalised, [])
    starts = [heading.start for heading in headings]
    assert starts == sorted(set(starts))
    for heading in headings:
        squeezed = "".join(normalised.text[heading.start :].split())
        assert squeezed.startswith("".join(heading.title.split()))
        assert len(heading.title) <= 2 * MAX_TITLE and "\n" not in heading.title


def test_articles_lie_in_chapters():
    assert above(STATUTE, "이 법은 개인정보의") == "제1장 총칙 > 제1조(목적)"
    assert above(STATUTE, "용어의 뜻") == "제1장 총칙 > 제2조(정의)"
    assert above(STATUTE, "아홉 명") == "제2장 보호위원회 > 제1절 구성 > 제7조의2(구성)"
    assert above(STATUTE, "공포한 날") == "부칙"
    assert above(STATUTE, "개인정보 보호법") == ""


def test_lines_of_a_contents_page_are_no_headings():
    entries = "".join(f"제{n}장 총칙 ········ {n}\n" for n in range(1, 6))
    normalised = paragraphs(entries + "제1장 총칙\n본문이다.\n")
    (heading,) = find_headings(normalised, [])
    assert (heading.title, heading.start) == ("제1장 총칙", normalised.text.rindex("제1장"))
    assert find_contents(normalised) == ((0, heading.start),)


def test_reports_are_numbered_from_roman_numerals_down_to_letters():
    text = "Ⅱ. 추진 계획\n1. 추진 전략\n전략을 세운다.\n가. 세부 내용\n내용을 정한다.\n□ 일정\n다음과 같다.\n"
    assert above(text, "다음과 같다") == "Ⅱ. 추진 계획 > 1. 추진 전략 > 가. 세부 내용 > □ 일정"


def test_a_chapter_may_end_as_a_sentence_does():
    assert above("제1장 총칙\n글\n제2장 조직과 책임\n본문이다.\n", "본문") == "제2장 조직과 책임"


def test_items_of_a_list_are_no_headings():
    assert titles("1. 국가기관\n2. 지방자치단체\n3. 공공기관\n그 밖의 기관\n") == []
    assert titles("1. 개인정보를 처리한다.\n본문\n") == []


def test_numbers_inside_an_article_are_its_items():
    assert titles("제2조(정의) 뜻은 다음과 같다.\n1. 처리자\n처리하는 사람을 말한다.\n") == ["제2조(정의)"]


def test_the_title_of_an_article_may_hold_brackets():
    (heading,) = find_headings(paragraphs("제2조(외국법인(지점 포함)의 신고) 신고한다.\n"), [])
    assert heading.title == "제2조(외국법인(지점 포함)의 신고)" and heading.article


def test_bookmarks_are_found_on_their_page_whatever_the_spaces():
    normalised = normalise(raw_file("차례\n사업 개요\n", "사업  개요\n내용이다.\n", wrapped=False))
    assert find_headings(normalised, [OutlineEntry(1, "사업 개요", 2)]) == (
        Heading(1, "사업 개요", normalised.pages[1].start),
    )


def test_bookmarks_that_stand_nowhere_are_left_out():
    outline = [
        OutlineEntry(1, "없는 제목", 1),
        OutlineEntry(1, "본문", 9),
        OutlineEntry(1, " ", 1),
        OutlineEntry(7, "본문", 1),
    ]
    assert find_headings(paragraphs("본문\n"), outline) == ()


def test_numbered_headings_lie_below_bookmarks():
    text = "총괄 편\n제1장 총칙\n제1조(목적) 이 법은 그렇다.\n"
    assert above(text, "이 법은", [OutlineEntry(1, "총괄 편", 1)]) == "총괄 편 > 제1장 총칙 > 제1조(목적)"


def test_what_has_no_bookmark_stands_beside_its_like():
    text = "제1장 총칙\n제1조(목적) 이 법은 그렇다.\n제2장 보칙\n제2조(벌칙) 벌한다.\n부칙\n시행한다.\n"
    outline = [OutlineEntry(1, "제1장 총칙", 1), OutlineEntry(2, "제1조(목적)", 1)]
    assert above(text, "벌한다", outline) == "제2장 보칙 > 제2조(벌칙)"
    assert above(text, "시행한다", outline) == "부칙"


def test_a_table_knows_its_unit_its_caption_and_its_columns():
    words = ["<표 1> 매출", "(단위: 억원)", "구분", "2025년", "센서", "1,502", "모터", "900", "본문이다."]
    text = "\n".join(words)
    spans = {word: (text.index(word), text.index(word) + len(word)) for word in words}
    rows = [("구분", "2025년"), ("센서", "1,502"), ("모터", "900")]
    lines = [
        *(RawLine(0, ((spans[word],),), wrapped=False) for word in words[:2]),
        *(
            RawLine(0, tuple((spans[w],) for w in row), wrapped=False, table=0, header=not number)
            for number, row in enumerate(rows)
        ),
        RawLine(0, ((spans["본문이다."],),), wrapped=False),
    ]
    normalised = normalise(RawFile("제목", (RawPage(1, "1", text),), tuple(lines)))
    (table,) = find_tables(normalised)
    assert normalised.text[table.start : table.end] == "구분 | 2025년\n센서 | 1,502\n모터 | 900\n"
    assert normalised.text[table.body :].startswith("센서")
    assert (table.unit, table.context) == ("(단위: 억원)", "<표 1> 매출 > 구분 | 2025년")
