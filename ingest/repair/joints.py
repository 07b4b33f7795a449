"""Line breaks inside paragraphs → whether a space belongs at each.

Korean typesetting may break a line inside a word. Three steps decide, in this order:

1. Punctuation, digits and Latin letters at the break settle the clear cases.
2. A small network sees the characters around the break, and how often the document has a space
   between the same characters within its lines.
3. Kiwi, the morphological analyser, decides where the network is unsure.

If the network finds a space at nearly every break, the document was wrapped between words, and
every unclear break is taken for a space.

The network has a code for each of the commonest syllables, which make up particles and endings; of
any other syllable it sees only the final consonant. Its knowledge of words comes from the document
itself: with that, a network trained on statutes went from 89 % to 95 % on encyclopaedia articles.
`eval/training/train_joints.py` trains it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ingest.korean.analyse import load_kiwi

WEIGHTS = Path(__file__).with_name("joints.safetensors")

# On either side of a break: the number of characters that the network sees, and that a context may span.
SEEN = 5
REACH = 8
WORD = -1  # in CONTEXTS: as many characters as there are Hangul in a row, at most REACH
# (characters before, characters after) a place: the contexts whose spacing in the document is counted.
CONTEXTS = (
    *((1, 1), (2, 1), (1, 2), (2, 2), (3, 2), (2, 3), (3, 3)),
    *((WORD, 1), (1, WORD), (WORD, 2), (2, WORD), (WORD, WORD)),
    *((1, 0), (2, 0), (3, 0), (4, 0), (WORD, 0)),
    *((0, 1), (0, 2), (0, 3), (0, 4), (0, WORD)),
)

# Character codes: 0 to 11,171 are the Hangul syllables; then one per class of characters; then one per mark.
SYLLABLES, FINALS = 11_172, 28
PAD, UPPER, LOWER, DIGIT, HANJA, JAMO, OTHER, BLANK = range(SYLLABLES, SYLLABLES + 8)
MARKS = ".,;:!?·ㆍ•\"'“”‘’「」『』〈〉《》()[]{}<>-–—~/%…、。"
CODES = BLANK + 1 + len(MARKS)
LONGEST = max(max(context) for context in CONTEXTS)
PAIR_BITS = 0xFFFF
# Odd multipliers for hashing: one for the left side, one for each distance from the break, two for pairs.
FACTORS = np.random.default_rng(0).integers(1, 2**63, REACH + 3, np.uint64) | np.uint64(1)
PAIR_FACTORS = FACTORS[-2:]

# Kiwi decides breaks whose log-odds are nearer to 0 than this, about one in twenty. A weighted mix of network
# and Kiwi, fitted on statutes, was worse elsewhere (0.958 instead of 0.966 correct on encyclopaedia text).
UNSURE = 1.5
KIWI_REACH = 6  # characters on each side; 12 decided no better and took twice the time
KIWI_MARGIN = 1.0  # in Kiwi's scores, which are equal for most breaks where it sees a space
# A document with at least WRAP_BREAKS unclear breaks is wrapped between words if the network finds a space at
# this share of them.
WRAP_BREAKS = 16
WRAP_SHARE = 0.88

CLOSING = frozenset(")]}」』”’〉》>.,;:%、。!?…")
OPENING = frozenset("([{「『“‘〈《<")
QUOTES = frozenset("\"'")
ENDING = frozenset(".!?;:,、。")
DATE = re.compile(r"\d{1,4}\.\s?\d{1,2}\.$")
MONTH_OR_DAY = re.compile(r"\d{1,2}\.(?!\d)")
# A line break within a web or mail address: www.|go.kr, http:|//, a/|b.
ADDRESS = re.compile(r"(?:[A-Za-z0-9][.@]\n[a-z]|[./:]\n/|[a-z0-9]/\n[A-Za-z0-9]|[a-z]\n[/@])")
UNIT = re.compile(r"(?:[kcm]?m[²³]?|[km]?g|m?[lL]|dB|[kKMGT]?[BW]|[kMG]?Hz|p)(?![A-Za-z])")
ARTICLE = re.compile(r"제\s?\d")  # an article number, as cited after the name of a law
THOUSANDS = re.compile(r"\d{3}(?!\d)")
LONGEST_WORD = 40
LETTERS_END, LETTERS_START = re.compile(r"[A-Za-z]+$"), re.compile(r"[A-Za-z]+")
# Latin words that touch neither end of their line, so that they are surely whole.
WHOLE_WORD = re.compile(r"(?<![A-Za-z\n])[A-Za-z]+(?![A-Za-z\n])")


@dataclass(frozen=True, slots=True)
class Network:
    """A network with one hidden layer; its inputs are characters and counts of spaced contexts."""

    rows: NDArray[np.intp]  # (CODES,): a character's row in `characters`
    characters: NDArray[np.float32]
    hidden: NDArray[np.float32]
    hidden_bias: NDArray[np.float32]
    out: NDArray[np.float32]
    out_bias: NDArray[np.float32]

    def log_odds(self, windows: NDArray[np.intp], counts: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N,): log-odds of a space, from (N, 2 × REACH) codes and (N, contexts, 2) counts."""
        seen = self.rows[windows[:, REACH - SEEN : REACH + SEEN]]
        inputs = np.concatenate([self.characters[seen].reshape(len(seen), -1), evidence(counts)], axis=1)
        return np.maximum(inputs @ self.hidden + self.hidden_bias, 0) @ self.out + self.out_bias


