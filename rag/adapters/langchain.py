"""A pipeline as a retriever of LangChain: `pip install "rag-korean-pdf[langchain]"`.

from rag.adapters.langchain import PipelineRetriever

retriever = PipelineRetriever(pipeline=pipeline, k=10, allowed={"인사"})
documents = retriever.invoke("연차휴가는 며칠인가요?")
"""

from pydantic import ConfigDict, Field, field_validator

from indexes.types import EVERYTHING, Filter, Mode
from ingest.errors import MissingDependency
from rag.adapters.metadata import metadata_of
from rag.answer import SearchResult
from rag.api.allowed import Allowed, filter_of
from rag.pipeline import Pipeline

try:
    from langchain_core.callbacks import (
        AsyncCallbackManagerForRetrieverRun,
        CallbackManagerForRetrieverRun,
    )
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
except ImportError as exc:
    raise MissingDependency(library="langchain-core", extra="langchain") from exc


class PipelineRetriever(BaseRetriever):
    """Gives the passages that `Pipeline.search` finds, best first, as documents of LangChain.

    `page_content` is the passage's own words; its `metadata` are those of
    `rag.adapters.metadata.metadata_of`. `allowed`: a `Filter` or names of groups, as in `Pipeline.search`;
    only documents that it lets through are found. `mode`: "hybrid", "lexical" or "dense"; None: as configured.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    pipeline: Pipeline
    k: int = Field(default=10, ge=1)
    mode: Mode | None = None
    allowed: Filter = EVERYTHING

    @field_validator("allowed", mode="before")
    @classmethod
    def _filter(cls, allowed: Allowed) -> Filter:
        return filter_of(allowed)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return _documents(self.pipeline.search(query, self.k, self.mode, self.allowed))

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        return _documents(await self.pipeline.search_async(query, self.k, self.mode, self.allowed))


def _documents(found: SearchResult) -> list[Document]:
    return [
        Document(id=passage.chunk_id, page_content=passage.text, metadata=metadata_of(passage))
        for passage in found
    ]
