"""What a model wrote of a window → sentences or rows, each with its evidence in the document; or those that stand in for it."""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from ingest.document import CELL_SEPARATOR, Chunk
from ingest.korean.analyse import fold
from rag.answer import Citation, PackedPassage, Support
from rag.evidence.citations import cite, cite_span, cited_spans, columns_of
from rag.evidence.support import coverage, missing_quantities, quantities, strongest, verdict
from rag.extracting.extract import one_line
from rag.extracting.priors import SourceSentence, source_sentences
from rag.extracting.salience import salient
from rag.models.generator import Completion
from rag.prompting.markers import abstains, clean_markers, says_none_here
from rag.prompting.prompts import MARKER
from rag.summarising.blocks import Block, Window
from rag.summarising.kinds import EXECUTIVE, KINDS, Kind, SummaryOptions
from rag.summarising.rows import holds, made_row, prose, read_row, value_of
from rag.summarising.stages import SummaryStages
from rag.table_text import row_cells, row_values

# A completion is read up to so many characters for each token that was allowed.
TOKEN_CHARACTERS = 16
# Of a sentence's markers so many are looked up.
MARKERS = 8
# So far above a row the names of its columns are looked for.
ROWS_ABOVE = 60
# What a sentence of a list begins with.
GLYPHS = "[-–—―•·ㆍ․∘*○●◯❍◎□■▪◦◆◇▣▶▷▸‣⇒§ㅇo]"
BULLET = re.compile(rf"^\s*(?:{GLYPHS}|\d{{1,2}}[.)])\s+")
# What goes from a sentence of the document: a list of them has bullets of its own. The numbers of articles stay.
BULLETS = re.compile(rf"^\s*(?:{GLYPHS}\s+)+(?=\S)")


@dataclass(frozen=True, slots=True)
class Stated:
    """A sentence without its markers, what carries it, and the pages of all quotes that it rests on."""

    text: str
    citations: tuple[Citation, ...]
    support: Support
    figures: tuple[tuple[str, bool], ...]
    context: str
    passages: tuple[PackedPassage, ...]
    pages: frozenset[int]
    cells: tuple[str, ...] = ()  # of a row, without that of its pages


@dataclass(slots=True)
class Tally:
    """What happened on the way."""

    started: float = field(default_factory=time.monotonic)
    calls: int = 0
    levels: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    unknown: int = 0  # markers that stood for nothing
    uncited: int = 0  # sentences without a marker
    shapeless: int = 0  # lines that are no rows, where rows were asked for
    unfounded: int = 0  # sentences with figures that no quote holds, left out as configured
    replaced: int = 0  # windows whose completion was of no use
    none_here: bool = False  # the model says that the document holds nothing of what was asked for
    cut: bool = False
    extra: int = 0  # sentences over what was asked for


# a completion → sentences with their evidence


def said_by(
    stages: SummaryStages, window: Window, completion: Completion, options: SummaryOptions, tally: Tally
) -> list[Stated]:
    """What the completion of `window` says, or none: only sentences with evidence, as configured."""
    if none_here(completion, options):
        return []
    allowed = TOKEN_CHARACTERS * window.prompt.budget.reserved_output
    known = range(1, len(window.blocks) + 1)
    text, unknown = clean_markers(completion.text[:allowed], known)
    tally.unknown += unknown
    if abstains(text):
        return []
    kind, said = KINDS[options.kind], []
    if kind.columns and completion.finish_reason == "length":
        text = text.rpartition("\n")[0]  # the last row was cut
    for claim, markers in _rows_of(text, kind, tally) if kind.columns else _sentences_of(text):
        if not claim or not markers:
            tally.uncited += bool(claim)
            continue
        if kind.may_be_none and says_none_here("".join(claim)):  # of one passage, among what others say
            continue
        stated = state(stages, claim, [window.blocks[marker - 1] for marker in markers[:MARKERS]], kind)
        if stages.summary.figures == "drop" and not all(stands for _, stands in stated.figures):
            tally.unfounded += 1
        else:
            said.append(stated)
    return said


def none_here(completion: Completion, options: SummaryOptions) -> bool:
    """Whether the model says that a window holds nothing of what is asked for."""
    return KINDS[options.kind].may_be_none and says_none_here(completion.text)


# A sentence, or the cells of a row, and the markers behind it.
Claimed = tuple[str | tuple[str, ...], tuple[int, ...]]


def _sentences_of(text: str) -> Iterator[Claimed]:
    for start, end, markers in cited_spans(text):
        yield one_line(BULLET.sub("", MARKER.sub("", text[start:end])).strip()), markers


def _rows_of(text: str, kind: Kind, tally: Tally) -> Iterator[Claimed]:
    for line in filter(None, text.split("\n")):
        markers = tuple(dict.fromkeys(map(int, MARKER.findall(line))))
        cells = read_row(BULLET.sub("", MARKER.sub("", line)), kind)
        if cells:
            yield cells, markers
        else:
            tally.shapeless += 1


def state(stages: SummaryStages, said: str | tuple[str, ...], blocks: Sequence[Block], kind: Kind) -> Stated:
    """`said`, a sentence or a row, with the best quote that each of `blocks` has for it in the document."""
    claim, cells = (said, ()) if isinstance(said, str) else (prose(said, kind), said)
    quoted: dict[tuple[int, int], tuple[Citation, PackedPassage]] = {}
    for block in blocks:
        found = [(cite(0, claim, passage, stages.engine.place_of), passage) for passage in block.passages]
        best = max(found, key=lambda pair: _fitness(claim, pair[0]))
        quoted.setdefault((best[0].start, best[0].end), best)
    pages = frozenset().union(*(block.pages for block in blocks))
    return _stated(claim, list(quoted.values()), blocks[0].context, pages, cells, kind)


