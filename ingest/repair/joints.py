"""Line breaks inside paragraphs → whether a space belongs at each.

In order: what punctuation, digits and Latin letters settle; a small network, which sees the
characters around the break and how the document spaces the same characters within its lines; and,
where that stays unsure, Kiwi. A document whose breaks all but all look like spaces is one that was
wrapped between words, and then they all are.

The network knows the commonest syllables, which are those of particles and endings; of the others
it sees the last consonant. What words there are it learns from the document: on encyclopaedia
articles that took a network trained on statutes from 89 % to 95 %. `eval/training/train_joints.py` trains it.
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

# Characters the network sees on either side of a break, and those that a context can reach to.
SEEN = 5
REACH = 8
WORD = -1  # in CONTEXTS: up to the nearest blank or mark, at most REACH
# How many characters before and after a place make the contexts whose spacing is counted.
CONTEXTS = (
    *((1, 1), (2, 1), (1, 2), (2, 2), (3, 2), (2, 3), (3, 3)),
    *((WORD, 1), (1, WORD), (WORD, 2), (2, WORD), (WORD, WORD)),
    *((1, 0), (2, 0), (3, 0), (4, 0), (WORD, 0)),
    *((0, 1), (0, 2), (0, 3), (0, 4), (0, WORD)),
)

# Codes: Hangul syllables as 0 to 11,171, then classes of characters, then marks one by one.
SYLLABLES, FINALS = 11_172, 28
PAD, UPPER, LOWER, DIGIT, HANJA, JAMO, OTHER, BLANK = range(SYLLABLES, SYLLABLES + 8)
MARKS = ".,;:!?·ㆍ•\"'“”‘’「」『』〈〉《》()[]{}<>-–—~/%…、。"
CODES = BLANK + 1 + len(MARKS)
LONGEST = max(max(context) for context in CONTEXTS)
PAIR_BITS = 0xFFFF
# Odd multipliers: one for each distance from the break after one for its left side; two for pairs.
FACTORS = np.random.default_rng(0).integers(1, 2**63, REACH + 3, np.uint64) | np.uint64(1)
PAIR_FACTORS = FACTORS[-2:]

# Kiwi is asked about log-odds nearer to 0 than this, which is about one break in twenty. A mix of
# both, fitted on statutes, trusts the network too much elsewhere (.958 for .966 on encyclopaedia text).
UNSURE = 1.5
KIWI_REACH = 6  # characters on a side; twelve decide no better, in twice the time
KIWI_MARGIN = 1.0  # of its scores, which are equal for most breaks that it takes for spaces
# Breaks needed to tell how a document is wrapped, and the share of spaces of one wrapped at words.
WRAP_BREAKS = 16
WRAP_SHARE = 0.88

CLOSING = frozenset(")]}」』”’〉》>.,;:%、。!?…")
OPENING = frozenset("([{「『“‘〈《<")
QUOTES = frozenset("\"'")
ENDING = frozenset(".!?;:,、。")
DATE = re.compile(r"\d{1,4}\.\s?\d{1,2}\.$")
MONTH_OR_DAY = re.compile(r"\d{1,2}\.(?!\d)")
# A mark within a web or mail address, and the line break: www.|go.kr, http:|//, a/|b.
ADDRESS = re.compile(r"(?:[A-Za-z0-9][.@]\n[a-z]|[./:]\n/|[a-z0-9]/\n[A-Za-z0-9]|[a-z]\n[/@])")
UNIT = re.compile(r"(?:[kcm]?m[²³]?|[km]?g|m?[lL]|dB|[kKMGT]?[BW]|[kMG]?Hz|p)(?![A-Za-z])")
ARTICLE = re.compile(r"제\s?\d")  # cited after the name of a law
THOUSANDS = re.compile(r"\d{3}(?!\d)")
LONGEST_WORD = 40
LETTERS_END, LETTERS_START = re.compile(r"[A-Za-z]+$"), re.compile(r"[A-Za-z]+")
# Latin words that are whole: one at an end of its line may go on in the next.
WHOLE_WORD = re.compile(r"(?<![A-Za-z\n])[A-Za-z]+(?![A-Za-z\n])")


@dataclass(frozen=True, slots=True)
class Network:
    """One hidden layer over characters and counts."""

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
    """For each break, given as the lines before and after it: does a space belong there?

    Args:
        breaks: inside paragraphs. A missing side is a clear case: no space.
        lines: of the whole document, the spacing within which is to be gone by.
        unsure: log-odds nearer to 0 go to Kiwi, at 0.3 ms each; 0: none, and it is not loaded.

    Returns:
        One answer for each break, in their order.
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
    """Indices of the breaks within Latin words; none in a document that breaks lines between them only.

    Most programs do; `word-break: break-all` of web pages, which are printed to PDF, does not. A
    document that cuts words shows it: joined, the pieces are words that it has elsewhere.
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
    """Whether both pieces are words of their own, or a capital letter begins the second one."""
    return {left.lower(), right.lower()} <= words or (left[-1].islower() and right[0].isupper())


def clear_joint(before: str, after: str) -> bool | None:
    """Whether a space belongs between two lines, where their edges settle it; None where they do not."""
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
        # «20» and «24일» are one number; «ISO» and «9001» two words, as are «2024» and «Report».
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
    """Whether Kiwi likes the two no worse apart than joined; parts of a compound noun, it likes both ways."""
    analyze = load_kiwi().analyze
    before, after = before.rstrip()[-KIWI_REACH:], after.lstrip()[:KIWI_REACH]
    apart, joined = (analyze(text, z_coda=False)[0][1] for text in (f"{before} {after}", before + after))
    return apart > joined - KIWI_MARGIN


@lru_cache(maxsize=1)
def load_network() -> Network:
    """The network that comes with the package."""
    from safetensors.numpy import load

    arrays = load(WEIGHTS.read_bytes())
    rows = row_of_code(arrays.pop("syllables"))
    return Network(rows=rows, **{name: array.astype(np.float32) for name, array in arrays.items()})


def row_of_code(syllables: NDArray[np.integer]) -> NDArray[np.intp]:
    """(CODES,): rows for the known `syllables`, then for the unknown by last consonant, then for the rest."""
    rows = np.arange(CODES) - SYLLABLES + len(syllables) + FINALS
    rows[:SYLLABLES] = len(syllables) + np.arange(SYLLABLES) % FINALS
    rows[syllables] = np.arange(len(syllables))
    return rows


def encode_breaks(breaks: Sequence[tuple[str, str]]) -> NDArray[np.intp]:
    """(N, 2 × REACH): codes of the characters before and after each break, PAD beyond the lines."""
    text = "".join(
        before.rstrip()[-REACH:].rjust(REACH, "\n") + after.lstrip()[:REACH].ljust(REACH, "\n")
        for before, after in breaks
    )
    return encode(text).reshape(len(breaks), 2 * REACH)


def encode(text: str) -> NDArray[np.intp]:
    """(characters,): codes; line breaks are PAD."""
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
    """(N, 2 × contexts): which spacing the counts speak for, and how many they are."""
    apart, joined = counts[:, :, 0].astype(np.float32), counts[:, :, 1].astype(np.float32)
    # A break falls on either side of a space, but only once between two letters: hence 2.
    sides = np.log((2 * apart + 0.5) / (joined + 0.5))
    return np.concatenate([sides, 0.5 * np.log1p(apart + joined)], axis=1)


def count_contexts(windows: NDArray[np.intp], lines: Sequence[str]) -> NDArray[np.int64]:
    """(N, contexts, 2): how often each window's contexts stand in `lines` with and without a space.

    A place is counted where Hangul stands on one side at least. Contexts on both sides start from
    the pair of characters at the place, so only places with a pair of `windows` are looked at; of
    the longer contexts on one side likewise.
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
    """Hashes of the contexts on `side` of the places between `left` and `right`, by place in CONTEXTS."""
    before = _prefix_hashes(codes, left, -1) if side != "right" else None
    after = _prefix_hashes(codes, right, 1) if side != "left" else None
    # A word may be shorter than the pair that it starts from, and must still tell one pair from another.
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
    """Hashes of the 0, 1, … 4 codes from `start` on, and last of the Hangul there."""
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
    """(N, 2): how many of `found` equal each of `keys`, with and without a blank."""
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
