"""Rows of a summary without a model: made from single sentences and rows of tables, word for word.

A figure is told only where it is plain what it is of: a label, a row and its column, or the noun phrase that it
follows, as Kiwi reads it. Of most sentences with numbers no row is made.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ingest.document import CELL_SEPARATOR
from ingest.expressions import find_expressions
from ingest.korean import fold, load_kiwi
from ingest.outline import UNIT as TABLE_UNIT
from rag.kinds import ACTIONS, NONE_NAMED, Kind
from rag.priors import SourceSentence, unmarked
from rag.support import LEGAL, LONE_UNIT, NUMBER, SIGN, UNIT
from rag.table_text import row_cells
from rag.values import LABEL, LONGEST_NAME

# What is measured or counted after «30만», and what makes a unit of «14개».
MEASURE = "(?:세?제곱)?(?:킬로|센티|밀리)?미터|㎡|㎥|㎞|톤|킬로그램|와트|볼트|가구|세대|명|건|개|회|곳|인(?=\\s?(?:이상|이하|미만|이내))"
# «3조 2,500억원», «2.5∼5개월»: the number with what it counts, which stands in the last group.
VALUE = re.compile(
    rf"(?<![제\w.,])(?<!제\s)((?:{SIGN})?(?:(?:{NUMBER.pattern})\s?[천백십]?[만억조]\s?(?=\d))*(?:{NUMBER.pattern})"
    rf"(?:\s?[~∼～]\s?(?:{NUMBER.pattern}))?)\s?({UNIT}(?:\s?(?:{MEASURE}))?|{MEASURE})"
    r"(?!\s?[→⇒])(?!(?<=분)의)(?!(?<=초)과)(?!(?<=회)차)(?!(?<=[만억조])[가-힣])",
    re.I,
)
BARE = re.compile(rf"(?:{SIGN})?(?:{NUMBER.pattern})")
# «2천만원» is 2천만 | 원 and «2만 4천원» 2만 4천 | 원, but «110백만원» 110 | 백만원; «30만 제곱미터» 30만 | 제곱미터.
MULTIPLIER = re.compile(rf"((?:[천백십]?[만억조])|[천백])\s?((?:원|달러|{MEASURE})?)")
MANY = re.compile("[만억조]")
# Of several figures of a sentence the one that is told: money before shares before what is counted. A day
# is no figure, but by a label: «계약기간 : 30일».
MONEY, SHARE, DAYS = re.compile("원$|달러$"), re.compile("^%|퍼센트"), frozenset("년월일주자초분")
# «이하의 벌금», «이상»: behind a figure, the bound that it is, and what it is of.
BOUND = re.compile(r"\s?(이상|이하|이내|미만|초과|아래(?=로))(?:의\s(벌금|과태료|과징금|이행강제금))?")
# Units that count what is named behind them («116개 통제항목»), of which one is no figure to tell; and those of which
# a figure is told only where it is of a period: «임용 기간은 6개월».
COUNTED, NAMED_BEHIND = frozenset(("개", "건", "명", "인", "회", "곳")), frozenset(("개", "건", "곳"))
PERIODS = DAYS | {"개월", "시간"}
OF_PERIOD = re.compile(r"(?<!\d)(?<!\d\s)(?:기간|기한|시한|주기|시간|연한|기일|일수)$")
# What is counted against («1주 40시간», «1회에 6만원»), a blank in a form («20  년  월  일»), a month of a year («10월»).
PER, BLANK = re.compile(r"\s?(?:당|에|마다)?\s?\d"), re.compile(r"\s+월\s")
# «6.8%에서 12.3%로»: of two figures the one that is reached.
REACHED = re.compile(r"에서\s")
# So much of what stands before a figure says what it is of.
ITEM_CHARACTERS = 40
# The name of a column that says no more of its figures than the row does.
NAMES_NOTHING = re.compile(r"(?:세부\s?)?내\s?[용역]|값|비\s?고|설명")
# The name of one whose numbers count rows, or point at notes.
COUNTS_ROWS = re.compile(r"주\s?석|[연순]?번|번\s?호|쪽|No\.?", re.I)
# A cell of a table that is a figure has no more words beside it.
CELL_CHARACTERS, CELL_BEFORE = 30, 6

# Kiwi's tags: what a noun phrase is made of; what may stand between it and its figure; where a clause ends.
NOUNS = frozenset(
    ("NNG", "NNP", "NNB", "NR", "SN", "SL", "SH", "XSN", "XPN", "XR", "JKG", "JC", "MM", "SP", "SO", "SW")
)
PARTICLES, PARTICLES_BETWEEN = frozenset(("JKS", "JX", "JKG", "JKO", "JKB")), frozenset("은는이가도의을를에")
BETWEEN = frozenset(("MAG", "MM", "SP"))
CLAUSE_ENDS = frozenset(("EC", "EF", "SF", "MAJ", "SB"))
NAMING = frozenset(("NNG", "NNP", "SL", "XR"))
NOUN_PARTS = NAMING | {"XSN", "XPN", "NNB", "SN"}
OPENED = re.compile(r"\s?[(（][^()（）]*$")
BRACKETS = ("()", "「」", "[]", "〔〕", "“”", "‘’")
EITHER = frozenset(("또는", "및"))
NOT_OF_IT = re.compile(r"^(?:(?:이\s)?(?:경우|가운데|중)|다만,?|그|해당|위|동)\s")
# Nouns that no figure is of; that only qualify it; that say too little alone; that need the subject before them.
EMPTY = re.compile(
    "경우|때|다음|이상|이하|이내|초과|미만|각각|기준|것|등|날|후|전|내|해당|위|아래|수|중|바|정도|이후|이전|다만|각호|호|항|조|이|그|조건|범위|한도|한|자|"
    "년|월|일|회|번|당시|현재|사실|하나|모두|내외|동시"
)
QUALIFIERS = re.compile(
    "총|약|평균|최대|최소|최고|최저|연|연간|월|각|각각|모두|전체|전국|합계|최근|매|단|무려|최종|등|또|추가|기존|종전"
)
VAGUE = re.compile(
    "예상|전망|전월|전년|전분기|단기|장기|상위|하위|기타|제외|소계|기간|기한|일수|시간|횟수|금액|면적|점수|비율|비중|수치|매체|분야|표본|제?\\d*항?의? 경우"
)
RELATIONS = re.compile(
    "대비|중|가운데|비|동기|전년|전월|증가|감소|상승|하락|확대|축소|개선|악화|둔화|유지|기록|조정|수준"
)

# What somebody has to do: a duty, or what a list of things to do ends with.
DUTY = re.compile(
    r"(?:[하되어아여해돼]야|하여야)\s?(?:한다|함|합니다|하며|하고|할)|바랍니다|바람\.?$|할 것\.?$|하시기"
    r"|(?:제출|이행|통보|통지|보고|시정|개선|보완|완료|실시|제시|조치|요청|상정|납부|신청|등록|지정|점검)(?:하고|하며|한다|합니다|\.?$)"
)
# Who: of the topics before the duty the nearest that is somebody («사업자는»), else the first subject.
TOPIC, SUBJECT = re.compile(r"(?<=[가-힣)])(?:은|는)(?=\s)"), re.compile(r"(?<=[가-힣)])(?:이|가|에서)(?=\s)")
SOMEBODY = re.compile(
    r"(?:[장자인주사관부팀과실국청처원]|본부|센터|위원회|업체|공단|공사|회사|부서|학교|단체|법인|대표|국가|정부|은행|조합|사업단)$"
)
# «결과는», «사실은», «조사는»: neither a section nor a firm.
NOBODY = re.compile(
    "(?:[신요]청|[납첨교]부|[보이]관|[연주보포성]장|[문적흑숫]자|할인|출처|연락처|[결효성경]과|초과|사실|[현부충성확]실|[내외일전여]부|[조검심공인행]사|감사|예산|확인|원인|승인|인원|지원|재원|의원수|자원|[위개]인정보|의사|투자|주주|현장|날인)$"
)
DUE = re.compile(
    r"(?:(?:매년|매월|다음\s?해|이듬해|그 해|당해 연도)\s)?\d{1,2}월\s?\d{1,2}일\s?(?:까지|이전)"
    r"|(?:(?:\S+\s)?날(?:로|으로)?부터\s|[가-힣]+(?:일|후)(?:로|으로)?(?:부터)?\s)?(?:매[년월주분기]{1,2}\s)?"
    r"(?<!과거\s)(?<!최근\s)\d+\s?(?:영업일|일|개월|주|시간|년|월)\s?(?:이내|안에|이전|전까지|전에|까지)"
    r"|매[년월주](?:[과와,·]?\s?\d+(?:월|일))*(?:까지)?|즉시(?!\s?사용)|지체\s?없이"
)
UNTIL = re.compile(r"\S{0,12}\s?(?:까지|이내|이전)")
# «(연구개발비 정산) ① »: the title of an article.
ARTICLE_TITLE = re.compile(r"\([^()]{2,40}\)\s?[①-⑳]?\s?(?=[가-힣])")


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


@lru_cache(maxsize=4096)  # asked for twice: to choose a sentence, and to tell it
def _figure(text: str) -> tuple[str, ...] | None:
    """The figure of a sentence that matters most, named by its label or by the words before it."""
    label = LABEL.match(unmarked(text))
    name = label["name"].strip() if label else ""
    if not 1 < len(name) <= LONGEST_NAME or not _balanced(name):
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
    """The figure that `match` became, in the same unit; None where none is told."""
    came = REACHED.match(match.string, match.end())
    then = VALUE.match(match.string, came.end()) if came else None
    if not then or then[2] != match[2] or not match.string.startswith(("로", "으로"), then.end()):
        return None
    return then


def _item(text: str, match: re.Match) -> str:
    """What the figure `match` of `text` is of, by the words around it; empty where that is not plain."""
    if match[2] in COUNTED and match[1].strip() == "1":
        return ""
    bound = BOUND.match(text, match.end())
    if bound:
        return bound[2] or noun_phrase(unmarked(text[: match.start()]))
    behind = _counted(text[match.end() :]) if match[2] in NAMED_BEHIND else ""
    return f"{noun_phrase(unmarked(text[: match.start()]))} {behind}".strip()


def _values(text: str) -> list[re.Match]:
    """The figures in `text`: no numbers of laws, no parts of dates, not what another figure is counted against."""
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
    """The figure `match`, and its unit with the bound that stands behind it: 2천만 | 원 이하."""
    value, unit = _parted(match[1].strip(), match[2].strip())
    bound = BOUND.match(match.string, match.end())
    return value, f"{unit.replace(NONE_NAMED, '')} {bound[1]}".strip() if bound else unit


def _parted(value: str, unit: str) -> tuple[str, str]:
    """«2»«천만원» → 2천만 | 원."""
    multiplied = MULTIPLIER.fullmatch(unit)
    if multiplied and (len(value) == 1 or MANY.search(value) or not MONEY.search(unit)):
        return value + multiplied[1], multiplied[2] or NONE_NAMED
    return value, unit


def _counted(behind: str) -> str:
    """The noun that is counted, with which `behind` begins; empty where it begins with none."""
    if not re.match(r"\s[가-힣]{2}", behind):
        return ""
    end = 0
    for token in load_kiwi().tokenize(behind[:ITEM_CHARACTERS]):
        if token.tag not in NAMING or EMPTY.fullmatch(token.form) or token.start > end + 1:
            break
        end = token.start + token.len
    return behind[:end].strip()


def noun_phrase(before: str) -> str:
    """The noun phrase that `before`, which ends where a figure begins, ends with; empty where that is none.

    With the clause that describes it («보험에 가입한 비중»), and with its subject where it only relates
    («매출액은 전년 대비»). Not longer than `ITEM_CHARACTERS`.
    """
    before = OPENED.sub("", before)
    cut = max(0, len(before) - 4 * ITEM_CHARACTERS)
    tokens = load_kiwi().tokenize(before[cut:])
    end = _without_qualifiers(tokens, len(tokens))
    start = _phrase_start(tokens, end)
    names = [token.form for token in tokens[start:end] if token.tag in NAMING]
    if all(len(name) == 1 for name in names) or tokens[end - 1].tag not in NOUN_PARTS:
        return ""
    described = len(names) == 1 and start and tokens[start - 1].tag == "ETM"
    if described or RELATIONS.fullmatch(tokens[end - 1].form):
        start = _clause_start(tokens, start)
    if cut and start == 0:  # it may begin before
        return ""
    phrase = before[cut + tokens[start].start : cut + tokens[end - 1].start + tokens[end - 1].len]
    phrase = " ".join(NOT_OF_IT.sub("", phrase).split())
    return phrase if _is_name(phrase) else ""


def _is_name(phrase: str) -> bool:
    """Whether it says what something is, by itself."""
    if not 1 < len(phrase) <= ITEM_CHARACTERS or not phrase[-1].isalnum():
        return False
    return _balanced(phrase) and not EMPTY.fullmatch(phrase.rsplit(maxsplit=1)[-1])


def _balanced(text: str) -> bool:
    return all(text.count(one) == text.count(other) for one, other in BRACKETS)


def _without_qualifiers(tokens: Sequence[Any], end: int) -> int:
    """Where the tokens end without the particle and the adverbs before a figure: «비중이 약»."""
    while end:
        token = tokens[end - 1]
        if token.tag == "SSC" and (opened := _opening(tokens, end - 1)):
            end = opened
        elif token.form in PARTICLES_BETWEEN if token.tag in PARTICLES else _qualifies(token):
            end -= 1
        else:
            break
    return end


def _qualifies(token: Any) -> bool:
    return token.tag in BETWEEN or bool(QUALIFIERS.fullmatch(token.form))


def _opening(tokens: Sequence[Any], closing: int) -> int:
    """Where the parenthesis that `closing` closes is opened; 0 where it is not."""
    return next((place for place in range(closing - 1, 0, -1) if tokens[place].tag == "SSO"), 0)


def _phrase_start(tokens: Sequence[Any], end: int) -> int:
    start = end
    while start and (tokens[start - 1].tag in NOUNS or tokens[start - 1].form in EITHER):
        if tokens[start - 1].form in ",:":
            break
        start -= 1
    while (
        start < end and tokens[start].tag not in NAMING and tokens[start].tag not in ("SN", "XPN", "MM", "NR")
    ):
        start += 1
    return start


def _clause_start(tokens: Sequence[Any], start: int) -> int:
    while start and tokens[start - 1].tag not in CLAUSE_ENDS and tokens[start - 1].form not in ",:":
        start -= 1
    return start


def _figure_of_row(row: str, columns: str) -> tuple[str, ...] | None:
    """The first figure of a table's row, named by the row and its column."""
    cells = row_cells(row)
    names = row_cells(columns.rpartition(" > ")[2])
    item = unmarked(cells[0])
    if not re.search("[가-힣A-Za-z]{2}", item) or len(item) > ITEM_CHARACTERS:
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
    """The unit of a cell without one: that of its column, of its row, or of the table if that has only one."""
    table = TABLE_UNIT.search(columns)
    of_table = set(LONE_UNIT.findall(fold(table[0]))) if table else set()
    of_row = [cell for cell in cells if LONE_UNIT.fullmatch(fold(cell))]
    named = LONE_UNIT.findall(fold(column)) or of_row or (of_table if len(of_table) == 1 else ())
    return next(iter(named), NONE_NAMED).strip()


