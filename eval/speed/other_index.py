"""`python -m eval.speed.other_index TEXTS QUERIES`: LangChain's FAISS and BM25Retriever over the same chunks; JSON.

As its guide shows them: FAISS saved with `save_local`, BM25Retriever, which has no way to be saved or
added to, built anew from the texts. Runs in an environment of its own (eval/bench-requirements.txt).
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from eval.speed.latency import quantiles
from eval.speed.memory import pss_mb
from indexes.models.embedder import open_embedder


def main(texts_path: str, queries_path: str) -> None:
    """Measure and print."""
    from langchain_community.retrievers import BM25Retriever
    from langchain_community.vectorstores import FAISS
    from langchain_core.embeddings import Embeddings

    embedder = open_embedder("embedded")

    class Embedded(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return embedder.embed_passages(texts).tolist()

        def embed_query(self, text: str) -> list[float]:
            return embedder.embed_queries([text])[0].tolist()

    os.sched_setaffinity(0, {0})
    texts = [json.loads(line) for line in Path(texts_path).read_text("utf-8").splitlines()]
    queries = json.loads(Path(queries_path).read_text("utf-8"))
    row: dict = {"chunks": len(texts)}
    embedded = Embedded()
    store = FAISS.from_texts(texts, embedded)
    before = pss_mb(os.getpid())
    with tempfile.TemporaryDirectory() as folder:
        store.save_local(folder)
        started = time.perf_counter()
        store = FAISS.load_local(folder, embedded, allow_dangerous_deserialization=True)
        words = BM25Retriever.from_texts(texts, k=10)
        row["load_s"] = time.perf_counter() - started
        row["memory_mb"] = pss_mb(os.getpid()) - before
        row["lexical"] = quantiles(words.invoke, queries)
        row["dense"] = quantiles(lambda query: store.similarity_search(query, k=10), queries)
        row["both"] = quantiles(
            lambda query: (words.invoke(query), store.similarity_search(query, k=10)), queries
        )
        started = time.perf_counter()
        store.add_texts(texts[:100])
        store.save_local(folder)
        BM25Retriever.from_texts([*texts, *texts[:100]], k=10)
        row["add_and_save_s"] = time.perf_counter() - started
    print(json.dumps(row))


if __name__ == "__main__":
    main(*sys.argv[1:])
