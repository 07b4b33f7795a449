"""Each engine keeps the laws of engines (tests/conformance.py)."""

from pathlib import Path

import pytest

from indexes.engine import IndexWriter, SearchEngine
from indexes.open import open_index, open_writer
from tests.conformance import LAWS, LAWS_OF_WRITING, filled
from tests.support.fakes import InMemoryIndex, InMemoryWriter
from tests.support.indexes import ANALYSER, EMBEDDER, MANIFEST


class OnDisk:
    """An index in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def writer(self) -> IndexWriter:
        return open_writer(self._folder, MANIFEST)

    def reader(self) -> SearchEngine:
        return open_index(self._folder, EMBEDDER, ANALYSER)


class InMemory:
    """The fake of the tests."""

    def __init__(self, _: Path) -> None:
        self._index = InMemoryIndex(MANIFEST)

    def writer(self) -> IndexWriter:
        return InMemoryWriter(self._index)

    def reader(self) -> SearchEngine:
        return self._index.open(EMBEDDER, ANALYSER)


ENGINES = (OnDisk, InMemory)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.__name__)
def test_an_engine_holds_to_the_law(engine, law, tmp_path):
    opened = filled(engine(tmp_path))
    law(opened)
    opened.close()


@pytest.mark.parametrize("law", LAWS_OF_WRITING, ids=lambda law: law.__name__)
@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.__name__)
def test_a_writer_holds_to_the_law(engine, law, tmp_path):
    law(engine(tmp_path))
