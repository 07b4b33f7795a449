"""The title, the path and the first words of a document → its date and its edition.

Editions are documents whose titles differ only in the words that name an edition: a date, «제2판» (2nd edition),
«v1.2», «초안» (draft), «최종» (final), «개정» (amended), the number of a statute. A year or a month that is the topic
makes another document («2023년도 실적», results of 2023; «8월호», August issue): the figures of the next year do not
outdate those.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

OPENING = 1500  # the first characters of a document, in which its date is looked for
OPENING_LINES = 12  # the first lines, one of which may be a date and nothing else

YEAR, MONTH, DAY = r"((?:19|20)\d\d)", r"(1[0-2]|0?[1-9])(?!\d)", r"(3[01]|[12]\d|0?[1-9])(?!\d)"
# «2023. 7. 18.», «2025-03», «2024년 3월»; «제2022-2호» is no date.
DATE = rf"(?<!\d){YEAR}\s?[.\-/년]\s?{MONTH}(?:\s?[.\-/월]\s?{DAY})?(?!\s?호)[.일월]?"
# In a name: «20230718», «202312», «230524», «2024년판», «2021년도 10월 개정».
DAY_DIGITS = r"(?<!\d)((?:19|20)\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?!\d)"
MONTH_DIGITS = r"(?<!\d)((?:19|20)\d\d)(0[1-9]|1[0-2])(?!\d)"
SHORT_DIGITS = r"(?<!\d)([0-4]\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?!\d)"
YEAR_EDITION = rf"(?<!\d){YEAR}\s?년?도?\s?(?:(1[0-2]|0?[1-9])월\s?)?(?:판|개정판?|시행)(?![가-힣])"
IN_NAMES = tuple(map(re.compile, (DAY_DIGITS, YEAR_EDITION, DATE, MONTH_DIGITS, SHORT_DIGITS)))
ENFORCED = re.compile(rf"\[\s?시행\s*{DATE}")
LABELLED = re.compile(
    r"(?:시행|개정|제정|공포|공고|작성|발행|발간|배포|게시|등록|제출|기준|수정)\s?(?:일자?)?\s?[:|'\"]*\s*"
    + DATE
)
BARE = re.compile(rf"\W*{DATE}\W*")
PLAIN_YEAR = re.compile(rf"(?<!\d){YEAR}(?!\d)")
FOLDER = re.compile(rf"{YEAR}\s?년?도?(?:\s?(?:판|개정))?")

# The words that name an edition in a title have blanks, brackets, dots, or nothing around them.
START, END = r"(?<![^\s_()\[\].,\-])", r"(?![^\s_()\[\].,\-])"
STATUTE_NUMBER = re.compile(r"\(?제\s?([\d\-]+)\s?호\)?")
STATUTE_KIND = re.compile(r"\((?:법률|[가-힣]*(?:대통령령|총리령|부령|고시|훈령|예규|규칙))\)")
NUMBER = re.compile(
    rf"{START}(?:v|ver\.?|rev\.?|버전)\s?(\d+(?:\.\d+)*){END}|제\s?(\d+)\s?판|\((\d+)차\)", re.IGNORECASE
)
DRAFT, PLAIN, AMENDED, FINAL = range(4)
STATES = {
    FINAL: re.compile(rf"{START}(?:(?:최종|확정)(?:본|안|판)?|final){END}", re.IGNORECASE),
    AMENDED: re.compile(rf"{START}(?:수정|개정|변경)(?:본|안|판)?{END}"),
    DRAFT: re.compile(rf"{START}(?:초안|가안|안|draft){END}", re.IGNORECASE),
}
LEFT_OVER = re.compile(rf"^\d\d[_\s]|\(\d\)|{START}(?:사본|복사본|copy){END}", re.IGNORECASE)
ARAEA = "\u119e"  # the letter that Unicode's NFKC makes of the middle dot of statutes
# Kinds of documents that each cover a time (daily, monthly, minutes, accounts): a date in the title is the topic.
PERIODICAL = re.compile(
    r"일일|일보|주간|주보|월간|월보|연보|분기|반기|동향|실적|결산|회의록|현황|통계|재무|손익|매출|공시|속보"
    r"|브리핑|뉴스|이슈|현지정보|감사\s?보고|감사\s?결과|사업\s?보고|daily|weekly|monthly|report",
    re.IGNORECASE,
)
# Titles that only name a kind of document (request for proposals, contract, report): two of them need not be editions.
GENERIC = re.compile(
    r"(?:제안요청서|과업지시서|과업내용서|입찰공고문?|공고문?|모집공고|계약서|협약서|신청서|견적서|보고서|결과보고서?|계획서|사업계획서"
    r"|회의자료|안내서|설명서|자료|문서|붙임|별첨|서식|양식|file|document|scan|untitled|rfp)\d*"
)

# Words of a question about more than the newest edition: «before the amendment», «old version», «changed».
COMPARES = re.compile(
    r"개정\s?(?:전|내용|사항)|(?:이전|지난|옛|종전)\s?(?:판|규정|법)|구판|구법|종전|신구|바뀌|바뀐|달라"
    r"|변경\s?(?:전|사항|내용)"
)
NAMED = re.compile(r"초안|가안|최종|확정|수정본|개정본|draft|final|v\s?\d[\d.]*|제\s?\d+\s?판", re.IGNORECASE)


class Edition(NamedTuple):
    """The keys that order the editions of one document. `marks`: the words and numbers that name this edition."""

    number: tuple[int, ...]
    date: str
    state: int
    marks: frozenset[str]


def document_date(title: str, path: str, opening: str) -> str | None:
    """The date of a document as ISO 8601, as exact as it is known: 2023-07-18, 2023-07 or 2023; None if unknown.

    The first of these decides: a date in the title or file name; «[시행 2023. 7. 18.]» (in force from); the latest date
    with a label like 개정 (amended) or 공고일 (announced on); a line that is only a date; a year in the title or file
    name; a year as the name of a folder. A later one that agrees with it and is more exact completes it.

    Args:
        opening: the beginning of the text; `OPENING` characters are read.
    """
    found = list(_dates(title, path, opening[:OPENING]))
    return max((date for date in found if date.startswith(found[0])), key=len, default=None)


def _dates(title: str, path: str, opening: str) -> Iterator[str]:
    names = unicodedata.normalize("NFKC", f"{title}\n{Path(path).stem}")
    for pattern in IN_NAMES:
        yield from map(_iso, pattern.finditer(names))
    yield from map(_iso, ENFORCED.finditer(opening))
    yield from sorted(map(_iso, LABELLED.finditer(opening)), reverse=True)
    lines = opening.split("\n")[:OPENING_LINES]
    yield from (_iso(match) for line in lines if (match := BARE.fullmatch(line)))
    yield from map(_iso, PLAIN_YEAR.finditer(names))
    folders = (unicodedata.normalize("NFKC", name) for name in Path(path).parts[-3:-1])
    yield from (_iso(match) for name in folders if (match := FOLDER.fullmatch(name)))


def _iso(match: re.Match) -> str:
    year, *rest = filter(None, match.groups())
    return "-".join([year if len(year) == 4 else f"20{year}", *(f"{int(part):02}" for part in rest)])


@lru_cache(maxsize=1 << 14)
def edition_name(title: str) -> str:
    """`title` without the words that name an edition, folded: the same for all editions of one document.

    Empty if only a kind of document is left, like 제안요청서 (request for proposals).
    """
    name = _folded(_without_edition(unicodedata.normalize("NFKC", title)))
    return "" if GENERIC.fullmatch(name) else name


def _without_edition(title: str) -> str:
    patterns = [YEAR_EDITION, NUMBER, STATUTE_KIND, STATUTE_NUMBER, *STATES.values()]
    if not PERIODICAL.search(title):
        patterns[:0] = [DAY_DIGITS, DATE, rf"{START}{SHORT_DIGITS}{END}"]
    for pattern in (LEFT_OVER, *patterns):
        title = re.sub(pattern, " ", title)
    return title


def _folded(title: str) -> str:
    return "".join(c for c in title.casefold() if c.isalnum() and c != ARAEA)


def edition_of(title: str, date: str | None) -> Edition:
    """The edition of a document, by its title and its date."""
    title = unicodedata.normalize("NFKC", title)
    number = NUMBER.search(title)
    digits = next(filter(None, number.groups())) if number else ""
    state = next((state for state, pattern in STATES.items() if pattern.search(title)), PLAIN)
    return Edition(
        tuple(int(part) for part in digits.split(".") if part),
        date or "",
        state,
        _marks(title) | ({date[:4]} if date else set()),
    )


def newer(one: Edition, other: Edition) -> bool:
    """Whether `one` is known to come after `other`: by number, else by date, else by a word like 최종 (final).

    Dates are compared up to the precision of the less exact one: 2023 is not before 2023-07.
    """
    if one.number and other.number and one.number != other.number:
        return one.number > other.number
    known = min(len(one.date), len(other.date))
    if one.date[:known] != other.date[:known]:
        return one.date[:known] > other.date[:known]
    return one.state > other.state


def asks_for(question: str, edition: Edition) -> bool:
    """Whether `question` may mean this edition: it holds the edition's year, its number or a word that names it."""
    return bool(edition.marks & _marks(question))


