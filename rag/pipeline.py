"""All wiring, and the Python API."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from indexes import build
from indexes.disk import dense
from indexes.disk.retriever import Retriever
from indexes.disk.store import Store
from indexes.disk.writer import Writer
from indexes.errors import IndexNotFound
from indexes.models.embedder import EMBEDDED, Embedder, open_embedder
from indexes.models.reranker import Reranker, open_reranker
from indexes.search.fusion import DEFAULT_WEIGHT
from indexes.types import EVERYTHING, Calibration, Filter, Manifest, Mode, Passage, StoredDocument, Understood
from indexes.upkeep import backup as backups
from indexes.upkeep import rebuild
from indexes.upkeep.check import Finding, check
from indexes.upkeep.compact import Compaction, compact
from indexes.upkeep.reembed import reembed
from indexes.upkeep.repair import Repair, repair
from indexes.upkeep.upgrade import upgrade
from ingest.errors import PipelineError
from ingest.korean.analyse import Analyser, open_analyser
from ingest.parse import ParseOptions, Parser, Reading
from ingest.passwords import with_patterns
from ingest.pdf.ocr import find_tesseract
from ingest.pdf.places import PDFIUM
from rag.answer import Answer, FailedSummary, Summary
from rag.asking.ask import Stages, ask, ask_each, ask_stream
from rag.asking.asynchronous import iterate
from rag.asking.conversation import Conversation, Exchange
from rag.asking.retrieve import Found, find
from rag.asking.tools import ask_with_tools
from rag.comparing.compare import ROWS, Comparison, compare
from rag.config import Config, read_dictionary
from rag.models.generator import Generator as AnswerGenerator
from rag.models.open import open_generator
from rag.prompting.tokens import ModelTokenizer
from rag.summarising.checkpoints import Checkpoints
from rag.summarising.flow import summary_key
from rag.summarising.job import OnProgress, summarise
from rag.summarising.kinds import EXECUTIVE, Style, SummaryOptions
from rag.viewing.show import ShownPage, show


class Pipeline:
    """An index on disk and the models that a configuration names. Safe to use from several threads.

    Models are loaded at first use. Searching and asking see the version of the index that was the
    last when they were first used, until `refresh()` or this pipeline's own `ingest`.
    """

    def __init__(self, index: Path, config: Config) -> None:
        self.index = index
        self.config = config
        self._lock = threading.RLock()
        self._loaded: dict[str, Any] = {}
        self._retriever: Retriever | None = None
        self._reader: Retriever | None = None
        self._dates: dict[tuple[str, str, str], str | None] = {}

    @classmethod
    def open(cls, index: str | Path = "rag-index", config: Config | None = None) -> "Pipeline":
        """A pipeline over the index in the folder `index`, which need not exist before `ingest`."""
        return cls(Path(index), config or Config())

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(self, *exc_info) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the index."""
        with self._lock:
            for opened in filter(None, (self._retriever, self._reader)):
                opened.close()
            self._retriever = self._reader = None

    # what the configuration names, loaded once

    @property
    def tokenizer(self) -> ModelTokenizer:
        """The tokenizer that counts chunks and prompts."""
        return self._once("tokenizer", lambda: ModelTokenizer(self.config.models.tokenizer))

    @property
    def embedder(self) -> Embedder:
        """The model that embeds chunks and queries."""
        return self._once(
            "embedder", lambda: open_embedder(self.config.models.embedder, self.config.embedding)
        )

    @property
    def reranker(self) -> Reranker | None:
        """What puts the best passages in order again; None where the configuration names none."""
        return self._once("reranker", lambda: open_reranker(self.config.models.reranker, self.config.rerank))

    @property
    def analyser(self) -> Analyser:
        """What cuts text into index terms."""
        return self._once(
            "analyser",
            lambda: open_analyser(
                self.config.search.analyser, read_dictionary(self.config.search.dictionary)
            ),
        )

    @property
    def generator(self) -> AnswerGenerator:
        """What writes the answers."""
        return self._once("generator", lambda: open_generator(self.config.generator, self.tokenizer))

    def _once(self, name: str, load: Callable[[], Any]) -> Any:
        # Not functools.cached_property, which from Python 3.12 on loads twice in two threads.
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = load()
            return self._loaded[name]

    @property
    def retriever(self) -> Retriever:
        """The version of the index in use; opened at first use.

        Raises:
            IndexNotFound, IndexMismatch, IndexDamaged, IndexFormat.
        """
        with self._lock:
            if self._retriever is None:
                Store(self.index).close()  # says that there is no index before models are loaded
                self._retriever = Retriever(self.index, self.embedder, self.analyser)
            return self._retriever

    @property
    def reader(self) -> Retriever:
        """The version of the index in use, without any model where none was needed yet.

        Raises:
            IndexNotFound, IndexDamaged, IndexFormat.
        """
        with self._lock:
            if self._retriever is not None:
                return self._retriever
            if self._reader is None:
                self._reader = Retriever(self.index, None, None)
            return self._reader

    def refresh(self) -> int:
        """Move to the last committed version; returns its number."""
        with self._lock:
            self._forget_version()
            return self.retriever.version

    def _forget_version(self) -> None:
        with self._lock:
            self._retriever = self._reader = None

    # the flows

    def ingest(
        self,
        paths: Iterable[str | Path],
        *,
        groups: Sequence[str] = (),
        passwords: Sequence[str | tuple[str, str]] = (),
        sync: bool = False,
        progress: build.Progress = lambda *_: None,
        embedded: rebuild.Progress = lambda *_: None,
    ) -> build.IngestReport:
        """Bring the index up to the files at `paths`; see `indexes.build.ingest`.

        Args:
            passwords: of locked PDFs; a pair is a pattern of file names or paths, and their password.
        """
        options = self._parse_options(passwords)
        report = build.ingest(
            self.index,
            [Path(path) for path in paths],
            self.embedder,
            options,
            tokenizer=self.tokenizer.fingerprint,
            groups=groups,
            sync=sync,
            progress=progress,
            embedded=embedded,
            open_reranker=lambda: self.reranker,
        )
        self._forget_version()
        report.ocr_missing = self.config.ingest.ocr == "auto" and options.tesseract is None
        return report

    def _parse_options(self, passwords: Sequence[str | tuple[str, str]]) -> ParseOptions:
        return ParseOptions(
            self.tokenizer.plain_json,
            self.config.search.analyser,
            self.config.chunking,
            self.config.ingest,
            with_patterns(passwords),
            find_tesseract() if self.config.ingest.ocr == "auto" else None,
            read_dictionary(self.config.search.dictionary),
        )

    def inspect(self, path: str | Path, passwords: Sequence[str | tuple[str, str]] = ()) -> Reading:
        """What the machine sees in one file: its lines, text and chunks. No index is needed.

        The file is read in this process, without the limits on time and memory.

        Raises:
            UnreadableFile: it cannot be read.
        """
        options = replace(self._parse_options(passwords), analyser="bigram")  # its terms are not asked for
        with PDFIUM:
            return Parser(options).read(str(path))

    def search(
        self,
        query: str,
        k: int = 10,
        mode: Mode | None = None,
        allowed: Filter = EVERYTHING,
    ) -> list[Passage]:
        """The best `k` passages for `query`, best first."""
        return self.search_many([query], k, mode, allowed)[0]

    def search_many(
        self,
        queries: Sequence[str],
        k: int = 10,
        mode: Mode | None = None,
        allowed: Filter = EVERYTHING,
    ) -> list[list[Passage]]:
        """`search` for each of `queries`, in order."""
        return [found.passages for found in self.find(queries, k, mode, allowed)]

    def find(
        self,
        queries: Sequence[str],
        k: int = 10,
        mode: Mode | None = None,
        allowed: Filter = EVERYTHING,
        before: str = "",
    ) -> list[Found]:
        """`search_many`, with warnings, such as that the time was too short to rerank all passages.

        Args:
            before: the question before, in a conversation: what was spoken of counts a little.
        """
        mode = mode or self.config.search.mode
        return find(self.retriever, self.reranker, self.config, queries, k, mode, allowed, before)

    def understand(self, query: str, allowed: Filter = EVERYTHING) -> tuple[Understood, ...]:
        """What in `query` is taken for the name of a document, a section, an article."""
        return self.retriever.understand(query, allowed)

    def ask(self, question: str, allowed: Filter = EVERYTHING, *, tools: bool = False) -> Answer:
        """The cited answer to `question`.

        Args:
            tools: the model searches and opens pages itself; see `rag.asking.tools.ask_with_tools`.

        Raises:
            PromptTooLong: the question alone fills the window.
            GeneratorUnavailable, GeneratorMismatch, GenerationFailed: the model server.
        """
        if tools:
            return ask_with_tools(self._stages(), question, allowed)
        return self.ask_many([question], allowed)[0]

    def ask_many(self, questions: Sequence[str], allowed: Filter = EVERYTHING) -> list[Answer]:
        """`ask` for each of `questions`, in order; a server gets them concurrently."""
        return ask(self._stages(), questions, allowed)

    def ask_each(
        self, questions: Iterable[str], allowed: Filter = EVERYTHING
    ) -> Generator[Answer | PipelineError, None, None]:
        """What came of each of `questions`, in order and as soon as it is there; for jobs of any length.

        A question that fails gives its error, and the others are answered. Closing the iterator gives
        up what is being answered.
        """
        return ask_each(self._stages(), questions, allowed)

    def ask_stream(self, question: str, allowed: Filter = EVERYTHING) -> Generator[str | Answer, None, None]:
        """The answer's text in pieces as it is generated, then the `Answer`.

        The pieces joined are `Answer.text`: a marker comes out when it is complete and of a passage
        that was shown, so nothing has to be taken back.
        """
        return ask_stream(self._stages(), question, allowed)

    def conversation(self, allowed: Filter = EVERYTHING, turns: Iterable[Exchange] = ()) -> Conversation:
        """A conversation, in which questions may go back to those before them.

        Args:
            allowed: of which documents its answers are.
            turns: those of an earlier one, to go on with it: its `turns`, or `rag.asking.conversation.read_turns`.
        """
        return Conversation(self._stages, allowed, turns)

    def _stages(self) -> Stages:
        return Stages(self.retriever, self.tokenizer, self.generator, self.config, self.reranker, self._dates)

    def summarise(
        self,
        documents: Iterable[str | StoredDocument],
        kind: str = EXECUTIVE.name,
        *,
        sentences: int | None = None,
        tokens: int | None = None,
        style: Style = "서술형",
        instruction: str = "",
        allowed: Filter = EVERYTHING,
        checkpoints: str | Path | None = None,
        on_progress: OnProgress = lambda _: None,
    ) -> Iterator[Summary | FailedSummary]:
        """The summary of each document, or why there is none, as it is done; a server gets them all together.

        Args:
            documents: as `documents()` gives them, or their ids, paths, file names or titles.
            kind: one of `rag.summarising.kinds.KINDS`.
            sentences, tokens: the length at most; neither: as configured. Of `sections` that of a chapter.
            instruction: what is wanted of the kind `custom`.
            checkpoints: a folder for what is generated, so that a killed job goes on where it was. What is
                kept of a document goes when the result after it is asked for.

        Raises:
            DocumentNotFound, AmbiguousDocument: before anything is generated.
            GeneratorUnavailable, GeneratorMismatch: the model server. Documents that were done stay done.
        """
        options = SummaryOptions(kind, sentences, tokens, style, instruction)
        once = self._distinct(documents, allowed)
        kept = Checkpoints(Path(checkpoints) if checkpoints else None)
        return summarise(self._reading_stages(), once, options, kept, on_progress)

    def summarise_all(
        self, documents: Iterable[str | StoredDocument], kind: str = EXECUTIVE.name, **options
    ) -> list[Summary | FailedSummary]:
        """`summarise` as a list, each document once, in the order of `documents`."""
        once = self._distinct(documents, options.get("allowed", EVERYTHING))
        places = {document.id: place for place, document in enumerate(once)}
        return sorted(self.summarise(once, kind, **options), key=lambda result: places[result.document_id])

    def compare(
        self,
        documents: Iterable[str | StoredDocument],
        rows: Sequence[str] | None = None,
        *,
        most: int = ROWS,
        allowed: Filter = EVERYTHING,
        on_cell: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> Comparison:
        """Reports side by side: a cited value, or «근거 없음», of each for each row.

        Args:
            documents: as `documents()` gives them, or their ids, paths, file names or titles.
            rows: names such as «사업기간», or «사업기간/용역기간» for either; None: at most `most` names
                that the reports share.

        Raises:
            DocumentNotFound, AmbiguousDocument, NoSharedNames, GeneratorUnavailable, GeneratorMismatch.
        """
        once = self._distinct(documents, allowed)
        return compare(self._stages(), once, rows or (), allowed, most, on_cell)

    def _distinct(self, documents: Iterable[str | StoredDocument], allowed: Filter) -> list[StoredDocument]:
        """The documents that these are, or are named by, each once."""
        found = [self.document(one, allowed) if isinstance(one, str) else one for one in documents]
        return list({document.id: document for document in found}.values())

    async def compare_async(self, documents: Iterable[str | StoredDocument], *args, **options) -> Comparison:
        """`compare`, awaitable."""
        return await asyncio.to_thread(self.compare, documents, *args, **options)

    def summary_key(self, document: StoredDocument, options: SummaryOptions) -> str:
        """The `key` that the summary of `document` would have."""
        return summary_key(self._reading_stages(), document, options)

    def _reading_stages(self) -> Stages:
        """For flows that search nothing: neither the embedder nor Kiwi is loaded."""
        return Stages(self.reader, self.tokenizer, self.generator, self.config)

    def document(self, name: str, allowed: Filter = EVERYTHING) -> StoredDocument:
        """The document with that id, path, file name or title."""
        return self.reader.document(name, allowed)

    def documents(self, allowed: Filter = EVERYTHING) -> list[StoredDocument]:
        """The documents of the index, in the order in which they came."""
        return self.reader.visible(allowed)

    def text(self, document: StoredDocument, start: int = 0, end: int | None = None) -> str:
        """`document.text[start:end]`, from the index."""
        return self.reader.text(document, start, end)

    def show(
        self,
        document: StoredDocument,
        start: int | None = None,
        end: int | None = None,
        *,
        page: int | None = None,
        scale: float = 2.0,
        passwords: Sequence[str | tuple[str, str]] = (),
    ) -> Iterator[ShownPage]:
        """Pictures of the pages on which `text[start:end]` stands, with it marked; see `rag.viewing.show.show`."""
        pages = self.reader.pages(document.id)
        return show(document, pages, start, end, page, scale, with_patterns(passwords))

    def delete(self, names: Sequence[str]) -> list[StoredDocument]:
        """Take documents out of the index; they answer nothing from then on."""
        gone = build.delete(self.index, names, self.reader.manifest)
        self._forget_version()
        return gone

    def set_groups(
        self, names: Sequence[str], change: Callable[[set[str]], Iterable[str]]
    ) -> list[StoredDocument]:
        """Give documents other groups, in one commit; nothing is embedded or indexed anew.

        Args:
            names: ids, paths, file names or path patterns (`*.pdf`).
            change: a document's groups → those it is to have.

        Raises:
            DocumentNotFound: one of the names is there for no document; then nothing changes.
        """
        changed = build.set_groups(self.index, names, change, self.reader.manifest)
        self._forget_version()
        return changed

    def repair(self, progress: Callable[[str], rebuild.Progress] = lambda _: lambda *_: None) -> Repair:
        """Make a damaged index whole from what is good in it; see `indexes.upkeep.repair.repair`."""
        self.close()
        built = Manifest(self.embedder.identity, self.analyser.name, self.tokenizer.fingerprint)
        return repair(self.index, built, self.embedder, self.analyser, progress=progress)

    def reembed(self, progress: rebuild.Progress = lambda *_: None) -> int:
        """Give the index the vectors of the configured embedder; see `indexes.upkeep.reembed.reembed`."""
        self.close()
        version = reembed(self.index, self.embedder, progress=progress)
        self.calibrate()
        return version

    def calibrate(self) -> Calibration | None:
        """Measure anew how much the cosine is to count in this index, and whether the reranker helps.

        None where the documents hold too little text to tell. `ingest` does this where the index has
        changed much.
        """
        manifest = Manifest(self.embedder.identity, self.reader.manifest.analyser, self.tokenizer.fingerprint)
        with Writer(self.index, manifest) as writer:
            found = build.recalibrate(writer, self.embedder, lambda: self.reranker, anew=True)
        self._forget_version()
        return found

    def compact(self, wait_seconds: float = 5.0, progress: rebuild.Progress = lambda *_: None) -> Compaction:
        """Remove every trace of deleted documents from the files; see `indexes.upkeep.compact.compact`."""
        manifest = self.reader.manifest
        self.close()  # this pipeline reads no older version
        return compact(self.index, manifest, self.analyser, wait_seconds=wait_seconds, progress=progress)

    def backup(self, target: str | Path, progress: backups.Progress = lambda *_: None) -> int:
        """Copy the last version into the folder `target`, also while others write; returns the version."""
        return backups.backup(self.index, Path(target), progress)

    def restore(
        self, source: str | Path, *, force: bool = False, progress: backups.Progress = lambda *_: None
    ) -> int:
        """Make this index what `source` is a backup of; see `indexes.upkeep.backup.restore`."""
        self.close()
        return backups.restore(Path(source), self.index, force=force, progress=progress)

    def upgrade(self, progress: rebuild.Progress = lambda *_: None) -> tuple[str, bool]:
        """Bring an index of an older program to this one's: the format it had, and whether terms or vectors,
        made by another version of the analyser or of the embedder that ships, were made anew."""
        self.close()
        found = upgrade(self.index)
        renewed = rebuild.renew_terms(self.index, self.analyser, progress)
        built = self.reader.manifest.embedder
        ships = built.name == self.embedder.identity.name == EMBEDDED
        if ships and not built.same_vectors(self.embedder.identity):
            self.reembed(progress)
            renewed = True
        self.close()
        return found, renewed

    def check(self) -> tuple[int, list[Finding]]:
        """The version, and what is wrong with it: every byte is read."""
        return check(self.index)

    @staticmethod
    def status(index: str | Path) -> dict[str, Any]:
        """Counts of the index, and what it was built with; no model is loaded."""
        store = Store(Path(index))
        manifest = store.manifest
        if manifest is None:
            raise IndexNotFound(path=index)
        with store.snapshot():
            version = store.version
            documents = store.documents(version)
            pages = sum(document.pages for document in documents)
            calibration = store.calibration
            files = store.files()
            recall = dense.lowest_recall(store.folder / "dense", (f.name for f in files if f.kind == "dense"))
        embedder = manifest.embedder
        store.close()
        return {
            "index": str(index),
            "version": version,
            "documents": len(documents),
            "pages": pages,
            "chunks": sum(document.chunks for document in documents),
            "embedder": embedder.name,
            "embedder_revision": embedder.revision,
            "embedder_dim": embedder.dim,
            "embedder_query_prompt": embedder.query_prompt,
            "embedder_passage_prompt": embedder.passage_prompt,
            "analyser": manifest.analyser,
            "tokenizer": manifest.tokenizer,
            "dense_recall_at_50": recall,
            "dense_weight": calibration.dense_weight if calibration else DEFAULT_WEIGHT,
            "calibration": asdict(calibration) if calibration else None,
            "file_bytes": sum(file.bytes for file in files),
        }

    # the same for asyncio: each runs in a thread, so the event loop goes on

    async def ingest_async(self, paths: Iterable[str | Path], **options) -> build.IngestReport:
        """`ingest`, awaitable."""
        return await asyncio.to_thread(self.ingest, paths, **options)

    async def search_async(self, query: str, k: int = 10, **options) -> list[Passage]:
        """`search`, awaitable."""
        return await asyncio.to_thread(self.search, query, k, **options)

    async def ask_async(self, question: str, allowed: Filter = EVERYTHING, *, tools: bool = False) -> Answer:
        """`ask`, awaitable."""
        return await asyncio.to_thread(self.ask, question, allowed, tools=tools)

    def ask_stream_async(self, question: str, allowed: Filter = EVERYTHING) -> AsyncIterator[str | Answer]:
        """`ask_stream`, as an asynchronous iterator; leaving it ends the generation."""
        return iterate(self.ask_stream(question, allowed))

    async def summarise_async(
        self, documents: Iterable[str | StoredDocument], kind: str = EXECUTIVE.name, **options
    ) -> AsyncIterator[Summary | FailedSummary]:
        """`summarise`, as an asynchronous iterator; leaving it ends the job."""
        summaries = await asyncio.to_thread(self.summarise, documents, kind, **options)
        async with aclosing(iterate(summaries)) as results:
            async for result in results:
                yield result
