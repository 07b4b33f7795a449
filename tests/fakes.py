"""Small citizens that stand in for models."""

import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from indexes.embedder import EmbedderIdentity
from ingest.korean import bigrams, fold, words
from rag.generator import Completion, Sampling
from rag.packing import Prompt


class BigramEmbedder:
    """Character bigrams hashed into 64 dimensions: texts that share words are near."""

    def __init__(self, revision: str = "1", max_tokens: int = 1 << 30) -> None:
        self.identity = EmbedderIdentity("bigrams", revision, 64, "", "")
        self.max_tokens = max_tokens

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.zeros((len(texts), 64), np.float32)
        for row, text in enumerate(texts):
            for term in [*bigrams(fold(text)), *words(fold(text))]:
                vectors[row, zlib.crc32(term.encode()) % 64] += 1
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.where(norms > 0, norms, 1)

    embed_queries = embed_passages


class ScriptedGenerator:
    """Replies from a list, in order, and keeps the prompts it was given."""

    name = "scripted"
    margin = 0

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)
        self.prompts: list[Prompt] = []

    def generate(self, prompts: Sequence[Prompt], options: Sampling) -> list[Completion]:
        self.prompts += prompts
        return [Completion(self.replies.pop(0), "stop") for _ in prompts]

    def stream(self, prompt: Prompt, options: Sampling) -> Iterator[str]:
        (completion,) = self.generate([prompt], options)
        for start in range(0, len(completion.text), 3):
            yield completion.text[start : start + 3]
