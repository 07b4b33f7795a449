"""What must hold of every document that was read, however damaged its file was."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from ingest.document import Document
from ingest.korean.analyse import bigrams
from ingest.parse import Parsed

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
HANGUL = re.compile(r"[가-힣]")
# A page is garbage where more than this share of its characters are none.
GARBAGE_SHARE = 0.5
# Shorter pages say nothing of what their text is.
MIN_CHARACTERS = 60
# A page that was Korean is garbled where its share of Hangul fell from above to below these …
KOREAN_SHARE, COLLAPSED_SHARE = 0.4, 0.12
# … or where less than this share of its bigrams stands in any of the whole documents. Pages of whole
# documents have above 0.9.
KNOWN_BIGRAMS = 0.4
# A page of the whole file under another number is no finding, nor is one of the file that damage was
# taken from: so many of its pieces stand in there.
PIECE, KNOWN_PIECES = 4, 0.5


def violations(parsed: Parsed) -> Iterator[str]:
    """Each law that `parsed` breaks, in words."""
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
    """Pages that were Korean in the whole file and now pass for text that nobody could read.

    Args:
        whole: text of the undamaged file, by page.
        known: bigrams of all undamaged files.
        others: pages of another whole file, of which parts were put into this one.
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
    """The text of each page that has any, by number."""
    texts = ((page.number, document.text[page.start : page.end].strip()) for page in document.pages)
    return {number: text for number, text in texts if text}


def hangul_share(text: str) -> float:
    """Of the characters that are no blanks, digits or punctuation."""
    letters = [char for char in text if unicodedata.category(char)[0] in "LC"]
    return sum(HANGUL.match(char) is not None for char in letters) / len(letters) if letters else 1.0


def garbage_share(text: str) -> float:
    """Of the characters that are no blanks: private use, unassigned, replacements, boxes."""
    solid = "".join(text.split())
    odd = sum(char in "\ufffd□" or unicodedata.category(char) in ("Co", "Cn", "Cc", "Cs") for char in solid)
    return odd / len(solid) if solid else 0.0
