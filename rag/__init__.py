"""Cited answers from long Korean documents, on your own machines.

from rag import Pipeline

with Pipeline.open("rag-index") as pipeline:
    pipeline.ingest(["문서폴더"])
    print(pipeline.ask("연차휴가는 며칠인가요?").text)
"""

from rag.answer import Answer, BudgetLedger, Citation, FailedSummary, Summary
from rag.config import Config, load_config
from rag.pipeline import Pipeline

__all__ = [
    "Answer",
    "BudgetLedger",
    "Citation",
    "Config",
    "FailedSummary",
    "Pipeline",
    "Summary",
    "load_config",
]
