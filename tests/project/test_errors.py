"""Every error of the project: it survives pickling and copying, and what it says is one line."""

import copy
import pickle
from collections.abc import Iterator
from importlib import import_module
from string import Formatter

import pytest

from ingest.errors import FILE_CODES, SPECIAL_CASES, MissingDependency, PipelineError, UnreadableFile

HOSTILE = "가\n\x1b[2J\u202e나"


def subclasses(kind: type[PipelineError]) -> Iterator[type[PipelineError]]:
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


def every_class() -> list[type[PipelineError]]:
    for package in ("ingest", "indexes", "rag"):
        import_module(f"{package}.errors")
    return sorted(set(subclasses(PipelineError)) - {UnreadableFile}, key=lambda kind: kind.__name__)


def example(kind: type[PipelineError]) -> PipelineError:
    """An error of this kind whose text fields are all hostile and whose numbers are all 7."""
    fields = {}
    for template in (*kind.en, *kind.ko):
        for _, name, specification, _ in Formatter().parse(template):
            if name:
                fields[name.partition(".")[0].partition("[")[0]] = 7 if specification else HOSTILE
    return kind(**fields)


ERRORS = [*map(example, every_class())] + [
    UnreadableFile(reason, f"{HOSTILE}.pdf", HOSTILE, 3) for reason in [*FILE_CODES, *SPECIAL_CASES]
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{type(error).__name__}-{error.code}")
def test_an_error_survives_pickling_and_copying(error):
    error.add_note("dazu")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error) and again.__dict__ == error.__dict__
        assert again.args == error.args and str(again) == str(error) and again.code == error.code
        assert all(again.say(language) == error.say(language) for language in ("ko", "en"))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{type(error).__name__}-{error.code}")
def test_what_an_error_says_is_one_line_that_can_be_printed(error):
    for language in ("ko", "en"):
        for said in (error.message(language), error.remedy(language), error.say(language), str(error)):
            assert said.isprintable()


def test_a_missing_library_is_an_import_error_also_when_it_is_copied():
    error = MissingDependency(library="torch", extra="gpu")
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, ImportError) and again.msg == error.msg == str(error)
