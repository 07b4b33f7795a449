"""Writers that are killed, or whose disk loses what was not synced → whether the last commit is still there.

One index goes through many deaths. A child process works on it, and reports through a pipe what it is
about to commit and what it has committed. It is killed at a named step or at a random moment. In half
of the cases the power fails, too: files that were not synced are cut, zeroed, overwritten or deleted,
names that were not synced vanish, and SQLite's log is damaged behind its last commit.
"""

import hashlib
import json
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import numpy as np

from indexes.disk import writer as writers
from indexes.disk.retriever import Retriever
from indexes.disk.schema import DATABASE
from indexes.disk.store import Store
from indexes.disk.writer import Writer
from indexes.types import NewContent
from indexes.upkeep.check import check
from indexes.upkeep.compact import compact
from tests.support.indexes import ANALYSER, EMBEDDER, MANIFEST, as_ingested, content, reader

STEPS = (
    "sweep",
    "write vectors",
    "sync vectors",
    "write postings",
    "sync postings",
    "sync folders",
    "begin transaction",
    "name files",
    "commit transaction",
    "confirm version",
    "purge",
    "vacuum",
    "truncate log",
)
RARE = (
    "purge",
    "vacuum",
    "truncate log",
)  # steps of compacting; to die at one, the child begins by compacting
ACTIONS = 12  # the most actions of one child
# The number of deaths of one index; then a new one is made, because deleted documents slow it down.
DEATHS = 60
LONGEST = 0.08  # seconds until a random death
WORDS = ("예산", "휴가", "계약", "보안", "점검", "이용료", "출입", "보고")
SECTOR = 512

# What an index holds: name of a document → (variant of its text, its groups).
State = dict[str, tuple[int, tuple[str, ...]]]


@dataclass(slots=True)
class FaultReport:
    """Counts of deaths by step (or "random") and of power failures; `broken`: laws that failed, in words."""

    seed: int
    deaths: Counter[str] = field(default_factory=Counter)
    power: int = 0
    damaged: Counter[str] = field(default_factory=Counter)  # what the failing power did
    survived: int = 0  # children that ended before they could be killed
    rolled_back: int = 0  # deaths after which the commit under way was gone; to find it there is right, too
    broken: list[str] = field(default_factory=list)


# the work


def document(name: str, variant: int, groups: tuple[str, ...]) -> NewContent:
    """A document of that name, whose text, terms and vectors depend on name and variant alone."""
    random = Random(f"{name}:{variant}")
    texts = [
        f"{name} 문서 {variant}판 {part}번째 조각: {' '.join(random.choices(WORDS, k=4))}이다. "
        for part in range(random.randint(1, 4))
    ]
    return as_ingested(content(name, *texts, groups=groups))


def next_state(state: State, random: Random) -> State:
    """The state after the next commit to `state`."""
    state = dict(state)
    for _ in range(random.randint(1, 3)):
        name = f"문서{random.randrange(14)}"
        action = random.random()
        if name not in state or action < 0.3:
            state[name] = (random.randrange(1000), state.get(name, (0, ()))[1])
        elif action < 0.6:
            state[name] = (
                state[name][0],
                tuple(sorted(random.sample(("인사", "총무", "경영"), random.randrange(3)))),
            )
        else:
            del state[name]
    return state


def commit(writer: Writer, before: State, after: State) -> None:
    for name, (variant, groups) in after.items():
        added = document(name, variant, groups)
        if name not in before or before[name][0] != variant:
            writer.add(added)
        elif before[name][1] != groups:
            writer.change(replace(writer.documents[added.document.document_id], groups=groups))
    for name in before.keys() - after.keys():
        writer.remove(document(name, 0, ()).document.document_id)
    writer.commit()


