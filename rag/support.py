"""Does the cited text support the sentence? Words, numbers and negation, without a model."""

import re
from collections.abc import Iterable
from functools import lru_cache

from ingest.korean import bigrams, fold, sentence_spans, words
from rag.answer import Support

NUMBER = re.compile(r"\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
NEGATION = re.compile(r"않|아니|없|못하|못한|금지|제외|불가|미만|불허")
# Shares of a sentence's words that stand in the quote: above the first it is supported, above the
# second in part.
SUPPORTED, PARTIAL = 0.6, 0.3
# Words of answers that no source needs to hold.
FRAMING = re.compile(
    r"(?:문서|발췌문|규정|자료|보고서)에 (?:따르면|의하면)|다음과 같습니다|입니다|습니다|합니다|됩니다"
)


def verdict(claim: str, quote: str, around: str = "") -> Support:
    """Whether `quote` carries `claim`; `around` is its passage's breadcrumb and title.

    A number of the claim must stand in the quote as a number (1,234 equals 1234, 12.5 is not 12).
    """
    if not claim.strip():
        return "supported"
    covered = coverage(claim, f"{around}\n{quote}")
    if not numbers(claim) <= numbers(f"{around}\n{quote}"):
        return "partial" if covered >= SUPPORTED else "unsupported"
    if bool(NEGATION.search(claim)) != bool(NEGATION.search(quote)):
        covered = min(covered, SUPPORTED - 0.01)
    if covered >= SUPPORTED:
        return "supported"
    return "partial" if covered >= PARTIAL else "unsupported"


def coverage(claim: str, source: str) -> float:
    """Share of the distinct terms of `claim` (Hangul bigrams, words, numbers) that `source` holds."""
    wanted = terms(FRAMING.sub(" ", claim)) or terms(claim)
    return len(wanted & terms(source)) / len(wanted) if wanted else 1.0


def numbers(text: str) -> set[str]:
    """The numbers in `text`, without thousands separators and trailing zeros after the point."""
    return {_plain(match) for match in NUMBER.findall(fold(text))}


@lru_cache(maxsize=4096)
def terms(text: str) -> frozenset[str]:
    """The distinct terms that two texts are compared by."""
    folded = fold(text)
    return frozenset([*bigrams(folded), *words(folded)])


def best_span(claim: str, text: str) -> tuple[int, int]:
    """The sentence of the non-empty `text` that supports `claim` best, without blanks around it.

    The first of equals; numbers of the claim count double.
    """
    wanted = numbers(claim)

    def score(span: tuple[int, int]) -> float:
        sentence = text[span[0] : span[1]]
        found = len(wanted & numbers(sentence)) / len(wanted) if wanted else 0.0
        return coverage(claim, sentence) + found

    start, end = max(sentence_spans(text), key=score)
    sentence = text[start:end]
    return (
        start + len(sentence) - len(sentence.lstrip()),
        end - len(sentence) + len(sentence.rstrip()),
    )


def strongest(verdicts: Iterable[Support]) -> Support:
    """The best of the verdicts on one sentence's citations; "uncited" where there are none."""
    order: tuple[Support, ...] = ("supported", "partial", "unsupported", "uncited")
    return min(verdicts, key=order.index, default="uncited")


def _plain(number: str) -> str:
    number = number.replace(",", "")
    return number.rstrip("0").rstrip(".") if "." in number else number
