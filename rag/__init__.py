"""Cited answers from long Korean documents, on your own machines.

from rag import Pipeline

with Pipeline.open("rag-index") as pipeline:
    pipeline.ingest("문서폴더")
    print(pipeline.ask("연차휴가는 며칠인가요?"))
"""

from indexes.types import Filter, StoredDocument
from ingest.errors import PipelineError
from rag.answer import (
    Answer,
    BudgetLedger,
    Citation,
    FailedSummary,
    IngestReport,
    Passage,
    SearchResult,
    Summary,
)
from rag.api.upkeep import Upkeep
from rag.comparing.compare import Comparison
from rag.config import Config, load_config
from rag.conversing.conversation import Conversation
from rag.pipeline import Pipeline
from rag.streaming.streams import AnswerStream, AsyncAnswerStream

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "AnswerStream",
    "AsyncAnswerStream",
    "BudgetLedger",
    "Citation",
    "Comparison",
    "Config",
    "Conversation",
    "FailedSummary",
    "Filter",
    "IngestReport",
    "Passage",
    "Pipeline",
    "PipelineError",
    "SearchResult",
    "StoredDocument",
    "Summary",
    "Upkeep",
    "__version__",
    "load_config",
]
