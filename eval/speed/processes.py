"""A Python process that is given lines and prints JSON → what it printed, and the memory and time it took."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.speed.memory import Usage

ROOT = Path(__file__).resolve().parents[2]
# The environment of other projects, which `make bench-ingest` installs.
OTHERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"


def run(
    arguments: Sequence[str], lines: Sequence[str], python: str = sys.executable, *, one_core: bool = False
) -> tuple[Any, Usage]:
    """The JSON that a Python process prints when it is given the lines, and what it used.

    Args:
        one_core: as the product's readers, which leave the other cores to each other.

    Raises:
        OSError: there is no such Python.
        RuntimeError: it failed; the last line of its messages.
    """
    process = subprocess.Popen(
        [python, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=os.environ | ({"OPENBLAS_NUM_THREADS": "1"} if one_core else {}),
    )
    with Usage(process.pid) as usage:
        output, messages = process.communicate("\n".join(lines))
    if process.returncode:
        raise RuntimeError(messages.strip().rpartition("\n")[2])
    return json.loads(output.splitlines()[-1]), usage
