"""An index with one bit of one file flipped → who notices: opening it, `check`, or nobody.

Each flip is tried in processes of its own, because a damaged file may crash the library that reads it.
"""

import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from indexes.disk.retriever import Retriever
from indexes.disk.schema import DATABASE
from indexes.disk.writer import Writer
from indexes.types import MODES, NewContent
from indexes.upkeep.check import check
from indexes.upkeep.repair import repair
from ingest.errors import PipelineError
from tests.support.indexes import ANALYSER, EMBEDDER, MANIFEST, as_ingested, content, reader

QUERIES = ("3번 문서의 1번 조각", "연차휴가는 15일이다", "예산", "없는낱말")
SECTOR = 512
SECTOR_SHARE = 0.2  # the share of the cases that zero a whole sector instead of flipping a bit
SECONDS = 60
REPAIRED_SHARE = 0.1  # the share of the noticed cases that are repaired
EVERY = 1_000  # passages that a query asks for: more than an index holds
CODED_ROWS, CODED_K = (
    4_500,
    10,
)  # rows of the index searched by codes, and the passages that its queries ask for

# What became of a flip: opening noticed it, check did, it changed nothing, or (the failure) nobody noticed.
OUTCOMES = ("open", "check", "nothing", "missed")


@dataclass(slots=True)
class FlipReport:
    """Outcomes by kind of file; in words, the flips that were missed and the repairs that failed."""

    seed: int
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    crashed: int = 0  # flips with which reading crashed its process, but which check found
    repaired: int = 0
    refused: int = 0  # repairs that said that nothing can be saved
    broken: list[str] = field(default_factory=list)


def make_index(folder: Path) -> None:
    """Make an index with every kind of file: several segments, deletions, changed rows; without a log."""
    with Writer(folder, MANIFEST) as writer:
        holiday = content("휴가", "연차휴가는 15일이다. ", "2년마다 하루를 더한다. ", groups=("인사",))
        writer.add(as_ingested(holiday))
        for number in range(12):
            writer.add(long_document(number))
            if number % 3 == 2:
                writer.commit()
                writer.merge()
        writer.remove(long_document(4).document.document_id)
        writer.commit()
        document = next(iter(writer.documents.values()))
        writer.add(long_document(20))
        writer.commit()
        writer.change(replace(document, groups=("경영", "인사")))
        writer.commit()


def long_document(number: int) -> NewContent:
    """A document whose chunks have some hundred characters, like those that ingest makes."""
    texts = [
        "".join(f"{number}번 문서의 {part}번 조각이고 {line}번째 줄이다. " for line in range(15))
        for part in range(5)
    ]
    return as_ingested(content(f"{number:04d}", *texts))


def make_logged_index(folder: Path) -> None:
    """Make the same index, copied while its writer is open, so that only the log holds the last commits."""
    made = folder.with_name(folder.name + ".made")
    make_index(made)
    with Writer(made, MANIFEST) as writer:
        for number in (30, 31):
            writer.add(long_document(number))
            writer.commit()
        shutil.copytree(made, folder)
    shutil.rmtree(made)
    (folder / f"{DATABASE}-shm").unlink(missing_ok=True)  # shared memory; nothing is stored in it


def make_coded_index(folder: Path) -> None:
    """Make an index of one document, whose segment is large enough (by its limit) to be searched by codes."""
    syllables, random = [chr(ord("가") + 28 * n) for n in range(399)], Random(0)
    texts = ["".join(random.choices(syllables, k=random.randrange(8, 40))) + ". " for _ in range(CODED_ROWS)]
    with Writer(folder, MANIFEST, exact_rows=CODED_ROWS - 1) as writer:
        writer.add(as_ingested(content("묶음", *texts)))
        writer.commit()


# Name, maker, number of passages that a query asks for, and the kinds of files that are flipped (empty: all).
INDEXES: tuple[tuple[str, Callable[[Path], None], int, tuple[str, ...]], ...] = (
    ("closed", make_index, EVERY, ()),
    ("logged", make_logged_index, EVERY, (f"{DATABASE}-wal",)),
    ("coded", make_coded_index, CODED_K, ("coarse", "approximate.json")),
)


def kinds(folder: Path) -> dict[str, list[Path]]:
    """The files of an index by kind."""
    found: dict[str, list[Path]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size):
        name = path.name
        if name.endswith(("-shm", ".lock")):  # nothing is stored in them
            continue
        kind = "versions/*" if path.parent.name == "versions" else name
        if path.parent.parent.name == "lexical" and not name.endswith(".json"):
            kind = path.suffix
        elif path.parent.name == "dense":
            kind = name.partition(".")[2]
        found.setdefault(kind, []).append(path)
    return found


