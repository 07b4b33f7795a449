"""One set of pins serves the core and every extra: the resolver says so. Needs a package index."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PINS = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE))


def test_the_pins_are_those_that_vllm_wants():
    wanted = {
        "torch": "2.13.0",
        "numpy": "2.3.5",
        "transformers": "5.19.0",
        "fastapi": "0.136.3",
        "vllm": "0.32.0",
    }
    assert wanted.items() <= PINS.items()


@pytest.mark.resolve
@pytest.mark.parametrize("extra", ["", "server", "gpu", "dev", "server,gpu,dev"])
def test_the_extra_resolves_with_the_pins(extra, tmp_path):
    report = tmp_path / "report.json"
    target = f"{ROOT}[{extra}]" if extra else str(ROOT)
    done = subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet",
            "--report", str(report), "-c", str(ROOT / "constraints.txt"), target,
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    chosen = {
        item["metadata"]["name"].lower().replace("_", "-"): item["metadata"]["version"].partition("+")[0]
        for item in json.loads(report.read_text("utf-8"))["install"]
    }
    assert all(chosen[name] == pin for name, pin in PINS.items() if name in chosen)
    assert ("vllm" in chosen) == ("gpu" in extra)
    unpinned = {name for name in chosen if name not in PINS and not name.startswith(("nvidia-", "cuda-"))}
    assert unpinned <= {"rag-korean-pdf", "triton", "torchvision", "torchaudio", "torchcodec"}
