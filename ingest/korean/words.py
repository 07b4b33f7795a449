"""A Korean question → its words: which are nouns, which particle follows each, which name something."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.korean.analyse import load_kiwi
from ingest.korean.expressions import find_expressions

PARTICLE = "(?:에서는|에서도|에서|에는|에도|에게는|에게|서는|서|으로|로|은|는|이|가|을|를|의|에|도|만|와|과|까지|부터)"
# Each particle that has two forms → the form after a consonant and the form after a vowel.
PAIRS = {particle: pair for pair in ("은는", "이가", "을를", "과와") for particle in pair}
# Words that ask.
ASKING = re.compile(r"무엇|무슨|뭐|뭘|뭔|어떤|어떻|어디|언제|누구|누가|얼마|며칠|몇|왜|어느|궁금")
# Nouns that are a property of something else (period, amount, reason): alone, they do not say of what.
RELATIONAL = re.compile(
    r"기간|기한|시기|시점|날짜|일자|시간|금액|비용|한도|상한|하한|단위|이유|사유|원인|까닭|배경|예외|조건|요건|자격|기준|대상|대상자|방법|절차|순서|과정|서류|증빙|"
    r"증빙서류|진단서|신청|신청서|승인|허가|제출|보고|신고|결정|처분|처벌|결과|효과|영향|내용|의미|뜻|정의|목적|근거|조항|항목|종류|유형|예|예시|사례|차이|차이점|비교|대비|비율|"
    r"비중|증감률|증가율|감소율|합계|총액|평균|개수|건수|횟수|인원|순위|점수|목표|실적|전망|계획|대책|대응|담당|담당자|책임자|주체|장소|위치|연락처|전화번호|주소|급여|"
    r"임금|월급|보수|연장|변경|취소|철회|갱신|면제|벌칙|주기|빈도|조사|평가|심사|심의|의결|위원장|위원|당사자|지급|지원|청구|적용|시행|반납|보관|유효|지정|해제|구성|"
    r"작성|이용|사용|공개|통보|참석|출석|위반|인정|처리|접수|발급|불이익|배상|보상|이자|벌금|상세|요약|설명|정리|표|수|것|등|때|경우|사람|곳|쪽|처음|다음|이후|이전|"
    r"전|후|뒤|안|동안|중|가운데|정도|하루|날|해|말|초|지|데|바|줄|외|밖|여부|가능|필요|회의|정기|임시|대외|대내|외부|내부|사전|사후|온라인|오프라인|연속|오래|"
    r"일반|입사|문제|최대|최소|모두|전부|각각|별도|추가|이하|이상|미만|초과|이내|거|거절|확인|교육|지연|일"
)
# Nouns for kinds of things (division, company, product): «센서 부문», the sensor division, is about 센서.
CLASSES = re.compile(
    r"부문|부서|회사|기관|제품|제도|서비스|사업|분야|지역|직원|사원|사람|등급|업체|시스템|자산"
)
COUNTED = re.compile(
    r"(?:\d+|한|두|세|네)?\s?(?:년|개월|달|주일?|일주일|일|시간|분|회|번|차례|퍼센트|명|건|개|세|자|원|곳)|하룻밤|매[년월주일]|연간|월간"
)
MEASURE = re.compile(r"(?:[액률율량비금익]|매출|투자|자산|부채|현금)$")
ORDINAL = re.compile(r"(?:첫|둘|셋|넷|다섯)째|[첫두세네] ?번째")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
NOMINAL = frozenset(["NNG", "NNP", "NNB", "NR", "SN", "SL", "SH", "XPN", "XSN", "NP"])
MARKS = {"JKS": "subject", "JKO": "object", "JKG": "of"}
VERBAL = frozenset(["XSV", "XSA", "VV", "VA", "VX", "VCP", "VCN"])


@dataclass(frozen=True, slots=True)
class Word:
    """A word between blanks, `text[start:end]`, without an opening bracket.

    `noun`: the noun that it begins with, or "". `mark`: what follows the noun: "topic" (은, 는), "subject",
    "object", "of" (의), "bare" (nothing), "verb" (a verb or copula; or there is no noun) or "other".
    `parts`: the nouns that `noun` is made of. `proper`: all of them are proper names.
    """

    start: int
    end: int
    noun: str
    mark: str
    parts: tuple[str, ...] = ()
    proper: bool = False


def read_words(text: str) -> list[Word]:
    """The words of `text`, in order."""
    tokens = load_kiwi().tokenize(text)
    words, at = [], 0
    for match in re.finditer(r"\S+", text):
        own = []
        while at < len(tokens) and tokens[at].start < match.end():
            own.append(tokens[at])
            at += 1
        words.append(_word(text, match, own))
    return words


def _word(text: str, match: re.Match, tokens: Sequence) -> Word:
    tokens = [token for token in tokens if token.tag not in ("SSO", "SSC", "SF")]
    count = 0
    while count < len(tokens) and (tokens[count].tag in NOMINAL or (count and tokens[count].tag == "SP")):
        count += 1
    if not count:
        return Word(match.start(), match.end(), "", "verb")
    start, end = tokens[0].start, tokens[count - 1].start + tokens[count - 1].len
    after = tokens[count] if count < len(tokens) else None
    if after is None:
        mark = "bare"
    elif after.tag == "JX" and after.form in ("은", "는"):
        mark = "topic"
    else:
        mark = MARKS.get(after.tag, "verb" if after.tag in VERBAL else "other")
    nouns = tokens[:count]
    proper = all(token.tag == "NNP" for token in nouns)
    return Word(start, match.end(), text[start:end], mark, tuple(token.form for token in nouns), proper)


def with_particle(noun: str, particle: str) -> str:
    """`noun` with `particle`, in the form that the noun's last sound requires: 은 or 는, 이 or 가, 으로 or 로 …"""
    if particle in ("서", "서는"):
        particle = f"에{particle}"
    closed = _final(noun)
    if particle in PAIRS:
        particle = PAIRS[particle][0 if closed else 1]
    elif particle in ("으로", "로"):
        particle = "으로" if closed and closed != "ㄹ" else "로"
    return noun + particle


