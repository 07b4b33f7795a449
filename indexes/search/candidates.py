"""A question, its terms and its vector → the chunks that may answer it, with their scores."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from indexes.search.questions import NAMED_DOCUMENT, Names, Question
from ingest.document import Chunk

NAMED_CANDIDATES = 100  # chunks taken for each key, and for all documents, that a query names
# Only the 3 rarest keys are searched for: a sentence of a statute names a dozen articles, and each search takes 2 ms
# at 100,000 chunks.
MOST_KEYS = 3


class Searched(Protocol):
    """The chunks of one version that one caller may search. Each has a number in its engine, its key.

    A search returns a mapping with an entry for each chunk that it finds.
    """

    @property
    def count(self) -> int:
        """The number of these chunks."""
        ...

    @property
    def names(self) -> Names:
        """The names of their documents."""
        ...

    def by_words(
        self,
        terms: Mapping[str, float],
        k: int,
        documents: Collection[str] | None = None,
        having: str | None = None,
    ) -> dict[int, float]:
        """The `k` chunks with the best BM25 for `terms`, best first: key → score.

        Args:
            terms: of the query, each with its weight.
            documents: ids of the documents to search; None: all documents of these chunks.
            having: a term that a chunk must have to be found; it adds nothing to the score.
        """
        ...

    def by_meaning(self, vector: NDArray[np.float32], k: int) -> dict[int, float]:
        """The `k` chunks nearest to `vector` (D,), nearest first: key → cosine."""
        ...

    def cosines(self, vector: NDArray[np.float32], keys: Collection[int]) -> dict[int, float]:
        """The cosine of `vector` (D,) with each of these chunks: key → cosine."""
        ...

    def holders(self, term: str) -> int:
        """An upper bound, quickly found, of the number of chunks of the version that have `term`."""
        ...

    def document_of(self, key: int) -> str:
        """The id of the document that holds a chunk."""
        ...

    def chunks(self, keys: Collection[int]) -> dict[int, Chunk]:
        """The chunks with these keys."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A question ready for searching: its `terms` with weights, and its `vector` (D,), None to search by words only."""

    question: Question
    terms: Mapping[str, float]
    vector: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class Candidates:
    """Three mappings from the keys of chunks to scores; each holds only the chunks that have that score.

    `by_words`: BM25. `by_meaning`: cosines; None if the search is by words only. `named`: what a chunk gains because
    the question names it.
    """

    by_words: Mapping[int, float]
    by_meaning: Mapping[int, float] | None
    named: Mapping[int, float]


def gather(asked: Asked, searched: Searched, depth: int) -> Candidates:
    """The candidates for one question.

    Args:
        depth: chunks taken from the search by words, and from the search by meaning.
    """
    question, terms, vector = asked.question, asked.terms, asked.vector
    by_words, by_meaning = searched.by_words(terms, depth), {}
    named: dict[int, float] = defaultdict(float)
    for key in sorted(question.keys, key=searched.holders)[:MOST_KEYS]:
        places = searched.by_words(terms, NAMED_CANDIDATES, having=key)
        by_words = places | by_words
        for chunk in places:
            named[chunk] += question.keys[key]
    if question.documents:
        by_words = searched.by_words(terms, NAMED_CANDIDATES, sorted(question.documents)) | by_words
    if vector is not None and not question.by_number:
        by_meaning = searched.by_meaning(vector, depth)
        by_meaning |= searched.cosines(vector, by_words.keys() - by_meaning.keys())
    if question.documents:
        for chunk in by_words.keys() | by_meaning.keys():
            if searched.document_of(chunk) in question.documents:
                named[chunk] += NAMED_DOCUMENT
    return Candidates(by_words, None if vector is None else by_meaning, named)
