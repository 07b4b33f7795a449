"""Sentences and table rows → the figure that each states, word for word, without a model.

A figure is taken only if it is clear what it measures: by a label, by its row and column, or by the noun phrase
before it. Most sentences with numbers give none.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from ingest.korean.analyse import fold
from ingest.korean.expressions import find_expressions
from ingest.korean.noun_phrases import PHRASE_CHARACTERS, balanced, counted_noun, noun_phrase
from ingest.structure.outline import UNIT as TABLE_UNIT
from rag.evidence.support import LEGAL, LONE_UNIT, NUMBER, SIGN, UNIT
from rag.extracting.priors import unmarked
from rag.extracting.values import LABEL, LONGEST_NAME
from rag.prompting.prompts import NONE_NAMED
from rag.wording.tables import row_cells

# Units of measures and counters: metres after «30만» (300,000), the counter in «14개» (14 pieces).
MEASURE = "(?:세?제곱)?(?:킬로|센티|밀리)?미터|㎡|㎥|㎞|톤|킬로그램|와트|볼트|가구|세대|명|건|개|회|곳|인(?=\\s?(?:이상|이하|미만|이내))"
# A number, group 1, and its unit, group 2: «3조 2,500억원», «2.5∼5개월».
VALUE = re.compile(
    rf"(?<![제\w.,])(?<!제\s)((?:{SIGN})?(?:(?:{NUMBER.pattern})\s?[천백십]?[만억조]\s?(?=\d))*(?:{NUMBER.pattern})"
    rf"(?:\s?[~∼～]\s?(?:{NUMBER.pattern}))?)\s?({UNIT}(?:\s?(?:{MEASURE}))?|{MEASURE})"
    r"(?!\s?[→⇒])(?!(?<=분)의)(?!(?<=초)과)(?!(?<=회)차)(?!(?<=[만억조])[가-힣])",
    re.I,
)
BARE = re.compile(rf"(?:{SIGN})?(?:{NUMBER.pattern})")
# Where a value with a multiplier is divided: «2천만원» is 2천만 | 원 and «2만 4천원» is 2만 4천 | 원, but «110백만원» is
# 110 | 백만원, and «30만 제곱미터» is 30만 | 제곱미터.
MULTIPLIER = re.compile(rf"((?:[천백십]?[만억조])|[천백])\s?((?:원|달러|{MEASURE})?)")
MANY = re.compile("[만억조]")
# Of several figures in a sentence, money is taken before percentages, and those before counts. Days are taken only
# after a label: «계약기간 : 30일» (contract period: 30 days).
MONEY, SHARE, DAYS = re.compile("원$|달러$"), re.compile("^%|퍼센트"), frozenset("년월일주자초분")
# Behind a figure, group 1: which bound it is (이상, at least; 이하, at most); group 2: of what (벌금, a fine).
BOUND = re.compile(r"\s?(이상|이하|이내|미만|초과|아래(?=로))(?:의\s(벌금|과태료|과징금|이행강제금))?")
# Counters, with which a 1 is not taken; and those whose noun may follow them («116개 통제항목», 116 controls).
COUNTED, NAMED_BEHIND = frozenset(("개", "건", "명", "인", "회", "곳")), frozenset(("개", "건", "곳"))
# Units of time; a figure in one is taken only if it measures a period: «임용 기간은 6개월» (term of office: 6 months).
PERIODS = DAYS | {"개월", "시간"}
OF_PERIOD = re.compile(r"(?<!\d)(?<!\d\s)(?:기간|기한|시한|주기|시간|연한|기일|일수)$")
# Behind the unit of a rate («1주 40시간», 40 hours a week; «1회에 6만원», 60,000 won each time), and behind a year that a
# form leaves blank («20  년  월  일»).
PER, BLANK = re.compile(r"\s?(?:당|에|마다)?\s?\d"), re.compile(r"\s+월\s")
# «6.8%에서 12.3%로», from 6.8 % to 12.3 %: the second figure is taken.
REACHED = re.compile(r"에서\s")
# Names that are too vague alone: «forecast», «last year», «others», «period», «amount» and the like.
VAGUE = re.compile(
    "예상|전망|전월|전년|전분기|단기|장기|상위|하위|기타|제외|소계|기간|기한|일수|시간|횟수|금액|면적|점수|비율|비중|수치|매체|분야|표본|제?\\d*항?의? 경우"
)
# Names of columns that say nothing about their figures: «contents», «value», «remarks», «explanation».
NAMES_NOTHING = re.compile(r"(?:세부\s?)?내\s?[용역]|값|비\s?고|설명")
# Names of columns whose numbers are row numbers, page numbers or references to notes.
COUNTS_ROWS = re.compile(r"주\s?석|[연순]?번|번\s?호|쪽|No\.?", re.I)
# A cell that is a figure has at most 30 characters, fewer than 6 of them before the figure.
CELL_CHARACTERS, CELL_BEFORE = 30, 6


@lru_cache(maxsize=4096)  # called twice for a sentence: to choose it, and to make its row
def figure_of_sentence(text: str) -> tuple[str, ...] | None:
    """(name, value, unit) of the most important figure of a sentence; None if it has none that is clear.

    The name is the sentence's label or the words around the figure.
    """
    label = LABEL.match(unmarked(text))
    name = label["name"].strip() if label else ""
    if not 1 < len(name) <= LONGEST_NAME or not balanced(name):
        name = ""
    found = _values(label["value"] if name else text)
    found.sort(key=lambda match: (not MONEY.search(match[2]), not SHARE.match(match[2])))
    for match in found:
        item = name or _item(text, match)
        if len(item) < 2 or VAGUE.fullmatch(item) or (match[2] in PERIODS and not OF_PERIOD.search(item)):
            continue
        return item, *_value_and_unit(_reached(match) or match)
    return None


def _reached(match: re.Match) -> re.Match | None:
    """The figure that `match` changed to, in the same unit; None if the text names none."""
    came = REACHED.match(match.string, match.end())
    then = VALUE.match(match.string, came.end()) if came else None
    if not then or then[2] != match[2] or not match.string.startswith(("로", "으로"), then.end()):
        return None
    return then


def _item(text: str, match: re.Match) -> str:
    """What the figure `match` of `text` measures, by the words around it; empty if that is not clear."""
    if match[2] in COUNTED and match[1].strip() == "1":
        return ""
    bound = BOUND.match(text, match.end())
    if bound and bound[2]:
        return bound[2]
    behind = counted_noun(text[match.end() :]) if match[2] in NAMED_BEHIND and not bound else ""
    return f"{noun_phrase(unmarked(text[: match.start()]))} {behind}".strip()


def _values(text: str) -> list[re.Match]:
    """The figures in `text`, without article numbers, parts of dates, and the unit of a rate (1주 in «1주 40시간»)."""
    dates = [(e.start, e.end) for e in find_expressions(text) if e.kind in ("date", "period")]
    return [
        match
        for match in VALUE.finditer(text)
        if match[2] not in LEGAL | {"월"}
        and not (match[1] == "1" and match[2] in PERIODS | COUNTED and PER.match(text, match.end()))
        and not (match[2] == "년" and BLANK.match(text, match.end()))
        and not any(start < match.end() and match.start() < end for start, end in dates)
    ]


def _value_and_unit(match: re.Match) -> tuple[str, str]:
    """The value of the figure `match`, and its unit with the bound behind it: 2천만 | 원 이하 (20 million | won at most)."""
    value, unit = _parted(match[1].strip(), match[2].strip())
    bound = BOUND.match(match.string, match.end())
    return value, f"{unit.replace(NONE_NAMED, '')} {bound[1]}".strip() if bound else unit


def _parted(value: str, unit: str) -> tuple[str, str]:
    """`value` and `unit` with the multiplier moved to the value: 2 | 천만원 → 2천만 | 원; see `MULTIPLIER`."""
    multiplied = MULTIPLIER.fullmatch(unit)
    if multiplied and (len(value) == 1 or MANY.search(value) or not MONEY.search(unit)):
        return value + multiplied[1], multiplied[2] or NONE_NAMED
    return value, unit


def figure_of_row(row: str, columns: str) -> tuple[str, ...] | None:
    """(name, value, unit) of the first figure of a table row, named by the row and its column; None if it has none.

    Args:
        columns: unit and names of the columns.
    """
    cells = row_cells(row)
    names = row_cells(columns.rpartition(" > ")[2])
    item = unmarked(cells[0]).lstrip(". ")  # of «Ⅰ. 자산» some PDFs keep only the stop
    if not re.search("[가-힣A-Za-z]{2}", item) or len(item) > PHRASE_CHARACTERS:
        return None
    for place, cell in enumerate(cells[1:], start=1):
        column = names[place] if len(names) == len(cells) else ""
        if COUNTS_ROWS.fullmatch(column):
            continue
        own = VALUE.search(cell)
        if own and own[2] not in LEGAL and len(cell) <= CELL_CHARACTERS and _is_told(item, own):
            value, unit = _value_and_unit(own)
        elif BARE.fullmatch(cell):
            value, unit = cell, _unit_named(column, cells, columns)
        else:
            continue
        if unit == NONE_NAMED and not column and "," not in value:
            continue
        told = column and not NAMES_NOTHING.fullmatch(column)
        return (f"{item} ({column})" if told else item, value, unit)
    return None


def _unit_named(column: str, cells: Sequence[str], columns: str) -> str:
    """The unit of a cell that has none: of its column, else its row, else the table if that names only one."""
    table = TABLE_UNIT.search(columns)
    of_table = set(LONE_UNIT.findall(fold(table[0]))) if table else set()
    of_row = [cell for cell in cells if LONE_UNIT.fullmatch(fold(cell))]
    named = LONE_UNIT.findall(fold(column)) or of_row or (of_table if len(of_table) == 1 else ())
    return next(iter(named), NONE_NAMED).strip()


def _is_told(item: str, own: re.Match) -> bool:
    """Whether the figure `own` of a cell is the value of `item`.

    It must begin the cell; a length of time must belong to a period instead: «계약일부터 2개월» (2 months from the contract).
    """
    return bool(OF_PERIOD.search(item)) if own[2] in PERIODS else own.start() < CELL_BEFORE
