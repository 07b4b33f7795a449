"""The sentences of a document → those that can be read alone, each with features of its place and form.

How sentences resemble each other is the matter of salience.py.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from ingest.document import CELL_SEPARATOR, Chunk, ChunkKind
from ingest.korean.analyse import ITEM_LETTERS, fold, sentence_spans
from rag.evidence.citations import names_columns
from rag.evidence.support import LEGAL, QUANTITY, trim
from rag.extracting.extract import HEADING
from rag.wording.tables import row_cells

# A sentence has 12 to 400 characters; longer text is a list, a table, or a page that lost its line breaks.
SHORTEST, LONGEST = 12, 400
# A list item without a verb states something if it has at least 18 characters; a shorter one is a heading.
ITEM_SAYS = 18
# A row of more than 4 cells cannot be understood without the names of its columns.
MOST_CELLS = 4
# Some PDFs draw text twice; in a sentence that was read twice, fewer than 70 % of the words are distinct.
DISTINCT = 0.7
# The first 20 % of a document are its beginning; its annexes can begin after 40 %.
BEGINNING, BACK_FROM = 0.2, 0.4
# A quantity found 2 to 8 times is a key figure; one found more often (1년, one year; 30일, 30 days) is a common phrase.
TOLD_MOST = 8

# Headings of sections beside the point (annexes, forms, definitions, contacts), and of those that begin the annexes.
ASIDE = re.compile(
    r"부\s?록|별\s?[표지첨]|서\s?식|붙\s?임|참고\s?문헌|용어|약어|기호|이력|부\s?칙|문의|유의\s?사항|기타|그\s?밖|제출\s?서류"
    r"|작성\s?(?:방법|요령|지침|규격)|저자|관련\s?(?:규격|법규|표준)|관계\s?법령|서약|동의서|협정서|경과조치|목\s?차|위원회의? 구성"
)
BACK = re.compile(r"부\s?록|별\s?[표지첨]|붙\s?임|[<\[〈]?서식\s?(?:제?\s?\d|$)|참고\s?문헌")
# Sentences of little content: contacts, definitions, captions and notes, authors and dates, references to other places.
BOILERPLATE = re.compile(
    r"https?:|www\.|[\w.]@[\w.]|☎|\d{2,4}-\d{3,4}-\d{4}|누리집|홈페이지|문의(?:는|처|사항|하)"
    r"|(?:이란|라 함은|란)\s.{5,}(?:말한다|의미한다|뜻한다)|[”\"’'](?:이?란|이?라 함은)\s|용어의 (?:뜻|정의)"
    r"|^[\[<〈(]?\s?(?:표|그림|사진|주|자료|출처|비고|참고|예시?)\s?\d*\s?[:>\])〉]|^[*※]|^\d{2,3}\)\s|KOSHA GUIDE"
    r"|제정위원회|(?:제정|개정|공표|작성)\s?(?:일자?|자|사유|내용)\s?:|부터 시행한다|부탁드립니다|고맙습니다"
    r"|다음(?:의|과 같은|\s?사항|\s?각 호)\s|(?:다음|아래|별표|<표|\[표|표 \d|그림 ?\d).{0,20}(?:같다|같습니다|같이|따라|참[조고]|따른다|각 호|나타)"
    r"|(?:에서|따로) 정하는 (?:바|것)에|에 (?:따른다|의한다|의함|따름)|준용(?:한다|하)"
)
# Words that announce something important: results, extremes, duties, limits.
CUE = re.compile(
    r"가장|처음|최초|모두|모든|총\s|전체|절반|달성|확정|결정|전망|예상|목표|필요|금지|제외|불가|하여서는 아니|할 수 없"
    r"|(?:하여|해)야|나타났|나타남|확인되|확인됨|평가됨|것으로|따라서|결론|마감|까지|이내|이상|이하|초과|미만|한도"
)
# Sentences that say what a document is for, and whom it concerns.
PURPOSE = re.compile(
    r"목적으로\s?(?:한다|함|하)|(?:에|에게|에 대하여) (?:이를 )?적용(?:한다|함)|실시(?:하였다|하였음)\.?$"
)
# The first cell of a row of totals: sums, profit and loss, budgets.
TOTAL = re.compile(r"[Ⅰ-Ⅻ]\.|.*(?:총\s?[계액]|합\s?계|순\s?(?:이익|손실|손익)|사업비|예산)")
# The beginning of a list item (l to u are Wingdings boxes, read as letters), and of a line that states a value:
# «○ 사업예산 : 3억원» (budget: 300 million won).
MARK = re.compile(
    rf"[□■◆◇▣●○◯❍◎▶▷⇒<\[〈]|(?:[ㅇoＯ]|[lmnqu](?=\s[가-힣]))\s|제\s?\d+\s?[조장절관](?:의\s?\d+)?|[-–―－*※·ㆍ․•▸‣◦]|\(?\d+\)|[①-⑳]|[Ⅰ-Ⅻ]|\d{{1,2}}\.\s"
    rf"|\(?[{ITEM_LETTERS}][.)]\s"
)
LABEL = re.compile(r"[^\w가-힣]*(?:\d{1,2}[.)]\s)?[가-힣A-Z][가-힣A-Za-z·\s()]{0,14}\s?:\s?\S")
# «Ⅱ 감사실시 결과», «1 감사 총평», «○ 관련 법규», «제 3 장 학습조직», «< 실적(2022년) >», «3. 특별약관 57»
TITLE = re.compile(
    r"[Ⅰ-ⅻI]+\.?\s?.{2,40}|\d{1,2}\s\D{2,30}|[□■◆○●❍◎]\s?\D{2,18}|제\s?\d+\s?[편장절관].{0,30}"
    r"|[<\[〈【(].*[>\]〉】)]|.*\D\s\d{1,3}"
)
# The end of a sentence: a stop, a verb, or a noun made of a verb (함, 있음, 나타남); 책임 and 다음 are no such nouns.
CLOSED = re.compile(
    r"""(?:[.。!?…]|(?<=[가-힣])다|니까|[해세어아워여예]요|[가-힣]함|(?<![다처마])음|됨|짐|[타어]남|킴|움|(?<![책위선전])임)"""
    r"""["'”’)\]」』>]*(?:\s?\(\w+\))?$"""
)
AMENDMENT = re.compile(r"[<\[](?:개정|신설|삭제|본조|전문|제목|종전)[^<>\[\]]*[>\]]")
WORD, LETTER = re.compile(r"[^\W\d_]{2,}"), re.compile(r"[^\W\d_]")
GARBLED = re.compile(r"(?<=\s)[,.)·(]+(?=\s)|\(\s*\)|「\s*」")


