"""The shape of every JSON object that the product writes: the contract, and the only place that states it.

`rag.wire.bodies` makes the objects, with the keys of a shape in its order; `rag.wire.schema` makes the JSON
Schema. A key that is taken out, renamed or given another type breaks programs that read it; one may be added.
Offsets count Unicode code points; pages count from 1.
"""

from typing import Any, Literal, TypedDict

from ingest.document import ChunkKind
from ingest.raw import Engine, Unit

Support = Literal["supported", "partial", "unsupported", "uncited"]

# what goes wrong, and what a user should know


class Problem(TypedDict):
    """What is wrong and what to do about it, in the language of the terminal; `code` is stable."""

    code: str
    message: str
    remedy: str


class Error(TypedDict):
    """In place of a result."""

    error: Problem


class FailedRow(TypedDict):
    """One question of many that has no answer. `id` is the one that was given, else the number of its line."""

    id: Any
    error: Problem


class Notice(TypedDict):
    """What a user should know though nothing failed, in Korean and English; `code` is stable."""

    code: str
    ko: str
    en: str


class UnreadablePages(TypedDict):
    """Pages of a searched document that hold something nobody could read."""

    document_id: str
    path: str
    pages: list[int]
    unit: Unit


# search


class Understood(TypedDict):
    """Words of a query that were taken for more than words, and what for."""

    kind: Literal["document", "section", "reference", "period", "amount", "alias"]
    words: str
    meaning: str


class Passage(TypedDict):
    """What was found: `text` is that of the document in [start, end). A higher score is better.

    `ocr`: the lowest confidence of its pages that OCR read, null where OCR read none of them.
    """

    rank: int
    score: float
    chunk_id: str
    document_id: str
    path: str
    title: str
    context: str
    first_page: int
    last_page: int
    start: int
    end: int
    text: str
    unit: Unit
    ocr: float | None


class Search(TypedDict):
    """The passages for one query, best first."""

    query: str
    understood: list[Understood]
    passages: list[Passage]
    unreadable_pages: list[UnreadablePages]
    warnings: list[Notice]
    seconds: float


class SearchRow(Search):
    """The passages for one query of a file. `id` is the one that was given, else the number of its line."""

    id: Any


# ask and chat


class Sentence(TypedDict):
    """`text` is that of the answer in [start, end); its markers follow it there."""

    text: str
    start: int
    end: int
    markers: list[int]
    support: Support


class Citation(TypedDict):
    """Why one sentence may stand: `quote` is the document's text in [start, end).

    `sentence`: index into the sentences. `columns`: where the quote is a row of a table, its unit and the names
    of its columns.
    """

    sentence: int
    marker: int
    document_id: str
    path: str
    title: str
    first_page: int
    last_page: int
    start: int
    end: int
    quote: str
    support: Support
    columns: str
    unit: Unit
    ocr: float | None


class LeftOut(TypedDict):
    """A passage that was found and not shown, because it repeats [start, end) of the one that was shown.

    `changed`: it says something else there. `date`: of its document, where that is another edition.
    """

    document_id: str
    path: str
    title: str
    date: str | None
    first_page: int
    last_page: int
    start: int
    end: int
    reason: Literal["copy", "older", "newer"]
    changed: bool
    unit: Unit


class ShownPassage(TypedDict):
    """What the model saw under `marker`: the document's text in [start, end)."""

    marker: int
    document_id: str
    path: str
    title: str
    context: str
    first_page: int
    last_page: int
    start: int
    end: int
    tokens: int
    unit: Unit
    ocr: float | None
    copies: list[LeftOut]


class Budget(TypedDict):
    """Where the window's tokens went: the parts sum to `prompt`; free = window - reserved_output - prompt."""

    window: int
    reserved_output: int
    template: int
    system: int
    history: int
    passages: int
    question: int
    prompt: int
    free: int


class ToolCall(TypedDict):
    """One call that the model made to find its answer, and how many passages it got. `error`: why it got none."""

    name: str
    arguments: dict[str, Any]
    passages: int
    error: str


class Answer(TypedDict):
    """The answer to one question. `standalone`: the question as it was understood in its conversation.

    `abstained`: the documents hold no answer. `asks_back`: `text` is a question to the user.
    """

    question: str
    text: str
    abstained: bool
    sentences: list[Sentence]
    citations: list[Citation]
    passages: list[ShownPassage]
    budget: Budget
    generator: str
    tokenizer: str
    warnings: list[Notice]
    unreadable_pages: list[UnreadablePages]
    seconds: float
    standalone: str
    tool_calls: list[ToolCall]
    asks_back: bool


class AnswerRow(Answer):
    """The answer to one question of many. `id` is the one that was given, else the number of its line."""

    id: Any


# summarise and compare


class Figure(TypedDict):
    """A number of a summary with its unit; `stands`: in a quote of its sentence."""

    sentence: int
    text: str
    stands: bool


class Coverage(TypedDict):
    """Which of a document's `pages` a summary rests on; each is used, unused or unreadable."""

    pages: int
    pages_used: list[int]
    pages_unused: list[int]
    pages_unreadable: list[int]
    pages_read: list[int]


