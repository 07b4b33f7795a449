"""Kinds of summaries: chapters, rows, an instruction; whatever the model writes, and without one."""

import csv
import io
import json
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.types import NewContent
from ingest.korean.noun_phrases import PHRASE_CHARACTERS, noun_phrase
from rag.answer import Summary
from rag.extracting.priors import SourceSentence
from rag.prompting.packing import Prompt
from rag.prompting.prompts import NONE_HERE
from rag.summarising.blocks import document_blocks
from rag.summarising.division import calls, chapters
from rag.summarising.files import SummaryFolder, markdown, section_texts
from rag.summarising.job import summarise
from rag.summarising.kinds import KINDS, PAGES_COLUMN, SummaryOptions
from rag.summarising.rows import made_row, prose, read_row
from rag.summarising.stated import telling
from rag.wording.tables import BOM
from tests.support.laws import examples
from tests.support.summaries import (
    NOTHING_KEPT,
    PAGE,
    check_prompts,
    check_summary,
    codes_of,
    extract_summary,
    pages_of,
    report,
    stages_of,
    with_text,
)
from tests.support.writers import ADVERSARIES, BusyWriter, Writer, faithful

FIGURES, ACTIONS = KINDS["figures"], KINDS["actions"]
ROWS = {
    "rows": lambda prompt: "\n".join(f"매출액 | {n},234 | 백만원 [{n}]" for n in (1, 2, 3)),
    "invented rows": lambda prompt: "매출액 | 987,654 | 억원 [1]\n비용 | 약간 많음 | - [1]",
    "a Markdown table": lambda prompt: (
        "| 항목 | 값 | 단위 |\n|---|---|---|\n| 예산 | 3 | 억원 [1] |\n| 인원 | 5 | 명 [2] |"
    ),
    "bars": lambda prompt: "|||||| [1]\n | | [1]\n|",
}
WRITERS = ADVERSARIES | ROWS


def options_of(kind: str, **fields) -> SummaryOptions:
    return SummaryOptions(kind, instruction="위험을 정리하세요" if kind == "custom" else "", **fields)


def check_sections(content: NewContent, summary: Summary) -> None:
    """Assert that sections tile the sentences in document order, each with its own heading and pages."""
    place = 0
    for section in summary.sections:
        assert section.first_sentence == place and section.count > 0
        place += section.count
        assert summary.text[section.start :].startswith(f"{section.heading}\n")
        first = {c.sentence: c for c in reversed(summary.citations)}  # others may be of another chapter
        own = [first[sentence] for sentence in range(section.first_sentence, place)]
        assert all(section.first_page <= c.first_page <= section.last_page for c in own)
    assert place == len(summary.sentences)
    shown = "".join(text for _, text in section_texts(summary))
    assert all(sentence.text in shown for sentence in summary.sentences)


def check_rows(summary: Summary) -> None:
    assert [row.sentence for row in summary.rows] == list(range(len(summary.sentences)))
    assert summary.columns == (*KINDS[summary.kind].columns, PAGES_COLUMN)
    for row in summary.rows:
        assert len(row.cells) == len(summary.columns)
        assert summary.sentences[row.sentence].text == prose(row.cells[:-1], KINDS[summary.kind])


@examples(60)
@given(
    st.sampled_from(sorted(set(KINDS) - {"executive"})),
    st.sampled_from(sorted(WRITERS)),
    st.integers(0, 99),
    st.integers(1, 20),
    st.sampled_from([(900, 60), (1200, 150), (4000, 400)]),
    st.sampled_from(["report", "drop"]),
)
def test_every_kind_ends_fits_and_quotes_whatever_is_written(kind, writes, seed, count, sizes, on_figures):
    content = report("보고서", seed, count)
    writer = Writer(WRITERS[writes])
    stages = stages_of([content], writer, *sizes, figures=on_figures)
    (summary,) = summarise(stages, [content.document], options_of(kind), NOTHING_KEPT)
    assert isinstance(summary, Summary)
    check_summary(content, summary)
    check_prompts(stages, writer.prompts)
    assert summary.calls == len(writer.prompts)
    if kind == "sections":
        check_sections(content, summary)
        assert all(section.count <= 3 for section in summary.sections)
    elif KINDS[kind].columns:
        check_rows(summary)
        if on_figures == "drop":
            assert all(figure.stands for figure in summary.figures)
    assert len(summary.sentences) <= 10 or kind == "sections"


