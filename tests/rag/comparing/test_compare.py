"""Comparisons: each cell quotes its own report, or says that there is no evidence, whatever the model writes."""

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.types import EVERYTHING, Filter
from ingest.errors import Notice
from rag.answer import Citation, PackedPassage
from rag.asking.stages import RetrievalStages, Stages
from rag.comparing.compare import (
    NO_EVIDENCE,
    ComparedDocument,
    Comparison,
    ComparisonCell,
    ComparisonRow,
    compare,
)
from rag.comparing.files import as_csv, as_html, as_json, as_markdown, pages, quotes
from rag.comparing.shared_names import ADDED, _folded, _Name, shared_names
from rag.errors import GenerationFailed, NoSharedNames
from rag.extracting.values import alternatives, by_columns, extract_value, key, named_values, without_name
from rag.models.open import ExtractiveGenerator
from rag.prompting.packing import Prompt
from rag.prompting.prompts import ABSTENTION, CELL_SYSTEM
from rag.wording.tables import BOM, harmless
from tests.support.laws import examples
from tests.support.markdown import HOSTILE, WORDS, blocks, inline_tokens
from tests.support.summaries import report, stages_of, with_text
from tests.support.tables import NASTY_CELLS
from tests.support.writers import ADVERSARIES, Writer, failing_at, faithful

NAMES = ["매출액", "예산/사업비", "점검 기한"]
TEXTS = (
    "1. 사업명: 도로 정비\n2. 사업예산 : 3억원 (부가세 포함)\n사업기간은 예산에 따라 달라진다.\n사업기간 | 계약일부터 6개월\n",
    "○ 사업명 : 하천 정비\n사업 예산 : 150,000,000원\n3. 사업기간\n계약체결일부터 2025. 12. 31.까지\n",
)


def tenders() -> list:
    """Two reports that name their values in different ways."""
    return [with_text(report(f"제안요청서{n}", n, 3), 0, text) for n, text in enumerate(TEXTS)]


def stages_for(contents, generator=None) -> Stages:
    made = stages_of(contents, generator or ExtractiveGenerator(), 4000, 200)
    return Stages(RetrievalStages(made.engine), made.tokenizer, made.generator, made.generation)


def check(comparison: Comparison, contents) -> None:
    """Assert that each cell's quotes are exact and from its column's document and pages, or it says it has none."""
    texts = {c.document.document_id: "".join(chunk.text for chunk in c.chunks) for c in contents}
    columns = [document.document_id for document in comparison.documents]
    assert columns == [content.document.document_id for content in contents]
    for row in comparison.rows:
        assert [cell.document_id for cell in row.cells] == columns
        for cell in row.cells:
            assert cell.found == (cell.text != NO_EVIDENCE) == bool(cell.citations)
            assert cell.support in (("supported", "partial") if cell.found else ("uncited",))
            assert not re.search(r"\[\d", cell.text)
            for citation in cell.citations:
                assert citation.document_id == cell.document_id
                assert texts[cell.document_id][citation.start : citation.end] == citation.quote != ""
    none = sum(not cell.found for row in comparison.rows for cell in row.cells)
    told = [notice.ko for notice in comparison.warnings if notice.code == "cells_without_evidence"]
    assert [f"{none}개는 문서에서 근거를" in text for text in told] == [True] * (none > 0)


@examples(40)
@given(st.sampled_from(sorted(ADVERSARIES)), st.integers(0, 50), st.integers(2, 4))
def test_a_cell_quotes_its_own_report_whatever_is_written(adversary, seed, count):
    contents = [report(f"보고서{n}", seed + n, 3) for n in range(count)]
    writer = Writer(ADVERSARIES[adversary])
    stages = stages_for(contents, writer)
    comparison = compare(stages, [c.document for c in contents], NAMES, EVERYTHING)
    check(comparison, contents)
    assert [row.name for row in comparison.rows] == NAMES and not comparison.rows_found
    assert len(writer.prompts) == len(NAMES) * count
    for prompt in writer.prompts:
        assert prompt.messages[0].content == CELL_SYSTEM
        assert len({passage.document_id for passage in prompt.passages}) <= 1
        assert prompt.budget.prompt + prompt.budget.reserved_output <= prompt.budget.window


