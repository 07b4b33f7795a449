"""A question → what it asks for: its words, and the documents, sections and articles that it names.

No model: names are looked up in the index itself. Nothing is filtered by them: what is named is
raised above what only has the same words, so a wrong guess costs little.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from indexes.engine import Understood
from indexes.store import StoredDocument
from ingest.terms import HEADING, REFERENCE, Span, find_references, possible_names, squeeze, without_asking

# How much it counts to be named, beside the best BM25, which counts 1.
NAMED_DOCUMENT, NAMED_PLACE = 0.2, 0.15
# A name of fewer characters is too often a word; one of more documents than this names none of them.
SHORTEST_NAME, MOST_NAMED = 3, 20
SHORT_NAME = re.compile(r"\(\s*약칭\s*:\s*([^()]+)\)")
BRACKETED = re.compile(r"[(（\[][^()（）\[\]]*[)）\]]")
LEADING_NUMBER = re.compile(r"^\d+\s*[_.\-]\s*")

Names = Mapping[str, frozenset[str]]  # a name, squeezed → ids of the documents called so


@dataclass(frozen=True, slots=True)
class Question:
    """What a question asks for. `words` are to be searched for; chunks of `documents`, or with one of the
    `keys`, count more."""

    words: str
    documents: frozenset[str]
    keys: tuple[str, ...]
    by_number: bool  # it names an article or annex: numbers mean nothing to a cosine
    understood: tuple[Understood, ...]


def read_question(text: str, names: Names, is_key: Callable[[str], bool]) -> Question:
    """What `text` asks for.

    Args:
        names: of the documents that the caller may see.
        is_key: whether a chunk that the caller may see has that key.
    """
    taken: list[tuple[int, int]] = []
    found: list[tuple[int, Understood]] = []

    def take(start: int, end: int, kind, meaning: str) -> None:
        taken.append((start, end))
        found.append((start, Understood(kind, text[start:end], meaning)))

    spans = possible_names(text)
    documents: set[str] = set()
    for span, name in _known(spans, taken, lambda form: form in names):
        documents |= names[name]
        take(span.start, span.end, "document", name)
    keys = []
    for reference in find_references(text):
        known = [key for key in reference.keys if is_key(key)]
        if known:
            keys += known
            take(reference.start, reference.end, "reference", known[0].removeprefix(REFERENCE))
    by_number = bool(keys)
    for span, name in _known(spans, taken, lambda form: is_key(HEADING + form)):
        keys.append(HEADING + name)
        take(span.start, span.end, "section", name)
    understood = tuple(each for _, each in sorted(found, key=lambda pair: pair[0]))
    return Question(without_asking(text), frozenset(documents), tuple(keys), by_number, understood)


def _known(spans: Iterable[Span], taken: list[tuple[int, int]], is_known: Callable[[str], bool]):
    """Of `spans`, longest first, those with a known form and their form; none that meets a taken one."""
    for span in spans:
        if any(span.start < end and start < span.end for start, end in taken):
            continue
        name = next(filter(is_known, span.forms), None)
        if name is not None:
            yield span, name


def document_names(documents: Iterable[StoredDocument]) -> Names:
    """What documents are called: titles and file names, without numbers and dates around them."""
    found: dict[str, set[str]] = defaultdict(set)
    for document in documents:
        called = {document.title, *(Path(path).stem for path in document.paths)}
        for name in called:
            for form in _forms(name):
                found[form].add(document.id)
    return {
        name: frozenset(ids)
        for name, ids in found.items()
        if len(name) >= SHORTEST_NAME and len(ids) <= MOST_NAMED
    }


def _forms(name: str) -> set[str]:
    short = SHORT_NAME.search(name)
    bare = LEADING_NUMBER.sub("", BRACKETED.sub("", name))
    return {squeeze(name), squeeze(bare), squeeze(short[1]) if short else ""}
