"""A question and passages → an answer without a model: the sentences that answer best, word for word."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.document import CELL_SEPARATOR
from ingest.korean.analyse import HANGUL_RUN, ITEM_LETTERS, fold, sentence_spans
from rag.answer import PackedPassage
from rag.evidence.citations import names_columns
from rag.evidence.support import terms, trim
from rag.prompting.prompts import ABSTENTION, in_other_brackets

# Question words («what», «when», «how much», «please explain»): an answer need not hold them.
ASKING = re.compile(
    r"무엇|무슨|어떤|어떻게|어디|언제|누구|누가|얼마나?|며칠|몇|왜|어느|인가요?|입니까|합니까|습니까|됩니까|나요|까요"
    r"|하나요|되나요|있나요|알려\s?주세요|알려줘|설명해\s?주세요|해\s?주세요|궁금합니다|대해|대하여|관하여|관해"
)
# A heading or a caption: it names the topic of the next lines, and states nothing itself.
HEADING = re.compile(
    r"제\s?\d+\s?(?:편|장|절|관|조)(?:의\s?\d+)?\s?(?:[(（][^)）]*[)）]|[^.。]{0,30})"
    r"|[<〈\[【][^>〉\]】]{1,20}[>〉\]】][^.。\d]{0,40}"
    rf"|(?:[Ⅰ-Ⅻ]+|\d{{1,2}}|[{ITEM_LETTERS}])\.\s[^.。\d]{{1,25}}"
)
# Pairs of patterns: one of questions (when; how many; why), and one of the words that answer such a question.
ANSWER_KINDS = (
    (
        re.compile(r"언제|날짜|일자|시기|며칠|몇\s?(?:년|월|일)|기한|기간"),
        re.compile(r"\d\s?(?:년|월|일|개월|주|시간|분)|\d{4}\."),
    ),
    (re.compile(r"몇|얼마|비율|금액|규모|개수|횟수|수는|율은|액은|나이|점수"), re.compile(r"\d")),
    (re.compile(r"왜|이유|까닭|원인"), re.compile(r"때문|위하여|위해|으로 인|따라|므로|아서|어서|해서")),
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One sentence of a passage, and its terms."""

    passage: PackedPassage
    text: str
    terms: frozenset[str]


# Weights, chosen by how often the first sentence is right on 1,200 questions of the training half of KorQuAD.
NEIGHBOUR = 0.25
CONTEXT = 0.5
KIND = 0.08
RANK = 0.5
HEADING_SCORE = 0.4
# The passage of the best sentence must hold this share of the question's terms. On 240 training questions whose gold
# pages were taken away, .35 abstains on 3 of 5 that are about other topics. Of the questions that can be answered it
# keeps 99 % (korquad1) and 90 % (welfare).
ABSTAIN_BELOW = 0.35
# Further sentences must score at least .7 of the best one; an answer has at most 3 sentences.
ALSO_ABOVE = 0.7
MOST = 3


def extract(question: str, passages: Sequence[PackedPassage]) -> str:
    """The at most `MOST` sentences that answer `question` best, one on each line, each with its passage's marker.

    The abstention if no passage holds enough of the question's terms.
    """
    ranked = rank_sentences(question, passages)
    if not ranked or not answerable(question, ranked[0][0].passage):
        return ABSTENTION
    best = ranked[0][1]
    chosen: list[Candidate] = []
    for candidate, score in ranked:
        if len(chosen) == MOST or score < ALSO_ABOVE * best:
            break
        if not any(_repeats(candidate, other) for other in chosen):
            chosen.append(candidate)
    return "\n".join(f"{in_other_brackets(one_line(c.text))} [{c.passage.marker}]" for c in chosen)


