"""Whether a page's characters are text: kinds of damage are found, kinds of pages without Hangul pass."""

import random

import pytest

from ingest.korean.legible import EQUATION, FREQUENT, judge, judge_pages
from tests.support.laws import some

TEXT = """제34조(연차 유급휴가) ① 회사는 1년간 80퍼센트 이상 출근한 직원에게 15일의 유급휴가를 주어야 한다.
② 회사는 계속하여 근로한 기간이 1년 미만인 직원에게 1개월 개근 시 1일의 유급휴가를 주어야 한다.
③ 회사는 3년 이상 계속하여 근로한 직원에게는 제1항에 따른 휴가에 최초 1년을 초과하는 계속 근로
연수 매 2년에 대하여 1일을 가산한 유급휴가를 주어야 한다. 이 경우 가산휴가를 포함한 총 휴가
일수는 25일을 한도로 한다."""
ENGLISH = "This study examines the effect of working hours on the health of employees in Korea. " * 4
SEED = 7


def hangul(text, change):
    return "".join(change(char) if "가" <= char <= "힣" else char for char in text)


def renamed(first):
    """Glyph numbers in place of characters, as a font without a table gives them."""
    seen = {}
    return "".join(c if c.isspace() else chr(seen.setdefault(c, first + len(seen))) for c in TEXT)


def syllables():
    chance = random.Random(SEED)
    return hangul(TEXT, lambda _: chr(chance.randrange(0xAC00, 0xD7A4)))


def hanja():
    chance = random.Random(SEED)
    return hangul(TEXT, lambda _: chr(chance.randrange(0x4E00, 0x9FFF)))


def exchanged(text, seed=0, more=""):
    """`text` with its syllables and `more` permuted among those of a font: 400 frequent ones and the text's."""
    ours = sorted({char for char in text if "가" <= char <= "힣"} | set(FREQUENT[:400]) | set(more))
    return text.translate(dict(zip(map(ord, ours), random.Random(seed).sample(ours, len(ours)), strict=True)))


