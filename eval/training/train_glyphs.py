"""`python -m eval.training.train_glyphs SHARED`: how many lines and curves characters are drawn with → ingest/pdf/strokes.json.

Counted in the embedded fonts of the shared PDFs. What is learnt are 162 numbers about letters, nothing of
any one font or file: a syllable's logarithm is the sum of its initial's, medial's and final's.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pypdfium2
from numpy.typing import NDArray

from ingest.pdf import pdfium
from ingest.pdf.glyphs import STROKES
from ingest.pdf.read import characters

PARTS = {"initial": 19, "medial": 21, "final": 28, "ascii": 94}
WIDTH = sum(PARTS.values())
# A font with fewer syllables has no sure mean, against which its glyphs are set.
SYLLABLES = 30
TENTHS = 10

Glyphs = dict[str, int]  # pieces by character


def measure(pdf: pypdfium2.PdfDocument, glyphs: dict[str, Glyphs]) -> None:
    """Add the glyphs of a file's embedded fonts to `glyphs`, by the font's name."""
    for index in range(len(pdf)):
        try:
            page = pdf[index]
            textpage = page.get_textpage()
        except pypdfium2.PdfiumError:
            continue
        text, handle = characters(textpage), pdfium.handle_of(textpage)
        chars: dict[int, dict[str, None]] = defaultdict(dict)
        fonts = pdfium.fonts_of(pdfium.text_objects(handle, np.arange(len(text))))
        for font, char in zip(fonts, text, strict=True):
            if font and ("!" <= char <= "~" or "가" <= char <= "힣"):
                chars[font][char] = None
        for font, drawn in chars.items():
            if pdfium.is_embedded(font):
                pieces = zip(drawn, pdfium.glyph_pieces(font, list(drawn)), strict=True)
                glyphs[pdfium.font_key(font)[0]].update((char, count) for char, count in pieces if count > 0)


def parts_of(char: str) -> list[int]:
    """Which of the 162 numbers add up to a character's."""
    if char < "가":
        return [WIDTH - PARTS["ascii"] + ord(char) - ord("!")]
    code = ord(char) - ord("가")
    return [code // 588, 19 + code % 588 // 28, 40 + code % 28]


def fit(fonts: list[Glyphs]) -> NDArray[np.int64]:
    """(162,): in tenths; each font's own mean is taken away, for a serif has more pieces than a grotesque."""
    rows, targets = [], []
    for glyphs in fonts:
        syllables = [count for char, count in glyphs.items() if char >= "가"]
        if len(syllables) >= SYLLABLES:
            mean = np.log(syllables).mean()
            rows += [np.isin(np.arange(WIDTH), parts_of(char)) for char in glyphs]
            targets += [np.log(count) - mean for count in glyphs.values()]
    drawn = np.array(rows, np.float64)
    weights = np.linalg.solve(drawn.T @ drawn + np.eye(WIDTH), drawn.T @ np.array(targets))
    return np.round(weights * TENTHS).astype(np.int64)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("shared", type=Path, metavar="SHARED", help="the folder that holds data/pdf")
    fonts: list[Glyphs] = []
    for path in sorted((parser.parse_args().shared / "data/pdf").rglob("*.[pP][dD][fF]")):
        try:
            pdf = pypdfium2.PdfDocument(path)
        except pypdfium2.PdfiumError:
            continue
        if path.parent.name not in ("korquad1", "welfare"):  # typeset with one font
            glyphs: dict[str, Glyphs] = defaultdict(dict)
            measure(pdf, glyphs)
            fonts += glyphs.values()
        pdf.close()
    initial, medial, final, ascii_ = np.split(fit(fonts), np.cumsum(list(PARTS.values()))[:-1])
    ascii_ -= initial.min() + medial.min() + final.min()
    values = (initial - initial.min(), medial - medial.min(), final - final.min(), ascii_)
    lines = [f' "{name}": {part.tolist()}' for name, part in zip(PARTS, values, strict=True)]
    STROKES.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{len(fonts):,} fonts, {sum(map(len, fonts)):,} glyphs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
