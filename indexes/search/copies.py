"""A ranking with passages that repeat each other → one without, and what was left out, by name.

Two passages are copies if they say the same: the same words but for a handful, under the same headings,
with the same numbers and negations in the same order. The better ranked one stays. Rows that differ in a
figure are no copies, nor are clauses that differ in «없다».

Two passages are versions of one section if their documents are editions of one document
(editions.py), one known to be newer, and their innermost headings are the same; then it is enough that
most of their words are, and numbers may differ. The newer one stays, at the better rank of the two. Where
the question plainly asks for an edition («2023년 판»), that one stays instead; where it may («2023년에»), both
do, and both where it asks what has changed.
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

# Jaccard of the runs of five characters. Of the pairs among 466,000 of real documents that have the same
# numbers, those from .97 on say the same. Below, one algorithm's parameters have .96 with another's,
# one benefit .93 with the next, the ticks of a table .93 with those of another level of protection.
COPY, VERSION = 0.97, 0.6
SHINGLE = 5
HASH_BITS = 44  # above them stands the passage's position, so that one sort orders all
# Passages are compared where they share at least this part of their 8 (or 32) lowest hashes: copies share
# nearly all of them, versions two thirds.
COPY_SKETCH, COPY_SHARED = 8, 0.5
VERSION_SKETCH, VERSION_SHARED = 32, 0.25
# What a single character turns around; the rest is left to the measure above.
TELLING = re.compile(r"\d+|없|않|아니|못")
# In these, two prints of one text differ. No sign that means something, like ○, %, + or -.
NOISE = " \t\n\r\f\v\u00a0\u3000.,:;!?'\"`()[]{}·ㆍ‧･∙•․…‘’“”「」『』〈〉《》【】〔〕（），．：；、。"
# «제1장 총칙 <개정 2007. 12. 21.>»; but «부칙 <제2015-4호, 2015. 2. 4.>» says which.
AMENDMENT = re.compile(r"<(?:[가-힣]*개정|신설)[^<>]*>")


@dataclass(frozen=True, slots=True)
class Copy:
    """The chunk `dropped`, of the document `document_id`, is left out for the chunk `kept`.

    `reason`: it is a "copy", or from an "older" edition, or from a "newer" one than was asked for;
    `changed`: that says something else.
    """

    kept: str
    dropped: str
    document_id: str
    reason: Reason
    changed: bool = False


class Distinct(NamedTuple):
    """Passages of which none repeats another, best first, and what was left out, as it was ranked."""

    passages: list[Passage]
    copies: list[Copy]


def without_copies(
    passages: Sequence[Passage],
    find: Callable[[str], StoredDocument],
    date_of: Callable[[StoredDocument], str | None],
    question: str = "",
) -> Distinct:
    """`passages` without those that repeat another one of them.

    What is left out is a copy of the passage that is kept for it, or another version of that passage or of a
    copy of it.

    Args:
        passages: of one query, best first.
        find: the stored document of an id.
        date_of: the date of a document (ISO 8601); called only where several editions of it were found.
        question: it may name an edition.

    Returns:
        Ranks from 1. A passage for which a better ranked one is left out has that one's place and score.
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
    """The passages by position, which of them lost to which, and the best place that each has won."""

    def __init__(self, passages: Sequence[Passage], texts: Sequence[str]) -> None:
        self._passages = passages
        self._texts = texts
        self._hashes = shingles(texts)
        self._place = list(range(len(passages)))
        self._lost: dict[int, tuple[int, Reason, bool]] = {}

    def drop_versions(self, editions: dict[int, Edition], asked: set[int], named: set[int]) -> None:
        """Drop what another edition replaces: one `named`, else a newer one if it is not `asked` for."""

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
        """What is left, and what is not."""
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
    """The lowest hashes of the passages added → their positions, to find those that may be alike."""

    def __init__(self, hashes: Sequence[NDArray[np.uint64]], size: int, shared: float) -> None:
        self._sketches = [of_one[:size].tolist() for of_one in hashes]
        self._shared = shared
        self._holders: dict[int, list[int]] = defaultdict(list)

    def add(self, position: int) -> None:
        for value in self._sketches[position]:
            self._holders[value].append(position)

    def near(self, position: int) -> list[int]:
        """Those added that share enough of the shorter sketch, ascending."""
        sketch = self._sketches[position]
        shared = Counter(other for value in sketch for other in self._holders.get(value, ()))
        return sorted(
            other
            for other, count in shared.items()
            if count >= self._shared * min(len(sketch), len(self._sketches[other]))
        )


def _edition_groups(passages: Sequence[Passage], called: dict[str, str]) -> list[list[int]]:
    """Positions of the passages of documents that have one name, where they are several documents."""
    positions: dict[str, list[int]] = defaultdict(list)
    for position, passage in enumerate(passages):
        positions[called[passage.chunk.document_id]].append(position)
    return [
        group
        for name, group in positions.items()
        if name and len({passages[position].chunk.document_id for position in group}) > 1
    ]


def _compared(passage: Passage, name: str) -> str:
    """The headings above a passage, without the document's own, and its words.

    The headings count: what one benefit says under «신청방법» another may say, too.
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
    """Per text the hashes of its runs of `SHINGLE` characters, ascending, each once; noise left out.

    A text's last runs are filled up with NUL, so that a short one has some, too. The same in every run.
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
    """The share of what two ascending sets have in common; 0 where both are empty."""
    if np.array_equal(one, other):
        return float(len(one) > 0)
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / (len(one) + len(other) - both)