class CountingWriter(Writer):
    """Counts the streams of prompts that it is given."""

    jobs = 0

    def generate_each(self, job, options):
        self.jobs += 1
        return super().generate_each(job, options)


def test_all_cells_are_one_stream():
    contents = [report(f"보고서{n}", n, 3) for n in range(4)]
    writer = CountingWriter(faithful)
    check(compare(stages_for(contents, writer), [c.document for c in contents], NAMES, EVERYTHING), contents)
    assert (writer.jobs, len(writer.prompts)) == (1, 12)


def test_what_fails_is_raised_and_progress_is_told():
    contents = tenders()
    error = GenerationFailed(detail="꺼짐")
    writer = Writer(failing_at(lambda prompt: prompt.question == "둘", error, faithful))
    done = []
    with pytest.raises(GenerationFailed):
        compare(
            stages_for(contents, writer), [c.document for c in contents], ["하나", "둘"], EVERYTHING,
            on_cell=lambda *told: done.append(told),
        )  # fmt: skip
    assert done == [(1, 4), (2, 4)]


def test_groups_hold_in_every_cell():
    contents = [report(f"보고서{n}", n, 3, groups=(group,)) for n, group in enumerate(["가", "나"])]
    stages = stages_for(contents)
    comparison = compare(stages, [c.document for c in contents], ["매출액", "예산"], Filter(("가",)))
    assert any(row.cells[0].found for row in comparison.rows)
    assert not any(row.cells[1].found for row in comparison.rows)


def test_without_a_model_the_line_with_the_name_wins():
    contents = tenders()
    comparison = compare(
        stages_for(contents),
        [c.document for c in contents],
        ["사업예산", "사업기간/용역기간", "하자보수"],
        EVERYTHING,
    )
    check(comparison, contents)
    assert [[cell.text for cell in row.cells] for row in comparison.rows] == [
        ["3억원 (부가세 포함)", "150,000,000원"],
        ["계약일부터 6개월", "계약체결일부터 2025. 12. 31.까지"],
        [NO_EVIDENCE, NO_EVIDENCE],
    ]


def test_rows_are_found_that_the_reports_share():
    contents = tenders()
    comparison = compare(stages_for(contents), [c.document for c in contents], [], EVERYTHING, most=5)
    assert comparison.rows_found and {"사업명", "사업예산", "사업기간"} <= {
        row.name for row in comparison.rows
    }
    check(comparison, contents)


def test_near_duplicates_are_one_row_and_forms_that_all_share_are_none():
    texts = (
        "사업비: 3억원이며 변동 가능\n작성 방법: 서식대로 작성한다.\n",
        "총사업비: 5억원이며 변동 불가\n작성 방법: 서식대로 작성한다.\n",
    )
    contents = [with_text(report(f"문서{n}", 9, 1), 0, text) for n, text in enumerate(texts)]
    stages = stages_for(contents)
    found = shared_names(stages.engine, [c.document for c in contents], 9)
    assert "사업비" in found and "총사업비" not in found and "작성 방법" not in found


@given(st.lists(st.text("가나", min_size=1, max_size=7), unique=True, max_size=30))
def test_a_name_is_folded_into_the_first_shorter_one_that_it_begins_or_ends_with(keys):
    kept: dict[str, set[str]] = {}
    for name in sorted(keys, key=lambda one: (len(one), one)):
        near = (
            one
            for one in kept
            if len(name) - len(one) <= ADDED and one in (name[: len(one)], name[-len(one) :])
        )
        kept.setdefault(next(near, name), set()).add(name)
    folded = _folded({name: _Name(name, {name}) for name in keys})
    assert [(one.written, one.documents) for one in folded] == list(kept.items())


def test_a_cell_has_no_markers_also_inside_a_sentence():
    def write(prompt: Prompt) -> str:
        marker = next((passage.marker for passage in prompt.passages if "사업예산" in passage.text), 0)
        return f"사업예산은 [{marker}] 3억원이다. [{marker}]"

    contents = tenders()
    stages = stages_for(contents, Writer(write))
    comparison = compare(stages, [c.document for c in contents], ["사업예산"], EVERYTHING)
    check(comparison, contents)
    assert any(cell.found for row in comparison.rows for cell in row.cells)


