"""Small documents for an index, made without reading a file, and questions that tests ask of an index."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from indexes.build import ingest
from indexes.disk.retriever import Retriever
from indexes.disk.store import Store
from indexes.embedding import embed_chunks
from indexes.types import Manifest, NewContent, StoredDocument
from ingest.document import Chunk, Page, chunk_id
from ingest.korean.analyse import BigramAnalyser
from ingest.parse import IngestConfig, ParseOptions
from ingest.structure.chunking import ChunkingConfig
from ingest.structure.terms import index_terms
from tests.support.fakes import BigramEmbedder
from tests.support.parsing import CHARACTERS

EMBEDDER = BigramEmbedder()
ANALYSER = BigramAnalyser()
MANIFEST = Manifest(EMBEDDER.identity, ANALYSER.name, "characters")
ROOT = Path(__file__).parents[2]


def content(name: str, *texts: str, **fields) -> NewContent:
    """A document of one page whose chunks are `texts`; its id is made from `name`."""
    identity = name.encode().hex().ljust(16, "0")[:16]
    chunks, start = [], 0
    for text in texts:
        end = start + len(text)
        chunks.append(Chunk(chunk_id(identity, start, end), identity, start, end, text, "", 1, 1, len(text)))
        start = end
    document = StoredDocument(identity, name, (f"/문서/{name}.pdf",), (), "parser-1", 9)
    terms = tuple(" ".join(row) for row in ANALYSER.terms(texts))
    return NewContent(
        replace(document, **fields),
        [Page(1, "1", 0, start, True)],
        chunks,
        terms,
        EMBEDDER.embed_passages(texts),
    )


def as_ingested(added: NewContent) -> NewContent:
    """`added` with the terms and vectors that ingest and repair compute from its text."""
    title = added.document.title
    return replace(
        added,
        terms=index_terms(ANALYSER, title, added.chunks),
        vectors=embed_chunks(EMBEDDER, title, added.chunks),
    )


def numbered(number: int, chunks: int = 3) -> NewContent:
    return content(f"{number:04d}", *(f"{number}번 문서의 {part}번 조각이다. " for part in range(chunks)))


def reader(folder: Path) -> Retriever:
    return Retriever(folder, EMBEDDER, ANALYSER)


def found(retriever: Retriever, query: str, mode: str = "hybrid") -> list[str]:
    """The texts of the ten best passages for `query`."""
    return [passage.chunk.text for passage in retriever.retrieve([query], 10, mode)[0]]


def held(folder: Path) -> list[str]:
    """The titles of the documents in the last version; asserts that each document is whole."""
    store = Store(folder)
    rows = store.documents.of(store.version)
    for row in rows:
        assert store.texts.text(row)
    store.close()
    return [row.document.title for row in rows]


def python(program: str, *arguments, **more) -> subprocess.Popen:
    """A process of this Python that runs the source `program`; its output is a pipe."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        **more,
    )


# Adds one document in each commit, removes every third again, and prints the version after each commit. With a third
# argument it kills itself before that step of the writer, counted from 1.
ENDLESS_WRITER = """
import os, signal, sys
from itertools import count
from pathlib import Path
from indexes.disk.writer import Writer
from tests.support.indexes import MANIFEST, numbered
steps = count(1)
def on_step(_):
    if sys.argv[3:] == [str(next(steps))]:
        os.kill(os.getpid(), signal.SIGKILL)
with Writer(Path(sys.argv[1]), MANIFEST, on_step) as writer:
    print("open", flush=True)
    for number in count(int(sys.argv[2])):
        writer.add(numbered(number))
        if number % 3 == 2:
            writer.remove(numbered(number - 2).document.document_id)
        print(number, writer.commit(), flush=True)
"""


def short_chunks(**limits) -> ParseOptions:
    """Options for chunks of at most 60 characters, so that a small document has several."""
    limits = IngestConfig(**{"workers": 2} | limits)
    return ParseOptions(CHARACTERS, "bigram", ChunkingConfig(60), limits)


def ingest_files(index: Path, *paths: Path, embedder=None, parse: ParseOptions | None = None, **more):
    """What `indexes.build.ingest` returns for `paths` read into `index` with the fakes."""
    return ingest(
        index, paths, embedder or BigramEmbedder(), parse or short_chunks(), tokenizer="characters", **more
    )
