"""Brackets that give a second name → aliases: «개인정보 보호책임자(CPO)», «( 약칭: 국토계획법 )».

A question may use one name and the relevant passage the other («the CPO», «the officer for data
protection»); aliases connect them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alias:
    """Two names of one thing, which `text[start:end]` declares: from the long name to the closing bracket."""

    long: str
    short: str
    start: int
    end: int


ACRONYM = r"[A-Z][A-Za-z0-9&-]{1,9}"
BRACKET = re.compile(r"[(（]([^()（）\n]{2,90})[)）]")
SHORT = re.compile(rf"(?=[^A-Z]*[A-Z][^A-Z]*[A-Z]){ACRONYM}(?<!-)")
SHORT_BEFORE = re.compile(rf"(?<![A-Za-z0-9&._/-])(?<![A-Za-z] )(?=[^A-Z]*[A-Z][^A-Z]*[A-Z]){ACRONYM}(?<!-)$")
TITLE = re.compile(r"\s*약칭\s*:\s*([가-힣A-Za-z0-9·ㆍ ]{2,40}?)\s*")
CALLED = re.compile(
    r"이하\s?[\"'“‘「]?(?P<name>[A-Za-z0-9&-]+)[\"'”’」]?(?:\s?(?:이?라|로)\s?(?:고\s?)?[가-힣]{1,5})?"
)
PARTS = re.compile(r"\s*[,;:/]\s*|\s+[-–=]\s+")
ENGLISH = re.compile(r"[A-Za-z][A-Za-z'’&-]*(?: [A-Za-z&][A-Za-z'’&-]*)+|[A-Z][a-z]+[A-Z][A-Za-z]+")
ENGLISH_BEFORE = re.compile(r"[A-Za-z][A-Za-z'’-]*(?:[ -](?:[A-Za-z][A-Za-z'’-]*|&))*$")
KOREAN_BEFORE = re.compile(r"[가-힣A-Za-z0-9·ㆍ‧]+(?: [가-힣A-Za-z0-9·ㆍ‧]+)*$")
KOREAN = re.compile(r"[가-힣][가-힣A-Za-z·ㆍ ]*[가-힣]")
BEFORE = 90  # the number of characters before a bracket in which the long name is looked for
MOST_WORDS = 5
# A Korean name has about as many parts as its acronym has letters, of two or three syllables each (개인정보
# 보호책임자, CPO). A longer run of nouns begins with words that belong to the sentence, not to the name.
SYLLABLES_PER_LETTER = 3
FEW_SYLLABLES_PER_LETTER = 2  # a name with fewer takes one more word, however long that is
FEWEST_SYLLABLES = 3  # a shorter word, as in 제출(AI), 설정(DH), is not all that the bracket refers to

# Capitals that are no second name: file formats, Roman numerals, switches, units, codes of diseases or drawings.
NO_SHORT = re.compile(
    r"PDF|HWPX?|DOCX?|XLSX?|PPTX?|JPE?G|PNG|GIF|ZIP|CSV|TXT|XML|HTML?|JSON|MP[34]|[IVX]+|OFF|ON|OK|NO|YES|NEW|"
    r"[kMGTm]?(?:WH|Wh|Hz|HZ|Pa|VA)|[A-Z]&?[A-Z]?-?\d+-?\d*|A&B|[A-Z]-[A-Z]|[A-Z]\d+-[A-Z]\d+"
)
# Surnames, which follow a person's name: 김철수(KIM).
SURNAME = re.compile(
    r"KIM|LEE|YI|RHEE|PARK|PAK|CHOI|JUNG|JEONG|CHUNG|KANG|CHO|YOON|YUN|JANG|LIM|HAN|SHIN|SEO"
)
# Nouns whose last syllable looks like a particle or a verb's ending (ENDING). Other words that end so are no part
# of a name.
NOUN = re.compile(
    r".*(?:국가|평가|전문가|허가|인가|원가|단가|증가|추가|물가|주가|대가|제도|정도|한도|용도|속도|온도|습도|농도|강도|지도|"
    r"태도|보도|위험도|신뢰도|만족도|중요도|정확도|철도|수도|밀도|빈도|척도|도로|경로|진로|통로|회로|근로|항로|선로|결과|학과|성과|효과|부과|초과|통과|경과|"
    r"회의|협의|심의|논의|동의|주의|정의|합의|결의|문의|강의|명의|건의|권한|제한|기한|북한|대한|역할|분할|관할|"
    r"법인|개인|노인|장애인|외국인|승인|확인|원인|요인|본인|성인|타인|대리인|무인|아이|어린이|차이|높이|길이|나이|"
    r"보고|광고|신고|경고|사고|예고|권고|재고|창고|국고|기여|참여|급여|부여|대여|증여|마을|가을|소음|녹음|발음|책임)"
)
ENDING = re.compile(
    r".*(?:[은는이가을를의에로와과도만며고여다된될한할인던린난운런른]|에서|에게|부터|까지|보다|처럼|하게|되게|거나|도록|는데|[가-힣]내|"
    r"[하되이라]면|[해어아면]서|로써|[하되]기|[하되]지|함|됨|음|임|있어|통해|위해|대해)"
)
VERBAL = re.compile(
    r".*(?:[다요며데]|지만|[내히싸]기|으로|에서|에게|까지|부터|에|하[고여는면]|되[고어는면]|[하되]기|[은는을를]|했음|있음|없음)"
)
STOP_WORD = re.compile(
    r"및|또는|등|그|해당|기타|현재|다음|각각|이하|이상|당시|관련|통합|공식|주요|각종|전체|일부|최근|신규|기존|과제|(?![총비])[가-힣]|[0-9].*|제[0-9]+.*|[A-Z]|[·ㆍ‧]+"
)
SMALL_WORDS = frozenset(["of", "for", "and", "the", "in", "on", "to", "a", "an", "at", "by", "with", "as"])


def find_aliases(text: str) -> list[Alias]:
    """The aliases that `text` declares, in the order of their brackets.

    An acronym has at least two capitals. If a bracket holds an acronym and its English name, there are
    two aliases: the English name and the Korean words before the bracket each have that acronym. A list
    of acronyms («PC, TV») declares none, nor does an English name that does not contain the acronym's
    letters in order.
    """
    return [alias for bracket in BRACKET.finditer(text) for alias in _of_bracket(text, bracket)]


def _of_bracket(text: str, bracket: re.Match) -> Iterator[Alias]:
    before = text[max(0, bracket.start() - BEFORE) : bracket.start()].rpartition("\n")[2]
    title = TITLE.fullmatch(bracket[1])
    if title:
        if before.strip():
            yield _placed(bracket, before, before.strip(), title[1])
        return
    parts = [part.strip("\"'“”‘’ ") for part in PARTS.split(bracket[1].strip())]
    shorts = [short for short in map(_short, parts) if short]
    outside = SHORT_BEFORE.search(before.rstrip())
    if len(shorts) == 1:
        english = [part for part in parts if ENGLISH.fullmatch(part) and _fits(shorts[0], part)]
        if len(parts) == 1 + len(english):
            name = _name_before(before, shorts[0])
            for long in [name, *english] if name else english:
                yield _placed(bracket, before, long, shorts[0])
    elif outside and not shorts and not NO_SHORT.fullmatch(outside[0]):
        names = [part for part in parts if ENGLISH.fullmatch(part) and _fits(outside[0], part)]
        korean = list(filter(KOREAN.fullmatch, parts))
        if len(korean) == 1:  # several are kinds of it: SaaS(표준등급, 간편등급)
            names += [name for name in korean if _is_korean_name(name, outside[0])]
        for long in names:
            yield Alias(long, outside[0], bracket.start() - len(before) + outside.start(), bracket.end())


def _placed(bracket: re.Match, before: str, long: str, short: str) -> Alias:
    """The alias, whose span begins at `long` before the bracket; at the bracket if `long` is not there."""
    at = before.rfind(long)
    return Alias(long, short, bracket.start() - (len(before) - at if at >= 0 else 0), bracket.end())


def _short(part: str) -> str | None:
    """The acronym that a part of a bracket is, or introduces («이하 “KISA”라 한다»); None if neither."""
    called = CALLED.fullmatch(part)
    part = called["name"] if called else part
    return part if SHORT.fullmatch(part) and not NO_SHORT.fullmatch(part) else None


def _letters(short: str) -> str:
    return "".join(filter(str.isalpha, short)).upper()


def _fits(short: str, english: str) -> bool:
    """Whether `english` begins with the acronym's first letter and contains its letters in order.

    To ask for initials would be too strict: the O of ISO is in «Standardization», the B of ECB in «CodeBook».
    """
    letters, rest = _letters(short), iter(english.upper())
    if len(english) < 2 * len(letters) or letters[0] != english[0].upper():
        return False
    return all(letter in rest for letter in letters)


def _name_before(before: str, short: str) -> str | None:
    """The long name right before a bracket that holds `short`; None if there is none."""
    before = before.rstrip(" ")
    korean = KOREAN_BEFORE.search(before)
    if korean and re.search(r"[가-힣]$", before):
        return _noun_phrase(korean[0].split(" "), short)
    english = ENGLISH_BEFORE.search(before)
    return _spelt(english[0], _letters(short)) if english else None


def _noun_phrase(words: list[str], short: str) -> str | None:
    """The last of `words`, with the nouns before it that fit the length of `short`; None if it is no name."""
    letters = len(_letters(short))
    last = words[-1]
    if len(last) < 2 or VERBAL.fullmatch(last) or (SURNAME.fullmatch(short) and len(last) <= 4):
        return None
    phrase = [last]
    for word in reversed(words[:-1]):
        syllables = sum(map(len, phrase))
        fits = syllables + len(word) <= SYLLABLES_PER_LETTER * letters
        fits = fits or syllables < FEW_SYLLABLES_PER_LETTER * letters
        if not fits or len(phrase) == min(MOST_WORDS, letters) or not _is_noun(word):
            break
        phrase.insert(0, word)
    if phrase[0] == "기반" and len(phrase) > 1:  # 해시 함수 기반 메시지 인증 코드(HMAC)
        phrase = phrase[1:]
    long_enough = sum(map(len, phrase)) >= max(FEWEST_SYLLABLES, letters)
    return " ".join(phrase) if long_enough else None


def _is_noun(word: str) -> bool:
    return not STOP_WORD.fullmatch(word) and (not ENDING.fullmatch(word) or bool(NOUN.fullmatch(word)))


def _is_korean_name(name: str, short: str) -> bool:
    words = name.split(" ")
    return (
        len(_letters(short)) <= len(name)
        and len(words) <= MOST_WORDS
        and not VERBAL.fullmatch(words[-1])
        and all(map(_is_noun, words[:-1]))
    )


def _spelt(english: str, letters: str) -> str | None:
    """The shortest end of `english` whose initials are `letters`, with or without small words such as «of»."""
    starts = [match.start() for match in re.finditer(r"[A-Za-z'’]+", english)]
    for start in reversed(starts):
        words = re.findall(r"[A-Za-z'’]+", english[start:])
        initials = [
            "".join(word[0] for word in chosen).upper()
            for chosen in (words, [w for w in words if w.lower() not in SMALL_WORDS])
        ]
        if letters.removesuffix("S") in initials or letters in initials:
            return english[start:]
    return None
