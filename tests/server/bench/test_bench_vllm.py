"""The bench of the GPU against a real vLLM that it starts itself, with random weights from config.json alone."""

import json

import pytest

from eval.gpu.bench import bench
from eval.gpu.workload import BenchOptions
from tests.support.servers.vllm import ENVIRONMENT, PYTHON, STARTUP

pytestmark = pytest.mark.server


def test_every_table_is_measured_on_a_server_without_weights(tmp_path, monkeypatch, capsys):
    if not PYTHON.is_file():
        pytest.skip("no vLLM environment (make test-server creates it)")
    (tmp_path / "sitecustomize.py").write_text(STARTUP, "utf-8")
    places = dict.fromkeys(("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "PYTHONPATH"), str(tmp_path))
    for name, value in (ENVIRONMENT | places).items():
        monkeypatch.setenv(name, value)
    options = BenchOptions(
        shape="tiny",
        users=(1, 4),
        prompt_tokens=1_000,
        output_tokens=16,
        repeats=2,
        python=str(PYTHON),
        server_options=("--enforce-eager",),
    )
    out = tmp_path / "bench.json"
    bench(["vllm"], options, None, out)
    part = json.loads(out.read_text("utf-8"))["backends"]["vllm"]
    assert part["reading"]["one prompt"]["prompt_tokens"] == 1_000
    assert part["users"].keys() == {"1", "4"}
    for row in part["users"].values():
        assert 0 < row["ttft_p50"] <= row["ttft_max"] and row["written_per_second"] > 0
    # All blocks but the last of each prompt are still there.
    assert all(0.85 < row["hit_rate"] < 1 for row in part["prefix"].values())
    assert part["share"]["generate_each"]["users"] == 4 and part["share"]["generate_each"]["share"] > 0
    printed = capsys.readouterr().out
    assert "✗" not in printed and printed.count("✓") == 5
