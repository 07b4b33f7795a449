"""An index → the best weight of the cosine beside BM25, found without labelled questions.

Questions are made from the documents themselves: a heading asks for the text below it, a sentence for the passage
that holds it. Headings and sentences used as questions are cut out of the searched text, because BM25 would find them
by their own words. Weights are tried on a sample of such passages, and the smallest that does about as well as the
best is kept, because small embeddings can spoil more than they add.

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
# A smaller weight is preferred if its nDCG@10 is at most this much below the best.
NEAR_BEST = 0.003
PASSAGES, QUESTIONS = 1_500, 250  # at most, in the sample; QUESTIONS of each kind
FEWEST = 40  # with fewer questions there is no result
SHORTEST_PASSAGE = 150  # characters
SENTENCE = (20, 150)  # characters of the shortest and the longest sentence that is a question
CANDIDATES = 100  # passages found for a question, by words and by meaning
RERANKED, RERANKED_PASSAGES = 100, 20  # a reranker is tried on about 100 questions, with 20 passages each
# To embed the sample may take 60 s; a large model on a CPU gets a smaller sample. 16 passages are embedded first, to
# measure the time of one.
SECONDS, TRIAL = 60.0, 16
# An index has changed much if it has grown or shrunk by this factor.
CHANGED = 1.5


@dataclass(frozen=True, slots=True)
class CalibrationQuestion:
    """A question whose answers are the passages with the keys in `gold`; `kind` is "heading" or "sentence"."""

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
    """The calibration of an index that holds `documents`, with the trial of `reranker` if there is one.

    None if the documents give fewer than `FEWEST` questions.

    Args:
        chunks_of: gives all chunks of a document, in order.
        seed: of the random sample.

    Raises:
        IndexDamaged: a stored text that is read is damaged.
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
    """A sample of passages of an index, and questions cut out of them."""

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
        """Mean nDCG@10 of the questions, with both kinds weighted equally; `weight` None ranks by cosine alone."""
        by_kind: dict[str, list[float]] = defaultdict(list)
        for at, question in enumerate(self.questions):
            by_kind[question.kind].append(ndcg(self.rank(at, weight), question.gold))
        return float(np.mean([np.mean(gains) for gains in by_kind.values()]))

    def rank(self, at: int, weight: float | None) -> list[int]:
        """Keys of the passages found for question number `at`, best first."""
        lexical, dense = self._lexical[at], self._dense[at]
        if weight is None:
            return sorted(dense, key=lambda key: (-dense[key], key))
        return [key for key, _ in fuse_scores(lexical, dense, weight)]

    def rerank(self, reranker: Reranker, weight: float) -> RerankerTrial:
        """The trial of `reranker` on the rankings by `weight`; on a part of the questions, because it is slow."""
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
    """The texts of the passages, by key, without the words that became questions; and the questions."""
    sections: dict[tuple[str, str], set[int]] = defaultdict(set)
    for key, chunk in passages.items():
        sections[chunk.document_id, chunk.context].add(key)
    texts, questions, asked = {}, [], set()
    for key, chunk in passages.items():
        heading, texts[key] = without_heading(chunk)
        if heading and squeeze(heading) not in asked:  # a heading that many sections have asks only once
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
    """The heading at the beginning of a chunk, without its number, and the chunk's text without the heading's line.

    The heading is empty, and the text whole, if the chunk does not begin with a heading or soon repeats its words.
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
    """At most `PASSAGES` chunks of running text, from documents in random order.

    The keys are numbers of chunks, counted through all `documents`.
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
        # Only a part of a long book, so that the sample is of the whole index.
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
    """The number of `passages` that can be embedded in `SECONDS`, measured on `TRIAL` of them; at least `FEWEST`."""
    trial = [chunk.text for chunk in list(passages.values())[:TRIAL]]
    if not trial:
        return 0
    started = time.monotonic()
    embedder.embed_passages(trial)
    each = (time.monotonic() - started) / len(trial)
    return max(FEWEST, int(SECONDS / max(each, 1e-6)))


def _bm25(keys: Sequence[int], texts: Sequence[str], asked: Sequence[str]) -> list[dict[int, float]]:
    """For each question, key → BM25 of its candidates. Terms are bigrams, because Kiwi would take 0.5 GB of memory."""
    analyser = BigramAnalyser()
    rows = zip(keys, analyser.terms(texts), strict=True)
    with tempfile.TemporaryDirectory(prefix="rag-calibration-") as place:
        folder = Path(place, "postings")
        write_version(folder, None, (), ((key, "", " ".join(terms)) for key, terms in rows), merge=True)
        index = LexicalIndex(folder)
        return [dict(index.search(Counter(terms), CANDIDATES, None)) for terms in analyser.terms(asked)]
