"""Korean text → sentence spans and index terms.

Kiwi does the morphology. Loading it takes about 3 s and 0.5 GB, so each process has one, loaded at
first use; forked children share their parent's. `BigramAnalyser` works without Kiwi.
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
# Content tags whose one-syllable forms carry no meaning (것, 수, 등, 하다, 되다 …).
WEAK_TAGS = frozenset(["NNB", "NP", "VV", "VA", "MAG"])

# Version of the terms, stored in each index. It is raised whenever a change may give a text other terms.
TERMS = "bigram-2"

# The letters that number list items, in order: 가. to 하., 거. to 허., 고. to 호. As a range of characters, 가-호
# would be almost every syllable.
ITEM_LETTERS = "가나다라마바사아자차카타파하거너더러머버서어저처커터퍼허고노도로모보소오조초코토포호"

HANGUL_RUN = re.compile(r"[가-힣]+")
LETTERS = "a-z\u00c0-\u024f\u0370-\u03ff\u3040-\u30ff"
WORD = re.compile(rf"[0-9{LETTERS}]+(?:[.,][0-9]+)*|[\u3400-\u9fff\uf900-\ufaff]+")
# Numbers of documents and products, such as 안전-2024-013 and KS-C-0262. HYPHENATED: parts that hyphens join.
# NUMBERED_NAME: how much of that is a name: up to its last part of digits, and Latin parts right after it.
HYPHENATED = re.compile(r"(?<![0-9a-z가-힣])[0-9a-z가-힣]++(?:-[0-9a-z가-힣]++)++")
NUMBERED_NAME = re.compile(r".*-\d+(?:-[0-9a-z]+)*")
WORD_PART = re.compile(
    rf"\d+(?:,\d{{3}})+(?:\.\d+)?|(?<![\d.])\d+\.\d+(?!\.?\d)|\d+|[{LETTERS}]+|[\u3400-\u9fff\uf900-\ufaff]+"
)

# A sentence ends at a line end, or at closing punctuation that a space follows. A full stop after a digit or
# a single item letter belongs to a date, a number or a list item (2024. 3. 1., 가.).
SENTENCE_END = re.compile(
    r"\n+"
    rf"|(?<=[가-힣A-Za-z%)\]」』”’\"'》>])(?<![\s(][{ITEM_LETTERS}])(?<!^[{ITEM_LETTERS}])[.。!?…]+[\"'”’)\]」』》]*"
    r"(?:<[^<>\n]{1,60}>|\[[^\[\]\n]{1,60}\])*(?:[ \t]+|(?=\n)|$)\n*",
    re.MULTILINE,
)

# In characters. A row of a table up to this length is one sentence, whatever its cells hold: its values belong
# to the name in its first cell. A longer row is cut like other text.
LONGEST_ROW = 600


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """The spans of the sentences of `text`, in order; they tile it.

    Blanks after a sentence belong to it. A line break ends a sentence, so list items and table rows are
    sentences.
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
    """The end of the table row that contains `position`; `position` itself if its line is not a row."""
    low, high = max(0, position - LONGEST_ROW), position + LONGEST_ROW
    start, end = max(low, text.rfind("\n", low, position) + 1), text.find("\n", position, high)
    end = min(high, len(text)) if end < 0 else end
    return end if end - start <= LONGEST_ROW and CELL_SEPARATOR in text[start:end] else position


def bigrams(text: str) -> list[str]:
    """The character bigrams of each Hangul run of `text`; a run of one syllable gives that syllable."""
    terms = []
    for run in HANGUL_RUN.findall(text):
        terms += [run[i : i + 2] for i in range(len(run) - 1)] or [run]
    return terms


def fold(text: str) -> str:
    """`text` as the index sees it: in lower case, with compatibility forms (㎡, ①, Ｂ) resolved by NFKC."""
    return unicodedata.normalize("NFKC", text).lower()


class Analyser(Protocol):
    """Text → index terms.

    `name` is stored in an index's manifest: documents and questions must be analysed by the same one.
    """

    name: str

    def terms(self, texts: Sequence[str]) -> list[list[str]]:
        """The terms of each text, with repeats, in no particular order."""
        ...


class BigramAnalyser:
    """Terms are Hangul bigrams, Latin words, numbers and Hanja; needs no library and no time to start."""

    name = TERMS

    def terms(self, texts: Sequence[str]) -> list[list[str]]:
        return [bigrams(folded) + words(folded) for folded in map(fold, texts)]


class KiwiAnalyser:
    """Terms are Kiwi's content morphemes and those of `BigramAnalyser`, which make up for Kiwi's mistakes."""

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
    """Terms are another analyser's, and the words of a user's dictionary that a text contains, however spaced.

    So names of departments and products, which an analyser does not know and cuts anywhere, count whole.
    """

    def __init__(self, analyser: Analyser, dictionary: Sequence[str]) -> None:
        """
        Args:
            analyser: the other analyser.
            dictionary: words; their blanks and case do not matter.
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
    """The Latin words, numbers (without thousands separators) and Hanja runs of folded text.

    A compound such as 30m2 or 2024.10.19 gives itself and each part, so that «30 ㎡» finds «30㎡». The
    names of documents and products, such as 안전-2024-013, come whole at the end.
    """
    found = []
    for word in WORD.findall(folded):
        parts = [part.replace(",", "") for part in WORD_PART.findall(word)]
        found += parts if len(parts) == 1 else [word.replace(",", ""), *parts]
    names = map(NUMBERED_NAME.match, HYPHENATED.findall(folded))
    return found + [name[0] for name in names if name]


def _content_forms(tokens: Iterable) -> list[str]:
    # Numbers, Latin words and Hanja (SN, SL, SH) come from `words`, which keeps 12.5 and 1,234 whole.
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
    """The one Kiwi of this process, fully loaded: what it loaded later, forked children would not share.

    It has no threads. Kiwi's threads were slower than processes, and do not exist in a forked child,
    where kiwipiepy 0.24.1 with `num_workers=1` hangs for ever.

    Raises:
        MissingDependency: kiwipiepy is not installed.
    """
    try:
        from kiwipiepy import Kiwi
    except ImportError as exc:
        raise MissingDependency(library="kiwipiepy", extra="") from exc
    with warnings.catch_warnings(category=DeprecationWarning, action="ignore"):
        kiwi = Kiwi(num_workers=0)  # 0: no threads; it warns that 0 meant another thing before 0.21
    kiwi.tokenize("가")
    return kiwi


@lru_cache(maxsize=4)
def open_analyser(name: str, dictionary: tuple[str, ...] = ()) -> Analyser:
    """The analyser that the configuration calls `name`, "kiwi" or "bigram", with the words of `dictionary`.

    Raises:
        ValueError: another name.
        MissingDependency: "kiwi" without kiwipiepy.
    """
    if dictionary:
        return DictionaryAnalyser(open_analyser(name), dictionary)
    if name == "kiwi":
        return KiwiAnalyser()
    if name == "bigram":
        return BigramAnalyser()
    raise ValueError(f"analyser must be kiwi or bigram, got {name!r}")
