"""Raw page text → one clean text, whose page spans tile it.

Lines of one paragraph are joined, also across pages, and running heads and page numbers left out.
54.5 % of the line breaks between two Hangul characters of real Korean PDFs fall inside a word, so
whether a joint needs a space is decided line by line: by the spaces that the file itself keeps at
its line ends, else by `joints`.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingest.document import Page
from ingest.joints import decide
from ingest.pdf import RawPage

# What begins a new item or heading, never the middle of a paragraph.
ITEM = re.compile(
    r"(?:[①-⑳㉠-㉻⑴-⒇❶-❿■-◿★☆※▶▷◆◇●○◎•‣∙·◦⦁―–—*+✓✔☞]|[-‐]\s"
    r"|\d{1,2}(?:\.\d{1,2}){0,3}[.)]\s?(?![\d>)])|\(\d{1,2}\)|[가-하][.)]\s|\([가-하]\)|[IVXⅠ-Ⅻ]{1,4}\.\s"
    r"|제\s?\d{1,4}\s?(?:편|장|절|관|조)(?:의\s?\d{1,2})?\s?(?:[(（<\[]|\s|$)"
    r"|부\s?칙|\[?별\s?[표지]|<[^>]{1,30}>$|[〈<\[【「][^\n]{1,40}[〉>\]】」]$)"
)
# Where a paragraph's last line shows its end, whatever its width.
PARAGRAPH_END = re.compile(r"(?:다|함|임|음|것|요|까|니)[.。!?]?[\"”’)\]]*$|[.。!?][\"”’)\]>]*$")
LEADERS = re.compile(r"(?:[.·…‥․ㆍ⋯\-_\s]{4,}|…)\s*[-\dⅠ-Ⅻivx]{1,5}$")
# The dots of a contents page: a third of a document's tokens where they are kept.
DOTS = re.compile(r"\s?[.·‥․ㆍ⋯…][.·‥․ㆍ⋯…\s]{3,}[.·‥․ㆍ⋯…]\s?")
PAGE_NUMBER = re.compile(r"([-–―—~<\[(\s]*)(\d{1,4})(?:\s*/\s*\d{1,4})?\s*(?:쪽|페이지)?[-–―—~>\])\s]*")
# A reference that a wrapped line begins with, which is no heading: «제12조 및», «제3조제2항에».
REFERENCE = re.compile(
    r"제\s?\d{1,4}\s?(?:편|장|절|관|조)(?:의\s?\d{1,2})?\s?(?:제\s?\d|및|또는|부터|까지|에|의|와|과|을|를|은|는|[,ㆍ·])"
)
ZERO_WIDTH = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff\ufffe\uffff\x02]")
BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f\xa0\u3000]+")
SURROGATE = re.compile("[\ud800-\udfff]")
HANGUL = re.compile("[가-힣]")

# A page is garbled when this share of its characters is unassigned: fonts without a Unicode map.
GARBLED_SHARE = 0.2
# A line is a running head if it stands at the edge of this share of the pages, on at least 3.
RUNNING_SHARE = 0.4
EDGE_LINES = 2
# Lines at least this wide, in shares of the document's usual full line, go on in the next line;
# indented items are narrower, and go on where they do not end as a sentence does.
FULL_LINE = 0.86
INDENTED_LINE = 0.72
# No full line is narrower than this, in Hangul characters: slides and lists have short lines only.
NARROWEST = 14
# A file whose lines end in a space this often marks every break between words with one.
MARKED_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Line:
    """One clean line of a page; `spaced`: the file has a space at its end."""

    page: int  # index into the pages
    text: str
    spaced: bool


def normalise(pages: Sequence[RawPage]) -> tuple[str, tuple[Page, ...]]:
    """The clean text of a document, and the pages that tile it.

    A line break in the result ends a paragraph, an item or a table row; a joined line leaves none.
    Text is in NFC, without control characters, with single spaces.
    """
    lines = [line for index, page in enumerate(pages) for line in _page_lines(index, page)]
    lines = _without_running_lines(lines, len(pages))
    joints = _joints(lines)
    parts: list[list[str]] = [[] for _ in pages]
    for line, joint in zip(lines, joints, strict=True):
        parts[line.page] += (line.text, joint)
    text, spans = "", []
    for page, part in zip(pages, parts, strict=True):
        body = "".join(part)
        readable = bool(body.strip()) or page.objects == 0
        spans.append(Page(page.number, page.label, len(text), len(text) + len(body), readable))
        text += body
    return text, tuple(spans)


def clean_line(raw: str) -> str:
    """One line in NFC, control characters and runs of blanks as one space, lone surrogates gone."""
    text = BLANK.sub(" ", ZERO_WIDTH.sub("", SURROGATE.sub("\ufffd", raw)))
    return unicodedata.normalize("NFC", DOTS.sub(" … ", text)).strip()


def is_garbled(text: str) -> bool:
    """Whether the characters of `text` are mostly no characters: private use, unassigned, replaced."""
    odd = sum(char == "\ufffd" or unicodedata.category(char) in ("Co", "Cn", "Cc") for char in text)
    return odd > GARBLED_SHARE * len(text.replace(" ", ""))


def _page_lines(index: int, page: RawPage) -> list[Line]:
    raw_lines = re.split(r"\r\n|\r|\n", page.text)
    lines = [Line(index, clean_line(raw), raw.endswith((" ", "\xa0"))) for raw in raw_lines]
    lines = [line for line in lines if line.text]
    return [] if is_garbled("".join(line.text for line in lines)) else lines


def _without_running_lines(lines: Sequence[Line], page_count: int) -> list[Line]:
    """`lines` without the heads and feet that repeat from page to page, and without page numbers."""
    by_page: dict[int, list[int]] = {}
    for position, line in enumerate(lines):
        by_page.setdefault(line.page, []).append(position)
    edges = {page: {*of[:EDGE_LINES], *of[-EDGE_LINES:]} for page, of in by_page.items()}
    shapes = Counter(
        shape for page in edges.values() for shape in {_shape(lines[position].text) for position in page}
    )
    needed = max(3, RUNNING_SHARE * page_count)
    offsets = Counter(
        offset
        for page in edges.values()
        for offset in {_page_offset(lines[position]) for position in page} - {None}
    )
    running = {
        position
        for page in edges.values()
        for position in page
        if _numbers_page(lines[position], offsets) or shapes[_shape(lines[position].text)] >= needed
    }
    return [line for position, line in enumerate(lines) if position not in running]


def _numbers_page(line: Line, offsets: Counter) -> bool:
    """Whether `line` is its page's number: dressed as one (- 3 -), or counting up with the pages."""
    match = PAGE_NUMBER.fullmatch(line.text)
    return match is not None and (bool(match[1]) or offsets[_page_offset(line)] >= 3)


