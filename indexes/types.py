"""The types that every engine shares: the contents of an index, and the results of a search."""

import json
import unicodedata
from collections.abc import Iterable, Sequence, Set
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from indexes.errors import AmbiguousDocument, DocumentNotFound, IndexMismatch
from ingest.document import Chunk, Page
from ingest.raw import Unit

Mode = Literal["hybrid", "lexical", "dense"]
MODES: tuple[Mode, ...] = ("hybrid", "lexical", "dense")


@dataclass(frozen=True, slots=True)
class EmbedderIdentity:
    """The identity of an embedder, stored in an index: embedders with equal identities give the same vectors."""

    name: str
    revision: str
    dim: int
    query_prompt: str
    passage_prompt: str

    def same_vectors(self, other: "EmbedderIdentity") -> bool:
        """Whether all fields but the name are equal: a hub name and a local copy of it are one model."""
        return (self.revision, self.dim, self.query_prompt, self.passage_prompt) == (
            other.revision,
            other.dim,
            other.query_prompt,
            other.passage_prompt,
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """The models that an index was built with; it cannot be opened with others."""

    embedder: EmbedderIdentity
    analyser: str
    tokenizer: str

    def to_json(self) -> str:
        """As `from_json` takes it."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """The one that `to_json` wrote."""
        fields = json.loads(text)
        return cls(EmbedderIdentity(**fields["embedder"]), fields["analyser"], fields["tokenizer"])


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """One document as a version of the index holds it; its text is in its chunks.

    `parser`: fingerprint of the code and settings that read it. `bytes`: size of its file. `chunks`, `pages`: counts.
    """

    document_id: str
    title: str
    paths: tuple[str, ...]
    groups: tuple[str, ...]
    parser: str
    bytes: int
    chunks: int = 0
    unit: Unit = "page"
    pages: int = 0

    @property
    def path(self) -> str:
        """The first of its paths; empty if it has none."""
        return self.paths[0] if self.paths else ""


@dataclass(frozen=True, slots=True)
class NewContent:
    """One document to add: row i of `vectors` (N, D) and `terms[i]`, joined with spaces, belong to `chunks[i]`.

    The writer fills in the counts of pages and chunks in `document`.
    """

    document: StoredDocument
    pages: Sequence[Page]
    chunks: Sequence[Chunk]
    terms: Sequence[str]
    vectors: NDArray[np.float32]


class NamedReranker(Protocol):
    """The name and revision that identify a reranker."""

    name: str
    revision: str


@dataclass(frozen=True, slots=True)
class RerankerTrial:
    """The trial of a reranker on the questions of a calibration: nDCG@10 `before` and `after` reranking."""

    name: str
    revision: str
    before: float
    after: float
    helps: bool

    def of(self, reranker: "NamedReranker") -> bool:
        """Whether this is the trial of `reranker`."""
        return (self.name, self.revision) == (reranker.name, reranker.revision)


@dataclass(frozen=True, slots=True)
class Calibration:
    """The result of calibrating an index: the best weight of the cosine, and nDCG@10 of each retriever.

    `questions`: their number. `chunks`: the number of chunks of the index at that time.
    """

    dense_weight: float
    questions: int
    lexical: float
    dense: float
    hybrid: float
    chunks: int
    reranker: RerankerTrial | None = None

    def to_json(self) -> str:
        """As `from_json` takes it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | None) -> "Calibration | None":
        """The one that `to_json` wrote; None if `text` is None or empty."""
        if not text:
            return None
        fields = json.loads(text)
        trial = fields.pop("reranker")
        return cls(**fields, reranker=RerankerTrial(**trial) if trial else None)

    def distrusts(self, reranker: "NamedReranker") -> bool:
        """Whether `reranker` was tried and made rankings worse."""
        tried = self.reranker
        return tried is not None and not tried.helps and tried.of(reranker)


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that a query retrieved; a higher score is better, ranks count from 1."""

    chunk: Chunk
    score: float
    rank: int


class Place(NamedTuple):
    """The pages of a span of a document. `ocr`: the lowest confidence of those read by OCR; None if none was."""

    first_page: int
    last_page: int
    ocr: float | None


UnderstoodKind = Literal["document", "section", "reference", "period", "amount", "alias"]


@dataclass(frozen=True, slots=True)
class Understood:
    """Words of a query that were understood as a name, a reference or a value; shown to explain the results."""

    kind: UnderstoodKind
    words: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Who asks, and about which documents. A document that is not explicitly allowed is not searched.

    `groups`: None for the owner, who may see all documents; else those of at least one of these groups.
    `documents`: None for all; else ids, paths, file names or path patterns (`*.pdf`). A list or a set is kept as a
    tuple, a set in sorted order.

    Raises:
        TypeError: one of the two is one string, or no collection of strings; the message says what to write.
    """

    groups: tuple[str, ...] | None = None
    documents: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", _names("groups", self.groups))
        object.__setattr__(self, "documents", _names("documents", self.documents))

    def allows(self, document: StoredDocument) -> bool:
        if self.groups is not None and not {nfc(group) for group in self.groups} & set(document.groups):
            return False
        return self.documents is None or any(names_document(name, document) for name in self.documents)