def rank_sentences(question: str, passages: Sequence[PackedPassage]) -> list[tuple[Candidate, float]]:
    """Every sentence of `passages` with its score, best first; rows that only name columns are left out.

    The score is the IDF-weighted share of the question's terms that the sentence holds. Terms in its neighbours, its
    breadcrumb and its column names count in part; an answer of the kind asked for raises the score, and a heading or
    a passage of low score lowers it. Ties stay in reading order. Empty if there are no terms or no sentences.
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
    columns = _column_terms(candidates)
    contexts = {passage.marker: _context_terms(passage) for passage in passages}

    def share(held: frozenset[str]) -> float:
        return sum(weights[term] for term in wanted & held) / total

    ranked = []
    for index, candidate in enumerate(candidates):
        if _names_columns(candidates, index):  # column names are shown with their rows, and say nothing alone
            continue
        own = share(candidate.terms)
        nearby = share(_with_neighbours(candidates, index))
        context = share(candidate.terms | contexts[candidate.passage.marker] | columns[index])
        score = own + NEIGHBOUR * (nearby - own) + CONTEXT * (context - own)
        score += KIND * any(kind.search(candidate.text) for kind in kinds)
        if HEADING.fullmatch(candidate.text):
            score *= HEADING_SCORE
        score *= 1 - RANK + RANK * max(0.0, candidate.passage.score) / best_score
        ranked.append((candidate, score))
    return sorted(ranked, key=lambda pair: -pair[1])  # stable: ties stay in reading order


def answerable(question: str, passage: PackedPassage) -> bool:
    """Whether `passage`, with its title and breadcrumb, holds enough of the question's terms to answer it."""
    wanted = question_terms(question)
    held = terms_of(passage.text) | _context_terms(passage)
    return len(wanted & held) >= ABSTAIN_BELOW * len(wanted)


def question_terms(question: str) -> frozenset[str]:
    """The terms of `question` without its question words; all its terms if it has no others."""
    asked = ASKING.sub(" ", question)
    return terms_of(asked) or terms_of(question)


def terms_of(text: str) -> frozenset[str]:
    """The terms of `text`: Hangul bigrams, beginnings of Hangul words, Latin words and numbers.

    With the beginnings, a match at the start of a word, where Korean has the stem, counts more than a match inside a
    word: .856 instead of .848 on 1,200 questions.
    """
    return terms(text) | {f"^{run[:n]}" for run in HANGUL_RUN.findall(fold(text)) for n in (2, 3)}


def one_line(text: str) -> str:
    """`text` on one line, each run of blanks as one."""
    return " ".join(text.split())


def _candidates(passage: PackedPassage) -> list[Candidate]:
    return [
        Candidate(passage, text, terms_of(text))
        for start, end in sentence_spans(passage.text)
        if (text := trim(passage.text[start:end]))
    ]


def _context_terms(passage: PackedPassage) -> frozenset[str]:
    return terms_of(f"{passage.title} {passage.context}")


def _with_neighbours(candidates: Sequence[Candidate], index: int) -> frozenset[str]:
    """Terms of the candidate at `index` and of the sentences beside it in its passage."""
    around = candidates[max(0, index - 1) : index + 2]
    same = (c.terms for c in around if c.passage is candidates[index].passage)
    return frozenset().union(*same)


def _column_terms(candidates: Sequence[Candidate]) -> list[frozenset[str]]:
    """For each candidate that is a row, the terms of the row above that names its columns."""
    found: list[frozenset[str]] = []
    names: frozenset[str] = frozenset()
    for index, candidate in enumerate(candidates):
        if _names_columns(candidates, index):
            names = candidate.terms
        elif CELL_SEPARATOR not in candidate.text or candidate.passage is not candidates[index - 1].passage:
            names = frozenset()
        found.append(names)
    return found


def _names_columns(candidates: Sequence[Candidate], index: int) -> bool:
    """Whether the candidate at `index` is the row above the other rows of its table."""
    row, passage = candidates[index].text, candidates[index].passage

    def is_row(place: int) -> bool:
        near = candidates[place] if 0 <= place < len(candidates) else None
        return near is not None and near.passage is passage and CELL_SEPARATOR in near.text

    return is_row(index) and is_row(index + 1) and not is_row(index - 1) and names_columns(row)


def _idf(frequency: int, count: int) -> float:
    return math.log(1 + (count - frequency + 0.5) / (frequency + 0.5))


def _repeats(candidate: Candidate, other: Candidate) -> bool:
    shared = len(candidate.terms & other.terms)
    return shared >= 0.7 * max(1, min(len(candidate.terms), len(other.terms)))
