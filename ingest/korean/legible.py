"""Characters of a page → whether they are text that a Korean reader could read.

A PDF draws glyphs. A separate table says which characters they are, and it may be absent or wrong. A page
that looks right then yields

- private-use characters (outline fonts) or control characters;
- letters of another encoding («¿À´Ã» for «오늘»);
- syllables that nobody writes («뷁쀍»);
- common syllables in an order that nobody writes: the entries of the table are permuted («exchanged»).
"""

import re
import unicodedata
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

# "": readable; "empty": only blanks; "partly": readable except for a part, such as formulas in a font
# without a table; "garbled": unreadable.
Fault = Literal["", "empty", "partly", "garbled"]

# A page is garbled if more than this share of its characters, blanks aside, is bad. The worst readable page of
# 128 real files has 11.5 %.
GARBLED_SHARE = 0.3
# The limit for pages with at most HANGUL_SHARE of Hangul, which in a Korean file is suspicious by itself.
GARBLED_SHARE_WITHOUT_HANGUL = 0.15
HANGUL_SHARE = 0.05
PARTLY_SHARE = 0.02
PARTLY_COUNT = 5
# The 700 most frequent syllables of 2,355 statutes (public domain), most frequent first; they make up 99.98 %
# of all syllables there. On any page of the real files at most 15 % are others; of random syllables 94 % are.
FREQUENT = (
    "제의에한조하다정는이항관지부사을법시기호자은로를수따경행장원서가개여인공업및위등른보과으전대고용해령"
    "일우산구별신각터라계무소또상도리중국통분규설회당표청할그적금같야방있음나치단영생재유요칙거교식주급성"
    "외비세출목명체건동연포게물어발률된직받안료까선아문증본준후역특임처품년록간실내되양만략권획운필진결육"
    "합면날화월입종번환차학액반니와검토심련속류변감립크링허술력약함때매험예려축것농취군복민평밖말협파승람"
    "확판득란없납격투미례질송택활징불융작스절채책집림범느탁배담태초바추삭형찰모근총피광능래점병석촉며현강"
    "앙익폐첨천접마너율노효량최견족독흥박저향달센훈오존손벌난참응촌황망두충염편디휴타갖애러알않죄철창완었"
    "트쟁드측였데쪽템압될칭열퇴혁쳐괄순밀착친좌프못벤습침히긴봉넷짓균닌던남코누온색녹객귀들린든앞둔새곱억"
    "뢰춘멸르끝페북써갈폭께홈홍탄뒤퍼둘락카론휘램척즉층털높핵돌레악혼희굴키몰울윤츠곤백루풍쇄헌갱버언잔살"
    "킬엔극녀맞뜻탈혈줄티더콘댐얻찬았읍낙묘렬톤숙겸훼맹웨횟붙널팀빈섭뇨칠념름밝테봄텐륙옥패플켜첩넘걸잠올"
    "벽메베길닥곳답엽렵골했흡졸암핑렴랫뺀욕혀혐폼클궤막텔글쓰덤머먹워먼퓨잃컴숲밑힌잡괴델궐륜촬뒷빙픽삼뇌"
    "탐곡잘팅움춤닝빌갯브즈멀놀쉽큰혜갑볼낸탑낮엄컨김끼째많릴져듣킨팩값럽잉삶덕탱롱랑슷횡냉샘됨벨논붕헬네"
    "렇섬눈밟케뉴킹겨션낼넣닉죽쇠흠싸첫꺼찍헐궁왼흙놓쉬씩십롭얼짜빛뿌쌓벗닐떠흉빠커꾸춰탕딸띠옮졌퀴늘났왕"
    "떨블숫쉼팔흐돼럼푸씨밸깊빼홀둑돈깥뚜옆렷쳤럭낚핍렌칸렸늦캠쾌럴옴닫랜맡콥꽃힘밭턴큼늄럿싣덮뜨젝펌낭빅"
    "님틀덧땅랩봇맺틱헤깨쌍둥슬틸맨뭄섯찾닷겠깃흘겼긋휠옹곽릉켓삽짐짧칼돗넓뿐윗겹끄콜넥묻젤곰믹쌀붉돕딜읽"
)
FREQUENT_SET = frozenset(FREQUENT)
# One bit for each ordered pair of FREQUENT: whether the two stand together in Korean. Written by
# eval/training/train_legible.py.
PAIRS = Path(__file__).with_name("pairs.bin")
# How Korean a text is, from 0 to 2: the share of its pairs of syllables that are known, plus the share of its
# syllables that are among the COMMON most frequent. The worst of 3,371 real pages has 0.79, the worst of 273
# real files 0.94 (1.02 of those with enough pairs), the median page 1.6. With permuted syllables the median page
# has 0.53. A list of foreign names has 0.7, so a page with few pairs is doubted only if its file is.
COMMON = 100
KOREAN = 0.6
KOREAN_IF_DOUBTED = 0.85
KOREAN_OF_FILE = 0.8
PAIRS_IF_DOUBTED, PAIRS_OF_PAGE, PAIRS_OF_FILE = 40, 100, 600
# If the blank was permuted too, one letter stands for it and makes up at least a fifth of all. On real pages the
# commonest letter makes up at most 24 %, save in tables with «년» in each cell.
ONE_LETTER_SHARE = 0.2
ONE_LETTER_COUNT = 60
RARE_SHARE = 0.3
RARE_COUNT = 8
# By chance, three in ten random syllables of KS X 1001 are frequent, so two rare ones stand for three bad ones.
BY_CHANCE = 1.5
# Control characters that replace spaces are at most this share of the characters (Korean words have about three
# syllables) and at most SPACES_DISTINCT different ones; those that replace letters differ more.
SPACES_SHARE = 0.45
SPACES_DISTINCT = 2
# In no language with Latin letters are there half as many letters with marks as without.
MARKED_SHARE = 0.5
MARKED_DISTINCT = 5
# Symbols of Latin-1 and CP1252. No real text has SOUP_DISTINCT different ones of them on a page.
SOUP = frozenset("¡¢£¤¥¦¨ª¬¯²³´µ¶¸¹º¼½¾¿ƒ„†‡ˆ‰Š‹Œ›œš€\x80\x81")
SOUP_DISTINCT = 6
SOUP_SHARE = 0.15
# Hanja are random if more than UNLISTED_SHARE of them is in no national character set; of random ones half are.
UNLISTED_SHARE = 0.2
# Letters of other scripts are random if they come from at least this number of blocks of 128 characters, or if
# there are more than FOREIGN_DISTINCT different ones. Amharic exceeds that, which is no loss here.
FOREIGN_BLOCKS = 4
FOREIGN_DISTINCT = 100
# English has 38 % vowels, letters that a wrong table shifted 13 %. Fewer letters than VOWEL_LETTERS may be codes
# and units.
VOWEL_SHARE = 0.2
VOWEL_LETTERS = 150
# A text is English if more than the share ENGLISH_WRITTEN is ASCII other than symbols, with at least
# ENGLISH_DISTINCT different letters and a share of vowels within ENGLISH_VOWELS.
ENGLISH_WRITTEN, ENGLISH_DISTINCT, ENGLISH_VOWELS = 0.95, 8, (0.25, 0.55)
SYMBOL_SHARE = 0.25
SYMBOL_DISTINCT = 8