NAMES = "".join(f"{a}{b}{c}\n" for a in "김이박최정강조윤장임" for b in "지민서준현" for c in "우영호진희")
DISHES = """김치찌개 된장찌개 순두부찌개 부대찌개 비빔밥 돌솥비빔밥 제육볶음 오징어볶음 불고기 갈비탕 설렁탕
육개장 냉면 비빔냉면 칼국수 만두국 떡국 라면 김밥 떡볶이 순대 튀김 돈가스 짜장면 짬뽕 탕수육 볶음밥"""
TALK = """야 너 어디야? 나 지금 가는 중이야. 좀 늦을 것 같은데 먼저 먹고 있어. 배고파 죽겠다 진짜. 왜 이렇게
늦는 거야. 미안 미안 차가 막혀서 그랬어. 떡볶이 시켰어? 너 뭐 먹을래? 나는 김밥 먹을게. 응 알겠어 얼른 와."""
FOREIGN = """도널드 트럼프, 블라디미르 푸틴, 에마뉘엘 마크롱, 보리스 존슨, 저스틴 트뤼도, 앙겔라 메르켈, 나렌드라
모디, 자이르 보우소나루, 레제프 타이이프 에르도안, 베냐민 네타냐후, 리오넬 메시, 크리스티아누 호날두"""


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        NAMES,
        DISHES,
        TALK,
        FOREIGN,
        "○ 참석: 김철수\n" + "년 " * 80 + "2019 2020 2021 " * 20,
        TEXT.replace(" ", "\x01"),
        TEXT.replace(" ", "\x00"),
        TEXT.replace(" ", "\ufffe "),
        "".join(f"\uf06c {line}\r\n" for line in TEXT.splitlines()),
        TEXT + " \uf53a글 문서",
        ENGLISH,
        "Cette étude a été réalisée à Séoul où les employés préfèrent les congés payés. " * 4,
        "Người lao động nước ngoài phải đội mũ bảo hộ khi làm việc trên cao tại công trường. " * 4,
        "2023 1,234 5,678 12.5% △3.1 ▲0.2 (45) -\r\n" * 20,
        "大韓民國은 民主共和國이다. 大韓民國의 主權은 國民에게 있다. 韓國 國會 法律 第十五號",
        "天地玄黃 宇宙洪荒 日月盈昃 辰宿列張 寒來暑往 秋收冬藏",
        "ᄒᆞᆫ글 나랏말ᄊᆞ미 듕귁에 달아 문ᄍᆞᆼ와로 서르 ᄉᆞᄆᆞᆺ디 아니ᄒᆞᆯᄊᆡ",
        "3",
        "뷁",
        "신약: 켑트로비르 펜타닐 크레아틴 메트포르민 웨이퍼를 쓰는 경우에는 의사와 상의하여야 한다",
    ],
)
def test_what_a_reader_can_read_passes(text):
    assert judge(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TEXT.encode("cp949").decode("latin-1"), id="CP949 read as Latin-1"),
        pytest.param(TEXT.encode("cp949").decode("cp1252", "replace"), id="CP949 read as CP1252"),
        pytest.param(TEXT.encode().decode("latin-1"), id="UTF-8 read as Latin-1"),
        pytest.param(TEXT.encode().decode("cp949", "replace"), id="UTF-8 read as CP949"),
        pytest.param(hangul(TEXT, lambda char: chr(ord(char) + 5)), id="shifted"),
        pytest.param(hangul(TEXT, lambda _: "\ufffd"), id="replaced"),
        pytest.param(hangul(TEXT, lambda _: "\x00"), id="NUL"),
        pytest.param(renamed(0xE000), id="private use"),
        pytest.param(renamed(0xF021), id="private use of symbol fonts"),
        pytest.param(renamed(1), id="control characters"),
        pytest.param(syllables(), id="random syllables"),
        pytest.param(hanja(), id="random Hanja"),
        pytest.param(exchanged(TEXT), id="syllables exchanged"),
        pytest.param(exchanged(TEXT, more=" "), id="syllables and blanks exchanged"),
        pytest.param("轉轉︰" + "針" * 12, id="one character for all glyphs"),
        pytest.param("구초7" + "민" * 40 + "너" + "민" * 40, id="one syllable for all glyphs"),
        pytest.param(
            "€¥eÚ ~¾u™„ ~Yeõue t¡ ƒvZªfI t- u’ l1 oEu’ oy ~¾u™„ ¢vñ ƒEsÙ i) Zau1", id="glyphs as CP1252"
        ),
        pytest.param("".join(chr(ord(c) - 29) if c > " " else c for c in ENGLISH), id="shifted Latin"),
    ],
)
def test_what_no_reader_can_read_is_garbled(text):
    assert judge(text) == "garbled"


@pytest.mark.parametrize("seed", range(20))
def test_a_file_of_exchanged_syllables_is_garbled_on_its_short_pages_too(seed):
    pages = exchanged("\f".join([TEXT] * 5 + [TEXT[:120]]), seed).split("\f")
    assert judge_pages(pages) == ["garbled"] * 6


def test_one_page_of_another_kind_does_not_doubt_the_others():
    assert judge_pages([TEXT, DISHES, exchanged(TEXT), TEXT]) == ["", "", "garbled", ""]
    assert judge_pages([]) == []


@pytest.mark.parametrize("text", ["", " \r\n\t", "\ufffe\u200b", "\x00\x00 \x00"])
def test_blanks_are_an_empty_page(text):
    assert judge(text) == "empty"


def test_a_page_with_one_font_without_a_table_is_partly_garbled():
    formula = "\x1f\x1e\x16\x15\x14\x1c\x13\x12\x1f\x1e\x1d\x1c\x1b\x1a"
    assert judge(TEXT + formula) == "partly"


def test_formulas_of_the_hancom_equation_font_are_text():
    codes = {char: chr(code) for code, char in EQUATION.items()}
    formula = "".join(codes[char] for char in "GF(q)={x+1,y/2}")
    assert judge(f"다음 식을 만족하는 값을 구한다.\r\n{formula}\r\n{formula}") == ""
    assert formula.translate(EQUATION) == "GF(q)={x+1,y/2}"


@pytest.mark.shared
def test_no_page_of_the_real_files_is_called_garbled(shared):
    import pypdfium2

    files = [p for p in sorted((shared / "data/pdf").glob("*/*.pdf")) if p.parent.name != "robustness"]
    for path in some(files, 30):
        pdf = pypdfium2.PdfDocument(path)
        texts = [page.get_textpage().get_text_range(errors="replace") for page in pdf]
        assert "garbled" not in judge_pages(texts), path
        pdf.close()