@examples(40)
@given(st.lists(st.sampled_from(["", "가", "나", "가 > 다", "나 > 다", "(단위: 천원)"]), max_size=12))
def test_chapters_tile_the_blocks(contexts):
    found = chapters(contexts)
    assert [place for chapter in found for place in chapter.blocks] == list(range(len(contexts)))
    assert all(chapter.blocks for chapter in found)
    assert all(one.heading != other.heading for one, other in pairwise(found))


@given(st.lists(st.integers(1, 150), max_size=20), st.integers(1, 5))
def test_calls_tile_the_chapters_and_only_a_large_one_is_over_the_room(sizes, most):
    spans = calls(sizes, 100, most)
    assert [place for span in spans for place in span] == list(range(len(sizes)))
    for span in spans:
        assert len(span) == 1 or (len(span) <= most and sum(sizes[place] for place in span) <= 100)


def chaptered(count: int, sentences: int) -> NewContent:
    """A document of `count` chapters, each of one chunk with `sentences` sentences."""
    content = report("보고서", 1, count)
    chunks, start = [], 0
    for number, chunk in enumerate(content.chunks[:count], start=1):
        text = "".join(
            f"제{number}공장의 {n}월 생산량은 {n},{number}00톤으로 늘었다.\n" for n in range(1, sentences + 1)
        )
        end = start + len(text)
        pages = start // PAGE + 1, (end - 1) // PAGE + 1
        context = f"보고서 > 제{number}장 [공장 {number}]"
        chunks.append(
            replace(
                chunk,
                text=text,
                start=start,
                end=end,
                context=context,
                kind="text",
                first_page=pages[0],
                last_page=pages[1],
            )
        )
        start = end
    pages = pages_of(start)
    document = replace(content.document, chunks=count, pages=len(pages))
    return NewContent(document, pages, chunks, content.terms[:count], content.vectors[:count])


def test_short_chapters_share_a_call_as_far_as_its_answer_has_room():
    content = chaptered(8, 3)
    writer = Writer(faithful)
    (summary,) = summarise(
        stages_of([content], writer, 8000, 4 * 3 * 70),
        [content.document],
        options_of("sections"),
        NOTHING_KEPT,
    )
    assert (summary.calls, summary.levels) == (2, 1)
    assert [section.heading for section in summary.sections] == [f"제{n}장 〔공장 {n}〕" for n in range(1, 9)]
    check_sections(content, summary)


def test_the_windows_of_all_chapters_are_one_stream_in_levels():
    content = chaptered(6, 120)
    writer = BusyWriter(faithful, 32, seed=1)
    stages = stages_of([content], writer, 1500, 200)
    (summary,) = summarise(stages, [content.document], options_of("sections"), NOTHING_KEPT)
    first = [p for p in writer.prompts if "한 장의 일부" in p.question]
    assert len(first) > 6 and writer.most_running >= 12  # windows of several chapters at a time
    assert summary.levels < summary.calls and len(summary.sections) == 6
    check_sections(content, summary)
    check_summary(content, summary)


def test_what_stands_in_for_a_completion_has_the_headings_of_what_is_written():
    content = chaptered(3, 3)
    content = replace(content, document=replace(content.document, title="보고서"))
    stages = stages_of([content], Writer(faithful))
    blocks = document_blocks(stages, content.document)
    assert {stated.context for stated in telling(stages.engine, "보고서", blocks, 3)} == {
        block.context for block in blocks
    }


def test_a_sentence_goes_to_the_chapter_that_it_cites():
    content = chaptered(3, 3)
    writer = Writer(lambda _: "## 제목\n셋째. [3] 첫째. [1] 또 셋째. [3]")
    (summary,) = summarise(
        stages_of([content], writer, 8000, 1024), [content.document], options_of("sections"), NOTHING_KEPT
    )
    texts = [text for _, text in section_texts(summary)]
    assert (
        "첫째" in texts[0] and "셋째" in texts[2] and "생산량" in texts[1]
    )  # of the second nothing was said


