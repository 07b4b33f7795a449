"""How many key facts of a document a summary without a model holds: ours, and what else one could take.

A line of key_facts.jsonl is a fact that a reader of the document must know, marked by a person who read it:
{"pdf": "samples/취업규칙.pdf", "half": "tune", "page": 21, "fact": "정년은 만 61세", "needles": [["정년은 만 61세"]]}
A summary holds it where all strings of one alternative stand in one of its sentences, or in two of them that
follow each other in the document; blanks and compatibility forms make no difference. The summariser's weights
were chosen on the documents of the half "tune" alone.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from eval.dataset import SAMPLES, read_rows
from eval.metrics import mean
from ingest.document import Page
from ingest.korean.analyse import BigramAnalyser, fold
from ingest.parse import Parsed, ParseOptions
from ingest.workers.pool import WorkerPool
from rag.extracting.priors import SourceSentence, readable, source_sentences
from rag.extracting.salience import DAMPING, STEPS, WEIGHTS, salient

FACTS = Path(__file__).with_name("key_facts.jsonl")
COUNT = 10
SEEDS = 20
SLICES = 10

# A way to summarise: sentences, those of them to choose from, and the title → places.
Method = Callable[[Sequence[SourceSentence], list[int], str], list[int]]


@dataclass(frozen=True, slots=True)
class Fact:
    """What a reader must know, on a page, and the strings by which it is recognised: see above."""

    page: int
    text: str
    needles: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A document and its facts; `pdf` is relative to the shared folder, or to eval/ for our samples."""

    pdf: str
    half: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A source that was read."""

    source: Source
    title: str
    pages: tuple[Page, ...]
    sentences: tuple[SourceSentence, ...]
    squeezed: tuple[str, ...]


def load_sources(path: Path = FACTS) -> list[Source]:
    """The documents of the file with their facts, in its order."""
    found: dict[str, Source] = {}
    for row in read_rows(path):
        needles = tuple(tuple(squeeze(needle) for needle in one) for one in row["needles"])
        known = found.get(row["pdf"], Source(row["pdf"], row["half"], ()))
        fact = Fact(row["page"], row["fact"], needles)
        found[row["pdf"]] = replace(known, facts=(*known.facts, fact))
    return list(found.values())


def read_documents(sources: Sequence[Source], shared: Path, tokenizer_json: str) -> Iterator[Document]:
    """Each of `sources`, read.

    Raises:
        FileNotFoundError: one of them is not there, or cannot be read.
    """
    options = ParseOptions(tokenizer_json, analyser="bigram")
    paths = [str(path_of(source, shared)) for source in sources]
    with WorkerPool(options) as pool:
        for source, parsed in zip(sources, pool.parse(paths), strict=True):
            if not isinstance(parsed, Parsed):
                raise FileNotFoundError(f"{source.pdf}: {parsed.code}")
            yield as_document(source, parsed)


def path_of(source: Source, shared: Path) -> Path:
    """Where the file of `source` lies."""
    return (SAMPLES.parent if source.pdf.startswith("samples/") else shared) / source.pdf


def as_document(source: Source, parsed: Parsed) -> Document:
    """What was read of `source`."""
    sentences = tuple(source_sentences(parsed.chunks))
    squeezed = tuple(squeeze(sentence.text) for sentence in sentences)
    return Document(source, parsed.document.title, parsed.document.pages, sentences, squeezed)


def squeeze(text: str) -> str:
    """`text` as needles are compared with it: folded, without blanks."""
    return "".join(fold(text).split())


def held(document: Document, places: Sequence[int]) -> list[bool]:
    """For each fact of `document`, whether the summary of these sentences holds it; `places` ascend."""
    told = [document.squeezed[place] for place in places]
    told += [
        f"{document.squeezed[one]}\n{document.squeezed[other]}"
        for one, other in pairwise(places)
        if other == one + 1
    ]
    return [
        any(all(needle in text for needle in needles) for text in told for needles in fact.needles)
        for fact in document.source.facts
    ]


# what else one could take


def first(sentences: Sequence[SourceSentence], among: list[int], title: str) -> list[int]:
    """The first sentences."""
    return among[:COUNT]


def any_ten(seed: int) -> Method:
    """Sentences drawn by lot."""
    return lambda sentences, among, title: sorted(random.Random(seed).sample(among, min(COUNT, len(among))))


def textrank(sentences: Sequence[SourceSentence], among: list[int], title: str) -> list[int]:
    """The first by PageRank over the cosines of term counts of all pairs of sentences, and nothing else."""
    columns: dict[str, int] = {}
    terms = BigramAnalyser().terms([sentences[place].text for place in among])
    rows = [[columns.setdefault(term, len(columns)) for term in held] for held in terms]
    counts = np.zeros((len(among), len(columns)), np.float32)
    for row, held_columns in zip(counts, rows, strict=True):
        np.add.at(row, held_columns, 1)
    counts /= np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)
    graph = counts @ counts.T
    np.fill_diagonal(graph, 0)
    graph /= np.maximum(graph.sum(axis=0), 1e-9)
    ranks = np.ones(len(among))
    for _ in range(STEPS):
        ranks = (1 - DAMPING) + DAMPING * (graph @ ranks)
    return sorted(among[one] for one in np.argsort(-ranks, kind="stable")[:COUNT])


def ours(sentences: Sequence[SourceSentence], among: list[int], title: str) -> list[int]:
    """`rag.extracting.salience.salient`; it looks for itself which sentences can be read alone."""
    return salient(sentences, COUNT, title)


def oracle(document: Document) -> list[int]:
    """Sentences chosen one by one, each for the facts that it adds: about what could be reached."""
    needles = {needle for fact in document.source.facts for one in fact.needles for needle in one}
    useful = [
        place for place, text in enumerate(document.squeezed) if any(needle in text for needle in needles)
    ]
    chosen: list[int] = []
    for _ in range(min(COUNT, len(useful))):
        chosen = sorted({*chosen, max(useful, key=lambda one: sum(held(document, sorted({*chosen, one}))))})
    return chosen


METHODS: dict[str, tuple[Method, ...]] = {
    "ours": (ours,),
    "first ten": (first,),
    "random ten": tuple(any_ten(seed) for seed in range(SEEDS)),
    "TextRank": (textrank,),
}


# the measure


def measure(shared: Path, tokenizer_json: str, halves: Sequence[str]) -> dict[str, Any]:
    """Facts held of ten by each method, per half and per document, and what each prior brings."""
    sources = [source for source in load_sources() if source.half in halves]
    documents = list(read_documents(sources, shared, tokenizer_json))
    by_half = {half: [one for one in documents if one.source.half == half] for half in halves}
    return {
        "count": COUNT,
        "halves": {half: compare(ones) for half, ones in by_half.items()},
        "documents": {one.source.pdf: each(one) for one in documents},
        "left_out": {half: left_out(ones) for half, ones in by_half.items()},
    }


def compare(documents: Sequence[Document]) -> dict[str, dict[str, float]]:
    """By method: facts, characters and tenths of the document, means over `documents`.

    Each method chooses from all sentences but entries of contents pages, and from those that ours would call
    readable, so that what the choice brings is told apart from what leaving out headings and scraps does.
    """
    rows: dict[str, dict[str, float]] = {}
    for name, methods in METHODS.items():
        for pool in ("readable",) if name == "ours" else ("all", "readable"):
            told = [
                _told(one, method(one.sentences, _among(one, pool), one.title))
                for one in documents
                for method in methods
            ]
            rows[name if name == "ours" else f"{name}, {pool}"] = _means(told)
    rows["best possible"] = _means([_told(one, oracle(one)) for one in documents])
    return rows


def each(document: Document) -> dict[str, float]:
    """Facts of one document held by each method, of all sentences but entries of contents pages."""
    return {
        name: mean(
            [
                sum(held(document, method(document.sentences, _among(document, "all"), document.title)))
                for method in methods
            ]
        )
        for name, methods in METHODS.items()
    }


def left_out(documents: Sequence[Document]) -> dict[str, dict[str, float]]:
    """For each weight, the facts held on average without it, and how many fewer that are."""
    whole = _facts(documents, WEIGHTS)
    rows = {}
    for weight in fields(WEIGHTS):
        without = _facts(documents, replace(WEIGHTS, **{weight.name: 0.0}))
        rows[weight.name] = {"facts": without, "brings": whole - without}
    return rows


def _facts(documents: Sequence[Document], weights: Any) -> float:
    return mean([sum(held(one, salient(one.sentences, COUNT, one.title, weights))) for one in documents])


def _among(document: Document, pool: str) -> list[int]:
    return [
        place
        for place, sentence in enumerate(document.sentences)
        if sentence.kind != "contents" and (pool == "all" or readable(sentence, document.title))
    ]


def _told(document: Document, places: Sequence[int]) -> dict[str, float]:
    chosen = [document.sentences[place] for place in places]
    total = document.sentences[-1].end
    return {
        "facts": float(sum(held(document, places))),
        "characters": float(sum(len(sentence.text) for sentence in chosen)),
        "tenths of the document": float(len({sentence.start * SLICES // total for sentence in chosen})),
    }


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: mean([row[name] for row in rows]) for name in rows[0]}
