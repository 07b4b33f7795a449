"""Several reports → the names that they share, of which a comparison can be made."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from indexes.engine import SearchEngine
from indexes.store import StoredDocument
from rag.priors import Priors, SourceSentence, is_heading, priors, source_sentences, unmarked
from rag.salience import WEIGHTS
from rag.values import key, named_values

# Names that are no subject.
EMPTY_NAMES = re.compile(
    "구분|비고|합계|소계|계|번호|순번|연번|내용|항목|기타|성명|직위|직급|연락처|전화|전화번호|팩스|주소|일자|"
    "날짜|담당자|이메일|서명|참고|주의|예|단위|목차|붙임|별첨|대표자|대표자명|상호|업체명|회사명|사업자등록번호|"
    "생년월일|주민등록번호|부서|소속|서식|주소지|인|기간|금액|명칭|표|그림|자료|출처|가|나|다|라|마|주"
)
SHORTEST, LONGEST = 3, 12
# A longer name is the same as a shorter one that it begins or ends with, if no more is added.
ADDED = 2


@dataclass(slots=True)
class _Name:
    """A name as the first document writes it, and in which it stands; the better, the more it says."""

    written: str
    documents: set[str] = field(default_factory=set)
    worth: float = float("-inf")


def shared_names(engine: SearchEngine, documents: Sequence[StoredDocument], most: int) -> list[str]:
    """Labels, first cells of rows and headings that at least two of `documents` have, at most `most`.

    Those first that more of them have, then those whose lines say more; near-duplicates are one.
    """
    names: dict[str, _Name] = {}
    for document in documents:
        sentences = source_sentences(engine.chunks(document))
        for written, worth in _names(sentences, document.title):
            name = names.setdefault(key(written), _Name(written))
            name.documents.add(document.id)
            name.worth = max(name.worth, worth)
    folded = _folded(names)
    shared = [name for name in folded if len(name.documents) > 1]
    shared.sort(key=lambda name: (-len(name.documents), -name.worth))
    return [name.written for name in shared[:most]]


def _names(sentences: Sequence[SourceSentence], title: str) -> list[tuple[str, float]]:
    """The names in a document, each with what its line is worth; none of its annexes."""
    weights = np.array([getattr(WEIGHTS, name) for name in Priors._fields])
    found = []
    rated = list(priors(sentences, title))
    # Where most is aside, it is by a heading above all of it, which says nothing of the parts.
    mostly_aside = 2 * sum(prior.aside for _, prior in rated) > len(rated)
    for place, prior in rated:
        if prior.aside and not mostly_aside:
            continue
        worth = float(weights @ np.array(prior, float))
        found += [(one.name, worth) for one in named_values(sentences[place].text)]
        if place and is_heading(sentences[place - 1]):
            found.append(
                (unmarked(sentences[place - 1].text), worth + weights[Priors._fields.index("broken")])
            )
    usable = []
    for name, worth in found:
        written = " ".join(name.split()).strip(" .·-")
        if (
            SHORTEST <= len(key(written)) <= LONGEST
            and not EMPTY_NAMES.fullmatch(key(written))
            and not key(written).isdigit()
        ):
            usable.append((written, worth))
    return usable


def _folded(names: dict[str, _Name]) -> list[_Name]:
    """`names` with near-duplicates put together under the shortest of them."""
    kept: dict[str, _Name] = {}
    for short in sorted(names, key=lambda one: (len(one), one)):
        own = names[short]
        same = next((one for one in kept if _near(one, short)), None)
        if same is None:
            kept[short] = own
        else:
            kept[same].documents |= own.documents
            kept[same].worth = max(kept[same].worth, own.worth)
    return list(kept.values())


def _near(short: str, long: str) -> bool:
    return len(long) - len(short) <= ADDED and (long.startswith(short) or long.endswith(short))