def _page_offset(line: Line) -> int | None:
    """How far the number that stands alone on `line` is from the page's; the same on every page."""
    match = PAGE_NUMBER.fullmatch(line.text)
    return int(match[2]) - line.page if match else None


def _shape(text: str) -> str:
    """`text` with its numbers alike; rows of nothing but numbers are left as they are."""
    squeezed = text.replace(" ", "")
    return re.sub(r"\d+", "0", squeezed) if re.search(r"[^\W\d_]", squeezed) else text


def _joints(lines: Sequence[Line]) -> list[str]:
    """What follows each line: a line break, a space or nothing."""
    joints = ["\n"] * len(lines)
    # Lines of a contents page are filled with leaders; they say nothing of the others' width.
    widths = sorted(_width(line.text) for line in lines if not LEADERS.search(line.text))
    full = max(NARROWEST, widths[int(0.9 * (len(widths) - 1))] if widths else 0)
    open_at = [position for position, pair in enumerate(pairwise(lines)) if _continues(*pair, full)]
    marked = _marks_word_breaks([lines[position] for position in open_at])
    unclear = []
    for position in open_at:
        before, after = lines[position], lines[position + 1]
        joint = _marked_joint(before, after, marked)
        joints[position] = joint or ""
        if joint is None:
            unclear.append(position)
    breaks = [(lines[position].text, lines[position + 1].text) for position in unclear]
    for position, spaced in zip(unclear, decide(breaks, [line.text for line in lines]), strict=True):
        joints[position] = " " if spaced else ""
    return joints


def _continues(before: Line, after: Line, full: float) -> bool:
    """Whether `after` goes on with the paragraph of `before`."""
    if not unicodedata.is_normalized("NFC", before.text[-8:] + after.text[:8]):
        return False  # a line that begins with half a syllable or an accent would change its neighbour
    ended = PARAGRAPH_END.search(before.text)
    wide = _width(before.text) >= full * (FULL_LINE if ended else INDENTED_LINE)
    if not wide or after.page - before.page > 1 or LEADERS.search(before.text):
        return False
    if ended and after.page != before.page:
        return False
    if not ITEM.match(after.text):
        return True
    # «다.» begins item 다, and ends a sentence that the line before it left open; so with references.
    return not ended and (after.text.startswith("다.") or REFERENCE.match(after.text) is not None)


def _width(text: str) -> float:
    """Width in Hangul characters; Latin letters, digits and marks take about half of one."""
    return sum(1.0 if char >= "\u1100" else 0.5 for char in text)


def _marks_word_breaks(open_lines: Sequence[Line]) -> bool:
    hangul = [line for line in open_lines if HANGUL.match(line.text[-1])]
    return len(hangul) >= 3 and sum(line.spaced for line in hangul) >= MARKED_SHARE * len(hangul)


def _marked_joint(before: Line, after: Line, marked: bool) -> str | None:
    """The joint where the file itself tells; None where it does not."""
    if before.spaced:
        return " "
    return "" if marked and HANGUL.match(before.text[-1]) and HANGUL.match(after.text[0]) else None