def decide(breaks: Sequence[tuple[str, str]], lines: Sequence[str], unsure: float = UNSURE) -> list[bool]:
    """Whether a space belongs at each break: one answer per break, in their order.

    Args:
        breaks: the lines before and after each break, inside paragraphs. An empty side means no space.
        lines: all lines of the document, whose own spacing serves as evidence.
        unsure: Kiwi decides breaks whose log-odds are nearer to 0 than this, at 0.3 ms each. With 0 it
            decides none and is not loaded.
    """
    spaced = [clear_joint(before, after) for before, after in breaks]
    unclear = [at for at, answer in enumerate(spaced) if answer is None]
    if unclear:
        for at, answer in zip(
            unclear, _decide_unclear([breaks[at] for at in unclear], lines, unsure), strict=True
        ):
            spaced[at] = answer
    for at in cut_words(breaks, lines):
        spaced[at] = False
    return [bool(answer) for answer in spaced]


def cut_words(breaks: Sequence[tuple[str, str]], lines: Sequence[str]) -> list[int]:
    """Indices of the breaks inside Latin words; empty if the document breaks lines only between them.

    Most programs keep Latin words whole; web pages with `word-break: break-all`, printed to PDF, do
    not. A document that cuts words is known by more breaks whose two pieces, joined, are a word found
    elsewhere in it than breaks whose pieces are words by themselves.
    """
    halves = {}
    for at, (before, after) in enumerate(breaks):
        left, right = LETTERS_END.search(before.rstrip()[-LONGEST_WORD:]), LETTERS_START.match(after.lstrip())
        if left and right:
            halves[at] = left[0], right[0]
    if not halves:
        return []
    words = set(WHOLE_WORD.findall("\n".join(["", *lines, ""]).lower()))
    joined = {at for at, (left, right) in halves.items() if (left + right).lower() in words}
    apart = {at for at in halves.keys() - joined if _are_words(*halves[at], words)}
    return [at for at in halves if at not in apart] if len(joined) > len(apart) else []


def _are_words(left: str, right: str, words: set[str]) -> bool:
    """Whether both pieces are known words, or a capital letter after a lower-case one begins the second."""
    return {left.lower(), right.lower()} <= words or (left[-1].islower() and right[0].isupper())


def clear_joint(before: str, after: str) -> bool | None:
    """Whether a space belongs between two lines; None if the characters at the break do not settle it."""
    before, after = before.rstrip(), after.lstrip()
    if not before or not after:
        return False
    last, first = before[-1], after[0]
    if first in CLOSING or last in OPENING or ADDRESS.search(before[-20:] + "\n" + after[:2]):
        return False
    if _is_quote_mark(before, first, last):
        return False
    if last in ".,:" and first.isdigit():
        return not _splits_number(before, after)
    if last in ENDING:
        return True
    if _is_latin(last) and _is_latin(first):
        # «20|24일» is one number; «ISO|9001» and «2024|Report» are two words each.
        return not last.isdigit() or not (first.isdigit() or UNIT.match(after))
    if last in "」』》〉" and ARTICLE.match(after):
        return True
    if last in "-‐" and _is_latin(first) and _is_latin(before[-2:-1]):
        return False
    return None


def _is_quote_mark(before: str, first: str, last: str) -> bool:
    """Whether a plain quotation mark opens at the end of a line or closes at the start of the next."""
    opens = last in QUOTES and before[-2:-1] in ("", " ", "(")
    return opens or (first in QUOTES and before.count(first) % 2 == 1)


def _splits_number(before: str, after: str) -> bool:
    """Whether a comma, full stop or colon before a digit stands inside a number."""
    if not before[-2:-1].isdigit() or before[-1] == ":":
        return before[-2:-1].isdigit()
    if before[-1] == ",":
        return THOUSANDS.match(after) is not None
    return DATE.search(before) is None and MONTH_OR_DAY.match(after) is None


