"""SearchResult, Answer, Summary and their parts: plain data, as the JSON contract shows it.

What a caller of the Python API gets (Passage, Citation, SearchResult, Answer, Summary, FailedSummary,
IngestReport, and Comparison in `rag.comparing`) has four forms: `str` is text for a person, in Korean or English by the
locale; `repr` is one line for a programmer; `_repr_html_` is HTML for a notebook, without script and with all text
escaped; `to_dict` is the JSON object that `rag … --json` prints, and `json.dumps` takes it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, overload

from indexes import report
from indexes.types import Understood
from ingest.document import Chunk
from ingest.errors import Notice, PipelineError
from ingest.raw import Unit
from rag.display.html import answer_html, citation_html, passage_html, search_html, summary_html, text_html
from rag.display.line import (
    answer_line,
    citation_line,
    failed_summary_line,
    ingest_line,
    passage_line,
    search_line,
    summary_line,
)
from rag.display.text import (
    answer_text,
    citation_text,
    failed_summary_text,
    ingest_text,
    passage_text,
    search_text,
    summary_text,
)
from rag.language import language
from rag.wire import bodies, shapes
from rag.wire.shapes import Support


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that a search found, with the names of its document. A higher score is better; ranks count from 1.

    `unit`: what its pages are: pages, or sections in a format without pages. `ocr`: the lowest confidence, from 0
    to 1, among its pages that OCR read; None where OCR read none of them.
    """

    rank: int
    score: float
    chunk: Chunk
    path: str
    title: str
    unit: Unit = "page"
    ocr: float | None = None

    @property
    def chunk_id(self) -> str:
        """«document_id:start-end»."""
        return self.chunk.id

    @property
    def document_id(self) -> str:
        return self.chunk.document_id

    @property
    def context(self) -> str:
        """The headings above the chunk; inside a table also the table's header and unit."""
        return self.chunk.context

    @property
    def first_page(self) -> int:
        return self.chunk.first_page

    @property
    def last_page(self) -> int:
        return self.chunk.last_page

    @property
    def start(self) -> int:
        """Where the text begins in the document's text, in characters."""
        return self.chunk.start

    @property
    def end(self) -> int:
        """Where the text ends in the document's text, in characters; exclusive."""
        return self.chunk.end

    @property
    def text(self) -> str:
        """The document's own words: `document.text[start:end]`."""
        return self.chunk.text

    def __str__(self) -> str:
        return passage_text(self)

    def __repr__(self) -> str:
        return passage_line(self)

    def _repr_html_(self) -> str:
        return passage_html(self)

    def to_dict(self) -> shapes.Passage:
        """The JSON object that `rag.wire` states for it."""
        return bodies.passage_json(self)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A passage that was found but not shown, because it repeats text[start:end] of the document shown.

    `reason`: it is a "copy", or from an "older" edition of the document shown, or from a "newer" edition than the
    one that was asked for. `changed`: that edition says something else there.
    `date`: the date of its document (ISO 8601, as exact as it is known) if that is an edition of the one shown.
    `start` and `end` are characters of the document shown; the pages are those of the passage left out.
    """

    document_id: str
    path: str
    title: str
    date: str | None
    first_page: int
    last_page: int
    start: int
    end: int
    reason: Literal["copy", "older", "newer"]
    changed: bool = False
    unit: Unit = "page"


@dataclass(frozen=True, slots=True)
class PackedPassage:
    """What the model saw under `marker`: `text == document.text[start:end]`, whole sentences.

    It may join chunks that touch; `score` is then the best of theirs, as the retriever gave it. `unit` and `ocr`
    are as in `Passage`. `copies`: the passages that were left out because they repeat it.
    """

    marker: int
    document_id: str
    path: str
    title: str
    context: str
    first_page: int
    last_page: int
    start: int
    end: int
    text: str
    tokens: int
    score: float
    unit: Unit = "page"
    ocr: float | None = None
    copies: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class BudgetLedger:
    """How the window's tokens are spent. The parts sum to `prompt`; `free` is what is left of the window.

    `reserved_output` includes the margin kept for servers that tokenise themselves.
    """

    window: int
    reserved_output: int
    template: int
    system: int
    history: int
    passages: int
    question: int
    prompt: int
    free: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of an answer: `text == answer.text[start:end]`; its markers follow it there."""

    text: str
    start: int
    end: int
    markers: tuple[int, ...]
    support: Support


