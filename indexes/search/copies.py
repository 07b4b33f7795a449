"""A ranking with passages that repeat each other → one without repeats, and the list of what was left out.

Two passages are copies if they have the same words but for a handful, the same headings, and the same numbers and
negations in the same order. The better ranked one stays. Table rows that differ in a figure are no copies, nor are
clauses that differ in «없다» (there is none).

Two passages are versions of one section if their documents are editions of one document (editions.py), one of them
known to be newer, and their innermost headings are the same; most of their words must be the same, but numbers may
differ. The newer one stays, at the better rank of the two. If the question clearly asks for an edition («2023년 판»,
the 2023 edition), that one stays instead. If it may ask for one («2023년에», in 2023), or asks what has changed, both
stay.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes.search.editions import Edition, asks_for, compares, edition_name, edition_of, names, newer
from indexes.types import Passage, StoredDocument

Reason = Literal["copy", "older", "newer"]

# The least Jaccard similarity, over runs of 5 characters, of copies and of versions. Among 466,000 passages of real
# documents, pairs with the same numbers say the same from .97 on. Below that they do not: the parameters of two
# algorithms have .96, two benefits .93, the ticks of a table for two levels of protection .93.
COPY, VERSION = 0.97, 0.6
SHINGLE = 5
# The bits above hold the passage's position, so that one sort orders the hashes of all passages.
HASH_BITS = 44
# Two passages are compared if they share at least half of their 8 lowest hashes (as versions: a quarter of 32).
# Copies share nearly all of them, versions two thirds.
COPY_SKETCH, COPY_SHARED = 8, 0.5
VERSION_SKETCH, VERSION_SHARED = 32, 0.25
# Numbers and negations: one such character changes the meaning.
TELLING = re.compile(r"\d+|없|않|아니|못")
# Blanks and marks in which two prints of one text differ. No sign that carries meaning, like ○, %, + or -.
NOISE = " \t\n\r\f\v\u00a0\u3000.,:;!?'\"`()[]{}·ㆍ‧･∙•․…‘’“”「」『』〈〉《》【】〔〕（），．：；、。"
# The note of an amendment in a heading: «제1장 총칙 <개정 2007. 12. 21.>». Not the number in «부칙 <제2015-4호, 2015. 2. 4.>»,
# which tells one supplementary provision from another.
AMENDMENT = re.compile(r"<(?:[가-힣]*개정|신설)[^<>]*>")


@dataclass(frozen=True, slots=True)
class Copy:
    """The chunk `dropped`, of the document `document_id`, is left out in favour of the chunk `kept`.

    `reason`: it is a "copy", or from an "older" edition, or from a "newer" edition than the question asks for.
    `changed`: the other edition does not say the same.
    """

    kept: str
    dropped: str
    document_id: str
    reason: Reason
    changed: bool = False


class Distinct(NamedTuple):
    """`passages`: best first, none repeats another. `copies`: those left out, in their former order."""

    passages: list[Passage]
    copies: list[Copy]


def without_copies(
    passages: Sequence[Passage],
    find: Callable[[str], StoredDocument],
    date_of: Callable[[StoredDocument], str | None],
    question: str = "",
) -> Distinct:
    """`passages` without those that repeat another, and a record of each that is left out.

    A passage that is left out is a copy of the one kept for it, or another version of it or of a copy of it.

    Args:
        passages: of one query, best first.
        find: gives the stored document with an id.
        date_of: gives the date of a document (ISO 8601); called only if several editions of it were found.
        question: may name an edition.

    Returns:
        Ranks count from 1. A passage takes the place and the score of a better ranked one that is left out for it.
    """
    documents = {p.chunk.document_id: find(p.chunk.document_id) for p in passages}
    called = {identity: edition_name(document.title) for identity, document in documents.items()}
    ranking = _Ranking(passages, [_compared(p, called[p.chunk.document_id]) for p in passages])
    asked: set[int] = set()
    for positions in _edition_groups(passages, called):
        of = {p: passages[p].chunk.document_id for p in positions}
        editions = {i: edition_of(documents[i].title, date_of(documents[i])) for i in set(of.values())}
        asked |= {p for p in positions if asks_for(question, editions[of[p]])}
        named = {p for p in positions if names(question, editions[of[p]], called[of[p]])}
        if not compares(question):
            ranking.drop_versions({p: editions[of[p]] for p in positions}, asked, named)
    ranking.drop_copies(asked)
    return ranking.distinct()


class _Ranking:
    """The passages by position; for each one left out, the one kept for it; for each one kept, its new place."""

    def __init__(self, passages: Sequence[Passage], texts: Sequence[str]) -> None:
        self._passages = passages
        self._texts = texts
        self._hashes = shingles(texts)
        self._place = list(range(len(passages)))
        self._lost: dict[int, tuple[int, Reason, bool]] = {}

    def drop_versions(self, editions: dict[int, Edition], asked: set[int], named: set[int]) -> None:
        """Drop passages that have a version in another edition.

        A passage yields to a newer edition unless its own is `asked` for, and to an older edition that is `named`.
        """

        def replaces(one: int, other: int) -> Reason | None:
            if newer(editions[one], editions[other]):
                return "older" if other not in asked else None
            named_alone = one in named and other not in named
            return "newer" if named_alone and newer(editions[other], editions[one]) else None

        headings = {p: _heading(self._passages[p].chunk.context) for p in editions}
        index = _Index(self._hashes, VERSION_SKETCH, VERSION_SHARED)
        # Stable, so that ties stay by rank.
        for position in sorted(editions, key=lambda p: (p in named, editions[p][:3]), reverse=True):
            versions = [
                (likeness, -other, reason)
                for other in index.near(position)
                if headings[other] == headings[position]
                and (reason := replaces(other, position))
                and (likeness := jaccard(self._hashes[other], self._hashes[position])) >= VERSION
            ]
            if versions:
                likeness, closest, reason = max(versions)
                changed = likeness < COPY or self._telling(-closest) != self._telling(position)
                self._drop(position, -closest, reason, changed)
            else:
                index.add(position)

    def drop_copies(self, asked: set[int]) -> None:
        """Drop the copies of better ranked passages, and of those `asked` for."""
        index = _Index(self._hashes, COPY_SKETCH, COPY_SHARED)
        left = (position for position in range(len(self._texts)) if position not in self._lost)
        for position in sorted(left, key=lambda p: (p not in asked, self._place[p])):
            original = next((o for o in index.near(position) if self._are_copies(o, position)), None)
            if original is None:
                index.add(position)
            else:
                self._drop(position, original, "copy", False)

    def _are_copies(self, one: int, other: int) -> bool:
        alike = jaccard(self._hashes[one], self._hashes[other]) >= COPY
        return alike and self._telling(one) == self._telling(other)

    def _telling(self, position: int) -> list[str]:
        return TELLING.findall(self._texts[position])

    def _drop(self, loser: int, winner: int, reason: Reason, changed: bool) -> None:
        self._lost[loser] = winner, reason, changed
        self._place[winner] = min(self._place[winner], self._place[loser])

    def _winner(self, position: int) -> int:
        while position in self._lost:
            position = self._lost[position][0]
        return position

    def distinct(self) -> Distinct:
        """The passages that are left, and those that were dropped."""
        kept = [position for position in range(len(self._texts)) if position not in self._lost]
        kept.sort(key=self._place.__getitem__)
        return Distinct(
            [
                Passage(self._passages[position].chunk, self._passages[self._place[position]].score, rank)
                for rank, position in enumerate(kept, start=1)
            ],
            [self._copy(position) for position in sorted(self._lost)],
        )

    def _copy(self, position: int) -> Copy:
        _, reason, changed = self._lost[position]
        kept, dropped = self._passages[self._winner(position)].chunk, self._passages[position].chunk
        return Copy(kept.id, dropped.id, dropped.document_id, reason, changed)


class _Index:
    """Finds, among the passages added, those that may be similar to another: by their lowest `size` hashes."""

    def __init__(self, hashes: Sequence[NDArray[np.uint64]], size: int, shared: float) -> None:
        self._sketches = [of_one[:size].tolist() for of_one in hashes]
        self._shared = shared
        self._holders: dict[int, list[int]] = defaultdict(list)

    def add(self, position: int) -> None:
        for value in self._sketches[position]:
            self._holders[value].append(position)

    def near(self, position: int) -> list[int]:
        """Positions, ascending, of the added passages that share at least `shared` of the shorter sketch."""
        sketch = self._sketches[position]
        shared = Counter(other for value in sketch for other in self._holders.get(value, ()))
        return sorted(
            other
            for other, count in shared.items()
            if count >= self._shared * min(len(sketch), len(self._sketches[other]))
        )


def _edition_groups(passages: Sequence[Passage], called: dict[str, str]) -> list[list[int]]:
    """The positions of passages, grouped by the edition name of their documents; only groups of several documents."""
    positions: dict[str, list[int]] = defaultdict(list)
    for position, passage in enumerate(passages):
        positions[called[passage.chunk.document_id]].append(position)
    return [
        group
        for name, group in positions.items()
        if name and len({passages[position].chunk.document_id for position in group}) > 1
    ]


def _compared(passage: Passage, name: str) -> str:
    """The text by which a passage is compared: its headings, without the document's title, and its words.

    Headings count, because two benefits may say the same under «신청방법» (how to apply).
    """
    headings = AMENDMENT.sub("", passage.chunk.context).split(" > ")
    own = edition_name(headings[0])
    if own and name and (own.startswith(name) or name.startswith(own)):
        del headings[0]
    return "\n".join([*headings, passage.chunk.text])


def _heading(context: str) -> str:
    """The innermost heading of a breadcrumb, without blanks."""
    return "".join(AMENDMENT.sub("", context).rpartition(" > ")[2].split())


def shingles(texts: Sequence[str]) -> list[NDArray[np.uint64]]:
    """For each text the hashes of its runs of `SHINGLE` characters, ascending, without repeats; `NOISE` is left out.

    The last runs of a text are padded with NUL, so that a short text has some, too. The hashes are the same in every
    process.
    """
    gap = "\0" * (SHINGLE - 1)
    joined = "".join(f"{text}{gap}" for text in texts).encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(joined, np.uint32)
    owners = np.repeat(np.arange(len(texts), dtype=np.uint64), [len(text) + len(gap) for text in texts])
    heard = ~np.isin(codes, np.array([ord(character) for character in NOISE], np.uint32))
    codes, owners = codes[heard].astype(np.uint64), owners[heard]
    starts = len(codes) - len(gap)
    hashes = np.zeros(max(0, starts), np.uint64)
    for offset in range(SHINGLE):
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + codes[offset : offset + starts]
    # The high bits of a product depend on all bits; SplitMix64's first step spreads the low ones, too.
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = owners[:starts] << np.uint64(HASH_BITS) | hashes >> np.uint64(64 - HASH_BITS)
    keys = np.sort(keys[codes[:starts] != 0])
    keys = keys[np.diff(keys, prepend=np.uint64(0)) != 0]  # numpy 2.3's unique takes 50 times as long
    bounds = np.searchsorted(keys, np.arange(len(texts) + 1, dtype=np.uint64) << np.uint64(HASH_BITS))
    lows = keys & np.uint64((1 << HASH_BITS) - 1)
    return [lows[start:end] for start, end in pairwise(bounds)]


def jaccard(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> float:
    """The Jaccard similarity of two sets, given ascending: common elements / all elements; 0 if both are empty."""
    if np.array_equal(one, other):
        return float(len(one) > 0)
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / (len(one) + len(other) - both)
