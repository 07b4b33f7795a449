"""The shapes of `rag.wire.shapes` → one JSON Schema (draft 2020-12).

`$defs` holds each shape by its name, and for each command, under `rag-COMMAND`, what it prints with --json.
"""

import inspect
import types
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

from rag.wire.shapes import COMMANDS, Error

PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", types.NoneType: "null"}


def schema(*, closed: bool = False) -> dict[str, Any]:
    """The JSON Schema of every object of the contract.

    Args:
        closed: keys that the shapes do not name are refused. Not for readers, because a key may be added; with it
            a test holds that nothing is printed that is not stated.
    """
    shapes: dict[str, Any] = {}
    for alternatives in COMMANDS.values():
        for shape in (*alternatives, Error):
            for name, definition in _definitions(shape, closed):
                shapes[name] = definition
    commands = {f"rag-{name}": _one_of((*shapes, Error)) for name, shapes in COMMANDS.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What rag prints with --json",
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in commands],
        "$defs": commands | dict(sorted(shapes.items())),
    }


def _one_of(alternatives: tuple[type, ...]) -> dict[str, Any]:
    return {"anyOf": [{"$ref": f"#/$defs/{shape.__name__}"} for shape in alternatives]}


def _definitions(shape: type, closed: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """The shape and all that it is made of, by name."""
    hints = get_type_hints(shape)
    definition: dict[str, Any] = {"type": "object"}
    if said := inspect.getdoc(shape):
        definition["description"] = " ".join(said.split())
    definition["properties"] = {name: _type(hint) for name, hint in hints.items()}
    definition["required"] = list(hints)
    if closed:
        definition["additionalProperties"] = False
    yield shape.__name__, definition
    for hint in hints.values():
        for inner in _shapes_in(hint):
            yield from _definitions(inner, closed)


def _shapes_in(hint: Any) -> Iterator[type]:
    if is_typeddict(hint):
        yield hint
    elif get_origin(hint) is not Literal:
        for part in get_args(hint):
            yield from _shapes_in(part)


def _type(hint: Any) -> dict[str, Any]:
    """The schema of one type of a key.

    Raises:
        TypeError: no shape had such a type so far.
    """
    parts = get_args(hint)
    if hint is Any:
        return {}
    if hint in PLAIN:
        return {"type": PLAIN[hint]}
    if is_typeddict(hint):
        return {"$ref": f"#/$defs/{hint.__name__}"}
    if get_origin(hint) is Literal:
        return {"enum": list(parts)}
    if get_origin(hint) is list:
        return {"type": "array", "items": _type(parts[0])}
    if get_origin(hint) is dict:
        return {"type": "object", "additionalProperties": _type(parts[1])}
    if isinstance(hint, types.UnionType):
        return {"anyOf": [_type(part) for part in parts]}
    raise TypeError(f"no schema for {hint}")