def _is_latin(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _decide_unclear(breaks: Sequence[tuple[str, str]], lines: Sequence[str], unsure: float) -> list[bool]:
    network = load_network()
    windows = encode_breaks(breaks)
    log_odds = network.log_odds(windows, count_contexts(windows, lines))
    if len(breaks) >= WRAP_BREAKS and np.mean(log_odds > 0) >= WRAP_SHARE:
        return [True] * len(breaks)
    spaced = log_odds > 0
    for at in np.flatnonzero(np.abs(log_odds) < unsure):
        spaced[at] = kiwi_spaces(*breaks[at])
    return spaced.tolist()


@lru_cache(maxsize=4096)
def kiwi_spaces(before: str, after: str) -> bool:
    """Whether Kiwi's score for the two parts with a space is higher than that without, less `KIWI_MARGIN`.

    The margin favours the space: Kiwi scores the parts of a compound noun alike either way.
    """
    analyze = load_kiwi().analyze
    before, after = before.rstrip()[-KIWI_REACH:], after.lstrip()[:KIWI_REACH]
    apart, joined = (analyze(text, z_coda=False)[0][1] for text in (f"{before} {after}", before + after))
    return apart > joined - KIWI_MARGIN


@lru_cache(maxsize=1)
def load_network() -> Network:
    """The trained network that ships with the package."""
    from safetensors.numpy import load

    arrays = load(WEIGHTS.read_bytes())
    rows = row_of_code(arrays.pop("syllables"))
    return Network(rows=rows, **{name: array.astype(np.float32) for name, array in arrays.items()})


def row_of_code(syllables: NDArray[np.integer]) -> NDArray[np.intp]:
    """(CODES,): the embedding row of each code.

    The known `syllables` come first, then one row per final consonant for all other syllables, then
    one row per class and mark.
    """
    rows = np.arange(CODES) - SYLLABLES + len(syllables) + FINALS
    rows[:SYLLABLES] = len(syllables) + np.arange(SYLLABLES) % FINALS
    rows[syllables] = np.arange(len(syllables))
    return rows


def encode_breaks(breaks: Sequence[tuple[str, str]]) -> NDArray[np.intp]:
    """(N, 2 × REACH): the codes of the REACH characters before and after each break; PAD beyond the lines."""
    text = "".join(
        before.rstrip()[-REACH:].rjust(REACH, "\n") + after.lstrip()[:REACH].ljust(REACH, "\n")
        for before, after in breaks
    )
    return encode(text).reshape(len(breaks), 2 * REACH)


def encode(text: str) -> NDArray[np.intp]:
    """(characters,): the code of each character of `text`; PAD for a line break."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return _code_table()[np.minimum(points, 0xFFFF)]


@lru_cache(maxsize=1)
def _code_table() -> NDArray[np.intp]:
    table = np.full(0x10000, OTHER)
    table[0xC0:0x250] = LOWER
    table[0x3130:0x3190] = JAMO
    table[0x3400:0xA000] = table[0xF900:0xFB00] = HANJA
    table[0xAC00 : 0xAC00 + SYLLABLES] = np.arange(SYLLABLES)
    table[ord("0") : ord("9") + 1] = DIGIT
    table[ord("A") : ord("Z") + 1] = UPPER
    table[ord("a") : ord("z") + 1] = LOWER
    table[ord(" ")], table[ord("\n")] = BLANK, PAD
    table[[ord(mark) for mark in MARKS]] = BLANK + 1 + np.arange(len(MARKS))
    return table


def evidence(counts: NDArray) -> NDArray[np.float32]:
    """(N, 2 × contexts): the log-ratio of spaced to unspaced counts, then the scaled logarithm of their sum."""
    apart, joined = counts[:, :, 0].astype(np.float32), counts[:, :, 1].astype(np.float32)
    # A break falls on either side of a space, but only once between two letters: hence 2.
    sides = np.log((2 * apart + 0.5) / (joined + 0.5))
    return np.concatenate([sides, 0.5 * np.log1p(apart + joined)], axis=1)


def count_contexts(windows: NDArray[np.intp], lines: Sequence[str]) -> NDArray[np.int64]:
    """(N, contexts, 2): how often each window's contexts occur in `lines` with and without a space.

    A place counts if at least one of its two characters is Hangul. Contexts that reach to both sides
    contain the pair of characters at the place, so only places whose pair is in `windows` are looked
    at; the longer one-sided contexts are filtered by their first pair in the same way.
    """
    codes = encode(("\n" * REACH).join(["", *lines, ""]))
    left = np.flatnonzero((codes != BLANK) & (codes != PAD))
    blank = codes[np.minimum(left + 1, len(codes) - 1)] == BLANK
    right = left + 1 + blank
    inside = right < len(codes)
    left, right, blank = left[inside], right[inside], blank[inside]
    before, after = codes[left], codes[right]
    inside = (after != PAD) & (after != BLANK) & ((before < SYLLABLES) | (after < SYLLABLES))
    left, right, blank = left[inside], right[inside], blank[inside]

    counts = np.zeros((len(windows), len(CONTEXTS), 2), np.int64)
    edges = np.arange(len(windows)) * 2 * REACH + REACH - 1
    pairs = {
        "both": (left, right, REACH - 1, REACH),
        "left": (left - 1, left, REACH - 2, REACH - 1),
        "right": (right, right + 1, REACH, REACH + 1),
    }
    for side, (one, two, first, second) in pairs.items():
        wanted = np.zeros(PAIR_BITS + 1, bool)
        wanted[_pair_bits(windows[:, first], windows[:, second])] = True
        near = np.flatnonzero(wanted[_pair_bits(codes[one], codes[two])])
        of_places = _context_keys(codes, left[near], right[near], side)
        of_windows = _context_keys(windows.ravel(), edges, edges + 1, side)
        for at, keys in of_windows.items():
            counts[:, at] = _count(keys, of_places[at], blank[near])
    for context, chars, wanted in (((1, 0), codes[left], REACH - 1), ((0, 1), codes[right], REACH)):
        every, apart = np.bincount(chars, minlength=CODES), np.bincount(chars[blank], minlength=CODES)
        found = np.stack([apart, every - apart], axis=1)
        counts[:, CONTEXTS.index(context)] = found[windows[:, wanted]]
    return counts


def _pair_bits(one: NDArray[np.intp], two: NDArray[np.intp]) -> NDArray[np.intp]:
    return (one * 40_503 + two) & PAIR_BITS


def _context_keys(
    codes: NDArray[np.intp], left: NDArray[np.intp], right: NDArray[np.intp], side: str
) -> dict[int, NDArray[np.uint64]]:
    """Index in CONTEXTS → (places,) hashes of that context, for the contexts that lie on `side`.

    The places are between `left` and `right`, which index `codes`.
    """
    before = _prefix_hashes(codes, left, -1) if side != "right" else None
    after = _prefix_hashes(codes, right, 1) if side != "left" else None
    # A WORD context may be shorter than the pair it starts from; adding the pair keeps different pairs apart.
    edge = 1 if before and after else 2
    pair = sum(
        hashes[edge] * factor for hashes, factor in zip((before, after), PAIR_FACTORS, strict=True) if hashes
    )
    keys = {}
    for at, (l_size, r_size) in enumerate(CONTEXTS):
        starts = "left" if r_size == 0 else "right" if l_size == 0 else "both"
        if starts == side and (l_size, r_size) not in ((1, 0), (0, 1)):
            key = pair.copy()
            if before:
                key += before[l_size] * FACTORS[0]
            if after:
                key += after[r_size]
            keys[at] = key ^ (key >> np.uint64(29))
    return keys


def _prefix_hashes(codes: NDArray[np.intp], start: NDArray[np.intp], step: int) -> list[NDArray[np.uint64]]:
    """Hashes of the first 0, 1, … LONGEST codes from `start` on, by `step`; last, of the Hangul run there."""
    sums = [np.zeros(len(start), np.uint64)]
    word, hangul = sums[0].copy(), np.ones(len(start), bool)
    for distance in range(REACH):
        found = codes[start + step * distance]
        hangul &= found < SYLLABLES
        term = (found + 1).astype(np.uint64) * FACTORS[distance + 1]
        word += term * hangul
        if distance < LONGEST:
            sums.append(sums[-1] + term)
    return [*sums, word]


def _count(
    keys: NDArray[np.uint64], found: NDArray[np.uint64], blank: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """(N, 2): how many of `found` equal each of the N `keys`, with and without a blank."""
    unique, row = np.unique(keys, return_inverse=True)
    wanted = np.zeros(PAIR_BITS + 1, bool)
    wanted[unique & np.uint64(PAIR_BITS)] = True
    likely = np.flatnonzero(wanted[found & np.uint64(PAIR_BITS)])  # most places need no search
    found, blank = found[likely], blank[likely]
    at = np.minimum(np.searchsorted(unique, found), len(unique) - 1)
    same = unique[at] == found
    every = np.bincount(at[same], minlength=len(unique))
    apart = np.bincount(at[same & blank], minlength=len(unique))
    return np.stack([apart, every - apart], axis=1)[row]
