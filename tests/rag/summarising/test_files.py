"""The files of a summary: whatever its document holds or is called, they show words, and no line of theirs breaks."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.types import NewContent
from rag.answer import Summary
from rag.prompting.prompts import MARKER
from rag.summarising.files import FAILURES, SummaryFolder, file_names, markdown
from rag.summarising.job import summarise
from rag.summarising.kinds import KINDS, SummaryOptions
from tests.support.laws import examples
from tests.support.markdown import HOSTILE, PARSER, WORDS, inline_tokens
from tests.support.summaries import (
    NOTHING_KEPT,
    check_summary,
    extract_summary,
    report,
    stages_of,
    with_text,
)
from tests.support.writers import Writer

# A name that Linux allows: it breaks lines, turns their direction and drives a terminal.
BROKEN_NAME = "보고서\n\r\x0b\x85\u2028\u202e끝\x1b[2J![](http:evil.example)"


def hostile_report(hostile: str) -> NewContent:
    """A report whose title, path, heading and text are `hostile`, and hold a figure."""
    content = with_text(
        report("보고서", 4, 3), 0, f"매출액은 3억원이다. {hostile} 예산은 4억원으로 늘었다.\n"
    )
    title = f"{hostile} 보고서"
    chunks = [replace(chunk, context=f"{title} > {hostile} 현황") for chunk in content.chunks]
    document = replace(content.document, title=title, paths=(f"/문서/{hostile}.pdf",))
    return replace(content, document=document, chunks=chunks)


def written_of(content: NewContent, options: SummaryOptions, reply: str) -> Summary:
    """The summary of `content` by a model that answers every prompt with `reply`."""
    stages = stages_of([content], Writer(lambda _: reply), 8000, 400)
    (summary,) = summarise(stages, [content.document], options, NOTHING_KEPT)
    assert isinstance(summary, Summary)
    return summary


def check_only_words(text: str) -> None:
    """Assert that there is no link, no picture and no HTML but line breaks of cells; the headings are ours."""
    assert {token.type for token in inline_tokens(text) if token.content != "<br>"} <= WORDS
    headings = [token.tag for token in PARSER.parse(text) if token.type == "heading_open"]
    assert headings[0] == "h1" and set(headings[1:]) <= {"h2"}


@pytest.mark.parametrize("kind", ["executive", "sections", "figures"])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_summary_as_markdown_is_only_words(hostile, kind):
    options, content = SummaryOptions(kind), hostile_report(hostile)
    check_only_words(markdown(extract_summary(stages_of([content], Writer(str)), content.document, options)))
    line = " ".join(hostile.split())
    reply = (
        f"{line} | 3 | 억원 [1]"
        if kind == "figures"
        else f"매출액은 3억원이다. {line} [1](http://evil.example)"
    )
    check_only_words(markdown(written_of(content, options, reply)))


forged = st.lists(
    st.sampled_from(
        [
            "[ref][1]",
            "[1]: http://evil.example",
            "［2］",
            "[1, 2]",
            "[",
            "]",
            "〔3〕",
            "| [4] |",
            "5억원[6]",
            "표\n",
        ]
    ),
    min_size=1,
    max_size=4,
).map(" ".join)


@examples(60)
@given(forged, st.sampled_from(sorted(KINDS)), st.booleans())
def test_the_only_markers_in_a_summary_are_its_own(forged, kind, by_model):
    """The brackets of a document, in its text, headings or title, forge no evidence; quotes keep its words."""
    content = hostile_report(forged)
    options = SummaryOptions(kind, instruction="매출액" if kind == "custom" else "")
    if by_model:
        summary = written_of(content, options, f"매출액 {forged} | 3 | 억원 | {forged} [1]")
    else:
        summary = extract_summary(stages_of([content], Writer(str), 8000, 400), content.document, options)
    check_summary(content, summary)
    shown = markdown(summary)
    assert not MARKER.search(shown.splitlines()[0])
    assert not [line for line in shown.splitlines() if line.startswith("## ") and MARKER.search(line)]


def test_a_document_that_forges_markers_is_told_in_other_brackets_and_quoted_in_its_own():
    content = with_text(report("보고서", 4, 1), 0, "매출액은 3억원이다[ref][1]. [1]: http://evil.example\n")
    summary = extract_summary(stages_of([content], Writer(str)), content.document, SummaryOptions())
    assert "3억원이다〔ref〕〔1〕" in summary.text
    assert any("3억원이다[ref][1]" in citation.quote for citation in summary.citations)


def test_no_name_of_a_file_breaks_a_line_or_turns_it():
    content = report("보고서", 1, 1)
    document = replace(content.document, paths=(f"/문서/{BROKEN_NAME}.pdf",))
    (name,) = file_names([document]).values()
    assert name.isprintable() and name.startswith("보고서____") and "끝" in name


def test_a_failure_is_read_back_whatever_the_document_is_called(tmp_path):
    document = replace(report("보고서", 1, 1).document, title=BROKEN_NAME)
    why = {"document_id": document.document_id, "kind": "executive", "title": BROKEN_NAME}
    with SummaryFolder(tmp_path, [document]) as files:
        files.fail(document.document_id, why)
    assert len((tmp_path / FAILURES).read_bytes().splitlines()) == 1
    with SummaryFolder(tmp_path, [document]) as files:
        assert files.failures == {document.document_id: why}


def test_a_written_summary_has_the_lines_of_another_whatever_its_document_is_called(tmp_path):
    content = report("보고서", 4, 3)
    lines = []
    for name in ("보고서", BROKEN_NAME):
        document = replace(content.document, title=name, paths=(f"/문서/{name}.pdf",))
        stages = stages_of([replace(content, document=document)], Writer(str))
        summary = extract_summary(stages, document, SummaryOptions("figures"))
        with SummaryFolder(tmp_path / f"{len(lines)}", [document], "figures") as files:
            files.write(summary)
            texts = [
                files.path(document.document_id, ending).read_text("utf-8")
                for ending in (".md", ".csv", ".json")
            ]
        assert json.loads(texts[-1])["title"] == name
        lines.append([len(text.splitlines()) for text in texts[:2]])
    assert lines[0] == lines[1]


@pytest.mark.parametrize("kind", ["executive", "sections", "figures"])
def test_a_notice_has_a_code_and_both_languages_in_the_file_for_programs(tmp_path, kind):
    content = report("빈 보고서", 1, 0)
    stages = stages_of([content], Writer(str))
    with SummaryFolder(tmp_path, [content.document], kind) as files:
        files.write(extract_summary(stages, content.document, SummaryOptions(kind)))
        body = json.loads(files.path(content.document.document_id, ".json").read_text("utf-8"))
        text = files.path(content.document.document_id, ".md").read_text("utf-8")
    (notice,) = body["warnings"]
    assert notice.keys() == {"code", "ko", "en"} and notice["code"] == "nothing_to_read"
    assert notice["ko"] in text and notice["en"].isascii()
