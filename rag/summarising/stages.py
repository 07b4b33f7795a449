"""What a job of summaries is given: what it is made with, and what it asks for, worked out once for all documents."""

import hashlib
import json
from dataclasses import asdict, dataclass, field

from indexes.engine import SearchEngine
from indexes.types import StoredDocument
from rag.extracting.extract import one_line
from rag.models.generator import GenerationConfig, Generator, Sampling
from rag.prompting.prompts import SUMMARY_SYSTEM, in_other_brackets
from rag.prompting.tokens import ModelTokenizer
from rag.summarising.kinds import KINDS, STYLE_RULES, Kind, SummaryConfig, SummaryOptions

# About what a Korean sentence with its markers takes: decides how many a window is asked for.
SENTENCE_TOKENS = 70
# How many sentences of a part are asked for at least.
LEAST_SENTENCES = 3
# Raised whenever the same completions could give another summary.
FLOW = 6


@dataclass(frozen=True, slots=True)
class SummaryStages:
    """What the summary flow runs on: one version of the index, which it only reads, and a generator."""

    engine: SearchEngine
    tokenizer: ModelTokenizer
    generator: Generator
    generation: GenerationConfig
    summary: SummaryConfig = field(default_factory=SummaryConfig)


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for, the same for each document.

    `sentences`: how many sentences or rows a summary has at most; of one by chapters, each chapter. `tokens`: the
    same in tokens where the user gave those. `completion_tokens`: what a completion may take; `reserved`: those tokens
    of the window, and the generator's margin, in which no prompt may stand.
    `task` asks for the summary itself, where all it is about stands in the prompt; `part` asks for what to keep of one
    window of several.
    """

    options: SummaryOptions
    kind: Kind
    sentences: int
    tokens: int | None
    completion_tokens: int
    reserved: int
    task: str
    part: str

    @property
    def chapters_a_call(self) -> int:
        """The summaries of how many chapters fit into one completion."""
        return max(1, self.completion_tokens // (self.sentences * SENTENCE_TOKENS))


def order_of(stages: SummaryStages, options: SummaryOptions) -> Order:
    """`options`, with what the configuration says where they say nothing."""
    kind, reserved = KINDS[options.kind], stages.generation.reserved_output
    if options.tokens:
        sentences = max(1, options.tokens // SENTENCE_TOKENS)
    else:
        sentences = options.sentences or kind.sentences or stages.summary.sentences
    # The tokens asked for by chapters are those of one chapter, and a call writes several.
    completion_tokens = reserved if kind.by_chapter else options.tokens or reserved
    lines = "{}줄 이내로" if kind.columns else "{}문장 이내로"
    shared = {
        "style": STYLE_RULES[options.style],
        "instruction": in_other_brackets(one_line(options.instruction)),
    }
    of_part = max(LEAST_SENTENCES, completion_tokens // SENTENCE_TOKENS)
    return Order(
        options=options,
        kind=kind,
        sentences=sentences,
        tokens=options.tokens,
        completion_tokens=completion_tokens,
        reserved=completion_tokens + stages.generator.margin,
        task=kind.task.format(length=lines.format(sentences), **shared),
        part=kind.part.format(length=lines.format(of_part), **shared),
    )


def sampling(stages: SummaryStages, order: Order) -> Sampling:
    """How all windows of a job are generated."""
    return Sampling(
        max_tokens=order.completion_tokens,
        temperature=stages.generation.temperature,
        only_shown_markers=stages.generation.grammar == "auto",
        columns=len(order.kind.columns),
    )


def summary_key(stages: SummaryStages, document: StoredDocument, options: SummaryOptions) -> str:
    """Equal for two jobs whose summaries of a document would be the same; 32 hex digits."""
    order, generation = order_of(stages, options), stages.generation
    decides = [
        FLOW,
        [document.id, document.title, document.parser],
        asdict(options),
        asdict(stages.summary),
        [stages.generator.name, stages.generator.margin, stages.tokenizer.fingerprint],
        [generation.window, generation.reserved_output, generation.temperature, generation.grammar],
        [SUMMARY_SYSTEM, order.task, order.part],
    ]
    return hashlib.sha256(json.dumps(decides, ensure_ascii=False).encode()).hexdigest()[:32]
