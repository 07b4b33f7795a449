"""The summary flow of one document: its passages → windows → what each says → windows of that → a summary.

A flow is a generator: it yields the windows of a level, is sent their completions, and returns the
`Summary`. Who runs it, and what else runs beside it, is the business of batch.py.

It ends. A level's sentences hold at most half the tokens of what they were written from, and what fits into
one window is in one. So T tokens of blocks, in windows with room for R, take at most 8 T / R + log2(T / R) + 2
calls (R: no more than `MOST_BLOCKS` blocks of `LEAST_BLOCK` tokens). Where a completion is of no use, the most
telling sentences of its window stand in for it.
"""

import collections.abc
import hashlib
import json
import re
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import accumulate

from indexes.store import StoredDocument
from ingest.document import CELL_SEPARATOR, Chunk
from ingest.korean import fold, sentence_spans
from ingest.raw import Unit
from rag.answer import (
    Citation,
    Coverage,
    Figure,
    PackedPassage,
    Sentence,
    Summary,
    SummaryRow,
    SummarySection,
    Support,
)
from rag.ask import Stages, ocr_warnings
from rag.chapters import Chapter, calls, chapters
from rag.citations import cite, cite_span, cited_spans, columns_of
from rag.errors import PromptTooLong
from rag.extractive import one_line
from rag.generator import Completion, Sampling
from rag.kinds import EXECUTIVE, KINDS, PAGES_COLUMN, STYLE_RULES, Kind, SummaryOptions
from rag.markers import abstains, clean_markers, says_none_here
from rag.packing import Prompt, ledger
from rag.priors import SourceSentence, source_sentences
from rag.prompts import (
    MARKER,
    SUMMARY_SYSTEM,
    block_text,
    in_other_brackets,
    pages_text,
    summary_messages,
)
from rag.rows import holds, made_row, prose, read_row, tells, value_of
from rag.salience import salient
from rag.support import coverage, missing_quantities, quantities, strongest, verdict
from rag.windows import MOST_BLOCKS, headings_of, windows
from rag.wording import in_unit, page_runs

# Chunks of one section that touch are one passage up to so many tokens: fewer headers, and still a few
# sentences that a marker points at.
PASSAGE_TOKENS = 800
# A window with less room for blocks is refused.
LEAST_ROOM = 64
# A block counts for so many tokens at least.
LEAST_BLOCK = 8
# Levels of windows: tokens halve at each, so this is more than any document has.
LEVELS = 16
# About what a Korean sentence with its markers takes; how many of them a window is asked for.
SENTENCE_TOKENS = 70
# A completion is read up to so many characters for each token that was allowed.
TOKEN_CHARACTERS = 16
# Of a sentence's markers so many are looked up, and of the pages below it so many are told.
MARKERS, RUNS = 8, 4
# Sentences of a window that stand in for its completion.
STAND_INS = 8
# So far above a row the names of its columns are looked for.
ROWS_ABOVE = 60
# What a sentence of a list begins with.
BULLET = re.compile(r"^\s*(?:[-–—•·*○●□■▪◦ㅇ]|\d{1,2}[.)])\s+")
# Raised whenever the same completions could give another summary.
FLOW = 3

Flow = collections.abc.Generator[list["Window"], list[Completion], Summary]


@dataclass(frozen=True, slots=True)
class Block:
    """What one marker stands for: a passage, or, `written`, a sentence of a level below.

    `passages`: those of the document that it is, or was written from; `pages`: where the quotes stand on
    which a written one rests. `place` and `tokens` are as the prompt shows it, the marker included.
    """

    text: str
    written: bool
    context: str
    place: str
    passages: tuple[PackedPassage, ...]
    pages: frozenset[int]
    tokens: int


@dataclass(frozen=True, slots=True)
class Window:
    """One prompt, and what its markers stand for, from 1."""

    blocks: tuple[Block, ...]
    prompt: Prompt

    @property
    def tokens(self) -> int:
        return sum(block.tokens for block in self.blocks)


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
class _Tally:
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
    none_here: int = 0  # windows that hold nothing of what was asked for
    cut: bool = False
    extra: int = 0  # sentences over what was asked for


