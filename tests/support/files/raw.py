"""Texts → raw files for tests, as a reader gives them: one raw line per line of text, without boxes."""

import re
import unicodedata
from collections.abc import Sequence

from ingest.raw import OutlineEntry, RawFile, RawLine, RawPage
from ingest.repair.clean import LEFT_OUT, SHOWN
from ingest.repair.normalise import Normalised, normalise
from ingest.sourcemap import unpack


def raw_file(
    *texts: str, wrapped: bool = True, drawn: bool = True, outline: Sequence[OutlineEntry] = ()
) -> RawFile:
    """A raw file whose page i shows `texts[i]`; lines of `texts` may end as PDFium ends them, or in \\n."""
    pages = tuple(
        RawPage(number, str(number), text, drawn=drawn) for number, text in enumerate(texts, start=1)
    )
    lines = tuple(
        RawLine(index, ((match.span(),),), wrapped=wrapped)
        for index, text in enumerate(texts)
        for match in re.finditer(r"[^\r\n]+", text)
    )
    return RawFile("제목", pages, lines, tuple(outline))


def paragraphs(text: str, outline: Sequence[OutlineEntry] = ()) -> Normalised:
    """A page normalised whose every line is a paragraph."""
    return normalise(raw_file(text, wrapped=False, outline=outline))


def assert_leads_back(raw: RawFile, normalised: Normalised) -> int:
    """The number of characters that lead back to the raw text; asserts that each equals its raw character.

    Those that ingest/repair/clean.py declares to change may differ.
    """
    kept = 0
    for page, raw_page in zip(normalised.pages, raw.pages, strict=True):
        text = normalised.text[page.start : page.end]
        end = 0
        for run in unpack(page.source):
            assert run.start >= end and run.length > 0
            end = run.start + run.length
            ours, theirs = text[run.start : end], raw_page.text[run.raw : run.raw + run.length]
            assert len(ours) == len(theirs) == run.length
            if ours != theirs:
                for offset in range(run.length):
                    assert _is_same(ours[offset], raw_page.text, run.raw + offset)
            kept += run.length
        assert end <= len(text)
    return kept


def _is_same(char: str, raw: str, at: int) -> bool:
    source = raw[at]
    if char == source or (char == " " and (source.isspace() or ord(source) < 0xA1)):
        return True
    if "\ud800" <= source <= "\udfff":
        return char == "\ufffd"
    cluster = LEFT_OUT.sub("", raw[at : at + 8])
    return char in unicodedata.normalize("NFC", cluster.translate(SHOWN)) or char == "\ufffd"
