"""What the caller, the helper and its children send each other: frames of JSON with a length in front.

Dataclasses travel as lists of their fields, in order, and bytes in Base64; `build` makes them again from
their types, so a field that is added travels, too.
"""

import json
import socket
import struct
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

FRAME = struct.Struct(">I")
# Number of the child; of the one before it: its exit code (a signal: below 0), its peak memory in MB.
CHILD = struct.Struct(">IiI")


def send(connection: socket.socket, message: Any) -> None:
    """Send `message` whole."""
    connection.sendall(frame(message))


def frame(message: Any) -> bytes:
    """`message` as it is sent: its length in bytes, then its JSON."""
    body = dump(message)
    return FRAME.pack(len(body)) + body


def receive(connection: socket.socket) -> Any | None:
    """The next message, with lists for dataclasses; None when the other side is gone."""
    header = _receive_exactly(connection, FRAME.size)
    if header is None:
        return None
    body = _receive_exactly(connection, FRAME.unpack(header)[0])
    return None if body is None else json.loads(body)


def _receive_exactly(connection: socket.socket, count: int) -> bytes | None:
    buffer = bytearray()
    while len(buffer) < count:
        try:
            part = connection.recv(min(count - len(buffer), 1 << 20))
        except ConnectionError:
            return None
        if not part:
            return None
        buffer += part
    return bytes(buffer)


def dump(value: Any) -> bytes:
    """The JSON of `value`: plain data, dataclasses and bytes, nested as you like."""
    # A path may hold bytes that are not UTF-8; json.loads reads surrogates back.
    return json.dumps(value, ensure_ascii=False, default=_plain).encode("utf-8", "surrogatepass")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    return [getattr(value, name) for name in _names(type(value))]


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def build(kind: type[T], plain: Any) -> T:
    """The value of type `kind` of which `dump` made what `json.loads` now gives as `plain`."""
    make = _maker(kind)
    return plain if make is None else make(plain)


@cache
def _maker(kind: Any) -> Callable[[Any], Any] | None:
    """What makes a value of type `kind` from plain data; None where plain data is that value."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is bytes:
        return b64decode
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        makers = [_maker(hints[name]) for name in _names(kind)]
        return lambda values: kind(*_made(makers, values))
    if origin in (Union, UnionType):
        make = _maker(next(argument for argument in arguments if argument is not NoneType))
        return make and (lambda value: None if value is None else make(value))
    if origin is tuple and arguments[-1] is ...:
        make = _maker(arguments[0])
        return (lambda values: tuple(map(make, values))) if make else tuple
    if origin is tuple:
        makers = [_maker(argument) for argument in arguments]
        return (lambda values: tuple(_made(makers, values))) if any(makers) else tuple
    return None


def _made(makers: list[Callable[[Any], Any] | None], values: list[Any]) -> list[Any]:
    return [value if make is None else make(value) for make, value in zip(makers, values, strict=True)]
