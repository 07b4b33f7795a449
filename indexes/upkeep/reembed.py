"""An index and another embedder → the index with that embedder's vectors, made from the stored text.

Finished vectors are kept in parts beside the index, so that a killed process can go on where it was. At the end they
replace the old vectors in one version; until then the index answers with the old ones.
"""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexes.disk import dense
from indexes.disk.documents import DocumentRow
from indexes.disk.store import CALIBRATION, Store
from indexes.disk.visible import key_ranges
from indexes.disk.writer import OnStep, Writer, translated
from indexes.durable import sync
from indexes.models.embedder import Embedder
from indexes.types import EmbedderIdentity
from indexes.upkeep.rebuild import Progress, stored_vectors

FOLDER = "reembed"


def reembed(
    folder: Path,
    embedder: Embedder,
    *,
    progress: Progress = lambda *_: None,
    on_step: OnStep = lambda _: None,
) -> int:
    """Give the index in `folder` the vectors of `embedder`; returns the version.

    Afterwards the index must be calibrated again; see `indexes.build.recalibrate`. The index is locked against other
    writers. If it was built with `embedder` already, nothing is done.

    Raises:
        IndexNotFound, IndexBusy, IndexUnwritable, IndexDamaged.
        TextTooLong: `embedder` would cut a chunk; the index stays as it was.
    """
    with closing(Store(folder)) as store:
        manifest = store.built_with
    manifest = replace(manifest, embedder=embedder.identity)
    with Writer(folder, manifest, on_step, new_embedder=True) as writer, translated(folder):
        if writer.store.manifest.embedder.same_vectors(embedder.identity):
            forget_parts(folder)
            return writer.version
        documents = writer.rows
        parts = _Parts(folder, embedder.identity)
        _embed_missing(writer.store, documents, embedder, parts, progress)
        on_step("parts written")
        keys = dense.keys_of(key_ranges(documents))
        writer.note(CALIBRATION, "")  # the calibration of the old vectors does not hold for the new ones
        version = writer.replace(writer.store.files.segments(), keys, parts.vectors(keys), None)
        forget_parts(folder)
    return version


def forget_parts(folder: Path) -> None:
    """Remove the parts that an unfinished `reembed` has left."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)


def _embed_missing(
    store: Store,
    documents: Sequence[DocumentRow],
    embedder: Embedder,
    parts: "_Parts",
    progress: Progress,
) -> None:
    known = parts.keys()
    firsts = np.array([row.content for row in documents], np.int64)
    chunks = np.array([row.document.chunks for row in documents], np.int64)
    there = np.searchsorted(known, firsts + chunks) - np.searchsorted(known, firsts)
    missing = [row for row, whole in zip(documents, there == chunks, strict=True) if not whole]
    total = sum(row.document.chunks for row in documents)
    done = total - sum(row.document.chunks for row in missing)
    for keys, vectors in stored_vectors(
        store, missing, embedder, lambda count, _: progress(done + count, total)
    ):
        parts.add(keys, vectors)


class _Parts:
    """The finished vectors of one embedder, in files that are written whole or not at all.

    Keys are never used twice and the text of a key never changes, so a part stays valid whatever is ingested or
    deleted before the work goes on. The files are zip archives, which carry a checksum of each array.
    """

    def __init__(self, folder: Path, identity: EmbedderIdentity) -> None:
        """Open the parts in the index `folder`; those of another embedder are removed."""
        pinned = json.dumps(astuple(replace(identity, name="")), ensure_ascii=False)
        self._folder = folder / FOLDER / hashlib.sha256(pinned.encode()).hexdigest()[:16]
        self._dim = identity.dim
        if not self._folder.is_dir():
            forget_parts(folder)
            self._folder.mkdir(parents=True)
        for path in self._folder.glob("*.new"):  # of a process that was killed
            path.unlink()

    def keys(self) -> NDArray[np.int64]:
        """The keys of all chunks that are done, ascending."""
        return np.sort(np.concatenate([np.zeros(0, np.int64), *(keys for keys, _ in self._read())]))

    def add(self, keys: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Keep the vectors of `keys`, at least one and none done before; in fp16, as the index stores them."""
        path = self._folder / f"{keys[0]:012d}.npz"
        new = path.with_suffix(".new")
        with new.open("wb") as file:
            np.savez(file, keys=keys, vectors=vectors.astype(np.float16))
        sync(new)
        new.rename(path)
        sync(self._folder)

    def vectors(self, keys: NDArray[np.int64]) -> NDArray[np.float16]:
        """(N, D): the vectors of `keys`, which are ascending and all done."""
        vectors = np.zeros((len(keys), self._dim), np.float16)
        for found, rows in self._read():
            at = np.searchsorted(keys, found)
            inside = at < len(keys)
            inside[inside] = keys[at[inside]] == found[inside]  # the other keys were deleted since
            vectors[at[inside]] = rows[inside]
        return vectors

    def _read(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float16]]]:
        """(keys, vectors) of every part; a damaged part is removed."""
        for path in sorted(self._folder.glob("*.npz")):
            try:
                with np.load(path, allow_pickle=False) as part:
                    keys, vectors = part["keys"], part["vectors"]
            except (zipfile.BadZipFile, ValueError, KeyError, EOFError):
                path.unlink()
            else:
                yield keys, vectors