class SummarySection(TypedDict):
    """A chapter: `text[start:]` begins with its heading, and `count` sentences from `first_sentence` on follow."""

    heading: str
    start: int
    first_sentence: int
    count: int
    first_page: int
    last_page: int


class SummaryRow(TypedDict):
    """A sentence of the summary, cell by cell, as `columns` names them."""

    sentence: int
    cells: list[str]


class Summary(TypedDict):
    """The summary of one document. `key`: equal where it need not be made again."""

    document_id: str
    path: str
    title: str
    kind: str
    text: str
    sentences: list[Sentence]
    citations: list[Citation]
    figures: list[Figure]
    coverage: Coverage
    calls: int
    levels: int
    prompt_tokens: int
    completion_tokens: int
    generator: str
    tokenizer: str
    key: str
    warnings: list[Notice]
    seconds: float
    sections: list[SummarySection]
    columns: list[str]
    rows: list[SummaryRow]
    unit: Unit


class FailedSummary(TypedDict):
    """A document whose summary could not be made; also a line of failures.jsonl."""

    document_id: str
    path: str
    title: str
    kind: str
    error: Problem


class ComparedDocument(TypedDict):
    """A column."""

    document_id: str
    path: str
    title: str


class ComparisonCell(TypedDict):
    """What one document says of one row; without citations it says that there is no evidence."""

    document_id: str
    text: str
    citations: list[Citation]
    support: Support


class ComparisonRow(TypedDict):
    """A name, and a cell for each document, in the order of the columns."""

    name: str
    cells: list[ComparisonCell]


class Comparison(TypedDict):
    """Documents side by side. `rows_found`: the names of the rows are not the user's, but were found."""

    documents: list[ComparedDocument]
    rows: list[ComparisonRow]
    rows_found: bool
    generator: str
    tokenizer: str
    warnings: list[Notice]
    seconds: float


# documents


class TextPage(TypedDict):
    """A span of the document's text. `label`: what is printed on the page as its number."""

    number: int
    label: str
    start: int
    end: int
    readable: bool
    engine: Engine
    confidence: float


class Text(TypedDict):
    """The stored text of a document in [start, end), and the pages on which it stands."""

    document_id: str
    path: str
    title: str
    start: int
    end: int
    text: str
    unit: Unit
    pages: list[TextPage]


class ListedDocument(TypedDict):
    """A document of the index. `path` is the first of the `paths` that lead to it."""

    document_id: str
    path: str
    paths: list[str]
    title: str
    pages: int
    chunks: int
    groups: list[str]
    unreadable_pages: list[int]
    unit: Unit
    ocr_pages: list[int]


class DocumentList(TypedDict):
    """The documents of the index that the caller may see."""

    documents: list[ListedDocument]


class ShownPage(TypedDict):
    """A picture that was written. `boxes`: what is marked, as left, top, right, bottom in points."""

    page: int
    file: str
    boxes: list[list[float]]


class Show(TypedDict):
    """The pictures of the pages on which [start, end) stands."""

    document_id: str
    path: str
    start: int | None
    end: int | None
    pages: list[ShownPage]


class InspectedPage(TypedDict):
    """A page as it was read. `hidden`: how many characters nobody sees; `removed`: lines that were left out."""

    number: int
    label: str
    start: int
    end: int
    readable: bool
    engine: Engine
    confidence: float
    hidden: int
    removed: list[str]


class Heading(TypedDict):
    """A heading; level 1 is the outermost."""

    level: int
    title: str
    start: int


class Table(TypedDict):
    """The rows of a table in [start, end). `context`: its unit and the names of its columns."""

    start: int
    end: int
    unit: str
    context: str


class InspectedChunk(TypedDict):
    """What is searched as one."""

    start: int
    end: int
    kind: ChunkKind
    tokens: int
    context: str
    first_page: int
    last_page: int


class Inspection(TypedDict):
    """What was read from one file, on the pages that were asked for. `contents`: spans of contents pages."""

    path: str
    title: str
    unit: Unit
    pages: list[InspectedPage]
    headings: list[Heading]
    tables: list[Table]
    contents: list[list[int]]
    chunks: list[InspectedChunk]


class Tokens(TypedDict):
    """How many tokens a text has in the configured tokenizer."""

    tokens: int
    tokenizer: str
    characters: int


# ingest


class Counts(TypedDict):
    """What became of the documents."""

    added: int
    updated: int
    unchanged: int
    moved: int
    removed: int
    failed: int


class IngestFailure(TypedDict):
    """A file that could not be read. `message`: why, and what to do, in the language of the terminal."""

    path: str
    code: str
    page: int | None
    message: str


class Skipped(TypedDict):
    """A link in a folder that was left out. `reason`: "linked_outside", it leads to a file or folder outside."""

    path: str
    reason: str


class Ingest(TypedDict):
    """What one ingest did; `pages` and `chunks` count what was read in it."""

    index: str
    version: int
    documents: Counts
    pages: int
    chunks: int
    seconds: float
    failures: list[IngestFailure]
    skipped: list[Skipped]
    warnings: list[Notice]