def names(question: str, edition: Edition, name: str) -> bool:
    """Whether `question` clearly asks for this edition of the documents called `name`.

    It does with a number or a word like 초안 (draft), and with a year before «판» (edition), «개정» (amended) or the name:
    «2023년 취업규칙», the work rules of 2023. The year in «2023년에 입사한 사람», those employed in 2023, does not.
    """
    asked = edition.marks & _marks(question)
    years = {mark for mark in asked if PLAIN_YEAR.fullmatch(mark)}
    if asked - years:
        return True
    followed = rf"\s?년?도?\s?(?:\d\d?월\s?)?(?:판|개정|시행|{re.escape(name[:2])})"
    return any(re.search(rf"(?<!\d){year}{followed}", question) for year in years)


def compares(question: str) -> bool:
    """Whether `question` asks what has changed between editions."""
    return COMPARES.search(question) is not None


def _marks(text: str) -> frozenset[str]:
    """Years, numbers of statutes and words in `text` that can name an edition."""
    named = ("".join(match.split()).casefold() for match in NAMED.findall(text))
    # Shorter numbers are items of an article: 제2조제7호.
    statutes = (number.lstrip("0") for number in STATUTE_NUMBER.findall(text) if len(number) > 2)
    return frozenset((*named, *statutes, *PLAIN_YEAR.findall(text)))
