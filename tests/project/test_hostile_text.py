"""No text, however long and odd, makes a function take time quadratic in its length."""

import json
import subprocess
import sys

import pytest

from tests.project.hostile import BOUNDED, FUNCTIONS, patterns


@pytest.fixture(scope="module")
def slow() -> dict[str, list[str]]:
    """Name of a function or pattern → the units on which it is slow, found in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.project.hostile"], stdout=subprocess.PIPE, text=True, check=True
    )
    return dict(map(json.loads, done.stdout.splitlines()))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_long_text_takes_no_square_of_its_length(slow, name):
    assert slow[name] == []


def test_no_pattern_takes_the_square_of_a_texts_length(slow):
    names = {name for name, _ in patterns()}
    assert len(names) > 100 and names >= BOUNDED
    assert {f"{name}.fullmatch" for name in names} <= slow.keys()
    assert {name: units for name, units in slow.items() if units and name not in FUNCTIONS} == {}
