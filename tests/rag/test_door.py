"""The door of the package: what `from rag import …` gives, what it loads, and ready models handed in."""

import subprocess
import sys

import numpy as np

import rag
from rag import Pipeline
from tests.support.fakes import BigramEmbedder, ScriptedGenerator

HEAVY = (
    "torch",
    "faiss",
    "transformers",
    "sentence_transformers",
    "kiwipiepy",
    "tantivy",
    "openai",
    "jinja2",
    "langchain_core",
    "llama_index",
)


def test_importing_the_package_loads_nothing_heavy():
    told = subprocess.run(
        [sys.executable, "-c", f"import rag, sys; print([name for name in {HEAVY} if name in sys.modules])"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "[]"


def test_every_public_name_is_there_and_in_order():
    assert all(hasattr(rag, name) for name in rag.__all__)
    assert list(rag.__all__) == sorted(rag.__all__)


class LastReranker:
    """Puts the passages in the opposite order."""

    name, revision, max_tokens = "last", "1", 1 << 20

    def score(self, pairs):
        return np.arange(len(pairs), dtype=np.float32)


def test_ready_models_are_used_in_place_of_those_that_the_configuration_names(tmp_path):
    (tmp_path / "안내.txt").write_text(
        "구내식당은 열두 시에 문을 연다.\n\n주차장은 지하 이층에 있다.\n", encoding="utf-8"
    )
    embedder, reranker = BigramEmbedder(), LastReranker()
    generator = ScriptedGenerator("구내식당은 열두 시에 문을 연다. [1]")
    with Pipeline.open(
        tmp_path / "index", generator=generator, embedder=embedder, reranker=reranker
    ) as pipeline:
        pipeline.ingest(tmp_path / "안내.txt")
        assert pipeline.upkeep.status().embedder == embedder.identity.name
        assert pipeline.reranker is reranker
        answer = pipeline.ask("구내식당은 언제 문을 여나요?")
    assert answer.text == "구내식당은 열두 시에 문을 연다. [1]" and answer.generator == generator.name
    assert len(generator.prompts) == 1
