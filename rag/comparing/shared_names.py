"""Several documents → the names that they share, to be the rows of a comparison."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from indexes.engine import SearchEngine
from indexes.types import StoredDocument
from rag.extracting.priors import Priors, SourceSentence, is_heading, priors, source_sentences, unmarked
from rag.extracting.salience import WEIGHTS
from rag.extracting.values import key, named_values

# Names that are no subject to compare by: «remarks», «total», «number», «phone» and the like.
EMPTY_NAMES = re.compile(
    "구분|비고|합계|소계|계|번호|순번|연번|내용|항목|기타|성명|직위|직급|연락처|전화|전화번호|팩스|주소|일자|"
    "날짜|담당자|이메일|서명|참고|주의|예|단위|목차|붙임|별첨|대표자|대표자명|대표자성명|상호|업체명|회사명|사업자등록번호|"
    "생년월일|주민등록번호|부서|소속|서식|주소지|인|기간|금액|명칭|표|그림|자료|출처|가|나|다|라|마|주"
)
SHORTEST, LONGEST = 3, 12
# A name counts as a shorter one that it begins or ends with, if it has at most 2 letters more.
ADDED = 2
# Two values are compared by their first 20 letters.
OPENING = 20


@dataclass(slots=True)
class _Name:
    """A name as the first document writes it. `said`: the beginnings of its values. `worth`: the best of its lines."""

    written: str
    documents: set[str] = field(default_factory=set)
    said: set[str] = field(default_factory=set)
    worth: float = float("-inf")


def shared_names(engine: SearchEngine, documents: Sequence[StoredDocument], most: int) -> list[str]:
    """At most `most` names that at least two of `documents` have: labels, first cells of rows and headings.

    Names that more documents have come first, then those whose lines are worth more. Near-duplicates count as one.
    """
    names: dict[str, _Name] = {}
    for document in documents:
        sentences = source_sentences(engine.chunks(document))
        for written, value, worth in _names(sentences, document.title):
            name = names.setdefault(key(written), _Name(written))
            name.documents.add(document.document_id)
            name.said.add(key(value)[:OPENING])
            name.worth = max(name.worth, worth)
    folded = _folded(names)
    # A name with the same value everywhere comes from a form that the documents were made from.
    shared = [name for name in folded if len(name.documents) > 1 and len(name.said) > 1]
    shared.sort(key=lambda name: (-len(name.documents), -name.worth))
    return [name.written for name in shared[:most]]


def _names(sentences: Sequence[SourceSentence], title: str) -> list[tuple[str, str, float]]:
    """(name, value, worth of its line) for each name in a document, its annexes left out."""
    weights = np.array([getattr(WEIGHTS, name) for name in Priors._fields])
    rated = dict(priors(sentences, title))
    # If most sentences count as annexes, that is due to a heading above them all, which says nothing of the parts.
    mostly_aside = 2 * sum(prior.aside for prior in rated.values()) > len(rated)
    found, aside = [], False
    for place, sentence in enumerate(sentences):
        prior = rated.get(place)
        aside = prior.aside and not mostly_aside if prior else aside
        if aside or sentence.kind == "contents":
            continue
        # A sentence that cannot be read alone may still have a name.
        worth = float(weights @ np.array(prior, float)) if prior else WEIGHTS.broken
        found += [(_tidy(one.name), one.value, worth) for one in named_values(sentence.text)]
        if place and is_heading(sentences[place - 1]):
            found.append((_tidy(sentences[place - 1].text), sentence.text, worth + WEIGHTS.broken))
    return [one for one in found if _is_subject(key(one[0]))]


def _tidy(name: str) -> str:
    return " ".join(unmarked(name).split()).strip(" .·-:")


def _is_subject(name: str) -> bool:
    return SHORTEST <= len(name) <= LONGEST and not EMPTY_NAMES.fullmatch(name) and not name.isdigit()


def _folded(names: dict[str, _Name]) -> list[_Name]:
    """`names` with near-duplicates joined under the shortest of them."""
    kept: dict[str, _Name] = {}
    for long in sorted(names, key=lambda one: (len(one), one)):
        own = names[long]
        same = next((short for short in _shorter(long) if short in kept), None)
        if same is None:
            kept[long] = own
        else:
            kept[same].documents |= own.documents
            kept[same].said |= own.said
            kept[same].worth = max(kept[same].worth, own.worth)
    return list(kept.values())


def _shorter(name: str) -> Iterator[str]:
    """The shorter names that `name` is a near-duplicate of, shortest first."""
    for added in range(min(ADDED, len(name) - 1), 0, -1):
        yield from sorted((name[:-added], name[added:]))
