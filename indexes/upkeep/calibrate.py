"""How much the cosine should count beside BM25 in one index, found without anybody's labels.

The documents ask themselves: a heading asks for the text below it, a sentence for the passage that it
stands in. What asks is cut out of the text that is searched, or BM25 would find every question by its
own words. On a sample of passages so cut, weights are tried, and the smallest that does as well as the
best is kept: what small embeddings add is little, and what they can spoil is more.

Source of the second kind: the inverse cloze task of Lee, Chang and Toutanova, ACL 2019,
doi 10.18653/v1/P19-1612.
"""

import random
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexes.disk.lexical import LexicalIndex, write_version
from indexes.models.embedder import Embedder
from indexes.models.reranker import Reranker, ndcg, reranking_helps
from indexes.search.fusion import fuse_scores
from indexes.types import Calibration, RerankerTrial, StoredDocument
from ingest.document import Chunk
from ingest.korean.analyse import BigramAnalyser, sentence_spans
from ingest.structure.terms import ARTICLE, CRUMB_SEPARATOR, NUMBERING, heading_key, squeeze

OpenReranker = Callable[[], Reranker | None]
ChunksOf = Callable[[StoredDocument], Sequence[Chunk]]  # all chunks of a document, in order
WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.55, 0.7, 1.0)
# A smaller weight is kept that does worse than the best by no more than this, in nDCG@10.
NEAR_BEST = 0.003
PASSAGES, QUESTIONS = 1_500, 250  # sampled; questions of each kind
FEWEST = 40  # questions, below which nothing can be told
SHORTEST_PASSAGE = 150  # characters
SENTENCE = (20, 150)  # shortest and longest that asks
CANDIDATES = 100
RERANKED, RERANKED_PASSAGES = 100, 20  # questions that a reranker is tried on, and passages of each
# Embedding the sample may take SECONDS; with a large model on a processor, fewer passages are taken.
# TRIAL passages tell how long one takes.
SECONDS, TRIAL = 60.0, 16
# The index has changed much when it has grown or shrunk by this factor.
CHANGED = 1.5


@dataclass(frozen=True, slots=True)
class CalibrationQuestion:
    """`text` asks for the passages with the keys in `gold`; `kind` is "heading" or "sentence"."""

    text: str
    gold: frozenset[int]
    kind: str


def is_due(known: Calibration | None, chunks: int) -> bool:
    """Whether an index that now has `chunks` chunks has changed much since it was calibrated."""
    if known is None:
        return chunks >= FEWEST
    return not known.chunks / CHANGED < chunks < known.chunks * CHANGED


def calibrate(
    documents: Sequence[StoredDocument],
    chunks_of: ChunksOf,
    embedder: Embedder,
    reranker: Reranker | None = None,
    seed: int = 0,
) -> Calibration | None:
    """The weight for an index that holds `documents`, and whether `reranker` helps.

    None where the documents ask fewer than `FEWEST` questions.

    Raises:
        IndexDamaged: a text that is looked at is not what it was.
    """
    trial = Trial(documents, chunks_of, embedder, seed)
    if len(trial.questions) < FEWEST:
        return None
    scores = {weight: trial.ndcg(weight) for weight in WEIGHTS}
    best = max(scores.values())
    weight = next(weight for weight in WEIGHTS if scores[weight] >= best - NEAR_BEST)
    chunks = sum(document.chunks for document in documents)
    return Calibration(
        dense_weight=weight,
        questions=len(trial.questions),
        lexical=round(scores[0.0], 4),
        dense=round(trial.ndcg(None), 4),
        hybrid=round(scores[weight], 4),
        chunks=chunks,
        reranker=trial.rerank(reranker, weight) if reranker else None,
    )


