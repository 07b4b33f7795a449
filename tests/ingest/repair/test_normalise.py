"""Raw pages → clean text: nothing is lost but heads, page numbers and blanks, and lines become paragraphs."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.raw import RawFile, RawLine, RawPage
from ingest.repair.clean import DOTS, LEFT_OUT, SHOWN, clean_span
from ingest.repair.normalise import normalise
from ingest.repair.paragraphs import width
from ingest.sourcemap import raw_spans, unpack
from tests.support.files.raw import assert_leads_back, raw_file
from tests.support.laws import examples

ALPHABET = (
    "가각힣각ㄱㅏ國Aa1½①㎡Ａ％😀é\u0301.,()「」□-\u00a0\u3000 \t\x00\x01\x85\u200b\ufeff\ud800\ue000\r\n"
)
# Text of one page, in lines.
LINES = st.lists(st.text(ALPHABET, max_size=30), max_size=8).map("\r\n".join)

# Sentences without numbers: what is compared is only where the words end.
SENTENCES = (
    "개인정보처리자는 개인정보의 처리 목적을 명확하게 하여야 하고 그 목적에 필요한 범위에서 최소한의 개인정보만을 적법하고 정당하게 수집하여야 한다",
    "사용자는 근로자에게 일주일에 평균 한 번 이상의 유급휴일을 보장하여야 하며 이를 이유로 임금을 줄여서는 아니 된다",
    "회사는 안전한 작업 환경을 만들기 위하여 필요한 보호 장비를 갖추고 정기적으로 점검한 결과를 기록하여 보관한다",
    "위원회는 위원장 한 명을 포함한 열 명 이내의 위원으로 구성하고 위원은 관계 기관의 추천을 받아 장관이 위촉한다",
    "지방자치단체는 재난을 예방하고 피해를 줄이기 위하여 필요한 시책을 세우고 시행할 책임이 있음을 주민에게 알려야 한다",
    "이 보고서는 지난해 동안 추진한 주요 사업의 성과와 예산 집행 실적을 정리하고 앞으로의 개선 방향을 제시하기 위하여 작성하였다",
    "계약 상대자가 정당한 이유 없이 기한까지 계약을 이행하지 아니한 때에는 지체상금을 현금으로 납부하게 하여야 한다",
    "환자의 상태가 나빠지거나 응급 상황이 생기면 담당 의료진은 즉시 보호자에게 그 사실을 알리고 필요한 조치를 한다",
    "신청인은 필요한 서류를 갖추어 관할 구청에 제출하고 담당 공무원은 접수한 날부터 보름 안에 처리 결과를 통지한다",
    "학교는 학생의 학습 능력을 높이기 위하여 다양한 교육 과정을 운영하고 그 결과를 학부모에게 공개할 수 있다",
    "공사 현장에서는 추락과 낙하를 막기 위하여 안전 난간과 방망을 설치하고 작업을 시작하기 전에 이상이 없는지 확인한다",
    "정보통신망을 통하여 수집한 자료는 암호화하여 저장하고 접근 권한이 없는 사람이 열람하지 못하도록 관리하여야 한다",
    "연구 책임자는 연구가 끝난 뒤에 최종 보고서를 제출하고 연구비 사용 내역을 증빙 자료와 함께 보고하여야 한다",
    "감사 결과 지적된 사항에 대해서는 담당 부서가 원인을 분석하고 재발을 막기 위한 대책을 마련하여 시행하고 있다",
    "노인과 장애인이 편리하게 이용할 수 있도록 시설을 개선하고 불편 사항을 접수하는 창구를 따로 운영하기로 하였다",
    "전력 수요가 크게 늘어나는 여름철에는 비상 상황에 대비하여 예비 전력을 확보하고 단계별 대응 절차를 점검한다",
    "수출 기업이 겪는 어려움을 덜어 주기 위하여 정부는 금융 지원을 넓히고 해외 시장에 관한 정보를 제공하고 있다",
    "도서관 이용자는 자료를 깨끗하게 다루어야 하며 잃어버리거나 훼손한 경우에는 같은 자료로 변상하여야 한다",
    "직원은 직무를 수행하면서 알게 된 비밀을 누설하여서는 아니 되며 퇴직한 뒤에도 또한 같다는 점을 서약한다",
    "보험금을 청구하려는 사람은 사고가 일어난 사실을 증명하는 서류를 보험회사에 내야 하고 회사는 이를 심사한다",
)
ITEMS = (
    "① 첫째",
    "1. 목적",
    "가. 대상",
    "머. 신용정보의 이용",
    "□ 현황",
    "제3조(정의) 이 법에서",
    "○ 내용",
    "(2) 방법",
    "※ 참고",
    "- 항목",
    "제2장 총칙",
)


def text_of(*texts: str) -> str:
    return normalise(raw_file(*texts)).text


def wrap(text: str, width: int) -> list[str]:
    """`text` in lines of `width` characters, cut even inside words, as Korean PDFs are set."""
    lines = []
    while text:
        lines.append(text[:width].rstrip())
        text = text[width:].lstrip()
    return lines


@given(st.lists(LINES, max_size=6))
@examples(150)
def test_pages_tile_the_text(texts):
    normalised = normalise(raw_file(*texts))
    pages = normalised.pages
    assert [p.number for p in pages] == list(range(1, len(texts) + 1))
    assert [p.start for p in pages] == [0, *(p.end for p in pages)][: len(pages)]
    assert (pages[-1].end if pages else 0) == len(normalised.text)


@given(st.lists(LINES, max_size=4))
@examples(150)
def test_text_is_composed_printable_and_single_spaced(texts):
    text = text_of(*texts)
    assert unicodedata.is_normalized("NFC", text)
    assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in text.replace("\n", ""))
    assert not re.search(r"[^\S \n]|  |\n\n| \n|\n |^ ", text)
    text.encode()


@given(st.lists(LINES, max_size=4))
@examples(200)
def test_every_kept_character_leads_back_to_its_raw_character(texts):
    raw = raw_file(*texts)
    assert_leads_back(raw, normalise(raw))


def test_only_joints_and_separators_are_inserted():
    raw = raw_file("과제의 목적은 다음과 같고 그 내용은 매우 많고 다양하며\r\n중요하다.\r\n끝")
    normalised = normalise(raw)
    (page,) = normalised.pages
    mapped = {at for run in unpack(page.source) for at in range(run.start, run.start + run.length)}
    inserted = "".join(char for at, char in enumerate(normalised.text) if at not in mapped)
    assert inserted.strip() == ""
    start = normalised.text.index("다양하며")
    assert raw_spans(normalised.pages, start, start + 8) == [
        (0, (raw.pages[0].text.index("다양하며"), raw.pages[0].text.index("다양하며") + 4)),
        (0, (raw.pages[0].text.index("중요하"), raw.pages[0].text.index("중요하") + 3)),
    ]


@given(LINES)
@examples(100)
def test_no_letter_is_lost(raw):
    def letters(text: str) -> str:
        shown = LEFT_OUT.sub("", text).translate(SHOWN)
        return "".join(char for char in unicodedata.normalize("NFC", shown) if char.isalpha())

    lines = re.split(r"[\r\n]+", raw)
    assert letters(text_of(raw)) == "".join(letters(line) for line in lines)


def test_cells_are_set_apart_and_wrapped_ones_joined():
    text = "구 분\r\n금액\r\n과학기술정보통신\r\n부\r\n1,234"
    spans = [(m.start(), m.end()) for m in re.finditer(r"[^\r\n]+", text)]
    lines = (
        RawLine(0, ((spans[0],), (spans[1],)), wrapped=False, table=0, header=True),
        RawLine(0, ((spans[2], spans[3]), (), (spans[4],)), wrapped=False, table=0),
    )
    raw = RawFile("제목", (RawPage(1, "1", text),), lines)
    normalised = normalise(raw)
    assert normalised.text == "구 분 | 금액\n과학기술정보통신부 | | 1,234\n"
    assert [line.kind for line in normalised.lines] == ["header", "row"]
    assert_leads_back(raw, normalised)


def test_running_heads_and_page_numbers_go_and_the_rest_stays():
    pages = [
        "\r\n".join(["개인정보 보호 지침", *wrap(f"{sentence}.", 30), f"- {number} -"])
        for number, sentence in enumerate(SENTENCES, start=1)
    ]
    text = text_of(*pages)
    assert "보호 지침" not in text
    assert not re.search(r"\d", text)
    assert text.count("다.") == len(SENTENCES)


def test_a_line_that_repeats_in_the_middle_of_pages_stays():
    filler = [
        f"{word} 사항을 정하여 담당 부서에 알리고 그 결과를 기록한다."
        for word in ("필요한", "중요한", "세부", "기타")
    ]
    pages = ["\r\n".join([*filler, f"{n}번 표 해당 없음", *filler]) for n in range(1, 6)]
    assert text_of(*pages).count("해당 없음") == 5


def test_a_paragraph_over_a_page_break_is_joined():
    lines = wrap(SENTENCES[0] + ".", 24)
    normalised = normalise(raw_file("\r\n".join(lines[:2]), "\r\n".join(lines[2:])))
    text, (first, second) = normalised.text, normalised.pages
    assert text.replace(" ", "") == SENTENCES[0].replace(" ", "") + ".\n"
    assert text[first.end - 1] != "\n" and second.start == first.end


@pytest.mark.parametrize("item", ITEMS)
def test_an_item_is_never_joined_to_the_line_before(item):
    full = wrap(SENTENCES[1], 30)[:2]
    text = text_of("\r\n".join([*full, item, *full]))
    assert f"\n{item}" in text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("위원회는 관계 기관의 추천을 받아 위촉한 위원으로 구성한다", ", 다만 위원장은 그러하지 아니하다"),
        ("그는 처음 시행된 해부터 정한 나이(1943년부터는 만 19", "세) 때에 검사를 받는다"),
        ("소속 공무원으로 구성하고 위원장이 정한다(임기는 2년으로 한다. ", "이하 같다)는 취지를 적어 알린다"),
        ("신청하려는 자는 정해진 기간 안에 서류를 갖추어 다음에 따른 ", "별표 5와 같은 서류를 낸다"),
        ("이들은 그 뒤 계엄을 나라 전체로 확대 강화한 정변인 5", "·17 쿠데타로 물러났다"),
        ("열두 가지는 식(識) · 명색(名色) · 촉(觸) · 수(受) ", "· 생(生) · 노사(老死)를 말한다"),
    ],
)
def test_what_closes_or_separates_goes_on_with_its_sentence(before, after):
    full = wrap(" ".join(SENTENCES), int(width(before)))
    lines = [before, after, *full]
    assert not re.search(rf"\n{re.escape(after[:4])}", text_of("\r\n".join(lines)))


def test_a_mark_that_begins_lines_after_short_ones_is_a_bullet():
    full = wrap(SENTENCES[0], 30)[:2]
    assert "\n·장애인 지원" in text_of(
        "\r\n".join([*full, "·노인 지원", "·장애인 지원", *full, "·장애인 지원"])
    )
    assert "\n·김남주" not in text_of("\r\n".join([*full, "·김남주 시인이 함께 있었다", *full]))


def test_a_short_line_ends_its_paragraph():
    text = text_of("\r\n".join([*wrap(SENTENCES[0], 40), "끝.", *wrap(SENTENCES[1], 40)]))
    assert "\n" + SENTENCES[1][:20] in text


def test_the_spaces_a_file_keeps_at_its_line_ends_decide():
    lines = [
        "담당자는 처리 결과를 신청인에게 알리고 기록을 ",
        "보관하여야 하며 필요하면 관계 기관에 자료를 제",
        "출하게 할 수 있고 그 비용은 ",
    ]
    text = text_of("\r\n".join([*lines, *lines, "끝"]))
    assert "기록을 보관하여야" in text and "자료를 제출하게" in text


@pytest.mark.parametrize("width", [17, 26, 35, 43])
def test_breaks_inside_and_between_words_are_told_apart(width):
    breaks = right = 0
    for sentence in SENTENCES:
        lines = wrap(sentence, width)
        text = text_of("\r\n".join(lines))
        words, at = sentence.split(), 0
        found = text.split()
        ends = {sum(map(len, found[: i + 1])) for i in range(len(found))}
        expected = {sum(map(len, words[: i + 1])) for i in range(len(words))}
        for line in lines[:-1]:
            at += len(line.replace(" ", ""))
            breaks += 1
            right += (at in ends) == (at in expected)
    assert right >= 0.9 * breaks, f"{right} of {breaks} line breaks"


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("가\x00나", "가 나"),
        ("가\u200b나\ufeff\u00ad다", "가나다"),
        ("가\ud83d나", "가\ufffd나"),
        ("\u1100\u1161 e\u0301", "가 é"),
        (" 가 \t\u3000 나\u00a0", "가 나"),
        ("㎡ ① Ａ", "㎡ ① Ａ"),
    ],
)
def test_a_line_is_cleaned(raw, clean):
    assert clean_span(raw, 0, len(raw))[0] == clean


def test_leader_dots_are_one_mark_and_letter_spacing_goes():
    assert text_of("제1장 총칙 ······················ 3\r\n재 무 상 태 표\r\n제5장 보 칙\r\n가 나") == (
        "제1장 총칙 … 3\n재무상태표\n제5장 보칙\n가 나\n"
    )
    assert DOTS.search("1.5") is None


def test_the_characters_of_symbol_and_equation_fonts_are_those_they_show():
    assert text_of("\uf06d 사업 개요\r\n\ue000 \ue047 \ue034") == "❍ 사업 개요\nA = 1\n"


def test_a_page_without_text_is_unreadable_if_anything_is_drawn_on_it():
    assert [p.readable for p in normalise(raw_file("글이 있다", "")).pages] == [True, False]
    assert [p.readable for p in normalise(raw_file("글이 있다", "", drawn=False)).pages] == [True, True]


def test_a_contents_page_is_known_by_leaders_by_bare_titles_and_by_its_name():
    leaders = "\r\n".join(["목차", *(f"{n}. 사업 개요 {n} ······ {n}" for n in range(1, 7))])
    bare = "\r\n".join(f"제{n}조(적용범위)" for n in range(1, 7))
    named = "\r\n".join(["목 차", *(f"{n}. 사업 개요 {n * 3}" for n in range(1, 7))])
    body = "제1조(목적) 이 규정은 목적을 정한다.\r\n1. 사업 개요\r\n사업을 한다."
    for contents in (leaders, bare, named):
        lines = normalise(raw_file(contents, body)).lines
        assert all(line.kind == "contents" for line in lines if line.page == 0)
        assert all(line.kind == "text" for line in lines if line.page == 1)


def test_titles_above_their_text_are_no_contents():
    articles = "\r\n".join(f"제{n}조(적용범위)\r\n이 조는 {n}번을 정한다." for n in range(1, 7))
    assert all(line.kind == "text" for line in normalise(raw_file(articles)).lines)
