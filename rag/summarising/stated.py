"""What a model wrote about a window → statements: sentences or rows, each with its evidence in the document.

Statements can also be made of the document's own sentences, to take the place of a model's.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from indexes.engine import SearchEngine
from ingest.document import CELL_SEPARATOR, Chunk
from ingest.korean.analyse import fold
from rag.answer import Citation, PackedPassage
from rag.evidence.citations import cite, cite_span, cited_spans, columns_of
from rag.evidence.support import coverage, missing_quantities, quantities, strongest, verdict
from rag.extracting.extract import one_line
from rag.extracting.priors import SourceSentence, source_sentences
from rag.extracting.salience import salient
from rag.models.generator import Completion
from rag.prompting.markers import abstains, clean_markers, says_none_here
from rag.prompting.prompts import MARKER, in_other_brackets
from rag.summarising.blocks import Block, Window
from rag.summarising.kinds import EXECUTIVE, Kind
from rag.summarising.rows import holds, made_row, prose, read_row, value_of
from rag.summarising.stages import SummaryStages
from rag.wire.shapes import Support
from rag.wording.tables import row_cells, row_values

# A completion is read up to 16 characters for each token that it was allowed.
TOKEN_CHARACTERS = 16
# The first 8 markers of a sentence are looked up.
MARKERS = 8
# The names of a row's columns are looked for in the 60 rows above it.
ROWS_ABOVE = 60
# Characters that Korean documents use as bullets.
GLYPHS = "[-–—―•·ㆍ․∘*○●◯❍◎□■▪◦◆◇▣▶▷▸‣⇒§ㅇo]"
BULLET = re.compile(rf"^\s*(?:{GLYPHS}|\d{{1,2}}[.)])\s+")
# Bullets removed from a sentence of the document, because a list of sentences has its own. Article numbers stay.
BULLETS = re.compile(rf"^\s*(?:{GLYPHS}\s+)+(?=\S)")


@dataclass(frozen=True, slots=True)
class Stated:
    """A sentence or row without its markers, with its evidence.

    `figures`: each quantity in it, and whether a quote confirms it. `context`: the breadcrumb of the first block that
    it cites. `passages`: those of the document that the quotes are from. `pages`: of all quotes that it rests on,
    those of the levels below included. `cells`: of a row, without the column of pages; else empty.
    """

    text: str
    citations: tuple[Citation, ...]
    support: Support
    figures: tuple[tuple[str, bool], ...]
    context: str
    passages: tuple[PackedPassage, ...]
    pages: frozenset[int]
    cells: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """The statements in a completion that have evidence, and counts of what was left out.

    `none_here`: the model says that the window holds nothing of what was asked for. `unknown`: markers that no
    block has. `uncited`: sentences without a marker. `shapeless`: lines that are not rows, where rows were asked
    for. `unfounded`: sentences left out, as configured, because no quote holds their figures.
    """

    stated: tuple[Stated, ...] = ()
    none_here: bool = False
    unknown: int = 0
    uncited: int = 0
    shapeless: int = 0
    unfounded: int = 0


@dataclass(slots=True)
class Tally:
    """What happened while one document was summarised.

    `replaced`: how many completions of no use were replaced by sentences of the document. `none_here`: the model says
    that the document holds nothing of what was asked for. `cut`: the last completion ended at its token limit.
    `extra`: sentences left out because they exceed the length asked for. The other counts are as in `Reading`.
    """

    started: float = field(default_factory=time.monotonic)
    calls: int = 0
    levels: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    replaced: int = 0
    none_here: bool = False
    cut: bool = False
    extra: int = 0
    unknown: int = 0
    uncited: int = 0
    shapeless: int = 0
    unfounded: int = 0

    def add(self, completion: Completion, reading: Reading) -> None:
        """Add a completion's tokens, and the counts of what was left out of it."""
        self.calls += 1
        self.prompt_tokens += completion.prompt_tokens
        self.completion_tokens += completion.completion_tokens
        self.unknown += reading.unknown
        self.uncited += reading.uncited
        self.shapeless += reading.shapeless
        self.unfounded += reading.unfounded


# a completion → sentences with their evidence


