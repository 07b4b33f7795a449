"""Summaries end, fit, and quote exactly, whatever the model writes."""

import re
from dataclasses import replace
from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.types import NewContent
from ingest.document import Page
from rag.answer import FailedSummary, Summary
from rag.errors import PromptTooLong
from rag.prompting.packing import Prompt
from rag.prompting.prompts import in_other_brackets
from rag.summarising.blocks import LEAST_BLOCK, document_blocks, room_for_blocks
from rag.summarising.division import MOST_BLOCKS
from rag.summarising.job import summarise
from rag.summarising.kinds import SummaryOptions
from rag.summarising.stages import SummaryStages, order_of
from rag.wording.tables import row_cells
from tests.support.laws import examples
from tests.support.summaries import (
    NOTHING_KEPT,
    TOKENIZER,
    check_prompts,
    check_summary,
    codes_of,
    extract_summary,
    report,
    stages_of,
    with_text,
)
from tests.support.writers import ADVERSARIES, Writer, faithful

OPTIONS = SummaryOptions()


adversaries = st.sampled_from(sorted(ADVERSARIES))


def most_calls(stages: SummaryStages, content: NewContent) -> float:
    """The most calls that a summary may take, as the product states it."""
    tokens = sum(block.tokens for block in document_blocks(stages, content.document))
    room = min(
        room_for_blocks(stages, order_of(stages, OPTIONS), content.document.title), MOST_BLOCKS * LEAST_BLOCK
    )
    return 8 * tokens / room + max(0.0, log2(max(tokens, 1) / room)) + 2


@examples(16)
@given(
    adversaries,
    st.integers(0, 99),
    st.integers(1, 30),
    st.sampled_from([(700, 60), (1000, 120), (4000, 400)]),
)
def test_a_summary_ends_fits_and_quotes_whatever_is_written(adversary, seed, chapters, sizes):
    content = report("보고서", seed, chapters)
    writer = Writer(ADVERSARIES[adversary])
    stages = stages_of([content], writer, *sizes)
    (summary,) = summarise(stages, [content.document], OPTIONS, NOTHING_KEPT)
    assert isinstance(summary, Summary)
    check_summary(content, summary)
    check_prompts(stages, writer.prompts)
    assert summary.calls == len(writer.prompts) <= most_calls(stages, content)
    assert bool(summary.sentences) == bool(document_blocks(stages, content.document))
    assert len(summary.sentences) <= 10


@pytest.mark.parametrize("adversary", sorted(ADVERSARIES))
def test_a_document_that_fits_takes_one_call(adversary):
    content = report("짧은 보고서", 3, 2)
    writer = Writer(ADVERSARIES[adversary])
    (summary,) = summarise(
        stages_of([content], writer, 16384, 1024), [content.document], OPTIONS, NOTHING_KEPT
    )
    assert (summary.calls, summary.levels, len(writer.prompts)) == (1, 1, 1)
    assert summary.prompt_tokens == len(writer.prompts[0].token_ids)


def test_a_long_document_is_read_whole_in_windows_that_are_full():
    content = report("긴 보고서", 1, 60)
    writer = Writer(faithful)
    stages = stages_of([content], writer, 2000, 200)
    (summary,) = summarise(stages, [content.document], OPTIONS, NOTHING_KEPT)
    first_level = [prompt for prompt in writer.prompts if "긴 문서의 한 부분" in prompt.question]
    shown = "".join(message.content for prompt in first_level for message in prompt.messages)
    for chunk in content.chunks:
        if chunk.kind == "text":
            assert re.sub(r"\[(\d+)\]", r"〔\1〕", chunk.text.strip()) in shown
    assert summary.levels >= 2 and summary.calls >= 5
    full = [prompt.budget.prompt / (2000 - 200) for prompt in first_level]
    assert sum(full) / len(full) > 0.8


def test_each_level_is_at_most_half_the_one_below():
    content = report("긴 보고서", 2, 40)
    writer = Writer(ADVERSARIES["too much"])
    stages = stages_of([content], writer, 1000, 120)
    (summary,) = summarise(stages, [content.document], OPTIONS, NOTHING_KEPT)
    tokens = sum(block.tokens for block in document_blocks(stages, content.document))
    room = room_for_blocks(stages, order_of(stages, OPTIONS), content.document.title)
    assert 2 <= summary.levels <= log2(tokens / room) + 2


def test_a_quote_of_the_last_level_is_the_best_of_the_passages_below():
    """Windows say what one sentence says; the summary repeats it, and must find it in the document."""
    content = report("긴 보고서", 4, 40)
    place = len(content.chunks) // 2
    needle = "올해의 가장 큰 위험은 환율이며 손실은 7,777억원에 이른다.\n"
    content = with_text(content, place, content.chunks[place].text + needle)

    def write(prompt: Prompt) -> str:
        blocks = re.split(r"\n(?=\[\d+\])", prompt.messages[-1].content)
        found = [block for block in blocks if "7,777억원" in block]
        if not found:
            return faithful(prompt)
        return f"가장 큰 위험은 환율이며 손실은 7,777억원에 이른다. {found[0][: found[0].index(']') + 1]}"

    stages = stages_of([content], Writer(write), 1000, 120)
    (summary,) = summarise(stages, [content.document], OPTIONS, NOTHING_KEPT)
    assert summary.levels >= 2
    (citation,) = [c for c in summary.citations if "7,777억원" in summary.sentences[c.sentence].text]
    assert citation.quote == needle.strip() and citation.support == "supported"
    assert [figure.stands for figure in summary.figures if figure.text == "7777억원"] == [True]
    check_summary(content, summary)