def flow(stages: Stages, document: StoredDocument, options: SummaryOptions) -> Flow:
    """Yields the windows of each level, the last of which is one, and takes their completions in order.

    Raises:
        PromptTooLong: the window has no room for text.
    """
    tally = _Tally()
    passages = document_blocks(stages, document)
    parts = _parts(stages, document.title, passages, options)
    written = together([levels(stages, document.title, part, options, tally) for part in parts], tally)
    said = [stated for one in (yield from written) for stated in one]
    return _summary(stages, document, options, passages, said, tally)


# The windows of one level out, their completions in, and at the end what they say.
Levels = collections.abc.Generator[list["Window"], list[Completion], list["Stated"]]


def levels(
    stages: Stages, title: str, blocks: Sequence["Block"], options: SummaryOptions, tally: "_Tally"
) -> Levels:
    """What is said of `blocks` at the end; nothing where no completion was of use, or there was nothing to read."""
    for _ in range(LEVELS):
        if not blocks:
            break
        level = plan(stages, title, blocks, options)
        completions = yield level
        if len(level) == 1:
            tally.cut |= completions[0].finish_reason == "length"
            tally.none_here += _none_here(completions[0], options)
            return said_by(stages, level[0], completions[0], options, tally)
        blocks = [
            block
            for window, completion in zip(level, completions, strict=True)
            for block in carried(stages, window, completion, options, tally)
        ]
    return []


def _parts(
    stages: Stages, title: str, passages: Sequence["Block"], options: SummaryOptions
) -> list[Sequence["Block"]]:
    """What is written about one by one: chapters, as many together as one call can take; else the whole."""
    if not (KINDS[options.kind].by_chapter and passages):
        return [passages]
    found = chapters([block.context for block in passages])
    sizes = [sum(block.tokens for block in passages[one.blocks.start : one.blocks.stop]) for one in found]
    room = room_for_blocks(stages, title, options)
    spans = calls(sizes, max(room, 0), _chapters_a_call(stages, options))
    return [passages[found[span.start].blocks.start : found[span.stop - 1].blocks.stop] for span in spans]


def together(
    flows: Sequence[Levels], tally: "_Tally"
) -> collections.abc.Generator[list["Window"], list[Completion], list[list["Stated"]]]:
    """What each of `flows` returns, in order; the next levels of all that go on are one level."""
    said: list[list[Stated]] = [[] for _ in flows]
    running: dict[int, list[Window]] = {}

    def advance(place: int, completions: list[Completion] | None) -> None:
        running.pop(place, None)
        try:
            running[place] = flows[place].send(completions)
        except StopIteration as end:
            said[place] = end.value

    for place in range(len(flows)):
        advance(place, None)
    while running:
        level = {place: running[place] for place in sorted(running)}
        completions = yield [window for windows_of in level.values() for window in windows_of]
        _count(tally, completions)
        start = 0
        for place, windows_of in level.items():
            advance(place, completions[start : start + len(windows_of)])
            start += len(windows_of)
    return said


def extracted(stages: Stages, document: StoredDocument, options: SummaryOptions) -> Summary:
    """The summary that needs no model: the most telling sentences, in their order, word for word."""
    passages = document_blocks(stages, document)
    return _summary(stages, document, options, passages, [], _Tally())


def sampling(stages: Stages, options: SummaryOptions) -> Sampling:
    """How all windows of a job are generated."""
    generation = stages.config.generator
    return Sampling(
        _reserved(stages, options),
        generation.temperature,
        only_shown_markers=generation.grammar == "auto",
        columns=len(KINDS[options.kind].columns),
    )


