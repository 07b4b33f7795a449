"""The Python API: an index, the models of a configuration, and what can be asked of both."""

import asyncio
import collections.abc
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import overload

from indexes import build
from indexes.embedding import Progress as EmbeddingProgress
from indexes.engine import SearchEngine
from indexes.models.embedder import Embedder
from indexes.models.reranker import Reranker
from indexes.open import open_index, require_index
from indexes.types import EVERYTHING, Filter, Mode, StoredDocument, find_document
from ingest.document import Page
from ingest.errors import PipelineError
from ingest.korean.analyse import Analyser
from ingest.parse import ParseOptions, Reading
from ingest.passwords import with_patterns
from ingest.pdf.ocr import find_tesseract
from ingest.workers.pool import WorkerPool
from rag.answer import Answer, FailedSummary, IngestReport, SearchResult, Summary
from rag.api.allowed import Allowed, filter_of
from rag.api.loaded import Models
from rag.api.progress import counted
from rag.api.upkeep import Upkeep
from rag.asking.ask import ask, ask_each, ask_stream
from rag.asking.search import search
from rag.asking.stages import RetrievalStages, Stages
from rag.comparing.compare import ROWS, Comparison, compare
from rag.config import Config, read_dictionary
from rag.conversing.conversation import Conversation, Exchange
from rag.language import say
from rag.models.generator import Generator
from rag.prompting.tokens import ModelTokenizer
from rag.streaming.asynchronous import iterate
from rag.streaming.streams import AnswerStream, AsyncAnswerStream
from rag.summarising.checkpoints import Checkpoints
from rag.summarising.job import JobProgress, OnProgress, summarise
from rag.summarising.kinds import EXECUTIVE, Style, SummaryOptions
from rag.summarising.stages import SummaryStages, order_of, summary_key
from rag.tools.ask import ask_with_tools
from rag.viewing.show import ShownPage, show

# One document, as `Pipeline.documents` gives it, or its id, path, file name or title.
AnyDocument = str | StoredDocument
# Passwords of locked PDFs; a pair is a pattern of file names or paths, and their password.
Passwords = Sequence[str | tuple[str, str]]


