"""Raw files for tests: pages of plain text, a line each, as a reader gives them, without boxes."""

import re
from collections.abc import Sequence

from ingest.normalise import Normalised, normalise
from ingest.raw import OutlineEntry, RawFile, RawLine, RawPage


def raw_file(
    *texts: str, wrapped: bool = True, drawn: bool = True, outline: Sequence[OutlineEntry] = ()
) -> RawFile:
    """A file whose page i shows `texts[i]`; lines end as PDFium ends them, or in \\n."""
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
    """What normalising makes of a page whose every line is a paragraph."""
    return normalise(raw_file(text, wrapped=False, outline=outline))
