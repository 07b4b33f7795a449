"""A chunk → the terms by which the index finds it; a question → its references and possible names.

Besides its words a chunk has keys: terms with a prefix that no word has. `=` marks a heading that it
begins with; `@` an article, paragraph or annex that stands in it; `#` a period and `$` an amount that it
names, in canonical form; `~` each of two names that a bracket in it declares equal. A question that
contains a whole name thus finds the chunk of that name before chunks that only mention it.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ingest.document import Chunk
from ingest.korean.aliases import find_aliases
from ingest.korean.analyse import ITEM_LETTERS, Analyser, fold
from ingest.korean.expressions import find_expressions, widened

CONTEXT_SEPARATOR = "\n"
CRUMB_SEPARATOR = " > "
HEADING, REFERENCE, PERIOD, AMOUNT, ALIAS = "=", "@", "#", "$", "~"
# In characters: a chunk begins with a heading that stands within this distance of its start.
HEADING_REACH = 240
LONGEST_NAME = 60

NOT_NAMING = re.compile(r"[^0-9a-z가-힣\u3400-\u9fff]+")
# The number of a heading, which questions leave out when they name it.
NUMBERING = re.compile(
    r"(?<!\s)\s*+(?:제\s?\d+\s?(?:편|장|절|관|조)(?:\s?의\s?\d+)?|[Ⅰ-Ⅻ]\s?\.?|\d{1,2}(?:\.\d{1,2}){0,8}\s?\.?(?=\s)|"
    rf"[{ITEM_LETTERS}]\s?\."
    r"|[□■◆◇▣○●]|[\[<【〈]?별\s?[표지]\s?(?:제?\s?\d+\s?호?(?:의\s?\d+)?)?\s?(?:서식)?[\]>】〉]?)\s*"
)
AMENDED = re.compile(r"[<\[〈][^<>\[\]〈〉]*[>\]〉]")
# A note on when a sentence of a law was amended; its date says nothing about the content.
NOTE = re.compile(r"<(?:[가-힣]{2,6} )?\d{4}\. ?\d[^<>\n]{0,80}>")
ARTICLE = re.compile(r"제\s?(\d+)\s?조(?:\s?의\s?(\d+))?")
ANNEX = re.compile(r"별\s?([표지])\s?제?\s?(\d+)(?:\s?호)?(?:\s?의\s?(\d+))?")
# The first line of an annex: «[별표 3] 과태료의 부과기준», not a mention such as «별표 3과 같다».
ANNEX_LINE = re.compile(
    r"^[^\S\n]*+(?:[\[<【〈]\s?별\s?[표지][^\n\]>】〉]{0,20}[\]>】〉]"
    r"|별\s?[표지]\s?제?\s?\d+(?:\s?호)?(?:\s?의\s?\d+)?(?:\s?서식)?(?=\s|$))",
    re.MULTILINE,
)
PARAGRAPH = re.compile(r"(?:^|\n|[)）]\s?)([①-⑳])")
ASKED_REFERENCE = re.compile(
    r"제\s?(?P<article>\d+)\s?조(?:\s?의\s?(?P<branch>\d+))?(?:\s?제?\s?(?P<paragraph>\d+)\s?항)?(?:\s?제?\s?\d+\s?호)?"
    rf"|{ANNEX.pattern}(?:\s?서식)?"
)
# Words that turn a subject into a question (what, when, how many, please explain); no answer contains them.
ASKING = re.compile(
    r"(?:(?:은|는|이|가|을|를|이란|란|의|에|에서|에는|으로|로)\s*|(?<!\s)\s*+)"
    r"(?:무엇|무슨|어떤\s것|어떤|어떻게|누구|언제|어디|얼마나|얼마|몇|왜|어느)"
    r"(?:을|이|에|까지|부터)?(?:인가요|인가|인지|이었나요|였나요|입니까|인데요)?"
    r"|알려\s*주(?:세요|십시오|실)|궁금(?:해요|합니다|하네요)?|알고\s*싶(?:어요|습니다)?|가르쳐\s*주세요|설명해\s*주세요"
    r"|(?:되|하|있|없|인|이|할|될|있을|받을|을|는|은|했|었|였)?(?:나요|까요|습니까|입니까|는가|인가|은가|을까|ㄹ까)\s*+[?？]*+\s*+$"
    r"|[?？]"
)
PARTICLE = re.compile(
    r"(?:에서는|에서의|에서|에는|에의|에게|으로|이란|이라는|란|은|는|이|가|을|를|의|에|로|와|과|도)$"
)
# Quotation marks separate words as blanks do: 「개인정보 보호법」의 '동의'에 관한
WORD = re.compile(r"[^\s'\"‘’“”「」『』〈〉《》]+")
MOST_WORDS, LONGEST_SPAN = 40, 10


class Span(NamedTuple):
    """A possible name in a question: `question[start:end]`, and its forms for comparison (see `squeeze`)."""

    start: int
    end: int
    forms: tuple[str, ...]


class Reference(NamedTuple):
    """A reference in a question: `question[start:end]`, and the keys that it may mean, the narrowest first."""

    start: int
    end: int
    keys: tuple[str, ...]


def searched_text(title: str, chunk: Chunk) -> str:
    """The text by which the indexes find a chunk: the document's title, the chunk's context, its own text.

    Empty for a contents page, whose entries would be found instead of what they name.
    """
    if chunk.kind == "contents":
        return ""
    crumbs = chunk.context if chunk.context.startswith(title) else f"{title}\n{chunk.context}"
    return CONTEXT_SEPARATOR.join(part for part in (crumbs.strip(), chunk.text) if part)


def index_terms(analyser: Analyser, title: str, chunks: Sequence[Chunk]) -> list[str]:
    """For each chunk of a document its terms and keys, joined with spaces; "" for contents pages."""
    found = analyser.terms([searched_text(title, chunk) for chunk in chunks])
    return [" ".join([*terms, *chunk_keys(title, chunk)]) for terms, chunk in zip(found, chunks, strict=True)]


def chunk_keys(title: str, chunk: Chunk) -> list[str]:
    """The keys of a chunk, each once, in order of first appearance; none for contents pages."""
    if chunk.kind == "contents":
        return []
    keys: dict[str, None] = {}
    opening = squeeze(chunk.text[:HEADING_REACH])
    crumbs = chunk.context.split("\n")[0].split(CRUMB_SEPARATOR)
    appended = any(crumb.startswith("부칙") for crumb in crumbs)  # its articles count from 1 again
    for crumb in crumbs:
        begins = bool(squeeze(crumb)) and squeeze(crumb) in opening
        if begins and (key := heading_key(crumb)) and key != HEADING + squeeze(title):
            keys[key] = None
        if (article := ARTICLE.match(crumb)) and not appended:
            number = REFERENCE + _numbered(f"{article[1]}조", article[2])
            if begins:
                keys[number] = None
            for mark in PARAGRAPH.findall(chunk.text):
                keys[f"{number}{ord(mark) - ord('①') + 1}항"] = None
    for line in ANNEX_LINE.findall(chunk.text):
        keys |= dict.fromkeys(_annex_keys(line))
    for expression in find_expressions(NOTE.sub("", chunk.text)):
        if expression.kind == "amount":
            keys[AMOUNT + expression.value] = None
        elif expression.kind != "relative":
            keys |= dict.fromkeys(PERIOD + value for value in (expression.value, *widened(expression.value)))
    for alias in find_aliases(chunk.text):
        keys |= dict.fromkeys(ALIAS + squeeze(name) for name in (alias.long, alias.short))
    return list(keys)


def heading_key(words: str) -> str:
    """The key of a heading, without its number and notes of amendment; "" if what is left is no name.

    A name has 2 to LONGEST_NAME characters.
    """
    bare = AMENDED.sub("", NUMBERING.sub("", words, count=1)).strip()
    name = squeeze(bare)
    return f"{HEADING}{name}" if 2 <= len(name) <= LONGEST_NAME else ""


def squeeze(words: str) -> str:
    """`words` in the form in which names are compared: folded (see `fold`), without blanks and marks."""
    return NOT_NAMING.sub("", fold(words))


def find_references(question: str) -> Iterator[Reference]:
    """The articles, paragraphs and annexes that a question names, in its order."""
    for match in ASKED_REFERENCE.finditer(question):
        if match["article"]:
            number = REFERENCE + _numbered(f"{match['article']}조", match["branch"])
            narrower = (f"{number}{match['paragraph']}항",) if match["paragraph"] else ()
            yield Reference(match.start(), match.end(), (*narrower, number))
        else:
            yield Reference(match.start(), match.end(), tuple(_annex_keys(match[0])))


def without_asking(question: str) -> str:
    """`question` without the words that only ask; unchanged if it consists of nothing else."""
    subject = ASKING.sub(" ", question)
    return subject if squeeze(subject) else question


def possible_names(question: str) -> list[Span]:
    """Every run of up to LONGEST_SPAN words of `question`, longest first, with and without its final particle."""
    words = [(match.start(), match.end(), squeeze(match[0])) for match in WORD.finditer(question)]
    words = words[:MOST_WORDS]
    spans = []
    for first in range(len(words)):
        name = ""
        for _, end, word in words[first : first + LONGEST_SPAN]:
            name += word
            if len(name) > LONGEST_NAME:
                break
            bare = PARTICLE.sub("", name)
            if len(bare) >= 2 and word:
                spans.append(Span(words[first][0], end, tuple(dict.fromkeys((name, bare)))))
    return sorted(spans, key=lambda span: (-len(span.forms[0]), span.start))


def _annex_keys(words: str) -> Iterator[str]:
    for match in ANNEX.finditer(words):
        yield REFERENCE + _numbered(f"별{match[1]}{match[2]}", match[3])


def _numbered(number: str, branch: str | None) -> str:
    return f"{number}의{branch}" if branch else number
