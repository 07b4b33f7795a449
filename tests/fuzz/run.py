"""Many damaged files through one pool → what became of each, and every law that was broken.

File number I of a seed is always the same: its random numbers depend on seed and number alone.
"""

import gc
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

from ingest.errors import UnreadableFile
from ingest.korean.analyse import bigrams
from ingest.parse import IngestConfig, Parsed, ParseOptions
from ingest.workers.pool import WorkerPool
from tests.fuzz.laws import garbled_pages, page_texts, violations
from tests.fuzz.mutate import mutate

# At least this size makes a file large; large files are LARGE_SHARE of the cases.
LARGE_BYTES = 3 * 2**20
LARGE_SHARE = 0.02
GRACE_SECONDS = 10.0  # allowed for ending a child and starting another on a busy machine
GROWTH_MB = 200


@dataclass(frozen=True, slots=True)
class Case:
    """One damaged file. `donor`: the other file, whose parts may have been put into it."""

    index: int
    source: Path
    donor: Path
    mutation: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Broken:
    """A law that did not hold; `index` is that of the file, -1 for a law about the whole run."""

    index: int
    source: str
    mutation: str
    what: str


@dataclass(slots=True)
class FuzzReport:
    """Counts by mutation and outcome. Garbled pages are listed and break no law, since no reader sees them all."""

    seed: int
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)
    garbled: list[Broken] = field(default_factory=list)
    seconds: float = 0.0

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "outcomes": dict(sorted(self.outcomes.items())),
            "broken": [asdict(item) for item in self.broken],
            "garbled": [asdict(item) for item in self.garbled],
        }
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def make_case(sources: Sequence[Path], seed: int, index: int) -> Case:
    """The damaged file number `index` of `seed`."""
    random = Random(f"{seed}:{index}")
    small = [path for path in sources if path.stat().st_size < LARGE_BYTES]
    large = [path for path in sources if path.stat().st_size >= LARGE_BYTES]
    source = random.choice(large if large and random.random() < LARGE_SHARE else small)
    donor = random.choice(small)
    data, mutation = mutate(source.read_bytes(), random, donor.read_bytes())
    return Case(index, source, donor, mutation, data)


def run(
    sources: Sequence[Path],
    seed: int,
    indices: Iterable[int],
    options: ParseOptions,
    folder: Path,
    keep: Path | None = None,
) -> FuzzReport:
    """The report on the damaged files of `indices`, which are written to `folder` one by one and read.

    Args:
        keep: a folder in which files that broke a law or were garbled are saved.
    """
    report, started = FuzzReport(seed), time.monotonic()
    with WorkerPool(options) as pool:
        whole = {Path(result.path): result for result in pool.parse(map(str, sources))}
        texts = {path: page_texts(r.document) for path, r in whole.items() if isinstance(r, Parsed)}
        known = {pair for pages in texts.values() for text in pages.values() for pair in bigrams(text)}
        cases: dict[str, Case] = {}
        memory, last = _memory_mb(), time.monotonic()
        for result in pool.parse(_written(sources, seed, indices, folder, cases)):
            waited, last = time.monotonic() - last, time.monotonic()
            case = cases.pop(result.path)
            os.unlink(result.path)
            broken, garbled = _judge(result, case, texts, known)
            if waited > options.limits.timeout_seconds + GRACE_SECONDS:
                broken.append(f"took {waited:.0f} s")
            code = result.code if isinstance(result, UnreadableFile) else "garbled" if garbled else "read"
            report.outcomes.setdefault(case.mutation, Counter())[code] += 1
            report.broken += [_broken(case, what) for what in broken]
            report.garbled += [_broken(case, what) for what in garbled]
            if keep is not None and (broken or garbled):
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{seed}-{case.index}.pdf").write_bytes(case.data)
            last = time.monotonic()
        report.broken += [Broken(-1, "", "", what) for what in _after(pool, whole, memory)]
        helper = pool._process.pid if pool._process else 0
    if helper and _lives(helper):
        report.broken.append(Broken(-1, "", "", "processes live on after the pool was closed"))
    report.seconds = time.monotonic() - started
    return report


def fuzz_options(tokenizer_json: str, workers: int = 2) -> ParseOptions:
    """The options, with tight limits, under which damaged files are read."""
    limits = IngestConfig(workers=workers, timeout_seconds=20, max_memory_mb=1024)
    return ParseOptions(tokenizer_json, "bigram", limits=limits)


def _written(
    sources: Sequence[Path], seed: int, indices: Iterable[int], folder: Path, cases: dict[str, Case]
) -> Iterator[str]:
    for index in indices:
        case = make_case(sources, seed, index)
        path = folder / f"{index}.pdf"
        path.write_bytes(case.data)
        cases[str(path)] = case
        yield str(path)


def _judge(
    result: Parsed | UnreadableFile, case: Case, texts: dict[Path, dict[int, str]], known: set[str]
) -> tuple[list[str], list[str]]:
    """The laws that `result` breaks, in words; and one line about its garbled pages, if there are any.

    Args:
        texts: undamaged file → page number → text.
        known: the bigrams of all undamaged files.
    """
    if isinstance(result, UnreadableFile):
        line = result.say("ko")
        return ([] if line and "\n" not in line else [f"no message: {line!r}"]), []
    whole, others = texts.get(case.source, {}), texts.get(case.donor, {})
    pages = garbled_pages(result.document, whole, known, others.values()) if whole else []
    first = [f"{len(pages)} pages, first {number}: {text!r}" for number, text in pages[:1]]
    return list(violations(result)), first


def _broken(case: Case, what: str) -> Broken:
    return Broken(case.index, case.source.name, case.mutation, what)


def _after(pool: WorkerPool, whole: dict[Path, Parsed | UnreadableFile], memory: int) -> Iterator[str]:
    """What is wrong with the pool or with this process after all files were read, in words."""
    gc.collect()
    if (grown := _memory_mb() - memory) > GROWTH_MB:
        yield f"the caller grew by {grown} MB"
    path = min((p for p, r in whole.items() if isinstance(r, Parsed)), key=lambda p: p.stat().st_size)
    if list(pool.parse([str(path)])) != [whole[path]]:
        yield f"{path.name} reads otherwise after the damaged files"


def _memory_mb() -> int:
    statm = Path("/proc/self/statm")
    pages = int(statm.read_text(encoding="ascii").split()[1]) if statm.exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


def _lives(group: int) -> bool:
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.05)
    return True