class Pipeline:
    """An index and the models that a configuration names. Safe to use from several threads.

    Models are loaded at first use. Searching and asking see the version of the index that was the
    last when they were first used, until `refresh()` or this pipeline's own `ingest`.

    `allowed` says of which documents an answer may be: `{"인사", "재무"}` lets through the documents of
    these groups, a `Filter` also those of given names. Left out, the caller is the owner and sees
    everything; no group sees nothing; None and a bare string are refused.
    """

    def __init__(self, index: Path, config: Config, models: Models | None = None) -> None:
        self.index = index
        self.config = config
        self._models = models or Models(config)
        self._lock = threading.RLock()
        self._retriever: SearchEngine | None = None
        self._reader: SearchEngine | None = None
        self._dates: dict[tuple[str, str, str], str | None] = {}

    @classmethod
    def open(
        cls,
        index: str | Path = "rag-index",
        config: Config | None = None,
        *,
        generator: Generator | None = None,
        embedder: Embedder | None = None,
        reranker: Reranker | None = None,
    ) -> "Pipeline":
        """A pipeline over the index in the folder `index`, which need not exist before `ingest`.

        Args:
            generator, embedder, reranker: used in place of those that `config` names; each is any object
                that fulfils the Protocol.
        """
        config = config or Config()
        return cls(Path(index), config, Models(config, generator, embedder, reranker))

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Pipeline({str(self.index)!r})"

    def close(self) -> None:
        """Let go of the index."""
        with self._lock:
            for opened in filter(None, (self._retriever, self._reader)):
                opened.close()
            self._forget_version()

    # what the configuration names, loaded once

    @property
    def tokenizer(self) -> ModelTokenizer:
        """The tokenizer that counts chunks and prompts."""
        return self._models.tokenizer

    @property
    def embedder(self) -> Embedder:
        """The model that embeds chunks and queries."""
        return self._models.embedder

    @property
    def reranker(self) -> Reranker | None:
        """What puts the best passages in order again; None where the configuration names none."""
        return self._models.reranker

    @property
    def analyser(self) -> Analyser:
        """What cuts text into index terms."""
        return self._models.analyser

    @property
    def generator(self) -> Generator:
        """What writes the answers."""
        return self._models.generator

    @property
    def upkeep(self) -> Upkeep:
        """Looking after the index: status, check, repair, compact, backup, restore, upgrade, reembed, calibrate."""
        return Upkeep(self.index, self._models, self.close, self._forget_version)

    @property
    def retriever(self) -> SearchEngine:
        """The version of the index in use; opened at first use.

        Raises:
            IndexNotFound, IndexMismatch, IndexDamaged, IndexFormat.
        """
        with self._lock:
            if self._retriever is None:
                require_index(self.index)  # says that there is no index before models are loaded
                self._retriever = open_index(self.index, self.embedder, self.analyser)
            return self._retriever

    def require_index(self) -> None:
        """Open the index, if it is not open yet: before a job of many questions, trouble with it is one error.

        Raises:
            IndexNotFound, IndexMismatch, IndexDamaged, IndexFormat.
        """
        _ = self.retriever

    @property
    def reader(self) -> SearchEngine:
        """The version of the index in use, without any model where none was needed yet.

        Raises:
            IndexNotFound, IndexDamaged, IndexFormat.
        """
        with self._lock:
            if self._retriever is not None:
                return self._retriever
            if self._reader is None:
                self._reader = open_index(self.index, None, None)
            return self._reader

    def refresh(self) -> int:
        """Move to the last committed version; returns its number."""
        with self._lock:
            self._forget_version()
            return self.retriever.version

    def _forget_version(self) -> None:
        with self._lock:
            self._retriever = self._reader = None

    # documents in and out

    def ingest(
        self,
        paths: str | Path | Iterable[str | Path],
        *,
        groups: Iterable[str] = (),
        passwords: Passwords = (),
        sync: bool = False,
        progress: bool | build.Progress = False,
        embedded: EmbeddingProgress = lambda *_: None,
    ) -> IngestReport:
        """Bring the index up to the files at `paths` (files, or folders to walk); see `indexes.build.ingest`.

        Args:
            groups: whose documents these are; added to the groups that a document already has.
            sync: remove documents under `paths` whose files are gone.
            progress: True shows a bar, on a terminal or in a notebook; a function is told of each file.
            embedded: told, from another thread, how many of the chunks read so far are embedded.

        Raises:
            TypeError: `groups` is one string.
        """
        if isinstance(groups, str):
            raise TypeError(f"groups={groups!r} is one string; write groups=[{groups!r}] for that group")
        options = self._parse_options(passwords)
        with counted(say("읽는 중", "reading"), progress is True) as count:
            tell = progress if callable(progress) else lambda done, total, *_: count(done, total)
            report = build.ingest(
                self.index,
                [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)],
                self.embedder,
                options,
                tokenizer=self.tokenizer.fingerprint,
                groups=tuple(groups),
                sync=sync,
                progress=tell,
                embedded=embedded,
                open_reranker=lambda: self.reranker,
            )
        self._forget_version()
        return IngestReport.of(report)

    def _parse_options(self, passwords: Passwords) -> ParseOptions:
        return ParseOptions(
            self.tokenizer.plain_json,
            self.config.search.analyser,
            self.config.chunking,
            self.config.ingest,
            with_patterns(passwords),
            find_tesseract() if self.config.ingest.ocr == "auto" else None,
            read_dictionary(self.config.search.dictionary),
        )

    def inspect(self, path: str | Path, passwords: Passwords = ()) -> Reading:
        """What the machine sees in one file: its lines, text and chunks. No index is needed.

        The file is read in a child process, with the limits of ingestion.

        Raises:
            UnreadableFile: it cannot be read.
        """
        options = replace(self._parse_options(passwords), analyser="bigram")  # its terms are not asked for
        options = replace(options, limits=replace(options.limits, workers=1))
        with WorkerPool(options) as pool:
            return pool.read(str(path))

    def delete(self, names: Sequence[str]) -> list[StoredDocument]:
        """Take documents out of the index; they answer nothing from then on.

        Args:
            names: ids, paths or file names.

        Raises:
            DocumentNotFound: one of them is not there; then nothing is deleted.
        """
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

    # what is in the index

    def documents(self, allowed: Allowed = EVERYTHING) -> list[StoredDocument]:
        """The documents of the index, in the order in which they came."""
        return self.reader.visible(filter_of(allowed))

    def document(self, name: AnyDocument, allowed: Allowed = EVERYTHING) -> StoredDocument:
        """One document, as the index holds it now.

        Raises:
            DocumentNotFound: there is none of that name that `allowed` lets through.
            AmbiguousDocument: several have that file name or title.
        """
        (found,) = self._distinct([name], filter_of(allowed))
        return found

    def text(
        self, document: AnyDocument, start: int = 0, end: int | None = None, allowed: Allowed = EVERYTHING
    ) -> str:
        """`document.text[start:end]`, from the index; offsets count Unicode code points.

        Raises:
            DocumentNotFound, AmbiguousDocument.
        """
        return self.reader.text(self.document(document, allowed), start, end)

    def pages(self, document: AnyDocument, allowed: Allowed = EVERYTHING) -> list[Page]:
        """The pages of a document, in order: together their spans are its text.

        Raises:
            DocumentNotFound, AmbiguousDocument.
        """
        return self.reader.pages(self.document(document, allowed).document_id)

    def show(
        self,
        document: AnyDocument,
        start: int | None = None,
        end: int | None = None,
        *,
        page: int | None = None,
        scale: float = 2.0,
        passwords: Passwords = (),
        allowed: Allowed = EVERYTHING,
    ) -> Iterator[ShownPage]:
        """Pictures of the pages on which `text[start:end]` stands, with it marked; see `rag.viewing.show.show`.

        Raises:
            DocumentNotFound, AmbiguousDocument.
        """
        found = self.document(document, allowed)
        pages = self.reader.pages(found.document_id)
        return show(found, pages, start, end, page, scale, with_patterns(passwords), self.config.ingest)

    def _distinct(
        self, documents: AnyDocument | Iterable[AnyDocument], allowed: Filter
    ) -> list[StoredDocument]:
        """The documents that these are, or are named by, each once, as the index holds them now.

        Whether a document is allowed is looked up in the index: an object that was got earlier, or by
        somebody who may see more, opens nothing.
        """
        visible = {document.document_id: document for document in self.reader.visible(allowed)}
        asked = [documents] if isinstance(documents, AnyDocument) else documents
        found = {}
        for one in asked:
            name = one if isinstance(one, str) else one.document_id
            document = visible.get(name) or find_document(visible.values(), name)
            found[document.document_id] = document
        return list(found.values())

    # the flows

    @overload
    def search(
        self, query: str, k: int = 10, mode: Mode | None = None, allowed: Allowed = EVERYTHING
    ) -> SearchResult: ...
    @overload
    def search(
        self,
        query: list[str] | tuple[str, ...],
        k: int = 10,
        mode: Mode | None = None,
        allowed: Allowed = EVERYTHING,
    ) -> list[SearchResult]: ...
    def search(
        self,
        query: str | list[str] | tuple[str, ...],
        k: int = 10,
        mode: Mode | None = None,
        allowed: Allowed = EVERYTHING,
    ) -> SearchResult | list[SearchResult]:
        """The best `k` passages for a query, best first; of a list of queries, a result for each, in order.

        Several queries at a time are embedded and reranked together, which is faster.

        Args:
            mode: "hybrid", "lexical" or "dense"; None: as configured.
        """
        queries = [query] if isinstance(query, str) else query
        found = search(self._retrieval().with_search(k, mode), queries, filter_of(allowed))
        return found[0] if isinstance(query, str) else found

    @overload
    def ask(self, question: str, allowed: Allowed = EVERYTHING, *, tools: bool = False) -> Answer: ...
    @overload
    def ask(
        self, question: list[str] | tuple[str, ...], allowed: Allowed = EVERYTHING, *, tools: bool = False
    ) -> list[Answer]: ...
    def ask(
        self,
        question: str | list[str] | tuple[str, ...],
        allowed: Allowed = EVERYTHING,
        *,
        tools: bool = False,
    ) -> Answer | list[Answer]:
        """The cited answer to a question; of a list of questions, an answer to each, in order.

        A server gets several questions concurrently. The first that fails raises; `ask_each` goes on.

        Args:
            tools: the model searches and opens pages itself; see `rag.tools.ask.ask_with_tools`.

        Raises:
            EmptyQuestion: it is blank.
            PromptTooLong: the question alone fills the window.
            GeneratorUnavailable, GeneratorMismatch, GenerationFailed: the model server.
        """
        questions = [question] if isinstance(question, str) else question
        stages, seen = self._stages(), filter_of(allowed)
        if tools:
            answers = [ask_with_tools(stages, one, seen, self.config.tools) for one in questions]
        else:
            answers = ask(stages, questions, seen)
        return answers[0] if isinstance(question, str) else answers

    def ask_each(
        self, questions: Iterable[str], allowed: Allowed = EVERYTHING
    ) -> collections.abc.Generator[Answer | PipelineError, None, None]:
        """What came of each question, in order and as soon as it is there; for jobs of any length.

        A question that fails gives its error, and the others are answered. Closing the iterator gives
        up what is being answered.
        """
        return ask_each(self._stages(), questions, filter_of(allowed))

    def ask_stream(self, question: str, allowed: Allowed = EVERYTHING) -> AnswerStream:
        """The answer's text in pieces as it is generated; then, at `AnswerStream.answer`, the answer.

        The pieces joined are `answer.text`: a marker comes out when it is complete and of a passage
        that was shown, so nothing has to be taken back.
        """
        return AnswerStream(ask_stream(self._stages(), question, filter_of(allowed)))

    def conversation(self, allowed: Allowed = EVERYTHING, turns: Iterable[Exchange] = ()) -> Conversation:
        """A conversation, in which questions may go back to those before them.

        Args:
            allowed: of which documents its answers are.
            turns: those of an earlier one, to go on with it: its `turns`, or `rag.conversing.conversation.read_turns`.
        """
        return Conversation(self._stages, filter_of(allowed), turns, self.config.chat.rewrite)

    def summarise(
        self,
        documents: AnyDocument | Iterable[AnyDocument],
        kind: str = EXECUTIVE.name,
        *,
        sentences: int | None = None,
        tokens: int | None = None,
        style: Style = "서술형",
        instruction: str = "",
        allowed: Allowed = EVERYTHING,
        checkpoints: str | Path | None = None,
        progress: bool = False,
        on_progress: OnProgress = lambda _: None,
    ) -> collections.abc.Generator[Summary | FailedSummary, None, None]:
        """The summary of each document, or why there is none, as it is done; a server gets them all together.

        Args:
            documents: each is summarised once.
            kind: one of `rag.summarising.kinds.KINDS`.
            sentences, tokens: the length at most; neither: as configured. Of `sections` that of a chapter.
            instruction: what is wanted of the kind `custom`.
            checkpoints: a folder for what is generated, so that a killed job goes on where it was. What is
                kept of a document goes when the result after it is asked for.
            progress: whether a bar is shown, on a terminal or in a notebook.

        Raises:
            DocumentNotFound, AmbiguousDocument: before anything is generated.
            GeneratorUnavailable, GeneratorMismatch: the model server. Documents that were done stay done.
        """
        options = SummaryOptions(kind, sentences, tokens, style, instruction)
        once = self._distinct(documents, filter_of(allowed))
        kept = Checkpoints(Path(checkpoints) if checkpoints else None)
        return self._summaries(self._reading_stages(), once, options, kept, progress, on_progress)

    def summarise_all(
        self,
        documents: AnyDocument | Iterable[AnyDocument],
        kind: str = EXECUTIVE.name,
        *,
        sentences: int | None = None,
        tokens: int | None = None,
        style: Style = "서술형",
        instruction: str = "",
        allowed: Allowed = EVERYTHING,
        checkpoints: str | Path | None = None,
        progress: bool = False,
        on_progress: OnProgress = lambda _: None,
    ) -> list[Summary | FailedSummary]:
        """`summarise` as a list, each document once, in the order of `documents`."""
        once = self._distinct(documents, filter_of(allowed))
        results = self.summarise(
            once,
            kind,
            sentences=sentences,
            tokens=tokens,
            style=style,
            instruction=instruction,
            allowed=allowed,
            checkpoints=checkpoints,
            progress=progress,
            on_progress=on_progress,
        )
        places = {document.document_id: place for place, document in enumerate(once)}
        return sorted(results, key=lambda result: places[result.document_id])

    def _summaries(
        self,
        stages: SummaryStages,
        documents: Sequence[StoredDocument],
        options: SummaryOptions,
        kept: Checkpoints,
        shown: bool,
        on_progress: OnProgress,
    ) -> collections.abc.Generator[Summary | FailedSummary, None, None]:
        with counted(say("요약하는 중", "summarising"), shown) as count:

            def both(made: JobProgress) -> None:
                count(made.done + made.failed, made.documents)
                on_progress(made)

            yield from summarise(stages, documents, options, kept, both)

    def summary_key(self, document: StoredDocument, options: SummaryOptions) -> str:
        """The `key` that the summary of `document` would have."""
        stages = self._reading_stages()
        return summary_key(stages, order_of(stages, options), document)

    def compare(
        self,
        documents: Iterable[AnyDocument],
        rows: Sequence[str] | None = None,
        *,
        most: int = ROWS,
        allowed: Allowed = EVERYTHING,
        on_cell: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> Comparison:
        """Reports side by side: a cited value, or «근거 없음», of each for each row.

        Args:
            rows: names such as «사업기간», or «사업기간/용역기간» for either; None: at most `most` names
                that the reports share.

        Raises:
            DocumentNotFound, AmbiguousDocument, NoSharedNames, GeneratorUnavailable, GeneratorMismatch.
        """
        seen = filter_of(allowed)
        return compare(self._stages(), self._distinct(documents, seen), rows or (), seen, most, on_cell)

    def _stages(self) -> Stages:
        return Stages(self._retrieval(), self.tokenizer, self.generator, self.config.generator, self._dates)

    def _retrieval(self) -> RetrievalStages:
        return RetrievalStages(self.retriever, self.config.search, self.reranker, self.config.rerank)

    def _reading_stages(self) -> SummaryStages:
        """For flows that search nothing: neither the embedder nor Kiwi is loaded."""
        return SummaryStages(
            self.reader, self.tokenizer, self.generator, self.config.generator, self.config.summary
        )

    # the same for asyncio: each runs in a thread, so the event loop goes on

    async def ingest_async(
        self,
        paths: str | Path | Iterable[str | Path],
        *,
        groups: Iterable[str] = (),
        passwords: Passwords = (),
        sync: bool = False,
        progress: bool | build.Progress = False,
        embedded: EmbeddingProgress = lambda *_: None,
    ) -> IngestReport:
        """`ingest`, awaitable."""
        return await asyncio.to_thread(
            self.ingest,
            paths,
            groups=groups,
            passwords=passwords,
            sync=sync,
            progress=progress,
            embedded=embedded,
        )

    @overload
    async def search_async(
        self, query: str, k: int = 10, mode: Mode | None = None, allowed: Allowed = EVERYTHING
    ) -> SearchResult: ...
    @overload
    async def search_async(
        self,
        query: list[str] | tuple[str, ...],
        k: int = 10,
        mode: Mode | None = None,
        allowed: Allowed = EVERYTHING,
    ) -> list[SearchResult]: ...
    async def search_async(
        self,
        query: str | list[str] | tuple[str, ...],
        k: int = 10,
        mode: Mode | None = None,
        allowed: Allowed = EVERYTHING,
    ) -> SearchResult | list[SearchResult]:
        """`search`, awaitable."""
        return await asyncio.to_thread(self.search, query, k, mode, allowed)

    @overload
    async def ask_async(
        self, question: str, allowed: Allowed = EVERYTHING, *, tools: bool = False
    ) -> Answer: ...
    @overload
    async def ask_async(
        self, question: list[str] | tuple[str, ...], allowed: Allowed = EVERYTHING, *, tools: bool = False
    ) -> list[Answer]: ...
    async def ask_async(
        self,
        question: str | list[str] | tuple[str, ...],
        allowed: Allowed = EVERYTHING,
        *,
        tools: bool = False,
    ) -> Answer | list[Answer]:
        """`ask`, awaitable."""
        return await asyncio.to_thread(self.ask, question, allowed, tools=tools)

    async def ask_each_async(
        self, questions: Iterable[str], allowed: Allowed = EVERYTHING
    ) -> AsyncGenerator[Answer | PipelineError, None]:
        """`ask_each`, as an asynchronous iterator; leaving it gives up what is being answered."""
        answers = await asyncio.to_thread(self.ask_each, questions, allowed)
        async with aclosing(iterate(answers)) as results:
            async for result in results:
                yield result

    def ask_stream_async(self, question: str, allowed: Allowed = EVERYTHING) -> AsyncAnswerStream:
        """`ask_stream` for asyncio; leaving it ends the generation."""
        seen = filter_of(allowed)

        def pieces() -> collections.abc.Generator[str | Answer, None, None]:  # opens the index in the thread
            yield from ask_stream(self._stages(), question, seen)

        return AsyncAnswerStream(AnswerStream(pieces()))

    async def summarise_async(
        self,
        documents: AnyDocument | Iterable[AnyDocument],
        kind: str = EXECUTIVE.name,
        *,
        sentences: int | None = None,
        tokens: int | None = None,
        style: Style = "서술형",
        instruction: str = "",
        allowed: Allowed = EVERYTHING,
        checkpoints: str | Path | None = None,
        progress: bool = False,
        on_progress: OnProgress = lambda _: None,
    ) -> AsyncGenerator[Summary | FailedSummary, None]:
        """`summarise`, as an asynchronous iterator; leaving it ends the job."""
        summaries = await asyncio.to_thread(
            self.summarise,
            documents,
            kind,
            sentences=sentences,
            tokens=tokens,
            style=style,
            instruction=instruction,
            allowed=allowed,
            checkpoints=checkpoints,
            progress=progress,
            on_progress=on_progress,
        )
        async with aclosing(iterate(summaries)) as results:
            async for result in results:
                yield result

    async def compare_async(
        self,
        documents: Iterable[AnyDocument],
        rows: Sequence[str] | None = None,
        *,
        most: int = ROWS,
        allowed: Allowed = EVERYTHING,
        on_cell: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> Comparison:
        """`compare`, awaitable."""
        return await asyncio.to_thread(
            self.compare, documents, rows, most=most, allowed=allowed, on_cell=on_cell
        )