class Child:
    """Works on the index until it is killed; writes a line to the pipe for each commit and sync."""

    def __init__(self, folder: Path, aside: Path, pipe: int, random: Random, step: str, nth: int) -> None:
        self._folder, self._aside, self._pipe, self._random = folder, aside, pipe, random
        self._step, self._left = step, nth

    def work(self, state: State) -> None:
        self._watch_syncs()
        if self._step in RARE:
            self._compact()
        with Writer(self._folder, MANIFEST, self._on_step) as writer:
            self._say("open", "")
            for _ in range(ACTIONS):
                after = next_state(state, self._random)
                self._say("begin", json.dumps(after))
                commit(writer, state, after)
                state = after
                self._say("done", "")
                if self._random.random() < 0.3:
                    writer.merge()
        self._compact()

    def _compact(self) -> None:
        compact(self._folder, MANIFEST, ANALYSER, wait_seconds=5, on_step=self._on_step)

    def _on_step(self, step: str) -> None:
        if step == "confirm version":  # SQLite has committed and synced
            for name in (DATABASE, f"{DATABASE}-wal"):
                copy = self._aside / f"{name}.new"  # the child may be killed while it copies
                shutil.copyfile(self._folder / name, copy)
                copy.rename(self._aside / name)
            self._say("durable", "")
        if step == self._step:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def _watch_syncs(self) -> None:
        """Report each file and folder that is synced, so that the harness knows what is on the disk."""
        real = os.fsync

        def fsync(descriptor: int) -> None:
            real(descriptor)
            path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
            if path.is_dir():
                names = {entry.name: entry.inode() for entry in os.scandir(path)}
                self._say("folder", json.dumps([str(path), names]))
            else:
                self._say("file", str(os.fstat(descriptor).st_ino))

        os.fsync = fsync

    def _say(self, what: str, value: str) -> None:
        os.write(self._pipe, f"{what}\t{value}\n".encode())


# deaths


def run(seed: int, count: int, report: FaultReport | None = None) -> FaultReport:
    """The report of `count` deaths of writers, after each of which the index is checked."""
    report = report or FaultReport(seed)
    with tempfile.TemporaryDirectory(prefix="rag-faults-") as made:
        for first in range(0, count, DEATHS):
            index = Index(Path(made, str(first)), report)
            for number in range(first, min(count, first + DEATHS)):
                index.die(number)
                if report.broken:
                    return report
            shutil.rmtree(index.folder)
    return report


