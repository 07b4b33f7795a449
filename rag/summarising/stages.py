"""What a summary is made with: the objects and settings that the stages of the summary flow use."""

from dataclasses import dataclass, field

from indexes.engine import SearchEngine
from rag.models.generator import GenerationConfig, Generator
from rag.prompting.tokens import ModelTokenizer
from rag.summarising.kinds import SummaryConfig


@dataclass(frozen=True, slots=True)
class SummaryStages:
    """What the summary flow runs on: one version of the index, which it only reads, and a generator."""

    engine: SearchEngine
    tokenizer: ModelTokenizer
    generator: Generator
    generation: GenerationConfig
    summary: SummaryConfig = field(default_factory=SummaryConfig)