@dataclass(frozen=True, slots=True)
class SourceSentence:
    """A sentence, list item or table row: `text == document.text[start:end]`, without the blanks around it.

    `context`: the breadcrumb of its chunk. `begins`: it is the first on its line.
    """

    text: str
    start: int
    end: int
    context: str
    kind: ChunkKind
    begins: bool

    @property
    def is_row(self) -> bool:
        """Whether it is a row of a table."""
        return CELL_SEPARATOR in self.text

    @property
    def headings(self) -> list[str]:
        """The headings above it, outermost first."""
        return [crumb for crumb in self.context.split(" > ") if crumb and CELL_SEPARATOR not in crumb]


class Priors(NamedTuple):
    """Features of a sentence's place and form, from 0 to 1 but for `row`.

    `lead`: how near the beginning of the document it is. `opens`: it is the first of its section. `aside`: its
    section is beside the point. `figures`: it holds quantities. `repeated`: it holds quantities that the document
    repeats. `boilerplate`: it says where, how or by whom, not what. `purpose`: it says what the document is for.
    `cue`: it says that it is important. `label`: it states a value after a label. `broken`: it begins or ends on
    other lines, or is garbled. `row`: 0.5 for each cell but the first.

    The names of sections (개요, overview; 결론, conclusion) and the length of sentences did not help:
    docs/benchmarks/summaries.md.
    """

    lead: float
    opens: float
    aside: float
    figures: float
    repeated: float
    boilerplate: float
    purpose: float
    cue: float
    label: float
    broken: float
    row: float


def source_sentences(chunks: Sequence[Chunk]) -> list[SourceSentence]:
    """The sentences of a document in reading order, from its chunks, which must follow each other without gaps."""
    if not chunks:
        return []
    text, origin = "".join(chunk.text for chunk in chunks), chunks[0].start
    found, place = [], 0
    for start, end in sentence_spans(text):
        words = trim(text[start:end])
        if not words:
            continue
        start = text.index(words, start)
        while place + 1 < len(chunks) and chunks[place + 1].start <= origin + start:
            place += 1
        begins = not text[text.rfind("\n", 0, start) + 1 : start].strip()
        found.append(
            SourceSentence(
                text=words,
                start=origin + start,
                end=origin + start + len(words),
                context=chunks[place].context,
                kind=chunks[place].kind,
                begins=begins,
            )
        )
    return found


def readable(sentence: SourceSentence, title: str = "") -> bool:
    """Whether a sentence can be understood alone: it is no heading, caption, fragment or entry of a contents page."""
    text = _unamended(sentence.text)
    if sentence.kind == "contents" or len(text) < SHORTEST or len(sentence.text) > LONGEST:
        return False
    if sentence.is_row:
        return _names_a_value(_cells(text))
    if is_heading(sentence) or _squeezed(text) in _squeezed(title):
        return False
    letters = len(LETTER.findall(text))  # fewer: the figures of a diagram, a formula
    if len(WORD.findall(text)) < 2 or 4 * letters < len(_squeezed(text)):
        return False
    return closed(text) or bool(LABEL.match(text)) or (len(text) >= ITEM_SAYS and bool(MARK.match(text)))


