"""Fixtures: the shared data if it exists, and the sample documents, ingested once."""

import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eval.dataset import SAMPLES
from ingest.workers import pool
from rag import Config, Pipeline
from rag.api.loaded import Models
from tests.support import laws  # noqa: F401 - sets how many examples laws are tried with
from tests.support.files.shared import shared_folder
from tests.support.processes.warm import WarmStart

START_PROCESS = pool.start_process

# Tests that a shell starts in the background ignore Ctrl-C, and so would the processes that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def warm_helpers() -> Iterator[None]:
    """Worker pools fork their helper from a process that has loaded Kiwi; see tests/support/processes/warm.py."""
    with WarmStart() as start, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "start_process", start)
        yield


@pytest.fixture
def fresh_helpers(monkeypatch) -> None:
    """Worker pools start their helper as they do outside tests."""
    monkeypatch.setattr(pool, "start_process", START_PROCESS)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared data folder, which is not part of the project."""
    folder = shared_folder()
    if not (folder / "data").is_dir():
        pytest.skip(f"no shared data at {folder} (set RAG_SHARED)")
    return folder.resolve()


@pytest.fixture(scope="session")
def model_folder(shared: Path) -> Path:
    """The real tokenizer files of A.X 4.0 Light."""
    folder = shared / "models" / "A.X-4.0-Light"
    if not folder.is_dir():
        pytest.skip(f"no tokenizer files at {folder}")
    return folder


@pytest.fixture(scope="session")
def sample_index(tmp_path_factory) -> Path:
    """An index of the sample documents with the embedded profile, made once for all test processes. Read-only."""

    def make(folder: Path) -> None:
        with Pipeline.open(folder / "index") as pipeline:
            report = pipeline.ingest(
                sorted(SAMPLES.glob("*.pdf"))
            )  # without the sources that they are rendered from
        assert report.documents.added == 3 and not report.failures

    return made_once(tmp_path_factory, "samples", make) / "index"


def made_once(tmp_path_factory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first process that asks for it fills by `make`; the others wait until it is full."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with open(folder.with_suffix(".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            folder.mkdir()
            make(folder)
            (folder / "made").touch()
    return folder


@pytest.fixture(scope="session")
def models() -> Models:
    """The models of the embedded profile, loaded once."""
    return Models(Config())


@pytest.fixture
def samples(sample_index: Path, models: Models) -> Iterator[Pipeline]:
    """A pipeline over the sample documents."""
    with Pipeline(sample_index, Config(), models) as pipeline:
        yield pipeline