def _fitness(claim: str, citation: Citation) -> tuple[bool, bool, float]:
    support = citation.support
    return support == "supported", support != "unsupported", coverage(claim, citation.quote)


def _stated(
    claim: str,
    quoted: Sequence[tuple[Citation, PackedPassage]],
    context: str,
    pages: frozenset[int],
    cells: tuple[str, ...] = (),
    kind: Kind = EXECUTIVE,
) -> Stated:
    """With the verdict of the best quote, or of all quotes together, and with its figures."""
    citations = tuple(citation for citation, _ in quoted)
    arounds = [f"{passage.title}\n{passage.context}" for _, passage in quoted]
    missing = set.intersection(
        *(
            missing_quantities(claim, citation.quote, around, citation.columns)
            for citation, around in zip(citations, arounds, strict=True)
        )
    )
    verdicts = [citation.support for citation in citations]
    if len(citations) > 1 and not missing:  # together a row's unit would be that of another quote's numbers
        texts = ("\n".join(citation.quote for citation in citations), "\n".join(arounds))
        verdicts.append(verdict(claim, *texts, "\n".join(citation.columns for citation in citations)))
    folded = fold(claim).replace(",", "")  # as quantities are written
    found = sorted(quantities(claim), key=lambda quantity: (folded.find(quantity[1]), quantity))
    figures = tuple(("".join(quantity), quantity not in missing) for quantity in found)
    if cells:
        figures = _figures_of_row(cells, kind, citations, missing)
    passages = tuple(dict.fromkeys(passage for _, passage in quoted))
    return Stated(
        claim,
        citations,
        strongest(verdicts),
        figures,
        context,
        passages,
        pages | cited_pages(citations),
        cells,
    )


def cited_pages(citations: Sequence[Citation]) -> frozenset[int]:
    """The pages on which the quotes stand."""
    return frozenset(page for c in citations for page in range(c.first_page, c.last_page + 1))


def _figures_of_row(
    cells: tuple[str, ...], kind: Kind, citations: Sequence[Citation], missing: set[tuple[str, str, str]]
) -> tuple[tuple[str, bool], ...]:
    """The value of a row, and whether it stands in one of its quotes: its figures, or its words."""
    value = value_of(cells, kind)
    if not value:
        return ()
    told = quantities(value)
    stands = not told & missing if told else any(holds(citation.quote, value) for citation in citations)
    return ((value, stands),)


# sentences of the document itself


def telling(stages: SummaryStages, title: str, blocks: Sequence[Block], count: int) -> list[Stated]:
    """The `count` most telling sentences of `blocks`, in their order; those of a passage quote themselves."""
    owners, sentences = [], []
    for block in blocks:
        for sentence in _sentences(block):
            owners.append(block)
            sentences.append(sentence)
    return [
        state(stages, sentences[place].text, [owners[place]], EXECUTIVE)
        if owners[place].written
        else itself(stages, sentences, place, owners[place].passages[0], EXECUTIVE)
        for place in salient(sentences, count, title)
    ]


def _sentences(block: Block) -> list[SourceSentence]:
    """The sentences of `block`, below its headings, which do not begin with the document's title."""
    passage = block.passages[0]
    if block.written:
        return [SourceSentence(block.text, passage.start, passage.end, block.context, "text", True)]
    chunk = Chunk(
        "",
        passage.document_id,
        passage.start,
        passage.end,
        passage.text,
        block.context,
        passage.first_page,
        passage.last_page,
        passage.tokens,
    )
    return source_sentences([chunk])


def itself(
    stages: SummaryStages, sentences: Sequence[SourceSentence], place: int, passage: PackedPassage, kind: Kind
) -> Stated:
    """A sentence of `passage`, which may begin before or end behind it, as its own evidence, or as that of a row."""
    sentence, first = sentences[place], place
    while sentence.is_row and sentences[first].is_row and first > 0 and place - first < ROWS_ABOVE:
        first -= 1  # the names of the columns stand above, and the unit
    text = sentence.text
    if first < place:
        document = stages.engine.with_id(passage.document_id)
        text = stages.engine.text(document, sentences[first].start, sentence.end)
    start = len(text) - len(sentence.text)
    passage = replace(
        passage, start=sentence.end - len(text), end=sentence.end, text=text, context=sentence.context
    )
    columns = columns_of(passage, start) if sentence.is_row else ""
    cells = made_row(kind, sentence, columns) if kind.columns else None
    claim = prose(cells, kind) if cells else _in_words(sentence, columns)
    cited = cite_span(0, claim, passage, start, len(text), stages.engine.place_of)
    return _stated(claim, [(cited, passage)], sentence.context, frozenset(), cells or (), kind)


def _in_words(sentence: SourceSentence, columns: str) -> str:
    """Without the document's bullets; of a row «매출액: 2024년 2,680 / 2025년 3,010»."""
    cells = [BULLETS.sub("", cell) for cell in row_cells(one_line(sentence.text))]
    values = row_values(CELL_SEPARATOR.join(cells), one_line(columns))
    return f"{cells[0]}: {values}" if values else cells[0]