def is_heading(sentence: SourceSentence) -> bool:
    """Whether a sentence is a heading: a line that names what follows."""
    text = _unamended(sentence.text)
    if not sentence.begins or sentence.is_row or closed(text) or LABEL.match(text):
        return False
    named = sentence.headings and _squeezed(text) == _squeezed(sentence.headings[-1])
    return bool(named or HEADING.fullmatch(text) or TITLE.fullmatch(text))


def unmarked(text: str) -> str:
    """`text` without the bullets and numbers at its beginning, which may be several: «- ○ », «3. 가. »."""
    text = text.strip()
    while mark := MARK.match(text):
        text = text[mark.end() :].lstrip()
    return text


def closed(text: str) -> bool:
    """Whether `text` ends as a sentence does."""
    return bool(CLOSED.search(text))


def priors(sentences: Sequence[SourceSentence], title: str = "") -> Iterator[tuple[int, Priors]]:
    """(index, features) of each readable sentence, in reading order."""
    figures = [_figures(sentence.text) for sentence in sentences]
    told = Counter(figure for held in figures for figure in held)
    for place, sections, opens, position, back in _placed(sentences, title):
        sentence, text = sentences[place], sentences[place].text
        again = sum(1 < told[figure] <= TOLD_MOST for figure in figures[place])
        yield (
            place,
            Priors(
                lead=max(0.0, 1 - position / BEGINNING),
                opens=opens,
                aside=back or any(map(ASIDE.search, sections)),
                figures=min(2, len(figures[place])) / 2,
                repeated=min(2, again) / 2,
                boilerplate=bool(BOILERPLATE.search(text)),
                purpose=bool(PURPOSE.search(text)),
                cue=bool(TOTAL.match(text) if sentence.is_row else CUE.search(text)),
                label=bool(LABEL.match(text)),
                broken=_broken(sentences, place),
                row=(len(_cells(text)) - 1) / 2 if sentence.is_row else 0.0,
            ),
        )


def _placed(
    sentences: Sequence[SourceSentence], title: str
) -> Iterator[tuple[int, list[str], bool, float, bool]]:
    """For each readable sentence: (index, headings above it, whether it is the first below them, its position in the
    document from 0 to 1, whether the annexes have begun).

    A chunk's breadcrumb is that of its beginning, so headings inside a chunk are found here.
    """
    ends = list(accumulate((len(sentence.text) for sentence in sentences), initial=0))
    context, heading, opens, back = "", "", True, False
    for place, sentence in enumerate(sentences):
        position = ends[place] / max(1, ends[-1])
        if sentence.context != context:
            context, heading, opens = sentence.context, "", True
        annex = sentence.begins and len(sentence.text) < ITEM_SAYS and BACK.match(sentence.text)
        if is_heading(sentence) or annex:
            heading, opens = sentence.text, True
        sections = [*sentence.headings, heading]
        back = back or (position > BACK_FROM and any(map(BACK.search, sections)))
        if readable(sentence, title) and not _heads_table(sentences, place):
            yield place, sections, opens, position, back
            opens = False


def _heads_table(sentences: Sequence[SourceSentence], place: int) -> bool:
    """Whether the sentence at `place` is the first row of a table and names its columns."""
    first = place == 0 or not sentences[place - 1].is_row
    return first and sentences[place].is_row and names_columns(sentences[place].text)


def _figures(text: str) -> set[str]:
    """The quantities in `text`: numbers with a unit or with commas; article numbers and the like are left out."""
    return {
        number + unit
        for _, number, unit in QUANTITY.findall(fold(_unamended(text)))
        if unit not in LEGAL and (unit or "," in number)
    }


def _broken(sentences: Sequence[SourceSentence], place: int) -> float:
    """From 0 to 1: how likely the sentence goes on before or after, or is garbled."""
    sentence = sentences[place]
    words = sentence.text.split()
    if len(words) > 8 and len(set(words)) < DISTINCT * len(words):
        return 1.0
    begun = place > 0 and _goes_on(sentences[place - 1], sentence)
    cut = place + 1 < len(sentences) and _goes_on(sentence, sentences[place + 1])
    return min(1.0, begun + cut + len(GARBLED.findall(sentence.text)) / 2)


def _goes_on(before: SourceSentence, after: SourceSentence) -> bool:
    """Whether `before` seems to go on in the next line, `after`."""
    if before.is_row or after.is_row or not after.begins or closed(before.text) or is_heading(before):
        return False
    return len(before.text) > ITEM_SAYS and not MARK.match(after.text) and not LABEL.match(after.text)


def _names_a_value(cells: Sequence[str]) -> bool:
    """Whether the cells of a row are a name and a value for it."""
    if not 1 < len(cells) <= MOST_CELLS or cells[0] == cells[1]:
        return False
    return len(re.findall("[가-힣]", cells[0])) > 1 and re.search(r"\d|[가-힣]{2}", cells[1]) is not None


def _cells(row: str) -> list[str]:
    return list(filter(None, row_cells(row)))


def _unamended(text: str) -> str:
    """`text` without the notes of amendments, like <개정 2015. 10. 20.>."""
    return AMENDMENT.sub("", text).strip()


def _squeezed(text: str) -> str:
    return "".join(text.split())