def _is_told(item: str, own: re.Match) -> bool:
    """Whether a cell gives the figure `own` of `item`: it begins with it, or is a period: «계약일부터 2개월»."""
    return bool(OF_PERIOD.search(item)) if own[2] in PERIODS else own.start() < CELL_BEFORE


def _action(text: str) -> tuple[str, ...] | None:
    """What is to be done, by whom and until when."""
    what = " ".join(unmarked(text.replace(CELL_SEPARATOR, " ")).split())
    what = ARTICLE_TITLE.sub("", what, count=1) if ARTICLE_TITLE.match(what) else what
    duty = DUTY.search(what)
    if not duty:
        return None
    return what, _who(what[: duty.start()]), " ".join(_due(what, duty.start()).split())


@lru_cache(maxsize=4096)  # asked for twice, as figures are
def _who(before: str) -> str:
    """Who does what stands behind `before`."""
    topics = [_named_before(match) for match in TOPIC.finditer(before)]
    subjects = [_named_before(match) for match in SUBJECT.finditer(before)]
    named = (name for name in [*reversed(topics), *subjects] if SOMEBODY.search(name))
    return next((name for name in named if not NOBODY.search(name)), NONE_NAMED)


def _named_before(particle: re.Match) -> str:
    before = particle.string[: particle.start()]
    return noun_phrase(before) or before.split()[-1]


def _due(text: str, duty: int) -> str:
    """The day until when, or the time that is left: of several the nearest before the duty."""
    days = (found for found in find_expressions(text) if found.kind == "date")
    until = ((day.start, UNTIL.match(text, day.end)) for day in days)
    spans = [(start, behind.end()) for start, behind in until if behind]
    spans += [term.span() for term in DUE.finditer(text)]
    if not spans:
        return NONE_NAMED
    before = [(start, end) for start, end in spans if end <= duty]
    # «3월 10일까지» stands in «2024년 3월 10일까지», too: of those that end together the longest.
    start, end = max(before, key=lambda span: (span[1], -span[0])) if before else min(spans)
    return text[start:end].strip()
