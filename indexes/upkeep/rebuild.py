"""Index terms and vectors made again from the stored text, as ingest makes them."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexes.disk.store import Store
from indexes.disk.writer import Writer
from indexes.embedding import Pace, Progress, embed_documents
from indexes.errors import IndexNotFound
from indexes.models.embedder import Embedder
from indexes.types import StoredDocument
from ingest.korean.analyse import Analyser
from ingest.structure.terms import index_terms


def renew_terms(folder: Path, analyser: Analyser, progress: Progress = lambda *_: None) -> bool:
    """Make the word index in `folder` anew where another version of `analyser` made it; whether it did.

    Raises:
        IndexNotFound, IndexBusy, IndexUnwritable, IndexDamaged.
    """
    with closing(Store(folder)) as store:
        manifest = store.manifest
    if manifest is None:
        raise IndexNotFound(path=folder)
    if manifest.analyser == analyser.name:
        return False
    manifest = replace(manifest, analyser=analyser.name)
    with Writer(folder, manifest, new_analyser=True) as writer:
        documents = sorted(writer.documents.values(), key=lambda document: document.content)
        no_keys, no_vectors = np.zeros(0, np.int64), np.zeros((0, manifest.embedder.dim), np.float32)

        def terms(store: Store) -> Iterator[tuple[int, str, str]]:
            return stored_terms(store, documents, analyser, progress)

        writer.replace((), no_keys, no_vectors, terms)
    return True


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
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Keys (N,) and vectors (N, D) of the chunks of some of `documents` at a time; all ascending.

    Raises:
        IndexDamaged: a stored text is not what it was.
        TextTooLong: the embedder would read a chunk in part only.
    """
    documents = sorted(documents, key=lambda document: document.content)
    done, total, pace = 0, sum(document.chunks for document in documents), Pace()
    first = 0
    while first < len(documents):
        together = _from(documents, first, pace.chunks)
        contents = [(document.title, store.chunks_of(document)) for document in together]
        started = time.monotonic()
        vectors = embed_documents(embedder, contents, lambda count, done=done: progress(done + count, total))
        chunks = sum(document.chunks for document in together)
        pace.note(chunks, time.monotonic() - started)
        first, done = first + len(together), done + chunks
        progress(done, total)
        keys = [np.arange(d.content, d.content + d.chunks, dtype=np.int64) for d in together]
        yield np.concatenate(keys), np.concatenate(vectors)


def _from(documents: Sequence[StoredDocument], first: int, chunks: int) -> list[StoredDocument]:
    """As many of `documents` from `first` on as hold so many chunks, and at least one."""
    together: list[StoredDocument] = []
    for document in islice(documents, first, None):
        together.append(document)
        chunks -= document.chunks
        if chunks <= 0:
            break
    return together
