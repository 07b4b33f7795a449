"""Periods, dates and amounts in Korean text → one canonical form each, the same in question and document.

«2024년 3분기», «’24.3Q» and «3Q24» are all `2024q3`; «3조 2,500억원» and «3.25조» are `3250000000000`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

Kind = Literal["period", "date", "amount", "relative"]


@dataclass(frozen=True, slots=True)
class Expression:
    """What `text[start:end]` says.

    `value` is its canonical form, without spaces:

    - a period or date: "2024", "2024h1", "2024q3", "2024-03", "2024-03-15";
    - an amount: the plain number, "1234567" or "0.5";
    - a relative period: a unit and a number of steps, counted from the latest period in the question
      ("year-1", "quarter-1") or from today ("today:year", "today:year-1/q3"); "same-1" is the same
      period of the year before.
    """

    kind: Kind
    start: int
    end: int
    value: str


# Blanks are optional nearly everywhere; no expression goes across a line break.
S = "[ ]?"
TO = rf"(?:\([월화수목금토일]\))?{S}(?:[~∼～–-]|부터){S}"
YEAR, MONTH, DAY = "(?:1[5-9]|20)[0-9]{2}", "(?:1[0-2]|0?[1-9])", "(?:3[01]|[12][0-9]|0?[1-9])"
LATIN_END = "(?![0-9A-Za-z])"
QUARTER = rf"(?:[1-4]{S}(?:/{S}4{S})?분기|[1-4][Qq]{LATIN_END}|[Qq][1-4]{LATIN_END})"
HALF = rf"(?:[상하]반기|[12][Hh]{LATIN_END}|[Hh][12]{LATIN_END})"
DOT_END = r"(?:\.(?![0-9])|(?!\.?[0-9]))"

# What may follow a year that is certain (four digits, an apostrophe or FY). A month after a dot needs a dot of
# its own, or must not be part of a number or word: «2024. 3.» and «2024.03», but not «2024. 5개».
SURE_TAIL = rf"""(?:
    {S}(?:년도?|[.-])?{S}(?:제{S})?(?P<part>{QUARTER}|{HALF}|[1-4]/4(?![0-9/])|[1-4](?={S}[~∼～-]{S}[1-4]{S}분기))
  | {S}(?:년도?|\.){S}(?P<month>{MONTH})(?:월(?:{S}(?P<day>{DAY})일(?!간))?|(?={S}[~∼～-]{S}{MONTH}월))
  | {S}\.{S}(?P<month2>{MONTH}){S}\.{S}(?P<day2>{DAY}){DOT_END}
  | -(?P<month3>0[1-9]|1[0-2])-(?P<day3>{DAY})(?![0-9-])
  | /(?P<month4>{MONTH})/(?P<day4>{DAY})(?![0-9/])
  | \.{S}(?P<month5>{MONTH})(?:\.(?![0-9])|(?![0-9.,/%가-힣A-Za-z~∼-]))
  | {S}년도?(?!간)
  | (?(fiscal)|(?!))
  | (?={S}[~∼～–-]{S}['’‘`′][0-9]{{2}}(?![0-9]))
)"""
# What must follow two digits to make them a year: «24년» alone may mean 24 years, and «24.3» is a number.
# In the PDFs examined, three parts of two digits each («23.12.29») were always a date.
BARE_TAIL = rf"""(?:
    (?:{S}년도?{S}(?:제{S})?|\.)(?P<part2>{QUARTER}|{HALF}) | (?P<part3>[Qq][1-4]{LATIN_END})
  | {S}년도?{S}(?P<month6>{MONTH})월(?:{S}(?P<day6>{DAY})일(?!간))?
  | \.(?P<month7>0[1-9]|1[0-2])\.(?P<day7>0[1-9]|[12][0-9]|3[01])(?:\.(?![0-9])|(?![.,]?[0-9]|[.,-]))
)"""
PERIOD = rf"""(?<![A-Za-z])
    (?P<sure>(?P<fiscal>FY{S}['’‘`′]?) | ['’‘`′] | (?=[0-9]{{4}}))?
    (?P<year>{YEAR}|[0-9]{{2}})(?![0-9])(?(sure){SURE_TAIL}|{BARE_TAIL})
  | (?<![A-Za-z])(?P<part4>[1-4][Qq]|[12][Hh])(?:(?P<year2>[0-9]{{2}})|{S}['’‘`′](?P<year3>[0-9]{{2}})|{S}(?P<year4>{YEAR}))
    (?![0-9A-Za-z]|[.,][0-9]|{S}[조억만천백십%])
"""

# Lengths are bounded, so that a run of digits is read at most once from each of its positions.
NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,6}|[0-9]{1,15})(?:\.[0-9]{1,6})?"
MONEY = "(?:원(?!칙|심|본|고|인|장)|달러|불|엔|유로|위안)"
COUNTED = (
    f"(?:{MONEY}|명|인(?![가-힣])|개|건|톤|대(?![가-힣])|주(?![가-힣])|호(?![가-힣])|가구|세대|마리|㎡|kg|km)"
)
# 조 means «article» (3조 제2항, 34조의2) or 10¹². It is 10¹² before a currency or a smaller multiplier, and after
# a number that no article has: one with decimals, thousands separators, or 십, 백, 천.
TRILLION = rf"""조(?:(?={S}(?:{MONEY}|규모|{NUMBER}[십백천]?{S}[억만]))
    | (?<=\.[0-9]조) | (?<=\.[0-9]{{2}}조) | (?<=,[0-9]{{3}}조) | (?<=[십백천]조))"""
TERM = rf"""{NUMBER}(?:[십백천]?(?:억|만|{TRILLION}) | {S}[십백천]?억 | {S}(?:[십백천]?만|천)(?={S}{COUNTED})
    | [십백천](?={S}(?:{COUNTED}|{NUMBER}[십백]?{S}[만억조])|[0-9]))"""
# The last group, below 10,000. Without a blank it belongs to the number (9만9900, 2만8천); after a blank only if
# 원 (won) follows.
LAST = rf"""(?:(?:{NUMBER}[십백천]){{0,3}}
    (?:{S}{NUMBER}(?={S}원)|{NUMBER}(?![0-9십백천만억조%]|{S}[년월]))?)"""
# Not «1만여 명», which means «about 10,000 people».
AMOUNT = rf"(?<![A-Za-z_])(?P<amount>(?>{TERM}(?:{S}{TERM}){{0,7}}{LAST}))(?!{S}여[\s명원개건])"
PLAIN = rf"""(?<![A-Za-z_])(?P<plain>[0-9]{{1,3}}(?:,[0-9]{{3}}){{1,6}}(?:\.[0-9]{{1,6}})?
    (?![0-9]|[.,-][0-9]|{S}(?:%|퍼센트|[호조항쪽](?![가-힣])|페이지|여[\s명원개건])) | [0-9]{{5,15}}(?={S}{COUNTED}))"""

PARTICLES = (
    "(?:의|에|은|는|이|가|을|를|과|와|도|만|엔|보다|까지|부터|처럼|대비|동기|말|초|중|쯤|같은|이후|이전|"
    "들어|상반기|하반기|봄|여름|가을|겨울|실적|매출)"
)
YEAR_BEFORE = f"(?:전년도?|지난해|작년)(?:의)?{S}(?:동기|동분기|동월|같은{S}(?:기간|분기|시기|달))"
RELATIVE = rf"""(?<![가-힣A-Za-z0-9])(?:(?P<same>{YEAR_BEFORE})
  | (?P<word>(?:이번|지난|다음){S}(?:분기|반기|달|해)|(?:직전|전){S}(?:분기|반기)|전월|전년도?|지난해|재작년|작년도?|올해|금년도?|내년도?)
    (?:의?{S}(?P<part5>{QUARTER}|[상하]반기|{MONTH}월))?)
  (?:(?![가-힣])|(?={PARTICLES}))"""

# Other numbers (telephones, versions, 제20677호) are matched whole and skipped, so that nothing is found inside
# them and no character is read from two starting points.
SKIPPED = rf"제[0-9]+(?:[-.,/][0-9]+)*|(?<![가-힣])제[ ][0-9]+|[0-9]+(?:[-.,/](?!{YEAR}{S}년)[0-9]+)*"
EXPRESSION = re.compile(
    f"(?=[0-9'’‘`′F제전지작올금내재이다직])(?:{RELATIVE}|{PERIOD}|{AMOUNT}|{PLAIN}|{SKIPPED})", re.VERBOSE
)
# The end of a range such as «2024년 1월~3월», which takes its year from the start.
RANGE_END = re.compile(
    rf"""{TO}(?P<text>(?P<month>{MONTH})월(?:{S}(?P<day>{DAY})일)? | (?P<quarter>[1-4]){S}(?:/{S}4{S})?(?:분기|[Qq]{LATIN_END})
    | (?P<month2>{MONTH})\.{S}(?P<day2>{DAY}){DOT_END} | (?P<day3>{DAY})일 | ['’‘`′](?P<year>[0-9]{{2}})(?![0-9.]|{S}년))""",
    re.VERBOSE,
)
PART = re.compile(rf"(?P<quarter>{QUARTER}|[1-4](?:/4)?)|(?P<half>{HALF})|(?P<month>{MONTH})월", re.VERBOSE)
AMOUNT_TERM = re.compile(rf"(?P<number>{NUMBER}){S}(?P<small>[십백천]?)(?P<large>[만억조]?)", re.VERBOSE)
SMALL = {"": 1, "십": 10, "백": 100, "천": 1_000}
LARGE = {"": 1, "만": 10**4, "억": 10**8, "조": 10**12}
DECIMALS = 10**6  # amounts are integers of millionths, so they are exact whatever their size
# A smaller plain number needs no canonical form: as a word it is in the index already.
SMALLEST_PLAIN = 10_000

LENGTHS = {"month": 1, "quarter": 3, "half": 6, "year": 12}
RELATIVE_WORDS = {
    "전년": "year-1", "전년도": "year-1", "전분기": "quarter-1", "직전분기": "quarter-1", "전반기": "half-1",
    "직전반기": "half-1", "전월": "month-1", "작년": "today:year-1", "작년도": "today:year-1",
    "지난해": "today:year-1", "재작년": "today:year-2", "올해": "today:year", "금년": "today:year",
    "금년도": "today:year", "이번해": "today:year", "다음해": "today:year+1", "내년": "today:year+1",
    "내년도": "today:year+1", "이번분기": "today:quarter", "지난분기": "today:quarter-1",
    "다음분기": "today:quarter+1", "이번반기": "today:half", "지난반기": "today:half-1",
    "다음반기": "today:half+1", "이번달": "today:month", "지난달": "today:month-1", "다음달": "today:month+1",
}  # fmt: skip
RELATIVE_VALUE = re.compile(
    r"(?P<today>today:)?(?P<unit>year|half|quarter|month|same)(?P<steps>[+-]\d)?(?:/(?P<part>.+))?"
)
VALUE = re.compile(r"(\d{4})(?:h([12])|q([1-4])|-(\d\d)(?:-\d\d)?)?")


def find_expressions(text: str) -> list[Expression]:
    """The periods, dates, amounts and relative periods that `text` names, in order, without overlap.

    Left out: numbers below 10,000 without a Korean multiplier, which match as words already; two digits
    alone as a year («24년» may be a duration); percentages; numbers of laws and articles.
    """
    found: list[Expression] = []
    for match in EXPRESSION.finditer(text):
        if match.lastgroup is None or (found and match.start() < found[-1].end):
            continue
        if match["amount"]:
            found += _amounts(match)
        elif match["plain"]:
            found += _plain(match)
        elif match["word"] or match["same"]:
            found.append(_relative(match))
        else:
            found += _periods(match)
    return found


def widened(value: str) -> list[str]:
    """The month, quarter and year that contain a period or date, from narrow to wide; empty for other values.

    "2024-03-15" → ["2024-03", "2024q1", "2024"]; "2024h1" → ["2024"].
    """
    if not VALUE.fullmatch(value):
        return []
    first, length = _months(value)
    wider = [_named(first, 1)] if len(value) == len("2024-03-15") else []
    return wider + [
        _named(first, months)
        for months in (3, 12)
        if months > length and 12 % months == 0 and months % length == 0
    ]


def resolve_relative(
    expression: Expression, question_expressions: Sequence[Expression], today: date
) -> str | None:
    """The period that a relative expression means; None if it is not relative or the question leaves it open.

    전년, 전분기, 전년 동기 (the year before, the quarter before, the same period of the year before) count
    from the latest period of the question, or from today if it names none. 작년, 올해, 이번 분기 (last
    year, this year, this quarter) always count from today.

    Args:
        expression: one of those found in the question.
        question_expressions: all that were found in the question.
        today: the day on which the question is asked.

    Raises:
        ValueError: the value of a relative expression is not one.
    """
    if expression.kind != "relative":
        return None
    match = RELATIVE_VALUE.fullmatch(expression.value)
    if match is None:
        raise ValueError(f"not a relative period: {expression.value!r}")
    named = [other.value for other in question_expressions if other.kind in ("period", "date")]
    if match["today"] or not named:
        named = [today.isoformat()] if match["unit"] != "same" else [widened(today.isoformat())[1]]
    if match["unit"] == "same":
        first, length = max(map(_months, named), key=_lateness)
        return _named(first - 12, length)
    unit = LENGTHS[match["unit"]]
    fine = [months for months in map(_months, named) if months[1] <= unit]
    if not fine:
        return None
    first, _ = max(fine, key=_lateness)
    return _named(first + unit * int(match["steps"] or 0), unit) + (match["part"] or "")


def _lateness(months: tuple[int, int]) -> tuple[int, int, int]:
    """A sort key for periods (first month, length): the latest year, then the shortest, then the latest month."""
    first, length = months
    return first // 12, -length, first


def _months(value: str) -> tuple[int, int]:
    """The first month of a period or date, in months since the year 0, and its length in months."""
    year, half, quarter, month = VALUE.fullmatch(value).groups()
    if half:
        return int(year) * 12 + 6 * (int(half) - 1), 6
    if quarter:
        return int(year) * 12 + 3 * (int(quarter) - 1), 3
    return (int(year) * 12 + int(month) - 1, 1) if month else (int(year) * 12, 12)


def _named(month: int, length: int) -> str:
    """The period of `length` months that contains `month`, which counts from the year 0."""
    year, rest = divmod(month, 12)
    ending = {12: "", 6: f"h{rest // 6 + 1}", 3: f"q{rest // 3 + 1}", 1: f"-{rest + 1:02}"}
    return f"{year:04}{ending[length]}"


def _first(match: re.Match, name: str) -> str | None:
    """The text of the group `name`, or of a numbered one such as `name2`; None if none of them matched."""
    return next(
        (said for key, said in match.groupdict().items() if said and key.rstrip("234567") == name), None
    )


def _periods(match: re.Match) -> Iterator[Expression]:
    """The period or date of `match`, then the end of the range that it begins, if any."""
    year = _full_year(_first(match, "year"))
    begun = _period(year, _first(match, "part"), _first(match, "month"), _first(match, "day"), match.span())
    yield begun
    end = RANGE_END.match(match.string, match.end())
    if end is None:
        return
    month, day = _first(end, "month") or _first(match, "month"), _first(end, "day")
    if end["year"]:
        yield Expression("period", *end.span("text"), _full_year(end["year"]))
    elif not end["day3"] or _first(match, "day"):
        last = _period(year, end["quarter"], month, day, end.span("text"))
        if last.value < begun.value and not end["day3"]:  # 2024년 11월~2월
            last = _period(str(int(year) + 1), end["quarter"], month, day, end.span("text"))
        yield last


def _period(
    year: str, part: str | None, month: str | None, day: str | None, span: tuple[int, int]
) -> Expression:
    if part:
        return Expression("period", *span, year + _part(part))
    if day:
        return Expression("date", *span, f"{year}-{int(month):02}-{int(day):02}")
    return Expression("period", *span, f"{year}-{int(month):02}" if month else year)


def _part(said: str) -> str:
    """«3분기», «Q3», «3/4» → "q3"; «상반기», «1H» → "h1"; «3월» → "-03"."""
    match = PART.fullmatch(said)
    if match["month"]:
        return f"-{int(match['month']):02}"
    number = next((character for character in said if character.isdigit()), "1" if "상" in said else "2")
    return ("q" if match["quarter"] else "h") + number


def _full_year(digits: str) -> str:
    if len(digits) == 4:
        return digits
    return ("20" if int(digits) < 70 else "19") + digits


def _relative(match: re.Match) -> Expression:
    if match["same"]:
        return Expression("relative", *match.span(), "same-1")
    value = RELATIVE_WORDS[match["word"].replace(" ", "")]
    if match["part5"] and "year" in value:
        value += "/" + _part(match["part5"])
    return Expression("relative", *match.span(), value)


def _plain(match: re.Match) -> Iterator[Expression]:
    millionths = _millionths(match["plain"])
    if millionths >= SMALLEST_PLAIN * DECIMALS:
        yield Expression("amount", *match.span(), _written(millionths))


def _amounts(match: re.Match) -> Iterator[Expression]:
    """The amounts of `match`, mostly one. A multiplier not below the last begins another («100만 200만»)."""
    total = group = 0  # `group` is the sum before its 만, 억 or 조: 2천5백 of 2천5백만
    small = large = 10**16
    start, end = match.start(), match.start()
    for term in AMOUNT_TERM.finditer(match.string, match.start(), match.end()):
        unit, multiplier = SMALL[term["small"]], LARGE[term["large"]]
        if unit >= small or multiplier >= large:
            yield Expression("amount", start, end, _written(total + group))
            total = group = 0
            start, large = term.start(), 10**16
        group += _millionths(term["number"]) * unit
        small, end = unit, term.end()
        if term["large"]:
            total, group = total + group * multiplier, 0
            small, large = 10**16, multiplier
    yield Expression("amount", start, end, _written(total + group))


def _millionths(number: str) -> int:
    whole, _, decimals = number.replace(",", "").partition(".")
    return int(whole + decimals.ljust(6, "0"))


def _written(millionths: int) -> str:
    whole, rest = divmod(millionths, DECIMALS)
    return f"{whole}.{rest:06}".rstrip("0") if rest else str(whole)