def test_what_a_row_says_must_stand_in_its_quote():
    content = with_text(report("보고서", 4, 3), 0, "2024년 매출액은 3,010억원이다.\n직원 수 | 명 | 512\n")

    def write(_: Prompt) -> str:
        return "매출액 | 3,010 | 억원 [1]\n직원 수 | 512 | 명 [1]\n매출액 | 3,011 | 억원 [1]"

    for on_figures, wanted in (("report", [True, True, False]), ("drop", [True, True])):
        stages = stages_of([content], Writer(write), 8000, 400, figures=on_figures)
        (summary,) = summarise(stages, [content.document], options_of("figures"), NOTHING_KEPT)
        assert [figure.stands for figure in summary.figures] == wanted
        assert summary.rows[0].cells[:3] == ("매출액", "3,010", "억원")
        check_rows(summary)


@pytest.mark.parametrize(
    ("due", "line", "held"),
    [
        ("2025. 6. 30.까지", "사업자는 결과보고서를 2025년 6월 30일까지 제출한다.", True),
        ("2025년 6월 30일", "사업자는 결과보고서를 ’25.6.30.까지 제출한다.", True),
        ("2025. 6. 29.까지", "사업자는 결과보고서를 2025년 6월 30일까지 제출한다.", False),
        ("계약 후 7일 이내", "사업자는 결과보고서를 계약 후  7일 이내에 낸다", True),
        ("즉시", "사업자는 결과보고서를 즉시 제출한다.", True),
        ("즉시", "사업자는 결과보고서를 지체 없이 제출한다.", False),
    ],
)
def test_deadlines_stand_as_days_or_word_for_word(due, line, held):
    content = with_text(report("보고서", 4, 3), 0, line + "\n")
    stages = stages_of([content], Writer(lambda _: f"결과보고서 제출 | 사업자 | {due} [1]"), 8000, 400)
    (summary,) = summarise(stages, [content.document], options_of("actions"), NOTHING_KEPT)
    assert [figure.stands for figure in summary.figures] == [held]
    assert held == (summary.sentences[0].support == "supported") or due == "즉시"


@pytest.mark.parametrize("kind", ["figures", "actions", "custom"])
def test_a_part_without_what_is_asked_for_adds_nothing(kind):
    content = with_text(report("보고서", 7, 12), 0, "제1공장은 안전점검 결과를 3일 이내에 제출하여야 한다.\n")
    silent = Writer(
        lambda prompt: NONE_HERE if "긴 문서의 한 부분" in prompt.question else "매출 | 1 | 명 [1]"
    )
    stages = stages_of([content], silent, 1500, 200)
    (summary,) = summarise(stages, [content.document], options_of(kind), NOTHING_KEPT)
    assert summary.levels == 1 < summary.calls
    assert codes_of(summary) & {"nothing_found", "model_found_nothing"}
    assert "replaced_completions" not in codes_of(summary)
    assert summary.sentences  # chosen from the text itself


@pytest.mark.parametrize("kind", ["figures", "actions", "custom"])
@pytest.mark.parametrize("said", [NONE_HERE, f"{NONE_HERE}. [1]", f"{NONE_HERE} | - | - [1]"])
def test_that_there_is_nothing_is_no_sentence_and_no_row(kind, said):
    stages = stages_of([content := report("보고서", 7, 12)], Writer(lambda _: said), 1500, 200)
    (summary,) = summarise(stages, [content.document], options_of(kind), NOTHING_KEPT)
    assert NONE_HERE not in summary.text and summary.levels == 1
    assert not any("뺐습니다" in notice.ko for notice in summary.warnings)


