"""`python -m tests.soak`: uses one pipeline in 16 threads and an asyncio loop while files come, change and go.

Every result must belong to one committed version, nothing may fail, and memory, open files and held
versions must not grow. Exit code 1 if one of these does not hold.
"""

import argparse
import asyncio
import hashlib
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np

from indexes.disk.retriever import Retriever
from indexes.errors import DocumentNotFound
from indexes.types import MODES, Filter
from rag import Answer, Config, Pipeline

THREADS = 16
WORDS = ("휴가", "예산", "계약", "보안", "점검", "출입", "보고", "이용료", "규정", "지급")
FILES = 12
SAMPLE_SECONDS = 2.0
WARM_SHARE = 0.5  # the share of the time after which memory is watched
# Of resident memory. The caches of sentences and paths, which are bounded, fill in the first minutes.
GROWTH_MB_A_MINUTE = 1.5
NEW_FILES = 20  # allowed: open files beyond those at the start, when all threads are done


@dataclass(slots=True)
class Soak:
    """What was done, what failed, and the memory over time as (seconds, MB)."""

    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    files: tuple[int, int] = (0, 0)
    versions: int = 0

    @property
    def growth(self) -> float:
        """The slope of the memory after the warm-up, in MB per minute."""
        warm = [point for point in self.memory if point[0] >= WARM_SHARE * self.memory[-1][0]]
        if len(warm) < 3:
            return 0.0
        seconds, megabytes = np.array(warm).T
        return float(np.polyfit(seconds, megabytes, 1)[0] * 60)

    def memory_at(self, minute: float) -> float:
        """The memory in MB at about `minute`."""
        return min(self.memory, key=lambda point: abs(point[0] - 60 * minute))[1]


