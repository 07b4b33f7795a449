"""Each X_async takes what X takes, and summarise_all what summarise does: the same parameters, with the same names, kinds, defaults and annotations."""

import inspect
from types import FunctionType
from typing import get_overloads

import pytest

from rag import Pipeline
from rag.conversing.conversation import Conversation

TWINS = [
    pytest.param(getattr(owner, name.removesuffix("_async")), twin, id=f"{owner.__name__}.{name}")
    for owner in (Pipeline, Conversation)
    for name, twin in vars(owner).items()
    if name.endswith("_async")
]


def parameters(function) -> list[tuple]:
    """Name, kind, default and annotation of each parameter; a lambda stands for what it does."""
    return [
        (one.name, one.kind, told(one.default), one.annotation)
        for one in inspect.signature(function).parameters.values()
    ]


def told(default):
    if isinstance(default, FunctionType):
        return default.__code__.co_code, default.__code__.co_consts
    return default


def test_a_list_of_summaries_takes_what_the_iterator_takes():
    assert parameters(Pipeline.summarise_all) == parameters(Pipeline.summarise)


def test_there_are_twins():
    assert len(TWINS) >= 9


@pytest.mark.parametrize(("plain", "twin"), TWINS)
def test_an_async_twin_takes_what_the_other_takes(plain, twin):
    assert parameters(twin) == parameters(plain)
    assert list(map(parameters, get_overloads(twin))) == list(map(parameters, get_overloads(plain)))


def test_a_twin_that_differs_is_found():
    def plain(a: int, *, b: str = "", c=lambda _: None): ...
    def other_default(a: int, *, b: str = "x", c=lambda _: None): ...
    def other_name(a: int, *, d: str = "", c=lambda _: None): ...
    def other_type(a: str, *, b: str = "", c=lambda _: None): ...
    def other_call(a: int, *, b: str = "", c=lambda _: 1): ...

    for other in (other_default, other_name, other_type, other_call):
        assert parameters(other) != parameters(plain)
