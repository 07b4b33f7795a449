"""What the model may call: its description for the model, and the function that answers a call."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from indexes.errors import AmbiguousDocument, DocumentNotFound
from indexes.types import Filter, Place, StoredDocument
from ingest.document import Page
from ingest.errors import Notice
from ingest.korean.analyse import LONGEST_ROW, sentence_spans
from rag.answer import PackedPassage
from rag.asking.copies import leave_out_copies
from rag.asking.read import MOST_CHARACTERS
from rag.asking.retrieve import retrieve
from rag.asking.stages import Stages
from rag.prompting.packing import Shelf, unmarked
from rag.prompting.prompts import (
    FOUND,
    FOUND_NOTHING,
    NO_DOCUMENT,
    NO_PAGE,
    OPEN_PAGES,
    OPENED,
    OPENED_NOTHING,
    SEARCH_DOCUMENTS,
    UNREADABLE,
    shown_text,
)
from rag.prompting.tokens import ToolSpec
from rag.wording.places import one_line

SEARCHED = 5  # passages that a search gives where the model does not say how many
DEPTH = 4  # passages retrieved for each one given, because copies among them are left out
OPENED_PAGES = 10


@dataclass(frozen=True, slots=True)
class Result:
    """What a call gives back: text, and passages that may be cited.

    Attributes:
        passages: without final markers, which `Record` gives them.
        warnings: for the user.
        error: the call could not be run; `text` says why.
    """

    text: str
    passages: tuple[PackedPassage, ...] = ()
    warnings: tuple[Notice, ...] = ()
    error: bool = False


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: its description for the model, and what runs a call whose arguments fit the description."""

    spec: ToolSpec
    run: Callable[..., Result]


def document_tools(stages: Stages, allowed: Filter) -> list[Tool]:
    """The tools search_documents and open_pages, over the documents that `allowed` lets through."""
    return [
        Tool(SEARCH_DOCUMENTS, partial(_search_documents, stages, allowed)),
        Tool(OPEN_PAGES, partial(_open_pages, stages, allowed)),
    ]


def _search_documents(
    stages: Stages, allowed: Filter, query: str, document: str = "", k: int = SEARCHED
) -> Result:
    if document:
        named = _named(stages, document, allowed)
        if isinstance(named, Result):
            return named
        allowed = replace(allowed, documents=(named.document_id,))
    (retrieved,) = retrieve(stages.retrieval.with_search(DEPTH * k), [query[:MOST_CHARACTERS]], allowed)
    distinct = leave_out_copies(stages, retrieved)
    shelf, count = shelf_of(stages), stages.tokenizer.count
    packed = [shelf.take(passage, count(shown_text(passage.chunk.text))) for passage in distinct.passages[:k]]
    return Result(FOUND if packed else FOUND_NOTHING, distinct.with_copies(packed), distinct.warnings)


def _open_pages(stages: Stages, allowed: Filter, document: str, first_page: int, last_page: int) -> Result:
    named = _named(stages, document, allowed)
    if isinstance(named, Result):
        return named
    if first_page > named.pages:
        return Result(NO_PAGE.format(pages=named.pages), error=True)
    last_page = min(max(first_page, last_page), first_page + OPENED_PAGES - 1)
    pages = [p for p in stages.engine.pages(named.document_id) if first_page <= p.number <= last_page]
    opened = tuple(_opened(stages, named, pages))
    unreadable = ", ".join(str(page.number) for page in pages if not page.readable)
    text = UNREADABLE.format(pages=unreadable) if unreadable else ""
    return Result(text + (OPENED if opened else OPENED_NOTHING), opened)


def _opened(stages: Stages, document: StoredDocument, pages: Sequence[Page]) -> Iterator[PackedPassage]:
    """A passage for each of `pages`, which follow each other: the whole sentences that begin on the page.

    The first passage also has the sentence that continues from the page before. A page without text has none.
    """
    start, end = pages[0].start, pages[-1].end
    low = max(0, start - LONGEST_ROW)
    around = stages.engine.text(document, low, end + LONGEST_ROW)
    spans: dict[int, tuple[int, int]] = {}
    for first, last in ((low + a, low + b) for a, b in sentence_spans(around)):
        if last > start and first < end:
            number = next((page.number for page in pages if first < page.end), pages[-1].number)
            spans[number] = (spans.get(number, (first, last))[0], last)
    for first, last in spans.values():
        text = around[first - low : last - low]
        if text.strip():
            tokens = stages.tokenizer.count(shown_text(text))
            yield unmarked(document, Place(pages[0].number, pages[-1].number, None), first, text, tokens)


def shelf_of(stages: Stages) -> Shelf:
    """Where passages for the model are taken from."""
    return Shelf(stages.engine.with_id, stages.engine.place_of, stages.tokenizer, counted=False)


def _named(stages: Stages, name: str, allowed: Filter) -> StoredDocument | Result:
    """The document that the model names, or the result that says it is missing or ambiguous.

    A document that `allowed` hides counts as missing.
    """
    try:
        return stages.engine.document(name, allowed)
    except DocumentNotFound:
        return Result(NO_DOCUMENT.format(name=one_line(name)), error=True)
    except AmbiguousDocument as exc:
        return Result(exc.say("ko"), error=True)
