"""Texts → unit vectors, by any sentence-transformers model: a local folder or a hub name."""

import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from indexes.errors import DimTooLarge, HalfPrecisionOverflow, ModelUnavailable, TextTooLong
from indexes.models.inference import WHOLE, Batches, Dtype, check_settings, device_of, dtype_of
from indexes.types import EmbedderIdentity
from ingest.errors import MissingDependency, first_line, shown

EMBEDDED = "embedded"
EMBEDDED_FOLDER = Path(__file__).parent / "embedded"
# Bytes read from each end of a large file for a model's fingerprint; to hash gigabytes at every start would take
# longer than to answer a question.
FINGERPRINT_BYTES = 1 << 20
UNLIMITED = 1 << 30
STATIC_BATCH = 1024
# Called after each batch with the number of texts that are done; an exception from it ends the embedding.
OnBatch = Callable[[int], None]
Task = Literal["query", "document"]


@dataclass(frozen=True, slots=True)
class EmbeddingConfig:
    """How the embedder runs; of these settings only `dim` is part of the embedder's identity.

    `device`: "auto" (a GPU if there is one), "cpu", "cuda:0" … `dtype`: "auto" is fp16 on a GPU, fp32 elsewhere.
    `dim`: the number of first dimensions to keep, for models that were trained for that (Matryoshka); 0 keeps all.
    `batch_tokens`: the most tokens of a batch; halved when memory runs out.
    """

    device: str = "auto"
    dtype: Dtype = "auto"
    dim: int = 0
    batch_tokens: int = 16_384

    def __post_init__(self) -> None:
        check_settings("embedding", self.device, self.dtype, self.batch_tokens)
        if self.dim < 0:
            raise ValueError(f"embedding.dim must be at least 0, got {self.dim}")


