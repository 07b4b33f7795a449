"""A document → its most telling sentences, word for word: a summary without a model.

The worth of a sentence is its rank in the graph of all sentences, times factors for its place and form. Sentences are
chosen one after the other: each adds to the worth of its section, and loses what it repeats of those already chosen.
The time is proportional to the length of the text: under a second for 160 pages.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ingest.korean.analyse import BigramAnalyser
from rag.extracting.priors import Priors, SourceSentence, priors

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, slots=True)
class Weights:
    """The weight of each feature: a feature of 1 multiplies a sentence's worth by e to its weight; 0 ignores it.

    `central`: for the logarithm of the sentence's rank. `title`: for its cosine to the document's title. The fields
    up to `row`: see `Priors`. `spread`: how evenly the choice is spread over the sections, from 0 to below 1.
    `redundancy`: the share of its gain that a sentence loses if it repeats another.
    The values were chosen on 11 documents with 110 key facts, each in the middle of a plateau, because the highest
    point fits those documents alone (docs/benchmarks/summaries.md).
    """

    central: float = 1.0
    title: float = 3.0
    lead: float = 2.5
    opens: float = 0.3
    aside: float = -2.0
    figures: float = 2.5
    repeated: float = 0.5
    boilerplate: float = -3.5
    purpose: float = 1.0
    cue: float = 0.7
    label: float = 0.7
    broken: float = -1.5
    row: float = -1.2
    spread: float = 0.6
    redundancy: float = 0.7


WEIGHTS = Weights()
FEATURES = (*Priors._fields, "central", "title")
DAMPING, STEPS = 0.85, 40


def salient(
    sentences: Sequence[SourceSentence],
    count: int,
    title: str = "",
    weights: Weights = WEIGHTS,
    keep: Callable[[SourceSentence], bool] = lambda _: True,
) -> list[int]:
    """Indices of the `count` most telling sentences, in reading order; fewer if fewer can be read alone.

    If no sentence can be read alone, they are the first `count` that are not entries of a contents page.

    Args:
        title: of the document, or what a sentence should be about.
        keep: whether a sentence may be chosen.
    """
    rated = [one for one in priors(sentences, title) if keep(sentences[one[0]])]
    if not rated or count < 1:
        first = [place for place, one in enumerate(sentences) if one.kind != "contents" and keep(one)]
        return first[: max(0, count)]
    usable = [sentences[place] for place, _ in rated]
    vectors = sentence_vectors([*(sentence.text for sentence in usable), title])
    vectors, of_title = vectors[:-1], vectors[[-1]]
    said_for = np.array([prior for _, prior in rated], float)
    features = np.column_stack([said_for, np.log(rank(vectors)), cosines(vectors, of_title)])
    worth = np.exp(features @ np.array([getattr(weights, name) for name in FEATURES]))
    chosen = choose(vectors, worth, sections(usable, count), count, weights)
    return sorted(rated[one][0] for one in chosen)


def sentence_vectors(texts: Sequence[str]) -> "csr_array":
    """(N, T): a unit row for each of N texts, of log frequency times inverse document frequency of T terms.

    Each text counts as a document. Terms are bigrams: Kiwi's morphemes chose no better sentences and took twenty
    times as long.
    """
    from scipy.sparse import csr_array  # a dependency of sentence-transformers; 0.3 s to import

    counts = [Counter(terms) for terms in BigramAnalyser().terms(texts)]
    columns: dict[str, int] = {}
    indices = np.array([columns.setdefault(term, len(columns)) for count in counts for term in count], int)
    values = np.array([number for count in counts for number in count.values()], float)
    sizes = np.array([len(count) for count in counts])
    frequency = np.bincount(indices, minlength=len(columns))
    values = (1 + np.log(values)) * np.log(1 + len(texts) / frequency)[indices]
    rows = np.repeat(np.arange(len(texts)), sizes)
    values /= np.sqrt(np.bincount(rows, values**2, len(texts)))[rows]
    return csr_array((values, indices, np.cumsum([0, *sizes])), shape=(len(texts), max(1, len(columns))))


def rank(vectors: "csr_array") -> NDArray[np.float64]:
    """(N,): the PageRank of each sentence in the graph whose edges are the cosines of `vectors`; 1 on average.

    The graph is never built: each step multiplies by `vectors` and by its transpose.

    Source: Mihalcea and Tarau, EMNLP 2004; Erkan and Radev, JAIR 22, 2004, doi 10.1613/jair.1523.
    """
    own = vectors.multiply(vectors).sum(axis=1)  # no sentence votes for itself

    def voted(votes: NDArray[np.float64]) -> NDArray[np.float64]:
        return vectors @ (vectors.T @ votes) - own * votes

    degrees = np.maximum(voted(np.ones(len(own))), 1e-9)
    ranks = np.ones(len(own))
    for _ in range(STEPS):
        ranks = (1 - DAMPING) + DAMPING * voted(ranks / degrees)
    return np.maximum(ranks, 1e-9)


def sections(sentences: Sequence[SourceSentence], count: int) -> NDArray[np.int64]:
    """(N,): the number of the section of each sentence.

    Sections are made by the first 1, 2 or 3 levels of headings: the fewest levels that make at least `count` / 2
    sections. If 3 levels make fewer, sections are `count` stretches of equal length.
    """
    for depth in range(1, 4):
        numbers: dict[str, int] = {}
        found = [
            numbers.setdefault(" > ".join(sentence.headings[:depth]), len(numbers)) for sentence in sentences
        ]
        if 2 * len(numbers) >= count:
            return np.array(found, np.int64)
    ends = np.cumsum([0, *(len(sentence.text) for sentence in sentences)])
    return ends[:-1] * count // ends[-1]


def choose(
    vectors: "csr_array", worth: NDArray[np.float64], parts: NDArray[np.int64], count: int, weights: Weights
) -> list[int]:
    """The indices of `count` sentences in the order chosen, each the one that adds most; of equals the first.

    The worth of a section is the sum of its chosen sentences' worth to the power of 1 - `spread`, so each further
    sentence of a section adds less. A sentence that repeats a chosen one loses in proportion to their cosine.

    Source: Lin and Bilmes, ACL 2011; Carbonell and Goldstein, SIGIR 1998, doi 10.1145/290941.291025.
    """
    power = 1 - weights.spread
    chosen: list[int] = []
    sums, repeats, left = np.zeros(parts.max() + 1), np.zeros(len(worth)), np.ones(len(worth), bool)
    for _ in range(min(count, len(worth))):
        adds = (sums[parts] + worth) ** power - sums[parts] ** power
        best = int(np.argmax(np.where(left, adds * (1 - weights.redundancy * repeats), -1)))
        chosen.append(best)
        left[best] = False
        sums[parts[best]] += worth[best]
        repeats = np.maximum(repeats, cosines(vectors, vectors[[best]]))
    return chosen


def cosines(vectors: "csr_array", one: "csr_array") -> NDArray[np.float64]:
    """(N,): the cosine of each row of `vectors` to the only row of `one`."""
    return (vectors @ one.T).toarray().ravel()
