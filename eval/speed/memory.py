"""A process and all that it started → the memory at its peak, and the processor time, of all together."""

import contextlib
import os
import threading
from pathlib import Path

INTERVAL_SECONDS = 0.2


class Usage:
    """Samples the summed PSS and processor time of the process `root` and its descendants; a context manager.

    PSS counts a page that n processes share as 1/n in each, so forked children are not counted
    twice. Processor time is what each process had used when last seen. Descendants are found by their parents: a child may have a session of its own. Linux only;
    elsewhere everything stays 0.
    """

    def __init__(self, root: int) -> None:
        self.peak_mb = 0.0
        self.processes = 0  # at the peak
        self._cpu: dict[int, float] = {}
        self._root = root
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Usage":
        self._thread.start()
        return self

    def __exit__(self, *exc_info) -> None:
        self._done.set()
        self._thread.join()

    @property
    def cpu_seconds(self) -> float:
        """Of all processes, also of those that ended."""
        return sum(self._cpu.values())

    def _run(self) -> None:
        while not self._done.wait(INTERVAL_SECONDS):
            processes = read_processes()
            tree = descendants(self._root, {pid: parent for pid, (parent, _) in processes.items()})
            self._cpu |= {pid: processes[pid][1] for pid in tree if pid in processes}
            total = sum(map(pss_mb, tree))
            if total > self.peak_mb:
                self.peak_mb, self.processes = total, len(tree)


def read_processes() -> dict[int, tuple[int, float]]:
    """Of each process that runs: its parent, and the seconds of processor time it has used."""
    ticks = os.sysconf("SC_CLK_TCK")
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended in the meantime
            # The name in parentheses may hold anything, parentheses too; proc(5) numbers the rest from 3.
            fields = stat.read_text("utf-8", errors="replace").rpartition(")")[2].split()
            found[int(stat.parent.name)] = (int(fields[1]), (int(fields[11]) + int(fields[12])) / ticks)
    return found


def descendants(root: int, parent_of: dict[int, int]) -> list[int]:
    """`root` and every process below it."""
    tree, layer = [root], {root}
    while layer:
        layer = {pid for pid, parent in parent_of.items() if parent in layer}
        tree += sorted(layer)
    return tree


def pss_mb(pid: int) -> float:
    """The proportional set size of the process, 0 where it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0
