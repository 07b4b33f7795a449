"""Fixtures: a random model of the tokenizer's vocabulary, and vLLM servers with it."""

from collections.abc import Iterator

import pytest

from indexes.search.config import SearchConfig
from rag.config import Config, ModelsConfig
from rag.models.generator import GenerationConfig
from rag.prompting.tokens import ModelTokenizer
from tests.support.files.shared import tokenizer_folder
from tests.support.servers.tiny_model import WINDOW, TinyModel, write_tiny_model
from tests.support.servers.vllm import MODEL, Server, running_server


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> TinyModel:
    """A tiny model with the vocabulary of the real model's tokenizer if that exists, else of the embedded one.

    Either way its tokenizer is an ordinary folder: one called "embedded" belongs to no model, and its ids
    are never sent to a server.
    """
    return write_tiny_model(tokenizer_folder(), tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tokenizer(tiny_model: TinyModel) -> ModelTokenizer:
    """The tokenizer of the tiny model."""
    return ModelTokenizer(str(tiny_model.tokenizer))


@pytest.fixture(scope="session")
def server(tiny_model: TinyModel, tmp_path_factory) -> Iterator[Server]:
    """A server that tokenises as the model's authors do."""
    arguments = ("--model", str(tiny_model.weights), "--tokenizer", str(tiny_model.tokenizer))
    with running_server(arguments, tmp_path_factory.mktemp("server")) as ready:
        yield ready


@pytest.fixture(scope="module")
def wrong_server(tiny_model: TinyModel, tmp_path_factory) -> Iterator[Server]:
    """A server started in the obvious way, on one folder: it reads the tokenizer wrongly."""
    arguments = ("--model", str(tiny_model.together))
    with running_server(arguments, tmp_path_factory.mktemp("wrong-server")) as ready:
        yield ready


@pytest.fixture(scope="session")
def generation(server: Server) -> GenerationConfig:
    """The generation settings of a user of `server`."""
    return GenerationConfig(
        "vllm", MODEL, server.base_url, window=WINDOW, reserved_output=256, timeout_seconds=120
    )


@pytest.fixture(scope="session")
def config(generation: GenerationConfig, tiny_model: TinyModel) -> Config:
    """The whole configuration of a user of `server`."""
    return Config(
        models=ModelsConfig(tokenizer=str(tiny_model.tokenizer)),
        search=SearchConfig(k=12),
        generator=generation,
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Show the end of the server's log beside a failure."""
    report = yield
    if report.failed:
        for name in ("server", "wrong_server"):
            if isinstance(server := item.funcargs.get(name), Server):
                report.sections.append((f"log of {name}", server.log_tail()))
    return report
