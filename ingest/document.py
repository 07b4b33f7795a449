"""Page, Document, Chunk: the types that every other package speaks.

One string per document; pages, headings, tables and chunks are half-open spans in it, counted in
Unicode code points. Pages tile the text, and chunks tile the text.
"""

from dataclasses import dataclass
from typing import Literal

from ingest.raw import Engine, Unit

# "contents": entries of a contents page; stored and shown, but not searched.
ChunkKind = Literal["text", "table", "contents"]

# Between the cells of a row of a table, which is one line of the text. Inserted: it stands on no page.
CELL_SEPARATOR = " | "


@dataclass(frozen=True, slots=True)
class Page:
    """A span of `Document.text`. `number` counts the file's pages from 1; `label` is printed on it.

    `readable` is False where something is drawn on the page, but no text came out of it. `engine`
    read it, with `confidence` below 1 for OCR; `hidden` counts characters that nobody sees and that
    are not in the text. `source` is the way back to the page's raw characters: see sourcemap.py.
    """

    number: int
    label: str
    start: int
    end: int
    readable: bool
    engine: Engine = "pdfium"
    confidence: float = 1.0
    hidden: int = 0
    source: bytes = b""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading at `Document.text[start:]`; level 1 is the outermost.

    `article`: of a law or a contract (제34조의2(…)); a chunk begins there.
    """

    level: int
    title: str
    start: int
    article: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """The rows at `Document.text[start:end]`, one line each; the header's rows end at `body`.

    `context`: what says how to read a row, its unit and the names of the columns.
    """

    start: int
    end: int
    body: int
    unit: str
    context: str


@dataclass(frozen=True, slots=True)
class Document:
    """One file as text. `id` is the first 16 hex digits of the file's SHA-256.

    `unit`: what `pages` are, sections in a format that has no pages. `contents`: spans of contents
    pages, ascending.
    """

    id: str
    title: str
    text: str
    pages: tuple[Page, ...]
    headings: tuple[Heading, ...]
    tables: tuple[Table, ...] = ()
    contents: tuple[tuple[int, int], ...] = ()
    unit: Unit = "page"

    @property
    def unreadable_pages(self) -> list[int]:
        """Numbers of the pages whose content nobody could read."""
        return [page.number for page in self.pages if not page.readable]

    @property
    def ocr_pages(self) -> dict[int, float]:
        """Numbers of the pages that OCR read, each with its confidence."""
        return {page.number: page.confidence for page in self.pages if page.confidence < 1}


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of one document: what is indexed, retrieved and packed.

    `text == document.text[start:end]`, always. `context` is the breadcrumb of headings above the
    chunk, and inside a table its unit and header: searched and shown to the model with the text,
    never quoted. `tokens` counts `text` in the generator's tokenizer.
    """

    id: str
    document_id: str
    start: int
    end: int
    text: str
    context: str
    first_page: int
    last_page: int
    tokens: int
    kind: ChunkKind = "text"


def chunk_id(document_id: str, start: int, end: int) -> str:
    """The id of the chunk at that span: stable for as long as the document and its chunking are."""
    return f"{document_id}:{start}-{end}"