class Index:
    """One index and what it should hold."""

    def __init__(self, folder: Path, report: FaultReport) -> None:
        self.folder, self._report = folder, report
        self._aside = folder.with_name(f"{folder.name}.aside")
        self._aside.mkdir(exist_ok=True)
        self._state: State = {}
        with Writer(folder, MANIFEST) as writer:
            writer.commit()

    def die(self, number: int) -> None:
        """Let a child die on the index, and note the laws that do not hold afterwards."""
        random = Random(f"{self._report.seed}:{number}")
        by_step = number % 2 == 0
        step = STEPS[number // 2 % len(STEPS)] if by_step else ""
        power = random.random() < 0.5
        before = self._durable()
        said, died = self._child(random, step, None if by_step else random.uniform(0, LONGEST))
        self._report.deaths[step or "random"] += died
        self._report.survived += not died
        states = self._possible(said)
        what = f"death {number} at {step or 'a random moment'}" + (", power lost" if power and died else "")
        if power and died:
            self._report.power += 1
            self._lose_power(before, said, random)
        try:
            self._look(states, said)
        except Exception as exc:  # noqa: BLE001 - any error breaks the law
            self._report.broken.append(f"{what}: {type(exc).__name__}: {exc}")

    def _child(self, random: Random, step: str, seconds: float | None) -> tuple[list[tuple[str, str]], bool]:
        """What a child reported while it worked, as (what, value); and whether it was killed."""
        receive, send = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(receive)
            try:
                nth = 1 if step in RARE else random.randint(1, 8)
                Child(self.folder, self._aside, send, random, step, nth).work(self._state)
            except BaseException as exc:  # noqa: BLE001 - reported to the parent
                os.write(send, f"failed\t{type(exc).__name__}: {exc}\n".encode())
            os._exit(0)
        os.close(send)
        if seconds is not None:
            time.sleep(seconds)
            os.kill(pid, signal.SIGKILL)
        with os.fdopen(receive, "rb") as pipe:
            lines = pipe.read().decode().split("\n")[:-1]
        _, status = os.waitpid(pid, 0)
        said = [tuple(line.split("\t", 1)) for line in lines]
        return said, os.WIFSIGNALED(status)

    def _possible(self, said: list[tuple[str, str]]) -> list[State]:
        """The states that the index may be in: the last committed one, and the one that was being committed."""
        last, under_way = self._state, None
        for what, value in said:
            if what == "begin":
                under_way = {
                    name: (variant, tuple(groups)) for name, (variant, groups) in json.loads(value).items()
                }
            elif what == "done":
                last, under_way = under_way, None
        return [last] if under_way is None else [last, under_way]

    def _look(self, states: list[State], said: list[tuple[str, str]]) -> None:
        failures = [value for what, value in said if what == "failed"]
        assert not failures, failures
        version, findings = check(self.folder)
        assert findings == [], findings
        with closing(reader(self.folder)) as opened:
            found = seen(opened)
            assert found in states, f"{found} is none of {states}"
            look_up(opened, found)
        self._report.rolled_back += len(states) == 2 and found == states[0]
        self._state = found
        with Writer(self.folder, MANIFEST) as writer:
            assert writer.version == version
        with closing(Store(self.folder)) as store:
            named = store.files.names(version)
        stored = [
            path
            for kind in ("dense", "lexical")
            for path in (self.folder / kind).rglob("*")
            if path.is_file()
        ]
        stray = {str(p.relative_to(self.folder)) for p in stored if p.suffix != ".lock"} - named
        assert not stray, f"left behind: {stray}"

    # power

    def _durable(self) -> tuple[set[int], dict[str, dict[str, int]]]:
        """The inodes, and by folder the names, that are on the disk before the child begins: all that exist."""
        files = {path.stat().st_ino for path in self.folder.rglob("*") if path.is_file()}
        folders = {
            str(folder): {entry.name: entry.inode() for entry in os.scandir(folder)}
            for folder in [self.folder, *(path for path in self.folder.rglob("*") if path.is_dir())]
        }
        for name in (DATABASE, f"{DATABASE}-wal"):
            copy = self._aside / name
            copy.unlink(missing_ok=True)
            if (self.folder / name).exists():
                shutil.copyfile(self.folder / name, copy)
        return files, folders

    def _lose_power(self, before, said: list[tuple[str, str]], random: Random) -> None:
        files, folders = before
        for what, value in said:
            if what == "file":
                files.add(int(value))
            elif what == "folder":
                path, names = json.loads(value)
                folders[path] = names
        for path in sorted(self.folder.rglob("*")):
            inside = path.relative_to(self.folder).parts[0]
            if not path.exists() or inside not in ("dense", "lexical", "versions"):
                continue
            if (
                folders.get(str(path.parent), {}).get(path.name) != path.stat().st_ino
                and random.random() < 0.5
            ):
                self._lose(path)
            elif path.is_file() and path.stat().st_ino not in files:
                self._tear(path, random)
        self._tear_database(random)

    def _lose(self, path: Path) -> None:
        self._report.damaged["name lost"] += 1
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    def _tear(self, path: Path, random: Random) -> None:
        data = path.read_bytes()
        how = random.choice(("kept", "cut", "zeroed", "garbage"))
        self._report.damaged[f"file {how}"] += 1
        at = random.randrange(len(data) + 1)
        torn = {
            "kept": data,
            "cut": data[:at],
            "zeroed": data[:at] + bytes(len(data) - at),
            "garbage": data[:at] + random.randbytes(len(data) - at),
        }[how]
        path.unlink()  # the inode itself may be kept by another name that was synced
        path.write_bytes(torn)

    def _tear_database(self, random: Random) -> None:
        """Make each sector that was written since SQLite's last sync old, new, zeroed or garbage, at random."""
        log = self.folder / f"{DATABASE}-wal"
        unchanged = _same(log, self._aside / log.name)
        self._tear_sectors(log, self._aside / log.name, random)
        if (
            unchanged
        ):  # else a checkpoint finished, and SQLite synced the database before it began the log anew
            self._tear_sectors(self.folder / DATABASE, self._aside / DATABASE, random)
        (self.folder / f"{DATABASE}-shm").unlink(missing_ok=True)

    def _tear_sectors(self, path: Path, synced: Path, random: Random) -> None:
        if not path.exists():
            return
        new, old = path.read_bytes(), synced.read_bytes() if synced.exists() else b""
        torn = bytearray(new)
        for start in range(0, len(new), SECTOR):
            sector, was = new[start : start + SECTOR], old[start : start + SECTOR]
            if sector == was:
                continue
            # The bytes before the first written one stay whole: SQLite relies on it, and disks guarantee it.
            first = next(i for i in range(len(sector)) if sector[i : i + 1] != was[i : i + 1])
            size = len(sector) - first
            choice = random.randrange(4)
            rest = (
                sector[first:],
                was[first:].ljust(size, b"\0")[:size],
                bytes(size),
                random.randbytes(size),
            )
            torn[start + first : start + len(sector)] = rest[choice]
            self._report.damaged[f"sector of {path.name}"] += choice > 0
        path.write_bytes(torn)


def _same(one: Path, other: Path) -> bool:
    def digest(path: Path) -> bytes:
        return hashlib.sha256(path.read_bytes()).digest() if path.exists() else b""

    return digest(one) == digest(other)


# what an index must answer


def seen(opened: Retriever) -> State:
    """The state that the index shows; asserts that each document has the text that it must have."""
    state: State = {}
    for stored in opened.documents:
        text = opened.text(stored)
        variant = int(text.split(" 문서 ")[1].split("판")[0])
        wanted = document(stored.title, variant, stored.groups)
        assert text == "".join(chunk.text for chunk in wanted.chunks), stored.title
        assert opened.pages(stored.document_id) == list(wanted.pages), stored.title
        state[stored.title] = (variant, stored.groups)
    return state


def look_up(opened: Retriever, state: State) -> None:
    """Assert that search finds what an obvious search over the same documents finds."""
    chunks = [
        (chunk.id, set(terms.split()), vector)
        for name, (variant, groups) in state.items()
        for added in [document(name, variant, groups)]
        for chunk, terms, vector in zip(added.chunks, added.terms, added.vectors, strict=True)
    ]
    k = len(chunks) + 10
    for query in (f"{WORDS[0]} {WORDS[3]}", "문서3 2번째 조각"):
        (terms,), (vector,) = ANALYSER.terms([query]), EMBEDDER.embed_queries([query])
        by_words = {p.chunk.id for p in opened.retrieve([query], k, "lexical")[0]}
        assert by_words == {identity for identity, of, _ in chunks if of & set(terms)}, query
        by_meaning = {p.chunk.id: p.score for p in opened.retrieve([query], k, "dense")[0]}
        assert by_meaning.keys() == {identity for identity, *_ in chunks}, query
        for identity, _, row in chunks:
            assert abs(by_meaning[identity] - float(np.dot(row, vector))) < 2e-3, query


def steps_said() -> Iterator[str]:
    """The names of the steps in the source of the writer and of compacting; all must be among STEPS."""
    import re

    for module in (writers.__file__, compact.__code__.co_filename):
        yield from re.findall(r'on_step\("([^"]+)"\)', Path(module).read_text(encoding="utf-8"))
