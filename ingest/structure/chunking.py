"""Document → [Chunk] that tile it, by langchain-text-splitters.

The splitter runs without overlap and without stripping, so its parts join exactly to the text and
offsets are a running sum. Overlap, where wanted, is reading the neighbours at packing time.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from ingest.document import Chunk, ChunkKind, Document, Heading, Page, chunk_id
from ingest.korean.analyse import ITEM_LETTERS, sentence_spans
from ingest.structure.outline import breadcrumbs

# From the best place to cut to the worst: before an item, after a paragraph, after a sentence,
# between words, and anywhere (one endless word).
SEPARATORS = (
    rf"\n(?=(?:[□■○●◇◆▶Ⅰ-Ⅻ]|\d{{1,2}}\.\s|[{ITEM_LETTERS}]\.\s))",
    r"\n",
    r"(?<=[다요임함음됨까죠][.?!])[\"”’)\]]*\s",
    r"(?<=[.?!;。])\s",
    r"\s",
    r"",
)
# A heading begins a new chunk, unless the chunk before it is shorter than this share of the limit.
HEADING_FILL = 0.3
# What is left of a long piece is no chunk below this share of the limit.
SHORT = 0.25
TABLE_SEPARATORS = (r"\n", r" \| ", r"\s", r"")


@dataclass(frozen=True, slots=True)
class ChunkingConfig:
    """`max_tokens`: the longest chunk, in tokens of the generator's tokenizer."""

    max_tokens: int = 400

    def __post_init__(self) -> None:
        if self.max_tokens < 16:
            raise ValueError(f"chunking.max_tokens must be at least 16, got {self.max_tokens}")


def split(document: Document, config: ChunkingConfig, count_tokens: Callable[[str], int]) -> list[Chunk]:
    """The chunks of `document`, in order; together they are its text.

    No chunk holds more than `config.max_tokens` tokens, unless a single character does. An article
    of a law begins a chunk, and so does what follows a contents page; other headings and tables do
    where the chunk before them would be full. Long pieces break at items, rows and sentences, and
    inside a word only where one word alone is over the limit. An empty text has no chunks.
    """
    if not document.text:
        return []
    pieces = [
        part
        for piece in _pieces(document, config.max_tokens, count_tokens)
        for part in _split_piece(piece, config.max_tokens, count_tokens)
    ]
    parts = _merge(pieces, config.max_tokens, count_tokens)
    ends = list(accumulate(len(part.text) for part in parts))
    starts = [0, *ends[:-1]]
    crumbs = breadcrumbs(document.headings, _heading_positions(document, starts))
    return [
        Chunk(
            chunk_id(document.id, start, end),
            document.id,
            start,
            end,
            part.text,
            _context(document, crumb, start, end),
            *pages_of_span(document.pages, start, start + len(part.text.rstrip()) or end),
            part.tokens,
            part.kind,
        )
        for part, start, end, crumb in zip(parts, starts, ends, crumbs, strict=True)
    ]


def pages_of_span(pages: Sequence[Page], start: int, end: int) -> tuple[int, int]:
    """Numbers of the first and last page of the non-empty span [start, end) of a document's text."""
    ends = [page.end for page in pages]
    first = bisect_right(ends, start)
    last = max(first, bisect_right(ends, max(start, end - 1)))
    return pages[first].number, pages[last].number


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of the text that stays together if it can; `border`: how much its start is one.

    At a border of 0 chunks may go on; at one of 1, a heading, short ones do; at 2 none does.
    """

    text: str
    tokens: int
    kind: ChunkKind
    border: int


def _pieces(document: Document, max_tokens: int, count_tokens: Callable[[str], int]) -> list[_Piece]:
    """The text cut at headings, tables and contents pages."""
    hard = _hard_borders(document)
    tables = [(table.start, table.end) for table in document.tables]
    headings = {heading.start for heading in document.headings}
    cuts = {0} | hard | headings
    cuts |= {edge for span in tables for edge in span}
    borders = sorted(cut for cut in cuts if cut < len(document.text))
    pieces = []
    for start, end in pairwise([*borders, len(document.text)]):
        text = document.text[start:end]
        kind: ChunkKind = "contents" if _within(document.contents, start) else "text"
        if kind == "text" and _within(tables, start):
            kind = "table"
        pieces.append(_Piece(text, count_tokens(text), kind, 2 if start in hard else int(start in headings)))
    return pieces


def _hard_borders(document: Document) -> set[int]:
    """Where articles begin, with the headings right above them, and the edges of contents pages."""
    borders = {edge for span in document.contents for edge in span}
    first = below = -1
    for heading in document.headings:
        if heading.start != below:
            first = heading.start
        if heading.article:
            borders.add(first)
        below = _below(document, heading)
    return borders


def _below(document: Document, heading: Heading) -> int:
    """Where the line below a heading begins; -1 where text follows on the heading's own line."""
    end = document.text.find("\n", heading.start)
    end = len(document.text) if end < 0 else end
    line = "".join(document.text[heading.start : end].split())
    alone = not heading.article or line == "".join(heading.title.split())
    return end + 1 if alone else -1


