"""Tool calls in generated text, in the form of the Hermes models: written, read, checked, forced.

    <tool_call>{"name": "search_documents", "arguments": {"query": "연차휴가"}}</tool_call>

A document may hold such text. At worst the model copies it, which leads to one more search of what the
caller may see anyway.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rag.prompting.prompts import (
    CUT_CALL,
    MISSING_ARGUMENT,
    NO_ARGUMENT,
    NO_JSON,
    NO_NAME,
    NO_OBJECT,
    NO_TOOL,
    WRONG_ARGUMENT,
)
from rag.prompting.tokens import ToolSpec

OPENING, CLOSING = "<tool_call>", "</tool_call>"
# Characters of an unreadable call that are shown to the model.
QUOTED = 80
BLANKS = re.compile(r"\s*")
WHOLE_NUMBER = re.compile(r"[+-]?\d{1,9}")
# Not strict: models write tabs and line ends into strings without escaping them, and xgrammar 0.2.8 lets them
# where a string has a maxLength.
_DECODER = json.JSONDecoder(strict=False)


@dataclass(frozen=True, slots=True)
class ToolsConfig:
    """How far the model may go for one question.

    `rounds`: the number of completions that may call tools. `calls`: the number of tool calls in all.
    `tokens`: of all prompts and completions together; an answer is written even where they are too few for any
    round. `must_search`: the first completion must be calls, so the model cannot ask the user back at once.
    """

    rounds: int = 6
    calls: int = 12
    tokens: int = 131_072
    must_search: bool = False

    def __post_init__(self) -> None:
        for name in ("rounds", "calls", "tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"tools.{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Asked:
    """One call as the model wrote it. `error`: tells the model why it cannot be run; else empty."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    error: str = ""


def write_call(name: str, arguments: str) -> str:
    """The text of one call; `arguments` is JSON."""
    return f'{OPENING}{{"name": {json.dumps(name, ensure_ascii=False)}, "arguments": {arguments}}}{CLOSING}'


def read_calls(text: str) -> tuple[str, list[Asked]]:
    """The text before the first call, and the calls in order; one that cannot be read has an `error`."""
    position = text.find(OPENING)
    said, asked = text[: position if position >= 0 else None].strip(), []
    while position >= 0:
        call, end = _read_call(text, position + len(OPENING))
        asked.append(call)
        position = text.find(OPENING, end)
    return said, asked


def _read_call(text: str, start: int) -> tuple[Asked, int]:
    """The call whose JSON begins at `start`, and where the text goes on."""
    try:
        # Decoded, not cut at the closing tag, because an argument may contain that.
        body, after = _DECODER.raw_decode(text, BLANKS.match(text, start).end())
        body = _encodable(body)
    except (ValueError, RecursionError):
        return _unreadable(text, start)
    after = BLANKS.match(text, after).end()
    if text.startswith(CLOSING, after):
        return _asked(body), after + len(CLOSING)
    if after == len(text) or text.startswith(OPENING, after):  # complete, although the closing tag is missing
        return _asked(body), after
    return _unreadable(text, start)


def _unreadable(text: str, start: int) -> tuple[Asked, int]:
    ends = [end for end in (text.find(CLOSING, start), text.find(OPENING, start)) if end >= 0]
    if not ends:
        return Asked("", error=CUT_CALL), len(text)
    written = text[start : min(ends)].strip()[:QUOTED]
    return Asked("", error=NO_JSON.format(written=written)), min(ends)


def _encodable(value: Any) -> Any:
    """`value` with «?» for lone surrogates, which JSON's escapes can write and UTF-8 cannot."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def _asked(body: Any) -> Asked:
    name = body.get("name") if isinstance(body, dict) else None
    if not isinstance(name, str) or not name:
        return Asked("", error=NO_NAME)
    arguments = body.get("arguments")
    if isinstance(arguments, str):  # JSON in JSON, as OpenAI's API has it
        try:
            arguments = _encodable(json.loads(arguments, strict=False)) if arguments.strip() else {}
        except (ValueError, RecursionError):
            arguments = ""
    if arguments is None:
        arguments = {}
    return Asked(name, arguments) if isinstance(arguments, dict) else Asked(name, error=NO_OBJECT)


def checked(asked: Asked, specs: Iterable[ToolSpec]) -> Asked:
    """`asked` with arguments of the types that its tool takes, or with an `error` that says what it takes."""
    if asked.error:
        return asked
    functions = {spec["function"]["name"]: spec["function"] for spec in specs}
    if asked.name not in functions:
        return _wrong(asked, NO_TOOL, name=asked.name[:QUOTED], known=", ".join(functions))
    parameters = functions[asked.name]["parameters"]
    taken = parameters["properties"]
    # Models write null or "" for an argument that they leave out.
    given = {name: value for name, value in asked.arguments.items() if value not in (None, "")}
    for name in given:
        if name not in taken:
            return _wrong(asked, NO_ARGUMENT, name=name[:QUOTED], known=", ".join(taken))
    for name in parameters.get("required", ()):
        if name not in given:
            return _wrong(asked, MISSING_ARGUMENT, name=name)
    for name, value in given.items():
        try:
            given[name] = _typed(value, taken[name])
        except ValueError as exc:
            return _wrong(asked, WRONG_ARGUMENT, name=name, wanted=exc)
    return Asked(asked.name, given)


def _wrong(asked: Asked, error: str, **fields: Any) -> Asked:
    return Asked(asked.name, asked.arguments, error.format(**fields))


def _typed(value: Any, schema: Mapping[str, Any]) -> Any:
    """`value` in the type that `schema` wants; else a ValueError that tells the model what is wanted."""
    kind = schema.get("type")
    if kind == "string":
        longest = schema.get("maxLength")
        if not isinstance(value, str) or not value.strip():
            raise ValueError("글이어야 합니다")
        if longest is not None and len(value) > longest:
            raise ValueError(f"{longest}자까지입니다")
        return value.strip()
    if kind in ("integer", "number"):
        return _number(value, kind, schema)
    return value


def _number(value: Any, kind: str, schema: Mapping[str, Any]) -> int | float:
    if isinstance(value, str) and WHOLE_NUMBER.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole and (kind == "integer" or not isinstance(value, float)):
        raise ValueError("정수여야 합니다" if kind == "integer" else "수여야 합니다")
    if value < schema.get("minimum", value):
        raise ValueError(f"{schema['minimum']} 이상이어야 합니다")
    if value > schema.get("maximum", value):
        raise ValueError(f"{schema['maximum']} 이하여야 합니다")
    return value


def only_calls(specs: Sequence[ToolSpec]) -> dict[str, Any]:
    """The structural tag of xgrammar under which a model can write calls of these tools, and nothing else."""
    tags = [
        {
            "type": "tag",
            "begin": f'{OPENING}{{"name": "{function["name"]}", "arguments": ',
            # JSON allows blanks between its parts, and without a limit a model can fill the window with them.
            "content": {
                "type": "json_schema",
                "json_schema": function["parameters"],
                "max_whitespace_cnt": 1,
            },
            "end": f"}}{CLOSING}",
        }
        for function in (spec["function"] for spec in specs)
    ]
    return {"type": "tags_with_separator", "tags": tags, "separator": "", "at_least_one": True}


def calls_or_text(specs: Sequence[ToolSpec], text: str) -> dict[str, Any]:
    """The structural tag under which a model can write calls of these tools, or what the regex `text` matches.

    The text may not begin with «<»: else a malformed call would pass for text.
    """
    answer = {"type": "regex", "pattern": r"[^<\[\]［］]" + text}
    return {"type": "or", "elements": [only_calls(specs), answer]}