def test_nothing_in_one_part_is_not_nothing_in_the_document():
    """Where the last call fails, what is missing is the model's text, and not what it was to find."""
    parts = iter([NONE_HERE] + ["매출액 | 12,234 | 백만원 [1]"] * 20)
    writer = Writer(lambda prompt: next(parts) if "긴 문서의 한 부분" in prompt.question else "모르겠습니다.")
    stages = stages_of([content := report("보고서", 7, 12)], writer, 1500, 200)
    (summary,) = summarise(stages, [content.document], options_of("figures"), NOTHING_KEPT)
    assert summary.levels == 2
    assert "replaced_completions" in codes_of(summary)
    assert not codes_of(summary) & {"nothing_found", "model_found_nothing"}


def test_a_number_of_one_quote_is_not_of_the_unit_of_another():
    content = chaptered(2, 1)
    content = with_text(content, 0, "대상 기관은 모두 35 기관이다.\n")
    content = with_text(content, 1, "(단위: 백만원)\n구분 | 2024년\n대상 기관 사업 수입 | 1,200\n")
    stages = stages_of([content], Writer(lambda _: "대상 기관 사업 수입은 35백만원이다. [1][2]"), 8000, 400)
    (summary,) = summarise(stages, [content.document], SummaryOptions(), NOTHING_KEPT)
    assert [figure.stands for figure in summary.figures] == [False]
    assert len(summary.citations) == 2 and summary.sentences[0].support == "unsupported"


def test_figures_stand_in_the_order_of_the_sentence():
    content = with_text(report("보고서", 4, 3), 0, "직원 5명이 매출액 3,010억원을 올렸다.\n")
    stages = stages_of([content], Writer(lambda _: "직원 5명이 매출액 3,010억원을 올렸다. [1]"), 8000, 400)
    (summary,) = summarise(stages, [content.document], SummaryOptions(), NOTHING_KEPT)
    assert [figure.text for figure in summary.figures] == ["5명", "3010억원"]


def test_a_table_without_rows_says_so():
    content = with_text(report("보고서", 1, 1), 0, "여름에는 비가 많이 내린다.\n")
    chunks = content.chunks[:1]
    content = replace(content, chunks=chunks, terms=content.terms[:1], vectors=content.vectors[:1])
    summary = extract_summary(
        stages_of([content], Writer(lambda _: "")), content.document, options_of("actions")
    )
    assert summary.rows == () and codes_of(summary) == {"nothing_found"}


def test_other_kinds_have_always_something_to_tell():
    content = report("보고서", 7, 12)
    stages = stages_of([content], Writer(lambda _: NONE_HERE), 1500, 200)
    (summary,) = summarise(stages, [content.document], options_of("sections"), NOTHING_KEPT)
    assert "replaced_completions" in codes_of(summary)


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ("매출액 | 3,010 | 억원", ("매출액", "3,010", "억원")),
        ("| 매출액 | 3,010 |", ("매출액", "3,010", "-")),
        ("항목 | 값 | 단위", None),
        ("|---|:---:|", None),
        ("매출이 늘었다.", None),
    ],
)
def test_lines_are_read_as_rows(line, cells):
    assert read_row(line, FIGURES) == cells


def sentence(text: str) -> SourceSentence:
    return SourceSentence(text, 0, len(text), "", "text", True)


