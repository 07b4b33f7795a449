"""A job of summaries that is killed again and again, and the laws that must hold each time and in the end."""

import json
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from random import Random

from indexes.disk.retriever import Retriever
from indexes.disk.writer import Writer
from rag.summarising.checkpoints import Checkpoints
from rag.summarising.files import CHECKPOINTS, STATUS, UNFINISHED, file_names
from rag.summarising.kinds import EXECUTIVE
from tests.support.indexes import MANIFEST, ROOT
from tests.support.summaries import report


@dataclass(frozen=True, slots=True)
class Kills:
    """What happened: the windows begun, those begun more than once, and the reports written."""

    kills: int
    begun: int
    repeated: int
    reports: int


def most_in_flight(concurrency: int) -> int:
    """The windows that are begun and not kept at one moment, at most, with `concurrency` requests at a time.

    As many as run are taken beforehand; one more is begun before it waits for room, and one was handed out
    and is not kept yet.
    """
    return 2 * concurrency + 2


def write_reports(folder: Path, count: int) -> None:
    """Make an index of small reports, most of which take one window and some several levels."""
    random = Random(0)
    with Writer(folder, MANIFEST) as writer:
        for number in range(count):
            writer.add(report(f"보고서 {number:03d}", number, random.choice([1, 1, 2, 4])))
        writer.commit()


def kill_and_go_on(
    command: Sequence[str], index: Path, out: Path, log: Path, kills: int, in_flight: int, seed: int = 1
) -> Kills:
    """What happened when `command` was killed `kills` times and then run to its end.

    Args:
        log: the file to which `command` writes the key of each window that it begins.
        in_flight: the number of windows that a killed job may lose.
    """
    random = Random(seed)
    kept: set[str] = set()
    done: dict[str, str] = {}
    begun: list[str] = []
    for kill in range(kills + 1):
        last = kill == kills
        code = _run_until(command, log, inf if last else len(begun) + random.randint(1, 240 // kills))
        assert code == (0 if last else -signal.SIGKILL)
        before, begun = len(begun), _begun(log)
        assert not kept & set(begun[before:]), "a window that was kept was generated again"
        assert done.items() <= _whole_files(out).items(), "a finished summary is gone or another"
        done, kept = _whole_files(out), kept | _kept_windows(out)
        assert kept <= set(begun)
    repeated = len(begun) - len(set(begun))
    assert repeated <= in_flight * kills
    assert not list(out.glob(f".*{UNFINISHED}")) and not _kept_windows(out)
    engine = Retriever(index, None, None)
    assert done.keys() == {document.document_id for document in engine.documents}
    assert {path.stem for path in out.glob("*.md")} == set(file_names(engine.documents).values())
    engine.close()
    return Kills(kills, len(begun), repeated, len(done))


def _run_until(command: Sequence[str], log: Path, lines: float) -> int:
    """The exit code of the job, which is killed when its log has `lines` entries (windows begun)."""
    process = subprocess.Popen(command, cwd=ROOT)
    while process.poll() is None and len(_begun(log)) < lines:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    return process.wait()


def _begun(log: Path) -> list[str]:
    return log.read_text("utf-8").split() if log.exists() else []


def _whole_files(out: Path) -> dict[str, str]:
    """Document id → key of each NAME.json in `out`; asserts that each report is whole."""
    found = {}
    for path in out.glob("*.json"):
        body = json.loads(path.read_text("utf-8"))
        if path.name != STATUS:
            text = path.with_suffix(".md").read_text("utf-8")
            assert text.startswith("# ") and text.endswith(f" · {body['generator']}\n")
            found[body["document_id"]] = body["key"]
    return found


def _kept_windows(out: Path) -> set[str]:
    folder = out / CHECKPOINTS / EXECUTIVE.name
    return {key for path in folder.glob("*.jsonl") for key in Checkpoints(folder).of(path.stem)}
