"""What was given on the command line → configuration, pipeline and documents."""

from collections.abc import Sequence
from pathlib import Path

from indexes.errors import DocumentNotFound
from indexes.types import Filter, StoredDocument, names_document, nfc
from rag.cli.terminal.options import Common
from rag.config import DEFAULT_FILE, Config, load_config
from rag.errors import NotIngested
from rag.pipeline import Pipeline


def open_pipeline(index: Path, common: Common) -> Pipeline:
    """The pipeline over the index in that folder, as the command's options configure it."""
    return Pipeline.open(index, read_config(common))


def read_config(common: Common) -> Config:
    """The configuration: of the file that is named, else of `rag.toml` where there is one, and --set."""
    config = common.config
    if config is None and Path(DEFAULT_FILE).is_file():
        config = Path(DEFAULT_FILE)
    return load_config(config, common.overrides)


def choose(pipeline: Pipeline, names: Sequence[str], allowed: Filter) -> list[StoredDocument]:
    """The documents that `names` mean, each once; without names all that may be seen.

    Raises:
        DocumentNotFound: a name means none.
        NotIngested: a name means none, but there is such a file or folder.
    """
    visible = pipeline.documents(allowed)
    found: dict[str, StoredDocument] = (
        {} if names else {document.document_id: document for document in visible}
    )
    for name in names:
        meant = [document for document in visible if means(name, document)]
        if not meant and Path(name).exists():
            raise NotIngested(path=name, index=pipeline.index)
        if not meant:
            raise DocumentNotFound(name=name)
        found |= {document.document_id: document for document in meant}
    return list(found.values())


def means(name: str, document: StoredDocument) -> bool:
    """Whether `name` is the document's id, path, file name, title, a folder it is in, or a pattern."""
    place = Path(nfc(str(Path(name).absolute())))
    return (
        names_document(name, document)
        or nfc(name) == nfc(document.title)
        or any(place == path or place in path.parents for path in map(Path, map(nfc, document.paths)))
    )