@pytest.mark.parametrize(
    ("kind", "text", "columns", "cells"),
    [
        (FIGURES, "○ 사업예산 : 110,000,000원 (부가세 포함)", "", ("사업예산", "110,000,000", "원")),
        (FIGURES, "매출액은 3조 2,500억원으로 5% 늘었다.", "", ("매출액", "3조 2,500억", "원")),
        (FIGURES, "매출액 | 3,010 | 2,900", "(단위: 천원) > 구분 | 2024년 | 2023년", ("매출액 (2024년)", "3,010", "천원")),
        (FIGURES, "서울지사 | 35 | 1,200", "(단위: 백만원) > 구분 | 인원(명) | 매출", ("서울지사 (인원(명))", "35", "명")),
        (FIGURES, "서울지사 | 35 | 1,200", "(단위: 명, 백만원) > 구분 | 인원 | 매출", ("서울지사 (인원)", "35", "-")),
        (FIGURES, "서울지사 | 35 | 1,200", "구분 | 인원(명) | 매출(백만원)", ("서울지사 (인원(명))", "35", "명")),
        (FIGURES, "○ 계약기간 : 계약일로부터 30일", "", ("계약기간", "30", "일")),
        (FIGURES, "이 가운데 프리랜서 비중이 87.7%로 가장 높고 남성이 63.5%임", "", ("프리랜서 비중", "87.7", "%")),
        (FIGURES, "고용보험에 가입한 비중이 63.5%로 나타났다.", "", ("고용보험에 가입한 비중", "63.5", "%")),
        (FIGURES, "매출액은 전년 대비 5% 증가하였다.", "", ("매출액은 전년 대비", "5", "%")),
        (FIGURES, "과징금은 최대 2천만원이다.", "", ("과징금", "2천만", "원")),
        (FIGURES, "지정 면적이 30만 제곱미터 이상이어야 한다.", "", ("지정 면적", "30만", "제곱미터 이상")),
        (FIGURES, "발급까지 걸리는 기간은 평균 2.5∼5개월이다.", "", ("발급까지 걸리는 기간", "2.5∼5", "개월")),
        (FIGURES, "자산 | 3,010억원(연결 기준) | -", "", ("자산", "3,010", "억원")),
        (FIGURES, "이자수익 | 27 | | 3,131", "(단위 : 원) > 과 목 | 주석 | 당기 | 전기", ("이자수익 (전기)", "3,131", "원")),
        (FIGURES, "이자수익 | | 3,131 | 2,762", "(단위 : 원) > 과 목 | 주석 | 당기 | 전기", ("이자수익 (당기)", "3,131", "원")),
        (FIGURES, "평가 지원 | 10백만원 이내", "사업 | 금액", ("평가 지원 (금액)", "10", "백만원 이내")),
        (FIGURES, "유효 표본 수 | 560개", "구 분 | 내용", ("유효 표본 수", "560", "개")),
        (FIGURES, "10년 이하의 징역 또는 2천만원 이하의 벌금에 처한다.", "", ("벌금", "2천만", "원 이하")),
        (FIGURES, "총 116개 통제항목을 점검한다.", "", ("통제항목", "116", "개")),
        (FIGURES, "위원회는 위원장 1명을 둔다.", "", None),
        (FIGURES, "길이가 283인 경우에 쓴다.", "", None),
        (FIGURES, "인적보안 | 1", "", None),
        (FIGURES, ". 유동자산 | 952,412,016원", "", ("유동자산", "952,412,016", "원")),
        (FIGURES, "계약기간 | · 계약체결일로부터 2개월", "", ("계약기간", "2", "개월")),
        (FIGURES, "실업률은 하락(5.4% → 5.2%)", "", ("실업률은 하락", "5.2", "%")),
        (FIGURES, "취업자수는 총 13.4만명 늘었다.", "", ("취업자수", "13.4만", "명")),
        (FIGURES, "보험계약자가 제2회 보험료를 내지 않은 경우", "", None),
        (FIGURES, "지수가 100초과면 늘었음을 뜻한다.", "", None),
        (FIGURES, "정당한 사유 없이 통보일로부터 1개월이 지나면 취소한다.", "", None),
        (FIGURES, "구성 | 위원장은 국내 주요 6개 광고매체를 대표하는 사람으로 하며 연임할 수 있다", "", None),
        (FIGURES, "입찰가격이 추정가격의 100분의 70이다.", "", None),
        (FIGURES, "2025년 6월 30일에 시작한다.", "", None),
        (FIGURES, "재생에너지가 차지하는 비율은 6.8%에서 12.3%로 높아졌다.", "", ("재생에너지가 차지하는 비율", "12.3", "%")),
        (FIGURES, "정책금리를 기존 0.0~0.1%에서 0.25%로 인상함", "", ("정책금리", "0.25", "%")),
        (FIGURES, "부채비율이 100% 아래로 내려갔다.", "", ("부채비율", "100", "% 아래")),
        (FIGURES, "지급액은 월 2만 4천원을 한도로 한다.", "", ("지급액", "2만 4천", "원")),
        (FIGURES, "1. 평일 당직: 1회 6만원", "", ("평일 당직", "6만", "원")),
        (FIGURES, "소정근로시간은 1일 8시간, 1주 40시간으로 한다.", "", None),
        (FIGURES, "계약 기간 : 20 년 월 일 ~ 20 년 월 일", "", None),
        (FIGURES, "제출은 과업내용서에 시한(10월~12월)을 협의", "", None),
        (ACTIONS, "- 총무팀은 결과를 2025. 6. 30.까지 제출하여야 한다.", "", ("총무팀은 결과를 2025. 6. 30.까지 제출하여야 한다.", "총무팀", "2025. 6. 30.까지")),
        (ACTIONS, "계약상대자는 10일 이내에 조치하여야 한다.", "", ("계약상대자는 10일 이내에 조치하여야 한다.", "계약상대자", "10일 이내")),
        (ACTIONS, "(정산) ① 기관의 장은 종료된 날부터 3개월 이내에 보고서를 제출해야 한다.", "", ("기관의 장은 종료된 날부터 3개월 이내에 보고서를 제출해야 한다.", "기관의 장", "종료된 날부터 3개월 이내")),
        (ACTIONS, "주관기관은 교체를 요구할 수 있으며, 이 경우 사업자는 10일 이내에 교체하여야 함", "", ("주관기관은 교체를 요구할 수 있으며, 이 경우 사업자는 10일 이내에 교체하여야 함", "사업자", "10일 이내")),
        (ACTIONS, "2024년 1월 5일까지 접수한 신청은 2024년 3월 10일까지 처리한다.", "", None),
        (ACTIONS, "2024년 1월 5일까지 접수한 신청을 2024년 3월 10일까지 처리하여야 한다.", "", ("2024년 1월 5일까지 접수한 신청을 2024년 3월 10일까지 처리하여야 한다.", "-", "2024년 3월 10일까지")),
        (ACTIONS, "2024년 1월 5일까지 접수한 신청은 7일 이내에 처리하여야 한다.", "", ("2024년 1월 5일까지 접수한 신청은 7일 이내에 처리하여야 한다.", "-", "7일 이내")),
        (ACTIONS, "보험료 납부는 매월 10일까지 하여야 한다.", "", ("보험료 납부는 매월 10일까지 하여야 한다.", "-", "매월 10일까지")),
        (ACTIONS, "조사 결과는 다음해 6월 30일까지 제출할 것", "", ("조사 결과는 다음해 6월 30일까지 제출할 것", "-", "다음해 6월 30일까지")),
        (ACTIONS, "1시간 안에 신고하여야 하며, 담당자는 즉시 말소한다.", "", ("1시간 안에 신고하여야 하며, 담당자는 즉시 말소한다.", "-", "1시간 안에")),
        (ACTIONS, "제10조의2(권장) 각 부서장은 참여를 권장하여야 한다.", "", ("각 부서장은 참여를 권장하여야 한다.", "각 부서장", "-")),
        (ACTIONS, "팀장은 매년 1월과 7월에 다시 확인하여야 한다.", "", ("팀장은 매년 1월과 7월에 다시 확인하여야 한다.", "팀장", "매년 1월과 7월")),
        (ACTIONS, "초안은 과업 종료 5일전에 제출하여야 한다.", "", ("초안은 과업 종료 5일전에 제출하여야 한다.", "-", "5일전에")),
        (ACTIONS, "반드시 11월 30일 이전에 사용해 주시기 바랍니다.", "", ("반드시 11월 30일 이전에 사용해 주시기 바랍니다.", "-", "11월 30일 이전")),
        (ACTIONS, "과거 5년 이내 당첨된 세대가 아니어야 합니다.", "", ("과거 5년 이내 당첨된 세대가 아니어야 합니다.", "-", "-")),
        (ACTIONS, "인증은 추가 보호조치로 총 11개 분야 31개 통제항목으로 구성", "", None),
        (ACTIONS, "날씨가 맑았다.", "", None),
    ],
)  # fmt: skip
def test_rows_are_made_from_sentences_and_rows(kind, text, columns, cells):
    assert made_row(kind, sentence(text), columns) == cells


