"""Texts → unit vectors, by any sentence-transformers model: a local folder or a hub name."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from indexes.errors import ModelUnavailable
from ingest.errors import MissingDependency, first_line

EMBEDDED = "embedded"
EMBEDDED_FOLDER = Path(__file__).parent / "embedded"
# Bytes read from each end of a weight file for a model's fingerprint: hashing gigabytes at every
# start would take longer than the question.
FINGERPRINT_BYTES = 1 << 20
UNLIMITED = 1 << 30


@dataclass(frozen=True, slots=True)
class EmbedderIdentity:
    """What the index pins: two embedders with equal identities give the same vectors."""

    name: str
    revision: str
    dim: int
    query_prompt: str
    passage_prompt: str


class Embedder(Protocol):
    """Texts → vectors. `max_tokens` is the longest input it reads whole."""

    identity: EmbedderIdentity
    max_tokens: int

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, D), unit rows."""
        ...

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(Q, D), unit rows."""
        ...


def open_embedder(name: str) -> Embedder:
    """The embedder called `name`: "embedded", a local folder or a hub name.

    A model that is a table of token vectors is read without torch, which saves 5 s and 400 MB at
    every start; its vectors equal those of sentence-transformers.

    Raises:
        ModelUnavailable: it cannot be loaded.
    """
    folder = EMBEDDED_FOLDER if name == EMBEDDED else Path(name)
    if is_static(folder):
        return StaticEmbedder(name, folder)
    return SentenceTransformerEmbedder(name)


def is_static(folder: Path) -> bool:
    """Whether `folder` is a sentence-transformers model of one StaticEmbedding (and Normalize)."""
    modules = folder / "modules.json"
    if not modules.is_file():
        return False
    types = [module["type"].rpartition(".")[2] for module in json.loads(modules.read_text("utf-8"))]
    return types in (["StaticEmbedding"], ["StaticEmbedding", "Normalize"])


class StaticEmbedder:
    """A sentence-transformers folder of one StaticEmbedding: the mean of its tokens' vectors."""

    def __init__(self, name: str, folder: Path) -> None:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        module = _static_module(folder)
        try:
            self._tokenizer = Tokenizer.from_file(str(module / "tokenizer.json"))
            tensors = load_file(module / "model.safetensors")
        except Exception as exc:
            raise ModelUnavailable(name=name, detail=str(exc), section="models.embedder") from exc
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._weights = next(iter(tensors.values()))
        self.max_tokens = UNLIMITED
        prompts = _prompts(folder)
        self.identity = EmbedderIdentity(name, folder_fingerprint(folder), self._weights.shape[1], *prompts)

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._embed([self.identity.passage_prompt + text for text in texts])

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._embed([self.identity.query_prompt + text for text in texts])

    def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.zeros((len(texts), self.identity.dim), np.float32)
        for row, encoding in enumerate(
            self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        ):
            if encoding.ids:
                vectors[row] = self._weights[encoding.ids].astype(np.float32).mean(axis=0)
        return _unit_rows(vectors)


class SentenceTransformerEmbedder:
    """Any sentence-transformers model, with the prompts that it declares."""

    def __init__(self, name: str) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as exc:
            raise MissingDependency(library="sentence-transformers", extra="") from exc
        try:
            self._model = SentenceTransformer(name)
        except Exception as exc:
            raise ModelUnavailable(name=name, detail=first_line(exc), section="models.embedder") from exc
        self.max_tokens = self._model.max_seq_length or UNLIMITED
        prompts = self._model.prompts
        self.identity = EmbedderIdentity(
            name,
            resolved_revision(name, self._model),
            int(self._model.get_embedding_dimension()),
            prompts.get("query", "") or "",
            prompts.get("document", "") or prompts.get("passage", "") or "",
        )

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._encode(texts, self.identity.passage_prompt)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._encode(texts, self.identity.query_prompt)

    def _encode(self, texts: Sequence[str], prompt: str) -> NDArray[np.float32]:
        vectors = self._model.encode(
            list(texts), prompt=prompt or None, convert_to_numpy=True, show_progress_bar=False
        )
        return _unit_rows(np.asarray(vectors, np.float32).reshape(len(texts), self.identity.dim))


def resolved_revision(name: str, model) -> str:
    """The hub commit that was loaded, or a local folder's fingerprint."""
    if Path(name).is_dir():
        return folder_fingerprint(Path(name))
    transformer = model[0]
    config = getattr(getattr(transformer, "auto_model", None), "config", None)
    return getattr(config, "_commit_hash", None) or "unknown"


def folder_fingerprint(folder: Path) -> str:
    """16 hex digits that change when a file of the model in `folder` does.

    Of files over 2 MB only the size and both ends are read.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix.lower() == ".md" or path.name.startswith("."):
            continue
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder).as_posix()}\0{size}\0".encode())
        with path.open("rb") as file:
            digest.update(file.read(FINGERPRINT_BYTES))
            if size > 2 * FINGERPRINT_BYTES:
                file.seek(-FINGERPRINT_BYTES, 2)
            digest.update(file.read(FINGERPRINT_BYTES))
    return digest.hexdigest()[:16]


def _static_module(folder: Path) -> Path:
    modules = json.loads((folder / "modules.json").read_text("utf-8"))
    return folder / modules[0]["path"]


def _prompts(folder: Path) -> tuple[str, str]:
    path = folder / "config_sentence_transformers.json"
    prompts = json.loads(path.read_text("utf-8")).get("prompts", {}) if path.is_file() else {}
    return prompts.get("query", "") or "", prompts.get("document", "") or ""


def _unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows at length 1; zero rows stay, and what a half-precision model made NaN becomes zero."""
    vectors = np.nan_to_num(vectors)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norms > 0, norms, 1)
