"""The open files of one version of an index → the part of it that one caller may search."""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from indexes.disk import dense
from indexes.disk.dense import DenseSegment
from indexes.disk.documents import DocumentRow
from indexes.disk.lexical import LexicalIndex
from indexes.disk.texts import Texts
from indexes.search.questions import Names, document_names
from ingest.document import Chunk


class OpenVersion:
    """The files of one version, open for searching, and its texts."""

    def __init__(
        self,
        rows: Sequence[DocumentRow],
        texts: Texts,
        segments: Sequence[DenseSegment],
        postings: Sequence[LexicalIndex],
    ) -> None:
        self.texts = texts
        self.segments = segments
        self.postings = postings
        ordered = sorted(rows, key=lambda row: row.content)
        self._contents = [row.content for row in ordered]
        self._ids = [row.document.document_id for row in ordered]

    def document_of(self, key: int) -> str:
        """The id of the document that holds the chunk with that key."""
        return self._ids[bisect_right(self._contents, key) - 1]


class Visible:
    """The chunks of a version that a filter lets through; see `indexes.search.candidates.Searched`."""

    def __init__(self, version: OpenVersion, rows: Sequence[DocumentRow], *, everything: bool) -> None:
        """
        Args:
            rows: of the documents that the filter lets through.
            everything: they are all documents of the version, so that searches need no filter and are quicker.
        """
        self._version = version
        self._ids = None if everything else [row.document.document_id for row in rows]
        self._ranges = key_ranges(rows)
        self.count = sum(row.document.chunks for row in rows)
        self.names: Names = document_names(row.document for row in rows)

    def by_words(
        self,
        terms: Mapping[str, float],
        k: int,
        documents: Collection[str] | None = None,
        having: str | None = None,
    ) -> dict[int, float]:
        ids = self._ids if documents is None else documents
        return {
            key: score
            for index in self._version.postings
            for key, score in index.search(terms, k, ids, having)
        }

    def by_meaning(self, vector: NDArray[np.float32], k: int) -> dict[int, float]:
        return dict(dense.search(self._version.segments, vector, k, self._ranges))

    def cosines(self, vector: NDArray[np.float32], keys: Collection[int]) -> dict[int, float]:
        return dense.scores_of(self._version.segments, vector, list(keys))

    def holders(self, term: str) -> int:
        return sum(index.holders(term) for index in self._version.postings)

    def document_of(self, key: int) -> str:
        return self._version.document_of(key)

    def chunks(self, keys: Collection[int]) -> dict[int, Chunk]:
        return self._version.texts.chunks(self._version.document_of, list(keys))


def key_ranges(rows: Iterable[DocumentRow]) -> dense.KeyRanges:
    """The chunk keys of these documents, as ascending half-open ranges."""
    return dense.key_ranges((row.content, row.document.chunks) for row in rows)
