"""Generated text with markers → sentences, and citations with the exact words of the document."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from indexes.types import Place
from ingest.document import CELL_SEPARATOR
from ingest.korean.analyse import sentence_spans
from ingest.structure.outline import UNIT
from rag.answer import Citation, PackedPassage, Sentence
from rag.evidence.support import best_span, strongest, verdict
from rag.prompting.markers import clean_markers
from rag.prompting.prompts import MARKER
from rag.wire.shapes import Support

# Markers as `clean_markers` writes them.
CLEAN = r"\[(\d{1,3})\]"
MARKERS_BEFORE = re.compile(rf"(?:\s*{CLEAN})+")
# Blanks and markers at the end of a text, for the reversed text: forwards, the search would begin at every blank.
MARKERS_BEHIND = re.compile(r"(?:\s|\]\d{1,3}\[)*+")
# A cell with a figure, which a row of column names does not have; a year such as 2024 may name a column.
FIGURE = re.compile(r"(?!20\d\d$)[\d.,%()△▲+\-–−]+")


@dataclass(frozen=True, slots=True)
class Resolved:
    """A text with markers of its passages only, its sentences and citations; `dropped` counts other markers."""

    text: str
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]
    dropped: int


def resolve(
    generated: str,
    passages: Sequence[PackedPassage],
    place_of: Callable[[str, int, int], Place],
) -> Resolved:
    """The sentences of `generated`, and their markers as citations of `passages`.

    Markers of other passages are dropped and counted.

    Args:
        place_of: the pages of a span of a document, by its id.
    """
    by_marker = {passage.marker: passage for passage in passages}
    text, dropped = clean_markers(generated, by_marker.keys())
    sentences, citations = [], []
    for start, end, markers in cited_spans(text):
        claim = MARKER.sub("", text[start:end])
        made = [cite(len(sentences), claim, by_marker[marker], place_of) for marker in markers]
        support: Support = strongest(citation.support for citation in made)
        sentences.append(Sentence(text[start:end], start, end, markers, support))
        citations += made
    return Resolved(text, tuple(sentences), tuple(citations), dropped)


def cited_spans(text: str) -> list[tuple[int, int, tuple[int, ...]]]:
    """The sentences of `text` as (start, end, markers); the markers behind a sentence are outside its span."""
    spans: list[tuple[int, int, tuple[int, ...]]] = []
    for start, end in sentence_spans(text):
        # «…다. [1] 다음 문장»: markers before a sentence belong to the one before it.
        if spans and (before := MARKERS_BEFORE.match(text, start, end)):
            previous_start, previous_end, markers = spans[-1]
            found = _markers(before[0])
            spans[-1] = (previous_start, previous_end, tuple(dict.fromkeys(markers + found)))
            start = before.end()
        words_end = end - MARKERS_BEHIND.match(text[start:end][::-1]).end()
        words_start = start + len(text[start:end]) - len(text[start:end].lstrip())
        if words_end > words_start:
            spans.append((words_start, words_end, _markers(text[start:end])))
    return spans


def _markers(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(int(number) for number in re.findall(CLEAN, text)))


def cite(
    sentence: int,
    claim: str,
    passage: PackedPassage,
    place_of: Callable[[str, int, int], Place],
) -> Citation:
    """The citation of the sentence of `passage` that supports `claim` best.

    Args:
        sentence: the index of the answer's sentence that says `claim`.
        place_of: the pages of a span of a document, by its id.
    """
    return cite_span(sentence, claim, passage, *best_span(claim, passage.text), place_of)


def cite_span(
    sentence: int,
    claim: str,
    passage: PackedPassage,
    start: int,
    end: int,
    place_of: Callable[[str, int, int], Place],
) -> Citation:
    """The citation of `passage.text[start:end]`; else as `cite`."""
    quote = passage.text[start:end]
    columns = columns_of(passage, start) if CELL_SEPARATOR in quote else ""
    start, end = passage.start + start, passage.start + end
    place = place_of(passage.document_id, start, end)
    around = f"{passage.title}\n{passage.context}"
    return Citation(
        sentence=sentence,
        marker=passage.marker,
        document_id=passage.document_id,
        path=passage.path,
        title=passage.title,
        first_page=place.first_page,
        last_page=place.last_page,
        start=start,
        end=end,
        quote=quote,
        support=verdict(claim, quote, around, columns),
        columns=columns,
        unit=passage.unit,
        ocr=place.ocr,
    )


def columns_of(passage: PackedPassage, start: int) -> str:
    """How to read the table row at `passage.text[start:]`: the table's unit and the names of its columns.

    They are taken from the passage's context, which ends with them where the table began in another chunk;
    what is missing there is taken from the lines above the row. Empty where no line looks like either.
    """
    parts = passage.context.split(" > ")
    unit = next((part for part in reversed(parts) if UNIT.fullmatch(part)), "")
    names = next((part for part in reversed(parts) if CELL_SEPARATOR in part), "")
    above = passage.text[:start].split("\n")
    above.pop()  # empty, or the beginning of the row itself
    first = None
    while above and CELL_SEPARATOR in above[-1]:
        first = above.pop()
    if not names and first and names_columns(first):
        names = first
    if not unit and above and (found := UNIT.search(above[-1])):
        unit = found[0].strip()
    return " > ".join(filter(None, [unit, names]))


def names_columns(row: str) -> bool:
    """Whether `row`, the first of its table, looks like the names of the columns: few figures, few blanks."""
    cells = [cell.strip(" |") for cell in row.split(CELL_SEPARATOR)]
    figures = sum(not cell or FIGURE.fullmatch(cell) is not None for cell in cells)
    return 2 * figures < len(cells)
