"""The best passages of a query → a better order: a cross-encoder reads each together with the query."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from indexes.errors import HalfPrecisionOverflow, ModelUnavailable, NoReranker
from indexes.models.embedder import UNLIMITED, resolved_revision
from indexes.models.inference import WHOLE, Batches, Dtype, check_settings, device_of, dtype_of
from indexes.types import Passage
from ingest.errors import MissingDependency, first_line

# After 16 passages of each query the clock is looked at again.
SLICE = 16
LEAST_PART = 64  # characters: a shorter text is never divided, however long the query is
NDCG_AT = 10
# A loss of nDCG@10 up to this, or up to its standard error, is no reason to turn a reranker off.
TOLERANCE = 0.005


@dataclass(frozen=True, slots=True)
class RerankConfig:
    """`k`: the first passages of a query that are reranked. `timeout_seconds`: the time for each query.

    `device`, `dtype`, `batch_tokens`: see `EmbeddingConfig`.
    """

    k: int = 50
    timeout_seconds: float = 10.0
    device: str = "auto"
    dtype: Dtype = "auto"
    batch_tokens: int = 16_384

    def __post_init__(self) -> None:
        check_settings("rerank", self.device, self.dtype, self.batch_tokens)
        if self.k < 1:
            raise ValueError(f"rerank.k must be at least 1, got {self.k}")
        if self.timeout_seconds <= 0:
            raise ValueError(f"rerank.timeout_seconds must be above 0, got {self.timeout_seconds}")


class Reranker(Protocol):
    """Scores how well texts answer a query; higher is better, comparable within one query."""

    name: str
    revision: str
    max_tokens: int  # the longest pair of query and text that it reads as a whole

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """(N,): the score of each pair of a query and a text; a pair over `max_tokens` has that of its best part."""
        ...


class CrossEncoderReranker:
    """Any cross-encoder with one score that sentence-transformers reads. Safe to use from several threads."""

    def __init__(self, name: str, config: RerankConfig | None = None) -> None:
        """Load the model called `name`, a local folder or a hub name.

        Raises:
            MissingDependency: sentence-transformers is not installed.
            ModelUnavailable: the model cannot be loaded.
            NoReranker: it does not give exactly one score.
        """
        try:
            from sentence_transformers import CrossEncoder
        except ImportError as exc:
            raise MissingDependency(library="sentence-transformers", extra="") from exc
        config = config or RerankConfig()
        device = device_of(config.device)
        self._dtype = dtype_of(config.dtype, device)
        try:
            self._model = CrossEncoder(name, device=device).to(self._dtype)
        except Exception as exc:
            raise ModelUnavailable(name=name, detail=first_line(exc), section="models.reranker") from exc
        if self._model.num_labels != 1:
            raise NoReranker(name=name, labels=self._model.num_labels)
        self.name = name
        self.revision = resolved_revision(name, self._model)
        self.max_tokens = int(min(UNLIMITED, self._model.max_seq_length or UNLIMITED))
        self._batches = Batches.on_torch(name, "rerank", config.batch_tokens)
        self._lock = threading.Lock()  # as in SentenceTransformerEmbedder

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        parts, lengths = self._fitting(pairs)
        scores = np.full(len(pairs), -np.inf, np.float32)

        def compute(batch: list[int]) -> NDArray[np.float32]:
            with self._lock:
                return self._model.predict(
                    [parts[at][1] for at in batch], batch_size=len(batch), show_progress_bar=False
                )

        for batch, found in self._batches.run(lengths, compute):
            if not np.isfinite(found).all():
                dtype = str(self._dtype).removeprefix("torch.")
                raise HalfPrecisionOverflow(name=self.name, dtype=dtype, section="rerank")
            np.maximum.at(scores, [parts[at][0] for at in batch], found)
        return scores

    def _fitting(
        self, pairs: Sequence[tuple[str, str]]
    ) -> tuple[list[tuple[int, tuple[str, str]]], list[int]]:
        """(row, pair) of all `pairs`, and the tokens of each; a long pair becomes several with parts of its text."""
        parts, lengths = [], []
        waiting = list(enumerate(pairs))
        while waiting:
            halves = []
            counts = self._lengths([pair for _, pair in waiting])
            for (row, (query, text)), tokens in zip(waiting, counts, strict=True):
                if tokens <= self.max_tokens or len(text) < LEAST_PART:
                    parts.append((row, (query, text)))
                    lengths.append(min(tokens, self.max_tokens))
                else:
                    space = text.find(" ", len(text) // 2)
                    middle = space if space > 0 else len(text) // 2
                    halves += [(row, (query, text[:middle])), (row, (query, text[middle:]))]
            waiting = halves
        return parts, lengths

    def _lengths(self, pairs: Sequence[tuple[str, str]]) -> list[int]:
        """The tokens of each pair, not cut."""
        if not pairs:
            return []
        with self._lock:
            features = self._model.preprocess(list(pairs), processing_kwargs=WHOLE)
        return [len(ids) for ids in features["input_ids"]]


def open_reranker(name: str, config: RerankConfig) -> Reranker | None:
    """The reranker called `name`, a local folder or a hub name; None if the name is empty.

    Raises:
        MissingDependency, ModelUnavailable, NoReranker: see `CrossEncoderReranker`.
    """
    return CrossEncoderReranker(name, config) if name else None


@dataclass(frozen=True, slots=True)
class Reranked:
    """A ranking whose first `scored` passages are in the reranker's order."""

    passages: list[Passage]
    scored: int


