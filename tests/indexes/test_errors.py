"""What an error of an index tells a user to do can be done."""

import re

import pytest
from typer.main import get_command

from indexes import errors
from ingest.errors import PipelineError
from rag.cli.main import app

ERRORS = [
    each for each in vars(errors).values() if isinstance(each, type) and each.__module__ == "indexes.errors"
]
STEP = re.compile(r"\brag (?P<command>[a-z-]+)|(?P<option>--[a-z-]+)")


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_hint_names_commands_and_options_that_there_are(error: type[PipelineError], language):
    commands = get_command(app).commands
    command = None
    for step in STEP.finditer(getattr(error, language)[1]):
        if step["command"]:
            command = commands[step["command"]]
        else:
            assert command, f"{step['option']}: of which command?"
            assert any(step["option"] in parameter.opts for parameter in command.params)
