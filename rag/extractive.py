"""An answer without a model: the sentences of the passages that answer best, word for word."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.korean import HANGUL_RUN, bigrams, fold, sentence_spans, words
from rag.answer import PackedPassage
from rag.prompts import ABSTENTION

# Words of questions that no answer needs to hold.
ASKING = re.compile(
    r"무엇|무슨|어떤|어떻게|어디|언제|누구|누가|얼마나?|며칠|몇|왜|어느|인가요?|입니까|합니까|습니까|됩니까|나요|까요"
    r"|하나요|되나요|있나요|알려\s?주세요|알려줘|설명해\s?주세요|해\s?주세요|궁금합니다|대해|대하여|관하여|관해"
)
# What kind of words a question asks for, and what they look like.
ANSWER_KINDS = (
    (re.compile(r"언제|날짜|일자|시기|며칠|몇\s?(?:년|월|일)|기한|기간"), re.compile(r"\d+\s?(?:년|월|일|개월|주|시간|분)|\d{4}\.")),
    (re.compile(r"몇|얼마|비율|금액|규모|개수|횟수|수는|율은|액은|나이|점수"), re.compile(r"\d")),
    (re.compile(r"왜|이유|까닭|원인"), re.compile(r"때문|위하여|위해|으로 인|따라|므로|아서|어서|해서")),
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One sentence of a passage: where it stands, and its terms."""

    passage: PackedPassage
    position: int
    text: str
    terms: frozenset[str]


# Weights, tuned on questions of the KorQuAD training half; see eval/extractive.py.
NEIGHBOUR = 0.25
CONTEXT = 0.5
KIND = 0.08
RANK = 0.5
# The best sentence and its surroundings must hold this share of what the question asks about.
ABSTAIN_BELOW = 0.34
# Further sentences must be this good beside the best one, and there are at most so many.
ALSO_ABOVE = 0.7
MOST = 3


def extract(question: str, passages: Sequence[PackedPassage]) -> str:
    """The sentences that answer `question` best, each with its passage's marker; or the abstention."""
    ranked = rank_sentences(question, passages)
    if not ranked or ranked[0][2] < ABSTAIN_BELOW:
        return ABSTENTION
    best = ranked[0][1]
    chosen: list[Candidate] = []
    for candidate, score, _ in ranked:
        if len(chosen) == MOST or score < ALSO_ABOVE * best:
            break
        if not any(_repeats(candidate, other) for other in chosen):
            chosen.append(candidate)
    return "\n".join(f"{one_line(c.text)} [{c.passage.marker}]" for c in chosen)


def rank_sentences(
    question: str, passages: Sequence[PackedPassage]
) -> list[tuple[Candidate, float, float]]:
    """Every sentence of `passages` with its score and the share of the question found around it.

    Best first. A sentence scores the IDF-weighted share of the question's terms that it holds, and
    a part of what its neighbours, its breadcrumb and its passage's rank say for it.
    """
    wanted = question_terms(question)
    candidates = [c for passage in passages for c in _candidates(passage)]
    if not wanted or not candidates:
        return []
    frequency = Counter(term for c in candidates for term in c.terms & wanted)
    weights = {term: _idf(frequency[term], len(candidates)) for term in wanted}
    total = sum(weights.values())
    best_score = max(passage.score for passage in passages) or 1.0
    kinds = [answer for asked, answer in ANSWER_KINDS if asked.search(question)]
    context_terms = {p.marker: terms_of(f"{p.title} {p.context}") for p in passages}

    def share(terms: frozenset[str]) -> float:
        return sum(weights[term] for term in wanted & terms) / total

    ranked = []
    for index, candidate in enumerate(candidates):
        own = share(candidate.terms)
        around = [candidate.terms]
        for neighbour in candidates[max(0, index - 1) : index] + candidates[index + 1 : index + 2]:
            if neighbour.passage is candidate.passage:
                around.append(neighbour.terms)
        nearby = share(frozenset().union(*around))
        context = share(candidate.terms | context_terms[candidate.passage.marker])
        score = own + NEIGHBOUR * (nearby - own) + CONTEXT * (context - own)
        score += KIND * any(kind.search(candidate.text) for kind in kinds)
        score *= 1 - RANK + RANK * max(0.0, candidate.passage.score) / best_score
        found = share(frozenset().union(*around) | context_terms[candidate.passage.marker])
        ranked.append((candidate, score, found))
    order = sorted(range(len(ranked)), key=lambda i: -ranked[i][1])
    return [ranked[i] for i in order]


def question_terms(question: str) -> frozenset[str]:
    """The terms of `question` that an answer could hold: without the words that only ask."""
    asked = ASKING.sub(" ", question)
    return terms_of(asked) or terms_of(question)


def terms_of(text: str) -> frozenset[str]:
    """Hangul bigrams, beginnings of Hangul words, Latin words and numbers of `text`.

    The beginnings count a match at the start of a word, where Korean keeps the stem, above one
    inside it: .856 instead of .848 on 1,200 questions.
    """
    folded = fold(text)
    starts = {f"^{run[:n]}" for run in HANGUL_RUN.findall(folded) for n in (2, 3)}
    return frozenset([*bigrams(folded), *words(folded), *starts])


def one_line(text: str) -> str:
    """`text` on one line: a sentence of an answer."""
    return " ".join(text.split())


def _candidates(passage: PackedPassage) -> list[Candidate]:
    return [
        Candidate(passage, position, text, terms_of(text))
        for position, (start, end) in enumerate(sentence_spans(passage.text))
        if (text := passage.text[start:end].strip())
    ]


def _idf(frequency: int, count: int) -> float:
    return math.log(1 + (count - frequency + 0.5) / (frequency + 0.5))


def _repeats(candidate: Candidate, other: Candidate) -> bool:
    shared = len(candidate.terms & other.terms)
    return shared >= 0.7 * max(1, min(len(candidate.terms), len(other.terms)))
