"""Retrieved passages → the passages without copies, and for each the copies of it that were left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from indexes.search.copies import Copy, without_copies
from indexes.search.editions import OPENING, document_date, edition_name
from indexes.types import Passage, StoredDocument
from ingest.document import Chunk
from ingest.errors import Notice
from rag.answer import LeftOut, PackedPassage
from rag.asking.retrieve import Retrieved
from rag.asking.stages import Stages


@dataclass(frozen=True, slots=True)
class DistinctPassages:
    """The passages for one question without copies, best first.

    Attributes:
        left_out: the copies, each beside the chunk that is kept in its place.
    """

    question: str
    passages: Sequence[Passage]
    left_out: tuple[tuple[Chunk, LeftOut], ...] = ()
    warnings: tuple[Notice, ...] = ()

    def with_copies(self, shown: Sequence[PackedPassage]) -> tuple[PackedPassage, ...]:
        """`shown`, where each passage names the copies of its chunks that were left out."""
        return tuple(_with_copies(packed, self.left_out) for packed in shown)


def leave_out_copies(stages: Stages, retrieved: Retrieved) -> DistinctPassages:
    """The passages without copies.

    Of passages with the same words the best one stays, or the one of the edition that the query asks for.
    """
    kept = without_copies(
        retrieved.passages, stages.engine.with_id, partial(date_of, stages), retrieved.query
    )
    chunks = {passage.chunk.id: passage.chunk for passage in retrieved.passages}
    left_out = tuple((chunks[copy.kept], _left_out(stages, copy, chunks)) for copy in kept.copies)
    return DistinctPassages(retrieved.query, kept.passages, left_out, retrieved.warnings)


def date_of(stages: Stages, document: StoredDocument) -> str | None:
    """The date of a document in ISO 8601; None where it has none.

    Dates are kept in `stages.dates`, because finding one takes reading the document's first words.
    """
    key = document.document_id, document.title, document.path
    if key not in stages.dates:
        opening = stages.engine.text(document, 0, OPENING)
        stages.dates[key] = document_date(document.title, document.path, opening)
    return stages.dates[key]


def _left_out(stages: Stages, copy: Copy, chunks: Mapping[str, Chunk]) -> LeftOut:
    kept, dropped = chunks[copy.kept], chunks[copy.dropped]
    document = stages.engine.with_id(dropped.document_id)
    shown = stages.engine.with_id(kept.document_id)
    edition = (
        document.document_id != shown.document_id
        and edition_name(document.title) == edition_name(shown.title) != ""
    )
    return LeftOut(
        document_id=document.document_id,
        path=document.path,
        title=document.title,
        date=date_of(stages, document) if edition else None,
        first_page=dropped.first_page,
        last_page=dropped.last_page,
        start=kept.start,
        end=kept.end,
        reason=copy.reason,
        changed=copy.changed,
        unit=document.unit,
    )


def _with_copies(packed: PackedPassage, left_out: Sequence[tuple[Chunk, LeftOut]]) -> PackedPassage:
    own = (
        out
        for kept, out in left_out
        if kept.document_id == packed.document_id and out.start < packed.end and out.end > packed.start
    )
    return replace(packed, copies=tuple(own))
