"""What is missing is named with a command that brings it back."""

import pytest

from ingest.errors import MissingDependency


@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_library_of_the_core_is_no_extra(language):
    hint = MissingDependency(library="kiwipiepy", extra="").say(language)
    assert "kiwipiepy" in hint and "pip install rag-korean-pdf" in hint and "[" not in hint


@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_library_of_an_extra_names_the_extra(language):
    assert 'pip install "rag-korean-pdf[gpu]"' in MissingDependency(library="vllm", extra="gpu").say(language)