def summary_key(stages: Stages, document: StoredDocument, options: SummaryOptions) -> str:
    """Equal for two jobs whose summaries of a document would be the same."""
    generation = stages.config.generator
    decides = [
        FLOW,
        [document.id, document.title, document.parser],
        asdict(options),
        asdict(stages.config.summary),
        [stages.generator.name, stages.generator.margin, stages.tokenizer.fingerprint],
        [generation.window, generation.reserved_output, generation.temperature, generation.grammar],
        [SUMMARY_SYSTEM, _task(stages, options, last=True), _task(stages, options, last=False)],
    ]
    return hashlib.sha256(json.dumps(decides, ensure_ascii=False).encode()).hexdigest()[:32]


# what a document is read as


def document_blocks(stages: Stages, document: StoredDocument) -> list[Block]:
    """The document's passages in order, without contents pages: chunks of a section that touch are joined."""
    counted = stages.retriever.manifest.tokenizer == stages.tokenizer.fingerprint
    passages: list[PackedPassage] = []
    for chunk in stages.retriever.chunks(document):
        if chunk.kind == "contents" or not chunk.text.strip():
            continue
        tokens = chunk.tokens if counted else stages.tokenizer.count(chunk.text)
        last = passages[-1] if passages else None
        together = last and last.tokens + tokens <= PASSAGE_TOKENS
        if together and last.end == chunk.start and last.context == chunk.context:
            text = last.text + chunk.text
            passages[-1] = replace(last, end=chunk.end, text=text, tokens=last.tokens + tokens)
        else:
            passages.append(_passage(document, chunk, tokens))
    return [_verbatim(stages, passage) for passage in passages]


def _passage(document: StoredDocument, chunk: Chunk, tokens: int) -> PackedPassage:
    return PackedPassage(
        0,  # it has a marker only inside a window
        document.id,
        document.path,
        document.title,
        chunk.context,
        chunk.first_page,
        chunk.last_page,
        chunk.start,
        chunk.end,
        chunk.text,
        tokens,
        0.0,
        document.unit,
    )


def _verbatim(stages: Stages, passage: PackedPassage) -> Block:
    """A passage as a block, with the pages of its words."""
    words_end = passage.start + (len(passage.text.rstrip()) or len(passage.text))
    place = stages.retriever.place_of(passage.document_id, passage.start, words_end)
    passage = replace(passage, first_page=place.first_page, last_page=place.last_page, ocr=place.ocr)
    context = passage.context.removeprefix(passage.title).removeprefix(" > ")
    # Its words are counted as its chunks were; brackets are shown as others, which are other tokens.
    words = passage.tokens if in_other_brackets(passage.text) == passage.text else None
    return _block(stages, passage.text, False, context, pages_text(passage), (passage,), frozenset(), words)


def _written(stages: Stages, stated: Stated, unit: Unit) -> Block:
    """A sentence as a block of the next level; its headings divide that, and are not shown."""
    place = in_unit(page_runs(sorted(stated.pages), RUNS), unit)
    text = CELL_SEPARATOR.join(stated.cells) or stated.text
    return _block(stages, text, True, stated.context, place, stated.passages, stated.pages)


def _block(
    stages: Stages,
    text: str,
    written: bool,
    context: str,
    place: str,
    passages: tuple[PackedPassage, ...],
    pages: frozenset[int],
    words: int | None = None,
) -> Block:
    """`words`: how many tokens `text` has, where that is known."""
    shown = block_text(MOST_BLOCKS, place, "" if written else context, text if words is None else "")
    # One more: where two blocks meet there may be a token more than in both.
    tokens = 1 + stages.tokenizer.count(shown) + (words or 0)
    return Block(text, written, context, place, passages, pages, max(tokens, LEAST_BLOCK))


# a level: blocks → windows