def _heading_positions(document: Document, starts: Sequence[int]) -> list[int]:
    """For each start of a chunk, that of the last of the headings that the chunk begins with."""
    below = {heading.start: _below(document, heading) for heading in document.headings}
    positions = []
    for start in starts:
        while below.get(start) in below:
            start = below[start]
        positions.append(start)
    return positions


def _within(spans: Sequence[tuple[int, int]], position: int) -> bool:
    index = bisect_right(spans, (position, 1 << 60)) - 1
    return index >= 0 and position < spans[index][1]


def _merge(pieces: Sequence[_Piece], max_tokens: int, count_tokens: Callable[[str], int]) -> list[_Piece]:
    """Neighbours put together while they fit."""
    merged: list[_Piece] = []
    for piece in pieces:
        last = merged[-1] if merged else None
        room = max_tokens if not piece.border else 0 if piece.border > 1 else max_tokens * HEADING_FILL
        # The tokens of two parts may be one more than their sum, where they meet.
        if last and last.tokens <= room and last.tokens + piece.tokens < max_tokens:
            text = last.text + piece.text
            longer = last if len(last.text) >= len(piece.text) else piece
            merged[-1] = _Piece(text, last.tokens + piece.tokens, longer.kind, last.border)
        else:
            merged.append(piece)
    return [part for piece in merged for part in _exactly(piece, max_tokens, count_tokens)]


def _exactly(piece: _Piece, max_tokens: int, count_tokens: Callable[[str], int]) -> list[_Piece]:
    """`piece` with its exact count, halved as often as that demands."""
    return [
        _Piece(text, count_tokens(text), piece.kind, piece.border)
        for text in _within_limit(piece.text, max_tokens, count_tokens)
    ]


def _context(document: Document, crumb: str, start: int, end: int) -> str:
    """The breadcrumb of a chunk; inside a table also its unit and the names of its columns."""
    index = bisect_right([table.start for table in document.tables], start) - 1
    for table in document.tables[max(0, index) : index + 2]:
        if table.start < end and start < table.end:
            above = document.text[start : table.start]  # empty where the table began before
            parts = [table.unit] if table.unit and table.unit not in above else []
            if start >= table.body and table.context:
                parts.append(table.context)
            return " > ".join(filter(None, [crumb, *parts]))
    return crumb


def _split_piece(piece: _Piece, max_tokens: int, count_tokens: Callable[[str], int]) -> list[_Piece]:
    if piece.tokens <= max_tokens:
        return [piece]
    separators = TABLE_SEPARATORS if piece.kind == "table" else SEPARATORS
    texts = _split_text(piece.text, separators, max_tokens, count_tokens)
    texts = _evened(texts, max_tokens, count_tokens)
    return [
        _Piece(text, count_tokens(text), piece.kind, piece.border if number == 0 else 2)
        for number, text in enumerate(texts)
    ]


def _evened(texts: list[str], max_tokens: int, count_tokens: Callable[[str], int]) -> list[str]:
    """`texts` without short ones: each goes to its neighbour, and what is too long then is cut in the middle.

    Alone, a title or a last sentence would be found for its few words and say nothing.
    """
    evened: list[str] = []
    for text in texts:
        short = evened and min(count_tokens(evened[-1]), count_tokens(text)) < max_tokens * SHORT
        if not short:
            evened.append(text)
            continue
        both = evened.pop() + text
        evened += [both] if count_tokens(both) <= max_tokens else _halves(both)
    return evened


def _halves(text: str) -> list[str]:
    """`text` cut at the sentence end nearest to its middle; whole where it has none."""
    ends = [end for _, end in sentence_spans(text)][:-1]
    if not ends:
        return [text]
    middle = min(ends, key=lambda end: abs(end - len(text) / 2))
    return [text[:middle], text[middle:]]


def _split_text(
    text: str, separators: Sequence[str], size: int, count_tokens: Callable[[str], int]
) -> list[str]:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(
        separators=list(separators),
        is_separator_regex=True,
        keep_separator="end",
        chunk_size=size,
        chunk_overlap=0,
        strip_whitespace=False,
        length_function=count_tokens,
    )
    parts = splitter.split_text(text)
    if "".join(parts) != text:
        raise RuntimeError("the text splitter lost text; chunks would not tile the document")
    return parts


def _within_limit(part: str, size: int, count_tokens: Callable[[str], int]) -> list[str]:
    """`part`, halved as often as its tokens demand: the sum of pieces is not the count of the whole."""
    if count_tokens(part) <= size or len(part) == 1:
        return [part]
    gaps = [gap.end() for gap in re.finditer(r"\s(?!$)", part)] or [len(part) // 2]
    middle = min(gaps, key=lambda gap: abs(gap - len(part) / 2))
    return [
        piece
        for start, end in pairwise((0, middle, len(part)))
        for piece in _within_limit(part[start:end], size, count_tokens)
    ]
