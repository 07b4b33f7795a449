"""The engines that there are hold to the laws of engines."""

import pytest

from indexes.disk.writer import Writer
from tests.conformance import LAWS, known_documents
from tests.support.fakes import InMemoryEngine
from tests.support.indexes import ANALYSER, EMBEDDER, MANIFEST, reader


def on_disk(documents, folder):
    with Writer(folder, MANIFEST) as writer:
        for document in documents:
            writer.add(document)
            writer.commit()
        writer.merge()
    return reader(folder)


def in_memory(documents, _):
    return InMemoryEngine(documents, MANIFEST, EMBEDDER, ANALYSER)


ENGINES = (on_disk, in_memory)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("make", ENGINES, ids=lambda make: make.__name__)
def test_an_engine_holds_to_the_law(make, law, tmp_path):
    engine = make(known_documents(), tmp_path)
    law(engine)
    engine.close()
