"""Brackets that give a second name → aliases: «개인정보 보호책임자(CPO)», «( 약칭: 국토계획법 )».

Whoever asks for the CPO means the officer, whichever of the two the document says elsewhere.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alias:
    """`text[start:end]`, from the long name to the closing bracket, calls `long` also `short`."""

    long: str
    short: str
    start: int
    end: int


ACRONYM = r"[A-Z][A-Za-z0-9&-]{1,9}"
BRACKET = re.compile(r"[(（]([^()（）\n]{2,90})[)）]")
SHORT = re.compile(rf"(?=[^A-Z]*[A-Z][^A-Z]*[A-Z]){ACRONYM}(?<!-)")
SHORT_BEFORE = re.compile(rf"(?<![A-Za-z0-9&._/-])(?=[^A-Z]*[A-Z][^A-Z]*[A-Z])({ACRONYM}) ?$")
SHORT_TITLE = re.compile(r"\s*약칭\s*:\s*([가-힣A-Za-z0-9·ㆍ ]{2,40}?)\s*")
CALLED = re.compile(
    rf"이하\s?[\"'“‘「]?({ACRONYM})[\"'”’」]?(?:\s?(?:이?라|로)\s?(?:고\s?)?(?:한다|함|합니다|칭한다|칭함|부른다|약칭한다))?"
)
ENGLISH = re.compile(r"[A-Za-z][A-Za-z’'&/-]*(?: [A-Za-z&(][A-Za-z’'&/-]*)*")
KOREAN = re.compile(r"[가-힣][가-힣A-Za-z·ㆍ -]*[가-힣]")
LAST_WORDS = re.compile(r"[가-힣A-Za-z0-9·ㆍ‧-]+(?: [가-힣A-Za-z0-9·ㆍ‧-]+)*$")
ENGLISH_BEFORE = re.compile(r"(?:[A-Za-z][A-Za-z’'&-]*[ -]){1,9}[A-Za-z][A-Za-z’'-]*$")
BEFORE = 90  # characters before a bracket that are looked at

# Not second names: formats of files, Roman numerals, answers, and what units are made of.
NO_SHORT = re.compile(
    r"PDF|HWPX?|DOCX?|XLSX?|PPTX?|JPE?G|PNG|GIF|ZIP|CSV|TXT|XML|HTML?|JSON|MP[34]|URL|[IVX]+|OFF|ON|OK|NO|YES|NEW|"
    r"[kKMGTm]?(?:WH?|Wh|Hz|HZ|Pa|VA|V|B|BPS)|KRW|USD|AM|PM|[A-Z]-?\d+[A-Z]?\d*|[A-Z]&[A-Z]{0,0}"
)
SURNAMES = re.compile(r"KIM|LEE|YI|RHEE|PARK|PAK|CHOI|JUNG|JEONG|CHUNG|KANG|CHO|YOON|YUN|JANG|LIM|HAN|SHIN|SEO")
# A word that ends so is no part of the name; the nouns that look so come first.
NOUN = re.compile(
    r".*(?:국가|평가|전문가|허가|인가|원가|단가|증가|추가|물가|주가|대가|제도|정도|한도|용도|속도|온도|습도|농도|강도|지도|"
    r"태도|보도|철도|수도|밀도|빈도|척도|난이도|도로|경로|진로|통로|회로|근로|항로|선로|결과|학과|성과|효과|부과|초과|통과|경과|"
    r"회의|협의|심의|논의|동의|주의|정의|합의|결의|문의|강의|명의|건의|권한|제한|기한|북한|대한|역할|분할|관할|"
    r"법인|개인|노인|장애인|외국인|승인|확인|원인|요인|본인|성인|타인|대리인|무인|아이|어린이|차이|높이|길이|나이|"
    r"보고|광고|신고|경고|사고|예고|권고|재고|창고|국고|기여|참여|급여|부여|대여|증여|마을|가을|소음|녹음|발음|기은|산은|한은)"
)
ENDING = re.compile(
    r".*(?:[은는이가을를의에로와과도만며고여다된될한할인던린난운런른]|에서|에게|부터|까지|보다|처럼|하게|되게|이나|거나|"
    r"하면|되면|으면|이면|라면|해서|어서|아서|면서|로서|로써|하기|되기|하지|되지|함|됨|음|임|있어|하여|되어|통해|위해|대해)"
)
STOP_WORD = re.compile(
    r"및|또는|등|그|이|각|해당|기타|약|총|본|동|상기|수|것|때|현|전|구|신|당|타|및|내|외|중|후|시|주|위|년|월|일|"
    r"[가-하]|[0-9].*|[A-Z]|[-·ㆍ‧]+"
)
SMALL_WORDS = frozenset(["of", "for", "and", "the", "in", "on", "to", "a", "an", "at", "by", "with", "de"])


def find_aliases(text: str) -> list[Alias]:
    """The second names that `text` gives, in the order of their brackets.

    An acronym has at least two capitals. Of a bracket with an acronym and its English name, both the
    Korean and the English name are long names of it. A list in a bracket («PC, TV») is none.
    """
    return [alias for bracket in BRACKET.finditer(text) for alias in _of_bracket(text, bracket)]


def _of_bracket(text: str, bracket: re.Match) -> Iterator[Alias]:
    line_start = max(text.rfind("\n", bracket.start() - 400 if bracket.start() > 400 else 0, bracket.start()) + 1, 0)
    title = SHORT_TITLE.fullmatch(bracket[1])
    if title:
        yield from _law(text, line_start, bracket, title[1])
        return
    before = text[max(line_start, bracket.start() - BEFORE) : bracket.start()].rstrip(" ")
    outside = SHORT_BEFORE.search(before) 
    if outside and not NO_SHORT.fullmatch(outside[1]):
        start = bracket.start() - (len(text[max(line_start, bracket.start() - BEFORE) : bracket.start()]) - outside.start(1))
        for name in _names(bracket[1], outside[1]):
            yield Alias(name, outside[1], start, bracket.end())
