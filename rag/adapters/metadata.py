"""A passage → the metadata that it carries in another library."""

from rag.answer import Passage


def metadata_of(passage: Passage) -> dict[str, str | int | float | None]:
    """Where the passage stands, flat and in JSON's types, with the names that the JSON contract has.

    `quote` is the document's own words, `document.text[start:end]`, and so may be shown as evidence for what
    is said of them. `ocr`: None where no page was read by OCR.
    """
    return {
        "document_id": passage.document_id,
        "chunk_id": passage.chunk_id,
        "path": passage.path,
        "title": passage.title,
        "context": passage.context,
        "unit": passage.unit,
        "first_page": passage.first_page,
        "last_page": passage.last_page,
        "start": passage.start,
        "end": passage.end,
        "quote": passage.text,
        "ocr": passage.ocr,
        "rank": passage.rank,
        "score": passage.score,
    }