def test_reports_that_share_nothing_say_to_name_rows():
    contents = [
        with_text(report("가", 1, 1), 0, "아무 말도 없다.\n"),
        with_text(report("나", 2, 1), 0, "없다.\n"),
    ]
    contents = [replace(c, chunks=c.chunks[:1]) for c in contents]
    with pytest.raises(NoSharedNames) as caught:
        compare(stages_for(contents), [c.document for c in contents], [], EVERYTHING)
    assert "--row" in caught.value.remedy("ko")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("용역명", "용 역 명 | · 제작대행 용역", "제작대행 용역"),
        ("수행기간", "o 수행기간 : 계약체결일부터 2025. 12. 31까지", "계약체결일부터 2025. 12. 31까지"),
        ("예산", "사업명 | 정비 | 예산 | 3억원", "3억원"),
        ("예산", "예산 | 3억원 | 2억원", "3억원 / 2억원"),
        ("계약기간", "제5조(계약기간) 계약은 1년으로 한다.", "계약은 1년으로 한다."),
        ("기간", "- 2025. 1. 1.부터 1년", "2025. 1. 1.부터 1년"),
    ],
)
def test_the_value_of_a_line_is_what_stands_behind_its_name(name, text, value):
    assert without_name(name, text) == value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("이 사업의 담당자는 시설관리팀장이다.", True),
        ("입찰자는 프리랜서와 담당자 명단을 작성하여 함께 낸다.", False),
    ],
)
def test_a_sentence_that_only_holds_the_name_gives_no_value(text, told):
    passage = PackedPassage(1, "d", "요청서.pdf", "요청서", "", 1, 1, 0, len(text), text, 9, 1.0)
    assert extract_value("담당자", [passage]) == (f"{text} [1]" if told else ABSTENTION)


@pytest.mark.parametrize("text", ["성명 :      ", "계약일 | 년  월  일", "○ 금액 : (      )원", "서명: ____"])
def test_what_waits_to_be_filled_in_names_no_value(text):
    assert not list(named_values(text))


@given(st.text(max_size=60), st.text(min_size=1, max_size=20))
def test_any_text_has_names_and_values_of_its_own_words(text, name):
    for one in named_values(text):
        assert one.value.strip() and all(part in text for part in one.value.split(" | "))
    assert isinstance(without_name(name, text), str) and alternatives(name) and isinstance(key(text), str)
    assert extract_value(name, []) == ABSTENTION


# files

texts = st.one_of(
    st.sampled_from([*NASTY_CELLS, *HOSTILE]), st.text("가나 <>&|\"'`*_[]\\\n=+-@,", min_size=1, max_size=12)
)


@st.composite
def comparisons(draw) -> Comparison:
    width = draw(st.integers(1, 3))
    documents = tuple(ComparedDocument(f"{n:016}", f"/문서/{n}.pdf", draw(texts)) for n in range(width))

    def cell(document: ComparedDocument) -> ComparisonCell:
        quote = draw(st.none() | texts)
        if quote is None:
            return ComparisonCell(document.document_id, NO_EVIDENCE, (), "uncited")
        cited = Citation(
            0, 1, document.document_id, document.path, document.title, 3, 4, 0, len(quote), quote, "partial"
        )
        return ComparisonCell(document.document_id, draw(texts), (cited,), "partial")

    rows = tuple(
        ComparisonRow(draw(texts), tuple(map(cell, documents))) for _ in range(draw(st.integers(1, 3)))
    )
    return Comparison(
        documents, rows, False, "extractive", "embedded", (Notice("cells_in_part", "경고", "notice"),), 0.1
    )


