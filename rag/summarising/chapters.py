"""The blocks of a document → its chapters, and which of them are written about in one call."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from rag.summarising.windows import headings_of, shared, windows


@dataclass(frozen=True, slots=True)
class Chapter:
    """What stands below one of the uppermost headings: so many blocks. `heading` is empty above the first."""

    heading: str
    blocks: range


def chapters(contexts: Sequence[str]) -> list[Chapter]:
    """The chapters of the blocks with these breadcrumbs; they tile the blocks.

    What all blocks have above them is the document's title, and no chapter.
    """
    above = [headings_of(context) for context in contexts]
    depth = shared(*above) if above else 0
    found, start = [], 0
    for key, run in groupby(above, key=lambda headings: headings[depth : depth + 1]):
        stop = start + sum(1 for _ in run)
        found.append(Chapter(key[0] if key else "", range(start, stop)))
        start = stop
    return found


def calls(sizes: Sequence[int], room: int, most: int) -> list[range]:
    """Chapters of so many tokens, in order, as those that one call is to write about.

    One that is larger than `room` stands alone, and takes more than one; the others share, at most `most`.
    """
    found: list[range] = []
    start = 0
    for large, run in groupby(size > room for size in sizes):
        stop = start + sum(1 for _ in run)
        if large:
            found += [range(place, place + 1) for place in range(start, stop)]
        else:
            spans = windows([()] * (stop - start), sizes[start:stop], room, most)
            found += [range(start + span.start, start + span.stop) for span in spans]
        start = stop
    return found
