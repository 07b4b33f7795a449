"""One raw line → its clean text, and which raw character each of its characters is.

What is changed, and nothing else: Unicode NFC; control, zero-width and soft-hyphen characters left
out; every run of blanks one space; a lone surrogate U+FFFD; leader dots one «…»; the spaces of a
heading set letter by letter («재 무 상 태 표») left out.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingest.raw import RawLine, RawPage, Span
from ingest.sourcemap import Run

CELL_SEPARATOR = " | "
# No blank but single spaces, nothing that is left out, no dots, nothing that NFC could touch.
PLAIN = re.compile(
    r"(?:[!-~가-힣·ㆍ○●□■◦△▲▶※→①-⑳“”‘’「」『』〈〉《》【】〔〕…–—~％㎡㎥Ⅰ-Ⅻ㈜]| (?! ))*"
)
DOTTED = re.compile(r"[.·‥․ㆍ⋯…]\s?[.·‥․ㆍ⋯…]")
LEFT_OUT = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff\ufffe\uffff]")
BLANK = re.compile("[\\s\x00-\x1f\x7f-\x9f\xa0\u3000]")
# The dots of a contents page: a third of a document's tokens where they are kept.
DOTS = re.compile(r"\s?[.·‥․ㆍ⋯…][.·‥․ㆍ⋯…\s]{3,}[.·‥․ㆍ⋯…]\s?")
LETTER_SPACED = re.compile(
    r"(?:제\s?\d+\s?[편장절관]\s)?([가-힣](?: [가-힣]){1,11})(?:\s?[<(\[].{0,40})?$"
)
# Of two letters, only these: «가 나» is no word.
TWO_LETTERS = {"부칙", "보칙", "총칙", "벌칙", "목차", "차례", "서문", "서론", "본론", "결론", "제목", "별표"}

_INSERTED = -1


@dataclass(frozen=True, slots=True)
class CleanLine:
    """`runs` lead from `text` to the raw characters of the page; `spaced`: a blank follows in the file."""

    raw: RawLine
    text: str
    runs: tuple[Run, ...]
    spaced: bool


# For pieces of a cell that is wrapped: (text before, text after) → is there a space between?
Joiner = Callable[[Sequence[tuple[str, str]]], list[bool]]


def clean_line(line: RawLine, page: RawPage, joiner: Joiner) -> CleanLine:
    """`line` of `page` as it goes into the text; empty where nothing is left of it."""
    pieces: list[tuple[str, list[int]]] = []
    for cell in line.cells:
        pieces.append(_cell(line, cell, page.text, joiner))
    between = CELL_SEPARATOR if line.table >= 0 else " "
    text, sources = _joined(pieces, between)
    text, sources = _without_letter_spacing(text, sources)
    end = line.cells[-1][-1][1] if line.cells and line.cells[-1] else 0
    spaced = page.text[end : end + 1] in (" ", "\xa0")
    return CleanLine(line, text, tuple(_runs(sources)), spaced)


def clean_span(raw: str, start: int, end: int) -> tuple[str, list[int]]:
    """The clean text of raw[start:end], and the raw index of each of its characters (-1: inserted)."""
    piece = raw[start:end]
    if PLAIN.fullmatch(piece) and not DOTTED.search(piece):
        left = len(piece) - len(piece.lstrip())
        text = piece.strip()
        return text, list(range(start + left, start + left + len(text)))
    return _clean_slowly(raw, start, end)


def _clean_slowly(raw: str, start: int, end: int) -> tuple[str, list[int]]:
    chars: list[str] = []
    sources: list[int] = []
    position = start
    while position < end:
        char = raw[position]
        stop = position + 1
        if LEFT_OUT.match(char):
            pass
        elif BLANK.match(char):
            if chars and chars[-1] != " ":
                chars.append(" ")
                sources.append(position)
        else:
            while stop < end and _combines(raw[stop]):
                stop += 1
            cluster = "\ufffd" if "\ud800" <= char <= "\udfff" else raw[position:stop]
            composed = unicodedata.normalize("NFC", cluster)
            chars += composed
            sources += [position] * len(composed)
        position = stop
    while chars and chars[-1] == " ":
        chars.pop()
        sources.pop()
    return _without_leaders("".join(chars), sources)


def _combines(char: str) -> bool:
    """Whether `char` may be composed with the one before it: marks, and jamo after the first."""
    return unicodedata.combining(char) > 0 or "\u1160" <= char <= "\u11ff" or "\ud7b0" <= char <= "\ud7fb"


def _without_leaders(text: str, sources: list[int]) -> tuple[str, list[int]]:
    parts: list[str] = []
    kept: list[int] = []
    position = 0
    for match in DOTS.finditer(text):
        parts += (text[position : match.start()], " … ")
        kept += [*sources[position : match.start()], _INSERTED, _INSERTED, _INSERTED]
        position = match.end()
    clean = "".join(parts) + text[position:]
    kept += sources[position:]
    left = len(clean) - len(clean.lstrip())
    right = len(clean.rstrip())
    return clean[left:right], kept[left:right]


def _cell(line: RawLine, spans: Sequence[Span], raw: str, joiner: Joiner) -> tuple[str, list[int]]:
    """A cell: the pieces of a wrapped one joined as words demand, those of a line as they stand."""
    pieces = [piece for piece in (clean_span(raw, *span) for span in spans) if piece[0]]
    if len(pieces) < 2:
        return pieces[0] if pieces else ("", [])
    if line.table < 0:
        return _joined(pieces, "")
    spaces = joiner([(before[0], after[0]) for before, after in pairwise(pieces)])
    text, sources = pieces[0]
    for (more, where), space in zip(pieces[1:], spaces, strict=True):
        text, sources = _joined([(text, sources), (more, where)], " " if space else "")
    return text, sources


def _joined(pieces: Sequence[tuple[str, list[int]]], between: str) -> tuple[str, list[int]]:
    text, sources = pieces[0] if pieces else ("", [])
    sources = list(sources)
    for more, where in pieces[1:]:
        # Half a syllable or an accent at the seam would change its neighbour.
        seam = between or ("" if unicodedata.is_normalized("NFC", text[-4:] + more[:4]) else " ")
        text += seam + more
        sources += [_INSERTED] * len(seam) + where
    clean = text.strip()
    left = len(text) - len(text.lstrip())
    return clean, sources[left : left + len(clean)]


def _without_letter_spacing(text: str, sources: list[int]) -> tuple[str, list[int]]:
    match = LETTER_SPACED.match(text)
    if match is None:
        return text, sources
    word = match[1].replace(" ", "")
    numbered = match.start(1) > 0
    if len(word) == 2 and word not in TWO_LETTERS and not numbered:
        return text, sources
    kept = [
        position
        for position in range(len(text))
        if not (match.start(1) <= position < match.end(1) and text[position] == " ")
    ]
    return "".join(text[position] for position in kept), [sources[position] for position in kept]


def _runs(sources: Sequence[int]) -> list[Run]:
    runs: list[Run] = []
    position, count = 0, len(sources)
    while position < count:
        raw = sources[position]
        if raw == _INSERTED:
            position += 1
            continue
        stop = position + 1
        while stop < count and sources[stop] == raw + stop - position:
            stop += 1
        runs.append(Run(position, raw, stop - position))
        position = stop
    return runs
