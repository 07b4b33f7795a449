"""The bench of summaries on a real vLLM: what the product, the plain client and LlamaIndex spend on two documents."""

import json

import pytest

from eval.dataset import SAMPLES
from eval.speed.summarise import OTHERS, bench
from rag.prompting.tokens import EMBEDDED_FOLDER
from tests.server.bench.summaries import steady_server

pytestmark = pytest.mark.server

OUTPUT = 64
# Shorter than two of the three samples, so that there are levels.
WINDOW = 6_000


def test_all_parts_are_measured_and_the_same_prompts_are_the_same_work(tmp_path, capsys):
    paths = [SAMPLES / "취업규칙.pdf", SAMPLES / "정보보안_업무지침.pdf"]
    out = tmp_path / "bench.json"
    with steady_server(EMBEDDED_FOLDER, tmp_path, 4, OUTPUT, WINDOW) as settings:
        bench(paths, 2, settings, (4, 30), 1, tmp_path / "work", out)
    result = json.loads(out.read_text("utf-8"))
    plain, ours = result["passes"]["vLLM alone"], result["passes"]["rag summarise"]
    for row in (plain, ours):
        assert row["reports"] == 2 and row["reports_per_minute"] > 0
        assert 0 < row["generated_tokens"] == ours["generated_tokens"] <= ours["calls"] * OUTPUT
    assert plain["prompt_tokens"] == ours["prompt_tokens"] > 0
    assert ours["levels"] > 1 and ours["peak_mb"] > 0
    assert result["shares"] == [plain["seconds"] / ours["seconds"]]
    short, long = result["lengths"]["4 pages"], result["lengths"]["30 pages"]
    assert short["calls"] == short["levels"] == 1 and long["calls"] > long["levels"] > 1
    assert short["without_model_seconds"] > 0 and long["without_model_seconds"] > 0
    beside = result["beside"]
    assert beside["rag summarise"]["calls_over_window"] == 0
    printed = capsys.readouterr().out
    for name in OTHERS:
        assert name in result["missing"] or beside[name]["calls"] > 2
        assert name in printed
    if not result["missing"]:
        one, other = (beside[name] for name in OTHERS)
        assert one["calls"] == other["calls"] and not one["failed"] + other["failed"]