WORDS = (
    "매출액은",
    "고용보험에",
    "가입한",
    "비중이",
    "또는",
    "전년",
    "대비",
    "(연결",
    "기준)",
    "경우",
    "총",
    "2024년의",
    "예산을",
    "3.5",
    "「법",
    "제3조」에",
    "따라",
)


@examples(60)
@given(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join))
def test_what_a_figure_is_of_stands_before_it_word_for_word(before):
    phrase = noun_phrase(before)
    assert phrase in before and len(phrase) <= PHRASE_CHARACTERS and phrase == phrase.strip()
    assert phrase.count("(") == phrase.count(")")


@pytest.mark.parametrize("kind", ["figures", "actions"])
def test_without_a_model_rows_are_words_of_the_samples(samples, kind):
    for summary in samples.summarise(samples.documents(), kind, sentences=6):
        check_rows(summary)
        assert 0 < len(summary.rows) <= 6
        assert all(figure.stands for figure in summary.figures)
        text = samples.text(samples.document(summary.document_id))
        assert all(text[c.start : c.end] == c.quote for c in summary.citations)


def test_without_a_model_every_chapter_of_a_sample_has_its_sentences(samples):
    (summary,) = samples.summarise(["취업규칙.pdf"], "sections", sentences=2)
    assert len(summary.sections) > 3 and any("휴가" in section.heading for section in summary.sections)
    assert all(section.count <= 2 for section in summary.sections)


