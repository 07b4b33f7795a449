"""A question → its words, and the documents, sections and articles that it names.

No model is used: names are looked up in the index itself. They do not filter: chunks that a question names get a
higher score than chunks that only share its words, so a wrong guess costs little.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from indexes.types import StoredDocument, Understood, UnderstoodKind
from ingest.korean.aliases import find_aliases
from ingest.korean.expressions import find_expressions, resolve_relative
from ingest.structure.terms import (
    ALIAS,
    AMOUNT,
    HEADING,
    PERIOD,
    REFERENCE,
    Span,
    find_references,
    possible_names,
    squeeze,
    without_asking,
)

# What a chunk's score gains if the question names it; the best BM25 counts 1. The number of an article counts most,
# because a heading's words may be ordinary words of the question.
NAMED_DOCUMENT, NAMED_HEADING, NAMED_NUMBER = 0.3, 0.25, 0.4
# The weight of a term that is not in the question, but in another name of something it names.
OTHER_NAME = 0.4
# A document name of fewer than 3 characters is too often an ordinary word; one that more than 20 documents share
# names none of them.
SHORTEST_NAME, MOST_NAMED = 3, 20
SHORT_NAME = re.compile(r"\(\s*약칭\s*:\s*([^()]+)\)")
BRACKETED = re.compile(r"[(（\[][^()（）\[\]]*[)）\]]")
LEADING_NUMBER = re.compile(r"^\d+\s*[_.\-]\s*")

Names = Mapping[str, frozenset[str]]  # a name, squeezed → ids of the documents called so


@dataclass(frozen=True, slots=True)
class Question:
    """What a question asks for.

    `words` are searched for, `other_names` with less weight, and `values`: keys of periods and amounts. Chunks of
    the `documents`, given by id, and chunks with one of the `keys` gain score.
    """

    words: str
    other_names: str
    values: tuple[str, ...]
    documents: frozenset[str]
    keys: Mapping[str, float]  # each with the score that a chunk gains by it
    by_number: bool  # it names an article or annex by its number, which means nothing to a cosine
    understood: tuple[Understood, ...]


@dataclass(slots=True)
class _Reading:
    """What has been found in `text` so far, each with the place where it begins.

    `taken`: the stretches that name something already; `spans`: all that may be a name, longest first.
    """

    text: str
    spans: list[Span]
    taken: list[tuple[int, int]] = field(default_factory=list)
    found: list[tuple[int, Understood]] = field(default_factory=list)
    documents: set[str] = field(default_factory=set)
    other_names: list[str] = field(default_factory=list)
    keys: dict[str, float] = field(default_factory=dict)

    def take(self, start: int, end: int, kind: UnderstoodKind, meaning: str) -> None:
        """`text[start:end]` names something; no later name may overlap it."""
        self.taken.append((start, end))
        self.found.append((start, Understood(kind, self.text[start:end], meaning)))


def read_question(
    text: str,
    names: Names,
    is_key: Callable[[str], bool],
    texts_with: Callable[[str], Iterable[str]],
    today: date,
) -> Question:
    """The Question of `text`.

    Args:
        names: of the documents that the caller may see.
        is_key: whether a chunk that the caller may see has a key.
        texts_with: the texts of some of the chunks with a key.
        today: to resolve relative dates such as «last year».
    """
    reading = _Reading(text, possible_names(text))
    _read_documents(reading, names)
    _read_other_names(reading, names, is_key, texts_with)
    _read_references(reading, is_key)
    by_number = bool(reading.keys)
    _read_headings(reading, is_key)
    values = list(_values(text, today))
    found = sorted([*reading.found, *values], key=lambda pair: pair[0])
    terms = ((AMOUNT if each.kind == "amount" else PERIOD) + each.meaning for _, each in values)
    return Question(
        words=without_asking(text),
        other_names=" ".join(reading.other_names),
        values=tuple(dict.fromkeys(terms)),
        documents=frozenset(reading.documents),
        keys=reading.keys,
        by_number=by_number,
        understood=tuple(each for _, each in found),
    )


def _read_documents(reading: _Reading, names: Names) -> None:
    for span, name in _known(reading.spans, reading.taken, lambda form: form in names):
        reading.documents |= names[name]
        reading.take(span.start, span.end, "document", name)


def _read_other_names(
    reading: _Reading,
    names: Names,
    is_key: Callable[[str], bool],
    texts_with: Callable[[str], Iterable[str]],
) -> None:
    """Words that the documents define another name for: that of a document, or words to search for, too."""
    called = [*reading.taken]  # a copy: words with another name may also be part of a heading
    for span, name in _known(reading.spans, called, lambda form: is_key(ALIAS + form)):
        called.append((span.start, span.end))
        for other in _other_names(name, texts_with(ALIAS + name)):
            if squeeze(other) in names and not reading.documents:
                reading.documents |= names[squeeze(other)]
                reading.take(span.start, span.end, "document", other)
            elif squeeze(other) not in squeeze(reading.text):
                reading.other_names.append(other)
                words = reading.text[span.start : span.end]
                reading.found.append((span.start, Understood("alias", words, other)))


def _read_references(reading: _Reading, is_key: Callable[[str], bool]) -> None:
    """Articles and annexes named by their number."""
    for reference in find_references(reading.text):
        known = [key for key in reference.keys if is_key(key)]
        if known:
            reading.keys |= dict.fromkeys(known, NAMED_NUMBER)
            reading.take(reference.start, reference.end, "reference", known[0].removeprefix(REFERENCE))


def _read_headings(reading: _Reading, is_key: Callable[[str], bool]) -> None:
    for span, name in _known(reading.spans, reading.taken, lambda form: is_key(HEADING + form)):
        reading.keys[HEADING + name] = NAMED_HEADING
        reading.take(span.start, span.end, "section", name)


def _other_names(name: str, texts: Iterable[str]) -> list[str]:
    """The most frequent other name that `texts` define for `name`, in a list of one; empty if there is none."""
    counts: Counter[str] = Counter()
    for text in texts:
        for alias in find_aliases(text):
            pair = (alias.long, alias.short)
            counts.update(b for a, b in (pair, pair[::-1]) if squeeze(a) == name)
    return [other for other, _ in counts.most_common(1)]


def _values(text: str, today: date) -> Iterator[tuple[int, Understood]]:
    """(position, value) of the periods and amounts in a question, each in the normal form that the index uses."""
    expressions = find_expressions(text)
    for expression in expressions:
        value = expression.value
        if expression.kind == "relative":
            value = resolve_relative(expression, expressions, today)
        if value is not None:
            kind = "amount" if expression.kind == "amount" else "period"
            yield expression.start, Understood(kind, text[expression.start : expression.end], value)


def _known(
    spans: Iterable[Span], taken: list[tuple[int, int]], is_known: Callable[[str], bool]
) -> Iterator[tuple[Span, str]]:
    """The `spans` that have a known form, with that form; spans that overlap one of `taken` are left out.

    The caller adds to `taken` between two of them; `spans` come longest first, so that the longest wins.
    """
    for span in spans:
        if any(span.start < end and start < span.end for start, end in taken):
            continue
        name = next(filter(is_known, span.forms), None)
        if name is not None:
            yield span, name


def document_names(documents: Iterable[StoredDocument]) -> Names:
    """The names of documents, squeezed, each with the ids: titles and file names, also without numbers and brackets."""
    found: dict[str, set[str]] = defaultdict(set)
    for document in documents:
        called = {document.title, *(Path(path).stem for path in document.paths)}
        for name in called:
            for form in _forms(name):
                found[form].add(document.document_id)
    return {
        name: frozenset(ids)
        for name, ids in found.items()
        if len(name) >= SHORTEST_NAME and len(ids) <= MOST_NAMED
    }


def _forms(name: str) -> set[str]:
    short = SHORT_NAME.search(name)
    bare = LEADING_NUMBER.sub("", BRACKETED.sub("", name))
    return {squeeze(name), squeeze(bare), squeeze(short[1]) if short else ""}
