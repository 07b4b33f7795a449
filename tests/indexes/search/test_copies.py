"""Passages that repeat each other do not fill the context, and nothing else is left out."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.search.copies import COPY, NOISE, SHINGLE, TELLING, VERSION, without_copies
from indexes.search.editions import asks_for, document_date, edition_name, edition_of, newer
from indexes.types import Passage, StoredDocument
from ingest.document import Chunk, chunk_id

CLAUSES = (
    "사용자는 1년간 80퍼센트 이상 출근한 근로자에게 15일의 유급휴가를 주어야 한다. 휴가는 청구한 시기에 준다. ",
    "계약상대자는 납품이 끝난 날부터 7일 안에 검사를 받아야 하며, 검사에 든 비용은 계약상대자가 부담한다. ",
    "개인정보처리자는 정보주체의 동의를 받지 아니하고 개인정보를 제3자에게 제공할 수 없다. ",
    "위원회는 위원장 1명을 포함한 9명 이내의 위원으로 구성하고, 위원의 임기는 3년으로 한다. ",
)
NAMES = ("취업규칙", "취업규칙(초안)", "취업규칙_20230301", "취업규칙 v2", "복무 안내", "2023년도 매출 실적")
# Edits of a print, of a figure, of a word, of most words.
EDITS = (
    lambda text: text,
    lambda text: text.replace(" ", "\n").replace(",", "·"),
    lambda text: re.sub(r"\d", "4", text),
    lambda text: text.replace("한다", "하지 아니한다"),
    lambda text: text + "다만, 부득이한 사정이 있는 때에는 그러하지 아니하다.",
    lambda text: text[: len(text) // 2],
)
chunks = st.tuples(
    st.sampled_from(NAMES),
    st.lists(st.sampled_from(CLAUSES), min_size=1, max_size=4),
    st.sampled_from(EDITS),
    st.sampled_from(("", "제2장 휴가 > 제5조(휴가)", "제3장 벌칙 > 제9조(벌칙)")),
)


class Library:
    """Made-up documents, and a ranking of their chunks."""

    def __init__(self) -> None:
        self.documents: dict[str, StoredDocument] = {}
        self.passages: list[Passage] = []

    def add(self, title: str, text: str, context: str = "") -> str:
        """The id of a chunk of the document `title`, which is ranked behind all others so far."""
        identity = f"{len({d.title for d in self.documents.values()} | {title})}:{title}"
        identity = next((i for i, d in self.documents.items() if d.title == title), identity)
        self.documents.setdefault(identity, StoredDocument(identity, title, (f"/{title}.pdf",), (), "", 0, 1))
        start = 1000 * len(self.passages)
        chunk = Chunk(
            chunk_id(identity, start, start + len(text)),
            identity,
            start,
            start + len(text),
            text,
            context,
            1,
            1,
            9,
        )
        rank = len(self.passages) + 1
        self.passages.append(Passage(chunk, 1 / rank, rank))
        return chunk.id

    def distinct(self, question: str = ""):
        return without_copies(self.passages, self.documents.__getitem__, date_of, question)


def date_of(document: StoredDocument) -> str | None:
    return document_date(document.title, document.path, "")


def ids(passages) -> list[str]:
    return [passage.chunk.id for passage in passages]


def library(made) -> Library:
    made_of = Library()
    for title, clauses, edit, context in made:
        made_of.add(title, edit("".join(clauses)), context)
    return made_of


# a slow obvious twin of the measure


def runs(passage: Passage, library: Library) -> set[str]:
    text = "".join(c for c in f"{passage.chunk.context}\n{passage.chunk.text}".replace(" > ", "\n"))
    heard = "".join(c for c in text if c not in NOISE) + "\0" * (SHINGLE - 1)
    return {heard[i : i + SHINGLE] for i in range(len(heard) - SHINGLE + 1)}


def likeness(one: Passage, other: Passage, library: Library) -> float:
    first, second = runs(one, library), runs(other, library)
    return len(first & second) / len(first | second)


def are_copies(one: Passage, other: Passage, library: Library) -> bool:
    told = [TELLING.findall(f"{p.chunk.context}\n{p.chunk.text}") for p in (one, other)]
    return told[0] == told[1] and likeness(one, other, library) >= COPY


def is_older(one: Passage, other: Passage, library: Library) -> bool:
    documents = [library.documents[p.chunk.document_id] for p in (one, other)]
    names = {edition_name(document.title) for document in documents}
    editions = [edition_of(document.title, date_of(document)) for document in documents]
    return (
        len(names) == 1
        and names != {""}
        and newer(editions[1], editions[0])
        and one.chunk.context == other.chunk.context
        and likeness(one, other, library) >= VERSION
    )


@given(st.lists(chunks, max_size=14))
def test_what_is_kept_and_what_is_left_out_are_all_there_was(made):
    made_of = library(made)
    kept, copies = made_of.distinct()
    assert sorted([*ids(kept), *(copy.dropped for copy in copies)]) == sorted(ids(made_of.passages))
    assert {copy.kept for copy in copies} <= set(ids(kept))
    assert [passage.rank for passage in kept] == list(range(1, len(kept) + 1))
    scores = [passage.score for passage in kept]
    assert scores == sorted(scores, reverse=True)


@given(st.lists(chunks, max_size=14))
def test_a_passage_stands_where_the_best_of_those_it_is_kept_for_stood(made):
    made_of = library(made)
    kept, copies = made_of.distinct()
    rank = {passage.chunk.id: passage.rank for passage in made_of.passages}
    best = [
        min([rank[identity], *(rank[copy.dropped] for copy in copies if copy.kept == identity)])
        for identity in ids(kept)
    ]
    assert best == sorted(best)
    assert [passage.score for passage in kept] == [1 / place for place in best]


@given(st.lists(chunks, max_size=14))
def test_a_second_time_nothing_is_left_out(made):
    made_of = library(made)
    kept, _ = made_of.distinct()
    assert without_copies(kept, made_of.documents.__getitem__, date_of) == (kept, [])


@given(st.lists(chunks, max_size=14))
def test_a_passage_loses_only_to_its_copy_or_its_newer_version(made):
    made_of = library(made)
    by_id = {passage.chunk.id: passage for passage in made_of.passages}
    for copy in made_of.distinct().copies:
        kept, dropped = by_id[copy.kept], by_id[copy.dropped]
        if copy.reason == "copy":
            assert are_copies(kept, dropped, made_of)
        else:
            between = [p for p in made_of.passages if p is kept or are_copies(p, kept, made_of)]
            assert any(is_older(dropped, version, made_of) for version in between)


@given(st.lists(chunks, max_size=14))
def test_no_two_copies_are_kept(made):
    made_of = library(made)
    kept = made_of.distinct().passages
    for position, one in enumerate(kept):
        for other in kept[:position]:
            assert not are_copies(one, other, made_of)


@given(st.lists(chunks, max_size=10), st.randoms())
def test_a_question_that_compares_loses_no_version(made, random):
    made_of = library(made)
    copies = made_of.distinct("개정 전과 무엇이 달라졌나요?").copies
    assert all(copy.reason == "copy" for copy in copies)


LONG = "".join(CLAUSES)
FIGURES = (
    "구분 | 금액\n인건비 | 1,200\n재료비 | 340\n경비 | 55\n일반관리비 | 12\n이윤 | 7\n부가가치세 | 161\n"
)


def test_a_copy_with_other_blanks_and_dots_is_left_out():
    made_of = Library()
    first = made_of.add("공고문 가", LONG)
    second = made_of.add("공고문 나", LONG.replace(" ", "").replace(",", "ㆍ"))
    kept, (copy,) = made_of.distinct()
    assert (ids(kept), copy.kept, copy.dropped, copy.reason) == ([first], first, second, "copy")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (FIGURES, FIGURES.replace("340", "349")),
        (LONG, LONG.replace("15일", "20일")),
        (LONG, LONG.replace("부담한다", "부담하지 아니한다")),
        (LONG, LONG.replace("제공할 수 없다", "제공할 수 있다")),
        (CLAUSES[0], CLAUSES[1]),
    ],
)
def test_what_says_something_else_is_no_copy(one, other):
    made_of = Library()
    made_of.add("공고문 가", one)
    made_of.add("공고문 나", other)
    assert not made_of.distinct().copies


def test_the_same_words_under_another_heading_say_something_else():
    made_of = Library()
    text = "신청방법은 주소지 읍면동 주민센터를 방문하여 신청하는 것입니다. 문의는 129로 하시면 됩니다."
    made_of.add("안내", text, "기초연금 > 신청방법")
    made_of.add("안내", text, "장애수당 > 신청방법")
    assert not made_of.distinct().copies


def test_the_same_clause_of_two_supplements_says_something_else():
    made_of = Library()
    text = "제2조(경과조치) 이 규정 시행 전에 협약을 맺은 과제에는 종전의 규정에 따른다. " * 12
    made_of.add("관리규정", text, "부칙 <제2021-23호,2021.3.26.> > 제2조(경과조치)")
    made_of.add("관리규정", text, "부칙 <제2023-29호,2023.8.24.> > 제2조(경과조치)")
    assert not made_of.distinct().copies


HEADING = "제2장 휴가 > 제5조(연차휴가)"
CHANGED = LONG.replace("15일", "20일")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("취업규칙_20230301", "취업규칙_20250101"),
        ("취업규칙(2021년도 10월 개정)", "취업규칙(2024년도 12월 개정)"),
        ("취업규칙(초안)", "취업규칙(최종)"),
        ("취업규칙", "취업규칙 최종본"),
        ("취업규칙 v1.9", "취업규칙 v1.10"),
        ("취업규칙 제2판", "취업규칙 제11판"),
        ("개인정보 보호법(법률)(제16930호)(20200805)", "개인정보 보호법(법률)(제19234호)(20250313)"),
    ],
)
def test_the_newer_edition_wins_at_the_better_rank(old, new):
    made_of = Library()
    dropped = made_of.add(old, LONG, HEADING)
    between = made_of.add("복무 안내", CLAUSES[1])
    kept_for_it = made_of.add(new, CHANGED, HEADING)
    kept, (copy,) = made_of.distinct("연차는 며칠인가요?")
    assert ids(kept) == [kept_for_it, between]
    assert (copy.kept, copy.dropped, copy.reason, copy.changed) == (kept_for_it, dropped, "older", True)
    assert kept[0].score == made_of.passages[0].score


def test_an_older_edition_that_says_the_same_is_not_called_changed():
    made_of = Library()
    made_of.add("취업규칙_20230301", LONG, HEADING)
    made_of.add("취업규칙_20250101", LONG, HEADING)
    (copy,) = made_of.distinct().copies
    assert (copy.reason, copy.changed) == ("older", False)


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ("2023년도 매출 실적", "2024년도 매출 실적", "each year has its own figures"),
        ("racoi monthly 202312", "racoi monthly 202401", "a periodical"),
        ("제안요청서(초안)", "제안요청서(최종)", "of which project?"),
        ("취업규칙", "인사규정", "another document"),
        ("취업규칙 (1)", "취업규칙", "nothing says which is newer"),
    ],
)
def test_both_stay_where_neither_replaces_the_other(one, other, why):
    made_of = Library()
    made_of.add(one, LONG, HEADING)
    made_of.add(other, CHANGED, HEADING)
    assert not made_of.distinct().copies, why


def test_another_section_of_the_newer_edition_replaces_nothing():
    made_of = Library()
    made_of.add("취업규칙_20230301", LONG, HEADING)
    made_of.add("취업규칙_20250101", CHANGED, "제2장 휴가 > 제6조(병가)")
    assert not made_of.distinct().copies


@pytest.mark.parametrize(
    ("question", "left_out"),
    [
        ("연차는 며칠인가요?", ["older"]),
        ("2023년 판에서는 연차가 며칠이었나요?", ["newer"]),
        ("2023년 취업규칙에서 연차는 며칠인가요?", ["newer"]),
        ("2023년에 입사한 사람의 연차는 며칠인가요?", []),
        ("2025년 취업규칙에서 연차는 며칠인가요?", ["older"]),
        ("2023년 판과 2025년 판의 연차는 며칠인가요?", []),
        ("개정 전에는 연차가 며칠이었나요?", []),
        ("연차 규정이 어떻게 달라졌나요?", []),
    ],
)
def test_a_question_can_ask_for_the_older_edition(question, left_out):
    made_of = Library()
    made_of.add("취업규칙_20250101", CHANGED, HEADING)
    made_of.add("취업규칙_20230301", LONG, HEADING)
    assert [copy.reason for copy in made_of.distinct(question).copies] == left_out


def test_the_edition_asked_for_is_kept_where_both_say_the_same():
    made_of = Library()
    made_of.add("취업규칙_20250101", LONG, HEADING)
    old = made_of.add("취업규칙_20230301", LONG, HEADING)
    for question, reason in (("2023년 취업규칙에서 연차는?", "newer"), ("2023년 연차는?", "copy")):
        kept, (copy,) = made_of.distinct(question)
        assert (ids(kept), copy.reason, kept[0].rank) == ([old], reason, 1)


def test_what_an_edition_is_asked_by():
    edition = edition_of("개인정보 보호법(법률)(제19234호)(20250313)", "2025-03-13")
    assert asks_for("법률 제19234호의 정의는?", edition) and asks_for("2025년 법에서는?", edition)
    assert not asks_for("제7조는?", edition) and not asks_for("2023년 법에서는?", edition)
    assert asks_for("초안에는 뭐라고 했나요?", edition_of("요청서(초안)", None))


@pytest.mark.parametrize(
    ("title", "path", "opening", "date"),
    [
        ("국토계획법 시행령(대통령령)(제33637호)(20230718)", "/a.pdf", "", "2023-07-18"),
        (
            "규정",
            "/a.pdf",
            "규정\n[시행 2023. 11. 3.] [고시 제2023-22호, 2023. 5. 2., 일부개정]",
            "2023-11-03",
        ),
        ("규정", "/a.pdf", "[시행 2017.8.24] [고시 제2017-7호, 2017.8.24, 타법개정]", "2017-08-24"),
        ("민원 안내 2024년판", "/a.pdf", "", "2024"),
        ("보고", "/보고_20240115.pdf", "", "2024-01-15"),
        ("요청서(수정) 230524 (1)", "/a.pdf", "2023. 5.", "2023-05-24"),
        (
            "규정(2021년도 10월 개정)",
            "/a.pdf",
            "제정 2012. 7.19\n개정 2021.10.28 시행 2021.10.31",
            "2021-10-31",
        ),
        ("안내서(2025.02)", "/a.pdf", "", "2025-02"),
        ("요청서", "/a.pdf", "광고 조사 제안요청서\n2025. 2.\n목차", "2025-02"),
        ("공고", "/a.pdf", "공고일: 2025. 3. 5.\n접수는 2025. 4. 1.부터", "2025-03-05"),
        ("취업규칙", "/규정/2022년/취업규칙.pdf", "", "2022"),
        ("racoi monthly 202312", "/a.pdf", "", "2023-12"),
        ("이슈노트 제2024-14호", "/a.pdf", "", "2024"),
        ("요청서 v1.2", "/a.pdf", "1.2.3 항목", None),
        ("안내", "/a.pdf", "전화 02-731-7152", None),
    ],
)
def test_the_date_of_a_document(title, path, opening, date):
    assert document_date(title, path, opening) == date


@given(st.text(), st.text(), st.text())
def test_a_date_is_iso_or_none(title, path, opening):
    found = document_date(title, path.replace("\0", ""), opening)
    assert found is None or re.fullmatch(r"\d{4}(-\d\d(-\d\d)?)?", found)


@given(st.sampled_from(NAMES), st.sampled_from(NAMES))
def test_of_two_editions_at_most_one_is_newer(one, other):
    editions = [edition_of(title, document_date(title, "", "")) for title in (one, other)]
    assert not (newer(*editions) and newer(*reversed(editions)))


def test_a_date_less_exact_is_not_older():
    first, second = edition_of("", "2023"), edition_of("", "2023-07-01")
    assert not newer(first, second) and not newer(second, first)
    assert newer(edition_of("", "2024"), second)
