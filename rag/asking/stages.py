"""The objects and settings that the stages of the ask flow use."""

from dataclasses import dataclass, field, replace

from indexes.engine import SearchEngine
from indexes.models.reranker import RerankConfig, Reranker
from indexes.search.config import SearchConfig
from indexes.types import Mode
from rag.models.generator import GenerationConfig, Generator
from rag.prompting.prompts import SYSTEM, Turn
from rag.prompting.tokens import ModelTokenizer


@dataclass(frozen=True, slots=True)
class RetrievalStages:
    """Where passages come from: one version of the index and, where one is configured, a reranker."""

    engine: SearchEngine
    search: SearchConfig = field(default_factory=SearchConfig)
    reranker: Reranker | None = None
    rerank: RerankConfig = field(default_factory=RerankConfig)

    def with_search(self, k: int, mode: Mode | None = None) -> "RetrievalStages":
        """The same stages, but they retrieve `k` passages, in `mode`; None keeps the mode."""
        search = replace(self.search, k=k, mode=mode or self.search.mode)
        return replace(self, search=search)


@dataclass(frozen=True, slots=True)
class Stages:
    """What the ask flow runs on.

    Attributes:
        dates: the dates of documents that were looked up before, by (id, title, path); all questions to one
            pipeline share them.
        history: the earlier turns of the conversation that the questions belong to, oldest first.
        system: the system prompt, which tells the model how to answer.
    """

    retrieval: RetrievalStages
    tokenizer: ModelTokenizer
    generator: Generator
    generation: GenerationConfig
    dates: dict[tuple[str, str, str], str | None] = field(default_factory=dict)
    history: tuple[Turn, ...] = ()
    system: str = SYSTEM

    @property
    def engine(self) -> SearchEngine:
        """The version of the index that questions are asked of."""
        return self.retrieval.engine