def plan(stages: Stages, title: str, blocks: Sequence[Block], options: SummaryOptions) -> list[Window]:
    """`blocks` in windows that fit; where that is one, it asks for the summary itself.

    Raises:
        PromptTooLong: there is no room for text.
    """
    reserved = _reserved(stages, options) + stages.generator.margin
    limit = stages.config.generator.window - reserved
    tasks = {last: _task(stages, options, last=last) for last in (True, False)}
    room = room_for_blocks(stages, title, options)
    while room >= LEAST_ROOM:
        parts = [part for block in blocks for part in _within(stages, block, room)]
        headings = [headings_of(part.context) for part in parts]
        spans = windows(headings, [part.tokens for part in parts], room)
        task = tasks[len(spans) == 1]
        made = []
        for span in spans:
            held = tuple(parts[span.start : span.stop])
            made.append(Window(held, _prompt(stages, title, held, task, reserved)))
        over = max(len(window.prompt.token_ids) for window in made) - limit
        if over <= 0:
            return made
        room -= over  # never seen: a block is counted with a token to spare
    raise PromptTooLong(tokens=limit - room, window=stages.config.generator.window, reserved=reserved)


def room_for_blocks(stages: Stages, title: str, options: SummaryOptions) -> int:
    """How many tokens of blocks a window of a document holds."""
    reserved = _reserved(stages, options) + stages.generator.margin
    tasks = [_task(stages, options, last=last) for last in (True, False)]
    frame = max(len(_prompt(stages, title, [], task, reserved).token_ids) for task in tasks)
    return stages.config.generator.window - reserved - frame


def _reserved(stages: Stages, options: SummaryOptions) -> int:
    if KINDS[options.kind].by_chapter:  # the tokens asked for are those of a chapter; a call writes several
        return stages.config.generator.reserved_output
    return options.tokens or stages.config.generator.reserved_output


