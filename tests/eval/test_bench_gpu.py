"""The bench of the GPU, on a tiny model and this processor: what it counts, and that it runs on little."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.gpu.bench import bench, model_size
from eval.gpu.roofline import GPUS, best_decode, best_prefill, decode_bytes, find_gpu, prefill_operations
from eval.gpu.with_transformers import Runner, joined, load_model
from eval.gpu.workload import SHAPES, BenchOptions, Prompts, percentile
from rag.serving.plan import KNOWN, shape_of

ROOT = Path(__file__).parents[2]
TINY = BenchOptions(shape="tiny", device="cpu", users=(1, 3), prompt_tokens=200, output_tokens=4, repeats=2)
# What the machine with the GPU may lack: all of the project's libraries that transformers does without,
# and so the packages of ours that use them.
LACKING = (
    *("rag", "indexes", "ingest", "kiwipiepy", "faiss", "tantivy", "pypdf", "pypdfium2", "pdfminer", "lxml"),
    *("docx", "openai", "langchain_text_splitters", "sentence_transformers", "vllm"),
)


def test_the_shape_is_that_of_the_model(model_folder):
    light = SHAPES["light"]
    assert shape_of(light) == KNOWN["skt/A.X-4.0-Light"]
    published = json.loads((model_folder / "config.json").read_text("utf-8"))
    assert {name: published[name] for name in light if name != "eos_token_id"} == {
        name: light[name] for name in light if name != "eos_token_id"
    }
    size, shape = model_size(light), KNOWN["skt/A.X-4.0-Light"]
    assert (size.layer_weights, size.output_weights) == (shape.linear, shape.embeddings // 2)
    assert size.kv_bytes == shape.kv_bytes("bf16")


def test_rooflines_of_the_light_model():
    size = model_size(SHAPES["light"])
    # 2 × 6.52e9 × 15,000 of weights, 2 × 100,352 × 15,000² of attention
    assert prefill_operations(size, 15_000) == pytest.approx(1.957e14 + 4.516e13, rel=0.01)
    assert best_prefill(size, GPUS["H100"], 15_000) == pytest.approx(61_600, rel=0.01)
    assert decode_bytes(size, 32, 15_000) == pytest.approx(13.79e9 + 27.5e9, rel=0.01)
    assert best_decode(size, GPUS["H100"], 1, 0) == pytest.approx(243, rel=0.01)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA H200", "H200"),
        ("NVIDIA L40S", "L40S"),
    ],
)
def test_the_drivers_name_finds_the_card(name, known):
    assert find_gpu(name) is GPUS[known]
    assert find_gpu("none") is None


@given(st.lists(st.integers(0, 99), min_size=12, max_size=50), st.integers(11, 120), st.integers(1, 40))
def test_prompts_are_of_one_length_and_begin_differently(tail, length, count):
    prompts = Prompts([*range(100, 110), *tail], length)
    taken = prompts.take(count) + prompts.take(count)
    assert {len(prompt) for prompt in taken} == {length}
    assert len({tuple(prompt[:10]) for prompt in taken}) == 2 * count


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_a_percentile_is_one_of_the_values(values, share):
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


def test_joined_caches_go_on_as_each_alone():
    import torch

    model = load_model(TINY).float()
    run = Runner(model)
    prompts = Prompts(list(range(100, 400)), 50).take(3)
    with torch.inference_mode():
        alone = [run.read([*prompt, int(run.read(prompt)[1])])[1] for prompt in prompts]
        cache, last = joined([run.read(prompt) for prompt in prompts])
        together = model(last, past_key_values=cache, use_cache=True).logits[:, -1].argmax(-1)
        follow, _ = run.read(prompts[0][:30])
        assert run.read(prompts[0][30:], follow)[1] == run.read(prompts[0])[1]
    assert together.tolist() == [int(token) for token in alone]


def test_the_tables_hold_what_was_measured(tmp_path, capsys):
    out = tmp_path / "bench.json"
    result = bench(["transformers"], TINY, None, out)
    saved = json.loads(out.read_text("utf-8"))
    assert saved["backends"] == result["backends"]
    part = saved["backends"]["transformers"]
    assert part["users"].keys() == {"1", "3"}
    for row in part["users"].values():
        assert 0 < row["ttft_p50"] <= row["ttft_p90"] <= row["ttft_max"] and row["written_per_second"] > 0
    assert saved["machine"]["date"] and saved["machine"]["torch"] and saved["machine"]["gpu"]
    assert part["what"] in capsys.readouterr().out


def test_it_runs_where_nothing_but_transformers_is_installed(tmp_path):
    script = f"""
import runpy, sys
class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {LACKING!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Lacking())
sys.argv = ["bench_gpu", "--shape", "tiny", "--device", "cpu", "--users", "1", "--prompt-tokens", "100",
            "--output-tokens", "3", "--repeats", "1", "--out", sys.argv[1]]
runpy.run_module("eval.gpu.bench", run_name="__main__")
"""
    out = tmp_path / "bench.json"
    run = subprocess.run(
        [sys.executable, "-c", script, str(out)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert json.loads(out.read_text("utf-8"))["backends"]["transformers"]["reading"]