def read_completion(stages: SummaryStages, kind: Kind, window: Window, completion: Completion) -> Reading:
    """The statements in the completion of `window`; none if the model abstains or nothing of it can be used."""
    if kind.may_be_none and says_none_here(completion.text):
        return Reading(none_here=True)
    allowed = TOKEN_CHARACTERS * window.prompt.budget.reserved_output
    text, unknown = clean_markers(completion.text[:allowed], range(1, len(window.blocks) + 1))
    if abstains(text):
        return Reading(unknown=unknown)
    if kind.columns and completion.finish_reason == "length":
        text = text.rpartition("\n")[0]  # the last row was cut
    claims, shapeless = _rows_of(text, kind) if kind.columns else (_sentences_of(text), 0)
    cited = [(claim, markers) for claim, markers in claims if markers and not _is_none(kind, claim)]
    stated = [
        state(stages.engine, claim, [window.blocks[marker - 1] for marker in markers[:MARKERS]], kind)
        for claim, markers in cited
    ]
    founded = [one for one in stated if all(stands for _, stands in one.figures)]
    kept = founded if stages.summary.figures == "drop" else stated
    return Reading(
        stated=tuple(kept),
        unknown=unknown,
        uncited=sum(not markers for _, markers in claims),
        shapeless=shapeless,
        unfounded=len(stated) - len(kept),
    )


# A sentence, or the cells of a row, and the markers behind it.
Claimed = tuple[str | tuple[str, ...], tuple[int, ...]]


def _sentences_of(text: str) -> list[Claimed]:
    found = (
        (one_line(BULLET.sub("", MARKER.sub("", text[start:end])).strip()), markers)
        for start, end, markers in cited_spans(text)
    )
    return [(claim, markers) for claim, markers in found if claim]


def _rows_of(text: str, kind: Kind) -> tuple[list[Claimed], int]:
    """The rows of `text`, and the number of its lines that are not rows."""
    lines = list(filter(None, text.split("\n")))
    read = [(read_row(BULLET.sub("", MARKER.sub("", line)), kind), line) for line in lines]
    rows = [(cells, tuple(dict.fromkeys(map(int, MARKER.findall(line))))) for cells, line in read if cells]
    return rows, len(lines) - len(rows)


def _is_none(kind: Kind, claim: str | tuple[str, ...]) -> bool:
    """Whether `claim` only says that a passage holds nothing of what was asked for."""
    return kind.may_be_none and says_none_here("".join(claim))


def state(engine: SearchEngine, said: str | tuple[str, ...], blocks: Sequence[Block], kind: Kind) -> Stated:
    """The statement `said`, a sentence or the cells of a row, with the best quote for it from each of `blocks`."""
    claim, cells = (said, ()) if isinstance(said, str) else (prose(said, kind), said)
    quoted: dict[tuple[int, int], tuple[Citation, PackedPassage]] = {}
    for block in blocks:
        found = [(cite(0, claim, passage, engine.place_of), passage) for passage in block.passages]
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
    cells: tuple[str, ...],
    kind: Kind,
) -> Stated:
    """The statement of `claim`, with the strongest verdict of any quote or of all together, and with its figures.

    Its own square brackets are written 〔 〕, so that the only [n] of a summary are its markers. The claim is
    judged as the document writes it.
    """
    citations = tuple(citation for citation, _ in quoted)
    arounds = [f"{passage.title}\n{passage.context}" for _, passage in quoted]
    missing = set.intersection(
        *(
            missing_quantities(claim, citation.quote, around, citation.columns)
            for citation, around in zip(citations, arounds, strict=True)
        )
    )
    verdicts = [citation.support for citation in citations]
    # With a figure missing, the quotes are not joined: a number of one could take the unit of another's table row.
    if len(citations) > 1 and not missing:
        texts = ("\n".join(citation.quote for citation in citations), "\n".join(arounds))
        verdicts.append(verdict(claim, *texts, "\n".join(citation.columns for citation in citations)))
    folded = fold(claim).replace(",", "")  # as quantities are written
    found = sorted(quantities(claim), key=lambda quantity: (folded.find(quantity[1]), quantity))
    figures = tuple(("".join(quantity), quantity not in missing) for quantity in found)
    if cells:
        figures = _figures_of_row(cells, kind, citations, missing)
    passages = tuple(dict.fromkeys(passage for _, passage in quoted))
    return Stated(
        text=in_other_brackets(claim),
        citations=citations,
        support=strongest(verdicts),
        figures=tuple((in_other_brackets(words), stands) for words, stands in figures),
        context=context,
        passages=passages,
        pages=pages | cited_pages(citations),
        cells=tuple(map(in_other_brackets, cells)),
    )


