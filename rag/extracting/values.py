"""A name and passages → the line that states its value, word for word: a comparison's cell without a model.

A name is a label such as «사업기간» (project period).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.document import CELL_SEPARATOR
from ingest.korean.analyse import fold, sentence_spans
from rag.answer import PackedPassage
from rag.evidence.support import trim
from rag.extracting.extract import extract, one_line
from rag.extracting.priors import unmarked
from rag.prompting.markers import abstains
from rag.prompting.prompts import ABSTENTION, in_other_brackets
from rag.wording.tables import row_cells, row_values

# A name and its value: «사업기간 : 계약일부터 6개월», «(제출 기한) 11월», «제5조(계약기간) 계약은 …».
LABEL = re.compile(r"(?P<name>[가-힣A-Za-z][^:：|]{0,24}?)\s?[:：]\s*(?P<value>\S.*)", re.S)
ENCLOSED = re.compile(
    r"(?:제\s?\d+조(?:의\s?\d+)?\s?)?[(（\[〔](?P<name>[가-힣A-Za-z][^)）\]〕]{1,20})[)）\]〕]\s*[:：]?\s*(?P<value>\S.*)",
    re.S,
)
PARENTHESES, CLOSERS = re.compile(r"[(（\[〔][^)）\]〕]*[)）\]〕]"), ")）]〕"
PARTICLE = "은는이가을를의에와과도로"
# A value that is not filled in, in a form: «년  월  일», «○○○», «(      )원».
BLANK = re.compile(r"[\s년월일시분원인%()（）~∼○〇□:：./,·_\-|]*(?:20\s+년[\s월일]*)?")
LONGEST_NAME = 25
# A row of four cells holds two names with their values if the third cell has at most 10 characters and no digit.
SHORT_NAME = 10
# How surely a line states the value: it has the name as its label; it follows a heading with the name; it begins with
# the name; its label is similar to the name.
NAMED, BELOW, BEGINS, ALIKE = 4, 3, 2, 1
# A label is similar to a name that it contains, if the name is at least 60 % of it.
SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Named:
    """A name, and the value that a line states for it."""

    name: str
    value: str


def key(name: str) -> str:
    """`name` in the form in which names are compared: without blanks, marks and anything in parentheses."""
    # The pattern is used up to the last closing bracket only: behind it, it would try every opening one in vain.
    closed = max(map(name.rfind, CLOSERS)) + 1
    bare = re.sub(r"[\W_]", "", fold(PARENTHESES.sub("", name[:closed]) + name[closed:]))
    return bare or re.sub(r"[\W_]", "", fold(name))


def alternatives(name: str) -> list[str]:
    """The keys of a name; several for alternatives like «사업기간/용역기간», either of which names the row."""
    parts = [key(part) for part in name.split("/")]
    return parts if all(len(part) > 1 for part in parts) else [key(name)]


def named_values(text: str) -> Iterator[Named]:
    """The names and values in a line or a table row; without values that are not filled in."""
    if CELL_SEPARATOR in text:
        cells = row_cells(text)
        pairs = len(cells) == 4 and len(cells[2]) <= SHORT_NAME and not re.search(r"\d", cells[2])
        found = [
            Named(unmarked(cells[0]), cells[1] if pairs else CELL_SEPARATOR.join(filter(None, cells[1:])))
        ]
        found += [Named(unmarked(cells[2]), cells[3])] if pairs else []
        found += [one for cell in cells[1:] for one in _labelled(cell)]
    else:
        found = _labelled(text)
    for one in found:
        if 1 < len(one.name) <= LONGEST_NAME and not BLANK.fullmatch(one.value):
            yield one


def _labelled(text: str) -> list[Named]:
    enclosed, label = ENCLOSED.match(text.lstrip(" -○□o")), LABEL.match(unmarked(text))
    return [Named(match["name"], match["value"]) for match in (enclosed, label) if match]


def without_name(name: str, text: str) -> str:
    """The value alone if `text` states it with `name`; else `text` without the bullet of a list item."""
    wanted = alternatives(name)
    for likeness in (_same, _alike):
        for one in named_values(text):
            if likeness(key(one.name), wanted):
                text = one.value
                break
    return one_line(unmarked(text).replace(CELL_SEPARATOR, " / ")) or one_line(text)


def by_columns(text: str, row: str, columns: str) -> str:
    """`text` with column names, «2024년 2,680 / 2025년 3,010» for «2,680 / 3,010», if it is the values of `row`.

    Else `text` as it is.
    """
    row = one_line(row)
    return row_values(row, one_line(columns)) if text == row_values(row) else text


def extract_value(name: str, passages: Sequence[PackedPassage]) -> str:
    """The line that states the value of `name`, with its passage's marker; or the abstention.

    A line with the name as its label wins over one below a heading with the name, and both win over a sentence about
    it. Of equals, the first in the document wins.
    """
    found = [
        (sure, -passage.start - start, line, passage.marker)
        for passage in passages
        for sure, start, line in _lines(name, passage)
    ]
    if found:
        _, _, line, marker = max(found)
        return f"{in_other_brackets(one_line(line))} [{marker}]"
    (first, *_) = extract(name, passages).split("\n")
    told = not abstains(first) and any(_speaks_of(part.split(), first) for part in name.split("/"))
    return first if told else ABSTENTION


def _speaks_of(words: Sequence[str], sentence: str) -> bool:
    """Whether the last of `words` is the subject of `sentence`, which holds them all.

    «담당자는 …» (the person in charge is …) is about it, «담당자 명단을 낸다» (hands in a list of persons in charge) is not.
    """
    said = key(sentence)
    subject = words and re.search(rf"{re.escape(words[-1])}(?:은|는|이|가)\s", sentence)
    return bool(subject) and all(key(word) in said for word in words)


def _lines(name: str, passage: PackedPassage) -> Iterator[tuple[int, int, str]]:
    """(how sure, offset in the passage, line) for each line of `passage` that may state the value of `name`."""
    wanted = alternatives(name)
    headings = [key(unmarked(crumb)) for crumb in passage.context.split(" > ")]
    below = headings[-1] in wanted
    for start, end in sentence_spans(passage.text):
        line = trim(passage.text[start:end])
        own = key(unmarked(line))
        if own in wanted:  # a heading with the name: the next line may be the value
            below = True
            continue
        if own in headings:  # a heading above the passage
            continue
        names = [key(one.name) for one in named_values(line)]
        begins = next((one for one in wanted if own.startswith(one)), "")
        if any(_same(one, wanted) for one in names):
            yield NAMED, start, line
        elif below and own and not BLANK.fullmatch(line):
            yield BELOW, start, line
        elif begins and not names and not _particle_follows(line, begins) and re.search(r"\d", line):
            yield BEGINS, start, line
        elif any(_alike(one, wanted) for one in names):
            yield ALIKE, start, line
        below = False


def _same(name: str, wanted: Sequence[str]) -> bool:
    return name in wanted


def _alike(name: str, wanted: Sequence[str]) -> bool:
    return any(one in name and len(one) >= SHARE * len(name) for one in wanted)


def _particle_follows(line: str, name: str) -> bool:
    """Whether a particle follows the letters of `name` at the beginning of `line`: «사업기간은 …» is a sentence."""
    letters = [letter for letter in unmarked(line) if re.fullmatch(r"\w", letter)]
    return len(letters) > len(name) and letters[len(name)] in PARTICLE
