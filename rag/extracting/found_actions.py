"""A sentence → what has to be done, by whom and until when, word for word, without a model."""

import re
from functools import lru_cache

from ingest.document import CELL_SEPARATOR
from ingest.korean.expressions import find_expressions
from ingest.korean.noun_phrases import noun_phrase
from rag.extracting.priors import unmarked
from rag.prompting.prompts import NONE_NAMED

# The words of a duty: «must do», or a verb that ends an item in a list of tasks (submit, report, correct, …).
DUTY = re.compile(
    r"(?:[하되어아여해돼]야|하여야)\s?(?:한다|함|합니다|하며|하고|할)|바랍니다|바람\.?$|할 것\.?$|하시기"
    r"|(?:제출|이행|통보|통지|보고|시정|개선|보완|완료|실시|제시|조치|요청|상정|납부|신청|등록|지정|점검)(?:하고|하며|한다|합니다|\.?$)"
)
# Particles of a topic and of a subject. Who has to act is the nearest topic before the duty that names somebody
# («사업자는», the contractor), else the first such subject.
TOPIC, SUBJECT = re.compile(r"(?<=[가-힣)])(?:은|는)(?=\s)"), re.compile(r"(?<=[가-힣)])(?:이|가|에서)(?=\s)")
# Endings of words that name a person, an office or an organisation.
SOMEBODY = re.compile(
    r"(?:[장자인주사관부팀과실국청처원]|본부|센터|위원회|업체|공단|공사|회사|부서|학교|단체|법인|대표|국가|정부|은행|조합|사업단)$"
)
# Words with such an ending that name nobody: «결과» (result), «사실» (fact), «조사» (survey).
NOBODY = re.compile(
    "(?:[신요]청|[납첨교]부|[보이]관|[연주보포성]장|[문적흑숫]자|할인|출처|연락처|[결효성경]과|초과|사실|[현부충성확]실|[내외일전여]부|[조검심공인행]사|감사|예산|확인|원인|승인|인원|지원|재원|의원수|자원|[위개]인정보|의사|투자|주주|현장|날인)$"
)
# Deadlines that are no full date: a day of a month, a time from a day, «at once».
DUE = re.compile(
    r"(?:(?:매년|매월|다음\s?해|이듬해|그 해|당해 연도)\s)?\d{1,2}월\s?\d{1,2}일\s?(?:까지|이전)"
    r"|(?:(?:(?<!\S)\S++\s)?날(?:로|으로)?부터\s|(?<![가-힣])[가-힣]+(?:일|후)(?:로|으로)?(?:부터)?\s)?(?:매[년월주분기]{1,2}\s)?"
    r"(?<!과거\s)(?<!최근\s)(?<!\d)\d++\s?(?:영업일|일|개월|주|시간|년|월)\s?(?:이내|안에|이전|전까지|전에|까지)"
    r"|매[년월주](?:[과와,·]?\s?\d+(?:월|일))*(?:까지)?|즉시(?!\s?사용)|지체\s?없이"
)
UNTIL = re.compile(r"\S{0,12}\s?(?:까지|이내|이전)")
# «(연구개발비 정산) ① »: the title of an article.
ARTICLE_TITLE = re.compile(r"^\([^()]{2,40}\)\s?[①-⑳]?\s?(?=[가-힣])")


def action_of_sentence(text: str) -> tuple[str, ...] | None:
    """(what has to be done, by whom, until when); None if `text` states no duty.

    A part that is not stated is `NONE_NAMED`.
    """
    what = " ".join(unmarked(text.replace(CELL_SEPARATOR, " ")).split())
    what = ARTICLE_TITLE.sub("", what)
    duty = DUTY.search(what)
    if not duty:
        return None
    return what, _who(what[: duty.start()]), " ".join(_due(what, duty.start()).split())


@lru_cache(maxsize=4096)  # called twice for a sentence: to choose it, and to make its row
def _who(before: str) -> str:
    """Who has the duty that follows the words `before`."""
    topics = [_named_before(match) for match in TOPIC.finditer(before)]
    subjects = [_named_before(match) for match in SUBJECT.finditer(before)]
    named = (name for name in [*reversed(topics), *subjects] if SOMEBODY.search(name))
    return next((name for name in named if not NOBODY.search(name)), NONE_NAMED)


def _named_before(particle: re.Match) -> str:
    before = particle.string[: particle.start()]
    return noun_phrase(before) or before.split()[-1]


def _due(text: str, duty: int) -> str:
    """The deadline in `text`, a day or a length of time: of several, the last before the position `duty`."""
    days = (found for found in find_expressions(text) if found.kind == "date")
    until = ((day.start, UNTIL.match(text, day.end)) for day in days)
    spans = [(start, behind.end()) for start, behind in until if behind]
    spans += [term.span() for term in DUE.finditer(text)]
    if not spans:
        return NONE_NAMED
    before = [(start, end) for start, end in spans if end <= duty]
    # «3월 10일까지» is also found inside «2024년 3월 10일까지»: of deadlines with the same end, the longest is taken.
    start, end = max(before, key=lambda span: (span[1], -span[0])) if before else min(spans)
    return text[start:end].strip()
