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
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import accumulate

from indexes.store import StoredDocument
from ingest.document import Chunk
from ingest.korean import fold, sentence_spans
from ingest.raw import Unit
from rag.answer import Citation, Coverage, Figure, PackedPassage, Sentence, Summary, Support
from rag.ask import Stages, ocr_warnings
from rag.citations import cite, cite_span, cited_spans
from rag.errors import PromptTooLong
from rag.extractive import one_line
from rag.generator import Completion, Sampling
from rag.kinds import KINDS, STYLE_RULES, SummaryOptions
from rag.markers import abstains, clean_markers
from rag.packing import Prompt, ledger
from rag.priors import SourceSentence, source_sentences
from rag.prompts import MARKER, SUMMARY_SYSTEM, block_text, pages_text, summary_messages
from rag.salience import salient
from rag.support import coverage, missing_quantities, quantities, strongest, verdict
from rag.windows import MOST_BLOCKS, windows

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
# What a sentence of a list begins with.
BULLET = re.compile(r"^\s*(?:[-–—•·*○●□■▪◦ㅇ]|\d{1,2}[.)])\s+")
# Raised whenever the same completions could give another summary.
FLOW = 1

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
    unfounded: int = 0  # sentences with figures that no quote holds, left out as configured
    replaced: int = 0  # windows whose completion was of no use
    cut: bool = False
    extra: int = 0  # sentences over what was asked for


def flow(stages: Stages, document: StoredDocument, options: SummaryOptions) -> Flow:
    """Yields the windows of each level, the last of which is one, and takes their completions in order.

    Raises:
        PromptTooLong: the window has no room for text.
    """
    tally = _Tally()
    passages = blocks = document_blocks(stages, document)
    while blocks and tally.levels < LEVELS:
        level = plan(stages, document.title, blocks, options)
        completions = yield level
        _count(tally, completions)
        if len(level) == 1:
            said = said_by(stages, level[0], completions[0], tally)
            tally.cut = completions[0].finish_reason == "length"
            return _summary(stages, document, options, passages, said, tally)
        blocks = [
            block
            for window, completion in zip(level, completions, strict=True)
            for block in carried(stages, window, completion, tally)
        ]
    return _summary(stages, document, options, passages, [], tally)


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
    return _block(stages, passage.text, False, context, pages_text(passage), (passage,), frozenset())


def _written(stages: Stages, stated: Stated, unit: Unit) -> Block:
    """A sentence as a block of the next level; its headings divide that, and are not shown."""
    place = _pages(sorted(stated.pages), unit)
    return _block(stages, stated.text, True, stated.context, place, stated.passages, stated.pages)


def _block(
    stages: Stages,
    text: str,
    written: bool,
    context: str,
    place: str,
    passages: tuple[PackedPassage, ...],
    pages: frozenset[int],
) -> Block:
    # One more: where two blocks meet there may be a token more than in both.
    tokens = 1 + stages.tokenizer.count(block_text(MOST_BLOCKS, place, "" if written else context, text))
    return Block(text, written, context, place, passages, pages, max(tokens, LEAST_BLOCK))


