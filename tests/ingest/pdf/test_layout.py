"""Words with boxes → lines in reading order, and rows of tables."""

import random

from hypothesis import given
from hypothesis import strategies as st

from ingest.pdf.layout import page_lines
from ingest.pdf.tables import Rule, Word, find_tables
from ingest.raw import RawLine
from tests.support.laws import examples

HEIGHT = 10.0


class Sheet:
    """A page on which words are put at given places; each `put` writes one line of the file."""

    def __init__(self) -> None:
        self.text = ""
        self.words: list[Word] = []
        self._line = 0

    def put(self, words: str, left: float, top: float) -> "Sheet":
        """Write one line of the file, in which a character is as wide as high and a blank half as wide."""
        for number, word in enumerate(words.split(" ")):
            self.text += " " if number else ""
            start, width = len(self.text), HEIGHT * len(word)
            self.text += word
            self.words.append(
                Word(start, start + len(word), left, top, left + width, top + HEIGHT, self._line)
            )
            left += width + HEIGHT / 2
        self.text += "\n"
        self._line += 1
        return self

    def lines(self, across: list[Rule] = [], down: list[Rule] = []) -> list[RawLine]:
        return page_lines(0, self.text, self.words, across, down)

    def shown(self, across: list[Rule] = [], down: list[Rule] = []) -> list[str]:
        """The page's lines as text, with « / » between cells and « + » between the spans of a cell."""
        return [
            " / ".join("+".join(self.text[a:b] for a, b in cell) for cell in line.cells)
            for line in self.lines(across, down)
        ]


def grid(xs: list[float], ys: list[float]) -> tuple[list[Rule], list[Rule]]:
    return [Rule(y, xs[0], xs[-1]) for y in ys], [Rule(x, ys[0], ys[-1]) for x in xs]


LEFT = [f"왼쪽 단의 {n}번째 줄은 본문이며 길게 이어집니다" for n in range(8)]
RIGHT = [f"오른쪽 단의 {n}번째 줄도 본문이며 길게 이어집니다" for n in range(8)]


def test_the_order_of_the_file_stands_where_it_is_not_visibly_wrong():
    sheet = Sheet().put("첫째 줄이다", 50, 100).put("둘째 줄이다", 50, 120).put("바닥글", 50, 800)
    assert sheet.put("셋째 줄이다", 50, 140).shown() == [
        "첫째 줄이다",
        "둘째 줄이다",
        "바닥글",
        "셋째 줄이다",
    ]


def test_columns_in_the_order_of_the_file_stay():
    sheet = Sheet()
    for number, line in enumerate(LEFT):
        sheet.put(line, 40, 100 + 20 * number)
    for number, line in enumerate(RIGHT):
        sheet.put(line, 330, 100 + 20 * number)
    assert sheet.shown() == LEFT + RIGHT


def test_columns_drawn_line_by_line_are_read_one_after_the_other():
    sheet = Sheet().put("두 단에 걸친 제목이 위에 있고 그 아래에서 본문이 두 단으로 나뉩니다", 40, 60)
    for number, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True)):
        sheet.put(left, 40, 100 + 20 * number).put(right, 330, 100 + 20 * number)
    title, *rest = sheet.shown()
    assert title.startswith("두 단에") and rest == LEFT + RIGHT


@given(st.integers(0, 1000))
@examples(40)
def test_lines_drawn_in_any_order_are_read_from_top_to_bottom(seed):
    lines = [f"{n}번째 줄이며 길이는 저마다 다릅니다" for n in range(30)]
    shuffled = list(enumerate(lines))
    random.Random(seed).shuffle(shuffled)
    sheet = Sheet()
    for number, line in shuffled:
        sheet.put(line, 40, 50 + 20 * number)
    assert sheet.shown() == lines


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 800)), max_size=25))
@examples(150)
def test_every_word_is_on_one_line_and_no_other(places):
    sheet = Sheet()
    for number, (left, top) in enumerate(places):
        sheet.put(f"낱말{number}", left, top)
    spans = sorted(span for line in sheet.lines() for cell in line.cells for span in cell)
    covered = [word for a, b in spans for word in sheet.text[a:b].split()]
    assert sorted(covered) == sorted(sheet.text.split())


