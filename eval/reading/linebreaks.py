"""Texts that are known, and what came out of their PDFs → how many line breaks were mended right.

A line break of the raw PDF stands between two characters that are no blanks. With the characters
around it as a key, the same place is found in the source text, which says what belongs there
(nothing, a space, a paragraph's end), and in our text, which says what we put there.
"""

import json
import random
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

from eval.metrics import mean
from ingest.repair.joints import kiwi_spaces

# Characters on each side of a line break by which its place is found in the other texts.
REACH = 8
# How far from the expected place it is looked for first: sentences of laws repeat each other.
NEARBY = 4_000
# Characters on each side that Kiwi alone is shown.
GLUE_REACH = 12
# One form of each mark that the same text is written with differently.
VARIANTS = str.maketrans("ㆍ‧・･∙⋅•（）［］“”‘’〈〉", "·······()[]\"\"''<>")


@dataclass(frozen=True, slots=True)
class Squeezed:
    """A text without its blanks: `chars[i]` is `text[positions[i]]`, variants of a mark alike."""

    text: str
    chars: str
    positions: tuple[int, ...]

    def gap(self, i: int) -> str:
        """What stands between character i - 1 and i: "" nothing, " " blanks, "\\n" a line break."""
        between = self.text[self.positions[i - 1] + 1 : self.positions[i]] if i else ""
        if "\n" in between or "\r" in between:
            return "\n"
        return " " if any(map(str.isspace, between)) else ""


@dataclass(frozen=True, slots=True)
class Joint:
    """A line break of a raw PDF: what belongs there, and what we made of it (None: it is lost)."""

    truth: str
    ours: str | None
    before: str  # source text on its left
    after: str  # and on its right


def squeeze_text(text: str) -> Squeezed:
    """`text` in NFC without blanks and control characters."""
    text = unicodedata.normalize("NFC", text)
    positions = tuple(i for i, char in enumerate(text) if not _is_blank(char))
    return Squeezed(text, "".join(text[i] for i in positions).translate(VARIANTS), positions)


def joints(raw: Squeezed, source: Squeezed, ours: Squeezed) -> tuple[list[Joint], int]:
    """The line breaks of `raw` whose place in `source` is found, and the number of the others.

    The others stand beside text that the source does not have, such as a page's head.
    """
    found, unplaced = [], 0
    in_source, in_ours = _Follower(source.chars), _Follower(ours.chars)
    for i in range(1, len(raw.chars)):
        if raw.gap(i) != "\n":
            continue
        left = min(i, REACH)
        key = raw.chars[i - left : i + REACH]
        place, our_place = in_source.find(key, i, left), in_ours.find(key, i, left)
        if place is None:
            unplaced += 1
            continue
        before, after = _around(source, place)
        gap = None if our_place is None else ours.gap(our_place)
        found.append(Joint(source.gap(place), gap, before, after))
    return found, unplaced


def tally(judged: Sequence[Joint], unplaced: int = 0) -> dict[str, Any]:
    """Shares of the breaks that were decided right.

    `accuracy`: of the breaks inside paragraphs, those where we have just what the source has; a lost
    one is wrong. `words_right` forgives a false paragraph's end between words: no word is cut or glued.
    """
    inside = [joint for joint in judged if joint.truth != "\n"]
    in_word = [joint for joint in inside if not joint.truth]
    between = [joint for joint in inside if joint.truth]
    ends = [joint for joint in judged if joint.truth == "\n"]
    return {
        "breaks": len(inside),
        "accuracy": mean(joint.ours == joint.truth for joint in inside),
        "words_right": mean(_word_right(joint) for joint in inside),
        "in_word": len(in_word),
        "in_word_right": mean(joint.ours == "" for joint in in_word),
        "between_words": len(between),
        "between_words_right": mean(joint.ours == " " for joint in between),
        "false_paragraph_ends": mean(joint.ours == "\n" for joint in inside),
        "paragraph_ends": len(ends),
        "paragraph_ends_kept": mean(joint.ours == "\n" for joint in ends),
        "lost": sum(joint.ours is None for joint in judged),
        "not_in_source": unplaced,
        "always_space": mean(bool(joint.truth) for joint in inside),
        "never_space": mean(not joint.truth for joint in inside),
    }


def glue_accuracy(judged: Sequence[Joint], limit: int, seed: int) -> float:
    """How often Kiwi alone would be right inside paragraphs, from the words around; of a sample."""
    inside = [joint for joint in judged if joint.truth != "\n" and joint.before and joint.after]
    chosen = random.Random(seed).sample(inside, min(limit, len(inside)))
    return mean(kiwi_spaces(joint.before, joint.after) == bool(joint.truth) for joint in chosen)