def _final(noun: str) -> str:
    """The final consonant of the noun, as far as particles depend on it; "" if it ends in a vowel.

    "ㄹ" is told apart; for other consonants of Hangul it is "ㄴ".
    """
    last = noun.rstrip(" )）]」』\"'’”")[-1:]
    if "가" <= last <= "힣":
        final = (ord(last) - ord("가")) % 28
        return "" if not final else "ㄹ" if final == 8 else "ㄴ"
    return {"0": "ㅇ", "1": "ㄹ", "3": "ㅁ", "6": "ㄱ", "7": "ㄹ", "8": "ㄹ"}.get(
        last, "ㄹ" if last in "lLrR" else ""
    )


def is_entity(word: Word) -> bool:
    """Whether a word names something by itself: no time, number, kind, or property of another thing."""
    noun = word.noun
    return (
        len(noun) > 1
        and not ASKING.match(noun)
        and not all(RELATIONAL.fullmatch(part) for part in word.parts)
        and not RELATIONAL.fullmatch(noun)
        and not CLASSES.fullmatch(noun)
        and not COUNTED.fullmatch(noun)
        and not NUMBER.match(noun)
        and noun != "번째"
        and not is_period(noun)
    )


def is_period(text: str) -> bool:
    """Whether `text` contains a period, date or relative period."""
    return any(e.kind in ("period", "date", "relative") for e in find_expressions(text))


def is_of_years(text: str) -> bool:
    """Whether a period has no quarter, half or month: «2024년» can replace «작년» (last year), not «3분기» (Q3)."""
    return not re.search(r"분기|반기|월", text)


def is_proper(noun: str) -> bool:
    """Whether Kiwi reads `noun` as proper names only."""
    tokens = load_kiwi().tokenize(noun)
    return bool(tokens) and all(token.tag == "NNP" for token in tokens)
