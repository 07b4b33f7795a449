"""The best passages of a query, read together with it by a cross-encoder and put in a better order."""

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

# Passages of each query that are scored before the time is looked at again.
SLICE = 16
LEAST_PART = 64  # characters: shorter texts are not parted, however long the query is
NDCG_AT = 10
# A loss below this, or below what chance makes of so few questions, is no reason to turn it off.
TOLERANCE = 0.005


@dataclass(frozen=True, slots=True)
class RerankConfig:
    """The first `k` passages of a query are read again, as far as `timeout_seconds` a query go.

    `device`, `dtype`, `batch_tokens`: as for the embedder.
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
    max_tokens: int  # longest pair of query and text that it reads in one piece

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """(N,), for pairs of a query and a text; of a text over `max_tokens` its best part counts."""
        ...


class CrossEncoderReranker:
    """Any cross-encoder with one score that sentence-transformers reads. Safe to use from several threads."""

    def __init__(self, name: str, config: RerankConfig | None = None) -> None:
        """
        Raises:
            ModelUnavailable: it cannot be loaded.
            NoReranker: it gives several scores, or none.
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
        """(row, pair) of all `pairs`, and the tokens of each; of a long one the query with parts of the text."""
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
        """Tokens of each pair as the model would read it, had it no limit."""
        if not pairs:
            return []
        with self._lock:
            features = self._model.preprocess(list(pairs), processing_kwargs=WHOLE)
        return [len(ids) for ids in features["input_ids"]]


def open_reranker(name: str, config: RerankConfig) -> Reranker | None:
    """The reranker called `name`, a local folder or a hub name; None where the name is empty."""
    return CrossEncoderReranker(name, config) if name else None


@dataclass(frozen=True, slots=True)
class Reranked:
    """A ranking of which the first `scored` passages are in the reranker's order."""

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
    """Each of `rankings`, its first `config.k` passages in the order that `reranker` gives them.

    Passages are scored from the first on, some of every query at a time, so that what is scored when
    the time is up is the head of each ranking: it is put in order, and the rest follows as it was.
    A batch that is being scored when the time is up is finished. Ties keep their order. Scores go on falling: behind the lowest of the reranker's, the rest keep
    their distances.

    Args:
        text_of: what the reranker reads of a passage.
        clock: seconds, from any moment on.
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
    """nDCG@10 `before` and `after` reranking, over `questions` questions; `helps`: it may stay on."""

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
    """Whether `reranker` makes rankings no worse, judged by questions whose answers are known.

    It hurts where nDCG@10 falls by more than TOLERANCE and by more than the standard error of the
    mean difference: a few questions that went the other way are no proof. Without questions it may
    stay on.

    Args:
        retrieve: for each query the key of every chunk found, best first, and the text of it that
            the reranker reads.
        k: how many of them it is given.
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
    """Discounted gain of `ranking` over that of the best one; 0 where nothing is gold."""
    gain = sum(1 / math.log2(rank + 1) for rank, key in enumerate(ranking[:at], start=1) if key in gold)
    best = sum(1 / math.log2(rank + 1) for rank in range(1, min(at, len(gold)) + 1))
    return gain / best if best else 0.0
