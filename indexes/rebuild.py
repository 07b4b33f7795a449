"""Index terms and vectors made again from the stored text, as ingest makes them."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from indexes.embedder import Embedder
from indexes.store import Store, StoredDocument
from ingest.document import Chunk
from ingest.korean import Analyser
from ingest.terms import index_terms, searched_text

EMBED_BATCH = 256
# Called with (chunks done, chunks in all).
Progress = Callable[[int, int], None]


def embed_chunks(embedder: Embedder, title: str, chunks: Sequence[Chunk]) -> NDArray[np.float32]:
    """(N, D): the vectors of one document's chunks; zeros for what is not searched."""
    texts = [searched_text(title, chunk) for chunk in chunks]
    vectors = np.zeros((len(texts), embedder.identity.dim), np.float32)
    searched = [row for row, text in enumerate(texts) if text]
    for first in range(0, len(searched), EMBED_BATCH):
        rows = searched[first : first + EMBED_BATCH]
        vectors[rows] = embedder.embed_passages([texts[row] for row in rows])
    return vectors


def stored_terms(
    store: Store,
    documents: Sequence[StoredDocument],
    analyser: Analyser,
    progress: Progress = lambda *_: None,
) -> Iterator[tuple[int, str, str]]:
    """(chunk key, document id, terms joined with spaces) of every chunk, document by document.

    Raises:
        IndexDamaged: a stored text is not what it was.
    """
    done, total = 0, sum(document.chunks for document in documents)
    for document in documents:
        chunks = store.chunks_of(document)
        for offset, terms in enumerate(index_terms(analyser, document.title, chunks)):
            yield document.content + offset, document.id, terms
        done += len(chunks)
        progress(done, total)


def stored_vectors(
    store: Store,
    documents: Sequence[StoredDocument],
    embedder: Embedder,
    progress: Progress = lambda *_: None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Keys (N,) and vectors (N, D) of every chunk of `documents`, ascending.

    Raises:
        IndexDamaged: a stored text is not what it was.
    """
    documents = sorted(documents, key=lambda document: document.content)
    done, total = 0, sum(document.chunks for document in documents)
    parts = [np.zeros((0, embedder.identity.dim), np.float32)]
    for document in documents:
        parts.append(embed_chunks(embedder, document.title, store.chunks_of(document)))
        done += document.chunks
        progress(done, total)
    ranges = [np.arange(d.content, d.content + d.chunks) for d in documents]
    return np.concatenate([np.zeros(0, np.int64), *ranges]), np.concatenate(parts)