def _chapters_a_call(stages: Stages, options: SummaryOptions) -> int:
    """Of how many chapters the summaries fit into one completion."""
    return max(1, _reserved(stages, options) // (_most(stages, options) * SENTENCE_TOKENS))


def _task(stages: Stages, options: SummaryOptions, *, last: bool) -> str:
    kind, style = KINDS[options.kind], STYLE_RULES[options.style]
    most = _most(stages, options) if last else max(3, _reserved(stages, options) // SENTENCE_TOKENS)
    length = f"{most}줄 이내로" if kind.columns else f"{most}문장 이내로"
    wanted = in_other_brackets(one_line(options.instruction))
    return (kind.task if last else kind.part).format(length=length, style=style, instruction=wanted)


def _most(stages: Stages, options: SummaryOptions) -> int:
    """How many sentences a summary is asked for."""
    if options.tokens:
        return max(1, options.tokens // SENTENCE_TOKENS)
    return options.sentences or KINDS[options.kind].sentences or stages.config.summary.sentences


def _prompt(stages: Stages, title: str, blocks: Sequence[Block], task: str, reserved: int) -> Prompt:
    shown = "".join(
        block_text(marker, block.place, "" if block.written else block.context, block.text)
        for marker, block in enumerate(blocks, start=1)
    )
    messages = summary_messages(title, shown, task)
    rendered = stages.tokenizer.render(messages)
    budget = ledger(rendered.counts, len(rendered.token_ids), stages.config.generator.window, reserved)
    # Of a written sentence the first passage that it was written from.
    passages = tuple(
        replace(block.passages[0], marker=marker) for marker, block in enumerate(blocks, start=1)
    )
    return Prompt(rendered.token_ids, messages, passages, task, budget)


def _within(stages: Stages, block: Block, room: int) -> list[Block]:
    """`block`, cut in the middle as often as the room demands: between sentences, else anywhere."""
    if block.tokens <= room:
        return [block]
    if len(block.text) < 2 or (block.context and stages.tokenizer.count(block.context) > room // 2):
        return _within(stages, _verbatim(stages, replace(block.passages[0], context="")), room)
    ends = [end for _, end in sentence_spans(block.text)][:-1] or [len(block.text) // 2]
    middle = min(ends, key=lambda end: abs(end - len(block.text) / 2))
    halves = ((0, middle), (middle, len(block.text)))
    return [
        part
        for start, end in halves
        if block.text[start:end].strip()
        for part in _within(stages, _part(stages, block, start, end), room)
    ]


def _part(stages: Stages, block: Block, start: int, end: int) -> Block:
    text = block.text[start:end]
    if block.written:
        return _block(stages, text, True, block.context, block.place, block.passages, block.pages)
    (passage,) = block.passages
    span = {"start": passage.start + start, "end": passage.start + end}
    return _verbatim(stages, replace(passage, **span, text=text, tokens=stages.tokenizer.count(text)))


# a completion → sentences with their evidence


def said_by(
    stages: Stages, window: Window, completion: Completion, options: SummaryOptions, tally: _Tally
) -> list[Stated]:
    """What the completion of `window` says, or none: only sentences with evidence, as configured."""
    allowed = TOKEN_CHARACTERS * window.prompt.budget.reserved_output
    known = range(1, len(window.blocks) + 1)
    text, unknown = clean_markers(completion.text[:allowed], known)
    tally.unknown += unknown
    if abstains(text):
        return []
    kind, said = KINDS[options.kind], []
    for claim, markers in _rows_of(text, kind, tally) if kind.columns else _sentences_of(text):
        if not claim or not markers:
            tally.uncited += bool(claim)
            continue
        stated = state(stages, claim, [window.blocks[marker - 1] for marker in markers[:MARKERS]], kind)
        if stages.config.summary.figures == "drop" and not all(stands for _, stands in stated.figures):
            tally.unfounded += 1
        else:
            said.append(stated)
    return said


# A sentence, or the cells of a row, and the markers behind it.
Claimed = tuple[str | tuple[str, ...], tuple[int, ...]]


def _sentences_of(text: str) -> Iterator[Claimed]:
    for start, end, markers in cited_spans(text):
        yield one_line(BULLET.sub("", MARKER.sub("", text[start:end])).strip()), markers


def _rows_of(text: str, kind: Kind, tally: _Tally) -> Iterator[Claimed]:
    for line in filter(None, text.split("\n")):
        markers = tuple(dict.fromkeys(map(int, MARKER.findall(line))))
        cells = read_row(BULLET.sub("", MARKER.sub("", line)), kind)
        if cells:
            yield cells, markers
        else:
            tally.shapeless += 1


def state(stages: Stages, said: str | tuple[str, ...], blocks: Sequence[Block], kind: Kind) -> Stated:
    """`said`, a sentence or a row, with the best quote that each of `blocks` has for it in the document."""
    claim, cells = (said, ()) if isinstance(said, str) else (prose(said, kind), said)
    quoted: dict[tuple[int, int], tuple[Citation, PackedPassage]] = {}
    for block in blocks:
        found = [(cite(0, claim, passage, stages.retriever.place_of), passage) for passage in block.passages]
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
    verdicts = [citation.support for citation in citations]
    if len(citations) > 1:
        texts = ("\n".join(citation.quote for citation in citations), "\n".join(arounds))
        verdicts.append(verdict(claim, *texts, "\n".join(citation.columns for citation in citations)))
    missing = set.intersection(
        *(
            missing_quantities(claim, citation.quote, around, citation.columns)
            for citation, around in zip(citations, arounds, strict=True)
        )
    )
    folded = fold(claim)
    found = sorted(quantities(claim), key=lambda quantity: (folded.find(quantity[1]), quantity))
    figures = tuple(("".join(quantity), quantity not in missing) for quantity in found)
    if cells:
        figures = _figures_of_row(cells, kind, citations, missing)
    own = {page for citation in citations for page in range(citation.first_page, citation.last_page + 1)}
    passages = tuple(dict.fromkeys(passage for _, passage in quoted))
    return Stated(claim, citations, strongest(verdicts), figures, context, passages, pages | own, cells)


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


def carried(
    stages: Stages, window: Window, completion: Completion, options: SummaryOptions, tally: _Tally
) -> list[Block]:
    """What goes up from `window`: sentences of at most half its tokens, in order."""
    said = said_by(stages, window, completion, options, tally)
    if not said and _none_here(completion, options):
        tally.none_here += 1
    elif not said:
        tally.replaced += 1
        said = telling(stages, window.blocks[0].passages[0].title, window.blocks, STAND_INS)
    blocks, room = [], window.tokens // 2
    for stated in said:
        block = _written(stages, stated, stated.passages[0].unit)
        if block.tokens <= room:
            blocks.append(block)
            room -= block.tokens
    return blocks


def _none_here(completion: Completion, options: SummaryOptions) -> bool:
    """Whether the model says that a window holds nothing of what is asked for."""
    return KINDS[options.kind].may_be_none and says_none_here(completion.text)


def telling(stages: Stages, title: str, blocks: Sequence[Block], count: int) -> list[Stated]:
    """The `count` most telling sentences of `blocks`, in their order; those of a passage quote themselves."""
    owners, sentences = [], []
    for block in blocks:
        for sentence in _sentences(block):
            owners.append(block)
            sentences.append(sentence)
    return [
        state(stages, sentences[place].text, [owners[place]], EXECUTIVE)
        if owners[place].written
        else _itself(stages, sentences, place, owners[place].passages[0], EXECUTIVE)
        for place in salient(sentences, count, title)
    ]


def _sentences(block: Block) -> list[SourceSentence]:
    passage = block.passages[0]
    if block.written:
        return [SourceSentence(block.text, passage.start, passage.end, passage.context, "text", True)]
    chunk = Chunk(
        "",
        passage.document_id,
        passage.start,
        passage.end,
        passage.text,
        passage.context,
        passage.first_page,
        passage.last_page,
        passage.tokens,
    )
    return source_sentences([chunk])


def _itself(
    stages: Stages, sentences: Sequence[SourceSentence], place: int, passage: PackedPassage, kind: Kind
) -> Stated:
    """A sentence of `passage`, which may begin before or end behind it, as its own evidence, or as that of a row."""
    sentence, first = sentences[place], place
    while sentence.is_row and sentences[first].is_row and first > 0 and place - first < ROWS_ABOVE:
        first -= 1  # the names of the columns stand above, and the unit
    text = sentence.text
    if first < place:
        document = stages.retriever.find(passage.document_id)
        text = stages.retriever.text(document, sentences[first].start, sentence.end)
    start = len(text) - len(sentence.text)
    passage = replace(
        passage, start=sentence.end - len(text), end=sentence.end, text=text, context=sentence.context
    )
    cells = made_row(kind, sentence, columns_of(passage, start)) if kind.columns else None
    claim = prose(cells, kind) if cells else one_line(sentence.text)
    cited = cite_span(0, claim, passage, start, len(text), stages.retriever.place_of)
    return _stated(claim, [(cited, passage)], sentence.context, frozenset(), cells or (), kind)


# sentences → the summary


def _summary(
    stages: Stages,
    document: StoredDocument,
    options: SummaryOptions,
    passages: Sequence[Block],
    said: Sequence[Stated],
    tally: _Tally,
) -> Summary:
    """`said` as the summary; where it is empty, or silent about a chapter, the most telling sentences of that."""
    kind, alone = KINDS[options.kind], not said
    found = chapters([block.context for block in passages]) if kind.by_chapter else []
    found = found or [Chapter("", range(len(passages)))]
    parts = _filled(stages, document, options, passages, found, said, tally)
    said = [stated for part in parts for stated in part]
    lines = alone or kind.columns or options.style == "개조식"
    headings = [_heading(document, one) for one in found] if kind.by_chapter else [""]
    text, sentences, citations, begins = _laid_out(parts, headings, "\n" if lines else " ")
    figures = tuple(
        Figure(index, words, stands) for index, stated in enumerate(said) for words, stands in stated.figures
    )
    return Summary(
        document.id,
        document.path,
        document.title,
        options.kind,
        text,
        sentences,
        citations,
        figures,
        _coverage(stages, document, passages, said),
        tally.calls,
        tally.levels,
        tally.prompt_tokens,
        tally.completion_tokens,
        stages.generator.name,
        stages.tokenizer.name,
        summary_key(stages, document, options),
        tuple(_warnings(stages, tally, citations, figures, passages, alone=alone)),
        time.monotonic() - tally.started,
        _sections(headings, found, parts, passages, begins) if kind.by_chapter else (),
        (*kind.columns, PAGES_COLUMN) if kind.columns else (),
        tuple(
            SummaryRow(index, (*stated.cells, _cited_pages(stated)))
            for index, stated in enumerate(said)
            if stated.cells
        ),
        document.unit,
    )


def _filled(
    stages: Stages,
    document: StoredDocument,
    options: SummaryOptions,
    passages: Sequence[Block],
    found: Sequence[Chapter],
    said: Sequence[Stated],
    tally: _Tally,
) -> list[Sequence[Stated]]:
    """What is said of each chapter, of the length asked for."""
    if not passages:
        return []
    starts = [passages[one.blocks.start].passages[0].start for one in found]
    parts: list[Sequence[Stated]] = [[] for _ in found]
    for stated in said:
        parts[max(0, bisect_right(starts, stated.passages[0].start) - 1)].append(stated)
    if not all(parts):
        sentences = source_sentences(stages.retriever.chunks(document))
        places: list[list[int]] = [[] for _ in found]
        for place, sentence in enumerate(sentences):
            places[max(0, bisect_right(starts, sentence.start) - 1)].append(place)
        for number, part in enumerate(parts):
            if not part:
                tally.replaced += tally.calls > 0 and not tally.none_here
                parts[number] = _most_telling(stages, document, options, passages, sentences, places[number])
    kept = [
        _within_tokens(stages, part, options.tokens) if options.tokens else part[: _most(stages, options)]
        for part in parts
    ]
    tally.extra = sum(map(len, parts)) - sum(map(len, kept))
    return kept


def _most_telling(
    stages: Stages,
    document: StoredDocument,
    options: SummaryOptions,
    passages: Sequence[Block],
    sentences: Sequence[SourceSentence],
    places: Sequence[int],
) -> list[Stated]:
    """The most telling of the document's sentences at `places`, which follow each other."""
    kind = KINDS[options.kind]
    chosen = salient(
        sentences[places[0] : places[-1] + 1] if places else [],
        _most(stages, options),
        options.instruction or document.title,
        keep=partial(tells, kind) if kind.columns else lambda _: True,
    )
    first = passages[0].passages[0]
    return [_itself(stages, sentences, places[place], first, kind) for place in chosen]


def _heading(document: StoredDocument, chapter: Chapter) -> str:
    """The heading of a chapter; of what stands above the first, the document's title."""
    return in_other_brackets(one_line(chapter.heading or document.title))


def _sections(
    headings: Sequence[str],
    found: Sequence[Chapter],
    parts: Sequence[Sequence[Stated]],
    passages: Sequence[Block],
    begins: Sequence[int],
) -> tuple[SummarySection, ...]:
    """Where each chapter stands in the text; those of which nothing can be said are left out."""
    sections, first = [], 0
    for heading, chapter, part, start in zip(headings, found, parts, begins, strict=True):
        if part:
            own = passages[chapter.blocks.start : chapter.blocks.stop]
            pages = own[0].passages[0].first_page, own[-1].passages[0].last_page
            sections.append(SummarySection(heading, start, first, len(part), *pages))
            first += len(part)
    return tuple(sections)


def _cited_pages(stated: Stated) -> str:
    numbers = {page for c in stated.citations for page in range(c.first_page, c.last_page + 1)}
    return in_unit(page_runs(sorted(numbers), RUNS), stated.citations[0].unit)


def _within_tokens(stages: Stages, said: Sequence[Stated], room: int) -> Sequence[Stated]:
    """The first of `said` that `room` tokens hold; at least one."""
    sizes = accumulate(stages.tokenizer.count(stated.text) for stated in said)
    return said[: max(1, sum(size <= room for size in sizes))]


def _laid_out(
    parts: Sequence[Sequence[Stated]], headings: Sequence[str], separator: str
) -> tuple[str, tuple[Sentence, ...], tuple[Citation, ...], list[int]]:
    """The text with a marker for each distinct quote, its sentences and citations, and where each part begins."""
    bullet = "- " if separator == "\n" else ""
    numbers: dict[tuple[int, int], int] = {}
    text, sentences, citations, begins = "", [], [], []
    for heading, part in zip(headings, parts, strict=False):
        text += "\n\n" if text and part else ""
        begins.append(len(text))
        text += f"{heading}\n" if heading and part else ""
        for place, stated in enumerate(part):
            text += (separator if place else "") + bullet
            start = len(text)
            text += stated.text
            own = [numbers.setdefault((c.start, c.end), len(numbers) + 1) for c in stated.citations]
            citations += [
                replace(citation, sentence=len(sentences), marker=marker)
                for citation, marker in zip(stated.citations, own, strict=True)
            ]
            sentences.append(Sentence(stated.text, start, len(text), tuple(own), stated.support))
            text += " " + "".join(f"[{marker}]" for marker in own)
    return text, tuple(sentences), tuple(citations), begins


def _coverage(
    stages: Stages, document: StoredDocument, passages: Sequence[Block], said: Sequence[Stated]
) -> Coverage:
    pages = stages.retriever.pages(document.id)
    unreadable = {page.number for page in pages if not page.readable}
    read: set[int] = set()
    for block in passages:
        read |= set(range(block.passages[0].first_page, block.passages[0].last_page + 1))
    used = frozenset().union(*(stated.pages for stated in said)) - unreadable
    unused = {page.number for page in pages} - used - unreadable
    return Coverage(len(pages), *(tuple(sorted(numbers)) for numbers in (used, unused, unreadable, read)))


def _count(tally: _Tally, completions: Sequence[Completion]) -> None:
    tally.levels += 1
    tally.calls += len(completions)
    tally.prompt_tokens += sum(completion.prompt_tokens for completion in completions)
    tally.completion_tokens += sum(completion.completion_tokens for completion in completions)


def _warnings(
    stages: Stages,
    tally: _Tally,
    citations: Sequence[Citation],
    figures: Sequence[Figure],
    passages: Sequence[Block],
    *,
    alone: bool,
) -> list[str]:
    """`alone`: the model said nothing."""
    missing = sum(not figure.stands for figure in figures)
    told = (
        (not passages, "읽을 수 있는 글이 없어 요약하지 못했습니다."),
        (passages and not citations, "이 문서에서 해당하는 내용을 찾지 못했습니다."),
        (tally.unknown, f"근거에 없는 인용 번호 {tally.unknown}개를 지웠습니다."),
        (tally.shapeless, f"표의 행이 아닌 줄 {tally.shapeless}개를 뺐습니다."),
        (tally.uncited, f"인용 번호가 없는 문장 {tally.uncited}개를 뺐습니다."),
        (tally.unfounded, f"근거에 없는 수치가 든 문장 {tally.unfounded}개를 뺐습니다."),
        (missing, f"근거에서 확인되지 않은 수치가 {missing}개 있습니다. 원문에서 확인하세요."),
        (tally.replaced, f"모델의 글을 쓸 수 없어 {tally.replaced}번은 원문의 문장으로 대신했습니다."),
        (
            tally.none_here and alone and citations,
            "모델은 이 문서에서 해당하는 내용을 찾지 못했습니다. 원문에서 고른 것이니 확인하세요.",
        ),
        (tally.extra, f"정한 길이를 넘은 문장 {tally.extra}개를 뺐습니다."),
        (
            tally.cut,
            "요약이 출력 한도에서 끊겼습니다. generator.reserved_output 이나 --tokens 를 늘려 보세요.",
        ),
        (
            stages.generator.margin,
            f"서버가 스스로 토큰화하므로 창에서 {stages.generator.margin:,}토큰을 여유로 비웠습니다.",
        ),
    )
    return [*ocr_warnings(citations), *(text for happened, text in told if happened)]
