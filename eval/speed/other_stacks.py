"""`python -m eval.speed.other_stacks langchain|llamaindex`: paths in, seconds and counts out, as JSON.

The path from PDFs to a vector index and BM25 that each project's own guide shows first, with
nothing tuned for or against Korean; both embed with the embedder that ships here. Runs in an
environment of its own (eval/bench-requirements.txt). Nothing is saved to disk, and imports are not
on the clock.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version

from indexes.models.embedder import open_embedder

PACKAGES = {
    "langchain": (
        "langchain-core",
        "langchain-community",
        "langchain-text-splitters",
        "pypdf",
        "faiss-cpu",
        "rank-bm25",
    ),
    "llamaindex": (
        "llama-index-core",
        "llama-index-readers-file",
        "llama-index-retrievers-bm25",
        "pypdf",
        "bm25s",
    ),
}


def langchain(paths: Sequence[str]) -> Callable[[], dict]:
    """PyPDFLoader → RecursiveCharacterTextSplitter(1000, 200) → FAISS and BM25Retriever."""
    from langchain_community.document_loaders import PyPDFLoader
    from langchain_community.retrievers import BM25Retriever
    from langchain_community.vectorstores import FAISS
    from langchain_core.embeddings import Embeddings
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    class Embedded(Embeddings):
        def __init__(self) -> None:
            self._embedder = open_embedder("embedded")

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return self._embedder.embed_passages(texts).tolist()

        def embed_query(self, text: str) -> list[float]:
            return self._embedder.embed_queries([text])[0].tolist()

    def run() -> dict:
        clock = _Clock()
        pages, failed = _load_each(paths, lambda path: PyPDFLoader(path).load())
        clock.lap("read")
        splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)
        chunks = splitter.split_documents(pages)
        clock.lap("split")
        FAISS.from_documents(chunks, Embedded())
        clock.lap("embed_and_index")
        BM25Retriever.from_documents(chunks)
        clock.lap("bm25")
        return {"pages": len(pages), "chunks": len(chunks), "failed": failed} | clock.result()

    return run


def llamaindex(paths: Sequence[str]) -> Callable[[], dict]:
    """SimpleDirectoryReader → SentenceSplitter → VectorStoreIndex and BM25Retriever."""
    from llama_index.core import SimpleDirectoryReader, VectorStoreIndex
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.retrievers.bm25 import BM25Retriever

    embedder = open_embedder("embedded")

    class Embedded(BaseEmbedding):
        def _get_text_embedding(self, text: str) -> list[float]:
            return embedder.embed_passages([text])[0].tolist()

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return embedder.embed_passages(texts).tolist()

        def _get_query_embedding(self, query: str) -> list[float]:
            return embedder.embed_queries([query])[0].tolist()

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

    def run() -> dict:
        clock = _Clock()
        pages, failed = _load_each(paths, lambda path: SimpleDirectoryReader(input_files=[path]).load_data())
        clock.lap("read")
        nodes = SentenceSplitter().get_nodes_from_documents(pages)
        clock.lap("split")
        VectorStoreIndex(nodes, embed_model=Embedded())
        clock.lap("embed_and_index")
        BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=10)
        clock.lap("bm25")
        return {"pages": len(pages), "chunks": len(nodes), "failed": failed} | clock.result()

    return run


class _Clock:
    """Seconds of each step, and of all."""

    def __init__(self) -> None:
        self._started = self._last = time.monotonic()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self._laps[name], self._last = now - self._last, now

    def result(self) -> dict:
        return {"seconds": self._last - self._started, "steps": self._laps}


def _load_each(paths: Sequence[str], load: Callable[[str], list]) -> tuple[list, int]:
    """The pages of all files, and how many files could not be read: one bad file ends neither run."""
    pages, failed = [], 0
    for path in paths:
        try:
            pages += load(path)
        except Exception:  # noqa: BLE001 - whatever a reader raises, the file counts as failed
            failed += 1
    return pages, failed


def main(stack: str) -> None:
    """Read paths from standard input, one a line; write one JSON object."""
    paths = [line for line in sys.stdin.read().splitlines() if line]
    run = {"langchain": langchain, "llamaindex": llamaindex}[stack](paths)
    result = run() | {"versions": {name: version(name) for name in PACKAGES[stack]}}
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1])
