"""Whether a space belongs at a line break: rules by example, the network on texts that are known."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.training.train_joints import align, read_held_out, read_sources, wrap
from ingest.repair import joints
from ingest.repair.joints import (
    CONTEXTS,
    REACH,
    WORD,
    clear_joint,
    count_contexts,
    cut_words,
    decide,
    encode,
    encode_breaks,
)
from tests.support.laws import examples

ALPHABET = "가각힣나다을ㄱㅏ國Aa1½①㎡Ａ％😀é\u0301.,()「」-\u00a0\u3000 \t\x00\ufeff\ud800\ue000\n"
TEXT = st.one_of(st.text(max_size=20), st.text(ALPHABET, max_size=20))
LINES = (
    "경찰서는 관할 경찰서장에게 그 사실을 알리고",
    "사실을 확인한 경찰서장은 관할 구청에 알린다",
)


@pytest.mark.parametrize(
    ("before", "after", "spaced"),
    [
        ("금액은 12,", "345원", False),
        ("사과 12,", "34개", True),
        ("법률 제3.", "1절에", False),
        ("비율은 12.", "5퍼센트", False),
        ("2024. 10.", "19. 시행", True),
        ("2024.", "10. 19. 시행", True),
        ("하였다.", "3월에는", True),
        ("그는 20", "24년에", False),
        ("다음과 같다.", "그러나", True),
        ("사과, 배,", "감을", True),
        ("「민법", "」에", False),
        ("경우(", "다만", False),
        ("이상", ")의", False),
        ("그는", "“아니다”", None),
        ("Deep", "learning을", True),
        ("ISO", "9001", True),
        ("누리집은 www.", "korea.go.kr이다", False),
        ("누리집은 http:", "//korea.kr이다", False),
        ("소음이 59", "dB이하", False),
        ("창세기 22:", "10", False),
        ("시간:", "10시", True),
        ("답변은 '", "보호자", False),
        ("그는 '왜 오나요?", "'라고", False),
        ("state-of-", "the-art", False),
        ("경찰", "서는", None),
        ("", "서는", False),
        ("경찰", " ", False),
    ],
)
def test_edges_of_lines_settle(before, after, spaced):
    assert clear_joint(before, after) is spaced


@pytest.mark.parametrize(
    ("before", "after", "spaced"),
    [
        ("그 사건을 맡은 경찰", "서는 다음 날", False),
        ("그 사건을 맡은 관할", "경찰서장은 다음 날", True),
        ("이에 관하여는 「민법」", "제3조를 준용한다", True),
        ("이에 관하여는 「민법」", "에서 정하는 바에 따른다", False),
        ("대통령령으로 정하는 바에", "따라 신고하여야 한다", True),
        ("대통령령으로 정하는 바에 따", "라 신고하여야 한다", False),
    ],
)
@pytest.mark.parametrize("unsure", [0.0, joints.UNSURE])
def test_a_break_within_a_word_is_closed_and_one_between_words_is_not(before, after, spaced, unsure):
    assert decide([(before, after)], LINES, unsure) == [spaced]


@given(st.lists(st.tuples(TEXT, TEXT), max_size=6), st.lists(TEXT, max_size=6))
@examples(150)
def test_every_break_of_any_text_gets_one_answer(breaks, lines):
    answers = decide(breaks, lines, unsure=99)
    assert len(answers) == len(breaks) and all(type(answer) is bool for answer in answers)


NAMES = ("Columbia", "Records", "Lafayette", "Episode", "Festival", "Network")


@given(st.lists(st.sampled_from(NAMES), min_size=2, max_size=30), st.integers(3, 20))
def test_a_document_gets_all_its_cut_words_back_or_none(names, width):
    text, shown = " ".join(names), f"이 {' '.join(NAMES)} 등"
    starts = range(width, len(text), width)
    lines = [text[at : at + width] for at in (0, *starts)]
    inside = [i for i, at in enumerate(starts) if " " not in text[at - 1 : at + 1]]
    assert cut_words(list(pairwise(lines)), [shown, *lines]) in (inside, [])
    assert cut_words(list(pairwise(names)), [shown, *names]) == []


def test_latin_words_are_cut_only_where_the_document_shows_it():
    shown = ["그는 Columbia 사와 Episode 하나를 냈다"]
    breaks = [
        ("새 Colum", "bia 사와"),
        ("그 Epi", "sode 이며"),
        ("저 Un", "known 이다"),
        ("저 PloS", "Biology 다"),
    ]
    assert decide(breaks, shown) == [False, False, False, False]
    breaks[-1] = ("저 Plos", "Biology 다")
    assert decide(breaks, shown) == [False, False, False, True]
    assert decide(breaks[2:], shown) == [True, True]
    assert decide([("그 deep", "learning 은")], ["이 deep 하고 learning 하는"]) == [True]


def test_a_document_wrapped_between_words_gets_spaces_everywhere():
    words = " ".join(LINES * 20).split()
    lines = [" ".join(words[at : at + 4]) for at in range(0, len(words), 4)]
    hard = ("그 사건을 맡은 경찰", "서는 다음 날")
    breaks = [*pairwise(lines), hard]
    assert all(decide(breaks, lines, unsure=0)) and decide([hard], lines, unsure=0) == [False]


@given(
    st.lists(st.text("가나다 A1.", min_size=1, max_size=12).map(str.strip), min_size=1, max_size=6),
    st.text("가나다 A1.", min_size=2, max_size=12),
)
@examples(100)
def test_contexts_are_counted_like_a_slow_obvious_twin(lines, around):
    breaks = [(around[:at].strip() or "가", around[at:].strip() or "나") for at in range(1, len(around))]
    lines = [" ".join(line.split()) for line in lines]
    windows = encode_breaks(breaks)
    places = [window for line in lines for window in _places(line)]
    for window, counts in zip(windows, count_contexts(windows, lines), strict=True):
        for (before, after), count in zip(CONTEXTS, counts, strict=True):
            same = [
                gap
                for place, gap in places
                if _context(place, before, after) == _context(window, before, after)
            ]
            assert count.tolist() == [sum(same), len(same) - sum(same)]


def _places(line: str) -> list[tuple[np.ndarray, bool]]:
    """(window, whether there is a blank) for each place of `line` between two characters, at least one Hangul."""
    found = []
    for at in range(1, len(line)):
        before, after = line[:at], line[at:]
        if before[-1] != " " and ("가" <= before[-1] <= "힣" or "가" <= after.strip()[0] <= "힣"):
            found.append((encode_breaks([(before, after)])[0], after[0] == " "))
    return found


def _context(window: np.ndarray, before: int, after: int) -> tuple[list[int], list[int]]:
    """The codes of a context, and the two that it starts from."""
    left, right = window[:REACH][::-1].tolist(), window[REACH:].tolist()
    pair = (left[:2], []) if after == 0 else ([], right[:2]) if before == 0 else (left[:1], right[:1])
    if (before, after) in ((1, 0), (0, 1)):
        pair = ([], [])
    return (_part(left, before), _part(right, after)), pair


def _part(codes: list[int], size: int) -> list[int]:
    if size != WORD:
        return codes[:size]
    ends = [at for at, code in enumerate(codes) if code >= joints.SYLLABLES]
    return codes[: min([*ends, REACH])]


def test_codes_tell_classes_apart_and_take_any_character():
    codes = encode("가나Aa1國ㄱ😀\ud800. \n")
    assert len(codes) == 12 and codes.max() < joints.CODES
    assert codes[6] == joints.JAMO and codes[7] == codes[8] == joints.OTHER


@pytest.mark.shared
@pytest.mark.parametrize("name", ["korquad1", "welfare"])
def test_breaks_of_pdfs_typeset_from_known_text_are_decided_right(shared: Path, name):
    documents = [align(shared / pdf, texts) for pdf, texts in list(read_sources(shared, name).items())[:40]]
    assert sum(len(breaks) for breaks, _ in documents) > 1000
    assert _share_right(documents, joints.UNSURE) >= 0.96


@pytest.mark.shared
@pytest.mark.parametrize("name", ["korquad1", "welfare"])
def test_breaks_of_wrapped_text_are_decided_right(shared: Path, name):
    documents = [wrap(texts, 40) for texts in list(read_sources(shared, name).values())[:40]]
    assert _share_right(documents, joints.UNSURE) >= 0.96
    assert _share_right(documents, 0) >= 0.945


@pytest.mark.shared
@pytest.mark.slow
def test_breaks_of_statutes_that_were_not_trained_on_are_decided_right(shared: Path):
    laws = read_held_out(shared / "data" / "text" / "statutes.jsonl.gz")
    assert _share_right([wrap(texts, 30) for texts in laws.values()], 0) >= 0.98


def _share_right(documents, unsure: float) -> float:
    right = [
        answer == truth
        for breaks, lines in documents
        for answer, (*_, truth) in zip(
            decide([pair[:2] for pair in breaks], lines, unsure), breaks, strict=True
        )
    ]
    return float(np.mean(right))
