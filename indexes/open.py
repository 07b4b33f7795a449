"""The location of an index → the engine that reads it, or the writer that changes it.

Only this module chooses an engine. There is one today: the index in a folder on disk.
"""

from pathlib import Path

from indexes.disk.retriever import Retriever
from indexes.disk.store import Store
from indexes.disk.writer import Writer
from indexes.engine import IndexWriter, SearchEngine
from indexes.models.embedder import Embedder
from indexes.types import Manifest
from ingest.korean.analyse import Analyser


def open_index(folder: Path, embedder: Embedder | None, analyser: Analyser | None) -> SearchEngine:
    """The last committed version of the index in `folder`.

    Args:
        embedder: None to read without dense search.
        analyser: None to read without lexical search.

    Raises:
        IndexNotFound, IndexFormat, IndexDamaged.
        IndexMismatch: the index was built with another embedder or analyser.
    """
    return Retriever(folder, embedder, analyser)


def open_writer(folder: Path, manifest: Manifest) -> IndexWriter:
    """The writer of the index in `folder`, which is made if there is none.

    Args:
        manifest: the models that make its vectors and terms.

    Raises:
        IndexBusy: another writer is open.
        IndexMismatch: the index was built with other models.
        IndexFormat, IndexDamaged.
        IndexUnwritable: there is no space or no permission.
    """
    return Writer(folder, manifest)


def require_index(folder: Path) -> None:
    """Raise unless there is an index in `folder` that can be opened; call it before loading models.

    Raises:
        IndexNotFound, IndexFormat, IndexDamaged.
    """
    Store(folder).close()
