"""Does the cited text support the sentence? Words, numbers and negation, without a model."""

import re
from collections.abc import Iterable
from functools import lru_cache

from ingest.document import CELL_SEPARATOR
from ingest.korean.analyse import bigrams, fold, sentence_spans, words
from ingest.korean.expressions import find_expressions, widened
from rag.wire.shapes import Support

NUMBER = re.compile(r"\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
# What a number counts, and its sign, are part of it: 20일 is not 20년, 12억원 is not 12조원, −5 % is not 5 %.
UNIT = (
    r"(?:(?:[천백십]?[만억조]?\s?(?:원|달러))|개월|분기|[천백]?[만억조]|퍼센트|%p|%|m2|m3|km|kg|tco2eq"
    r"|년|월|일|주|시간|분|초|명|건|개|회|배|조|항|호|쪽|점|등급|자)"
)
# A minus; not the dash before a list item («- 3명») or within a range («10-20명»).
SIGN = r"(?<![\w)])-|[−△▲]\s?"
QUANTITY = re.compile(rf"({SIGN}|)({NUMBER.pattern})\s?({UNIT}?)")
# A unit without a number, as tables name it: «(단위: 천원)», «금액(백만원)», a cell «명».
LONE_UNIT = re.compile(rf"(?<![0-9a-z가-힣]){UNIT}(?![0-9a-z가-힣])")
YEAR = re.compile(r"(?:19|20)\d\d")
LEGAL = frozenset("조항호쪽")
NEGATION = re.compile(r"않|아니|없|못하|못한|금지|제외|불가|불허")
OPPOSITES = (("증가", "감소"), ("늘", "줄"), ("이상", "이하"), ("초과", "미만"), ("상승", "하락"))
EMPTY_CELLS = re.compile(r"^(?:\| )+|(?: \|)+$")
# By the share of a sentence's terms that its quote holds: supported from the first on, in part from the second.
SUPPORTED, PARTIAL = 0.6, 0.3
# Right before an amount: its sign. Right behind it: what it counts.
SIGN_BEFORE, UNIT_BEHIND = re.compile(rf"(?:{SIGN})$"), re.compile(rf"\s?({UNIT})")
# The canonical form of a period or a day; its groups are year, quarter, month, day.
DAY = re.compile(r"(\d{4})(?:h[12]|q([1-4])|-(\d\d)(?:-(\d\d))?)?")
# (sign, number, unit). A period or a day is ("", its canonical form, PERIOD).
Quantity = tuple[str, str, str]
PERIOD = "period"
# Phrases of answers that no source needs to hold.
FRAMING = re.compile(
    r"(?:문서|발췌문|규정|자료|보고서)에 (?:따르면|의하면)|다음과 같습니다|입니다|습니다|합니다|됩니다|이다(?=\W|$)"
)


def verdict(claim: str, quote: str, around: str = "", columns: str = "") -> Support:
    """Whether `quote` supports `claim`: "supported", "partial" or "unsupported".

    Each quantity of the claim must stand in the quote with its unit (20일 is not 20년), or as the same day,
    period or amount in another form (1,234만원 for 12,340,000원, 2025년 3월 7일 for ’25.3.7.); numbers of
    articles and pages may also stand in `around`.

    Args:
        around: the title and the breadcrumb of the quote's passage.
        columns: unit and names of the columns, where the quote is a row of a table. Each of its numbers may
            then have any unit that stands there, and quantities in the names (2024년) count as its own.
            Which number stands in which column is not checked.
    """
    if not claim.strip():
        return "supported"
    reworded, missing = _compared(claim, quote, around, columns)
    if missing:
        return "unsupported"
    covered = coverage(reworded, f"{around}\n{columns}\n{quote}")
    if _contradicts(claim, quote):
        covered = min(covered, SUPPORTED - 0.01)
    if covered >= SUPPORTED:
        return "supported"
    return "partial" if covered >= PARTIAL else "unsupported"


def missing_quantities(claim: str, quote: str, around: str = "", columns: str = "") -> set[Quantity]:
    """The quantities of `claim` that do not stand in `quote`; see `verdict`."""
    return _compared(claim, quote, around, columns)[1]


def _compared(claim: str, quote: str, around: str, columns: str) -> tuple[str, set[Quantity]]:
    """`claim` in the quote's forms, and its quantities that do not stand in the quote.

    Days, periods and amounts of the claim that the quote writes in another form are written as they are there.
    """
    in_quote = quantities(quote)
    in_row = _quantities_of_row(quote, columns) if CELL_SEPARATOR in quote else set()
    known = in_quote | in_row | {quantity for quantity in quantities(around) if quantity[2] in LEGAL}
    meanings = _meanings(claim)
    if quantities(claim) <= known and not any(_is_day(meant) for *_, meant in meanings):
        return claim, set()
    written = _written([quote, columns, *map("".join, in_row - in_quote)])
    # «7일» is a day of the month only behind its month; alone it is a length of time.
    parts = {
        part
        for *_, meant in [*_meanings(quote), *_meanings(columns)]
        for part in _parts_of_period(meant)
        if part[2] != "일" or re.search(rf"월\s?{part[1]}일", claim)
    }
    years = {part for part in parts if part[2] == "년"}
    rest, missing = claim, set()
    for start, end, meant in reversed(meanings):
        told = quantities(claim[start:end])
        if meant in written:
            claim = claim[:start] + written[meant] + claim[end:]
        elif _is_day(
            meant
        ):  # year, month and day must all agree: the 10 of 2022-11-10 is not that of 2022-10-10
            missing |= set() if _parts_of_period(meant) <= known | years else told
        elif meant[2] == PERIOD:
            missing |= told - known - years
        else:
            continue
        rest = rest[:start] + "_" + rest[end:]  # so that what stands left and right of it does not join
    return claim, missing | quantities(rest) - known - parts


def _written(texts: Iterable[str]) -> dict[Quantity, str]:
    """How `texts` write each day, period and amount, by its meaning; a period also under those it lies in."""
    written: dict[Quantity, str] = {}
    for text in texts:
        for start, end, (sign, value, unit) in _meanings(text):
            for said in (value, *(_wider(value) if unit == PERIOD else [])):
                written.setdefault((sign, said, unit), text[start:end])
    return written


def _wider(value: str) -> list[str]:
    """The month and the year of a day, the year of a period; no quarter.

    What is said of March is not said of its quarter.
    """
    return [wide for wide in widened(value) if "q" not in wide]


@lru_cache(maxsize=4096)
def _meanings(text: str) -> tuple[tuple[int, int, Quantity], ...]:
    """The days, periods and amounts in `text`, each as (start, end, meaning).

    An amount of 억 or 조 without a unit is taken for one of 원.
    """
    found = []
    for expression in find_expressions(text):
        start, end = expression.start, expression.end
        if expression.kind == "amount":
            sign = "-" if SIGN_BEFORE.search(text[max(0, start - 3) : start]) else ""
            unit = UNIT_BEHIND.match(text, end)
            counted = unit[1] if unit else "원" * bool(re.search("[억조]", text[start:end]))
            found.append((start, unit.end() if unit else end, (sign, expression.value, counted)))
        elif expression.kind != "relative":
            found.append((start, end, ("", expression.value, PERIOD)))
    return tuple(found)


def _is_day(meant: Quantity) -> bool:
    return meant[2] == PERIOD and len(meant[1]) == len("2024-03-15")


def _parts_of_period(meant: Quantity) -> set[Quantity]:
    """For a day 2025년, 3월 and 7일; for a quarter 2024년 and 3분기; empty for an amount."""
    period = DAY.fullmatch(meant[1]) if meant[2] == PERIOD else None
    named = zip(period.groups(), ("년", "분기", "월", "일"), strict=True) if period else ()
    return {("", str(int(number)), unit) for number, unit in named if number}


def quantities(text: str) -> set[Quantity]:
    """The numbers in `text` as (sign, number, unit); sign and unit may be empty."""
    return {
        (
            "-" if sign else "",
            _plain(number),
            _plain_unit(unit),
        )
        for sign, number, unit in QUANTITY.findall(fold(text))
    }


def _quantities_of_row(row: str, columns: str) -> set[Quantity]:
    """The quantities of a table row, its bare numbers with each unit that `columns` or a cell of its own names."""
    units = {_plain_unit(unit) for unit in LONE_UNIT.findall(fold(f"{columns}\n{row}"))}
    bare = {(sign, number) for sign, number, unit in quantities(row) if not unit}
    named = quantities(columns)
    years = {(sign, number, "년") for sign, number, unit in named if not unit and YEAR.fullmatch(number)}
    return named | years | {(*number, unit) for number in bare for unit in units}


def _contradicts(claim: str, quote: str) -> bool:
    """Whether only one of the two texts is negated, or one has a word whose opposite the other has."""
    if bool(NEGATION.search(claim)) != bool(NEGATION.search(quote)):
        return True
    return any(
        (one in claim and one not in quote and other in quote)
        or (other in claim and other not in quote and one in quote)
        for one, other in OPPOSITES
    )


def coverage(claim: str, source: str) -> float:
    """The share of the distinct terms of `claim` (Hangul bigrams, words, numbers) that `source` holds.

    From 0 to 1; phrases such as «문서에 따르면» are left out of the claim.
    """
    wanted = terms(FRAMING.sub(" ", claim)) or terms(claim)
    return len(wanted & terms(source)) / len(wanted) if wanted else 0.0


def numbers(text: str) -> set[str]:
    """The numbers in `text`, without thousands separators and trailing zeros after the point."""
    return {_plain(match) for match in NUMBER.findall(fold(text))}


@lru_cache(maxsize=4096)
def terms(text: str) -> frozenset[str]:
    """The distinct terms of `text` that texts are compared by: Hangul bigrams, words, numbers."""
    folded = fold(text)
    return frozenset([*bigrams(folded), *words(folded)])


def best_span(claim: str, text: str) -> tuple[int, int]:
    """The span of the sentence in the non-empty `text` that supports `claim` best, without blanks around it.

    The first of equals. Numbers of the claim count double, also in another form. The span of a table row
    leaves out the separators of empty cells at its ends.
    """
    wanted = numbers(claim)
    start, end = max(sentence_spans(text), key=lambda span: _likeness(claim, wanted, text[span[0] : span[1]]))
    sentence = text[start:end]
    words = trim(sentence)
    start += sentence.index(words)
    return start, start + len(words)


def _likeness(claim: str, wanted: set[str], sentence: str) -> float:
    """The share of `claim` that stands in `sentence`, plus the share of its numbers `wanted`: from 0 to 2."""
    found = numbers(sentence) if wanted else set()
    if not found:
        return coverage(claim, sentence)
    stand = len(wanted & found) / len(wanted)
    if stand < 1 and _meanings(claim):
        claim, missing = _compared(claim, sentence, "", "")
        stand = max(stand, 1 - len(missing) / len(wanted))
    return coverage(claim, sentence) + stand


def trim(sentence: str) -> str:
    """`sentence` without blanks at its ends, and without separators of empty cells there."""
    return EMPTY_CELLS.sub("", sentence.strip()).strip() or sentence.strip()


def strongest(verdicts: Iterable[Support]) -> Support:
    """The best of the verdicts on one sentence's citations; "uncited" where there are none."""
    order: tuple[Support, ...] = ("supported", "partial", "unsupported", "uncited")
    return min(verdicts, key=order.index, default="uncited")


def _plain_unit(unit: str) -> str:
    return unit.replace(" ", "").replace("퍼센트", "%")


def _plain(number: str) -> str:
    number = number.replace(",", "")
    return number.rstrip("0").rstrip(".") if "." in number else number
