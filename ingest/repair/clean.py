"""Raw lines → their clean text, and the raw character that each clean character came from.

These changes are made, and no others:

- text is normalised to Unicode NFC;
- control, zero-width and soft-hyphen characters are removed;
- each run of blanks becomes one space;
- a lone surrogate becomes U+FFFD;
- a private-use character of Hancom's equation font or of a symbol font becomes the character it shows;
- a run of leader dots becomes one «…»;
- a heading set letter by letter («재 무 상 태 표») loses its inner spaces.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingest.document import CELL_SEPARATOR
from ingest.korean.legible import EQUATION
from ingest.raw import RawLine, RawPage
from ingest.sourcemap import Run

# Text that needs no cleaning: its only blanks are single spaces, and NFC changes none of these characters.
PLAIN = re.compile(r"(?:[!-~가-힣·ㆍ○●□■◦△▲▶※→①-⑳“”‘’「」『』〈〉《》【】〔〕…–—~％㎡㎥Ⅰ-Ⅻ㈜]| (?! ))*")
DOTTED = re.compile(r"[.·‥․ㆍ⋯…]\s?[.·‥․ㆍ⋯…]")
LEFT_OUT = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff\ufffe\uffff]")
BLANK = re.compile("[\\s\x00-\x1f\x7f-\x9f\xa0\u3000]")
SURROGATE = re.compile("[\ud800-\udfff]")
# The leader dots of a contents page. Kept, they took up to a third of a document's tokens.
DOTS = re.compile(r"\s?[.·‥․ㆍ⋯…][.·‥․ㆍ⋯…\s]{3,}[.·‥․ㆍ⋯…]\s?")
LETTER_SPACED = re.compile(r"(?:제\s?\d+\s?[편장절관]\s)?([가-힣](?: [가-힣]){1,11})(?:\s?[<(\[].{0,40})?$")
# Private-use character → the bullet it shows, in the symbol fonts that office software uses.
SYMBOLS = {
    0xF06C: "●", 0xF06D: "❍", 0xF06E: "■", 0xF06F: "□", 0xF071: "❑", 0xF075: "◆", 0xF076: "❖",
    0xF077: "◆", 0xF09F: "•", 0xF0A0: "○", 0xF0A1: "○", 0xF0A7: "▪", 0xF0A8: "◻", 0xF0B7: "•",
    0xF0D8: "➢", 0xF0E0: "→", 0xF0E8: "➔", 0xF0F0: "⇨", 0xF0FC: "✓", 0xF0FE: "☑",
} | {0xF081 + i: chr(ord("①") + i) for i in range(10)} | {0xF08C + i: chr(ord("❶") + i) for i in range(10)}  # fmt: skip
SHOWN = EQUATION | SYMBOLS
# The only two-letter words that are joined: «가 나» is a list, not a word.
TWO_LETTERS = {"부칙", "보칙", "총칙", "벌칙", "목차", "차례", "서문", "서론", "본론", "결론", "제목", "별표"}

_INSERTED = -1


@dataclass(frozen=True, slots=True)
class CleanLine:
    """The clean text of one raw line.

    `runs` map `text` to the raw characters of the page. `spaced`: the file has a blank after the line.
    """

    raw: RawLine
    text: str
    runs: tuple[Run, ...]
    spaced: bool


# A clean text, and the runs that map it to raw characters.
Piece = tuple[str, tuple[Run, ...]]
# (text before, text after) of each line break, and all lines of the document → does a space belong there?
Decide = Callable[[Sequence[tuple[str, str]], Sequence[str]], list[bool]]


def clean_lines(lines: Sequence[RawLine], pages: Sequence[RawPage], decide: Decide) -> list[CleanLine]:
    """The clean lines, in the order of `lines`. A line that cleaning empties is left out.

    `decide` is asked only about the line breaks inside table cells.
    """
    pieces = [_pieces(line, pages[line.page].text) for line in lines]
    wrapped = [
        (before[0], after[0])
        for line, cells in zip(lines, pieces, strict=True)
        if line.table >= 0
        for cell in cells
        for before, after in pairwise(cell)
    ]
    known = [text for cells in pieces for cell in cells for text, _ in cell]
    spaces = iter(decide(wrapped, known) if wrapped else ())
    cleaned = (
        _clean_line(line, cells, pages[line.page].text, spaces)
        for line, cells in zip(lines, pieces, strict=True)
    )
    return [line for line in cleaned if line.text]


def clean_span(raw: str, start: int, end: int) -> Piece:
    """The clean text of raw[start:end], with runs that map it to positions in `raw`."""
    piece = raw[start:end]
    if not (PLAIN.fullmatch(piece) and DOTTED.search(piece) is None):
        return _clean_slowly(raw, start, end)
    text = piece.strip()
    left = len(piece) - len(piece.lstrip())
    return (text, (Run(0, start + left, len(text)),)) if text else ("", ())


def _pieces(line: RawLine, raw: str) -> list[list[Piece]]:
    return [[piece for piece in (clean_span(raw, *span) for span in cell) if piece[0]] for cell in line.cells]


def _clean_line(
    line: RawLine, cells: Sequence[Sequence[Piece]], raw: str, spaces: Iterator[bool]
) -> CleanLine:
    if line.table >= 0:
        joined = [_join(cell, [" " if next(spaces) else "" for _ in cell[1:]]) for cell in cells]
        # Empty cells at the end of the row are dropped; others keep their column.
        while joined and not joined[-1][0]:
            joined.pop()
        piece = _join(joined, [CELL_SEPARATOR] * (len(joined) - 1))
    else:
        joined = [_join(cell, [""] * (len(cell) - 1)) for cell in cells if cell]
        piece = _without_letter_spacing(*_join(joined, [" "] * (len(joined) - 1)))
    text, runs = _single_spaced(*piece)
    last = line.cells[-1][-1][1] if line.cells and line.cells[-1] else 0
    return CleanLine(line, text, runs, raw[last : last + 1] in (" ", "\xa0"))


def _join(pieces: Sequence[Piece], seams: Sequence[str]) -> Piece:
    if len(pieces) <= 1:
        return pieces[0] if pieces else ("", ())
    text, runs = pieces[0][0], list(pieces[0][1])
    for (more, of_more), seam in zip(pieces[1:], seams, strict=False):
        # A bare accent or jamo at the seam would combine with the character before it.
        if not seam and not unicodedata.is_normalized("NFC", text[-4:] + more[:4]):
            seam = " "
        text += seam
        runs += [Run(run.start + len(text), run.raw, run.length) for run in of_more]
        text += more
    return text, tuple(runs)


def _single_spaced(text: str, runs: tuple[Run, ...]) -> Piece:
    """The piece without a blank at its start or two in a row, which the separators of empty cells leave."""
    if "  " not in text and not text.startswith(" "):
        return text, runs
    kept = [
        position
        for position, char in enumerate(text)
        if char != " " or (position and text[position - 1] != " ")
    ]
    return _select(text, runs, kept)


def _select(text: str, runs: Sequence[Run], kept: Sequence[int]) -> Piece:
    """The characters of a piece at the ascending positions `kept`."""
    sources = [_INSERTED] * len(text)
    for run in runs:
        sources[run.start : run.start + run.length] = range(run.raw, run.raw + run.length)
    return "".join(text[at] for at in kept), _runs([sources[at] for at in kept])


def _clean_slowly(raw: str, start: int, end: int) -> Piece:
    chars: list[str] = []
    sources: list[int] = []
    position = start
    while position < end:
        char = raw[position]
        stop = position + 1
        if BLANK.match(char):
            if chars and chars[-1] != " ":
                chars.append(" ")
                sources.append(position)
        elif not LEFT_OUT.match(char):
            # A removed character does not separate an accent from its letter.
            while (
                stop < end
                and (_combines(raw[stop]) or LEFT_OUT.match(raw[stop]))
                and not SURROGATE.match(char)
            ):
                stop += 1
            composed = _shown(LEFT_OUT.sub("", raw[position:stop]))
            chars += composed
            sources += [position] * len(composed)
        position = stop
    while chars and chars[-1] == " ":
        chars.pop()
        sources.pop()
    return _without_leaders("".join(chars), sources)


def _shown(cluster: str) -> str:
    if SURROGATE.match(cluster):
        return "\ufffd"
    return unicodedata.normalize("NFC", cluster.translate(SHOWN)).strip() or "\ufffd"


def _combines(char: str) -> bool:
    """Whether NFC may compose `char` with the one before it: a combining mark, or a non-initial jamo."""
    return unicodedata.combining(char) > 0 or "\u1160" <= char <= "\u11ff" or "\ud7b0" <= char <= "\ud7fb"


def _without_leaders(text: str, sources: list[int]) -> Piece:
    if DOTS.search(text) is None:
        return text, _runs(sources)
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
    return clean[left:right], _runs(kept[left:right])


def _without_letter_spacing(text: str, runs: tuple[Run, ...]) -> Piece:
    match = LETTER_SPACED.match(text)
    if match is None:
        return text, runs
    word = match[1].replace(" ", "")
    if len(word) == 2 and word not in TWO_LETTERS and not match.start(1):
        return text, runs
    spaced = range(match.start(1), match.end(1))
    return _select(text, runs, [at for at, char in enumerate(text) if char != " " or at not in spaced])


def _runs(sources: Sequence[int]) -> tuple[Run, ...]:
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
    return tuple(runs)