def _names(field: str, given: object) -> tuple[str, ...] | None:
    if isinstance(given, str):
        raise TypeError(f"{field}={given!r} is one string; write {field}=({given!r},) for that one")
    if given is None:
        return None
    if isinstance(given, Set | list | tuple) and all(isinstance(name, str) for name in given):
        return tuple(sorted(given) if isinstance(given, Set) else given)
    raise TypeError(f"{field} takes a tuple, list or set of strings, or None for all, got {given!r}")


EVERYTHING = Filter()


@lru_cache(maxsize=1 << 16)
def _nfc(path: str) -> str:
    return nfc(path)


def names_document(name: str, document: StoredDocument) -> bool:
    """Whether `name` is the document's id, path or file name, or a pattern of a path or file name with «*» and «?».

    Brackets have no special meaning, because file names begin with them: «[공고]» (announcement).
    """
    if name == document.document_id:
        return True
    pattern = nfc(name).replace("[", "[[]")
    return any(
        fnmatch(path, pattern) or fnmatch(Path(path).name, pattern) for path in map(_nfc, document.paths)
    )


def find_document(documents: Iterable[StoredDocument], name: str) -> StoredDocument:
    """The document whose id, path, file name or title is `name`, in that order of preference.

    Names are compared in NFC, because macOS writes file names in NFD, which nobody types.

    Raises:
        DocumentNotFound: there is none.
        AmbiguousDocument: several documents have that file name or title.
    """
    documents = list(documents)
    wanted = nfc(name)
    absolute = nfc(str(Path(name).absolute()))
    for matches in (
        lambda document: document.document_id == name,
        lambda document: {wanted, absolute} & {nfc(path) for path in document.paths},
        lambda document: any(nfc(Path(path).name) == wanted for path in document.paths),
        lambda document: document.title == wanted,
    ):
        found = [document for document in documents if matches(document)]
        if len(found) > 1:
            raise AmbiguousDocument(name=name, ids=", ".join(document.document_id for document in found))
        if found:
            return found[0]
    raise DocumentNotFound(name=name)


def nfc(text: str) -> str:
    """`text` in Unicode's NFC: Hangul syllables are composed."""
    return unicodedata.normalize("NFC", text)


def check_manifest(
    folder: Path, manifest: Manifest, embedder: EmbedderIdentity | None, analyser: str | None
) -> None:
    """Check that the index in `folder` was built with `embedder` and `analyser`; None is not compared.

    Raises:
        IndexMismatch: one is another, named with the one of the index. An embedder may have another name (a local
            copy of a hub model) if the rest of its identity is equal.
    """
    built = manifest.embedder
    if embedder is not None and not built.same_vectors(embedder):
        raise IndexMismatch(
            path=folder,
            what="embedder",
            built=f"{built.name} ({built.dim}d, {built.revision[:12]})",
            opened=f"{embedder.name} ({embedder.dim}d, {embedder.revision[:12]})",
        )
    if analyser is not None and analyser != manifest.analyser:
        raise IndexMismatch(path=folder, what="analyser", built=manifest.analyser, opened=analyser)
