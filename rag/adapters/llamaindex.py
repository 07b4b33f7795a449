"""A pipeline as a retriever of LlamaIndex: `pip install "rag-korean-pdf[llamaindex]"`.

from rag.adapters.llamaindex import PipelineRetriever

retriever = PipelineRetriever(pipeline, k=10, allowed={"인사"})
nodes = retriever.retrieve("연차휴가는 며칠인가요?")
"""

from indexes.types import EVERYTHING, Mode
from ingest.errors import MissingDependency
from rag.adapters.metadata import metadata_of
from rag.answer import SearchResult
from rag.api.allowed import Allowed, filter_of
from rag.pipeline import Pipeline

try:
    from llama_index.core.base.base_retriever import BaseRetriever
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
except ImportError as exc:
    raise MissingDependency(library="llama-index-core", extra="llamaindex") from exc

# Of the metadata what a model is shown with the text; the rest is for programs.
SHOWN = ("title", "context", "first_page", "last_page")


class PipelineRetriever(BaseRetriever):
    """Gives the passages that `Pipeline.search` finds, best first, as scored nodes of LlamaIndex.

    A node's text is the passage's own words, and its offsets are those in the document's text; its metadata
    are those of `rag.adapters.metadata.metadata_of`.
    """

    def __init__(
        self, pipeline: Pipeline, k: int = 10, mode: Mode | None = None, allowed: Allowed = EVERYTHING
    ) -> None:
        """
        Args:
            k: how many passages are given at most.
            mode: "hybrid", "lexical" or "dense"; None: as configured.
            allowed: a `Filter` or names of groups, as in `Pipeline.search`; only documents that it lets
                through are found.

        Raises:
            TypeError: `allowed` is neither.
            ValueError: `k` is below 1.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        super().__init__()
        self._pipeline = pipeline
        self._k = k
        self._mode = mode
        self._allowed = filter_of(allowed)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _nodes(self._pipeline.search(query_bundle.query_str, self._k, self._mode, self._allowed))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        query = query_bundle.query_str
        return _nodes(await self._pipeline.search_async(query, self._k, self._mode, self._allowed))


def _nodes(found: SearchResult) -> list[NodeWithScore]:
    nodes = []
    for passage in found:
        metadata = metadata_of(passage)
        hidden = [name for name in metadata if name not in SHOWN]
        node = TextNode(
            id_=passage.chunk_id,
            text=passage.text,
            metadata=metadata,
            start_char_idx=passage.start,
            end_char_idx=passage.end,
            excluded_llm_metadata_keys=hidden,
            excluded_embed_metadata_keys=hidden,
        )
        nodes.append(NodeWithScore(node=node, score=passage.score))
    return nodes
