"""Outlines of a font's glyphs → whether they can be the characters that the font's table says they are.

Every engine believes a font's ToUnicode table, and one whose entries are exchanged gives syllables
that people write. What it cannot exchange is the drawing: 「를」 takes more strokes than 「이」 in
any typeface. So the pieces of each outline are counted and set beside what the character takes in
other fonts; in a font whose table is right the two go together.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import compress
from pathlib import Path

import numpy as np

from ingest.korean.legible import SPACES_DISTINCT, is_english
from ingest.pdf import pdfium
from ingest.pdf.pdfium import Handle

# How many pieces an outline has, as a logarithm in tenths: of the initial, medial and final of a
# syllable, which add up, and of each ASCII character; by eval/training/train_glyphs.py.
STROKES = Path(__file__).with_name("strokes.json")
# Characters of a page that are looked at, evenly spread, and glyphs of a font that are measured.
SAMPLED, MEASURED = 160, 64
# Number of glyphs known from an earlier page that are measured again: a font of the same name may be another.
COMPARED = 3
# (glyphs of a font, least correlation of their pieces with the strokes). Of 523 fonts of real files the
# worst have 0.62, 0.65 and 0.39 with these numbers of glyphs; one whose table is exchanged has 0 ± 1 / √glyphs.
AGREES = ((40, 0.55), (20, 0.5), (12, 0.25))
# The same of its syllables alone, which may have changed places among themselves: 0.51 and 0.39.
SYLLABLES_AGREE = ((50, 0.4), (30, 0.3))
SYLLABLES = 5  # of a font with fewer nothing is said: it may be one of symbols

LINE_ENDS, HYPHEN = frozenset("\t\n\r"), 0xFFFE  # which PDFium inserts
CONTROL = re.compile("[\x00-\x1f]")
FEWEST_UNMAPPED = 8


@dataclass(frozen=True, slots=True)
class Drawn:
    """What draws the characters of a page, by a sample of them.

    `fonts`: how many each font draws, by its number in `Fonts`; -1: none of those. `unmapped`: the
    share of them that are numbers of glyphs, for PDFium found no character.
    """

    fonts: Mapping[int, int] = field(default_factory=dict)
    unmapped: float = 0.0

    def share(self, numbers: Iterable[int]) -> float:
        """Of the page's characters, those of some fonts."""
        return sum(self.fonts.get(number, 0) for number in numbers) / max(1, sum(self.fonts.values()))


NOTHING_DRAWN = Drawn()


class Fonts:
    """The embedded fonts of one file, as far as its pages have been looked at."""

    def __init__(self) -> None:
        self._fonts: list[dict[str, int]] = []  # pieces by character, as far as measured
        self._numbers: dict[tuple[str, int], list[int]] = {}
        self._strokes = _strokes()

    def note(self, textpage: Handle, text: str, unseen: set[Handle]) -> Drawn:
        """What draws the characters of a page; glyphs that are new are measured.

        Args:
            text: the one at index i is PDFium's character i.
            unseen: text objects that are not drawn, as those of a scanner's OCR: their fonts are made up.
        """
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        controls = set(CONTROL.findall(text)) - LINE_ENDS
        # As in legible.py, one or two different control characters may stand in place of spaces.
        odd = [ord(char) for char in controls] if len(controls) > SPACES_DISTINCT else []
        solid = (codes > 0x20) & (codes != HYPHEN)
        places = np.flatnonzero(solid | np.isin(codes, odd) if odd else solid)
        sample = places[:: len(places) // SAMPLED + 1]
        unmapped = pdfium.are_unmapped(textpage, sample) | (codes[sample] < 0x20)
        items = pdfium.text_objects(textpage, sample)
        handles = pdfium.fonts_of([0 if item in unseen else item for item in items])
        chars = [text[place] for place in sample.tolist()]
        share = _unmapped_share(chars, unmapped.tolist())
        numbers = {
            handle: self._measure(handle, dict.fromkeys(compress(chars, map(handle.__eq__, handles))))
            for handle in set(handles) - {0}
        }
        return Drawn(Counter(numbers.get(handle, -1) for handle in handles), share)

    def misread(self) -> set[int]:
        """Numbers of the fonts whose table cannot be right."""
        return {number for number, pieces in enumerate(self._fonts) if self._is_misread(pieces)}

    def _measure(self, font: Handle, chars: Iterable[str]) -> int:
        """The number of a font that draws `chars`; -1 where there is nothing to measure."""
        chars = [char for char in chars if char in self._strokes]
        if not chars or not pdfium.is_embedded(font):
            return -1
        same = self._numbers.setdefault(pdfium.font_key(font), [])
        for number in same:
            pieces = self._fonts[number]
            known = [char for char in chars if char in pieces][:COMPARED]
            if pdfium.glyph_pieces(font, known) == [pieces[char] for char in known]:
                break
        else:
            number, pieces = len(self._fonts), {}
            self._fonts.append(pieces)
            same.append(number)
        new = [char for char in chars if char not in pieces][: MEASURED - len(pieces)]
        pieces.update(zip(new, pdfium.glyph_pieces(font, new), strict=True))
        return number

    def _is_misread(self, pieces: Mapping[str, int]) -> bool:
        """Whether outlines are those of other characters; False where there are too few to tell."""
        known = {char: count for char, count in pieces.items() if count > 0}
        syllables = {char: count for char, count in known.items() if char >= "가"}
        if len(syllables) < SYLLABLES:
            return False
        return self._disagree(known, AGREES) or self._disagree(syllables, SYLLABLES_AGREE)

    def _disagree(self, pieces: Mapping[str, int], limits: Sequence[tuple[int, float]]) -> bool:
        least = next((least for fewest, least in limits if len(pieces) >= fewest), -1.0)
        return agreement([self._strokes[char] for char in pieces], list(pieces.values())) < least


def agreement(strokes: Sequence[int], pieces: Sequence[int]) -> float:
    """From -1 to 1: how well outlines go together with the strokes of their characters.

    1 where all outlines have as many pieces, as in fonts of boxes: they tell nothing.
    """
    outlines = np.log(pieces)
    if min(np.std(strokes), outlines.std()) < 1e-6:
        return 1.0
    return float(np.corrcoef(strokes, outlines)[0, 1])


def _unmapped_share(chars: Sequence[str], unmapped: Sequence[bool]) -> float:
    """Of `chars`; 0 where those read as words all the same: the codes of old English fonts are ASCII."""
    odd = "".join(compress(chars, unmapped))
    return 0.0 if len(odd) < FEWEST_UNMAPPED or is_english(odd) else len(odd) / len(chars)


@lru_cache(maxsize=1)
def _strokes() -> dict[str, int]:
    parts = json.loads(STROKES.read_text(encoding="utf-8"))
    strokes = dict(zip(map(chr, range(0x21, 0x7F)), parts["ascii"], strict=True))
    char = 0xAC00
    for initial in parts["initial"]:
        for medial in parts["medial"]:
            for final in parts["final"]:
                strokes[chr(char)] = initial + medial + final
                char += 1
    return strokes
