"""Outlines of a font's glyphs → whether the characters that the font's table gives them can be right.

Every engine trusts a font's ToUnicode table, which says what character each glyph is. If the entries
of the table are permuted, the text consists of real syllables and is still wrong. The outlines reveal
it: 「를」 has more strokes than 「이」 in any typeface. So the pieces of each outline are counted and
compared with the number that its character has in other fonts; in a font with a correct table the two
correlate.
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

# The usual number of pieces of an outline, as ten times its logarithm: for each initial, medial and final of a
# syllable, which add up, and for each ASCII character. Written by eval/training/train_glyphs.py.
STROKES = Path(__file__).with_name("strokes.json")
# The number of characters sampled from a page, evenly spread, and of glyphs measured in a font.
SAMPLED, MEASURED = 160, 64
# A font with a known name is the same font if this number of its glyphs have the pieces measured before.
COMPARED = 3
# (least number of glyphs, least correlation of their pieces with the strokes): below it a font's table is wrong.
# Of 523 fonts of real files the worst have 0.62, 0.65 and 0.39 at these numbers; one with a permuted table has
# 0 ± 1 / √glyphs.
AGREES = ((40, 0.55), (20, 0.5), (12, 0.25))
# The same for the syllables alone, which may be permuted among themselves. The worst real ones: 0.51 and 0.39.
SYLLABLES_AGREE = ((50, 0.4), (30, 0.3))
SYLLABLES = 5  # a font with fewer syllables is not judged: it may be one of symbols

LINE_ENDS, HYPHEN = frozenset("\t\n\r"), 0xFFFE  # both inserted by PDFium
CONTROL = re.compile("[\x00-\x1f]")
FEWEST_UNMAPPED = 8


@dataclass(frozen=True, slots=True)
class Drawn:
    """Which fonts draw the characters of a page, by a sample of them.

    `fonts`: a font's number in `Fonts` → how many of the sampled characters it draws; -1 stands for all
    other fonts. `unmapped`: the share of them for which PDFium knew no character and gave the glyph's code.
    """

    fonts: Mapping[int, int] = field(default_factory=dict)
    unmapped: float = 0.0

    def share(self, numbers: Iterable[int]) -> float:
        """The share of the sampled characters that the fonts with these numbers draw."""
        return sum(self.fonts.get(number, 0) for number in numbers) / max(1, sum(self.fonts.values()))


NOTHING_DRAWN = Drawn()


class Fonts:
    """The embedded fonts found so far in one file; a font's number is its index."""

    def __init__(self) -> None:
        self._fonts: list[dict[str, int]] = []  # of each font: character → pieces of its glyph
        self._numbers: dict[tuple[str, int], list[int]] = {}
        self._strokes = _strokes()

    def note(self, textpage: Handle, text: str, unseen: set[Handle]) -> Drawn:
        """Which fonts draw the characters of a page. Glyphs that are new are measured.

        Args:
            text: the page's text; the character at index i is PDFium's character i.
            unseen: text objects that are not drawn, such as a scanner's OCR layer, whose fonts are made up.
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
        """The numbers of the fonts whose table cannot be right."""
        return {number for number, pieces in enumerate(self._fonts) if self._is_misread(pieces)}

    def _measure(self, font: Handle, chars: Iterable[str]) -> int:
        """The number of the font that draws `chars`; -1 if it is not embedded or none of them can be measured."""
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
        """Whether the outlines belong to other characters; False if there are too few to tell."""
        known = {char: count for char, count in pieces.items() if count > 0}
        syllables = {char: count for char, count in known.items() if char >= "가"}
        if len(syllables) < SYLLABLES:
            return False
        return self._disagree(known, AGREES) or self._disagree(syllables, SYLLABLES_AGREE)

    def _disagree(self, pieces: Mapping[str, int], limits: Sequence[tuple[int, float]]) -> bool:
        least = next((least for fewest, least in limits if len(pieces) >= fewest), -1.0)
        return agreement([self._strokes[char] for char in pieces], list(pieces.values())) < least


def agreement(strokes: Sequence[int], pieces: Sequence[int]) -> float:
    """The correlation, from -1 to 1, of the outlines' pieces (their logarithm) with their characters' strokes.

    1 if all outlines have the same number of pieces, as in a font of boxes, because that tells nothing.
    """
    outlines = np.log(pieces)
    if min(np.std(strokes), outlines.std()) < 1e-6:
        return 1.0
    return float(np.corrcoef(strokes, outlines)[0, 1])


def _unmapped_share(chars: Sequence[str], unmapped: Sequence[bool]) -> float:
    """The share of `chars` that are unmapped; 0 if those read as English: old fonts use ASCII codes."""
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