@dataclass(frozen=True, slots=True)
class Citation:
    """The evidence for one sentence: `quote == document.text[start:end]`, looked up, never generated.

    `columns`: if the quote is a row of a table, the table's unit and the names of its columns; else empty.
    `unit` and `ocr` are as in `Passage`, but for the quote's own pages.
    """

    sentence: int  # index into Answer.sentences
    marker: int
    document_id: str
    path: str
    title: str
    first_page: int
    last_page: int
    start: int
    end: int
    quote: str
    support: Support
    columns: str = ""
    unit: Unit = "page"
    ocr: float | None = None

    def __str__(self) -> str:
        return citation_text(self)

    def __repr__(self) -> str:
        return citation_line(self)

    def _repr_html_(self) -> str:
        return citation_html(self)

    def to_dict(self) -> shapes.Citation:
        """The JSON object that `rag.wire` states for it."""
        return bodies.citation_json(self)


@dataclass(frozen=True, slots=True)
class UnreadablePages:
    """The numbers of a searched document's pages that hold something that could not be read."""

    document_id: str
    path: str
    pages: tuple[int, ...]
    unit: Unit = "page"


@dataclass(frozen=True, slots=True)
class SearchResult(Sequence[Passage]):
    """The passages that a search found, best first: a sequence of them, and what there is to say about it.

    `understood`: the parts of the query that were taken for more than words, such as the name of a document.
    `unreadable_pages`: pages of the documents found that could not be read. `seconds`: the time of the query; if
    several were searched together, the mean of all.
    """

    query: str
    passages: tuple[Passage, ...]
    understood: tuple[Understood, ...]
    unreadable_pages: tuple[UnreadablePages, ...]
    warnings: tuple[Notice, ...]
    seconds: float

    def __len__(self) -> int:
        return len(self.passages)

    def __iter__(self) -> Iterator[Passage]:
        return iter(self.passages)

    @overload
    def __getitem__(self, index: int) -> Passage: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Passage, ...]: ...
    def __getitem__(self, index: int | slice) -> Passage | tuple[Passage, ...]:
        return self.passages[index]

    def __str__(self) -> str:
        return search_text(self)

    def __repr__(self) -> str:
        return search_line(self)

    def _repr_html_(self) -> str:
        return search_html(self)

    def to_dict(self) -> shapes.Search:
        """The JSON object that `rag.wire` states for it."""
        return bodies.search_json(self)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One tool call that the model made to find its answer, and the number of passages that it got.

    `error`: what the model was told if the call could not be run; else empty.
    """

    name: str
    arguments: dict[str, Any]
    passages: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question, with its evidence. `abstained`: the documents hold no answer.

    `standalone`: the question as it was searched for and asked; in a conversation it may say more than
    `question` does. `tool_calls`: what the model looked up itself. `asks_back`: the text is a question to the
    user, whose answer the model needs before it can search.
    """

    question: str
    text: str
    abstained: bool
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]
    passages: tuple[PackedPassage, ...]
    budget: BudgetLedger
    generator: str
    tokenizer: str
    warnings: tuple[Notice, ...]
    unreadable_pages: tuple[UnreadablePages, ...]
    seconds: float
    standalone: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    asks_back: bool = False

    def __str__(self) -> str:
        return answer_text(self)

    def __repr__(self) -> str:
        return answer_line(self)

    def _repr_html_(self) -> str:
        return answer_html(self)

    def to_dict(self) -> shapes.Answer:
        """The JSON object that `rag.wire` states for it."""
        return bodies.answer_json(self)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of a summary with its unit; `stands`: whether a quote of its sentence holds it."""

    sentence: int  # index into Summary.sentences
    text: str
    stands: bool


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which pages of a document went into its summary: page numbers, ascending; `pages` is their total.

    `pages_used`: pages with a quote behind a sentence of the summary, or behind a sentence of a window's summary
    that it was written from. `pages_unreadable`: pages that could not be read. `pages_unused`: all others. So
    each page is in exactly one of the three.
    `pages_read`: pages whose text was shown to the generator; without a model, pages that were considered.
    """

    pages: int
    pages_used: tuple[int, ...]
    pages_unused: tuple[int, ...]
    pages_unreadable: tuple[int, ...]
    pages_read: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SummarySection:
    """A chapter in a summary: `text[start:]` begins with its heading, and its sentences follow.

    The sentences are `Summary.sentences[first_sentence : first_sentence + count]`; the sections tile them. The
    pages are those of the chapter in the document.
    """

    heading: str
    start: int
    first_sentence: int
    count: int
    first_page: int
    last_page: int


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """A row of a summary: one of its sentences, in cells that `Summary.columns` names."""

    sentence: int  # index into Summary.sentences
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """The summary of one document, each sentence with its evidence.

    Markers number the distinct quotes, from 1 in the order of the text. `calls`: the number of completions that
    it took, in `levels` rounds, of which each summarises what the one before wrote: 1 where the document fitted
    into one window. Both are 0 where no model wrote it. `key`: a hash of the document and of all that decides the
    summary; where it is equal, the summary need not be made again.
    `sections`: only in a summary by chapters. `columns` and `rows`: only in one in rows; each row is a sentence.
    `unit`: what the document's pages are, as in `Passage`.
    """

    document_id: str
    path: str
    title: str
    kind: str
    text: str
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]
    figures: tuple[Figure, ...]
    coverage: Coverage
    calls: int
    levels: int
    prompt_tokens: int
    completion_tokens: int
    generator: str
    tokenizer: str
    key: str
    warnings: tuple[Notice, ...]
    seconds: float
    sections: tuple[SummarySection, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[SummaryRow, ...] = ()
    unit: Unit = "page"

    def __str__(self) -> str:
        return summary_text(self)

    def __repr__(self) -> str:
        return summary_line(self)

    def _repr_html_(self) -> str:
        return summary_html(self)

    def to_dict(self) -> shapes.Summary:
        """The JSON object that `rag.wire` states for it."""
        return bodies.summary_json(self)


@dataclass(frozen=True, slots=True)
class FailedSummary:
    """A document whose summary could not be made, and the error."""

    document_id: str
    path: str
    title: str
    kind: str
    error: PipelineError

    def __str__(self) -> str:
        return failed_summary_text(self)

    def __repr__(self) -> str:
        return failed_summary_line(self)

    def _repr_html_(self) -> str:
        return text_html(failed_summary_text(self))

    def to_dict(self) -> shapes.FailedSummary:
        """The JSON object that `rag.wire` states for it."""
        return bodies.failed_summary_json(self, language())


@dataclass(slots=True)
class IngestReport(report.IngestReport):
    """What one ingest did, in the form that callers of the Python API get."""

    @classmethod
    def of(cls, made: report.IngestReport) -> "IngestReport":
        """`made`, with the four forms of a result."""
        return cls(**{field.name: getattr(made, field.name) for field in fields(made)})

    def __str__(self) -> str:
        return ingest_text(self)

    def __repr__(self) -> str:
        return ingest_line(self)

    def _repr_html_(self) -> str:
        return text_html(ingest_text(self))

    def to_dict(self) -> shapes.Ingest:
        """The JSON object that `rag.wire` states for it."""
        return bodies.ingest_json(self, language())
