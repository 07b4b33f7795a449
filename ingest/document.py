"""Page, Document, Chunk: the types that every other package speaks.

One string per document; pages, headings and chunks are half-open spans in it, counted in Unicode
code points. Pages tile the text, and chunks tile the text.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Page:
    """A span of `Document.text`. `number` counts the file's pages from 1; `label` is printed on it."""

    number: int
    label: str
    start: int
    end: int
    readable: bool  # False: something is drawn on the page, but no text came out of it


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading at `Document.text[start:]`; level 1 is the outermost."""

    level: int
    title: str
    start: int


@dataclass(frozen=True, slots=True)
class Document:
    """One file as text. `id` is the first 16 hex digits of the file's SHA-256."""

    id: str
    title: str
    text: str
    pages: tuple[Page, ...]
    headings: tuple[Heading, ...]

    @property
    def unreadable_pages(self) -> list[int]:
        """Numbers of the pages whose content nobody could read."""
        return [page.number for page in self.pages if not page.readable]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of one document: what is indexed, retrieved and packed.

    `text == document.text[start:end]`, always. `context` is the breadcrumb of headings above the
    chunk: searched and shown to the model with the text, never quoted. `tokens` counts `text` in
    the generator's tokenizer.
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


def chunk_id(document_id: str, start: int, end: int) -> str:
    """The id of the chunk at that span: stable for as long as the document and its chunking are."""
    return f"{document_id}:{start}-{end}"
