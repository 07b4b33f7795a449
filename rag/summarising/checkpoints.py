"""What a job of summaries keeps on disk while it runs, so that a killed one goes on where it was.

A file a document, a line a window that is done: a CRC-32, then JSON. A line is synced before anything is
made of it. One that a kill has torn does not have its checksum, and its window is generated again.
A window's key is made of its very prompt, so what was generated for another text, model, kind or option
is never taken for it.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from indexes.durable import sync
from rag.errors import OutputFailed
from rag.models.generator import Completion, Generator, Sampling
from rag.prompting.tokens import ModelTokenizer

# Of a completion; a summary asks for one of each prompt.
FIELDS = ("text", "finish_reason", "prompt_tokens", "completion_tokens")


class Checkpoints:
    """The windows that are done, in `folder`; None keeps nothing. One job writes to a folder at a time."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._kept: dict[str, dict[str, Completion]] = {}

    def of(self, document_id: str) -> dict[str, Completion]:
        """The completions kept for a document, by the keys of their windows."""
        if document_id not in self._kept:
            path = self._path(document_id)
            self._kept[document_id] = _read(path) if path and path.is_file() else {}
        return self._kept[document_id]

    def keep(self, document_id: str, key: str, completion: Completion) -> None:
        """Keep the completion of a window; it is on the disk when this returns.

        Raises:
            OutputFailed: the disk is full, say.
        """
        if path := self._path(document_id):
            self.of(document_id)[key] = completion
            try:
                _append(path, _line(key, completion))
            except OSError as exc:
                raise OutputFailed(path=path, detail=exc.strerror or str(exc)) from exc

    def forget(self, document_id: str) -> None:
        """Let go of a document's windows: its summary is where it belongs."""
        self._kept.pop(document_id, None)
        if path := self._path(document_id):
            path.unlink(missing_ok=True)

    def _path(self, document_id: str) -> Path | None:
        return self._folder / f"{document_id}.jsonl" if self._folder else None


def window_key(
    generator: Generator, tokenizer: ModelTokenizer, options: Sampling, token_ids: Sequence[int]
) -> str:
    """Equal for two windows that the same model reads and writes in the same way."""
    digest = hashlib.sha256(np.array(token_ids, "<u4").tobytes())
    digest.update(json.dumps([generator.name, tokenizer.fingerprint, asdict(options)]).encode())
    return digest.hexdigest()[:32]


def _line(key: str, completion: Completion) -> bytes:
    row = {"window": key} | {name: getattr(completion, name) for name in FIELDS}
    body = json.dumps(row).encode()  # ASCII: what a model writes may be no Unicode
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _append(path: Path, line: bytes) -> None:
    new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        # After a torn line: without its end the next one would be lost with it.
        file.write(line if new else b"\n" + line)
        file.flush()
        os.fsync(file.fileno())
    if new:
        sync(path.parent)


def _read(path: Path) -> dict[str, Completion]:
    """The completions of all whole lines; torn and foreign ones are skipped."""
    kept = {}
    for line in path.read_bytes().split(b"\n"):
        checksum, _, body = line.partition(b" ")
        if checksum != b"%08x" % zlib.crc32(body):
            continue
        row = json.loads(body)
        kept[row["window"]] = Completion(*(row[name] for name in FIELDS))
    return kept