# Private-use character of Hancom's equation font → the character that it shows, as read off pages with formulas.
# They are no fault, since each is known.
EQUATION = (
    {0xE000 + i: chr(ord("A") + i) for i in range(26)}
    | {0xE0E5 + i: chr(ord("a") + i) for i in range(26)}
    | {0xE09D + i: chr(ord("α") + i) for i in range(17)}
    | {0xE034 + i: char for i, char in enumerate("1234567890!")}
    | {0xE044 + i: char for i, char in enumerate("()-=+[]{}|")}
    | {0xE042: "%", 0xE04F: ":", 0xE067: "∑", 0xE06D: " "}
    | {0xE052 + i: char for i, char in enumerate(",./<>")}
)
WRITTEN = ("syllable", "rare", "hanja")
REPEATED = 8
SAME = re.compile(r"([\u3400-\u9fff가-힣])\1{7,}")
ISOLATED = re.compile(r"(?<!\S)[\ue000-\uf8ff](?!\S)")  # a bullet: nothing touches it

# Characters without width, and U+FFFE, PDFium's mark of a hyphen or of a space that it does not draw. No fault.
INVISIBLE = frozenset("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\ufffe")
# Leader dots count as blanks: most characters of a contents page are dots, even if the others are garbled.
LEADERS = frozenset(".·‥…⋯ㆍ")
SYMBOLS = frozenset("!\"#$&'*;<=>?@[\\]^_`{|}~")
VOWELS = frozenset("aeiouAEIOU")
NATIONAL = ("euc_kr", "gb2312", "shift_jis")
BIG5_LEVEL_2 = b"\xc9"  # from here on the characters of Big5 are rare


