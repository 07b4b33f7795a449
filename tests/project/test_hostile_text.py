"""No text, however long and odd, makes a function take time quadratic in its length."""

import json
import subprocess
import sys

import pytest

from tests.project.hostile import FUNCTIONS


@pytest.fixture(scope="module")
def slow() -> dict[str, list[str]]:
    """Function name → the strings on which it is slow, found in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.project.hostile"], stdout=subprocess.PIPE, text=True, check=True
    )
    return dict(map(json.loads, done.stdout.splitlines()))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_long_text_takes_no_square_of_its_length(slow, name):
    assert slow[name] == []