def rerank(
    reranker: Reranker,
    queries: Sequence[str],
    rankings: Sequence[Sequence[Passage]],
    text_of: Callable[[Passage], str],
    config: RerankConfig,
    clock: Callable[[], float] = time.monotonic,
) -> list[Reranked]:
    """Each of `rankings` with its first `config.k` passages in the order of the reranker's scores.

    Passages are scored from the first on, `SLICE` of every query at a time. So when the time is up, the head of each
    ranking is scored and put in order; the rest follows as it was. A slice that was begun is finished. Ties keep their
    order. Scores never rise: those of the rest are shifted to begin at the reranker's lowest, and keep their distances.

    Args:
        text_of: the text of a passage that the reranker reads.
        clock: the time in seconds, from any origin.
    """
    until = clock() + config.timeout_seconds * len(queries)
    scores: list[list[float]] = [[] for _ in queries]
    for first in range(0, min(config.k, max(map(len, rankings), default=0)), SLICE):
        if clock() >= until:
            break
        last = min(first + SLICE, config.k)
        pairs = [(q, text_of(p)) for q, row in zip(queries, rankings, strict=True) for p in row[first:last]]
        found = iter(reranker.score(pairs).tolist())
        for row, ranking in zip(scores, rankings, strict=True):
            row += [next(found) for _ in ranking[first:last]]
    return [
        Reranked(_in_order(ranking, row), len(row)) for ranking, row in zip(rankings, scores, strict=True)
    ]


def _in_order(ranking: Sequence[Passage], scores: Sequence[float]) -> list[Passage]:
    head = sorted(zip(ranking, scores, strict=False), key=lambda pair: -pair[1])
    rest = ranking[len(scores) :]
    lowest = head[-1][1] if head else 0.0
    drop = lowest - rest[0].score if head and rest else 0.0
    ordered = [replace(passage, score=score) for passage, score in head]
    ordered += [replace(passage, score=passage.score + drop) for passage in rest]
    return [replace(passage, rank=rank) for rank, passage in enumerate(ordered, start=1)]


# does it help?


class JudgedQuestion(Protocol):
    """A question and the keys of the chunks that answer it."""

    @property
    def text(self) -> str: ...

    @property
    def gold(self) -> frozenset[int]: ...


@dataclass(frozen=True, slots=True)
class GuardResult:
    """Mean nDCG@10 `before` and `after` reranking, over `questions` questions. `helps`: it does no harm, keep it on."""

    before: float
    after: float
    helps: bool
    questions: int


def reranking_helps(
    reranker: Reranker,
    questions: Sequence[JudgedQuestion],
    retrieve: Callable[[Sequence[str]], Sequence[Sequence[tuple[int, str]]]],
    k: int = 50,
) -> GuardResult:
    """nDCG@10 without and with `reranker`, and whether it does no harm, by questions whose answers are known.

    It does harm if nDCG@10 falls by more than `TOLERANCE` and by more than the standard error of the mean difference:
    a few questions with worse rankings are no proof. Without questions it counts as helping.

    Args:
        retrieve: gives for each query (key, text for the reranker) of the chunks found, best first.
        k: the number of chunks of each query that are reranked.
    """
    found = [list(row[:k]) for row in retrieve([question.text for question in questions])]
    pairs = [(q.text, text) for q, row in zip(questions, found, strict=True) for _, text in row]
    scores = iter(reranker.score(pairs).tolist())
    gains = []
    for question, row in zip(questions, found, strict=True):
        keys = [key for key, _ in row]
        given = {key: next(scores) for key in keys}
        after = sorted(keys, key=lambda key: -given[key])
        gains.append((ndcg(keys, question.gold), ndcg(after, question.gold)))
    if not gains:
        return GuardResult(0.0, 0.0, True, 0)
    before, after = np.array(gains).T
    change = after - before
    error = float(change.std(ddof=1)) / math.sqrt(len(change)) if len(change) > 1 else 0.0
    helps = bool(change.mean() >= -max(TOLERANCE, error))
    return GuardResult(float(before.mean()), float(after.mean()), helps, len(gains))


def ndcg(ranking: Sequence[int], gold: frozenset[int], at: int = NDCG_AT) -> float:
    """The nDCG of `ranking`: its discounted gain divided by that of the best ranking; 0 if nothing is gold."""
    gain = sum(1 / math.log2(rank + 1) for rank, key in enumerate(ranking[:at], start=1) if key in gold)
    best = sum(1 / math.log2(rank + 1) for rank in range(1, min(at, len(gold)) + 1))
    return gain / best if best else 0.0
