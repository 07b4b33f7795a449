"""An index → its status: its counts, and the models that it was built with."""

from dataclasses import dataclass
from pathlib import Path

from indexes.disk import dense
from indexes.disk.store import Store
from indexes.search.fusion import DEFAULT_WEIGHT
from indexes.types import Calibration


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """The status of the last version of an index. `file_bytes`: the size of its vectors and postings.

    `dense_recall_at_50`: the lowest recall of the approximate search, measured when the segments of vectors were
    written; 1.0 if all are searched exactly. `calibration`: None if the index was not calibrated.
    """

    index: str
    version: int
    documents: int
    pages: int
    chunks: int
    embedder: str
    embedder_revision: str
    embedder_dim: int
    embedder_query_prompt: str
    embedder_passage_prompt: str
    analyser: str
    tokenizer: str
    dense_recall_at_50: float
    dense_weight: float
    calibration: Calibration | None
    file_bytes: int


def status(folder: Path) -> IndexStatus:
    """The status of the index in `folder`; no model is loaded.

    Raises:
        IndexNotFound, IndexDamaged, IndexFormat.
    """
    store = Store(folder)
    try:
        manifest = store.built_with
        with store.snapshot():
            version = store.version
            documents = [row.document for row in store.documents.of(version)]
            calibration = store.calibration
            files = store.files.current()
            vectors = (file.name for file in files if file.kind == "dense")
            recall = dense.lowest_recall(store.folder / "dense", vectors)
    finally:
        store.close()
    return IndexStatus(
        index=str(folder),
        version=version,
        documents=len(documents),
        pages=sum(document.pages for document in documents),
        chunks=sum(document.chunks for document in documents),
        embedder=manifest.embedder.name,
        embedder_revision=manifest.embedder.revision,
        embedder_dim=manifest.embedder.dim,
        embedder_query_prompt=manifest.embedder.query_prompt,
        embedder_passage_prompt=manifest.embedder.passage_prompt,
        analyser=manifest.analyser,
        tokenizer=manifest.tokenizer,
        dense_recall_at_50=recall,
        dense_weight=calibration.dense_weight if calibration else DEFAULT_WEIGHT,
        calibration=calibration,
        file_bytes=sum(file.bytes for file in files),
    )
