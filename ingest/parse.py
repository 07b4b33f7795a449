"""One file → its document, chunks and index terms, read in this process: `Parser`.

What decides the outcome is `ParseOptions`, whose `fingerprint` is part of what «unchanged» means. A file is
read without limits on time and memory here; `workers/pool.py` reads in child processes that have them.
"""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from ingest.document import Chunk, Document
from ingest.errors import UnreadableFile
from ingest.korean.analyse import open_analyser
from ingest.passwords import passwords_for
from ingest.pdf.ocr import Tesseract
from ingest.raw import RawFile
from ingest.readers.read import read_file
from ingest.repair.normalise import Line, Normalised, Removed, normalise
from ingest.structure.chunking import ChunkingConfig, split
from ingest.structure.outline import find_contents, find_headings, find_tables
from ingest.structure.terms import index_terms

# "auto": pages without text that can be read are given to Tesseract, where it is installed.
Ocr = Literal["off", "auto"]
# Raise it whenever the same file could give another text or other chunks: it makes files «changed».
PARSER_VERSION = 7


@dataclass(frozen=True, slots=True)
class IngestConfig:
    """Limits of reading one file, and how many are read at a time (0: one per core)."""

    workers: int = 0
    timeout_seconds: float = 300.0
    max_memory_mb: int = 2048
    max_pages: int = 20_000
    max_file_mb: int = 1024
    max_characters: int = 20_000_000
    ocr: Ocr = "off"

    def __post_init__(self) -> None:
        for name in ("timeout_seconds", "max_memory_mb", "max_pages", "max_file_mb", "max_characters"):
            if getattr(self, name) <= 0:
                raise ValueError(f"ingest.{name} must be above 0, got {getattr(self, name)}")
        if self.ocr not in get_args(Ocr):
            raise ValueError(f"ingest.ocr must be one of {', '.join(get_args(Ocr))}, got {self.ocr!r}")
        if self.workers < 0:
            raise ValueError(f"ingest.workers must be at least 0, got {self.workers}")


@dataclass(frozen=True, slots=True)
class ParseOptions:
    """All that decides what a file becomes.

    `tokenizer_json` counts chunk sizes (tokenizers' format). `passwords` are pairs of a pattern and
    a password for the files that it fits; see `passwords_for`. `tesseract`: None where OCR is off or
    cannot be had. `dictionary`: words that are terms as a whole; chunks do not depend on it.
    """

    tokenizer_json: str
    analyser: str = "kiwi"
    chunking: ChunkingConfig = field(default_factory=ChunkingConfig)
    limits: IngestConfig = field(default_factory=IngestConfig)
    passwords: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    tesseract: Tesseract | None = None
    dictionary: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Same bytes and same fingerprint give the same chunks; part of what «unchanged» means."""
        tokenizer = hashlib.sha256(self.tokenizer_json.encode()).hexdigest()[:16]
        base = f"parser-{PARSER_VERSION} {self.analyser} {self.chunking.max_tokens} {tokenizer}"
        return base if self.tesseract is None else f"{base} {self.tesseract.fingerprint}"


@dataclass(frozen=True, slots=True)
class Parsed:
    """One file, read: `terms[i]` are the index terms of `chunks[i]`, joined with spaces."""

    path: str
    bytes: int
    document: Document
    chunks: tuple[Chunk, ...]
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """One file, read, with what each of its lines was taken for; `removed` lines are not in the text."""

    path: str
    bytes: int
    document: Document
    chunks: tuple[Chunk, ...]
    lines: tuple[Line, ...]
    removed: tuple[Removed, ...]


class Parser:
    """Reads files in this process; built once, for its tokenizer and analyser take time to load."""

    def __init__(self, options: ParseOptions) -> None:
        from tokenizers import Tokenizer

        self._options = options
        self._tokenizer = Tokenizer.from_str(options.tokenizer_json)
        self._analyser = open_analyser(options.analyser, options.dictionary)

    def parse(self, path: str) -> Parsed:
        """The file at `path` as a document, its chunks and their terms.

        Raises:
            UnreadableFile: for every reason but timeout, memory and crashed.
        """
        reading = self.read(path)
        document, chunks = reading.document, reading.chunks
        if not document.text.strip():
            raise UnreadableFile("no_text", path)
        terms = tuple(index_terms(self._analyser, document.title, chunks))
        return Parsed(path, reading.bytes, document, chunks, terms)

    def read(self, path: str) -> Reading:
        """The file at `path` as the stages see it; one without any text is no error here.

        Raises:
            UnreadableFile: for every reason but no_text, timeout, memory and crashed.
        """
        limits = self._options.limits
        data = read_bytes(path, limits.max_file_mb)
        passwords = passwords_for(path, self._options.passwords)
        raw = read_file(Path(path), data, passwords, limits.max_pages, self._options.tesseract)
        characters = sum(len(page.text) for page in raw.pages)
        if characters > limits.max_characters:
            detail = f"{characters:,} > {limits.max_characters:,} characters"
            raise UnreadableFile("too_large", path, detail)
        normalised = normalise(raw)
        document = make_document(hashlib.sha256(data).hexdigest()[:16], raw, normalised)
        chunks = tuple(split(document, self._options.chunking, self._count))
        return Reading(path, len(data), document, chunks, normalised.lines, normalised.removed)

    def _count(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)


def read_bytes(path: str, max_file_mb: int) -> bytes:
    """What the file at `path` holds.

    Raises:
        UnreadableFile: too_large, unreadable, or damaged where it is empty.
    """
    try:
        size = os.path.getsize(path)
        if size > max_file_mb * 2**20:
            raise UnreadableFile("too_large", path, f"{size / 2**20:,.0f} > {max_file_mb:,} MB")
        data = Path(path).read_bytes()
    except OSError as exc:
        raise UnreadableFile("unreadable", path, exc.strerror or str(exc)) from exc
    if not data:
        raise UnreadableFile("damaged", path, "0 bytes")
    return data


def file_id(path: str) -> str:
    """The id of the document in the file: the first 16 hex digits of its SHA-256."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def make_document(document_id: str, raw: RawFile, normalised: Normalised) -> Document:
    """The document that a file's clean text is."""
    return Document(
        id=document_id,
        title=raw.title,
        text=normalised.text,
        pages=normalised.pages,
        headings=find_headings(normalised, raw.outline),
        tables=find_tables(normalised),
        contents=find_contents(normalised),
        unit=raw.unit,
    )
