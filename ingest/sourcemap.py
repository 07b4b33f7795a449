"""The way back from a document's text to the raw characters of its pages.

A run says that some characters of the text are, one by one, raw characters of the page that follow
each other. Characters between runs were inserted by us (the space or line break at a joint, the
separator between the cells of a row) and stand nowhere on the page. Runs are kept per page, packed
into bytes: about 4 bytes a line.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ingest.document import Page
from ingest.raw import Span


class Run(NamedTuple):
    """`length` characters of the text from `start` are the raw characters from `raw` on."""

    start: int
    raw: int
    length: int


def pack(runs: Iterable[Run]) -> bytes:
    """Runs of one page, ascending by `start` and counted from the page's first character, as bytes."""
    packed = bytearray()
    end = raw_end = 0
    for run in runs:
        for number in (run.start - end, _zigzag(run.raw - raw_end), run.length):
            _append(packed, number)
        end, raw_end = run.start + run.length, run.raw + run.length
    return bytes(packed)


def unpack(packed: bytes) -> list[Run]:
    """What `pack` packed."""
    runs, end, raw_end = [], 0, 0
    numbers = _numbers(packed)
    for gap in numbers:
        start, raw, length = end + gap, raw_end + _unzigzag(next(numbers)), next(numbers)
        runs.append(Run(start, raw, length))
        end, raw_end = start + length, raw + length
    return runs


def raw_spans(pages: Sequence[Page], start: int, end: int) -> list[tuple[int, Span]]:
    """Where the characters [start, end) of a document's text stand: (index of the page, raw span).

    In the order of the text; inserted characters are left out, spans that touch are one.
    """
    found: list[tuple[int, Span]] = []
    first = bisect_right([page.end for page in pages], start)
    for index in range(first, len(pages)):
        page = pages[index]
        if page.start >= end:
            break
        for run in unpack(page.source):
            low = max(start - page.start, run.start)
            high = min(end - page.start, run.start + run.length)
            if low >= high:
                continue
            span = (run.raw + low - run.start, run.raw + high - run.start)
            if found and found[-1][0] == index and found[-1][1][1] == span[0]:
                span = (found.pop()[1][0], span[1])
            found.append((index, span))
    return found


def _append(packed: bytearray, number: int) -> None:
    while number >= 0x80:
        packed.append(number & 0x7F | 0x80)
        number >>= 7
    packed.append(number)


def _numbers(packed: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in packed:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield number
            number = shift = 0


def _zigzag(number: int) -> int:
    return number * 2 if number >= 0 else -number * 2 - 1


def _unzigzag(number: int) -> int:
    return number >> 1 if number % 2 == 0 else -(number + 1 >> 1)
