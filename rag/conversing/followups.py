"""A follow-up question and what was asked before it → a question that stands alone, by rule.

«그럼 본부장은요?» ("and the division head?") after «팀장의 직책수당은 얼마인가요?» ("what is a team leader's allowance?")
becomes «본부장의 직책수당은 얼마인가요?» ("what is a division head's allowance?"). A question that stands alone is left
unchanged, to the letter. What is added comes from the last question in the form that stands alone, so that a
topic lasts for any number of turns.

A private function that tries one kind of question returns None where the question is not of that kind.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ingest.korean.analyse import load_kiwi
from ingest.korean.words import (
    ASKING,
    CLASSES,
    COUNTED,
    MEASURE,
    NOMINAL,
    NUMBER,
    ORDINAL,
    PAIRS,
    PARTICLE,
    RELATIONAL,
    Word,
    is_entity,
    is_of_years,
    is_period,
    is_proper,
    read_words,
    with_particle,
)
from ingest.structure.terms import find_references, squeeze

Rewrite = Literal["auto", "rule", "off"]


@dataclass(frozen=True, slots=True)
class ChatConfig:
    """How follow-up questions are made whole: "auto", by the model where there is one; by "rule"; "off"."""

    rewrite: Rewrite = "auto"

    def __post_init__(self) -> None:
        if self.rewrite not in get_args(Rewrite):
            raise ValueError(
                f"chat.rewrite must be one of {', '.join(get_args(Rewrite))}, got {self.rewrite!r}"
            )


@dataclass(frozen=True, slots=True)
class Asked:
    """What came before: a question that stands alone, its answer, and the place that was cited first.

    `title` and `context` are a document's title and a breadcrumb in it; empty where nothing was cited.
    """

    question: str
    answer: str = ""
    title: str = ""
    context: str = ""


# Openings such as «then» and «by the way». Only the strong ones show that the question goes on from the last one.
CONNECTIVE = re.compile(
    r"(?P<strong>그럼|그러면|그렇다면|그래서|그러니까)[,\s]+|(?:그런데|근데|그리고|또한?|혹시)[,\s]+"
)
PRONOUN = re.compile(
    r"(?<![가-힣])(?:[그이저](?P<short>[건걸게])|(?:[그이저][것거](?:들)?|[그이]들|그분|거기|여기|[그이]곳)"
    rf"(?P<particle>{PARTICLE})?)(?![가-힣])"
)
PLACE = re.compile(r"거기|여기|[그이]곳")
SHORT = {"건": "은", "걸": "을", "게": "이"}
MANNER = re.compile(r"(?<![가-힣])[그이]렇게(?![가-힣])")
AMONG = re.compile(r"(?<![가-힣])[그이]\s?(?:중|가운데)(?:에서|에)?(?=\s)")
THEN = re.compile(r"(?<![가-힣])[그이](?:때|\s경우)(?:에는|에도|에|는|도)?(?![가-힣])")
AFTER = re.compile(r"(?<![가-힣])그\s?(?P<after>뒤|후|다음)(?:에는|에|엔)?(?![가-힣])")
POINTED = re.compile(r"(?<![가-힣])(?P<det>[그이]|위|해당|앞의|상기)\s(?P<noun>[가-힣A-Za-z0-9]+)")
POINTERS = (PRONOUN, MANNER, AMONG, THEN, AFTER, POINTED)
NOT_POINTED = re.compile(r"밖|외|동안|대로|자체|중|가운데|경우|뒤|후|다음|전")
# Nouns by which «이 규정» (this rule) points at the cited document, and «해당 조항» (that clause) at a place in it.
DOCUMENT_NOUN = re.compile(rf"(?:규정|규칙|지침|법률?|시행령|조례|문서|보고서|계약서|매뉴얼)(?={PARTICLE}?$)")
PLACE_NOUN = re.compile(rf"(?:조항|조문|조|항|별표|표|절|장)(?={PARTICLE}?$)")

COMMAND = re.compile(r"(?:줘|주세요|주십시오|바랍니다|하라|해라)[.!]?$")
CONDITION = re.compile(r"면$")
COPULA_CONDITION = re.compile(r"이?(?:라)?면")
# «국내 출장은 어떤가요?» (how about trips at home?) asks no more than «국내 출장은요?» (trips at home?).
HOW_ABOUT = re.compile(r"(?<=[은는])\s(?:어떤가요|어때요|어떻습니까|어떠한가요|어떻죠)$")
# Tags of the word before the polite ending «요» of a fragment.
FRAGMENT_TAGS = NOMINAL | {"JX", "JKB", "JKS", "JKO", "MAG"}
IN_CASE = re.compile(r"^.{1,40}?의 경우 ")
# The topic of a question is given in at most this many words.
MOST_WORDS = 6
# A word takes the place of another if `alike` gives at least this.
ALIKE = 1
# What is made of a question may have at most this many characters more than it; beyond, it is no question any more.
LONGEST = 240


def stand_alone(question: str, last: Asked) -> str:
    """`question`, asked after `last`, in a form that stands alone; unchanged where it does so already.

    It is empty only where the question is.
    """
    opening = CONNECTIVE.match(question.strip())
    rest = question.strip()[opening.end() :] if opening else question.strip()
    if not rest:
        return question
    found = _pointing(rest, last) or _fragment(rest, last) or _parallel(rest, last) or _dependent(rest, last)
    if found is None and opening and opening["strong"]:
        found = _about(last.question, rest)
    if found is None:
        return question
    return found if 0 < len(found) <= LONGEST + len(question) else question


# Questions with a pronoun or another pointer


def _pointing(question: str, last: Asked) -> str | None:
    """`question` with its pronouns and «그 …» (that …) replaced; None where it has none.

    A pointer behind a noun of the question itself points at that noun, and stays: «휴직하면 그 기간은 …».
    """
    named = (word for word in read_words(question) if is_entity(word) or CLASSES.fullmatch(word.noun))
    first = next((word.start for word in named), len(question))
    pointers = [match.start() for pattern in POINTERS for match in pattern.finditer(question)]
    if not pointers or min(pointers) > first:
        return None
    topic = _topic(last.question)
    if not topic:
        return f"{last.question} {question}"
    place = _place_name(last.question) or topic
    said = question

    def pronoun(match: re.Match) -> str:
        particle = SHORT.get(match["short"] or "", match["particle"] or "")
        return with_particle(place if PLACE.match(match[0]) else topic, particle)

    said = PRONOUN.sub(pronoun, said)
    said = MANNER.sub(topic, said)
    said = AMONG.sub(f"{topic} 가운데", said)
    said = AFTER.sub(lambda match: f"{topic} {match['after']}에", said)
    said = THEN.sub(topic, said)
    said = POINTED.sub(lambda match: _named(match, last, topic), said)
    return said if said != question else None


def _place_name(previous: str) -> str:
    """The first proper name in `previous`, with the nouns joined to it; empty where there is none."""
    words = read_words(previous)
    first = next((index for index, word in enumerate(words) if word.proper), None)
    if first is None:
        return ""
    end = first
    while words[end].mark == "bare" and end + 1 < len(words) and words[end + 1].noun:
        end += 1
    return previous[words[first].start : words[end].start + len(words[end].noun)]


def _named(match: re.Match, last: Asked, topic: str) -> str:
    """What «그 기간» (that period), «이 규정» (this rule) or «해당 조항» (that clause) stands for."""
    noun = match["noun"]
    if NOT_POINTED.match(noun):
        return match[0]
    of_document = not noun.startswith("규정") or squeeze(last.title) in squeeze(last.question)
    # 규정 (rule) may be a document or a part of one.
    if DOCUMENT_NOUN.match(noun) and last.title and of_document:
        return _renamed(noun, DOCUMENT_NOUN, last.title)
    if PLACE_NOUN.match(noun):
        return _renamed(noun, PLACE_NOUN, _place(last) or topic)
    words = read_words(noun)
    stem = words[0].noun if words and words[0].noun else noun
    if match["det"] not in "그이" and not (RELATIONAL.fullmatch(stem) or CLASSES.fullmatch(stem)):
        return match[0]
    if fuller := _fuller(stem, last):
        return fuller + noun[len(stem) :]
    if CLASSES.fullmatch(stem):  # 그 회사 (that company): its name, not what was asked about it
        return with_particle(topic.partition("의 ")[0], noun[len(stem) :])
    return f"{topic} {noun}"


def _renamed(noun: str, pattern: re.Pattern, name: str) -> str:
    particle = noun[pattern.match(noun).end() :]
    return with_particle(name, particle)


def _place(last: Asked) -> str:
    """The article that the last question names, with its document; else the document and heading cited."""
    asked = next(find_references(last.question), None)
    if asked:
        before = last.question[: asked.start].rstrip()  # 취업규칙 제34조, 개인정보 보호법 제15조
        words = [word for word in read_words(before) if word.mark == "bare"] if before else []
        return " ".join([*(word.noun for word in words), last.question[asked.start : asked.end]])
    return f"{last.title} {last.context.split(' > ')[-1]}".strip()


def _fuller(stem: str, last: Asked) -> str:
    """The longer name of `stem` in the last question, else in its answer: 기간 (period) → 수습기간 (probation)."""
    for text in (last.question, last.answer):
        words = read_words(text)
        for index, word in enumerate(words):
            first = index
            while (
                first and words[first - 1].mark in ("bare", "of") and not ASKING.match(words[first - 1].noun)
            ):
                first -= 1
            if word.noun.endswith(stem) and (first < index or len(word.noun) > len(stem)):
                return text[words[first].start : word.start + len(word.noun)]
    return ""


# Fragments: «계약직은요?» (contract staff?), «2024년은요?» (2024?), «왜요?» (why?)


def _fragment(question: str, last: Asked) -> str | None:
    """The last question, with a question without a predicate in the place of what that is like.

    None where `question` has a predicate.
    """
    core = _without_ending(question)
    if core is None:
        return None
    words = read_words(core)
    nouns = [word for word in words if word.noun and not ASKING.match(word.noun)]
    if not nouns:
        return _about(last.question, question)
    if CONDITION.search(core) and len(words) > 1:
        return _under_condition(core, last.question)
    first = words[0] if not ASKING.match(core) else nouns[0]
    said = core[first.start : nouns[-1].start + len(nouns[-1].noun)]
    if nouns[-1].noun == "경우" and len(words) > 1:
        return _under_condition(said, last.question)
    if (replaced := _in_place(said, last.question)) is not None:
        return replaced
    if references := list(find_references(said)):
        named = said[references[0].start : references[0].end]
        return f"{last.title} {with_particle(named, '은')} 무슨 내용인가요?".strip()
    if RELATIONAL.fullmatch(nouns[-1].noun) or MEASURE.search(nouns[-1].noun):
        return _about(last.question, f"{with_particle(said, '은')} 어떻게 되나요?")
    if is_period(said):
        return f"{said} {last.question}"
    return f"{said}의 경우 {IN_CASE.sub('', last.question)}"  # replaces the case of an earlier turn


def _without_ending(question: str) -> str | None:
    """`question` without the «요» of a fragment; None where it has a predicate, or is only keywords."""
    bare = question.rstrip(" ?？.!")
    if HOW_ABOUT.search(bare):
        return HOW_ABOUT.sub("", bare)
    tokens = load_kiwi().tokenize(bare)
    if not tokens:
        return None
    final = tokens[-1]
    if bare.endswith("요") and len(tokens) > 1:
        before = tokens[-2]
        if final.form.endswith("면요") or (final.form in ("요", "이요") and before.tag in FRAGMENT_TAGS):
            return bare[:-1].removesuffix("이") if final.form == "이요" else bare[:-1]
        if final.form == "요" and before.form.endswith("면"):
            return bare[:-1]
        return None
    # Without «요» several words may be a whole question in short: «미국에서 가장 높은 산은?» (the highest US mountain?)
    closes = final.tag in ("JX", "JKB") or (final.tag == "EC" and final.form.endswith("면"))
    return bare if closes and len(bare.split()) == 1 else None


def _under_condition(clause: str, previous: str) -> str:
    """The last question under the condition `clause`: «자녀가 결혼하면요?» (if a child marries?)."""
    words = read_words(previous)
    old = next((word for word in reversed(words) if CONDITION.search(previous[word.start : word.end])), None)
    if old is None:
        return f"{clause} {previous}"
    new, before = read_words(clause), [word for word in words if word.end <= old.end]
    own = {word.noun for word in new if is_entity(word)}
    # It names what was asked about, so it is no other case.
    if own & {word.noun for word in words if word.start > old.end}:
        return _about(previous, f"{clause} 어떻게 되나요?")
    if own & {word.noun for word in before}:
        # The same happens to somebody else: «본인이 결혼하면» (if one marries) → «자녀가 결혼하면» (if a child marries).
        kept = []
    elif own:
        marks = (
            {"other", "verb"}
            if any(word.mark == "subject" for word in new)
            else {"other", "verb", "subject", "topic"}
        )
        kept = [word.noun for word in before if is_entity(word) and word.mark in marks]
    else:
        kept = [word.noun for word in before if is_entity(word)]
    return " ".join([*kept, clause, previous[old.end :].strip()])


def _in_place(said: str, previous: str) -> str | None:
    """`previous` with `said` in the place of what is like it; None where nothing is like it."""
    old, new = list(find_references(previous)), list(find_references(said))
    if old and new:
        return previous[: old[0].start] + _joined(said[new[0].start : new[0].end], previous[old[0].end :])
    first, _, others = said.partition(" ")
    if others and is_period(first) and (dated := _in_place(first, previous)) is not None:
        return _in_place(others, dated) or _about(dated, f"{with_particle(others, '은')} 어떻게 되나요?")
    words = [word for word in read_words(previous) if word.noun and not ASKING.match(word.noun)]
    if {word.noun for word in read_words(said)} <= {word.noun for word in words}:
        return previous  # it is asked again
    if others and (replaced := _each_in_place(said, words, previous)) is not None:
        return replaced
    head = said.rsplit(maxsplit=1)[-1]
    heads = [part for part in said.split() if part not in previous] or [head]
    if len(heads) < len(said.split()) and not said.endswith(heads[-1]):
        # In «10년 된 직원» (staff of 10 years) only the number is new.
        return _modified(said, heads, words, previous)
    if (slot := _slot(head, words, previous)) is not None:
        return _replaced(slot, said, previous)
    entities = [word for word in words if is_entity(word) and not MEASURE.search(word.noun)]
    if len(entities) != 1 or RELATIONAL.fullmatch(head) or MEASURE.search(head) or is_period(said) or new:
        return None
    (slot,) = entities
    # What the thing asked about belongs to: «유럽은요?» (Europe?) → 유럽 매출은 … (sales in Europe)
    if slot.mark in ("bare", "of"):
        return _replaced(slot, said, previous)
    # «협력사는요?» (suppliers?) → 협력사 산업재해는 … (accidents at suppliers)
    return f"{previous[: slot.start]}{said} {previous[slot.start :]}"


def _each_in_place(said: str, words: Sequence[Word], previous: str) -> str | None:
    """`previous` with each noun of `said` in the place of its like, in order; None where a noun has no like.

    «G4에서 G5는요?» (from grade G4 to G5?) after the same question about G3 and G4.
    """
    at, pairs = 0, []
    for part in read_words(said):
        slots = [n for n in range(at, len(words)) if part.noun and _goes_for(part.noun, words[n], previous)]
        if not slots:
            return None
        pairs.append((words[slots[0]], part.noun))
        at = slots[0] + 1
    for slot, noun in reversed(pairs):
        previous = _replaced(slot, noun, previous)
    return previous


def _goes_for(noun: str, word: Word, text: str) -> bool:
    return noun == word.noun or alike(noun, word, text) > ALIKE


def _modified(said: str, heads: Sequence[str], words: Sequence[Word], previous: str) -> str | None:
    """`previous` with the new words `heads` of `said` in the place of their like.

    Else with the whole of `said` in the place of the noun that it ends with; None where that is not there.
    """
    if len(heads) == 1 and (slot := _slot(heads[0], words, previous)) is not None:
        return _replaced(slot, heads[0], previous)
    last = said.rsplit(maxsplit=1)[-1]
    at = next((index for index, word in enumerate(words) if word.noun.endswith(last)), None)
    if at is None:
        return None
    first = at
    while first and words[first - 1].mark == "bare":
        first -= 1
    return previous[: words[first].start] + said + previous[words[at].start + len(words[at].noun) :]


def _slot(head: str, words: Sequence[Word], text: str) -> Word | None:
    """The word of `text` that is most like `head`, the last of equals; None where none is `ALIKE` enough."""
    best = max(words, key=lambda word: (alike(head, word, text), word.start), default=None)
    return best if best is not None and alike(head, best, text) >= ALIKE else None


def _replaced(slot: Word, said: str, previous: str) -> str:
    return previous[: slot.start] + _joined(said, previous[slot.start + len(slot.noun) :])


def _joined(noun: str, after: str) -> str:
    """`noun`, then `after`, the text behind the noun that it replaces, with the particle changed to fit `noun`."""
    particle = re.match(rf"({'|'.join(PAIRS)}|으로|로)(?![가-힣])", after)
    return with_particle(noun, particle[0]) + after[particle.end() :] if particle else noun + after


def alike(head: str, word: Word, text: str) -> int:
    """How much `word` of `text` is of the same kind as `head`, from 0 (not at all) to 4.

    4: both are periods, or numbers that count the same, or ordinals. 3 and 2: they share their last characters,
    or their first two, or both are measures. 1: both are proper names. A word is not like itself.
    """
    noun = word.noun
    if head == noun:
        return 0
    if is_period(head) or is_period(noun):
        return 4 if is_period(head) and is_period(noun) and is_of_years(head) == is_of_years(noun) else 0
    if NUMBER.search(head) or NUMBER.search(noun):
        same = NUMBER.sub("#", head) == NUMBER.sub("#", noun)
        return 4 if same else 0
    if ORDINAL.match(head) and ORDINAL.match(text[word.start :]):
        return 4
    if RELATIONAL.fullmatch(head) or RELATIONAL.fullmatch(noun):
        return 0
    if min(len(head), len(noun)) > 2 and head[:2] == noun[:2]:
        return 2
    if MEASURE.search(head) and MEASURE.search(noun):
        return 2
    if MEASURE.search(head) or MEASURE.search(noun):
        return 0
    if len(head) > 1 and len(noun) > 1 and head[-1] == noun[-1]:
        return 3 if head[-2:] == noun[-2:] else 2
    return 1 if word.proper and is_proper(head) else 0


# Short whole questions: «파트장은 얼마예요?» (how much for a part leader?) after «팀장의 직책수당은 얼마인가요?»


def _parallel(question: str, last: Asked) -> str | None:
    """The last question, about the like thing that a short `question` names; None where it asks something else."""
    words = read_words(question)
    asking = next(
        (index for index, word in enumerate(words) if ASKING.match(word.noun or question[word.start :])), 0
    )
    if not asking or len(words) - asking > 2 or asking > 2 or not all(word.noun for word in words[:asking]):
        return None
    said = question[words[0].start : words[asking - 1].start + len(words[asking - 1].noun)]
    if list(find_references(said)) and list(find_references(last.question)):
        return _in_place(said, last.question)
    asks = ASKING.match(question, words[asking].start)
    old = [word for word in read_words(last.question) if word.noun and not ASKING.match(word.noun)]
    slot = _slot(said, old, last.question)
    if (
        " " in said
        or slot is None
        or asks is None
        or asks[0] not in last.question
        or alike(said, slot, last.question) < 2
    ):
        return None
    if MEASURE.search(said) and not is_period(last.question):
        return None
    return _in_place(said, last.question)


# Questions that leave out what they are about: «신청은 며칠 전까지 해야 하나요?» (how early must one apply?)


def _dependent(question: str, last: Asked) -> str | None:
    """`question` with the topic of the last one; None where it says by itself what it is about."""
    return None if _specific(question) else _about(last.question, question)


def _specific(question: str) -> bool:
    """Whether `question` says by itself what it is about.

    It does not where it begins with a condition without a subject («끝나면 …», when it ends; «휴일이면 …», if it is a
    holiday), or where it names only what is done («언제 시상해요?», when is it awarded?).
    """
    words = read_words(question)
    opening = question[: words[0].end]
    if CONDITION.search(opening) and not words[0].noun:
        return False
    of_something = any(is_entity(word) and word.mark in ("topic", "subject") for word in words[1:])
    if COPULA_CONDITION.fullmatch(opening, len(words[0].noun)) and not of_something:
        return False
    return any(is_entity(word) for word in words[:-1]) or (is_entity(words[-1]) and words[-1].mark != "verb")


def _about(previous: str, question: str) -> str:
    """`question` with the topic of `previous` in front of it."""
    topic = _topic(previous, without=question, conditions=True)
    if not topic:
        return question
    if topic.endswith("면"):
        return f"{topic} {question}"
    words = read_words(question)
    first = words[0] if words else None
    if first and first.noun and not ASKING.match(first.noun) and not COUNTED.fullmatch(first.noun):
        return f"{topic} {question}"
    return f"{with_particle(topic, '을' if COMMAND.search(question) else '은')} {question}"


def _topic(previous: str, without: str = "", conditions: bool = False) -> str:
    """The words of `previous` that say what it is about; words that stand in `without` are left out.

    Periods come first, the others in order. Periods are left out where `without` has its own.

    Args:
        conditions: the text up to the last condition is kept as it stands: «회사를 그만두려면» (to leave the firm).
    """
    words, dated = read_words(previous), is_period(without)
    start = 0
    if conditions:
        start = max(
            (w.end for w in words if w.mark == "verb" and CONDITION.search(previous[w.start : w.end])),
            default=0,
        )
    kept: list[Word] = []
    for index, word in enumerate(words):
        before = words[index - 1] if index and kept and kept[-1] is words[index - 1] else None
        following = words[index + 1] if index + 1 < len(words) else None
        last_verb = following is None and word.mark == "verb" and bool(kept)
        if word.start >= start and _is_kept(word, before, following, dated) and not last_verb:
            kept.append(word)
    kept = [word for word in kept if word.noun not in without]
    if len(kept) > MOST_WORDS:
        kept = [word for word in kept if is_entity(word) or is_period(word.noun)][:MOST_WORDS]
    kept.sort(key=lambda word: not is_period(word.noun))  # stable: periods first, the others as they stood
    topic = " ".join(word.noun + "의" * (word.mark == "of") for word in kept).removesuffix("의")
    return f"{previous[:start]} {topic}".strip()


def _is_kept(word: Word, before: Word | None, following: Word | None, dated: bool) -> bool:
    if not word.noun or ASKING.match(word.noun):
        return False
    if is_entity(word):
        return True
    if is_period(word.noun):
        return not dated
    bare = word.mark in ("bare", "of") and following is not None and is_entity(following)
    if NUMBER.match(word.noun) or CLASSES.fullmatch(word.noun):
        return bare or (
            before is not None and before.mark in ("bare", "of") and not COUNTED.fullmatch(word.noun)
        )
    return before is not None and before.mark in ("bare", "of") and word.mark != "verb"
