"""A configuration → the models that it names, each loaded when it is first asked for."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from indexes.models.embedder import Embedder, open_embedder
from indexes.models.reranker import Reranker, open_reranker
from ingest.korean.analyse import Analyser, open_analyser
from rag.config import Config, read_dictionary
from rag.models.generator import Generator
from rag.models.open import open_generator
from rag.prompting.tokens import ModelTokenizer, open_tokenizer

T = TypeVar("T")


class Models:
    """The models of one configuration. Safe to use from several threads."""

    def __init__(
        self,
        config: Config,
        generator: Generator | None = None,
        embedder: Embedder | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        """
        Args:
            generator, embedder, reranker: used in place of those that `config` names.
        """
        self._config = config
        self._lock = threading.RLock()
        given = {"generator": generator, "embedder": embedder, "reranker": reranker}
        self._loaded: dict[str, Any] = {name: model for name, model in given.items() if model is not None}

    @property
    def loaded(self) -> frozenset[str]:
        """The names of the models that are there already, such as «embedder»."""
        return frozenset(self._loaded)

    @property
    def tokenizer(self) -> ModelTokenizer:
        """Counts chunks and prompts."""
        return self._once("tokenizer", lambda: open_tokenizer(self._config.models.tokenizer))

    @property
    def embedder(self) -> Embedder:
        """Embeds chunks and queries."""
        config = self._config
        return self._once("embedder", lambda: open_embedder(config.models.embedder, config.embedding))

    @property
    def reranker(self) -> Reranker | None:
        """Puts the best passages in order again; None where the configuration names none."""
        config = self._config
        return self._once("reranker", lambda: open_reranker(config.models.reranker, config.rerank))

    @property
    def analyser(self) -> Analyser:
        """Cuts text into index terms."""
        search = self._config.search
        return self._once(
            "analyser", lambda: open_analyser(search.analyser, read_dictionary(search.dictionary))
        )

    @property
    def generator(self) -> Generator:
        """Writes the answers."""
        return self._once("generator", lambda: open_generator(self._config.generator, self.tokenizer))

    def _once(self, name: str, load: Callable[[], T]) -> T:
        # Not functools.cached_property, which from Python 3.12 on loads twice in two threads.
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = load()
            found: T = self._loaded[name]
            return found
