"""Clean lines → what follows each of them in the text: a line break, a space, or nothing.

Two lines belong to one paragraph if the first word of the second did not fit on the first: that is
why the writer's program broke the line. More is required if the first line ends like a sentence or
the second begins like a list item. joints.py decides whether two joined lines need a space.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ingest.korean.analyse import ITEM_LETTERS
from ingest.raw import NO_BOX
from ingest.repair.clean import CleanLine, Decide
from ingest.repair.contents import LEADERS

# The beginning of an item or heading. A line in the middle of a paragraph almost never begins so.
ITEM = re.compile(
    r"(?:[①-⑳㉠-㉻⑴-⒇❶-❿■-◿★☆※▶▷◆◇●○◎•‣∙·◦⦁―–—*+✓✔☞❍❏❑➢➤]|[-‐]\s"
    r"|\d{1,2}(?:\.\d{1,2}){0,3}[.)]\s?(?![\d>)])|\(\d{1,2}\)|[IVXⅠ-Ⅻ]{1,4}\.\s"
    rf"|[{ITEM_LETTERS}][.)]\s|\([{ITEM_LETTERS}]\)|주\s?\d{{0,2}}\)"
    r"|[lmnoquvwØü§]\s(?=[가-힣<「『(‘“])"  # letters of symbol fonts, which are bullets
    r"|제\s?\d{1,4}\s?(?:편|장|절|관|조)(?:의\s?\d{1,2})?\s?(?:[(（<\[]|\s|$)"
    r"|부\s?칙|\[?별\s?[표지]|<[^>]{1,30}>$|[〈<\[【「][^\n]{1,40}[〉>\]】」]$)"
)
# The end of a sentence or of a nominal clause, as at the end of a paragraph.
PARAGRAPH_END = re.compile(r"(?:다|함|임|음|것|요|까|니)[.。!?]?[\"”’)\]]*$|[.。!?][\"”’)\]>]*$")
PARTICLE = "(?:및|또는|부터|까지|에|의|와|과|을|를|은|는|[,ㆍ·])"
# A reference at the start of a wrapped line, which is no heading: «제12조 및», «제3조제2항에», «별표 5와».
REFERENCE = re.compile(
    rf"제\s?\d{{1,4}}\s?(?:편|장|절|관|조)(?:의\s?\d{{1,2}})?\s?(?:제\s?\d|{PARTICLE})"
    rf"|별\s?[표지]\s?(?:제?\s?\d+(?:호(?:의\s?\d+)?\s?(?:서식)?|의\s?\d+)?\s?)?{PARTICLE}"
)
HANGUL = re.compile("[가-힣]")
# A mark that closes a bracket or a sentence; no paragraph begins with one.
CLOSING = re.compile(r"[)\]}」』〉》]|[.,、。!?](?:\s|$)")
# Marks that begin items in some documents and stand between words in others.
SEPARATORS = frozenset("·∙•-‐–—―")
# If at least this share of a file's open lines end in a space, every break between words has one.
MARKED_SHARE = 0.25
# In widths of a Hangul character: a full line leaves at most FULL to the right margin; any other line that
# goes on leaves at most the next word's width plus SLACK. A line that ends like a sentence must be full to go on.
FULL, SLACK = 1.5, 0.6
# In Hangul characters: a narrower line is never full (slides, lists). NARROWEST_COLUMN holds where boxes show
# the column.
NARROWEST, NARROWEST_COLUMN = 14, 11
# Lines of one paragraph differ in size by less than SAME_SIZE, and the gap from one to the next is at most
# PITCH times the size of the type.
SAME_SIZE, PITCH = 0.2, 1.6
# After a sentence's end, a line at more than this many times the usual distance begins a paragraph.
SPACED = 1.3
# If at least this share of the full lines leave more room than FULL, lines are broken between words only.
RAGGED_SHARE = 0.2
NEIGHBOURS = 10  # the right margin of a line is looked for among this number of lines before and after it
INDENT = 0.7  # in widths of a character: a line set in by more begins a new paragraph


@dataclass(frozen=True, slots=True)
class Habits:
    """How a document is typeset.

    `by_words`: lines are broken between words only. `bullets`: the separator marks that begin items
    here. `pitch`: the usual distance between lines of a paragraph, in multiples of the type size.
    """

    by_words: bool
    bullets: frozenset[str]
    pitch: float


def joints(lines: Sequence[CleanLine], apart: set[int], decide: Decide) -> list[str]:
    r"""What follows each of `lines` in the text: "\n", " " or "".

    Args:
        apart: indices of lines that are paragraphs by themselves, such as entries of contents pages.
        decide: whether a space belongs at each of the unclear breaks; see joints.py.
    """
    found = ["\n"] * len(lines)
    rooms = _rooms(lines)
    habits = Habits(_wraps_words(lines, rooms), _bullets(lines, rooms), _usual_pitch(lines))
    open_at = [
        position
        for position, (before, after) in enumerate(pairwise(lines))
        if not {position, position + 1} & apart and _continues(before, after, rooms[position], habits)
    ]
    marked = _marks_word_breaks([lines[position] for position in open_at])
    unclear = []
    for position in open_at:
        before, after = lines[position], lines[position + 1]
        if before.spaced:
            found[position] = " "
        elif marked and HANGUL.match(before.text[-1]) and HANGUL.match(after.text[0]):
            found[position] = ""
        else:
            unclear.append(position)
    breaks = [(lines[position].text, lines[position + 1].text) for position in unclear]
    spaces = decide(breaks, [line.text for line in lines])
    for position, space in zip(unclear, spaces, strict=True):
        found[position] = " " if space else ""
    return found


def _continues(before: CleanLine, after: CleanLine, room: float, habits: Habits) -> bool:
    """Whether `after` continues the paragraph of `before`.

    `room`: what `before` leaves to the right margin, in widths of a Hangul character.
    """
    one, other = before.raw, after.raw
    if not (one.wrapped and other.wrapped) or one.level or other.level or one.table != other.table:
        return False
    if other.page - one.page > 1 or LEADERS.search(before.text) or not _one_style(before, after):
        return False
    if not unicodedata.is_normalized("NFC", before.text[-8:] + after.text[:8]):
        # `after` begins with a bare accent or jamo, which would combine with the end of `before`.
        return False
    if _closes(before.text, after.text):
        return room <= _word_room(after)
    ended = PARAGRAPH_END.search(before.text) is not None
    if room > (FULL if ended and not habits.by_words else _word_room(after)):
        return False
    if ended and (
        other.page != one.page or _is_set_in(before, after) or _pitch(before, after) > SPACED * habits.pitch
    ):
        return False
    if not ITEM.match(after.text):
        return True
    if ended:
        return False
    if after.text[0] in SEPARATORS:
        return after.text[0] not in habits.bullets and _separates(before.text, after.text)
    # «다.» numbers the third item of a list, but is also the end of a sentence; the line before left one
    # open, so it is the latter. Likewise a reference continues the sentence and is no heading.
    return after.text.startswith("다.") or REFERENCE.match(after.text) is not None


def _closes(before: str, after: str) -> bool:
    """Whether `after` begins with a closing mark, or closes the bracket that `before` leaves open."""
    if CLOSING.match(after):
        return True
    if after[0].isdigit() and ITEM.match(after):  # «1) 목적»
        return False
    end = after.find(")")
    return end >= 0 and "(" not in after[:end] and before.count("(") > before.count(")")


def _separates(before: str, after: str) -> bool:
    """Whether the mark at the start of `after` separates words, as in «5·17», «생(生) · 노사»."""
    return after[1:2] != " " or f" {after[0]} " in before


def _bullets(lines: Sequence[CleanLine], rooms: Sequence[float]) -> frozenset[str]:
    """The SEPARATORS that begin items here: those that begin a line although the one before had room."""
    return frozenset(
        after.text[0]
        for position, (_, after) in enumerate(pairwise(lines))
        if after.text[0] in SEPARATORS and rooms[position] > _word_room(after)
    )


def _one_style(before: CleanLine, after: CleanLine) -> bool:
    """Whether type size and distance allow both lines to be in one paragraph."""
    one, other = before.raw, after.raw
    if NO_BOX in (one.box, other.box):
        return True
    if abs(one.size - other.size) > SAME_SIZE * max(one.size, other.size):
        return False
    if one.page != other.page or other.box[1] < one.box[1]:  # the next page, the next column
        return True
    return other.box[1] - one.box[3] <= PITCH * max(one.size, other.size)


def _usual_pitch(lines: Sequence[CleanLine]) -> float:
    """The median distance between lines of a paragraph, in their type size; infinite if too few are known.

    Lines that end like a sentence are left out, because a new paragraph may follow them.
    """
    inside = (
        _pitch(before, after)
        for before, after in pairwise(lines)
        if before.raw.wrapped and after.raw.wrapped and PARAGRAPH_END.search(before.text) is None
    )
    known = [pitch for pitch in inside if pitch > 0]
    return float(np.median(known)) if len(known) >= NEIGHBOURS else float("inf")


def _pitch(before: CleanLine, after: CleanLine) -> float:
    """How far `after` stands below `before`, in its type size; 0 if it does not, or boxes are unknown."""
    one, other = before.raw, after.raw
    if NO_BOX in (one.box, other.box) or one.page != other.page or not other.size:
        return 0.0
    return max(0.0, (other.box[3] - one.box[3]) / other.size)


def _is_set_in(before: CleanLine, after: CleanLine) -> bool:
    """Whether `after` begins further to the right than `before`, as a new paragraph does."""
    if NO_BOX in (before.raw.box, after.raw.box) or ITEM.match(before.text):
        return False
    return after.raw.box[0] - before.raw.box[0] > INDENT * _unit(after)


def width(text: str) -> float:
    """Width in Hangul characters; a Latin letter, digit or mark counts half.

    Computed as (bytes + characters) / 4: in UTF-8 a Hangul syllable has three bytes, an ASCII character one.
    """
    return (len(text.encode()) + len(text)) / 4


def _unit(line: CleanLine) -> float:
    """The width of a Hangul character of `line`, in points."""
    return (line.raw.box[2] - line.raw.box[0]) / max(1.0, width(line.text))


def _rooms(lines: Sequence[CleanLine]) -> list[float]:
    """The room that each line leaves to the right margin of its column, in Hangul characters."""
    if not lines:
        return []
    widths = np.array([width(line.text) for line in lines])
    placed = np.array([line.raw.box != NO_BOX for line in lines])
    usual = 0.0 if placed.all() else max(_usual_width(widths.tolist(), lines), NARROWEST)
    left, _, right, _ = np.array([line.raw.box for line in lines]).T
    unit = np.maximum((right - left) / np.maximum(1.0, widths), 0.1)
    margin, widest, alone = _columns(lines, left, right, widths)
    alone &= np.array([line.raw.table < 0 for line in lines])
    margin = np.where(alone, np.maximum(margin, _common_right(lines)), margin)
    reach, room = (margin - left) / unit, (margin - right) / unit
    # Some fonts are as wide for Latin letters as for Hangul: then counting characters is better.
    by_column = np.where(reach >= NARROWEST_COLUMN, np.minimum(room, widest - widths), reach)
    return np.where(placed, by_column, usual - widths).tolist()


def _columns(lines: Sequence[CleanLine], left, right, widths):
    """(N,) each: the right margin and the greatest width of a line's column, and whether it is alone there.

    A line's column is those of the `NEIGHBOURS` lines before and after it that stand above or below it,
    on its page, in type of its size. Widths are in characters.

    Each pass compares all lines with those at one distance; a loop over pairs took half as long as all
    other repair together.
    """
    size = np.array([line.raw.size for line in lines])
    slack = SAME_SIZE * size
    place = np.array([(line.raw.page, line.raw.table) for line in lines])
    margin, widest, alone = right.copy(), widths.copy(), np.ones(len(lines), bool)
    for distance in range(1, min(NEIGHBOURS, len(lines) - 1) + 1):
        above, below = slice(None, -distance), slice(distance, None)
        beside = (left[above] < right[below]) & (left[below] < right[above])
        beside &= (place[above] == place[below]).all(axis=1)
        apart = abs(size[above] - size[below])
        for one, other in ((above, below), (below, above)):
            near = beside & (apart <= slack[one])
            margin[one] = np.where(near, np.maximum(margin[one], right[other]), margin[one])
            widest[one] = np.where(near, np.maximum(widest[one], widths[other]), widest[one])
            alone[one] &= ~near
    return margin, widest, alone


def _usual_width(widths: Sequence[float], lines: Sequence[CleanLine]) -> float:
    # Leader dots fill the lines of a contents page, so their width says nothing about other lines.
    known = sorted(w for w, line in zip(widths, lines, strict=True) if not LEADERS.search(line.text))
    return known[int(0.9 * (len(known) - 1))] if known else 0.0


def _common_right(lines: Sequence[CleanLine]) -> float:
    """The most common right edge of the document's lines, in points; 0 if fewer than 5 lines share one."""
    ends = Counter(round(line.raw.box[2] / 2) * 2.0 for line in lines if line.raw.wrapped)
    right, count = ends.most_common(1)[0] if ends else (0.0, 0)
    return right if count >= 5 else 0.0


def _wraps_words(lines: Sequence[CleanLine], rooms: Sequence[float]) -> bool:
    """Whether lines are broken between words only: then many full lines leave more room than FULL."""
    ragged = full = 0
    for position, (before, after) in enumerate(pairwise(lines)):
        if PARAGRAPH_END.search(before.text) or ITEM.match(after.text) or before.raw.table >= 0:
            continue
        if rooms[position] <= _word_room(after):
            full += 1
            ragged += rooms[position] > FULL
    return ragged >= RAGGED_SHARE * full


def _word_room(after: CleanLine) -> float:
    """The room a line may leave if the first word of `after` did not fit on it, in Hangul characters."""
    return max(FULL, width(after.text.split(" ", 1)[0]) + SLACK)


def _marks_word_breaks(open_lines: Sequence[CleanLine]) -> bool:
    hangul = [line for line in open_lines if HANGUL.match(line.text[-1])]
    return len(hangul) >= 3 and sum(line.spaced for line in hangul) >= MARKED_SHARE * len(hangul)