# looking after an index


class RerankerTrial(TypedDict):
    """What a reranker made of the questions of a calibration: nDCG@10 without and with it."""

    name: str
    revision: str
    before: float
    after: float
    helps: bool


class Calibration(TypedDict):
    """nDCG@10 by retriever over `questions` questions, taken from `chunks` chunks."""

    dense_weight: float
    questions: int
    lexical: float
    dense: float
    hybrid: float
    chunks: int
    reranker: RerankerTrial | None


class Status(TypedDict):
    """Counts of the index, and what it was built with."""

    index: str
    version: int
    documents: int
    pages: int
    chunks: int
    embedder: str
    embedder_revision: str
    embedder_dim: int
    embedder_query_prompt: str
    embedder_passage_prompt: str
    analyser: str
    tokenizer: str
    dense_recall_at_50: float
    dense_weight: float
    calibration: Calibration | None
    file_bytes: int


class Finding(TypedDict):
    """One thing that is wrong with the index: where, what, and what to do."""

    file: str
    what: str
    remedy: str


class Check(TypedDict):
    """What is wrong with a version of the index."""

    ok: bool
    version: int
    findings: list[Finding]


class Repaired(TypedDict):
    """A file that was made again, and how."""

    file: str
    what: str


class Lost(TypedDict):
    """A document that was taken out and has to be ingested again."""

    document_id: str
    path: str
    title: str


class Repair(TypedDict):
    """What was made again, and what was taken out."""

    index: str
    version: int
    repaired: list[Repaired]
    removed: list[Lost]
    seconds: float


class Reembedding(TypedDict):
    """The embedder that the index has now."""

    index: str
    version: int
    embedder: str
    seconds: float


class Calibrated(TypedDict):
    """What a calibration found; null where the documents hold too little text to tell."""

    index: str
    calibration: Calibration | None


class DeletedDocument(TypedDict):
    """A document that was taken out of the index."""

    document_id: str
    path: str


class Deletion(TypedDict):
    """The documents that were taken out of the index."""

    deleted: list[DeletedDocument]


class GroupedDocument(TypedDict):
    """A document and the groups that it has now."""

    document_id: str
    path: str
    groups: list[str]


class Grouping(TypedDict):
    """The documents whose groups changed."""

    changed: list[GroupedDocument]


class Compaction(TypedDict):
    """Bytes of all files of the index before and after."""

    index: str
    version: int
    bytes_before: int
    bytes_after: int
    seconds: float


class Backup(TypedDict):
    """The version that was copied to a backup, or from one."""

    index: str
    backup: str
    version: int


# The format that the index had and the one that it has. `renewed`: terms or vectors were made again.
Upgrade = TypedDict("Upgrade", {"index": str, "from": int, "to": int, "renewed": bool})


# installation and models


class Init(TypedDict):
    """The configuration file that was written."""

    config: str
    profile: str


class Probe(TypedDict):
    """One thing that was looked at; `remedy` says what to do where it is not well."""

    name: str
    ok: bool
    what: str
    remedy: str


class Probes(TypedDict):
    """All that was looked at, by `rag doctor` or `rag serve-model --check`."""

    ok: bool
    checks: list[Probe]


class Memory(TypedDict):
    """Bytes that a model needs. `full_windows`: by the size of a GPU in GB, how many full windows fit."""

    parameters: int
    weights_bytes: int
    kv_bytes_per_token: int
    window_bytes: int
    gpus: int
    full_windows: dict[str, int]


class ServePlan(TypedDict):
    """The command that starts the model server. `memory`: null for a model of unknown shape."""

    command: list[str]
    environment: dict[str, str]
    tokenizer: str
    memory: Memory | None
    warnings: list[Notice]


class StartedServer(TypedDict):
    """The command that started the model server, and what was found when it was ready."""

    command: list[str]
    environment: dict[str, str]
    tokenizer: str
    memory: Memory | None
    ok: bool
    checks: list[Probe]


# What each command prints with --json: one of these, and one a line where there are many.
COMMANDS: dict[str, tuple[type, ...]] = {
    "ingest": (Ingest,),
    "search": (Search, SearchRow),
    "ask": (Answer, AnswerRow, FailedRow),
    "chat": (AnswerRow, FailedRow),
    "summarise": (Summary, FailedSummary),
    "compare": (Comparison,),
    "text": (Text,),
    "tokens": (Tokens,),
    "list": (DocumentList,),
    "show": (Show,),
    "inspect": (Inspection,),
    "status": (Status,),
    "check": (Check,),
    "repair": (Repair,),
    "reembed": (Reembedding,),
    "calibrate": (Calibrated,),
    "delete": (Deletion,),
    "group": (Grouping,),
    "compact": (Compaction,),
    "backup": (Backup,),
    "restore": (Backup,),
    "upgrade": (Upgrade,),
    "init": (Init,),
    "doctor": (Probes,),
    "serve-model": (ServePlan, StartedServer, Probes),
}