def observe(folder: Path, most: int = EVERY) -> dict[str, Any]:
    """Everything that can be read of an index; its queries ask for `most` passages."""
    opened: Retriever = reader(folder)
    k = min(most, sum(document.chunks for document in opened.documents) + 1)
    seen: dict[str, Any] = {"version": opened.version, "most": most}
    for mode in MODES:
        found = opened.retrieve(QUERIES, k, mode)
        seen[mode] = [[(p.chunk.id, p.chunk.context, round(p.score, 5)) for p in row] for row in found]
    documents = opened.documents
    seen["documents"] = {
        d.document_id: [
            d.title,
            d.paths,
            d.groups,
            opened.text(d),
            [repr(p) for p in opened.pages(d.document_id)],
        ]
        for d in documents
    }
    seen["unreadable"] = [opened.unreadable_pages(documents), opened.doubtful_pages(documents)]
    return json.loads(json.dumps(seen))


def run(seed: int, count: int, folder: Path, report: FlipReport | None = None) -> FlipReport:
    """The report of `count` flips in each kind of file of the indexes, which are made in the empty `folder`."""
    report = report or FlipReport(seed)
    for name, make, most, wanted in INDEXES:
        index = folder / name
        make(index)
        whole = observe(index, most)
        for kind, paths in kinds(index).items():
            if wanted and kind not in wanted:
                continue
            random = Random(f"{seed}:{kind}")
            for number in range(count):
                _try(index, kind, random.choice(paths), random, whole, report, f"{kind} {number}")
    return report


def _try(
    index: Path, kind: str, path: Path, random: Random, whole: dict, report: FlipReport, name: str
) -> None:
    copy = index.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(index, copy)
    victim = copy / path.relative_to(index)
    what = _flip(victim, random)
    result, seen = in_child(lambda: observe(copy, whole["most"]))
    outcome = "open"
    if result != "refused":
        found = result == "done" and seen == whole
        checked, findings = in_child(lambda: [f.file for f in check(copy)[1]])
        noticed = checked == "refused" or (checked == "done" and findings)
        outcome = "check" if noticed else "nothing" if found else "missed"
        report.crashed += result == "crashed" and outcome == "check"
    report.outcomes.setdefault(kind, Counter())[outcome] += 1
    if outcome == "missed":
        report.broken.append(f"{name}: {what} of {path.name} was missed ({result})")
    elif outcome != "nothing" and random.random() < REPAIRED_SHARE:
        _repair(copy, whole, report, f"{name}: {what} of {path.name}")


def _flip(path: Path, random: Random) -> str:
    data = bytearray(path.read_bytes())
    place = random.randrange(len(data))
    if random.random() < SECTOR_SHARE:
        start = place // SECTOR * SECTOR
        before = bytes(data[start : start + SECTOR])
        data[start : start + SECTOR] = bytes(len(before))
        if bytes(data[start : start + SECTOR]) != before:
            path.write_bytes(data)
            return f"a zeroed sector at {start}"
    bit = random.randrange(8)
    data[place] ^= 1 << bit
    path.write_bytes(data)
    return f"bit {bit} of byte {place}"


def _repair(copy: Path, whole: dict, report: FlipReport, what: str) -> None:
    """Note in `report` if after repair anything is wrong, or what is left does not answer as before."""
    result, lost = in_child(lambda: _repaired(copy))
    if result == "refused":
        report.refused += 1
        return
    if result != "done":
        report.broken.append(f"{what}: repair {result}: {lost}")
        return
    result, seen = in_child(lambda: observe(copy, whole["most"]))
    if result != "done":
        report.broken.append(f"{what}: after repair, reading {result}: {seen}")
        return
    left = {identity: row for identity, row in whole["documents"].items() if identity not in lost}
    if seen["documents"] != {identity: left[identity] for identity in left if identity in seen["documents"]}:
        report.broken.append(f"{what}: after repair a document reads otherwise")
    elif kinds_of_loss(what) and set(seen["documents"]) != set(left):
        report.broken.append(f"{what}: repair lost a document and did not say so")
    for mode in MODES:
        before = [sorted(c for c, *_ in row if c.split(":")[0] in seen["documents"]) for row in whole[mode]]
        if [sorted(chunk for chunk, *_ in row) for row in seen[mode]] != before:
            report.broken.append(f"{what}: after repair {mode} search finds otherwise")
    report.repaired += 1


def kinds_of_loss(what: str) -> bool:
    """Whether repair can name what was lost; it cannot if the log lost whole commits."""
    return "-wal" not in what


def _repaired(copy: Path) -> list[str]:
    done = repair(copy, MANIFEST, EMBEDDER, ANALYSER)
    return [document.document_id for document in done.removed]


def in_child(work: Callable[[], Any]) -> tuple[str, Any]:
    """What became of `work` in a process of its own.

    ("done", its result), ("refused", code), ("failed", error) or ("crashed", signal).
    """
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receive)
        signal.alarm(SECONDS)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)  # a library that panics says so there
        try:
            answer = ("done", work())
        except PipelineError as exc:
            answer = ("refused", exc.code)
        except BaseException as exc:  # noqa: BLE001 - any exception is a finding
            answer = ("failed", f"{type(exc).__name__}: {exc}")
        with os.fdopen(send, "wb") as pipe:
            pipe.write(json.dumps(answer).encode())
        os._exit(0)
    os.close(send)
    with os.fdopen(receive, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(child, 0)
    if not data:
        return "crashed", os.waitstatus_to_exitcode(status)
    kind, value = json.loads(data)
    return kind, value
