"""Document → [Chunk] that tile it, by langchain-text-splitters.

The splitter runs without overlap and without stripping, so its parts join exactly to the text and
offsets are a running sum. Overlap, where wanted, is reading the neighbours at packing time.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from ingest.document import Chunk, Document, Page, chunk_id
from ingest.outline import breadcrumbs

# From the best place to cut to the worst: before an article or chapter, after a paragraph, after a
# sentence, between words, and anywhere (one endless word).
SEPARATORS = (
    r"\n(?=제\s?\d+\s?(?:편|장|절|관|조)[^\n]{0,60})",
    r"\n(?=(?:[□■○●◇◆▶Ⅰ-Ⅻ]|\d{1,2}\.\s|[가-하]\.\s))",
    r"\n",
    r"(?<=[다요임함음됨까죠][.?!])[\"”’)\]]*\s",
    r"(?<=[.?!;。])\s",
    r"\s",
    r"",
)


@dataclass(frozen=True, slots=True)
class ChunkingConfig:
    """`max_tokens`: the longest chunk, in tokens of the generator's tokenizer."""

    max_tokens: int = 400

    def __post_init__(self) -> None:
        if self.max_tokens < 16:
            raise ValueError(f"chunking.max_tokens must be at least 16, got {self.max_tokens}")


def split(document: Document, config: ChunkingConfig, count_tokens: Callable[[str], int]) -> list[Chunk]:
    """The chunks of `document`, in order; together they are its text.

    No chunk holds more than `config.max_tokens` tokens, unless a single character does. Chunks
    break at articles, items and sentences where they can, and inside a word only where one word
    alone is over the limit. An empty text has no chunks.
    """
    if not document.text:
        return []
    parts = [
        part
        for piece in _split_text(document.text, config.max_tokens, count_tokens)
        for part in _within_limit(piece, config.max_tokens, count_tokens)
    ]
    ends = list(accumulate(map(len, parts)))
    starts = [0, *ends[:-1]]
    # A chunk's breadcrumb is the one at its first heading, if it begins with one.
    contexts = breadcrumbs(document.headings, starts)
    return [
        Chunk(
            chunk_id(document.id, start, end),
            document.id,
            start,
            end,
            part,
            context,
            *pages_of_span(document.pages, start, start + len(part.rstrip()) or end),
            count_tokens(part),
        )
        for part, start, end, context in zip(parts, starts, ends, contexts, strict=True)
    ]


def pages_of_span(pages: Sequence[Page], start: int, end: int) -> tuple[int, int]:
    """Numbers of the first and last page of the non-empty span [start, end) of a document's text."""
    ends = [page.end for page in pages]
    first = bisect_right(ends, start)
    last = max(first, bisect_right(ends, max(start, end - 1)))
    return pages[first].number, pages[last].number


def _split_text(text: str, size: int, count_tokens: Callable[[str], int]) -> list[str]:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(
        separators=list(SEPARATORS),
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