class Cells(HTMLParser):
    """The quotes of a page, and the tags and attributes that it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.quotes: list[str] = []
        self._inside = False

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._inside = tag == "blockquote"
        if self._inside:
            self.quotes.append("")

    def handle_data(self, data):
        if self._inside:
            self.quotes[-1] += data

    def handle_endtag(self, tag):
        self._inside = False


@pytest.mark.parametrize(
    ("text", "row", "columns", "told"),
    [
        ("2,680 / 3,010", "매출액 | 2,680 | 3,010", "(단위: 억원) > 구분 | 2024년 | 2025년", "2024년 2,680 / 2025년 3,010"),
        ("3,010", "매출액 | | 3,010", "구분 | 2024년 | 2025년", "2025년 3,010"),
        ("560개", "표본 | 560개", "구분 | 내용", "560개"),
        ("2,680 / 3,010", "매출액 | 2,680 | 3,010", "구분 | 2025년", "2,680 / 3,010"),
        ("늘었다", "매출액 | 2,680 | 3,010", "구분 | 2024년 | 2025년", "늘었다"),
        ("매출액이 늘었다.", "매출액이 늘었다.", "", "매출액이 늘었다."),
    ],
)  # fmt: skip
def test_the_values_of_a_row_have_the_names_of_their_columns(text, row, columns, told):
    assert by_columns(text, row, columns) == told


@given(comparisons())
def test_files_give_back_the_cells_and_nothing_in_them_runs(comparison):
    text = as_csv(comparison)
    rows = list(csv.reader(io.StringIO(text.removeprefix(BOM), newline="")))
    for row, written in zip(comparison.rows, rows[1:], strict=True):
        wanted = [row.name, *(one for cell in row.cells for one in (cell.text, pages(cell), quotes(cell)))]
        assert written == [harmless(one) for one in wanted]
    assert all(len(name.splitlines()) <= 1 for name in rows[0])
    page = Cells()
    page.feed(as_html(comparison))
    assert page.tags <= set(
        re.findall(
            r"\w+",
            "html head meta title style body h1 div table thead tbody tr th td br small details summary blockquote"
            " footer p",
        )
    )
    cells = [cell for row in comparison.rows for cell in row.cells]
    assert page.quotes == [citation.quote for cell in cells for citation in cell.citations]
    assert page.attributes <= {"lang", "charset", "name", "content", "http-equiv", "scope", "class"}
    written = as_markdown(comparison)
    assert {token.type for token in inline_tokens(written) if token.content != "<br>"} <= WORDS
    table = [kind for kind in blocks(written) if kind in ("tr_open", "th_open", "td_open")]
    columns = len(comparison.documents) + 1
    assert table == ["tr_open"] + ["th_open"] * columns + (["tr_open"] + ["td_open"] * columns) * len(
        comparison.rows
    )
    body = json.loads(as_json(comparison))
    assert [cell["text"] for row in body["rows"] for cell in row["cells"]] == [cell.text for cell in cells]


@pytest.mark.shared
def test_real_tenders_side_by_side(shared, tmp_path):
    """Two tenders of an agency and the specification of a third: what a reader would look up first."""
    from rag import Pipeline

    folder = shared / "data" / "pdf" / "agency"
    files = [*sorted(folder.glob("제안요청서*.pdf")), *folder.glob("과업지시서*.pdf")]
    if len(files) != 3:
        pytest.skip(f"the tenders are not in {folder}")
    with Pipeline.open(tmp_path / "index") as pipeline:
        pipeline.ingest(files)
        documents = [
            d
            for name in ("실태조사", "광고효과조사", "과업지시서")
            for d in pipeline.documents()
            if name in d.title
        ]
        names = ["용역명", "사업예산/소요예산/기초금액", "수행기간/용역기간", "입찰마감"]
        comparison = pipeline.compare(documents, names)
        found = pipeline.compare(documents[:2])
    table = [[cell.text for cell in row.cells] for row in comparison.rows]
    assert [text.split("원")[0] for text in table[1]] == ["110,000,000", "165,000,000", "₩57,259,400"]
    assert table[2] == [
        "계약체결일부터 2025. 12. 31까지",
        "계약체결일 ~ 2025년 12월 31일",
        "계약체결일로부터 30일 이내",
    ]
    assert [row.cells[0].citations[0].first_page for row in comparison.rows] == [3, 3, 3, 11]
    assert table[3][2] == NO_EVIDENCE
    assert {"용역명", "입찰마감"} <= {row.name for row in found.rows}