def cited_pages(citations: Sequence[Citation]) -> frozenset[int]:
    """The numbers of the pages that the quotes are on."""
    return frozenset(page for c in citations for page in range(c.first_page, c.last_page + 1))


def _figures_of_row(
    cells: tuple[str, ...], kind: Kind, citations: Sequence[Citation], missing: set[tuple[str, str, str]]
) -> tuple[tuple[str, bool], ...]:
    """The value of a row, and whether the quotes hold it: its figures or, if it has none, its words."""
    value = value_of(cells, kind)
    if not value:
        return ()
    told = quantities(value)
    stands = not told & missing if told else any(holds(citation.quote, value) for citation in citations)
    return ((value, stands),)


# sentences of the document itself


def telling(engine: SearchEngine, title: str, blocks: Sequence[Block], count: int) -> list[Stated]:
    """The `count` most telling sentences of `blocks`, in reading order.

    A sentence of the document is its own quote; a sentence written by the model gets a quote from its passages.
    """
    owners, sentences = [], []
    for block in blocks:
        for sentence in _sentences(block):
            owners.append(block)
            sentences.append(sentence)
    return [
        state(engine, sentences[place].text, [owners[place]], EXECUTIVE)
        if owners[place].written
        else itself(engine, sentences, place, owners[place].passages[0], EXECUTIVE)
        for place in salient(sentences, count, title)
    ]


def _sentences(block: Block) -> list[SourceSentence]:
    """The sentences of `block`; a written block is one sentence."""
    passage = block.passages[0]
    if block.written:
        return [
            SourceSentence(
                text=block.text,
                start=passage.start,
                end=passage.end,
                context=block.context,
                kind="text",
                begins=True,
            )
        ]
    chunk = Chunk(
        id="",
        document_id=passage.document_id,
        start=passage.start,
        end=passage.end,
        text=passage.text,
        context=block.context,
        first_page=passage.first_page,
        last_page=passage.last_page,
        tokens=passage.tokens,
    )
    return source_sentences([chunk])


def itself(
    engine: SearchEngine, sentences: Sequence[SourceSentence], place: int, passage: PackedPassage, kind: Kind
) -> Stated:
    """The statement of the sentence at `place`, with the sentence itself as its quote.

    Args:
        passage: of the same document; what it says of the document is kept, its span and text are replaced.
        kind: with columns, the statement is the row made from the sentence, if one can be made.
    """
    sentence, first = sentences[place], place
    while sentence.is_row and sentences[first].is_row and first > 0 and place - first < ROWS_ABOVE:
        first -= 1  # the rows above hold the names of the columns and the unit
    text = sentence.text
    if first < place:
        document = engine.with_id(passage.document_id)
        text = engine.text(document, sentences[first].start, sentence.end)
    start = len(text) - len(sentence.text)
    passage = replace(
        passage, start=sentence.end - len(text), end=sentence.end, text=text, context=sentence.context
    )
    columns = columns_of(passage, start) if sentence.is_row else ""
    cells = made_row(kind, sentence, columns) if kind.columns else None
    claim = prose(cells, kind) if cells else _in_words(sentence, columns)
    cited = cite_span(0, claim, passage, start, len(text), engine.place_of)
    return _stated(claim, [(cited, passage)], sentence.context, frozenset(), cells or (), kind)


def _in_words(sentence: SourceSentence, columns: str) -> str:
    """The sentence without the document's bullets; a table row as «매출액: 2024년 2,680 / 2025년 3,010»."""
    cells = [BULLETS.sub("", cell) for cell in row_cells(one_line(sentence.text))]
    values = row_values(CELL_SEPARATOR.join(cells), one_line(columns))
    return f"{cells[0]}: {values}" if values else cells[0]
