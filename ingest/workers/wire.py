"""What the caller, the helper and its children send each other: frames of JSON with a length in front."""

import json
import socket
import struct
from dataclasses import asdict, astuple, replace
from typing import Any

from ingest.document import Chunk, Document, Heading, Page, Table
from ingest.errors import UnreadableFile
from ingest.parse import IngestConfig, Parsed, ParseOptions
from ingest.pdf.ocr import Tesseract
from ingest.structure.chunking import ChunkingConfig

FRAME = struct.Struct(">I")
# Number of the child; of the one before it: its exit code (a signal: below 0), its peak memory in MB.
CHILD = struct.Struct(">IiI")


def options_to_json(options: ParseOptions) -> dict[str, Any]:
    """All fields of `options`, nested ones as objects."""
    return asdict(options)


def options_from_json(fields: dict[str, Any]) -> ParseOptions:
    """The options of which `options_to_json` made `fields`."""
    return ParseOptions(
        **fields
        | {
            "chunking": ChunkingConfig(**fields["chunking"]),
            "limits": IngestConfig(**fields["limits"]),
            "passwords": tuple((pattern, password) for pattern, password in fields["passwords"]),
            "tesseract": Tesseract(**fields["tesseract"]) if fields["tesseract"] else None,
            "dictionary": tuple(fields["dictionary"]),
        }
    )


def result_to_json(result: Parsed | UnreadableFile) -> dict[str, Any]:
    """What a child answers; the path is left out, for the caller knows it."""
    if isinstance(result, UnreadableFile):
        return {"reason": result.reason, "detail": result.fields["detail"], "page": result.page}
    document = result.document
    return {
        "bytes": result.bytes,
        "document": {
            "id": document.id,
            "title": document.title,
            "text": document.text,
            "pages": [
                [*astuple(replace(page, source=b""))[:-1], page.source.hex()] for page in document.pages
            ],
            "headings": [astuple(heading) for heading in document.headings],
            "tables": [astuple(table) for table in document.tables],
            "contents": document.contents,
            "unit": document.unit,
        },
        # The text does not travel twice: chunks tile the document.
        "chunks": [
            [c.id, c.start, c.end, c.context, c.first_page, c.last_page, c.tokens, c.kind]
            for c in result.chunks
        ],
        "terms": result.terms,
    }


def result_from_json(path: str, reply: dict[str, Any]) -> Parsed | UnreadableFile:
    """The result of the file at `path` of which `result_to_json` made `reply`."""
    if "reason" in reply:
        return UnreadableFile(reply["reason"], path, reply["detail"], reply["page"])
    document = _document(reply["document"])
    chunks = tuple(_chunk(document, row) for row in reply["chunks"])
    return Parsed(path, reply["bytes"], document, chunks, tuple(reply["terms"]))


def ran_out_of_memory(reply: dict[str, Any]) -> bool:
    """Whether the child that sent `reply` ends: it keeps what the file took, and the next would lack it."""
    return reply.get("reason") == "memory"


def _document(fields: dict[str, Any]) -> Document:
    return Document(
        fields["id"],
        fields["title"],
        fields["text"],
        tuple(Page(*page[:-1], source=bytes.fromhex(page[-1])) for page in fields["pages"]),
        tuple(Heading(*heading) for heading in fields["headings"]),
        tuple(Table(*table) for table in fields["tables"]),
        tuple((start, end) for start, end in fields["contents"]),
        fields["unit"],
    )


def _chunk(document: Document, row: list) -> Chunk:
    identity, start, end, *rest = row
    return Chunk(identity, document.id, start, end, document.text[start:end], *rest)


def send(connection: socket.socket, message: dict[str, Any]) -> None:
    """Send `message` whole."""
    connection.sendall(frame(message))


def frame(message: dict[str, Any]) -> bytes:
    """`message` as it is sent: its length in bytes, then its JSON."""
    # A path may hold bytes that are not UTF-8; json.loads reads surrogates back.
    body = json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return FRAME.pack(len(body)) + body


def receive(connection: socket.socket) -> dict[str, Any] | None:
    """The next message; None when the other side is gone."""
    header = _receive_exactly(connection, FRAME.size)
    if header is None:
        return None
    body = _receive_exactly(connection, FRAME.unpack(header)[0])
    return None if body is None else json.loads(body)


def _receive_exactly(connection: socket.socket, count: int) -> bytes | None:
    buffer = bytearray()
    while len(buffer) < count:
        try:
            part = connection.recv(min(count - len(buffer), 1 << 20))
        except ConnectionError:
            return None
        if not part:
            return None
        buffer += part
    return bytes(buffer)