class Trial:
    """Passages of an index without the words that ask for them, and the questions that do."""

    def __init__(
        self,
        documents: Sequence[StoredDocument],
        chunks_of: ChunksOf,
        embedder: Embedder,
        seed: int = 0,
    ) -> None:
        rng = random.Random(seed)
        passages = _sample(documents, chunks_of, rng)
        passages = dict(list(passages.items())[: _affordable(embedder, passages)])
        self.texts, questions = ask_themselves(passages, rng)
        self.questions = _drawn(questions, rng)
        self._keys = np.array(sorted(self.texts), np.int64)
        texts = [self.texts[key] for key in self._keys.tolist()]
        asked = [question.text for question in self.questions]
        if not asked:
            return
        cosines = embedder.embed_queries(asked) @ embedder.embed_passages(texts).T
        self._lexical = _bm25(self._keys.tolist(), texts, asked)
        self._dense = [self._nearest(row) for row in cosines]

    def ndcg(self, weight: float | None) -> float:
        """nDCG@10 over the questions, each kind counting alike; `weight` None: by the cosine alone."""
        by_kind: dict[str, list[float]] = defaultdict(list)
        for at, question in enumerate(self.questions):
            by_kind[question.kind].append(ndcg(self.rank(at, weight), question.gold))
        return float(np.mean([np.mean(gains) for gains in by_kind.values()]))

    def rank(self, at: int, weight: float | None) -> list[int]:
        """Keys of the passages for the question number `at`, best first."""
        lexical, dense = self._lexical[at], self._dense[at]
        if weight is None:
            return sorted(dense, key=lambda key: (-dense[key], key))
        return [key for key, _ in fuse_scores(lexical, dense, weight)]

    def rerank(self, reranker: Reranker, weight: float) -> RerankerTrial:
        """Whether `reranker` makes the rankings of `weight` better; of some questions, for it takes long."""
        some = self.questions[:: max(1, len(self.questions) // RERANKED)]
        numbers = {question.text: at for at, question in enumerate(self.questions)}

        def retrieve(asked: Sequence[str]) -> list[list[tuple[int, str]]]:
            return [[(key, self.texts[key]) for key in self.rank(numbers[text], weight)] for text in asked]

        found = reranking_helps(reranker, some, retrieve, RERANKED_PASSAGES)
        before, after = round(found.before, 4), round(found.after, 4)
        return RerankerTrial(reranker.name, reranker.revision, before, after, found.helps)

    def _nearest(self, cosines: NDArray[np.float32]) -> dict[int, float]:
        nearest = np.argsort(-cosines, kind="stable")[:CANDIDATES]
        return dict(zip(self._keys[nearest].tolist(), cosines[nearest].tolist(), strict=True))


def ask_themselves(
    passages: dict[int, Chunk], rng: random.Random
) -> tuple[dict[int, str], list[CalibrationQuestion]]:
    """The passages' texts without what asks for them, and the questions: by key."""
    sections: dict[tuple[str, str], set[int]] = defaultdict(set)
    for key, chunk in passages.items():
        sections[chunk.document_id, chunk.context].add(key)
    texts, questions, asked = {}, [], set()
    for key, chunk in passages.items():
        heading, texts[key] = without_heading(chunk)
        if heading and squeeze(heading) not in asked:  # one of many sections asks for none of them
            asked.add(squeeze(heading))
            gold = frozenset(sections[chunk.document_id, chunk.context])
            questions.append(CalibrationQuestion(heading, gold, "heading"))
    for key in sorted(texts):
        shortest, longest = SENTENCE
        spans = [(a, b) for a, b in sentence_spans(texts[key]) if shortest <= b - a <= longest]
        if len(spans) > 2:
            start, end = rng.choice(spans)
            text = texts[key]
            questions.append(CalibrationQuestion(text[start:end].strip(), frozenset({key}), "sentence"))
            texts[key] = text[:start] + text[end:]
    return texts, questions


def without_heading(chunk: Chunk) -> tuple[str, str]:
    """The heading that a chunk begins with, without its number, and the text without its line.

    The heading is empty where the chunk begins with none, or names it again further on.
    """
    crumb = chunk.context.split("\n")[0].rpartition(CRUMB_SEPARATOR)[2]
    line, _, rest = chunk.text.partition("\n")
    if not heading_key(crumb) or not squeeze(line).startswith(squeeze(crumb)):
        return "", chunk.text
    article = ARTICLE.match(crumb)
    if article:  # «제3조(정의) ① 이 법에서 …»: the text goes on in the same line
        rest = chunk.text[chunk.text.find(crumb[-1], article.end()) + 1 :]
        crumb = crumb[article.end() :].strip(" ()（）")
    crumb = NUMBERING.sub("", crumb, count=1)
    return ("", chunk.text) if squeeze(crumb) in squeeze(rest[:SHORTEST_PASSAGE]) else (crumb, rest)


def _sample(documents: Sequence[StoredDocument], chunks_of: ChunksOf, rng: random.Random) -> dict[int, Chunk]:
    """PASSAGES chunks of running text by number: chunks are counted through all `documents`.

    Documents are drawn by chance.
    """
    drawn: dict[int, Chunk] = {}
    firsts = accumulate((document.chunks for document in documents), initial=0)
    numbered = list(zip(firsts, documents, strict=False))
    for first, document in rng.sample(numbered, len(numbered)):
        texts = [
            (first + offset, chunk)
            for offset, chunk in enumerate(chunks_of(document))
            if chunk.kind == "text" and len(chunk.text) >= SHORTEST_PASSAGE
        ]
        # Not all of a long book: the sample is to be of the whole index.
        drawn |= dict(rng.sample(texts, min(len(texts), max(FEWEST, PASSAGES // 10))))
        if len(drawn) >= PASSAGES:
            break
    return dict(list(drawn.items())[:PASSAGES])


def _drawn(questions: Sequence[CalibrationQuestion], rng: random.Random) -> list[CalibrationQuestion]:
    by_kind: dict[str, list[CalibrationQuestion]] = defaultdict(list)
    for question in questions:
        by_kind[question.kind].append(question)
    return [q for kind in by_kind.values() for q in rng.sample(kind, min(QUESTIONS, len(kind)))]


def _affordable(embedder: Embedder, passages: dict[int, Chunk]) -> int:
    """How many of `passages` can be embedded in SECONDS."""
    trial = [chunk.text for chunk in list(passages.values())[:TRIAL]]
    if not trial:
        return 0
    started = time.monotonic()
    embedder.embed_passages(trial)
    each = (time.monotonic() - started) / len(trial)
    return max(FEWEST, int(SECONDS / max(each, 1e-6)))


def _bm25(keys: Sequence[int], texts: Sequence[str], asked: Sequence[str]) -> list[dict[int, float]]:
    """Per question the scores of its candidates. By bigrams: to load Kiwi would cost 0.5 GB."""
    analyser = BigramAnalyser()
    rows = zip(keys, analyser.terms(texts), strict=True)
    with tempfile.TemporaryDirectory(prefix="rag-calibration-") as place:
        folder = Path(place, "postings")
        write_version(folder, None, (), ((key, "", " ".join(terms)) for key, terms in rows), merge=True)
        index = LexicalIndex(folder)
        return [dict(index.search(Counter(terms), CANDIDATES, None)) for terms in analyser.terms(asked)]
