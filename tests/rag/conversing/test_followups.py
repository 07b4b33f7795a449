"""Follow-ups made whole by rule: nothing is lost, what is whole is left alone, and what is replaced is right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.retrieval.followups import load_dialogues
from ingest.korean.words import with_particle
from rag.conversing.followups import LONGEST, Asked, stand_alone
from tests.support.laws import examples

PIECES = (
    *(
        "그럼 ",
        "그건 ",
        "이 규정은 ",
        "해당 조항",
        "그때 ",
        "거기서는 ",
        "그중 ",
        "2024년",
        "제35조",
        "별표 3",
        "팀장",
        "급여",
        "왜",
    ),
    *(
        "은요?",
        "는요?",
        "이면요?",
        "에는?",
        "얼마인가요?",
        "며칠 전까지 ",
        "신청해야 하나요?",
        "더 자세히 알려 줘",
        "연차유급휴가",
        "의 ",
    ),
    *("<|im_end|>", "[1]", "漢字", "👩‍👩‍👧", "\n", "\u200b", "㎡", "R&D ", "“", "」", "?"),
)
texts = st.lists(st.sampled_from(PIECES), max_size=8).map("".join) | st.text(max_size=40)


def asked(question: str) -> Asked:
    return Asked(question, "350,000원입니다.", "취업규칙", "제8장 임금 > 제70조(수당)")


def whole(question: str, last: str) -> str:
    return stand_alone(question, asked(last))


@examples(200)
@given(texts, texts, texts)
def test_a_question_never_becomes_empty_or_endless(question, last, answer):
    understood = stand_alone(question, Asked(last, answer, "규칙", "제1장 > 제2조"))
    assert understood == question or 0 < len(understood) <= LONGEST + len(question)
    assert bool(understood.strip()) == bool(question.strip())
    assert understood == stand_alone(question, Asked(last, answer, "규칙", "제1장 > 제2조"))


@examples(50)
@given(
    st.lists(
        st.sampled_from(["그럼 관측선은요?", "왜요?", "단위는요?", "그건요?", "예외는요?"]),
        min_size=6,
        max_size=12,
    )
)
def test_a_question_does_not_grow_from_turn_to_turn(follow_ups):
    last = "부서마다 USB를 몇 개까지 가질 수 있나요?"
    for question in follow_ups:
        last = whole(question, last)
    assert len(last) < 120


def test_whole_questions_of_the_set_are_left_alone():
    dialogues = [dialogue for dialogue in load_dialogues() if not dialogue.followup]
    left = [d for d in dialogues if understood(d) == d.question.text]
    assert len(dialogues) == 75 and len(left) / len(dialogues) >= 0.95


def test_most_follow_ups_of_the_set_are_seen():
    dialogues = [dialogue for dialogue in load_dialogues() if dialogue.followup]
    seen = [d for d in dialogues if understood(d) != d.question.text]
    assert len(dialogues) == 293 and len(seen) / len(dialogues) >= 0.85


def understood(dialogue) -> str:
    last = dialogue.history[-1]
    return stand_alone(dialogue.question.text, Asked(last.standalone, last.answer, last.title, last.context))


@pytest.mark.parametrize(
    ("last", "question", "expected"),
    [
        # what is like it is replaced, with the particle that it takes
        ("팀장의 직책수당은 얼마인가요?", "그럼 본부장은요?", "본부장의 직책수당은 얼마인가요?"),
        ("가급 정보자산은 얼마마다 재평가하나요?", "나급은요?", "나급 정보자산은 얼마마다 재평가하나요?"),
        ("북미 매출은 얼마나 늘었나요?", "유럽은요?", "유럽 매출은 얼마나 늘었나요?"),
        (
            "G3에서 G4로 승격하려면 몇 년이 걸리나요?",
            "G4에서 G5는요?",
            "G4에서 G5로 승격하려면 몇 년이 걸리나요?",
        ),
        (
            "입사한 지 8년 된 직원의 연차는 며칠인가요?",
            "10년 된 직원은요?",
            "입사한 지 10년 된 직원의 연차는 며칠인가요?",
        ),
        ("다급이면 누가 승인하나요?", "라급은요?", "라급이면 누가 승인하나요?"),
        # periods and references
        ("2025년 매출액은 얼마인가요?", "2024년은요?", "2024년 매출액은 얼마인가요?"),
        ("2025년 4분기 매출액은 얼마인가요?", "3분기는요?", "2025년 3분기 매출액은 얼마인가요?"),
        ("작년 예산 집행률은 얼마인가요?", "올해는?", "올해 예산 집행률은 얼마인가요?"),
        ("2025년 매출액은 얼마인가요?", "2024년 영업이익은요?", "2024년 영업이익은 얼마인가요?"),
        ("취업규칙 제34조는 무슨 내용인가요?", "제35조는요?", "취업규칙 제35조는 무슨 내용인가요?"),
        ("시행령 별표 2에는 무엇이 있나요?", "별표 3은요?", "시행령 별표 3에는 무엇이 있나요?"),
        # what is something of something else goes behind it
        (
            "육아휴직은 얼마나 쓸 수 있나요?",
            "신청은 며칠 전까지 해야 하나요?",
            "육아휴직 신청은 며칠 전까지 해야 하나요?",
        ),
        (
            "재택근무는 일주일에 며칠까지 할 수 있나요?",
            "언제까지 신청해야 해요?",
            "재택근무는 언제까지 신청해야 해요?",
        ),
        ("병가는 1년에 며칠까지 쓸 수 있나요?", "더 자세히 알려줘", "병가를 더 자세히 알려줘"),
        ("2025년 온실가스 배출량은 얼마인가요?", "왜 줄었나요?", "2025년 온실가스 배출량은 왜 줄었나요?"),
        # what is pointed at
        (
            "회사를 그만두려면 며칠 전에 사직원을 내야 하나요?",
            "그걸 철회할 수 있나요?",
            "사직원을 철회할 수 있나요?",
        ),
        (
            "징계위원회는 몇 명으로 구성하나요?",
            "거기서는 어떻게 의결하나요?",
            "징계위원회에서는 어떻게 의결하나요?",
        ),
        (
            "신입사원의 수습기간은 얼마나 되나요?",
            "그 기간에도 월급을 받나요?",
            "신입사원의 수습기간에도 월급을 받나요?",
        ),
        (
            "팀장의 직책수당은 얼마인가요?",
            "이 규칙은 언제부터 시행하나요?",
            "취업규칙은 언제부터 시행하나요?",
        ),
        (
            "개인정보 보호법 제15조는 무엇을 정하나요?",
            "위 조항에 예외가 있나요?",
            "개인정보 보호법 제15조에 예외가 있나요?",
        ),
        ("누리센스 V7은 어떤 제품인가요?", "이 제품은 얼마나 팔렸나요?", "누리센스 V7은 얼마나 팔렸나요?"),
        # under another condition
        (
            "본인이 결혼하면 경조휴가는 며칠인가요?",
            "자녀가 결혼하면요?",
            "자녀가 결혼하면 경조휴가는 며칠인가요?",
        ),
        (
            "둘째 아이가 태어나면 경조금은 얼마인가요?",
            "셋째는요?",
            "셋째 아이가 태어나면 경조금은 얼마인가요?",
        ),
    ],
)
def test_a_follow_up_is_made_whole(last, question, expected):
    assert whole(question, last) == expected


@pytest.mark.parametrize(
    "question",
    [
        "월급날이 언제인가요?",
        "취업규칙 제55조제2항은 무슨 내용인가요?",
        "그 밖의 복리후생제도에는 무엇이 있나요?",
        "해당 기술 분야의 박사학위 소지자를 특별채용할 수 있나요?",
        "이사회는 2025년에 몇 번 열렸나요?",
        "만 35세 이상인 사원과 그 배우자의 건강검진 비용은 얼마인가요?",
        "휴직하면 그 기간은 근속기간에 들어가나요?",
        "복지포인트 소멸 시기",
        "1989년 여의도 농민 시위를 주도한 혐의로 지명수배된 사람의 이름은?",
    ],
)
def test_a_whole_question_is_left_alone(question):
    assert whole(question, "팀장의 직책수당은 얼마인가요?") == question


@pytest.mark.parametrize(
    ("noun", "particle", "expected"),
    [
        ("팀장", "는", "팀장은"),
        ("휴가", "은", "휴가는"),
        ("서울", "으로", "서울로"),
        ("부산", "로", "부산으로"),
        ("제3조", "을", "제3조를"),
        ("V7", "는", "V7은"),
        ("별표 2", "이", "별표 2가"),
        ("위원회", "서는", "위원회에서는"),
        ("규칙(개정)", "와", "규칙(개정)과"),
    ],
)
def test_a_particle_takes_the_form_that_its_noun_asks_for(noun, particle, expected):
    assert with_particle(noun, particle) == expected
