"""Korean text: sentence spans and index terms.

Kiwi does the morphology. Loading it takes about 3 s and 0.5 GB, so one lives per process and is
loaded at first use; forked children share it. `BigramAnalyser` needs neither.
"""

import hashlib
import re
import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Protocol

from ingest.document import CELL_SEPARATOR
from ingest.errors import MissingDependency

# Kiwi's tags that carry content: nouns, numbers, verbs, adjectives, roots, foreign words, Hanja.
CONTENT_TAGS = frozenset(["NNG", "NNP", "NNB", "NR", "NP", "VV", "VA", "XR", "MAG", "SL", "SH", "SN"])
# Content tags whose one-syllable forms say nothing (것, 수, 등, 하다, 되다 …).
WEAK_TAGS = frozenset(["NNB", "NP", "VV", "VA", "MAG"])

# Raised whenever the same text could have other terms: an index tells by it what it was built with.
TERMS = "bigram-2"

# The marks of items, 가. 나. 다. to 하., then 거. to 호.; the range 가-하 would be almost every syllable.
ITEM_LETTERS = "가나다라마바사아자차카타파하거너더러머버서어저처커터퍼허고노도로모보소오조초코토포호"

HANGUL_RUN = re.compile(r"[가-힣]+")
LETTERS = "a-z\u00c0-\u024f\u0370-\u03ff\u3040-\u30ff"
WORD = re.compile(rf"[0-9{LETTERS}]+(?:[.,][0-9]+)*|[\u3400-\u9fff\uf900-\ufaff]+")
# Numbers of documents and products: 안전-2024-013, KS-C-0262. What hyphens join, and how much of that is a
# name: up to its last part that begins with a digit, and Latin ones behind.
HYPHENATED = re.compile(r"(?<![0-9a-z가-힣])[0-9a-z가-힣]++(?:-[0-9a-z가-힣]++)++")
NUMBERED_NAME = re.compile(r".*-\d+(?:-[0-9a-z]+)*")
WORD_PART = re.compile(
    rf"\d+(?:,\d{{3}})+(?:\.\d+)?|(?<![\d.])\d+\.\d+(?!\.?\d)|\d+|[{LETTERS}]+|[\u3400-\u9fff\uf900-\ufaff]+"
)

# A sentence ends at a line end, or at closing punctuation that is followed by a space. A full
# stop after a digit or a single letter is a date, a number or a list mark (2024. 3. 1., 가.).
SENTENCE_END = re.compile(
    r"\n+"
    rf"|(?<=[가-힣A-Za-z%)\]」』”’\"'》>])(?<![\s(][{ITEM_LETTERS}])(?<!^[{ITEM_LETTERS}])[.。!?…]+[\"'”’)\]」』》]*"
    r"(?:<[^<>\n]{1,60}>|\[[^\[\]\n]{1,60}\])*(?:[ \t]+|(?=\n)|$)\n*",
    re.MULTILINE,
)

# A row of a table is one sentence, whatever its cells hold: cut, it would lose its name. One longer
# than this is cut all the same.
LONGEST_ROW = 600


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Spans of the sentences of `text`, which they tile; trailing blanks belong to the sentence before.

    A sentence that ends at a line break, such as a list item or a row, counts as one.
    """
    spans, start, row_end, looked = [], 0, -1, 0  # from `start` to `looked` there are only blanks
    for match in SENTENCE_END.finditer(text):
        if match.start() > row_end and "\n" not in match[0]:
            row_end = _row_end(text, match.start())
        if match.end() < row_end:
            continue
        if match.end() > start and text[looked : match.end()].strip():
            spans.append((start, match.end()))
            start = match.end()
        looked = match.end()
    if start < len(text):
        if text[start:].strip() or not spans:
            spans.append((start, len(text)))
        else:
            spans[-1] = (spans[-1][0], len(text))
    return spans


def _row_end(text: str, position: int) -> int:
    """Where the row at `position` of `text` ends; `position` where the line there is no row."""
    low, high = max(0, position - LONGEST_ROW), position + LONGEST_ROW
    start, end = max(low, text.rfind("\n", low, position) + 1), text.find("\n", position, high)
    end = min(high, len(text)) if end < 0 else end
    return end if end - start <= LONGEST_ROW and CELL_SEPARATOR in text[start:end] else position


def bigrams(text: str) -> list[str]:
    """Character bigrams of the Hangul runs of `text`, a run of one syllable as itself."""
    terms = []
    for run in HANGUL_RUN.findall(text):
        terms += [run[i : i + 2] for i in range(len(run) - 1)] or [run]
    return terms


def fold(text: str) -> str:
    """`text` as the index sees it: compatibility forms (㎡, ①, Ｂ) resolved, lower case."""
    return unicodedata.normalize("NFKC", text).lower()


class Analyser(Protocol):
    """Text → index terms. `name` goes into the index's manifest: both sides must use the same."""

    name: str

    def terms(self, texts: Sequence[str]) -> list[list[str]]:
        """The terms of each text, repeats kept, in no particular order."""
        ...


