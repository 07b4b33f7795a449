"""Several documents → a table: a row for each name, a column for each document, in each cell a cited value.

A cell is answered by the ask flow over its one document, with a prompt of its own; all cells are one stream of
prompts.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from indexes.types import Filter, StoredDocument
from ingest.errors import Notice, PipelineError
from rag.answer import Answer, Citation
from rag.asking.ask import ask_pairs
from rag.asking.stages import Stages
from rag.comparing.shared_names import shared_names
from rag.display.html import comparison_html
from rag.display.line import comparison_line
from rag.display.text import comparison_text
from rag.errors import NoSharedNames
from rag.evidence.support import strongest
from rag.extracting.values import by_columns, extract_value, without_name
from rag.models.open import ExtractiveGenerator
from rag.prompting.prompts import CELL_SYSTEM, MARKER
from rag.wire import bodies, shapes
from rag.wire.shapes import Support
from rag.wording.notices import counted

NO_EVIDENCE = "근거 없음"
# Without names from the user, at most 8 rows are found.
ROWS = 8
# A cell is written from at most 8 passages, in at most 160 tokens.
CELL_PASSAGES, CELL_TOKENS = 8, 160


@dataclass(frozen=True, slots=True)
class ComparedDocument:
    """A document of the comparison: one column of the table."""

    document_id: str
    path: str
    title: str


@dataclass(frozen=True, slots=True)
class ComparisonCell:
    """The value of one row in one document; `text` is «근거 없음» (no evidence) if nothing there can be cited.

    `citations`: all from that document, the supported before the partly supported. `support`: the strongest verdict
    of a sentence in the cell.
    """

    document_id: str
    text: str
    citations: tuple[Citation, ...]
    support: Support

    @property
    def found(self) -> bool:
        return bool(self.citations)


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """A name and its cells, one for each document, in the order of the columns."""

    name: str
    cells: tuple[ComparisonCell, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Documents side by side. `rows_found`: the user gave no names, and the rows are names that documents share."""

    documents: tuple[ComparedDocument, ...]
    rows: tuple[ComparisonRow, ...]
    rows_found: bool
    generator: str
    tokenizer: str
    warnings: tuple[Notice, ...]
    seconds: float

    def __str__(self) -> str:
        return comparison_text(self)

    def __repr__(self) -> str:
        return comparison_line(self)

    def _repr_html_(self) -> str:
        return comparison_html(self)

    def to_dict(self) -> shapes.Comparison:
        """The JSON object that `rag.wire` states for it."""
        return bodies.comparison_json(self)


def compare(
    stages: Stages,
    documents: Sequence[StoredDocument],
    names: Sequence[str],
    allowed: Filter,
    most: int = ROWS,
    on_cell: Callable[[int, int], None] = lambda _done, _all: None,
) -> Comparison:
    """The comparison of `documents` by `names`; without names, by at most `most` names that documents share.

    Args:
        allowed: its groups say who asks; a document that they do not allow is not searched.
        on_cell: called after each cell with the number of cells done and of all cells.

    Raises:
        NoSharedNames: no names are given, and none are found.
        PipelineError: the error of the first cell that fails.
    """
    started = time.monotonic()
    rows = list(dict.fromkeys(names)) or shared_names(stages.engine, documents, most)
    if not rows:
        raise NoSharedNames(documents=len(documents))
    asked = [
        (name, Filter(allowed.groups, (document.document_id,))) for name in rows for document in documents
    ]
    cells: list[ComparisonCell] = []
    with closing(ask_pairs(_for_cells(stages), asked)) as answers:
        for (name, of), answer in zip(asked, answers, strict=True):
            if isinstance(answer, PipelineError):
                raise answer
            cells.append(_cell(name, of.documents[0], answer))
            on_cell(len(cells), len(asked))
    width = len(documents)
    table = [tuple(cells[start : start + width]) for start in range(0, len(cells), width)]
    return Comparison(
        documents=tuple(
            ComparedDocument(document_id=document.document_id, path=document.path, title=document.title)
            for document in documents
        ),
        rows=tuple(ComparisonRow(name, row) for name, row in zip(rows, table, strict=True)),
        rows_found=not names,
        generator=stages.generator.name,
        tokenizer=stages.tokenizer.name,
        warnings=_notices(cells),
        seconds=time.monotonic() - started,
    )


def _for_cells(stages: Stages) -> Stages:
    """`stages` changed to answer with a short value or, without a model, with the line that states the value."""
    if not stages.generator.writes:
        return replace(stages, generator=ExtractiveGenerator(extract_value), system=CELL_SYSTEM)
    retrieval = stages.retrieval.with_search(min(stages.retrieval.search.k, CELL_PASSAGES))
    reserved = min(stages.generation.reserved_output, CELL_TOKENS)
    generation = replace(stages.generation, reserved_output=reserved)
    return replace(stages, retrieval=retrieval, generation=generation, system=CELL_SYSTEM)


def _cell(name: str, document_id: str, answer: Answer) -> ComparisonCell:
    """The cell of `answer`: only its sentences that are supported, at least in part."""
    carried = [
        (place, sentence)
        for place, sentence in enumerate(answer.sentences)
        if sentence.support in ("supported", "partial")
    ]
    text = without_name(name, " ".join(MARKER.sub("", sentence.text) for _, sentence in carried))
    places = {place for place, _ in carried}
    citations = [c for c in answer.citations if c.sentence in places and c.support != "unsupported"]
    citations.sort(key=lambda citation: citation.support != "supported")
    if len(citations) == 1:
        text = by_columns(text, citations[0].quote, citations[0].columns)
    if not citations or not text:
        return ComparisonCell(document_id, text=NO_EVIDENCE, citations=(), support="uncited")
    support = strongest(sentence.support for _, sentence in carried)
    return ComparisonCell(document_id, text=text, citations=tuple(citations), support=support)


def _notices(cells: Sequence[ComparisonCell]) -> tuple[Notice, ...]:
    none = sum(not cell.found for cell in cells)
    partly = sum(cell.support == "partial" for cell in cells)
    of_none = (cells_without_evidence(none, len(cells)),) if none else ()
    return (*of_none, cells_in_part(partly)) if partly else of_none


def cells_without_evidence(count: int, cells: int) -> Notice:
    return Notice(
        "cells_without_evidence",
        f"칸 {cells}개 가운데 {count}개는 문서에서 근거를 찾지 못했습니다.",
        f"No evidence was found in the documents for {count} of {counted(cells, 'cell')}.",
    )


def cells_in_part(count: int) -> Notice:
    return Notice(
        "cells_in_part",
        f"칸 {count}개는 근거가 일부만 뒷받침합니다. 원문에서 확인하세요.",
        f"The evidence supports {counted(count, 'cell')} only in part. Check the documents.",
    )
