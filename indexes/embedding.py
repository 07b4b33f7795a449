"""Documents → the vectors of their chunks: many documents at a time, in a separate thread."""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from indexes.models.embedder import Embedder, OnBatch
from ingest.document import Chunk
from ingest.parse import Parsed
from ingest.structure.terms import searched_text

# Called with (chunks done, all chunks).
Progress = Callable[[int, int], None]


class Pace:
    """The number of chunks to embed at a time, so that it takes about `seconds`, by the speed of the last time.

    A fast embedder gets many chunks, so that texts of similar length can be put together. A slow one gets few,
    because unfinished work is lost when the process ends.
    """

    LEAST, MOST = 16, 4096

    def __init__(self, seconds: float = 10.0) -> None:
        self.chunks = 64
        self._seconds = seconds

    def note(self, chunks: int, seconds: float) -> None:
        """Set the next number from the last: `chunks` were embedded in `seconds`."""
        rate = chunks / max(seconds, 1e-3)
        self.chunks = min(self.MOST, max(self.LEAST, int(rate * self._seconds)))


def embed_chunks(embedder: Embedder, title: str, chunks: Sequence[Chunk]) -> NDArray[np.float32]:
    """(N, D): the vectors of one document's chunks; rows of zeros for chunks that are not searched."""
    return embed_documents(embedder, [(title, chunks)])[0]


def embed_documents(
    embedder: Embedder,
    documents: Sequence[tuple[str, Sequence[Chunk]]],
    on_batch: OnBatch = lambda _: None,
) -> list[NDArray[np.float32]]:
    """(N, D) for each document: the vectors of its chunks; rows of zeros for chunks that are not searched.

    All documents are embedded together, because three chunks at a time would leave a GPU idle.

    Args:
        documents: (title, chunks) of each; at least one.

    Raises:
        TextTooLong: the embedder would cut a chunk.
    """
    texts = [searched_text(title, chunk) for title, chunks in documents for chunk in chunks]
    vectors = np.zeros((len(texts), embedder.identity.dim), np.float32)
    searched = [row for row, text in enumerate(texts) if text]
    if searched:
        vectors[searched] = embedder.embed_passages([texts[row] for row in searched], on_batch)
    ends = np.cumsum([len(chunks) for _, chunks in documents])
    return np.split(vectors, ends[:-1])


class EmbeddingThread:
    """Embeds documents in a separate thread, some seconds of work at a time, while others are read.

    A context manager. Documents come back in the order in which they were given.
    """

    def __init__(self, embedder: Embedder, progress: Progress) -> None:
        self._embedder = embedder
        self._progress = progress
        self._thread = ThreadPoolExecutor(1, "embed")
        self._pace = Pace()
        self._waiting: list[Parsed] = []
        self._running: Future[list[tuple[Parsed, NDArray[np.float32]]]] | None = None
        self._given = self._done = 0
        self._until = math.inf

    def __enter__(self) -> "EmbeddingThread":
        return self

    def __exit__(self, *exc_info) -> None:
        self._until = 0.0
        self._thread.shutdown()

    @property
    def held(self) -> int:
        """The number of chunks in documents that were given and not yet returned."""
        return self._given - self._done

    def give(self, parsed: Parsed) -> list[tuple[Parsed, NDArray[np.float32]]]:
        """Take a document; returns documents given earlier that are embedded now, with their vectors."""
        self._waiting.append(parsed)
        self._given += len(parsed.chunks)
        if sum(len(waiting.chunks) for waiting in self._waiting) < self._pace.chunks:
            return []
        return self._collect(start=True)

    def finish(self, seconds: float = math.inf) -> list[tuple[Parsed, NDArray[np.float32]]]:
        """The rest of the documents with their vectors; those not embedded within `seconds` are dropped."""
        self._until = time.monotonic() + seconds
        return self._collect(start=True) + self._collect(start=False)

    def _collect(self, *, start: bool) -> list[tuple[Parsed, NDArray[np.float32]]]:
        """Wait for the batch in the thread, then submit the waiting documents if `start`; returns the batch."""
        found = []
        if self._running is not None:
            try:
                found = self._running.result()
            except _Late:
                self._waiting.clear()
            except BaseException:
                if self._running.done():  # the embedder raised, not Ctrl-C in this thread
                    self._waiting.clear()
                raise
            finally:
                if self._running.done():
                    self._running = None
        self._done += sum(len(parsed.chunks) for parsed, _ in found)
        if start and self._waiting:
            self._running = self._thread.submit(self._embed, self._waiting)
            self._waiting = []
        return found

    def _embed(self, documents: Sequence[Parsed]) -> list[tuple[Parsed, NDArray[np.float32]]]:
        before, started = self._done, time.monotonic()

        def on_batch(count: int) -> None:
            if time.monotonic() > self._until:
                raise _Late
            self._progress(before + count, self._given)

        contents = [(parsed.document.title, parsed.chunks) for parsed in documents]
        vectors = embed_documents(self._embedder, contents, on_batch)
        self._pace.note(sum(len(chunks) for _, chunks in contents), time.monotonic() - started)
        return list(zip(documents, vectors, strict=True))


class _Late(Exception):
    """There is no time left to embed."""