class Folder:
    """A folder of text files that change; `legal`: the sets of documents that an index of it may show."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.legal: list[frozenset[str]] = [frozenset()]
        self._now: dict[str, str] = {}

    def change(self, random: Random) -> None:
        """Write, rewrite or remove some files. From now on the index may show the files that are then there."""
        for _ in range(random.randint(1, 4)):
            path = self.path / f"규정{random.randrange(FILES)}.txt"
            if path.exists() and random.random() < 0.3 and len(self._now) > 4:
                path.unlink()
                self._now.pop(path.name)
                continue
            lines = [
                f"제{n}조({random.choice(WORDS)}) {' '.join(random.choices(WORDS, k=6))}에 관한 사항을 정한다."
                for n in range(1, 12)
            ]
            path.write_text("\n\n".join([path.stem, *lines]) + "\n", encoding="utf-8")
            self._now[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        self.allow()

    def allow(self) -> None:
        self.legal.append(frozenset(self._now.values()))

    def without(self, name: str) -> None:
        """Also allow the present state without the document `name`."""
        self.legal.append(frozenset(value for key, value in self._now.items() if key != name))

    def forget(self, name: str) -> None:
        (self.path / name).unlink()
        self._now.pop(name)

    @property
    def names(self) -> list[str]:
        return sorted(self._now)


def soak(minutes: float, seed: int, folder: Path) -> Soak:
    """The result of a run of `minutes` on an index below `folder`."""
    result, stop = Soak(), threading.Event()
    source = Folder(folder / "문서")
    source.path.mkdir(parents=True)
    pipeline = Pipeline.open(folder / "색인", Config())
    source.change(Random(seed))
    pipeline.ingest([source.path])
    pipeline.ask("휴가는 며칠인가요?")  # loads everything that is loaded once
    open_files = len(os.listdir("/proc/self/fd"))

    def looping(name: str, work: Callable[[Random], str], number: int = 0) -> threading.Thread:
        def loop() -> None:
            random = Random(f"{seed}:{name}:{number}")
            while not stop.is_set():
                try:
                    result.done[work(random)] += 1
                except Exception as exc:  # noqa: BLE001 - any failure is a finding
                    result.wrong.append(f"{name}: {type(exc).__name__}: {exc}")
                    stop.set()

        return threading.Thread(target=loop, name=name)

    reading = Reading(pipeline, source)
    threads = [looping("reader", reading.once, number) for number in range(THREADS)]
    threads.append(looping("asyncio", reading.gathered))
    threads.append(looping("writer", Writing(pipeline, source).once))
    for thread in threads:
        thread.start()
    started = time.monotonic()
    while time.monotonic() - started < minutes * 60 and not stop.wait(SAMPLE_SECONDS):
        result.memory.append((time.monotonic() - started, resident_mb()))
    stop.set()
    for thread in threads:
        thread.join()
    pipeline.refresh()
    result.files = (open_files, len(os.listdir("/proc/self/fd")))
    result.versions = len(list((folder / "색인" / "versions").iterdir()))
    pipeline.close()
    if result.growth > GROWTH_MB_A_MINUTE and minutes >= 5:
        result.wrong.append(f"memory grows by {result.growth:.1f} MB a minute")
    if result.files[1] - result.files[0] > NEW_FILES:
        result.wrong.append(f"{result.files[1]} files are open, {result.files[0]} were at the start")
    return result


class Reading:
    """The things that a caller does; each sees one version of the index."""

    def __init__(self, pipeline: Pipeline, source: Folder) -> None:
        self._pipeline, self._source = pipeline, source

    def once(self, random: Random) -> str:
        action = random.choice(("search", "ask", "text", "refresh", "list"))
        query = " ".join(random.choices(WORDS, k=2))
        if action == "search":
            retriever = self._pipeline.retriever
            allowed = Filter(groups=("인사",)) if random.random() < 0.3 else Filter()
            passages = retriever.retrieve([query], 10, random.choice(MODES), allowed)[0]
            for passage in passages:
                document = retriever.with_id(passage.chunk.document_id)
                assert allowed.allows(document), "a leak"
                text = retriever.text(document, passage.chunk.start, passage.chunk.end)
                assert text == passage.chunk.text, "a passage is not its span"
        elif action == "ask":
            self._judge(self._pipeline.ask(query))
        elif action == "text":
            self._read_all(self._pipeline.reader)
        elif action == "refresh" and random.random() < 0.2:
            self._pipeline.refresh()
        else:
            self._pipeline.documents()
        return action

    def gathered(self, random: Random) -> str:
        query = " ".join(random.choices(WORDS, k=2))

        async def all_at_once() -> None:
            answers = await asyncio.gather(
                self._pipeline.ask_async(query), self._pipeline.search_async(query), self._stream(query)
            )
            self._judge(answers[0])

        asyncio.run(all_at_once())
        return "asyncio"

    async def _stream(self, query: str) -> None:
        async with self._pipeline.ask_stream_async(query) as stream:
            async for _ in stream:
                pass
        self._judge(stream.answer)

    def _judge(self, answer: Answer) -> None:
        legal = set().union(*self._source.legal)
        for citation in answer.citations:
            assert citation.document_id in legal, "a document that never was"
            shown = {p.marker: p for p in answer.passages}[citation.marker]
            assert citation.quote in shown.text, "a quote that its passage does not have"

    def _read_all(self, retriever: Retriever) -> None:
        shown = frozenset(document.document_id for document in retriever.documents)
        assert shown in self._source.legal, "a set of documents that no commit made"
        for document in retriever.documents:
            pages = retriever.pages(document.document_id)
            assert len(retriever.text(document)) == pages[-1].end, "a text that is not whole"


class Writing:
    """The things that change the index, by the same pipeline and by another one."""

    def __init__(self, pipeline: Pipeline, source: Folder) -> None:
        self._pipelines = (pipeline, Pipeline.open(pipeline.index, pipeline.config))
        self._source = source

    def once(self, random: Random) -> str:
        pipeline = random.choice(self._pipelines)
        action = random.random()
        if action < 0.4:
            self._source.change(random)
            report = pipeline.ingest([self._source.path], sync=True, groups=random.choice(((), ("인사",))))
            assert not report.failures, report.failures
            return "ingest"
        name = random.choice(self._source.names)
        if action < 0.8:
            pipeline.set_groups([name], lambda groups: groups ^ {"인사"})
            return "group"
        self._source.without(name)
        try:
            pipeline.refresh()
            pipeline.delete([name])
        except DocumentNotFound:
            return "delete"
        self._source.forget(name)
        self._source.allow()
        return "delete"


def resident_mb() -> float:
    """The resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> int:
    """Run; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rag-soak-") as folder:
        result = soak(given.minutes, given.seed, Path(folder))
    print(", ".join(f"{name} {count:,}" for name, count in sorted(result.done.items())))
    curve = [f"{result.memory_at(minute):.0f}" for minute in range(int(given.minutes) + 1)]
    print(f"memory in MB, minute by minute: {' '.join(curve)}")
    print(
        f"{result.growth:+.2f} MB a minute in the second half; open files {result.files[0]} → {result.files[1]};"
        f" {result.versions} versions held"
    )
    for what in result.wrong:
        print("WRONG", what)
    return 1 if result.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
