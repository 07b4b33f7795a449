"""Many documents → their summaries, each as soon as it is done: the windows of all are one stream of prompts.

The generator takes a prompt whenever it has room. It is given the higher levels of documents under way first, then
the windows of documents not yet begun. So it never waits while there is anything to write, and few documents are
under way at a time. It may take prompts in a thread of its own while results are handled in another.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from indexes.types import StoredDocument
from ingest.errors import PipelineError
from rag.answer import FailedSummary, Summary
from rag.errors import GeneratorUnavailable
from rag.models.generator import Completion
from rag.prompting.packing import Prompt
from rag.summarising.blocks import Window
from rag.summarising.checkpoints import Checkpoints, window_key
from rag.summarising.flow import Flow, extracted, flow
from rag.summarising.kinds import SummaryOptions
from rag.summarising.stages import Order, SummaryStages, order_of, sampling

# After 20 prompts in a row without an answer the job takes the server for gone and stops.
GIVE_UP = 20


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job is. `windows`: done so far, those `restored` from the checkpoints of a killed job included.

    Token counts are of this run alone. `remaining_seconds`: estimated from the share of the text that this run has
    done; None until there is one.
    """

    documents: int
    done: int
    failed: int
    windows: int
    restored: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    remaining_seconds: float | None


OnProgress = Callable[[JobProgress], None]


def summarise(
    stages: SummaryStages,
    documents: Sequence[StoredDocument],
    options: SummaryOptions,
    checkpoints: Checkpoints,
    on_progress: OnProgress = lambda _: None,
) -> Generator[Summary | FailedSummary, None, None]:
    """Yields the summary of each document, or why it has none, as soon as it is done.

    The checkpoints of a document are kept until the caller has taken its summary and asks for the next one.

    Raises:
        GeneratorUnavailable: the server does not answer any more. The windows done so far are kept.
        GeneratorMismatch: the server does not run the expected model.
    """
    order = order_of(stages, options)
    if stages.generator.writes:
        results = _Job(stages, order, documents, checkpoints, on_progress).run()
    else:
        results = _without_model(stages, order, documents, on_progress)
    with closing(results):
        for result in results:
            yield result
            if isinstance(result, Summary):
                checkpoints.forget(result.document_id)


def _without_model(
    stages: SummaryStages, order: Order, documents: Sequence[StoredDocument], on_progress: OnProgress
) -> Iterator[Summary | FailedSummary]:
    started = time.monotonic()
    for done, document in enumerate(documents, start=1):
        yield extracted(stages, order, document)
        seconds = time.monotonic() - started
        remaining = seconds / done * (len(documents) - done)
        on_progress(
            JobProgress(
                documents=len(documents),
                done=done,
                failed=0,
                windows=0,
                restored=0,
                prompt_tokens=0,
                completion_tokens=0,
                seconds=seconds,
                remaining_seconds=remaining,
            )
        )


@dataclass(slots=True, eq=False)
class _Report:
    """A document under way: the windows of its present level, and their completions so far."""

    document: StoredDocument
    flow: Flow
    share: float = 0.0  # chunks of the document for each window of the first level; 0 at higher levels
    windows: Sequence[Window] = ()
    completions: list[Completion | None] | None = None
    failed: bool = False


# A report, the index of one of its windows, and that window's key.
_Task = tuple[_Report, int, str]


