"""The terminal: what is printed on it, cleaned in one place, and the exit codes.

File names, titles, document text and what a model writes may hold control characters, with which a terminal
can be made to show something else, or to do something. None reaches it: `Terminal` drops them from all that
it prints, `print_json` escapes them, and `one_line` keeps a name on one line.
"""

import json
import re
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

DONE, NOTHING, USAGE, PARTLY, STOPPED = 0, 1, 2, 3, 130
# Control characters but for the tab and the line break, and those that turn the direction of text around.
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# Of these JSON escapes none by itself.
UNESCAPED = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class Terminal(Console):
    """A console that drops control characters from what it is given; its own, such as colours, stay."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


def printable(text: str) -> str:
    """`text` without control characters; tabs and line breaks stay."""
    return CONTROLS.sub("", text)


def one_line(text: str) -> str:
    """`text` on one line, as names and messages are printed."""
    return " ".join(printable(part) for part in text.splitlines())


def out() -> Terminal:
    """Standard output."""
    return Terminal(markup=False, emoji=False, highlight=False)


def err() -> Terminal:
    """Standard error."""
    return Terminal(stderr=True, markup=False, emoji=False, highlight=False)


def print_text(text: str) -> None:
    """Print `text` on standard output, not wrapped, with a line break at its end."""
    text = printable(text)
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def print_json(value: Any) -> None:
    """Print one JSON object on one line of standard output."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    sys.stdout.write(UNESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")
    sys.stdout.flush()


def exit_code(wanted: int, failed: int) -> int:
    """The exit code of a job of `wanted` parts, of which `failed` failed."""
    return DONE if not failed else PARTLY if failed < wanted else NOTHING
