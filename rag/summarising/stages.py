"""What a summary job needs: the stages it runs on, and what it asks for, worked out once for all documents."""

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

# A Korean sentence with its markers takes about 70 tokens; this decides how many sentences a window is asked for.
SENTENCE_TOKENS = 70
# A part is asked for at least 3 sentences.
LEAST_SENTENCES = 3
# Part of `summary_key`. Raise it whenever the code would make another summary of the same completions.
# 7: brackets of the document are written 〔 〕 in sentences, rows and figures.
FLOW = 7


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
    """What is asked of the model, the same for each document.

    `sentences`: the most sentences or rows of a summary; for a kind by chapters, of each chapter.
    `completion_tokens`: the most tokens of one completion. `reserved`: the tokens of the window that no prompt may
    use: `completion_tokens` and the generator's margin.
    `task` asks for the summary itself, when everything that it is about is in the prompt; `part` asks what to keep
    of one window among several.
    """

    options: SummaryOptions
    kind: Kind
    sentences: int
    completion_tokens: int
    reserved: int
    task: str
    part: str

    @property
    def chapters_a_call(self) -> int:
        """How many chapters' summaries fit into one completion; at least 1."""
        return max(1, self.completion_tokens // (self.sentences * SENTENCE_TOKENS))


def order_of(stages: SummaryStages, options: SummaryOptions) -> Order:
    """The order that `options` give; what they leave open comes from the kind or the configuration."""
    kind, reserved = KINDS[options.kind], stages.generation.reserved_output
    if options.tokens:
        sentences = max(1, options.tokens // SENTENCE_TOKENS)
    else:
        sentences = options.sentences or kind.sentences or stages.summary.sentences
    # For a kind by chapters, `options.tokens` limits one chapter, and a call writes several chapters.
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
        completion_tokens=completion_tokens,
        reserved=completion_tokens + stages.generator.margin,
        task=kind.task.format(length=lines.format(sentences), **shared),
        part=kind.part.format(length=lines.format(of_part), **shared),
    )


def sampling(stages: SummaryStages, order: Order) -> Sampling:
    """The sampling options, the same for all windows of a job."""
    return Sampling(
        max_tokens=order.completion_tokens,
        temperature=stages.generation.temperature,
        only_shown_markers=stages.generation.grammar == "auto",
        columns=len(order.kind.columns),
    )


def summary_key(stages: SummaryStages, order: Order, document: StoredDocument) -> str:
    """A key of 32 hex digits, equal for two jobs that would make the same summary of `document`."""
    generation = stages.generation
    decides = [
        FLOW,
        [document.document_id, document.title, document.parser],
        asdict(order.options),
        asdict(stages.summary),
        [stages.generator.name, stages.generator.margin, stages.tokenizer.fingerprint],
        [generation.window, generation.reserved_output, generation.temperature, generation.grammar],
        [SUMMARY_SYSTEM, order.task, order.part],
    ]
    return hashlib.sha256(json.dumps(decides, ensure_ascii=False).encode()).hexdigest()[:32]