def judge_pages(texts: Sequence[str]) -> list[Fault]:
    """The fault of each page of one file, judged with the whole file in view.

    If the syllables of the whole file are not Korean, less evidence is needed to doubt a page: some pages
    have too few syllables to tell, or fit by chance.
    """
    counted = [_count_pairs(text) for text in texts]
    doubted = _is_doubtful(counted)
    return [_judge(*page, doubted) for page in zip(texts, counted, strict=True)]


def is_doubtful(texts: Sequence[str]) -> bool:
    """Whether the syllables of a file, all pages together, are not Korean; False if there are too few to tell."""
    return _is_doubtful([_count_pairs(text) for text in texts])


def judge(text: str, *, doubted: bool = False) -> Fault:
    """The fault of one page's characters; "" if they are readable.

    Pages without Hangul are readable if they hold English, Hanja or tables of numbers. Bullets in private
    use, formulas of Hancom's equation font, and control characters that replace spaces are no faults.

    Args:
        doubted: the file as a whole is not Korean, so less is enough to doubt a page of it.
    """
    return _judge(text, _count_pairs(text), doubted)


def _judge(text: str, counted: "_Pairs", doubted: bool) -> Fault:
    counts = Counter(text)
    kinds: dict[str, dict[str, int]] = defaultdict(dict)
    for char, count in counts.items():
        kinds[_kind(char)][char] = count
    kinds.pop("blank", None)
    of = {kind: sum(chars.values()) for kind, chars in kinds.items()}
    total = sum(of.values())
    if total == of.get("control", 0) and len(kinds.get("control", ())) <= SPACES_DISTINCT:
        return "empty"
    bad = sum(
        (
            of.get("broken", 0),
            _controls(kinds, of, total),
            _private(text, kinds, of, total),
            _rare(of),
            _marked(kinds, of),
            _unlisted(kinds, of),
            _foreign(kinds, of),
            _shifted(kinds, of, total),
            _soup(counts, of, total),
            _repeated(text, kinds, of),
        )
    )
    hangul = of.get("syllable", 0) + of.get("rare", 0)
    limit = GARBLED_SHARE if hangul > HANGUL_SHARE * total else GARBLED_SHARE_WITHOUT_HANGUL
    if bad > limit * total or _is_exchanged(counted, kinds, hangul, doubted):
        return "garbled"
    return "partly" if bad >= PARTLY_COUNT and bad > PARTLY_SHARE * total else ""


def is_english(text: str) -> bool:
    """Whether `text` may consist of English words, by its shares of letters and vowels, whatever their order."""
    letters = [char for char in text if char.isascii() and char.isalpha()]
    vowels = sum(char in VOWELS for char in letters)
    written = sum(char.isascii() and char not in SYMBOLS for char in text)
    return (
        written > ENGLISH_WRITTEN * len(text)
        and len(set(letters)) >= ENGLISH_DISTINCT
        and ENGLISH_VOWELS[0] * len(letters) <= vowels <= ENGLISH_VOWELS[1] * len(letters)
    )


@lru_cache(maxsize=1 << 16)
def _kind(char: str) -> str:
    if char.isspace() or char in INVISIBLE or char in LEADERS:
        return "blank"
    if "가" <= char <= "힣":
        return "syllable" if char in FREQUENT_SET else "rare"
    if char <= "\x7f":
        return "control" if char < " " or char == "\x7f" else "latin" if char.isalpha() else "ascii"
    category = unicodedata.category(char)
    if category == "Cc":
        return "control"
    if category == "Co":
        return "equation" if ord(char) in EQUATION else "private"
    if category in ("Cn", "Cs") or char == "\ufffd":
        return "broken"
    if category[0] not in "LM":
        return "other"
    return _script(char)


def _script(char: str) -> str:
    """The kind of a letter or mark that is neither ASCII nor a Hangul syllable."""
    if "\u00c0" <= char <= "\u024f":
        return "marked"
    if "\u3400" <= char <= "\u9fff" or "\uf900" <= char <= "\ufaff" or char >= "\U00020000":
        return "hanja"
    name = unicodedata.name(char, "")
    known = ("GREEK", "HANGUL", "HALFWIDTH", "FULLWIDTH", "HIRAGANA", "KATAKANA", "LATIN")
    return "other" if name.startswith(known) else "foreign"


