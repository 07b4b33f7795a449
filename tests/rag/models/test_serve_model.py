"""The command of the model server: what it says, what is refused, and that nothing outlives it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.speed.memory import descendants, read_processes
from rag.cli.main import main
from rag.config import TEMPLATES, load_config
from rag.errors import ConfigError, GpusUnfit, ModelServerEnded, PortTaken, TokenizerFolderUnfit
from rag.models.generator import GenerationConfig
from rag.prompting.tokens import EMBEDDED_FOLDER, ModelTokenizer
from rag.serving.plan import (
    KNOWN,
    ServePlan,
    ServingConfig,
    Shape,
    find_shape,
    full_windows,
    plan_serving,
    shape_of,
    write_tokenizer_folder,
)
from rag.serving.run import STOP_SECONDS, end_group, ended, running_server, wait_until_ready
from tests.support.clocks import QuickClock
from tests.support.servers.scripted import Script, scripted_server

LIGHT = KNOWN["skt/A.X-4.0-Light"]
LARGE = KNOWN["skt/A.X-4.0"]
ROOT = Path(__file__).parents[3]
shapes = st.builds(
    Shape,
    layers=st.integers(1, 80),
    hidden=st.integers(8, 8192),
    heads=st.integers(1, 64),
    kv_heads=st.integers(1, 8),
    head_size=st.sampled_from([32, 64, 128]),
    intermediate=st.integers(8, 30_000),
    vocabulary=st.integers(100, 200_000),
    positions=st.just(0),
    tied=st.booleans(),
)


def free_url() -> str:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


def words_after(command: list[str], flag: str) -> str:
    assert command.count(flag) == 1
    return command[command.index(flag) + 1]


# memory


def test_the_known_shape_is_that_of_the_published_files(model_folder):
    assert find_shape(str(model_folder), "") == LIGHT
    index = json.loads((model_folder / "model.safetensors.index.json").read_text("utf-8"))
    assert LIGHT.weight_bytes("bf16") == index["metadata"]["total_size"]


def test_the_memory_of_the_two_models():
    assert LIGHT.kv_bytes("bf16") == 28 * 2 * 4 * 128 * 2 == 57_344
    assert LIGHT.kv_bytes("bf16") * 16_384 == 939_524_096
    assert round(LARGE.parameters / 1e9, 1) == 71.9
    assert LARGE.kv_bytes("fp8") == 80 * 2 * 8 * 128
    assert (LIGHT.possible_gpus(), LARGE.possible_gpus()) == ([1, 2, 4], [1, 2, 4, 8])


@given(shapes, st.integers(1, 8), st.integers(1, 131_072), st.floats(1, 200), st.floats(0, 100))
def test_more_memory_or_fewer_bits_never_hold_fewer_users(shape, gpus, window, gb, more):
    narrow, wide = ServingConfig(gpus=gpus, precision="fp8", kv_cache="fp8"), ServingConfig(gpus=gpus)
    users = full_windows(shape, wide, window, gb)
    assert 0 <= users <= full_windows(shape, wide, window, gb + more)
    assert users <= full_windows(shape, narrow, window, gb)
    assert users <= full_windows(shape, wide, max(1, window // 2), gb)
    assert shape.parameters <= shape.weight_bytes("fp8") < shape.weight_bytes("bf16") == 2 * shape.parameters


@given(shapes)
def test_parts_are_shared_out_evenly(shape):
    for gpus in shape.possible_gpus():
        assert shape.heads % gpus == shape.kv_heads % gpus == shape.intermediate % gpus == 0


def test_other_models_have_no_shape_and_still_a_command(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "mixtral"}', "utf-8")
    plan = plan_serving(
        GenerationConfig(), ServingConfig(weights=str(tmp_path), gpus=3), tmp_path / "tokenizer"
    )
    assert plan.shape is None and words_after(plan.command, "--tensor-parallel-size") == "3"
    (tmp_path / "config.json").write_text("{", "utf-8")
    with pytest.raises(ConfigError):
        find_shape(str(tmp_path), "")


# the command


@given(
    gpus=st.sampled_from([1, 2, 4]),
    precision=st.sampled_from(["bf16", "fp8"]),
    kv_cache=st.sampled_from(["bf16", "fp8"]),
    window=st.integers(2, 16_384),
    port=st.integers(1, 65_535),
)
def test_the_command_says_what_the_configuration_says(gpus, precision, kv_cache, window, port):
    generation = GenerationConfig(
        base_url=f"http://127.0.0.1:{port}/v1", window=window, reserved_output=window - 1
    )
    serving = ServingConfig(gpus=gpus, precision=precision, kv_cache=kv_cache)
    command = plan_serving(generation, serving, Path("/t")).command
    assert command[:3] == ["vllm", "serve", "skt/A.X-4.0-Light"]
    assert words_after(command, "--max-model-len") == str(window)
    assert words_after(command, "--tensor-parallel-size") == str(gpus)
    assert (words_after(command, "--host"), words_after(command, "--port")) == ("127.0.0.1", str(port))
    assert words_after(command, "--tokenizer") == words_after(command, "--generation-config") == "/t"
    assert words_after(command, "--tool-call-parser") == "hermes"
    assert {"--enable-prefix-caching", "--enable-chunked-prefill", "--enable-auto-tool-choice"} <= {*command}
    assert ("--quantization" in command) == (precision == "fp8")
    assert ("--kv-cache-dtype" in command) == (kv_cache == "fp8")


def test_a_server_for_others_listens_everywhere_and_its_key_stays_a_name():
    generation = GenerationConfig(base_url="http://model:8000/v1", api_key_env="RAG_KEY")
    plan = plan_serving(generation, ServingConfig(weights="/models/ax"), Path("/t"))
    assert words_after(plan.command, "--host") == "0.0.0.0"
    assert plan.environment["VLLM_API_KEY"] == "${RAG_KEY}"
    assert plan.environment["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in plan_serving(generation, ServingConfig(), Path("/t")).environment


@pytest.mark.parametrize("gpus", [3, 7, 8, 28])
def test_gpus_that_do_not_divide_the_model_are_refused(gpus):
    with pytest.raises(GpusUnfit) as caught:
        plan_serving(GenerationConfig(), ServingConfig(gpus=gpus), Path("/t"))
    assert "1, 2, 4" in caught.value.say("ko") and "28" in caught.value.say("en")


def test_a_window_longer_than_the_models_is_refused():
    with pytest.raises(ConfigError, match="16,385"):
        plan_serving(GenerationConfig(window=16_385), ServingConfig(), Path("/t"))


def test_scaled_positions_leave_the_window_to_the_server():
    config = {
        "model_type": "qwen2",
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "hidden_size": 64,
        "num_hidden_layers": 1,
        "intermediate_size": 128,
        "vocab_size": 100,
        "max_position_embeddings": 32_768,
    }
    assert shape_of(config).positions == 32_768
    assert shape_of(config | {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}).positions == 0


@pytest.mark.parametrize("profile", TEMPLATES)
def test_every_profile_gives_a_command(profile, tmp_path):
    path = tmp_path / "rag.toml"
    path.write_text(TEMPLATES[profile], "utf-8")
    config = load_config(path)
    plan = plan_serving(config.generator, config.serving, Path("/t"))
    assert plan.shape == KNOWN[config.generator.model]
    assert full_windows(plan.shape, config.serving, config.generator.window, 80) >= 4


@pytest.mark.parametrize(
    "override",
    ["serving.gpus=0", "serving.precision=int4", "serving.gpu_memory_utilization=1.5", "serving.kv_cache=4"],
)
def test_settings_out_of_range_are_refused(override):
    with pytest.raises(ConfigError):
        load_config(None, [override])


# the tokenizer folder


def test_the_folder_is_the_same_tokenizer_and_ends_alike(tmp_path, model_folder):
    for source in (EMBEDDED_FOLDER, model_folder):
        tokenizer = ModelTokenizer(str(source))
        folder = tmp_path / source.name
        write_tokenizer_folder(tokenizer, folder)
        write_tokenizer_folder(tokenizer, folder)  # again: nothing to say
        written = ModelTokenizer(str(folder))
        assert written.fingerprint == tokenizer.fingerprint
        assert written.stop_ids == tokenizer.stop_ids
        assert not (folder / "config.json").exists()
        generation = json.loads((folder / "generation_config.json").read_text("utf-8"))
        assert generation == {"eos_token_id": tokenizer.stop_ids}
    assert tokenizer.stop_ids == [27]


def test_a_folder_that_is_something_else_is_left_alone(tmp_path):
    tokenizer = ModelTokenizer(str(EMBEDDED_FOLDER))
    (tmp_path / "config.json").write_text("{}", "utf-8")
    with pytest.raises(TokenizerFolderUnfit, match=r"config\.json"):
        write_tokenizer_folder(tokenizer, tmp_path)
    (tmp_path / "config.json").rename(tmp_path / "tokenizer.json")
    with pytest.raises(TokenizerFolderUnfit, match=r"tokenizer\.json of another"):
        write_tokenizer_folder(tokenizer, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.json"]


# the command line


def test_what_is_printed_is_the_command_of_the_json(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["serve-model", "--set", f"models.tokenizer={EMBEDDED_FOLDER}", "--gpus", "2"]
    assert main([*arguments, "--json", "--", "--enforce-eager"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["command"][-1] == "--enforce-eager" and body["warnings"] == []
    assert Path(body["tokenizer"], "tokenizer.json").is_file()
    assert body["memory"]["full_windows"]["80"] > 50
    assert main([*arguments, "--", "--enforce-eager"]) == 0
    printed = capsys.readouterr().out
    script = f'vllm() {{ printf "%s\\n" "$VLLM_NO_USAGE_STATS" vllm "$@"; }}\n{printed}'
    shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines() == ["1", *body["command"]]


def test_without_the_models_files_the_command_is_shown_with_a_warning(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["serve-model", "--json", "--set", f"models.tokenizer={tmp_path}"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert "tokenizer" in body["warnings"][0]["en"] and not Path(body["tokenizer"]).exists()


def test_a_check_without_a_server_says_so(capsys):
    code = main(["serve-model", "--check", "--json", "--set", f"generator.base_url={free_url()}",
                 "--set", f"models.tokenizer={EMBEDDED_FOLDER}"])  # fmt: skip
    body = json.loads(capsys.readouterr().out)
    assert code == 1 and not body["ok"] and len(body["checks"]) == 1


# processes


def plan_of(*command: str) -> ServePlan:
    return ServePlan(command, (), {}, Path("/t"), None)


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if pid in read_processes()]


def test_all_that_the_server_started_ends_with_it(tmp_path):
    generation = GenerationConfig(base_url=free_url())
    with running_server(plan_of("sh", "-c", "sleep 60 & sleep 60"), generation, tmp_path / "log") as process:
        parents = {}
        while len(tree := descendants(process.pid, parents)) < 3:
            parents = {pid: parent for pid, (parent, _) in read_processes().items()}
    assert alive(tree) == []


def test_a_taken_port_is_refused(tmp_path):
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        generation = GenerationConfig(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
        with pytest.raises(PortTaken), running_server(plan_of("true"), generation, tmp_path / "log"):
            pass


def test_a_missing_command_and_a_missing_key_are_named(tmp_path, monkeypatch):
    generation = GenerationConfig(base_url=free_url())
    plan = plan_of("no-such-vllm")
    with (
        pytest.raises(ModelServerEnded, match="no-such-vllm"),
        running_server(plan, generation, tmp_path / "log"),
    ):
        pass
    monkeypatch.delenv("RAG_KEY", raising=False)
    plan = ServePlan(("true",), (), {"VLLM_API_KEY": "${RAG_KEY}"}, Path("/t"), None)
    with pytest.raises(ConfigError, match="RAG_KEY"), running_server(plan, generation, tmp_path / "log"):
        pass


def test_the_error_says_what_the_log_says(tmp_path):
    log = tmp_path / "log"
    generation = GenerationConfig(base_url=free_url())
    script = "echo starting; echo '\033[31mRuntimeError: no GPU\033[0m'; echo bye; exit 3"
    with running_server(plan_of("sh", "-c", script), generation, log) as process:
        process.wait(10)
    error = ended(process, log)
    assert (
        "RuntimeError: no GPU" in error.say("en") and "3" in error.say("ko") and "\033" not in error.say("en")
    )


@dataclass
class Started:
    """A process that is only looked at: it runs until `returncode` is set."""

    returncode: int | None = None

    def poll(self) -> int | None:
        return self.returncode


def test_a_server_is_waited_for_until_it_answers(tmp_path):
    time_passing, told = QuickClock(), []
    log = tmp_path / "log"
    log.write_text("loading\n", "utf-8")
    generation = GenerationConfig(base_url=free_url())
    port = int(generation.base_url.split(":")[2].removesuffix("/v1"))
    script = Script(ModelTokenizer(str(EMBEDDED_FOLDER)))
    with ExitStack() as server:
        time_passing.after(20, lambda: server.enter_context(scripted_server(script, port)))
        seconds = wait_until_ready(Started(), generation, log, told.append, time_passing.clock)
    assert seconds == sum(time_passing.pauses) == 20
    assert told == ["loading"] * len(time_passing.pauses)


def test_a_server_that_ends_is_waited_for_no_longer(tmp_path):
    time_passing, process = QuickClock(), Started()
    log = tmp_path / "log"
    log.write_text("RuntimeError: no GPU\n", "utf-8")
    time_passing.after(2, lambda: setattr(process, "returncode", 3))
    with pytest.raises(ModelServerEnded, match="no GPU"):
        wait_until_ready(
            process, GenerationConfig(base_url=free_url()), log, lambda line: None, time_passing.clock
        )
    assert sum(time_passing.pauses) == 2


def test_a_group_that_does_not_end_when_told_to_is_killed_after_its_time():
    time_passing = QuickClock()
    script = "trap '' TERM; echo ready; sleep 60"
    process = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout.readline() == b"ready\n"
    end_group(process, time_passing.clock)
    process.stdout.close()
    assert process.wait(10) == -signal.SIGKILL
    assert sum(time_passing.pauses) >= STOP_SECONDS - 1e-6


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_command_leaves_no_process_behind(stop, tmp_path):
    server = tmp_path / "python"
    server.write_text("#!/bin/sh\nsleep 60 &\nsleep 60\n", "utf-8")
    server.chmod(0o755)
    command = [sys.executable, "-m", "rag", "serve-model", "--start", "--python", str(server)]
    settings = [f"models.tokenizer={EMBEDDED_FOLDER}", f"generator.base_url={free_url()}"]
    run = subprocess.Popen(
        [*command, *(word for setting in settings for word in ("--set", setting))],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    tree = [run.pid]
    while len(tree) < 4 and run.poll() is None:
        tree = descendants(run.pid, {pid: parent for pid, (parent, _) in read_processes().items()})
        time.sleep(0.05)
    run.send_signal(stop)
    assert run.wait(60) == 130
    assert len(tree) == 4 and alive(tree) == []