def _pages(numbers: Sequence[int], unit: Unit) -> str:
    """«3, 7–8쪽» for 3, 7, 8; of many, the first."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    told = ", ".join(f"{run[0]}" if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs[:RUNS])
    told += " …" * (len(runs) > RUNS)
    return f"{told}쪽" if unit == "page" else f"구역 {told}"


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
        headings = [tuple(part.context.split(" > ")) if part.context else () for part in parts]
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
    return options.tokens or stages.config.generator.reserved_output


def _task(stages: Stages, options: SummaryOptions, *, last: bool) -> str:
    kind, style = KINDS[options.kind], STYLE_RULES[options.style]
    if last:
        return kind.task.format(length=f"{_most(stages, options)}문장 이내로", style=style)
    sentences = max(3, _reserved(stages, options) // SENTENCE_TOKENS)
    return kind.part.format(length=f"{sentences}문장 이내로")


def _most(stages: Stages, options: SummaryOptions) -> int:
    """How many sentences a summary is asked for."""
    if options.tokens:
        return max(1, options.tokens // SENTENCE_TOKENS)
    return options.sentences or stages.config.summary.sentences


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


def said_by(stages: Stages, window: Window, completion: Completion, tally: _Tally) -> list[Stated]:
    """What the completion of `window` says, or none: only sentences with evidence, as configured."""
    allowed = TOKEN_CHARACTERS * window.prompt.budget.reserved_output
    known = range(1, len(window.blocks) + 1)
    text, unknown = clean_markers(completion.text[:allowed], known)
    tally.unknown += unknown
    if abstains(text):
        return []
    said = []
    for start, end, markers in cited_spans(text):
        claim = BULLET.sub("", MARKER.sub("", text[start:end])).strip()
        if not claim or not markers:
            tally.uncited += bool(claim)
            continue
        stated = state(stages, one_line(claim), [window.blocks[marker - 1] for marker in markers[:MARKERS]])
        if stages.config.summary.figures == "drop" and not all(stands for _, stands in stated.figures):
            tally.unfounded += 1
        else:
            said.append(stated)
    return said


def state(stages: Stages, claim: str, blocks: Sequence[Block]) -> Stated:
    """`claim` with the best quote that each of `blocks` has for it in the document."""
    quoted: dict[tuple[int, int], tuple[Citation, PackedPassage]] = {}
    for block in blocks:
        found = [(cite(0, claim, passage, stages.retriever.place_of), passage) for passage in block.passages]
        best = max(found, key=lambda pair: _fitness(claim, pair[0]))
        quoted.setdefault((best[0].start, best[0].end), best)
    pages = frozenset().union(*(block.pages for block in blocks))
    return _stated(claim, list(quoted.values()), blocks[0].context, pages)


def _fitness(claim: str, citation: Citation) -> tuple[bool, bool, float]:
    support = citation.support
    return support == "supported", support != "unsupported", coverage(claim, citation.quote)


def _stated(
    claim: str,
    quoted: Sequence[tuple[Citation, PackedPassage]],
    context: str,
    pages: frozenset[int],
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
    own = {page for citation in citations for page in range(citation.first_page, citation.last_page + 1)}
    passages = tuple(dict.fromkeys(passage for _, passage in quoted))
    return Stated(claim, citations, strongest(verdicts), figures, context, passages, pages | own)


def carried(stages: Stages, window: Window, completion: Completion, tally: _Tally) -> list[Block]:
    """What goes up from `window`: sentences of at most half its tokens, in order."""
    said = said_by(stages, window, completion, tally)
    if not said:
        tally.replaced += 1
        said = telling(stages, window.blocks[0].passages[0].title, window.blocks, STAND_INS)
    blocks, room = [], window.tokens // 2
    for stated in said:
        block = _written(stages, stated, stated.passages[0].unit)
        if block.tokens <= room:
            blocks.append(block)
            room -= block.tokens
    return blocks


def telling(stages: Stages, title: str, blocks: Sequence[Block], count: int) -> list[Stated]:
    """The `count` most telling sentences of `blocks`, in their order; those of a passage quote themselves."""
    owners, sentences = [], []
    for block in blocks:
        for sentence in _sentences(block):
            owners.append(block)
            sentences.append(sentence)
    return [
        state(stages, sentences[place].text, [owners[place]])
        if owners[place].written
        else _itself(stages, sentences[place], owners[place].passages[0])
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


def _itself(stages: Stages, sentence: SourceSentence, passage: PackedPassage) -> Stated:
    """A sentence of `passage`, which may begin before or end behind it, as its own evidence."""
    passage = replace(
        passage, start=sentence.start, end=sentence.end, text=sentence.text, context=sentence.context
    )
    claim = one_line(sentence.text)
    cited = cite_span(0, claim, passage, 0, len(sentence.text), stages.retriever.place_of)
    return _stated(claim, [(cited, passage)], sentence.context, frozenset())


# sentences → the summary


def _summary(
    stages: Stages,
    document: StoredDocument,
    options: SummaryOptions,
    passages: Sequence[Block],
    said: Sequence[Stated],
    tally: _Tally,
) -> Summary:
    """`said` as the summary; where it is empty, the most telling sentences of the document."""
    most = _most(stages, options)
    alone = not said
    if alone:
        said = _most_telling(stages, document, passages, most)
        tally.replaced += bool(tally.calls)
    kept = _within_tokens(stages, said, options.tokens) if options.tokens else said[:most]
    tally.extra, said = len(said) - len(kept), kept
    text, sentences, citations = _laid_out(said, "\n" if alone or options.style == "개조식" else " ")
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
        tuple(_warnings(stages, tally, citations, figures, passages)),
        time.monotonic() - tally.started,
    )


def _most_telling(
    stages: Stages, document: StoredDocument, passages: Sequence[Block], count: int
) -> list[Stated]:
    """The `count` most telling sentences of the whole document."""
    sentences = source_sentences(stages.retriever.chunks(document)) if passages else []
    chosen = salient(sentences, count, document.title)
    return [_itself(stages, sentences[place], passages[0].passages[0]) for place in chosen]


def _within_tokens(stages: Stages, said: Sequence[Stated], room: int) -> Sequence[Stated]:
    """The first of `said` that `room` tokens hold; at least one."""
    sizes = accumulate(stages.tokenizer.count(stated.text) for stated in said)
    return said[: max(1, sum(size <= room for size in sizes))]


def _laid_out(
    said: Sequence[Stated], separator: str
) -> tuple[str, tuple[Sentence, ...], tuple[Citation, ...]]:
    """The text with a marker for each distinct quote, and its sentences and citations."""
    bullet = "- " if separator == "\n" else ""
    numbers: dict[tuple[int, int], int] = {}
    text, sentences, citations = "", [], []
    for index, stated in enumerate(said):
        text += (separator if text else "") + bullet
        start = len(text)
        text += stated.text
        own = [numbers.setdefault((c.start, c.end), len(numbers) + 1) for c in stated.citations]
        sentences.append(Sentence(stated.text, start, len(text), tuple(own), stated.support))
        citations += [
            replace(citation, sentence=index, marker=marker)
            for citation, marker in zip(stated.citations, own, strict=True)
        ]
        text += " " + "".join(f"[{marker}]" for marker in own)
    return text, tuple(sentences), tuple(citations)


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
) -> list[str]:
    missing = sum(not figure.stands for figure in figures)
    told = (
        (not passages, "읽을 수 있는 글이 없어 요약하지 못했습니다."),
        (tally.unknown, f"근거에 없는 인용 번호 {tally.unknown}개를 지웠습니다."),
        (tally.uncited, f"인용 번호가 없는 문장 {tally.uncited}개를 뺐습니다."),
        (tally.unfounded, f"근거에 없는 수치가 든 문장 {tally.unfounded}개를 뺐습니다."),
        (missing, f"근거에서 확인되지 않은 수치가 {missing}개 있습니다. 원문에서 확인하세요."),
        (tally.replaced, f"모델의 글을 쓸 수 없어 {tally.replaced}번은 원문의 문장으로 대신했습니다."),
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
