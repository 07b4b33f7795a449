"""Rows of a summary: read from the lines that a model wrote, or, without one, made from sentences word for word."""

import re

from ingest.document import CELL_SEPARATOR
from ingest.expressions import find_expressions
from ingest.korean import fold
from ingest.outline import UNIT as TABLE_UNIT
from rag.kinds import ACTIONS, NONE_NAMED, Kind
from rag.priors import SourceSentence, unmarked
from rag.support import LEGAL, LONE_UNIT, NUMBER, UNIT

BAR = re.compile(r"\s*[|｜]\s*")
RULE = re.compile(r"[\s:|｜\-–—]*")
# «3조 2,500억원»: the number with what it counts, which stands in the last group.
VALUE = re.compile(
    rf"([-−△▲]?\s?(?:(?:{NUMBER.pattern})\s?[천백십]?[만억조]\s?(?=\d))*(?:{NUMBER.pattern}))\s?({UNIT})(?!(?<=분)의)",
    re.I,
)
BARE = re.compile(rf"[-−△▲]?\s?(?:{NUMBER.pattern})")
# Of several figures of a sentence the one that is told: money before shares before what is counted. A day
# is no figure.
MONEY, SHARE, DAYS = re.compile("원$|달러$"), re.compile("^%"), frozenset("년월일주자")
# So much of what stands before a figure says what it is of.
ITEM_CHARACTERS = 40
AT_END = re.compile(r"(?:[\s:：=~(（]|(?<=[가-힣])(?:은|는|이|가|을|를|의|에|총|약)(?=\s*$))+$")
CLAUSE = re.compile(r"[,;](?!\d)\s+|(?<=[가-힣][고며])\s")
# What somebody has to do, and by when.
DUTY = re.compile(
    r"(?:하여|해|되어|돼|어|아)야\s?(?:한다|함|합니다|하며|하고|할)|제출|조치|개선\s?(?:요구|권고|방안)|시정|이행|통보|보고(?:하|할|한)"
    r"|바랍니다|바람$|요청|할 것|하시기|의무"
)
WHO = re.compile(
    r"(?:^|[\s○□\-])([가-힣A-Za-z0-9·]{1,15}(?:부|팀|과|실|국|본부|센터|위원회|업체|사업자|수급인|상대자|기관|담당자|책임자|공사|공단"
    r"|사장|원장|부서|제안사|입찰자|회사|사용자|근로자|직원))(?:은|는|이|가|에서)\s"
)
DUE = re.compile(
    r"(?:[가-힣]+(?:일|후|날)(?:로|으로)?(?:부터)?\s)?(?:매[년월주분기]{1,2}\s)?\d+\s?(?:영업일|일|개월|주|시간|년|월)\s?(?:이내|전까지|까지|내|전)(?:에)?"
    r"|매[년월주](?:\s\d+(?:월|일))*(?:까지)?|즉시|지체\s?없이"
)

UNTIL = re.compile(r"\S{0,12}\s?(?:까지|이내|이전)")


def read_row(line: str, kind: Kind) -> tuple[str, ...] | None:
    """The cells of a line that a model wrote; None where it is no row, or the one that names the columns."""
    cells = BAR.split(line.strip())
    if cells and not cells[0]:
        cells = cells[1:]
    cells = [cell.strip(" *") for cell in cells[: len(kind.columns)]]
    if RULE.fullmatch(line) or len(cells) < 2 or cells[0] == kind.columns[0] or not cells[0]:
        return None
    return (*(cell or NONE_NAMED for cell in cells), *[NONE_NAMED] * (len(kind.columns) - len(cells)))


def prose(cells: tuple[str, ...], kind: Kind) -> str:
    """A row as it is checked, and read in a line: «매출액 3,010억원»."""
    before = [cell for cell in cells[: kind.value[0]] if cell != NONE_NAMED]
    return " ".join(filter(None, [*before, value_of(cells, kind)]))


def value_of(cells: tuple[str, ...], kind: Kind) -> str:
    """What of a row must stand in its quote; empty where nothing is named."""
    return "".join(cells[place] for place in kind.value if cells[place] != NONE_NAMED)


def holds(quote: str, value: str) -> bool:
    """Whether the words of `value` stand in `quote`."""
    return _squeezed(value) in _squeezed(quote)


def _squeezed(text: str) -> str:
    return re.sub(r"[\s|]", "", fold(text))


# without a model


def tells(kind: Kind, sentence: SourceSentence) -> bool:
    """Whether a row can be made from `sentence`."""
    return made_row(kind, sentence, "") is not None


def made_row(kind: Kind, sentence: SourceSentence, columns: str) -> tuple[str, ...] | None:
    """The row that `sentence` tells, in its own words; None where it tells none.

    Args:
        columns: unit and names of the columns, of the row of a table.
    """
    if kind is ACTIONS:
        return _action(sentence.text)
    if sentence.is_row:
        return _figure_of_row(sentence.text, columns)
    return _figure(sentence.text)


def _figure(text: str) -> tuple[str, ...] | None:
    """The figure of a sentence that matters most, named by the words before it."""
    days = [(e.start, e.end) for e in find_expressions(text) if e.kind in ("date", "period")]
    found = [
        match
        for match in VALUE.finditer(text)
        if match[2] not in LEGAL | DAYS
        and not any(start < match.end() and match.start() < end for start, end in days)
    ]
    if not found:
        return None
    best = min(found, key=lambda match: (not MONEY.search(match[2]), not SHARE.match(match[2])))
    item = _item(text[: best.start()])
    return (item, best[1].strip(), best[2]) if item else None


def _item(before: str) -> str:
    """What stands before a figure, from the beginning of its clause."""
    words = unmarked(before)
    words = " ".join(AT_END.sub("", words).split())
    while len(words) > ITEM_CHARACTERS and (cut := CLAUSE.search(words)):
        words = words[cut.end() :]
    while len(words) > ITEM_CHARACTERS and " " in words:
        words = words.partition(" ")[2]
    return words


def _figure_of_row(row: str, columns: str) -> tuple[str, ...] | None:
    """The first figure of a table's row, named by the row and its column."""
    cells = [cell.strip() for cell in row.split(CELL_SEPARATOR)]
    names = [name.strip() for name in columns.rpartition(" > ")[2].split(CELL_SEPARATOR)]
    units = [found[0] for cell in cells if (found := LONE_UNIT.fullmatch(fold(cell)))]
    units += [found[0] for found in LONE_UNIT.finditer(fold(columns)) if TABLE_UNIT.search(columns)]
    for place, cell in enumerate(cells[1:], start=1):
        own = VALUE.search(cell)
        if own and own[2] not in LEGAL | DAYS:
            value, unit = own[1].strip(), own[2]
        elif BARE.fullmatch(cell):
            value, unit = cell, units[0] if units else NONE_NAMED
        else:
            continue
        column = names[place] if len(names) == len(cells) else ""
        return (f"{cells[0]} ({column})" if column else cells[0], value, unit)
    return None


def _action(text: str) -> tuple[str, ...] | None:
    """What is to be done, by whom and until when."""
    if not DUTY.search(text):
        return None
    who, due = WHO.search(text), DUE.search(text)
    days = (found for found in find_expressions(text) if found.kind == "date")
    until = ((day.start, UNTIL.match(text, day.end)) for day in days)
    day = next((text[start : behind.end()] for start, behind in until if behind), None)
    if day is None:
        day = due[0].strip() if due else NONE_NAMED
    what = " ".join(unmarked(text.replace(CELL_SEPARATOR, " ")).split())
    return what, who[1] if who else NONE_NAMED, " ".join(day.split())
