"""Every JSON object has the shape that the contract states, and the schema says the same."""

import inspect
import json
from functools import reduce
from operator import or_
from pathlib import Path
from types import UnionType
from typing import get_args, get_origin, get_type_hints

import pytest
from jsonschema import Draft202012Validator, ValidationError

from indexes.report import Counts, Skipped
from indexes.types import StoredDocument, Understood
from ingest.document import Chunk, Heading, Page, Table
from ingest.errors import Notice
from rag import Pipeline, answer
from rag.comparing import compare
from rag.wire import shapes
from rag.wire.bodies import answer_json, comparison_json, problem, row_json, shaped, summary_json
from rag.wire.schema import schema

PUBLISHED = Path(__file__).parents[2] / "docs" / "schema" / "rag.schema.json"


def valid(body: object, shape: str) -> bool:
    """Whether `body` has that shape and no key beyond it."""
    closed = schema(closed=True)
    Draft202012Validator({"$defs": closed["$defs"], "$ref": f"#/$defs/{shape}"}).validate(body)
    return True


def test_the_published_schema_is_not_stale():
    assert json.loads(PUBLISHED.read_text("utf-8")) == json.loads(json.dumps(schema())), "make schema"


def test_the_schema_is_one():
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("question", ["연차휴가는 며칠인가요?", "화성 탐사선 발사일은 언제인가요?"])
def test_an_answer_is_what_the_contract_states(samples: Pipeline, question):
    body = answer_json(samples.ask(question))
    assert valid(body, "Answer") and valid(row_json(1, body), "AnswerRow")
    assert json.loads(json.dumps(body)) == body  # lists and plain values all the way down
    assert body["passages"] and "text" not in body["passages"][0]


@pytest.mark.parametrize("kind", ["executive", "sections", "figures", "actions"])
def test_a_summary_is_what_the_contract_states(samples: Pipeline, kind):
    for summary in samples.summarise(samples.documents(), kind):
        body = summary_json(summary)
        assert valid(body, "Summary") and json.loads(json.dumps(body)) == body


def test_a_comparison_is_what_the_contract_states(samples: Pipeline):
    body = comparison_json(samples.compare(samples.documents(), ["목적", "연차유급휴가"]))
    assert valid(body, "Comparison") and json.loads(json.dumps(body)) == body


def test_a_key_that_no_shape_names_is_found():
    body = problem("config", "what", "do")
    assert valid(body, "Error")
    with pytest.raises(ValidationError, match="extra"):
        valid(body | {"extra": 1}, "Error")
    with pytest.raises(ValidationError, match="remedy"):
        valid({"error": {"code": "config", "message": "what"}}, "Error")


def test_a_result_that_lacks_a_key_of_its_shape_is_refused():
    assert shaped(shapes.Finding, {"file": Path("a"), "what": "b", "remedy": "c", "more": 1}) == {
        "file": "a",
        "what": "b",
        "remedy": "c",
    }
    with pytest.raises(KeyError, match="remedy"):
        shaped(shapes.Finding, {"file": "a", "what": "b"})


# Each kind of result that becomes an object of a shape by its attributes, and the keys that come from elsewhere.
SHAPED = {
    shapes.Passage: (answer.Passage, ()),
    shapes.Understood: (Understood, ()),
    shapes.UnreadablePages: (answer.UnreadablePages, ()),
    shapes.Notice: (Notice, ()),
    shapes.Search: (answer.SearchResult, ()),
    shapes.Sentence: (answer.Sentence, ()),
    shapes.Citation: (answer.Citation, ()),
    shapes.LeftOut: (answer.LeftOut, ()),
    shapes.ShownPassage: (answer.PackedPassage, ()),
    shapes.Budget: (answer.BudgetLedger, ()),
    shapes.ToolCall: (answer.ToolCall, ()),
    shapes.Answer: (answer.Answer, ()),
    shapes.Figure: (answer.Figure, ()),
    shapes.Coverage: (answer.Coverage, ()),
    shapes.SummarySection: (answer.SummarySection, ()),
    shapes.SummaryRow: (answer.SummaryRow, ()),
    shapes.Summary: (answer.Summary, ()),
    shapes.FailedSummary: (answer.FailedSummary, ("error",)),
    shapes.ComparedDocument: (compare.ComparedDocument, ()),
    shapes.ComparisonCell: (compare.ComparisonCell, ()),
    shapes.ComparisonRow: (compare.ComparisonRow, ()),
    shapes.Comparison: (compare.Comparison, ()),
    shapes.Counts: (Counts, ()),
    shapes.Skipped: (Skipped, ()),
    shapes.Ingest: (answer.IngestReport, ("failures",)),
    shapes.TextPage: (Page, ()),
    shapes.InspectedPage: (Page, ("removed",)),
    shapes.Heading: (Heading, ()),
    shapes.Table: (Table, ()),
    shapes.InspectedChunk: (Chunk, ()),
    shapes.ListedDocument: (StoredDocument, ("unreadable_pages", "ocr_pages")),
}
SHAPE_OF = {made: shape for shape, (made, _) in SHAPED.items() if made is not Page}


def attributes(made: type) -> dict[str, object]:
    """The type of each field and property of a class of results."""
    properties = {
        name: get_type_hints(value.fget).get("return")
        for name, value in inspect.getmembers(made, lambda value: isinstance(value, property))
    }
    return properties | get_type_hints(made)


def as_json(hint: object) -> object:
    """What becomes of a type on the way to JSON: tuples are lists, paths are strings, results are their shapes."""
    if get_origin(hint) in (tuple, list):
        return list[as_json(get_args(hint)[0])]
    if isinstance(hint, UnionType):
        return reduce(or_, map(as_json, get_args(hint)))
    return {Path: str}.get(hint) or SHAPE_OF.get(hint, hint)


@pytest.mark.parametrize("shape", SHAPED, ids=lambda shape: shape.__name__)
def test_a_result_has_each_key_of_its_shape_in_the_type_that_it_states(shape):
    made, elsewhere = SHAPED[shape]
    stated = {name: hint for name, hint in get_type_hints(shape).items() if name not in elsewhere}
    held = attributes(made)
    assert {name: as_json(held.get(name)) for name in stated} == stated