def raw_text(data: bytes) -> str:
    """The text of a PDF as pypdfium2 gives it, pages joined by a line break."""
    return "\n".join(_raw_pages(data))


@lru_cache(maxsize=1)
def page_texts(path: Path) -> list[str]:
    """The text of each page of a PDF as pypdfium2 gives it; the last file is kept."""
    return _raw_pages(path.read_bytes())


def _raw_pages(data: bytes) -> list[str]:
    import pypdfium2

    pdf = pypdfium2.PdfDocument(data)
    pages = []
    for page in pdf:
        textpage = page.get_textpage()
        pages.append(textpage.get_text_range(errors="replace") if textpage.count_chars() else "")
    pdf.close()
    return pages


def typeset_sources(corpus: Path) -> dict[str, str]:
    """What each PDF of a typeset data set was made from, by the PDF's path in the shared folder.

    The file's rows follow each other in it, each under its title (welfare) or all under one (korquad1).
    """
    sources: dict[str, list[str]] = {}
    with corpus.open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            texts = sources.setdefault(row["pdf"], [])
            title = row.get("title") or row["id"].replace("_", " ")
            if title not in texts:
                texts.append(title)
            texts.append(row["text"])
    return {pdf: "\n".join(texts) for pdf, texts in sources.items()}


def wrap(paragraph: str, width: int) -> list[str]:
    """`paragraph` in lines of at most `width` Hangul characters, cut anywhere, blanks at the cut dropped.

    Half-width characters take half of one, as they do in print.
    """
    lines, line, used = [], "", 0.0
    for char in paragraph:
        wide = 1.0 if char >= "\u1100" else 0.5
        if used + wide > width:
            lines.append(line.rstrip())
            line, used = "", 0.0
        if line or not char.isspace():
            line += char
            used += wide
    return [text for text in (*lines, line.rstrip()) if text]


def typeset(paragraphs: Iterable[str], width: int) -> bytes:
    """A PDF of the paragraphs wrapped at `width`; nothing but the next line shows where one ends."""
    from io import BytesIO

    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfgen.canvas import Canvas

    size, leading, page = 8, 13, (595, 842)
    pdfmetrics.registerFont(UnicodeCIDFont("HYSMyeongJo-Medium"))
    out = BytesIO()
    canvas = Canvas(out, pagesize=page, invariant=1)
    lines = [line for paragraph in paragraphs for line in wrap(paragraph, width)]
    per_page = (page[1] - 120) // leading
    for start in range(0, len(lines), per_page):
        canvas.setFont("HYSMyeongJo-Medium", size)
        for row, line in enumerate(lines[start : start + per_page]):
            canvas.drawString(56, page[1] - 60 - row * leading, line)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


class _Follower:
    """Finds keys in `text`, each nearest to where the one before it lets it be expected."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._drift = 0

    def find(self, key: str, at: int, left: int) -> int | None:
        """The place in the text of what stands at `at` in the other; `left` of the key is before it."""
        expected = at - left + self._drift
        near = max(0, expected - NEARBY)
        places = list(_occurrences(self._text, key, near, expected + NEARBY))
        places = places or list(_occurrences(self._text, key, 0, len(self._text)))
        if not places:
            return None
        place = min(places, key=lambda found: abs(found - expected))
        self._drift += place - expected
        return place + left


def _occurrences(text: str, key: str, start: int, end: int) -> Iterator[int]:
    for _ in count():
        start = text.find(key, start, max(0, end))
        if start < 0:
            return
        yield start
        start += 1


def _around(source: Squeezed, i: int) -> tuple[str, str]:
    first, last = source.positions[max(0, i - GLUE_REACH)], source.positions[i]
    end = source.positions[min(len(source.positions) - 1, i + GLUE_REACH)]
    return source.text[first:last].strip(), source.text[last:end].strip()


def _word_right(joint: Joint) -> bool:
    return joint.ours is not None and bool(joint.ours) == bool(joint.truth)


def _is_blank(char: str) -> bool:
    return char.isspace() or unicodedata.category(char) in ("Cc", "Cf", "Cn", "Co", "Cs")


def merge(parts: Iterable[tuple[list[Joint], int]]) -> tuple[list[Joint], int]:
    """The joints of several files as one list, and their unplaced breaks as one number."""
    parts = list(parts)
    return [joint for found, _ in parts for joint in found], sum(unplaced for _, unplaced in parts)


def judge(raws: Mapping[str, str], sources: Mapping[str, str], texts: Mapping[str, str]):
    """`joints` of every file that has a source, as one; all by the same names."""
    return merge(
        joints(squeeze_text(raws[name]), squeeze_text(source), squeeze_text(texts[name]))
        for name, source in sources.items()
        if name in texts
    )
