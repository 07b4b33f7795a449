"""Every JSON object has the shape that the contract states, and the schema says the same."""

import json
from pathlib import Path
from typing import get_args

import pytest
from jsonschema import Draft202012Validator, ValidationError

from rag import Pipeline, answer
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


def test_verdicts_are_called_as_in_answers():
    assert get_args(shapes.Support) == get_args(answer.Support)
