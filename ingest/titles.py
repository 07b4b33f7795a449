"""The title of a document, from its file's name and what its metadata say."""

import os
import re
import unicodedata
from pathlib import Path

from ingest.errors import printable


def title_of(path: Path, metadata_title: str) -> str:
    """The name of the file at `path`, without its ending, as one line.

    Metadata titles of office software are mostly wrong («제목 없음», a template's), so `metadata_title`
    is taken only where the name says nothing, as in `1234.pdf`. Names are often in NFD (macOS), and in
    CP949 where an archive made by a Korean Windows was unpacked. They may hold line breaks and escape
    sequences, which would reach prompts and terminals.
    """
    stem = one_line(_readable(path.stem).replace("_", " "))
    metadata_title = one_line(metadata_title)
    named = re.search(r"[^\W\d_]{2,}", stem)
    return stem if named or not metadata_title else metadata_title


def _readable(name: str) -> str:
    """`name` without lone surrogates, which stand for bytes that are not UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("cp949", "replace")
    return name


def one_line(text: str) -> str:
    """`text` in NFC, with one space for each run of blanks and characters that cannot be printed."""
    return unicodedata.normalize("NFC", printable(text))
