"""What results do for their reader: text, one line, HTML for a notebook, the contract's JSON."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from ingest.errors import Notice, UnreadableFile
from rag import FailedSummary, Passage, Pipeline
from rag.errors import EmptyQuestion
from rag.wire.bodies import answer_json, comparison_json, summary_json

HOSTILE = '<script>alert("1")</script><img src=x onerror=alert(1)>\x1b[31m & [그림](http://example.com)'
# HTML that can load, run or lead elsewhere.
ACTIVE = {"script", "img", "a", "iframe", "link", "object", "embed", "form", "svg", "style"}


@pytest.fixture(scope="module")
def results(sample_index):
    """One result of each kind, by its name."""
    with Pipeline.open(sample_index) as pipeline:
        answer = pipeline.ask("연차유급휴가는 며칠인가요?")
        found = pipeline.search("연차유급휴가", 3)
        document = pipeline.document("취업규칙.pdf")
        (summary,) = pipeline.summarise(document, sentences=3)
        yield {
            "answer": answer,
            "abstention": pipeline.ask("화성의 위성은 몇 개인가요?"),
            "citation": answer.citations[0],
            "search": found,
            "passage": found[0],
            "summary": summary,
            "failed": FailedSummary(
                document.document_id, document.path, document.title, "executive", EmptyQuestion()
            ),
            "comparison": pipeline.compare(pipeline.documents(), ["적용범위"]),
        }


KINDS = ["answer", "abstention", "citation", "search", "passage", "summary", "failed", "comparison"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_result_has_its_four_forms(results, kind):
    result = results[kind]
    assert str(result) and "\x1b" not in str(result)
    assert (
        "\n" not in repr(result)
        and repr(result).startswith(f"{type(result).__name__}(")
        and len(repr(result)) < 400
    )
    assert result._repr_html_().startswith("<div") and result._repr_html_().rstrip().endswith("</div>")
    assert json.loads(json.dumps(result.to_dict(), ensure_ascii=False)) == result.to_dict()


def test_an_answer_reads_with_markers_then_document_page_quote_and_verdict(results, monkeypatch):
    answer = results["answer"]
    cited = answer.citations[0]
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    korean = str(answer)
    assert korean.startswith(answer.text) and f"[{cited.marker}]" in answer.text
    assert f"[{cited.marker}] {cited.title}, {cited.first_page}쪽  ✓ 뒷받침함\n    “{cited.quote}”" in korean
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    assert f"[{cited.marker}] {cited.title}, p. {cited.first_page}  ✓ supported\n" in str(answer)


def test_an_abstention_shows_the_nearest_evidence(results, monkeypatch):
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    answer = results["abstention"]
    assert answer.abstained
    for text in (str(answer), answer._repr_html_()):
        assert "가장 가까운 발췌문" in text and answer.passages[0].title in text


def test_the_dictionaries_are_those_of_the_contract(results):
    assert results["answer"].to_dict() == answer_json(results["answer"])
    assert results["summary"].to_dict() == summary_json(results["summary"])
    assert results["comparison"].to_dict() == comparison_json(results["comparison"])
    passage, found = results["passage"], results["search"].to_dict()
    assert found["passages"][0] == passage.to_dict() and found["query"] == results["search"].query
    assert passage.to_dict()["text"] == passage.text and passage.to_dict()["chunk_id"] == passage.chunk_id
    assert results["failed"].to_dict()["error"]["code"] == "empty_question"


class Tags(HTMLParser):
    """The names of all tags and attributes, and the text between them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


def hostile(result):
    """`result` with hostile text in its fields, wherever a document or a model writes them."""
    fields = {
        "title": HOSTILE,
        "path": HOSTILE,
        "quote": HOSTILE,
        "text": HOSTILE,
        "columns": HOSTILE,
        "name": HOSTILE,
    }
    own = {name: value for name, value in fields.items() if name in result.__dataclass_fields__}
    return replace(result, **own)


def hostile_results(results) -> list:
    answer, comparison, found = results["answer"], results["comparison"], results["search"]
    rows = [
        replace(
            row,
            name=HOSTILE,
            cells=tuple(
                replace(cell, text=HOSTILE, citations=tuple(map(hostile, cell.citations)))
                for cell in row.cells
            ),
        )
        for row in comparison.rows
    ]
    return [
        replace(
            hostile(answer),
            citations=tuple(map(hostile, answer.citations)),
            warnings=(Notice("x", HOSTILE, HOSTILE),),
        ),
        replace(hostile(results["summary"]), citations=tuple(map(hostile, results["summary"].citations))),
        replace(hostile(results["abstention"]), passages=tuple(map(hostile, results["abstention"].passages))),
        replace(comparison, rows=tuple(rows), documents=tuple(map(hostile, comparison.documents))),
        replace(
            found,
            passages=tuple(replace(p, title=HOSTILE, chunk=replace(p.chunk, text=HOSTILE)) for p in found),
        ),
        hostile(results["citation"]),
        hostile(results["failed"]),
    ]


def test_no_text_of_a_document_becomes_markup_or_reaches_the_terminal_raw(results):
    for result in hostile_results(results):
        page = Tags()
        page.feed(result._repr_html_())
        assert not page.tags & ACTIVE and page.attributes <= {"class", "style"}
        assert '<script>alert("1")</script>' in page.text  # it is shown, as text
        assert "\x1b" not in str(result) + repr(result)


def test_an_ingest_report_reads_as_counts_and_names_what_failed(tmp_path, monkeypatch):
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    (tmp_path / "안내.txt").write_text("구내식당은 열두 시에 문을 연다.", encoding="utf-8")
    (tmp_path / "빈.pdf").write_bytes(b"no pdf at all")
    with Pipeline.open(tmp_path / "index") as pipeline:
        report = pipeline.ingest(tmp_path)
    assert str(report).startswith("추가 1 · 실패 1\n")
    assert f"✗ {tmp_path / '빈.pdf'}: {UnreadableFile('not_pdf', 'x').say('ko')}" in str(report)
    assert repr(report).startswith("IngestReport(version=1, added=1,") and "추가 1" in report._repr_html_()


def test_a_search_result_is_a_sequence_of_passages(results):
    found = results["search"]
    assert len(found) == 3 and [passage.rank for passage in found] == [1, 2, 3]
    assert found[-1] is found.passages[2] and found[:2] == found.passages[:2]
    assert all(isinstance(passage, Passage) and passage.text for passage in found)
    assert {passage.document_id for passage in found} <= {passage.chunk.document_id for passage in found}