def _controls(kinds: dict[str, dict[str, int]], of: dict[str, int], total: int) -> int:
    """The number of control characters; 0 if they replace spaces."""
    count = of.get("control", 0)
    spaces = len(kinds.get("control", ())) <= SPACES_DISTINCT and count <= SPACES_SHARE * total
    return 0 if spaces else count


def _private(text: str, kinds: dict[str, dict[str, int]], of: dict[str, int], total: int) -> int:
    """The number of private-use characters that are neither bullets nor in formulas."""
    private, equation = of.get("private", 0), of.get("equation", 0)
    # They are formulas only if few private characters beside them are outside Hancom's table (a font whose
    # glyphs are numbered from U+E000 on uses any) and the page has words.
    near = sum(count for char, count in kinds.get("private", {}).items() if char < "\ue200")
    written = of.get("syllable", 0) + of.get("latin", 0)
    if near > 0.2 * equation or written < 0.1 * equation:
        private += equation
    if private <= PARTLY_SHARE * total:
        return 0
    return private - min(private, len(ISOLATED.findall(text)))


def _rare(of: dict[str, int]) -> float:
    """The number of syllables that are bad, estimated from the rare ones; 0 if those are not too many."""
    rare, frequent = of.get("rare", 0), of.get("syllable", 0)
    many = rare > RARE_SHARE * (rare + frequent) and rare >= RARE_COUNT
    return min(rare * BY_CHANCE, rare + frequent) if many else 0


def _marked(kinds: dict[str, dict[str, int]], of: dict[str, int]) -> int:
    """The number of letters such as À, if they are too many for a language: CP949 was read as Latin-1."""
    marked = of.get("marked", 0)
    enough = len(kinds.get("marked", ())) >= MARKED_DISTINCT and marked > MARKED_SHARE * of.get("latin", 0)
    # Half of such bytes are symbols («´», «¿»), which count only together with the letters.
    return (
        marked + sum(count for char, count in kinds.get("other", {}).items() if "\x80" <= char <= "\xbf")
        if enough
        else 0
    )


def _unlisted(kinds: dict[str, dict[str, int]], of: dict[str, int]) -> int:
    """The number of Hanja in `text`, if too many of them are in no national character set to be real text; else 0."""
    hanja = kinds.get("hanja")
    if not hanja:
        return 0
    unlisted = sum(count for char, count in hanja.items() if not _listed(char))
    return of["hanja"] if unlisted > UNLISTED_SHARE * of["hanja"] else 0


@lru_cache(maxsize=1 << 16)
def _listed(char: str) -> bool:
    if any(char.encode(charset, "ignore") for charset in NATIONAL) or "\uf900" <= char <= "\ufaff":
        return True
    return b"" < char.encode("big5", "ignore") < BIG5_LEVEL_2


def _foreign(kinds: dict[str, dict[str, int]], of: dict[str, int]) -> int:
    """The number of letters of other scripts, if they are too varied for one language; else 0."""
    foreign = kinds.get("foreign", {})
    blocks = {ord(char) >> 7 for char in foreign}
    mixed = len(blocks) >= FOREIGN_BLOCKS or len(foreign) > FOREIGN_DISTINCT
    return of.get("foreign", 0) if mixed else 0


def _shifted(kinds: dict[str, dict[str, int]], of: dict[str, int], total: int) -> int:
    """The number of ASCII characters that form no words, because numbers of glyphs were taken for characters."""
    if of.get("syllable", 0) > HANGUL_SHARE * total:
        return 0
    latin, ascii_marks = kinds.get("latin", {}), kinds.get("ascii", {})
    symbols = {char: count for char, count in ascii_marks.items() if char in SYMBOLS}
    if len(symbols) >= SYMBOL_DISTINCT and sum(symbols.values()) > SYMBOL_SHARE * total:
        return of.get("latin", 0) + of["ascii"]
    vowels = sum(count for char, count in latin.items() if char in VOWELS)
    letters = of.get("latin", 0)
    return letters if letters >= VOWEL_LETTERS and vowels < VOWEL_SHARE * letters else 0


def _soup(counts: Counter[str], of: dict[str, int], total: int) -> int:
    """The number of Latin letters and symbols, if they are mixed as in no language; else 0."""
    soup = [counts[char] for char in SOUP if char in counts]
    odd = sum(soup) + of.get("marked", 0)
    if of.get("syllable", 0) > HANGUL_SHARE * total or len(soup) < SOUP_DISTINCT or odd < SOUP_SHARE * total:
        return 0
    return of.get("latin", 0) + odd