class BigramAnalyser:
    """Hangul bigrams, Latin words, numbers and Hanja: no dependency, no start-up cost."""

    name = TERMS

    def terms(self, texts: Sequence[str]) -> list[list[str]]:
        return [bigrams(folded) + words(folded) for folded in map(fold, texts)]


class KiwiAnalyser:
    """Content morphemes by Kiwi, and bigrams beside them, which forgive what Kiwi cuts wrongly."""

    def __init__(self) -> None:
        try:
            import kiwipiepy
        except ImportError as exc:
            raise MissingDependency(library="kiwipiepy", extra="") from exc
        self.name = f"kiwi-{kiwipiepy.__version__}+{TERMS}"

    def terms(self, texts: Sequence[str]) -> list[list[str]]:
        tokenize = load_kiwi().tokenize
        return [
            [*_content_forms(tokenize(folded)), *bigrams(folded), *words(folded)]
            for folded in map(fold, texts)
        ]


class DictionaryAnalyser:
    """Another analyser's terms, and the words of a user's dictionary that stand in a text, however spaced.

    Names of departments and products, which no analyser knows and cuts anywhere, so count as a whole.
    """

    def __init__(self, analyser: Analyser, dictionary: Sequence[str]) -> None:
        """
        Args:
            dictionary: words; blanks and case in them do not matter.
        """
        self._analyser = analyser
        known = sorted({_unspaced(word) for word in dictionary} - {""}, key=lambda word: (-len(word), word))
        digest = hashlib.sha256("\n".join(known).encode()).hexdigest()[:8]
        self.name = f"{analyser.name}+dictionary-{digest}"
        self._words = re.compile("|".join(map(re.escape, known)) or "(?!)")

    def terms(self, texts: Sequence[str]) -> list[list[str]]:
        found = self._analyser.terms(texts)
        for terms, text in zip(found, texts, strict=True):
            terms += [f"!{word}" for word in self._words.findall(_unspaced(text))]
        return found


def _unspaced(text: str) -> str:
    return "".join(fold(text).split())


def words(folded: str) -> list[str]:
    """Latin words, numbers (without thousands separators) and Hanja runs of folded text.

    What joins several, such as 30m2, 2024.10.19 or 안전-2024-013, also gives each: 30 ㎡ must find 30㎡.
    """
    found = []
    for word in WORD.findall(folded):
        parts = [part.replace(",", "") for part in WORD_PART.findall(word)]
        found += parts if len(parts) == 1 else [word.replace(",", ""), *parts]
    names = map(NUMBERED_NAME.match, HYPHENATED.findall(folded))
    return found + [name[0] for name in names if name]


def _content_forms(tokens: Iterable) -> list[str]:
    # SN, SL and SH come from `words`, which keeps 12.5 and 1,234 whole.
    return [
        token.form
        for token in tokens
        if token.tag.partition("-")[0] in CONTENT_TAGS
        and token.tag not in ("SN", "SL", "SH")
        and not (len(token.form) == 1 and token.tag.partition("-")[0] in WEAK_TAGS)
        and " " not in token.form
    ]


@lru_cache(maxsize=1)
def load_kiwi():
    """The process's one Kiwi, ready for use: what it would load later, forked children would not share.

    Without threads: its own were slower than processes, and a forked child has none of them (with
    `num_workers=1`, kiwipiepy 0.24.1 hangs there for ever).
    """
    try:
        from kiwipiepy import Kiwi
    except ImportError as exc:
        raise MissingDependency(library="kiwipiepy", extra="") from exc
    with warnings.catch_warnings(category=DeprecationWarning, action="ignore"):
        kiwi = Kiwi(num_workers=0)  # 0 meant another thing before 0.21, and it warns of that
    kiwi.tokenize("가")
    return kiwi


@lru_cache(maxsize=4)
def open_analyser(name: str, dictionary: tuple[str, ...] = ()) -> Analyser:
    """The analyser called `name` in the configuration, "kiwi" or "bigram", with a user's words."""
    if dictionary:
        return DictionaryAnalyser(open_analyser(name), dictionary)
    if name == "kiwi":
        return KiwiAnalyser()
    if name == "bigram":
        return BigramAnalyser()
    raise ValueError(f"analyser must be kiwi or bigram, got {name!r}")
