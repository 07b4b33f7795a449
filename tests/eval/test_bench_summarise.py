"""The parts of the bench of summaries that need no server."""

from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from eval.dataset import SAMPLES
from eval.speed.summarise import (
    Report,
    Settings,
    indexed,
    job,
    join,
    longest,
    median_pass,
    over_window,
    rates,
)
from rag.config import Config

LIMITED = ("generator.window=2000", "generator.reserved_output=200")


def test_reports_are_joined_in_their_order_and_cut(tmp_path):
    paths = longest([SAMPLES])
    pages = [len(PdfReader(path).pages) for path in paths]
    assert pages == sorted(pages, reverse=True) and len(pages) == 3
    more = pages[0] + 2
    joined = PdfReader(join(paths, more, tmp_path / "joined.pdf"))
    assert len(joined.pages) == more
    assert joined.pages[-1].extract_text() == PdfReader(paths[1]).pages[1].extract_text()
    assert len(PdfReader(join(paths, 3, tmp_path / "cut.pdf")).pages) == 3
    assert len(PdfReader(join(paths, 10_000, tmp_path / "all.pdf")).pages) == sum(pages)


def test_a_job_without_a_model_has_its_time_and_no_calls(tmp_path):
    path = SAMPLES / "취업규칙.pdf"
    (report,) = indexed(tmp_path / "index", [path], Config())
    assert report.pages == len(PdfReader(path).pages) and report.tokens > 1_000
    row = job(tmp_path / "index", [report.id], Settings(None, LIMITED).load(), None)
    assert row["seconds"] > 0 and row["calls"] == row["levels"] == 0


def test_settings_arrive_in_another_process_as_they_are(tmp_path):
    file = tmp_path / "rag.toml"
    file.write_text("[generator]\nwindow = 4000\n", "utf-8")
    settings = Settings(file, LIMITED[1:])
    assert settings.load().generator.window == 4000
    more = "generator.backend=vllm"
    assert settings.arguments(more) == ["--config", str(file), "--set", LIMITED[1], "--set", more]


@given(st.lists(st.integers(1, 40_000)), st.integers(1, 40_000))
def test_what_is_over_the_window_is_counted(asked, window):
    over = over_window(asked, window)
    assert over["tokens_over_window"] == sum(asked) - sum(min(tokens, window) for tokens in asked)
    assert over["calls_over_window"] <= over["tokens_over_window"]


def test_rates_are_of_the_pass_of_median_length():
    passes = [
        {"seconds": seconds, "prompt_tokens": 600, "generated_tokens": 30} for seconds in (9.0, 2.0, 3.0)
    ]
    row = rates(median_pass(passes), [Report("a", 10, "", 1), Report("b", 5, "", 1)])
    assert row == passes[2] | {
        "reports": 2,
        "pages": 15,
        "reports_per_minute": 40.0,
        "prompt_tokens_per_second": 200.0,
        "tokens_per_second": 10.0,
    }