class _Job:
    """The state of one call of `summarise` with a model."""

    def __init__(
        self,
        stages: SummaryStages,
        order: Order,
        documents: Sequence[StoredDocument],
        checkpoints: Checkpoints,
        on_progress: OnProgress,
    ) -> None:
        self._stages = stages
        self._order = order
        self._sampling = sampling(stages, order)
        self._checkpoints = checkpoints
        self._on_progress = on_progress
        self._documents = len(documents)
        self._waiting = deque(documents)
        # Both threads use what follows.
        self._lock = threading.Lock()
        self._ready: deque[_Task] = deque()  # windows above the first level come first
        self._running = 0
        self._finished: deque[Summary | FailedSummary] = deque()
        self._unanswered = 0
        self._started = time.monotonic()
        self._chunks = sum(document.chunks for document in documents)
        self._generated = self._replayed = 0.0  # chunks whose windows of the first level are done
        self._counts = {"done": 0, "failed": 0, "windows": 0, "restored": 0, "prompt": 0, "completion": 0}

    def run(self) -> Iterator[Summary | FailedSummary]:
        while self._waiting or self._ready or self._finished:
            given: list[_Task] = []
            generated = self._stages.generator.generate_each(self._prompts(given), self._sampling)
            with closing(generated):
                for place, result in generated:
                    self._take(given[place], result)
                    yield from self._hand_out()
            yield from self._hand_out()

    def _prompts(self, given: list[_Task]) -> Iterator[Prompt | None]:
        """The prompts of windows, each recorded in `given`; None while the next depends on windows that are running.

        Ends when nothing is running and either results wait to be handed out or nothing is left to do.
        """
        while True:
            with self._lock:
                task = self._ready.popleft() if self._ready else None
                running = self._running > 0
                if task:
                    given.append(task)
                    self._running += 1
            if task:
                yield task[0].windows[task[1]].prompt
            elif self._waiting and not self._finished:
                document = self._waiting.popleft()
                report = _Report(document, flow(self._stages, self._order, document))
                self._advance(report, None)
            elif running:
                yield None
            else:
                return

    def _advance(self, report: _Report, completions: list[Completion] | None) -> None:
        """Send a report's flow the completions of its level (None to start it), and queue the windows of the next."""
        first = completions is None
        try:
            report.windows = next(report.flow) if first else report.flow.send(completions)
        except StopIteration as end:
            self._finish(end.value)
            return
        except PipelineError as exc:
            self._fail(report, exc)
            return
        report.completions = [None] * len(report.windows)
        report.share = report.document.chunks / len(report.windows) if first else 0.0
        kept = self._checkpoints.of(report.document.document_id)
        todo = []
        for place, window in enumerate(report.windows):
            key = self._key(window)
            if key in kept:
                report.completions[place] = kept[key]
            else:
                todo.append((report, place, key))
        with self._lock:
            self._counts["restored"] += len(report.windows) - len(todo)
            self._replayed += report.share * (len(report.windows) - len(todo))
            self._ready = deque([*self._ready, *todo] if first else [*todo, *self._ready])
        if not todo:
            self._advance(report, list(report.completions))

    def _key(self, window: Window) -> str:
        return window_key(
            self._stages.generator, self._stages.tokenizer, self._sampling, window.prompt.token_ids
        )

    def _take(self, task: _Task, result: Completion | PipelineError) -> None:
        """Handle the result of a window, which counts as running until everything that follows from it is done."""
        try:
            if isinstance(result, PipelineError):
                self._failed(task[0], result)
            else:
                self._completed(*task, result)
        finally:
            with self._lock:
                self._running -= 1
        self._tell()

    def _failed(self, report: _Report, error: PipelineError) -> None:
        self._unanswered = self._unanswered + 1 if isinstance(error, GeneratorUnavailable) else 0
        if self._unanswered >= GIVE_UP:
            raise error
        if not report.failed:
            self._fail(report, error)

    def _completed(self, report: _Report, place: int, key: str, completion: Completion) -> None:
        self._unanswered = 0
        self._checkpoints.keep(report.document.document_id, key, completion)
        with self._lock:
            self._counts["windows"] += 1
            self._counts["prompt"] += completion.prompt_tokens
            self._counts["completion"] += completion.completion_tokens
            self._generated += report.share
        report.completions[place] = completion
        if not report.failed and None not in report.completions:
            self._advance(report, list(report.completions))

    def _fail(self, report: _Report, error: PipelineError) -> None:
        """Give a report up: its waiting windows are dropped, those that are running are still checkpointed."""
        document = report.document
        report.failed = True
        report.flow.close()
        with self._lock:
            self._ready = deque(task for task in self._ready if task[0] is not report)
            self._counts["failed"] += 1
            self._finished.append(
                FailedSummary(
                    document_id=document.document_id,
                    path=document.path,
                    title=document.title,
                    kind=self._order.kind.name,
                    error=error,
                )
            )

    def _finish(self, summary: Summary) -> None:
        with self._lock:
            self._counts["done"] += 1
            self._finished.append(summary)

    def _hand_out(self) -> Iterator[Summary | FailedSummary]:
        while self._finished:
            yield self._finished.popleft()
            self._tell()

    def _tell(self) -> None:
        seconds = time.monotonic() - self._started
        left = max(0.0, self._chunks - self._generated - self._replayed)
        counts = self._counts
        self._on_progress(
            JobProgress(
                documents=self._documents,
                done=counts["done"],
                failed=counts["failed"],
                windows=counts["windows"] + counts["restored"],
                restored=counts["restored"],
                prompt_tokens=counts["prompt"],
                completion_tokens=counts["completion"],
                seconds=seconds,
                remaining_seconds=seconds / self._generated * left if self._generated else None,
            )
        )