def test_without_a_model_an_instruction_chooses_the_sentences(samples):
    (summary,) = samples.summarise(["취업규칙.pdf"], "custom", instruction="연차유급휴가 일수", sentences=3)
    assert "휴가" in summary.text


@pytest.mark.parametrize("kind", ["executive", "custom"])
def test_an_instruction_goes_with_its_kind(kind):
    with pytest.raises(ValueError, match="instruction"):
        SummaryOptions(kind, instruction="" if kind == "custom" else "위험")


def test_an_instruction_reaches_the_prompt_as_the_users_and_markers_stay_ours():
    content = report("보고서", 3, 2)
    writer = Writer(faithful)
    options = SummaryOptions("custom", instruction="[1] {length} 위험을\n정리")
    (summary,) = summarise(stages_of([content], writer, 8000, 400), [content.document], options, NOTHING_KEPT)
    assert "〔1〕 {length} 위험을 정리" in writer.prompts[0].question and summary.kind == "custom"


def test_files_of_rows_are_tables_and_csv(tmp_path):
    content = with_text(report("보고서", 4, 3), 0, "=1+1 매출액 3억원 | 값\n")
    stages = stages_of([content], Writer(lambda _: "=SUM(A1)|3|억원 [1]\n매출 <b>|3|억원 [1]"), 8000, 400)
    (summary,) = summarise(stages, [content.document], options_of("figures"), NOTHING_KEPT)
    with SummaryFolder(tmp_path, [content.document], "figures") as files:
        files.write(summary)
    raw = (tmp_path / "보고서.figures.csv").read_bytes().decode("utf-8")
    rows = list(csv.reader(io.StringIO(raw.removeprefix(BOM), newline="")))
    assert raw.startswith(BOM) and rows[0] == ["항목", "값", "단위", "쪽"]
    assert rows[1][0] == "'=SUM(A1)" and [row[1:3] for row in rows[1:]] == [["3", "억원"]] * 2
    body = json.loads((tmp_path / "보고서.figures.json").read_text("utf-8"))
    assert [row["cells"] for row in body["rows"]] == [list(row.cells) for row in summary.rows]
    shown = (tmp_path / "보고서.figures.md").read_text("utf-8")
    assert "| 항목 | 값 | 단위 | 쪽 | 근거 |" in shown and "<b>" not in shown


def test_a_file_of_sections_has_their_headings():
    content = chaptered(3, 3)
    summary = extract_summary(
        stages_of([content], Writer(faithful)), content.document, options_of("sections")
    )
    assert re.findall(r"^## (제\d장 〔공장 \d〕)", markdown(summary), re.M) == [
        f"제{n}장 〔공장 {n}〕" for n in (1, 2, 3)
    ]
    assert len(document_blocks(stages_of([content], Writer(faithful)), content.document)) == 3