def test_pieces_of_a_word_touch_and_words_do_not():
    sheet = Sheet().put("개인", 50, 100).put("정보", 70, 100).put("보호", 100, 100)
    assert sheet.shown() == ["개인+정보 / 보호".replace(" / ", " / ")]


def test_a_grid_of_rules_with_words_in_it_is_a_table():
    across, down = grid([50, 150, 250, 350], [100, 120, 140, 160])
    sheet = Sheet()
    for row, words in enumerate(
        (("구분", "작년", "올해"), ("매출", "2,680", "3,010"), ("이익", "260", "313"))
    ):
        for column, word in enumerate(words):
            sheet.put(word, 60 + 100 * column, 105 + 20 * row)
    sheet.put("표 아래의 본문이다", 50, 200)
    assert sheet.shown(across, down) == [
        "구분 / 작년 / 올해",
        "매출 / 2,680 / 3,010",
        "이익 / 260 / 313",
        "표 아래의 본문이다",
    ]
    lines = sheet.lines(across, down)
    assert [(line.table, line.header, line.wrapped) for line in lines] == [
        (0, True, False),
        (0, False, False),
        (0, False, False),
        (-1, False, True),
    ]


def test_a_table_may_be_open_at_its_sides():
    across, down = grid([50, 150, 250, 350], [100, 120, 140, 160])
    sheet = Sheet()
    for row in range(3):
        for column in range(3):
            sheet.put(f"칸{row}{column}", 60 + 100 * column, 105 + 20 * row)
    assert sheet.shown(across, down[1:-1])[0] == "칸00 / 칸01 / 칸02"


def test_a_cell_that_spans_rows_stands_in_each_and_one_that_spans_columns_once():
    across, down = grid([50, 150, 250, 350], [100, 120, 140, 160, 180])
    # The first column's second rule is missing, and so is the last wall of the last row.
    across[2] = Rule(140, 150, 350)
    down[2] = Rule(250, 100, 160)
    sheet = Sheet().put("구분", 60, 105).put("항목", 160, 105).put("금액", 260, 105)
    sheet.put("급여", 60, 130).put("보육비", 160, 125).put("10", 260, 125).put("학자금", 160, 145).put(
        "20", 260, 145
    )
    sheet.put("합계", 60, 165).put("30", 200, 165)
    assert sheet.shown(across, down) == [
        "구분 / 항목 / 금액",
        "급여 / 보육비 / 10",
        "급여 / 학자금 / 20",
        "합계 / 30",
    ]


def test_a_table_with_horizontal_rules_only_has_its_columns_by_white_space():
    across = [Rule(y, 50, 350) for y in (100, 120, 200)]
    sheet = Sheet()
    for row, words in enumerate(
        (("구분", "작년", "올해"), ("매출", "2,680", "3,010"), ("이익", "260", "313"))
    ):
        for column, word in enumerate(words):
            sheet.put(word, 60 + 100 * column, 105 + 25 * row)
    assert sheet.shown(across) == ["구분 / 작년 / 올해", "매출 / 2,680 / 3,010", "이익 / 260 / 313"]


def test_text_that_is_no_table_does_not_become_one():
    frame = grid([40, 560], [90, 300])
    box = grid([40, 100, 560], [90, 110])
    chart = grid([50, 150, 250, 350, 450], [100, 150, 200, 250, 300])
    for across, down in (frame, box, chart):
        sheet = Sheet()
        for number, line in enumerate(LEFT):
            sheet.put(line, 50, 95 + 20 * number if across is frame[0] else 95 + 240 + 20 * number)
        assert {line.table for line in sheet.lines(across, down)} == {-1}


def test_prose_between_rules_is_no_table():
    across = [Rule(y, 40, 400) for y in (90, 200, 300)]
    sheet = Sheet()
    for number, line in enumerate(LEFT):
        sheet.put(line, 50, 95 + 20 * number)
    assert find_tables(sheet.text, sheet.words, across, [])[0] == []
