"""`rag serve-model` with a real vLLM: started, checked, ended."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from eval.speed.memory import descendants, read_processes
from rag.cli.main import main
from rag.config import Config
from tests.support.servers.tiny_model import WINDOW, TinyModel
from tests.support.servers.vllm import ENVIRONMENT, PYTHON, STARTUP, Server, free_port

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
# Defaults of a model that would change every answer.
STRONG_DEFAULTS = {"repetition_penalty": 1.5, "temperature": 0.9, "top_k": 20, "max_new_tokens": 5}
QUESTION = {"messages": [{"role": "user", "content": "연차휴가는 며칠인가요? [1][2][1][2]"}]}


@dataclass(frozen=True, slots=True)
class Started:
    """A server that `rag serve-model --start` runs, and what it printed."""

    process: subprocess.Popen
    server: Server
    settings: list[str]
    body: dict


@pytest.fixture(scope="module")
def started(tiny_model: TinyModel, tmp_path_factory) -> Iterator[Started]:
    """A server of a model with strong defaults of its own and a wrong tokenizer in its folder."""
    if not PYTHON.is_file():
        pytest.skip("no vLLM environment (make test-server creates it)")
    folder = tmp_path_factory.mktemp("serve-model")
    path = tiny_model.together / "generation_config.json"
    before = path.read_text("utf-8")
    path.write_text(json.dumps(json.loads(before) | STRONG_DEFAULTS), "utf-8")
    (folder / "sitecustomize.py").write_text(STARTUP, "utf-8")
    url = f"http://127.0.0.1:{free_port()}/v1"
    values = (
        f"models.tokenizer={tiny_model.tokenizer}",
        f"serving.weights={tiny_model.together}",
        f"generator.base_url={url}",
        "generator.api_key_env=RAG_TEST_KEY",
    )
    settings = [word for value in values for word in ("--set", value)]
    places = dict.fromkeys(("XDG_CACHE_HOME", "XDG_CONFIG_HOME"), str(folder))
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "rag", "serve-model", "--start", "--json", "--python", str(PYTHON)),
            *(*settings, "--", "--enforce-eager", "--dtype", "float32"),
        ],
        cwd=folder,
        env=os.environ
        | ENVIRONMENT
        | places
        | {"PYTHONPATH": f"{folder}:{ROOT}", "RAG_TEST_KEY": "key-1234", "LC_ALL": "C.UTF-8"},
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        line = process.stdout.readline()  # after the checks
        log = folder / "model-server.log"
        assert line, f"it ended\n{log.read_text('utf-8') if log.is_file() else ''}"
        yield Started(process, Server(url, log, process.pid), settings, json.loads(line))
    finally:
        path.write_text(before, "utf-8")
        process.send_signal(signal.SIGTERM)
        process.wait(90)


def test_what_was_started_passes_every_check(started):
    assert started.body["ok"], started.body["checks"]
    assert len(started.body["checks"]) == 5
    cache = started.body["checks"][-1]["what"]
    assert "full windows" in cache


def test_the_models_own_defaults_act_on_nothing(started):
    """Greedy text is the same as with neutral values named, another with the model's, and not cut."""

    def reply(**more) -> dict:
        request = QUESTION | {"temperature": 0, "max_tokens": 40, "ignore_eos": True}
        return started.server.post("/v1/chat/completions", request | more, key="key-1234")

    plain = reply()
    assert plain["usage"]["completion_tokens"] == 40
    written = plain["choices"][0]["message"]["content"]
    assert reply(repetition_penalty=1.0, top_k=0)["choices"][0]["message"]["content"] == written
    assert reply(repetition_penalty=1.5)["choices"][0]["message"]["content"] != written


def test_check_finds_the_same_and_needs_the_key(started, monkeypatch, capsys):
    monkeypatch.setenv("RAG_TEST_KEY", "key-1234")
    assert main(["serve-model", "--check", "--json", *started.settings]) == 0
    assert json.loads(capsys.readouterr().out)["checks"] == started.body["checks"]
    monkeypatch.setenv("RAG_TEST_KEY", "another")
    assert main(["serve-model", "--check", "--json", *started.settings]) == 1
    assert "401" in json.loads(capsys.readouterr().out)["checks"][0]["what"]


def test_a_second_start_is_refused(started, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("RAG_TEST_KEY", "key-1234")
    monkeypatch.chdir(tmp_path)
    assert main(["serve-model", "--start", "--json", "--python", str(PYTHON), *started.settings]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "port_taken"


def test_ctrl_c_ends_every_process(started):
    parents = {pid: parent for pid, (parent, _) in read_processes().items()}
    tree = descendants(started.process.pid, parents)
    assert len(tree) >= 3  # ours, the server, its engine
    started.process.send_signal(signal.SIGINT)
    assert started.process.wait(60) == 130
    assert [pid for pid in tree if pid in read_processes()] == []


def test_a_server_started_by_hand_is_checked_alike(server: Server, config: Config, capsys):
    values = (f"models.tokenizer={config.models.tokenizer}", f"generator.base_url={server.base_url}")
    settings = [word for value in (*values, f"generator.window={WINDOW}") for word in ("--set", value)]
    assert main(["serve-model", "--check", "--json", *settings]) == 0
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert [check["ok"] for check in checks] == [True] * 5
