"""Headings in a document's text → the breadcrumb above each position."""

import re
from collections.abc import Iterator, Sequence

from ingest.document import Heading, Page
from ingest.normalise import LEADERS
from ingest.pdf import OutlineEntry

# Legal and administrative numbering: pattern of a line, and its level. Articles lie below chapters.
NUMBERED = (
    (re.compile(r"제\s?\d+\s?편(?:\s|$)[^\n]{0,40}$"), 1),
    (re.compile(r"(?:제\s?\d+\s?장(?:의\s?\d+)?(?:\s|$)[^\n]{0,40}|[Ⅰ-Ⅻ]+\.\s?[^\n]{1,40})$"), 2),
    (re.compile(r"제\s?\d+\s?절(?:의\s?\d+)?(?:\s|$)[^\n]{0,40}$"), 3),
    (re.compile(r"제\s?\d+\s?관(?:의\s?\d+)?(?:\s|$)[^\n]{0,40}$"), 4),
    (re.compile(r"(제\s?\d+\s?조(?:의\s?\d+)?\s?[(（][^)）\n]{1,60}[)）])"), 5),
    (re.compile(r"(?:부\s?칙(?:\s?[<(\[][^\n]{0,40})?|\[?별\s?[표지]\s?\d*[^\n]{0,50})$"), 2),
)
OUTLINE_LEVELS = 4  # deeper bookmarks are mostly single paragraphs
MAX_TITLE = 60


def find_headings(text: str, pages: Sequence[Page], outline: Sequence[OutlineEntry]) -> tuple[Heading, ...]:
    """Headings of `text` in order, from its numbering and from the PDF's bookmarks.

    Lines of contents pages (leaders and a page number) are no headings.
    """
    marked = {heading.start: heading for heading in _from_outline(text, pages, outline)}
    # The bookmarks say which heading lies in which; what they leave out lies below them.
    deepest = max((heading.level for heading in marked.values()), default=0)
    numbered = {
        heading.start: Heading(heading.level + deepest, heading.title, heading.start)
        for heading in _from_numbering(text)
    }
    found = numbered | marked
    return tuple(found[start] for start in sorted(found))


def breadcrumbs(headings: Sequence[Heading], positions: Sequence[int]) -> list[str]:
    """The headings that hold at each of the ascending `positions`, outermost first, joined with « > »."""
    crumbs, stack, upcoming = [], [], 0
    for position in positions:
        while upcoming < len(headings) and headings[upcoming].start <= position:
            while stack and stack[-1].level >= headings[upcoming].level:
                stack.pop()
            stack.append(headings[upcoming])
            upcoming += 1
        crumbs.append(" > ".join(heading.title for heading in stack))
    return crumbs


def _from_numbering(text: str) -> Iterator[Heading]:
    start = 0
    for line in text.split("\n"):
        if line and not LEADERS.search(line):
            for pattern, level in NUMBERED:
                if match := pattern.match(line):
                    title = " ".join((match[1] if match.groups() else match[0]).split())
                    yield Heading(level, title[:MAX_TITLE], start)
                    break
        start += len(line) + 1


def _from_outline(text: str, pages: Sequence[Page], outline: Sequence[OutlineEntry]) -> Iterator[Heading]:
    """Bookmarks whose title stands at the start of a line of their page, found without its spaces."""
    for entry in outline:
        squeezed = re.sub(r"\s+", "", entry.title)
        if entry.level > OUTLINE_LEVELS or not squeezed or entry.page > len(pages):
            continue
        page = pages[entry.page - 1]
        pattern = re.compile(r"^\s*" + r"\s*".join(map(re.escape, squeezed[:MAX_TITLE])), re.MULTILINE)
        if match := pattern.search(text, page.start, page.end):
            line_end = text.find("\n", match.end())
            if not LEADERS.search(text[match.start() : line_end if line_end >= 0 else len(text)]):
                yield Heading(entry.level, entry.title[:MAX_TITLE], match.start())
