"""A document that was read from a damaged file → the laws that it breaks, and its garbled pages."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from ingest.document import Document
from ingest.korean.analyse import bigrams
from ingest.parse import Parsed

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
HANGUL = re.compile(r"[가-힣]")
# A page is garbage if more than this share of its characters is (see `garbage_share`).
GARBAGE_SHARE = 0.5
# A shorter page is not judged.
MIN_CHARACTERS = 60
# A page whose share of Hangul was at least KOREAN_SHARE is garbled if that fell below COLLAPSED_SHARE …
KOREAN_SHARE, COLLAPSED_SHARE = 0.4, 0.12
# … or if less than this share of its bigrams occurs in the undamaged documents. Pages of those have over 0.9.
KNOWN_BIGRAMS = 0.4
# A page is no finding if at least KNOWN_PIECES of its pieces of PIECE characters stand in the undamaged file or in
# the donor: it is a page of theirs under another number.
PIECE, KNOWN_PIECES = 4, 0.5


def violations(parsed: Parsed) -> Iterator[str]:
    """The laws that `parsed` breaks, in words."""
    document, text = parsed.document, parsed.document.text
    if "".join(chunk.text for chunk in parsed.chunks) != text:
        yield "chunks do not tile the text"
    if any(chunk.text != text[chunk.start : chunk.end] for chunk in parsed.chunks):
        yield "a chunk is not its span"
    ends = [0, *(page.end for page in document.pages)]
    if [page.start for page in document.pages] != ends[:-1] or ends[-1] != len(text):
        yield "pages do not tile the text"
    if len(parsed.terms) != len(parsed.chunks):
        yield "terms are not of the chunks"
    if not unicodedata.is_normalized("NFC", text):
        yield "text is not in NFC"
    if found := CONTROL.search(text):
        yield f"a control character U+{ord(found[0]):04X}"
    if not text.strip():
        yield "an empty document was read"
    for number, page in page_texts(document).items():
        if len(page) >= MIN_CHARACTERS and garbage_share(page) > GARBAGE_SHARE:
            yield f"page {number} is mostly no characters: {page[:40]!r}"


def garbled_pages(
    document: Document, whole: dict[int, str], known: set[str], others: Iterable[str] = ()
) -> list[tuple[int, str]]:
    """(number, first characters) of the pages that were Korean and are now text that nobody could read.

    Args:
        whole: page number → text of the undamaged file.
        known: the bigrams of all undamaged files.
        others: the page texts of the donor, another undamaged file, parts of which were put into this one.
    """
    undamaged = [*whole.values(), *others]
    korean = {number: hangul_share(text) >= KOREAN_SHARE for number, text in whole.items()}
    usually = sum(korean.values()) > len(korean) / 2
    found = []
    for number, text in page_texts(document).items():
        if len(text) < MIN_CHARACTERS or not korean.get(number, usually):
            continue
        pairs = [pair for pair in bigrams(text) if len(pair) == 2]
        collapsed = hangul_share(text) < COLLAPSED_SHARE
        nonsense = len(pairs) >= 30 and sum(pair in known for pair in pairs) < KNOWN_BIGRAMS * len(pairs)
        if (collapsed or nonsense) and not _stands_in(text, undamaged):
            found.append((number, text[:60]))
    return found


def _stands_in(text: str, pages: Iterable[str]) -> bool:
    there = {piece for page in pages for piece in _pieces(page)}
    pieces = _pieces(text)
    return sum(piece in there for piece in pieces) >= KNOWN_PIECES * len(pieces)


def _pieces(text: str) -> list[str]:
    solid = "".join(text.split())
    return [solid[start : start + PIECE] for start in range(len(solid) - PIECE + 1)]


def page_texts(document: Document) -> dict[int, str]:
    """Page number → text, for each page that has text."""
    texts = ((page.number, document.text[page.start : page.end].strip()) for page in document.pages)
    return {number: text for number, text in texts if text}


def hangul_share(text: str) -> float:
    """The share of Hangul among the letters of `text`; 1 if it has none."""
    letters = [char for char in text if unicodedata.category(char)[0] in "LC"]
    return sum(HANGUL.match(char) is not None for char in letters) / len(letters) if letters else 1.0


def garbage_share(text: str) -> float:
    """The share of garbage among the characters of `text` other than blanks.

    Garbage is private-use, unassigned, control and replacement characters, and boxes.
    """
    solid = "".join(text.split())
    odd = sum(char in "\ufffd□" or unicodedata.category(char) in ("Co", "Cn", "Cc", "Cs") for char in solid)
    return odd / len(solid) if solid else 0.0
