"""Checks: what is installed, and whether the configured models and servers work."""

import importlib.metadata
import platform
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from functools import partial

from ingest.errors import PipelineError
from rag.language import say_in
from rag.models.servers import VllmGenerator
from rag.pipeline import Pipeline
from rag.serving.run import Check

# One text in the reader's language, of a Korean and an English one.
Say = Callable[[str, str], str]

LIBRARIES = (
    "pypdfium2",
    "pypdf",
    "langchain-text-splitters",
    "kiwipiepy",
    "sentence-transformers",
    "torch",
    "faiss-cpu",
    "tantivy",
    "tokenizers",
    "openai",
)


def examine(pipeline: Pipeline, language: str) -> list[Check]:
    """All checks, in the order in which they are shown, worded in `language` ("ko" or English).

    Nothing is contacted that the configuration does not name.
    """
    config = pipeline.config
    say = partial(say_in, language)

    def attempt(name: str, look: Callable[[], str]) -> Check:
        try:
            return Check(name, True, look())
        except PipelineError as exc:
            return Check(name, False, exc.message(language), exc.remedy(language))

    def tokenizer() -> str:
        loaded = pipeline.tokenizer
        return f"{loaded.name} ({loaded.fingerprint})"

    def embedder() -> str:
        identity = pipeline.embedder.identity
        return f"{identity.name} ({identity.dim}d, {identity.revision[:12]})"

    def reranker() -> str:
        loaded = pipeline.reranker
        if loaded is None:
            return say("쓰지 않습니다", "none")
        return f"{loaded.name} ({loaded.revision[:12]})"

    def generator() -> str:
        loaded = pipeline.generator
        if isinstance(loaded, VllmGenerator):
            loaded.check()
            return say(
                f"{config.generator.base_url} · {config.generator.model} · 토큰화가 일치합니다",
                f"{config.generator.base_url} · {config.generator.model} · tokenises as we do",
            )
        return loaded.name

    return [
        Check("Python", sys.version_info >= (3, 11), f"{platform.python_version()}, {platform.system()}"),
        Check("SQLite", True, sqlite3.sqlite_version),
        *_libraries(say),
        attempt(say("토크나이저", "tokenizer"), tokenizer),
        attempt(say("임베더", "embedder"), embedder),
        attempt(say("리랭커", "reranker"), reranker),
        attempt(say("답변 모델", "generator"), generator),
        _gpu(pipeline, say),
        _index(pipeline, language, say),
        _disk(pipeline, say),
    ]


def _libraries(say: Say) -> Iterator[Check]:
    for name in LIBRARIES:
        try:
            yield Check(name, True, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            missing = say("설치되어 있지 않습니다", "not installed")
            yield Check(name, False, missing, f'pip install "{name}"')


def _gpu(pipeline: Pipeline, say: Say) -> Check:
    found = shutil.which("nvidia-smi") is not None
    if found:
        return Check("GPU", True, "nvidia-smi")
    local = pipeline.config.generator.backend == "transformers"
    return Check(
        "GPU",
        not local,
        say("이 컴퓨터에는 없습니다", "none on this machine"),
        say("transformers 대신 GPU 서버의 vllm 을 쓰세요", "use vllm on a GPU server, not transformers")
        if local
        else "",
    )


def _index(pipeline: Pipeline, language: str, say: Say) -> Check:
    name = say("색인", "index")
    try:
        documents = len(pipeline.retriever.documents)
    except PipelineError as exc:
        # No index yet is how everybody starts.
        return Check(name, exc.code == "index_not_found", exc.message(language), exc.remedy(language))
    what = say(f"{pipeline.index}, 문서 {documents:,}개", f"{pipeline.index}, {documents:,} documents")
    return Check(name, True, what)


def _disk(pipeline: Pipeline, say: Say) -> Check:
    folder = pipeline.index.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 2**30
    return Check(
        say("디스크", "disk"),
        free >= 1,
        say(f"{free:,.1f}GiB 남음", f"{free:,.1f} GiB free"),
        "" if free >= 1 else say("공간을 비우세요", "free some space"),
    )