def _repeated(text: str, kinds: dict[str, dict[str, int]], of: dict[str, int]) -> int:
    """The number of letters in runs of one letter: a table that gives all glyphs the same character."""
    most = max((n for kind in WRITTEN for n in kinds.get(kind, {}).values()), default=0)
    if most < REPEATED or most < ONE_LETTER_SHARE * sum(of.get(kind, 0) for kind in WRITTEN):
        return 0
    return sum(len(run[0]) for run in SAME.finditer(text))


def _is_exchanged(counted: "_Pairs", kinds: dict[str, dict[str, int]], hangul: int, doubted: bool) -> bool:
    """Whether the page consists of Korean syllables in an order that is not Korean: its table is permuted."""
    if counted.pairs < PAIRS_IF_DOUBTED:
        return False
    hanja = kinds.get("hanja", {})
    letters = hangul + sum(hanja.values())
    letter, most = max(
        (item for kind in WRITTEN for item in kinds.get(kind, {}).items()),
        key=lambda item: item[1],
    )
    for_blank = letters >= ONE_LETTER_COUNT and most >= ONE_LETTER_SHARE * letters
    if for_blank and counted.korean(letter, most) < KOREAN_IF_DOUBTED:
        return True
    if doubted:
        return counted.korean() < KOREAN_IF_DOUBTED
    return counted.pairs >= PAIRS_OF_PAGE and counted.korean() < KOREAN


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The numbers of a text's known and of all pairs of syllables, and of its common and of all syllables."""

    known: int
    pairs: int
    common: int
    syllables: int

    def __add__(self, other: "_Pairs") -> "_Pairs":
        return _Pairs(
            self.known + other.known,
            self.pairs + other.pairs,
            self.common + other.common,
            self.syllables + other.syllables,
        )

    def korean(self, letter: str = "", count: int = 0) -> float:
        """How Korean the text is, from 0 to 2; see KOREAN.

        Args:
            letter: a letter that stands for a blank and is not counted.
            count: how often it occurs.
        """
        common = self.common - (count if letter in _COMMON else 0)
        syllables = self.syllables - (count if "가" <= letter <= "힣" else 0)
        return self.known / max(1, self.pairs) + common / max(1, syllables)


def _is_doubtful(counted: Sequence[_Pairs]) -> bool:
    whole = sum(counted, _Pairs(0, 0, 0, 0))
    return whole.pairs >= PAIRS_OF_FILE and whole.korean() < KOREAN_OF_FILE


_COMMON = frozenset(FREQUENT[:COMMON])
# For pairs, each character is the rank of a frequent syllable or one of these: an odd letter, which makes an
# unknown pair with a syllable beside it; a blank, which is skipped; any other character, which ends a run.
_ODD, _OTHER, _BLANK = -1, -2, -3


def _count_pairs(text: str) -> _Pairs:
    """The counts of `text`, blanks skipped."""
    table, pairs = _pairs()
    codes = np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)
    ranks = table[np.minimum(codes, 0xFFFF)]
    ranks = ranks[ranks != _BLANK]
    first, second = ranks[:-1], ranks[1:]
    both = np.minimum(first, second)
    here = (both >= 0) & (first != second)  # equal ones are left out: cells of a table's column repeat
    known = np.count_nonzero(pairs[first[here], second[here]])
    odd = np.count_nonzero((both == _ODD) & (np.maximum(first, second) >= 0))
    common = np.count_nonzero((ranks >= 0) & (ranks < COMMON))
    syllables = np.count_nonzero((codes >= 0xAC00) & (codes < 0xD7A4))
    return _Pairs(int(known), int(np.count_nonzero(here) + odd), int(common), int(syllables))


@lru_cache(maxsize=1)
def _pairs() -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    size = len(FREQUENT)
    table = np.full(0x10000, _OTHER, np.int16)
    table[0xAC00:0xD7A4] = _ODD
    table[0x00C0:0x0300] = _ODD
    table[0x0400:0x1100] = table[0x1200:0x1E00] = table[0xA000:0xA960] = table[0xFFFD] = _ODD
    table[0x00D7] = table[0x00F7] = _OTHER  # × and ÷
    blanks = [*range(0x21), *range(0x7F, 0xA1), *map(ord, INVISIBLE)]
    table[blanks] = _BLANK
    table[[ord(char) for char in FREQUENT]] = np.arange(size)
    bits = np.unpackbits(np.frombuffer(zlib.decompress(PAIRS.read_bytes()), np.uint8), count=size * size)
    return table, bits.view(np.bool_).reshape(size, size)