FIGURES = "매출액은 9,999억원이다. [1] 위원회는 안건을 심의하였다. [1]"


@pytest.mark.parametrize(("rule", "kept"), [("report", 2), ("drop", 1)])
def test_figures_without_evidence_are_reported_or_dropped(rule, kept):
    content = report("짧은 보고서", 3, 2)
    stages = stages_of([content], Writer(lambda _: FIGURES), 16384, 1024, figures=rule)
    (summary,) = summarise(stages, [content.document], OPTIONS, NOTHING_KEPT)
    assert len(summary.sentences) == kept
    missing = [figure.text for figure in summary.figures if not figure.stands]
    assert missing == ["9999억원"] * (rule == "report")
    assert "수치" in " ".join(notice.ko for notice in summary.warnings)


@pytest.mark.parametrize(("options", "most"), [(SummaryOptions(sentences=3), 3), (SummaryOptions(), 10)])
def test_a_summary_has_no_more_sentences_than_asked_for(options, most):
    content = report("짧은 보고서", 3, 2)
    stages = stages_of([content], Writer(ADVERSARIES["too much"]), 16384, 1024)
    (summary,) = summarise(stages, [content.document], options, NOTHING_KEPT)
    assert len(summary.sentences) == most
    assert "over_length" in codes_of(summary)


def test_a_summary_has_no_more_tokens_than_asked_for():
    content = report("짧은 보고서", 3, 2)
    writer = Writer(ADVERSARIES["too much"])
    stages = stages_of([content], writer, 16384, 1024)
    (summary,) = summarise(stages, [content.document], SummaryOptions(tokens=100), NOTHING_KEPT)
    assert sum(TOKENIZER.count(sentence.text) for sentence in summary.sentences) <= 100
    assert writer.prompts[0].budget.reserved_output == 100


def test_items_of_the_style_of_items_stand_on_lines_of_their_own():
    content = report("짧은 보고서", 3, 2)
    stages = stages_of([content], Writer(lambda _: "- 매출액 증가함 [1]\n2. 점검 마침 [2]"), 16384, 1024)
    (summary,) = summarise(stages, [content.document], SummaryOptions(style="개조식"), NOTHING_KEPT)
    assert re.fullmatch(r"- 매출액 증가함 \[1\]\n- 점검 마침 \[\d\]", summary.text)


def test_a_window_without_room_for_text_is_refused_for_each_document():
    contents = [report(f"보고서{n}", n, 2) for n in range(2)]
    stages = stages_of(contents, Writer(faithful), 400, 390)
    results = list(summarise(stages, [c.document for c in contents], OPTIONS, NOTHING_KEPT))
    assert [type(result) for result in results] == [FailedSummary] * 2
    assert isinstance(results[0].error, PromptTooLong)


def test_without_a_model_every_sentence_quotes_itself():
    content = report("보고서", 5, 20)
    stages = stages_of([content], Writer(faithful))
    summary = extract_summary(stages, content.document, SummaryOptions(sentences=6))
    check_summary(content, summary)
    assert len(summary.sentences) == 6 and (summary.calls, summary.levels) == (0, 0)
    for sentence, citation in zip(summary.sentences, summary.citations, strict=True):
        name, *values = row_cells(" ".join(citation.quote.split()).removeprefix("□ "))
        said = f"{name}: {' / '.join(values)}" if values else name
        assert sentence.text == in_other_brackets(said)
        assert sentence.support == "supported"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("- ○ 예산은 3억원으로 정한다.", "예산은 3억원으로 정한다."),
        ("ㅇ 2024년 예산은 3억원으로 정한다.", "2024년 예산은 3억원으로 정한다."),
        ("예산 | | ㅇ 3억원 | 2억원", "예산: 3억원 / 2억원"),
        ("제3조 예산은 3억원으로 정한다.", "제3조 예산은 3억원으로 정한다."),
        ("-3.5% 줄어 예산이 부족하게 되었다.", "-3.5% 줄어 예산이 부족하게 되었다."),
    ],
)
def test_without_a_model_bullets_and_cells_are_told_as_people_write_them(line, told):
    content = with_text(report("보고서", 5, 1), 0, f"{line}\n")
    content = replace(content, chunks=content.chunks[:1])
    summary = extract_summary(
        stages_of([content], Writer(faithful)), content.document, SummaryOptions(sentences=1)
    )
    assert summary.sentences[0].text == told and summary.citations[0].quote == line


def test_a_document_without_text_has_an_empty_summary_that_says_so():
    content = report("빈 보고서", 0, 0)
    pages = [Page(1, "1", 0, 0, False), Page(2, "2", 0, 0, True)]
    content = replace(content, pages=pages)
    writer = Writer(faithful)
    (summary,) = summarise(stages_of([content], writer), [content.document], OPTIONS, NOTHING_KEPT)
    assert (summary.text, summary.calls, writer.prompts) == ("", 0, [])
    assert (summary.coverage.pages_unreadable, summary.coverage.pages_unused) == ((1,), (2,))
    assert "nothing_to_read" in codes_of(summary)
