"""The Korean text before a figure → the noun phrase that it ends with, which says what the figure is of.

Kiwi, the morphological analyser, reads the text.
"""

import re
from collections.abc import Sequence
from typing import Any

from ingest.korean.analyse import load_kiwi

# A longer phrase is no name.
PHRASE_CHARACTERS = 40
# Kiwi's tags. NOUNS: what a noun phrase is made of; PARTICLES and BETWEEN: what may stand between it and its
# figure; CLAUSE_ENDS: what ends a clause; NAMING: what carries a name.
NOUNS = frozenset(
    ("NNG", "NNP", "NNB", "NR", "SN", "SL", "SH", "XSN", "XPN", "XR", "JKG", "JC", "MM", "SP", "SO", "SW")
)
PARTICLES, PARTICLES_BETWEEN = frozenset(("JKS", "JX", "JKG", "JKO", "JKB")), frozenset("은는이가도의을를에")
BETWEEN = frozenset(("MAG", "MM", "SP"))
CLAUSE_ENDS = frozenset(("EC", "EF", "SF", "MAJ", "SB"))
NAMING = frozenset(("NNG", "NNP", "SL", "XR"))
NOUN_PARTS = NAMING | {"XSN", "XPN", "NNB", "SN"}
OPENED = re.compile(r"\s?[(（][^()（）]*$")
BRACKETS = ("()", "「」", "[]", "〔〕", "“”", "‘’")
EITHER = frozenset(("또는", "및"))
NOT_OF_IT = re.compile(r"^(?:(?:이\s)?(?:경우|가운데|중)|다만,?|그|해당|위|동)\s")
# Nouns that say nothing about a figure: EMPTY ones, QUALIFIERS such as «about» and «in total», and RELATIONS such
# as «compared with», which need the subject before them.
EMPTY = re.compile(
    "경우|때|다음|이상|이하|이내|초과|미만|각각|기준|것|등|날|후|전|내|해당|위|아래|수|중|바|정도|이후|이전|다만|각호|호|항|조|이|그|조건|범위|한도|한|자|"
    "년|월|일|회|번|당시|현재|사실|하나|모두|내외|동시"
)
QUALIFIERS = re.compile(
    "총|약|평균|최대|최소|최고|최저|연|연간|월|각|각각|모두|전체|전국|합계|최근|매|단|무려|최종|등|또|추가|기존|종전"
)
RELATIONS = re.compile(
    "대비|중|가운데|비|동기|전년|전월|증가|감소|상승|하락|확대|축소|개선|악화|둔화|유지|기록|조정|수준"
)


def noun_phrase(before: str) -> str:
    """The noun phrase at the end of `before`, which ends where a figure begins; "" if it ends with none.

    A single noun comes with the clause that describes it («보험에 가입한 비중», the share that took out
    insurance), and a relation with its subject («매출액은 전년 대비», sales compared with the year before).
    The phrase has at most `PHRASE_CHARACTERS` characters.
    """
    before = OPENED.sub("", before)
    cut = max(0, len(before) - 4 * PHRASE_CHARACTERS)
    tokens = load_kiwi().tokenize(before[cut:])
    end = _without_qualifiers(tokens, len(tokens))
    start = _phrase_start(tokens, end)
    names = [token.form for token in tokens[start:end] if token.tag in NAMING]
    if all(len(name) == 1 for name in names) or tokens[end - 1].tag not in NOUN_PARTS:
        return ""
    described = len(names) == 1 and start and tokens[start - 1].tag == "ETM"
    if described or RELATIONS.fullmatch(tokens[end - 1].form):
        start = _clause_start(tokens, start)
    if cut and start == 0:  # the phrase may begin before the cut
        return ""
    phrase = before[cut + tokens[start].start : cut + tokens[end - 1].start + tokens[end - 1].len]
    phrase = " ".join(NOT_OF_IT.sub("", phrase).split())
    return phrase if _is_name(phrase) else ""


def counted_noun(behind: str) -> str:
    """The noun that a figure counts, at the start of `behind`, the text after the figure; "" if none is there."""
    if not re.match(r"\s[가-힣]{2}", behind):
        return ""
    end = 0
    for token in load_kiwi().tokenize(behind[:PHRASE_CHARACTERS]):
        if token.tag not in NAMING or EMPTY.fullmatch(token.form) or token.start > end + 1:
            break
        end = token.start + token.len
    return behind[:end].strip()


def _is_name(phrase: str) -> bool:
    """Whether the phrase by itself says what something is."""
    if not 1 < len(phrase) <= PHRASE_CHARACTERS or not phrase[-1].isalnum():
        return False
    return balanced(phrase) and not EMPTY.fullmatch(phrase.rsplit(maxsplit=1)[-1])


def balanced(text: str) -> bool:
    """Whether `text` has as many opening as closing brackets of each kind."""
    return all(text.count(one) == text.count(other) for one, other in BRACKETS)


def _without_qualifiers(tokens: Sequence[Any], end: int) -> int:
    """The number of tokens left without the particle and adverbs at the end, such as «이 약» of «비중이 약»."""
    while end:
        token = tokens[end - 1]
        if token.tag == "SSC" and (opened := _opening(tokens, end - 1)):
            end = opened
        elif token.form in PARTICLES_BETWEEN if token.tag in PARTICLES else _qualifies(token):
            end -= 1
        else:
            break
    return end


def _qualifies(token: Any) -> bool:
    return token.tag in BETWEEN or bool(QUALIFIERS.fullmatch(token.form))


def _opening(tokens: Sequence[Any], closing: int) -> int:
    """The index of the parenthesis that the one at `closing` closes; 0 if there is none."""
    return next((place for place in range(closing - 1, 0, -1) if tokens[place].tag == "SSO"), 0)


def _phrase_start(tokens: Sequence[Any], end: int) -> int:
    start = end
    while start and (tokens[start - 1].tag in NOUNS or tokens[start - 1].form in EITHER):
        if tokens[start - 1].form in ",:":
            break
        start -= 1
    while (
        start < end and tokens[start].tag not in NAMING and tokens[start].tag not in ("SN", "XPN", "MM", "NR")
    ):
        start += 1
    return start


def _clause_start(tokens: Sequence[Any], start: int) -> int:
    while start and tokens[start - 1].tag not in CLAUSE_ENDS and tokens[start - 1].form not in ",:":
        start -= 1
    return start
