"""The completions that a summary job keeps on disk while it runs, so that a killed job can go on where it was.

There is one file for each document, and one line for each window that is done: a CRC-32, then JSON. A line is
synced before its completion is used. A line torn by a kill fails its checksum, and its window is generated again.
A window's key is a hash of its prompt, model and options, so a completion made for others is never used for it.
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

# The kept fields of a completion, in the order of its constructor. A summary asks for one completion of each prompt.
FIELDS = ("text", "finish_reason", "prompt_tokens", "completion_tokens")


class Checkpoints:
    """The completions of windows that are done, kept in `folder`, to which one job may write at a time.

    With `folder` None nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._kept: dict[str, dict[str, Completion]] = {}

    def of(self, document_id: str) -> dict[str, Completion]:
        """The completions kept for a document, by window key."""
        if document_id not in self._kept:
            path = self._path(document_id)
            self._kept[document_id] = _read(path) if path and path.is_file() else {}
        return self._kept[document_id]

    def keep(self, document_id: str, key: str, completion: Completion) -> None:
        """Keep the completion of a window; it is synced to disk when this returns.

        Raises:
            OutputFailed: the file cannot be written, for example because the disk is full.
        """
        if path := self._path(document_id):
            self.of(document_id)[key] = completion
            try:
                _append(path, _line(key, completion))
            except OSError as exc:
                raise OutputFailed(path=path, detail=exc.strerror or str(exc)) from exc

    def forget(self, document_id: str) -> None:
        """Delete a document's completions, once its summary is stored."""
        self._kept.pop(document_id, None)
        if path := self._path(document_id):
            path.unlink(missing_ok=True)

    def _path(self, document_id: str) -> Path | None:
        return self._folder / f"{document_id}.jsonl" if self._folder else None


def window_key(
    generator: Generator, tokenizer: ModelTokenizer, options: Sampling, token_ids: Sequence[int]
) -> str:
    """A key of 32 hex digits, equal for two windows with the same prompt, model, tokenizer and sampling options."""
    digest = hashlib.sha256(np.array(token_ids, "<u4").tobytes())
    digest.update(json.dumps([generator.name, tokenizer.fingerprint, asdict(options)]).encode())
    return digest.hexdigest()[:32]


def _line(key: str, completion: Completion) -> bytes:
    row = {"window": key} | {name: getattr(completion, name) for name in FIELDS}
    body = json.dumps(row).encode()  # ASCII, because a completion may hold lone surrogates
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _append(path: Path, line: bytes) -> None:
    new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        # A line break first: the last line may be torn, without its own, and this one would be lost with it.
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