class Embedder(Protocol):
    """Texts → vectors. `max_tokens`: the longest input that it reads as a whole, prompt included."""

    identity: EmbedderIdentity
    max_tokens: int

    def count_tokens(self, passages: Sequence[str]) -> list[int]:
        """The number of the embedder's own tokens in each passage, prompt included, not cut."""
        ...

    def embed_passages(self, texts: Sequence[str], on_batch: OnBatch = lambda _: None) -> NDArray[np.float32]:
        """(N, D), unit rows; a text without tokens has a row of zeros.

        Raises:
            TextTooLong: one of `texts` is longer than `max_tokens`.
        """
        ...

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(Q, D), unit rows. A query over `max_tokens` is cut at its end."""
        ...


def open_embedder(name: str, config: EmbeddingConfig | None = None) -> Embedder:
    """The embedder called `name`: "embedded", a local folder or a hub name.

    A model that is only a table of token vectors is read without torch, which saves 5 s and 400 MB at
    every start; its vectors equal those of sentence-transformers.

    Raises:
        ModelUnavailable: the model cannot be loaded.
        DimTooLarge: it has fewer than `config.dim` dimensions.
    """
    config = config or EmbeddingConfig()
    folder = EMBEDDED_FOLDER if name == EMBEDDED else Path(name)
    if is_static(folder):
        return StaticEmbedder(name, folder, config.dim)
    return SentenceTransformerEmbedder(name, config)


def is_static(folder: Path) -> bool:
    """Whether `folder` is a sentence-transformers model of a StaticEmbedding alone, or with a Normalize behind it."""
    modules = folder / "modules.json"
    if not modules.is_file():
        return False
    types = [module["type"].rpartition(".")[2] for module in json.loads(modules.read_text("utf-8"))]
    return types in (["StaticEmbedding"], ["StaticEmbedding", "Normalize"])


class StaticEmbedder:
    """A sentence-transformers model of one StaticEmbedding: a text's vector is the mean of its tokens' vectors."""

    def __init__(self, name: str, folder: Path, dim: int = 0) -> None:
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
        table, self._weights = _token_vectors(tensors)
        self._table = table[:, : checked_dim(name, dim, table.shape[1])]
        self.max_tokens = UNLIMITED
        prompts = declared_prompts(_settings(folder).get("prompts", {}))
        self.identity = EmbedderIdentity(name, folder_fingerprint(folder), self._table.shape[1], *prompts)

    def count_tokens(self, passages: Sequence[str]) -> list[int]:
        return [len(encoding.ids) for encoding in self._encode(passages, self.identity.passage_prompt)]

    def embed_passages(self, texts: Sequence[str], on_batch: OnBatch = lambda _: None) -> NDArray[np.float32]:
        parts = [np.zeros((0, self.identity.dim), np.float32)]
        for first in range(0, len(texts), STATIC_BATCH):
            batch = texts[first : first + STATIC_BATCH]
            parts.append(self._embed(batch, self.identity.passage_prompt))
            on_batch(first + len(batch))
        return np.concatenate(parts)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._embed(texts, self.identity.query_prompt)

    def _embed(self, texts: Sequence[str], prompt: str) -> NDArray[np.float32]:
        vectors = np.zeros((len(texts), self.identity.dim), np.float32)
        for row, encoding in enumerate(self._encode(texts, prompt)):
            if encoding.ids:
                # The sum serves as well as the mean, because rows are brought to unit length afterwards.
                vectors[row] = self._weights[encoding.ids] @ self._table[encoding.ids].astype(np.float32)
        return _unit_rows(vectors)

    def _encode(self, texts: Sequence[str], prompt: str):
        return self._tokenizer.encode_batch_fast([prompt + text for text in texts], add_special_tokens=False)


class SentenceTransformerEmbedder:
    """Any sentence-transformers model, with the prompts that it declares. Safe to use from several threads."""

    def __init__(self, name: str, config: EmbeddingConfig | None = None) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as exc:
            raise MissingDependency(library="sentence-transformers", extra="") from exc
        config = config or EmbeddingConfig()
        device = device_of(config.device)
        self._dtype = dtype_of(config.dtype, device)
        try:
            # All modules get the data type, not only the transformer, because its output goes through the others.
            self._model = SentenceTransformer(name, device=device).to(self._dtype)
        except Exception as exc:
            raise ModelUnavailable(name=name, detail=first_line(exc), section="models.embedder") from exc
        self.max_tokens = passage_limit(self._model)
        dim = checked_dim(name, config.dim, int(self._model.get_embedding_dimension()))
        self._model.truncate_dim = dim
        prompts = declared_prompts(self._model.prompts)
        self.identity = EmbedderIdentity(name, resolved_revision(name, self._model), dim, *prompts)
        self._batches = Batches.on_torch(name, "embedding", config.batch_tokens)
        # Truncation is set in a fast tokenizer for each call; with two threads at once it raises "Already borrowed"
        # (tokenizers 0.23).
        self._lock = threading.Lock()

    def count_tokens(self, passages: Sequence[str]) -> list[int]:
        return self._lengths(passages, self.identity.passage_prompt, "document")

    def embed_passages(self, texts: Sequence[str], on_batch: OnBatch = lambda _: None) -> NDArray[np.float32]:
        lengths = self.count_tokens(texts)
        for text, tokens in zip(texts, lengths, strict=True):
            if tokens > self.max_tokens:
                raise TextTooLong(
                    embedder=self.identity.name, reads=self.max_tokens, tokens=tokens, text=shown(text, 80)
                )
        return self._embed(texts, lengths, self.identity.passage_prompt, "document", on_batch)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        prompt = self.identity.query_prompt
        lengths = [min(tokens, self.max_tokens) for tokens in self._lengths(texts, prompt, "query")]
        return self._embed(texts, lengths, prompt, "query", lambda _: None)

    def _embed(self, texts, lengths, prompt: str, task: Task, on_batch: OnBatch) -> NDArray[np.float32]:
        encode = self._model.encode_query if task == "query" else self._model.encode_document

        def compute(batch: list[int]) -> NDArray[np.float32]:
            with self._lock:
                return encode(
                    [texts[row] for row in batch],
                    prompt=prompt,
                    batch_size=len(batch),
                    convert_to_numpy=True,
                    show_progress_bar=False,
                )

        vectors, done = np.zeros((len(texts), self.identity.dim), np.float32), 0
        for batch, rows in self._batches.run(lengths, compute):
            vectors[batch] = rows
            done += len(batch)
            on_batch(done)
        broken = ~np.isfinite(vectors).all(axis=1) & (np.asarray(lengths) > 0)
        if broken.any():
            dtype = str(self._dtype).removeprefix("torch.")
            raise HalfPrecisionOverflow(name=self.identity.name, dtype=dtype, section="embedding")
        return _unit_rows(vectors)

    def _lengths(self, texts: Sequence[str], prompt: str, task: Task) -> list[int]:
        """The tokens of each text with `prompt`, not cut."""
        if not texts:
            return []
        with self._lock:
            features = self._model.preprocess(
                list(texts), prompt=prompt or None, task=task, processing_kwargs=WHOLE
            )
        if "offsets" in features:  # of a StaticEmbedding: all ids in one row
            ends = [*features["offsets"].tolist()[1:], len(features["input_ids"])]
            return np.diff([0, *ends]).tolist()
        return [len(ids) for ids in features["input_ids"]]


def declared_prompts(prompts: Mapping[str, str | None]) -> tuple[str, str]:
    """The prompts of a model for queries and for passages; empty if it declares none.

    The prompt for passages is the first non-empty one named «document», «passage» or «corpus», the names and the order
    of sentence-transformers. That library itself stops at an empty «document», which it adds on its own (6.2.0), so
    a model that declares «passage» alone would get passages without a prompt.
    """
    passage = next(filter(None, (prompts.get(name) for name in ("document", "passage", "corpus"))), "")
    return prompts.get("query") or "", passage


def passage_limit(model) -> int:
    """The most tokens of a passage that a sentence-transformers model reads."""
    limits = (getattr(model[0], "document_length", None), model.max_seq_length)
    return int(min([UNLIMITED, *filter(None, limits)]))


def checked_dim(name: str, wanted: int, own: int) -> int:
    """The number of dimensions to keep: `wanted`, or all `own` if that is 0.

    Raises:
        DimTooLarge: more are wanted than there are.
    """
    if wanted > own:
        raise DimTooLarge(name=name, wanted=wanted, own=own)
    return wanted or own


def resolved_revision(name: str, model) -> str:
    """The hub commit that was loaded, or a local folder's fingerprint."""
    if Path(name).is_dir():
        return folder_fingerprint(Path(name))
    return getattr(model.config, "_commit_hash", None) or "unknown"


def folder_fingerprint(folder: Path) -> str:
    """16 hex digits that change if a file of the model in `folder` does, hidden and Markdown files excepted.

    Of a file over 2 MiB only the size and 1 MiB at each end count.
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


def _token_vectors(tensors: dict[str, NDArray]) -> tuple[NDArray, NDArray[np.float32]]:
    """A table (T, D) and factors (T,): the vector of token i is row i times factor i.

    sentence-transformers writes one tensor, `embedding.weight`; since 6.2 it also reads the pair
    `embeddings` and `weights`, in which the table may be of bytes.
    """
    table = tensors["embeddings" if "embeddings" in tensors else "embedding.weight"]
    if "mapping" in tensors:
        table = table[tensors["mapping"]]
    return table, tensors.get("weights", np.ones(len(table))).astype(np.float32)


def _settings(folder: Path) -> dict:
    path = folder / "config_sentence_transformers.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def _unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """`vectors` with rows of length 1; rows of zeros stay, and rows of NaN (in fp16, texts without tokens) become zero."""
    vectors = np.nan_to_num(vectors)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norms > 0, norms, 1)
