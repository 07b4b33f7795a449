"""A document → the sentences that say most of it, word for word: a summary without a model."""

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.document import CELL_SEPARATOR, Chunk, ChunkKind
from ingest.korean import sentence_spans
from rag.support import trim


@dataclass(frozen=True, slots=True)
class SourceSentence:
    """`text == document.text[start:end]`, without the blanks around it.

    `context`: the breadcrumb of its chunk. `begins`: nothing stands before it on its line.
    """

    text: str
    start: int
    end: int
    context: str
    kind: ChunkKind
    first_page: int
    begins: bool

    @property
    def is_row(self) -> bool:
        """Whether it is a row of a table."""
        return CELL_SEPARATOR in self.text


def source_sentences(chunks: Sequence[Chunk]) -> list[SourceSentence]:
    """The sentences of a document in reading order, from all its chunks, which tile it."""
    if not chunks:
        return []
    text, origin = "".join(chunk.text for chunk in chunks), chunks[0].start
    found, place = [], 0
    for start, end in sentence_spans(text):
        words = trim(text[start:end])
        if not words:
            continue
        start = text.index(words, start)
        while place + 1 < len(chunks) and chunks[place + 1].start <= origin + start:
            place += 1
        chunk = chunks[place]
        begins = not text[text.rfind("\n", 0, start) + 1 : start].strip()
        found.append(
            SourceSentence(
                words,
                origin + start,
                origin + start + len(words),
                chunk.context,
                chunk.kind,
                chunk.first_page,
                begins,
            )
        )
    return found


def salient(sentences: Sequence[SourceSentence], count: int, title: str = "") -> list[int]:
    """Places in `sentences` of the `count` that say most, in reading order; fewer where there are fewer."""
    usable = [
        place
        for place, sentence in enumerate(sentences)
        if sentence.kind == "text" and not sentence.is_row and len(sentence.text) > 20
    ]
    return sorted((usable or list(range(len(sentences))))[:count])
