"""Document → the chunks that tile it, by langchain-text-splitters.

The splitter runs without overlap and without stripping, so its parts joined are exactly the text and
offsets are a running sum. Where overlap is wanted, neighbouring chunks are read when a prompt is packed.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from ingest.document import Chunk, ChunkKind, Document, Heading, Page, chunk_id
from ingest.korean.analyse import ITEM_LETTERS, sentence_spans
from ingest.structure.outline import breadcrumbs

# Places to cut, best first: before an item, after a paragraph, after a Korean sentence, after another
# sentence's end, between words, and anywhere (inside an endless word).
SEPARATORS = (
    rf"\n(?=(?:[□■○●◇◆▶Ⅰ-Ⅻ]|\d{{1,2}}\.\s|[{ITEM_LETTERS}]\.\s))",
    r"\n",
    r"(?<=[다요임함음됨까죠][.?!])[\"”’)\]]*\s",
    r"(?<=[.?!;。])\s",
    r"\s",
    r"",
)
# A heading begins a new chunk unless the chunk before it is shorter than this share of the limit.
HEADING_FILL = 0.3
# A part of a long piece that is shorter than this share of the limit joins its neighbour.
SHORT = 0.25
TABLE_SEPARATORS = (r"\n", r" \| ", r"\s", r"")


@dataclass(frozen=True, slots=True)
class ChunkingConfig:
    """`max_tokens`: the greatest length of a chunk, in tokens of the generator's tokenizer."""

    max_tokens: int = 400

    def __post_init__(self) -> None:
        if self.max_tokens < 16:
            raise ValueError(f"chunking.max_tokens must be at least 16, got {self.max_tokens}")


def split(document: Document, config: ChunkingConfig, count_tokens: Callable[[str], int]) -> list[Chunk]:
    """The chunks of `document` in order; their texts joined are its text. An empty text has no chunks.

    No chunk holds more than `config.max_tokens` tokens, unless a single character does. An article of
    a law begins a chunk, and so does the text after a contents page. Another heading begins a chunk
    unless the one before is short, a table if it does not fit the one before. Long pieces are cut at
    items, rows and sentences, and inside a word only if that word alone is over the limit.

    Args:
        count_tokens: the number of tokens of a text, by the generator's tokenizer.
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
        _chunk(document, part, start, _context(document, crumb, start, end))
        for part, start, end, crumb in zip(parts, starts, ends, crumbs, strict=True)
    ]


def _chunk(document: Document, part: "_Piece", start: int, context: str) -> Chunk:
    end = start + len(part.text)
    first, last = pages_of_span(document.pages, start, start + len(part.text.rstrip()) or end)
    return Chunk(
        id=chunk_id(document.id, start, end),
        document_id=document.id,
        start=start,
        end=end,
        text=part.text,
        context=context,
        first_page=first,
        last_page=last,
        tokens=part.tokens,
        kind=part.kind,
    )


def pages_of_span(pages: Sequence[Page], start: int, end: int) -> tuple[int, int]:
    """The numbers of the first and the last page on which the span [start, end) of a document's text lies."""
    ends = [page.end for page in pages]
    first = bisect_right(ends, start)
    last = max(first, bisect_right(ends, max(start, end - 1)))
    return pages[first].number, pages[last].number


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of the text that stays together if it fits into a chunk.

    `border` says whether a chunk may continue across the piece's start: at 0 any chunk, at 1 (a heading)
    only a short one, at 2 none.
    """

    text: str
    tokens: int
    kind: ChunkKind
    border: int


def _pieces(document: Document, max_tokens: int, count_tokens: Callable[[str], int]) -> list[_Piece]:
    """The text cut at headings, and at the edges of tables and contents pages."""
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
    """The starts of articles (or of the headings right above them), and the edges of contents pages."""
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
    """Where the line below a heading begins; -1 if text follows on the heading's own line."""
    end = document.text.find("\n", heading.start)
    end = len(document.text) if end < 0 else end
    line = "".join(document.text[heading.start : end].split())
    alone = not heading.article or line == "".join(heading.title.split())
    return end + 1 if alone else -1


def _heading_positions(document: Document, starts: Sequence[int]) -> list[int]:
    """For each chunk's start, the start of the last heading in the row of headings that the chunk begins with."""
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
    """The pieces, with neighbours joined as long as they fit into a chunk and their borders allow it."""
    merged: list[_Piece] = []
    for piece in pieces:
        last = merged[-1] if merged else None
        room = max_tokens if not piece.border else 0 if piece.border > 1 else max_tokens * HEADING_FILL
        # Hence `<`: two parts joined may have one token more than their sum, at the seam.
        if last and last.tokens <= room and last.tokens + piece.tokens < max_tokens:
            text = last.text + piece.text
            longer = last if len(last.text) >= len(piece.text) else piece
            merged[-1] = _Piece(text, last.tokens + piece.tokens, longer.kind, last.border)
        else:
            merged.append(piece)
    return [part for piece in merged for part in _exactly(piece, max_tokens, count_tokens)]


def _exactly(piece: _Piece, max_tokens: int, count_tokens: Callable[[str], int]) -> list[_Piece]:
    """`piece` with its exact token count, halved until each part is within the limit."""
    return [
        _Piece(text, count_tokens(text), piece.kind, piece.border)
        for text in _within_limit(piece.text, max_tokens, count_tokens)
    ]


def _context(document: Document, crumb: str, start: int, end: int) -> str:
    """The breadcrumb of a chunk; inside a table also its unit and the names of its columns."""
    index = bisect_right([table.start for table in document.tables], start) - 1
    for table in document.tables[max(0, index) : index + 2]:
        if table.start < end and start < table.end:
            above = document.text[start : table.start]  # empty if the table began in an earlier chunk
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
    """`texts` with each short one joined to its neighbour; if that is too long, it is cut near the middle.

    A title or a last sentence alone would be found for its few words and say nothing.
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
    """`text` cut at the sentence end nearest to its middle; uncut if it has none inside."""
    ends = [end for _, end in sentence_spans(text)][:-1]
    if not ends:
        return [text]
    middle = min(ends, key=lambda end: abs(end - len(text) / 2))
    return [text[:middle], text[middle:]]


def load_splitters():
    """The library that splits long text. It takes time to load: wait until a text needs it, or load it to be shared."""
    import langchain_text_splitters

    return langchain_text_splitters


def _split_text(
    text: str, separators: Sequence[str], size: int, count_tokens: Callable[[str], int]
) -> list[str]:
    splitter = load_splitters().RecursiveCharacterTextSplitter(
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
    """`part` halved until each half has at most `size` tokens.

    It counts anew because the token counts of pieces do not add up to that of the whole.
    """
    if count_tokens(part) <= size or len(part) == 1:
        return [part]
    gaps = [gap.end() for gap in re.finditer(r"\s(?!$)", part)] or [len(part) // 2]
    middle = min(gaps, key=lambda gap: abs(gap - len(part) / 2))
    return [
        piece
        for start, end in pairwise((0, middle, len(part)))
        for piece in _within_limit(part[start:end], size, count_tokens)
    ]
