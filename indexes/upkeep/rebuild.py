"""The stored text of an index → its terms and vectors, made again as ingest makes them."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexes.disk.documents import DocumentRow
from indexes.disk.store import Store
from indexes.disk.writer import Writer
from indexes.embedding import Pace, Progress, embed_documents
from indexes.models.embedder import Embedder
from ingest.korean.analyse import Analyser
from ingest.structure.terms import index_terms


def renew_terms(folder: Path, analyser: Analyser, progress: Progress = lambda *_: None) -> bool:
    """Make the postings in `folder` again if another version of `analyser` made them; True if it did.

    Raises:
        IndexNotFound, IndexBusy, IndexUnwritable, IndexDamaged.
    """
    with closing(Store(folder)) as store:
        manifest = store.built_with
    if manifest.analyser == analyser.name:
        return False
    manifest = replace(manifest, analyser=analyser.name)
    with Writer(folder, manifest, new_analyser=True) as writer:
        no_keys, no_vectors = np.zeros(0, np.int64), np.zeros((0, manifest.embedder.dim), np.float32)
        terms = stored_terms(writer.store, writer.rows, analyser, progress)
        writer.replace((), no_keys, no_vectors, terms)
    return True


def stored_terms(
    store: Store,
    documents: Sequence[DocumentRow],
    analyser: Analyser,
    progress: Progress = lambda *_: None,
) -> Iterator[tuple[int, str, str]]:
    """Yields (chunk key, document id, terms joined with spaces) of every chunk, document by document.

    Raises:
        IndexDamaged: a stored text is damaged.
    """
    done, total = 0, sum(row.document.chunks for row in documents)
    for row in documents:
        chunks = store.texts.chunks_of(row)
        for offset, terms in enumerate(index_terms(analyser, row.document.title, chunks)):
            yield row.content + offset, row.document.document_id, terms
        done += len(chunks)
        progress(done, total)


def stored_vectors(
    store: Store,
    documents: Sequence[DocumentRow],
    embedder: Embedder,
    progress: Progress = lambda *_: None,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yields keys (N,) and vectors (N, D) of the chunks of a few of `documents` at a time, by ascending key.

    Raises:
        IndexDamaged: a stored text is damaged.
        TextTooLong: the embedder would cut a chunk.
    """
    documents = sorted(documents, key=lambda row: row.content)
    done, total, pace = 0, sum(row.document.chunks for row in documents), Pace()
    first = 0
    while first < len(documents):
        together = _from(documents, first, pace.chunks)
        contents = [(row.document.title, store.texts.chunks_of(row)) for row in together]
        started = time.monotonic()
        vectors = embed_documents(embedder, contents, lambda count, done=done: progress(done + count, total))
        chunks = sum(row.document.chunks for row in together)
        pace.note(chunks, time.monotonic() - started)
        first, done = first + len(together), done + chunks
        progress(done, total)
        keys = [np.arange(row.keys.start, row.keys.stop, dtype=np.int64) for row in together]
        yield np.concatenate(keys), np.concatenate(vectors)


def _from(documents: Sequence[DocumentRow], first: int, chunks: int) -> list[DocumentRow]:
    """The fewest of `documents`, from index `first` on, that together have at least `chunks` chunks; at least one."""
    together: list[DocumentRow] = []
    for row in islice(documents, first, None):
        together.append(row)
        chunks -= row.document.chunks
        if chunks <= 0:
            break
    return together
