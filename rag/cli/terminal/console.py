"""The terminal: its language, what is printed on it, and exit codes."""

import json
import sys
from typing import Any

from rich.console import Console

DONE, NOTHING, USAGE, PARTLY, STOPPED = 0, 1, 2, 3, 130


def exit_code(wanted: int, failed: int) -> int:
    """Of a job of so many parts."""
    return DONE if not failed else PARTLY if failed < wanted else NOTHING


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def out() -> Console:
    return Console(markup=False, emoji=False, highlight=False)


def err() -> Console:
    return Console(stderr=True, markup=False, emoji=False, highlight=False)
