"""`python -m eval real|samples`: measure, print a table, write JSON."""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from eval.dataset import SAMPLES, load_questions, sample
from eval.report import machine, save, table
from eval.runner import run_ingest, run_questions
from indexes.store import DATABASE
from rag import Pipeline, load_config

REAL_FOLDERS = ("statutes", "agency", "safety_guides", "misc", "welfare", "korquad1")
INGEST_COLUMNS = ("files", "documents", "pages", "chunks", "seconds", "pages_per_second", "failures")
QUESTION_COLUMNS = (
    "questions",
    "page_hit@1",
    "page_hit@5",
    "page_ndcg@10",
    "answers_citing_gold_page",
    "quotes_contain_answer",
    "wrongly_abstained",
    "rightly_abstained",
    "search_ms",
    "ask_ms",
)
SEED = 20261123

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
ConfigOption = Annotated[Path | None, typer.Option(help="a rag.toml; default: the embedded profile")]
SetOption = Annotated[list[str], typer.Option("--set", help="SECTION.KEY=VALUE")]


@app.command()
def real(
    shared: Annotated[Path, typer.Option(help="the folder that holds data/pdf and data/qa")],
    out: Annotated[Path, typer.Option(help="JSON file to write")] = Path("build/bench-real.json"),
    index: Annotated[Path, typer.Option(help="index folder, made anew")] = Path("build/bench-real-index"),
    count: Annotated[int, typer.Option(help="questions per set")] = 100,
    config: ConfigOption = None,
    overrides: SetOption = [],
) -> None:
    """Ingest every real PDF of the shared folder, then ask 100 questions of welfare and of korquad1."""
    if not (shared / "data" / "pdf").is_dir():
        sys.exit(f"no data/pdf in {shared}: set RAG_SHARED to the shared folder")
    clear(index)
    with Pipeline.open(index, load_config(config, overrides)) as pipeline:
        ingested = run_ingest(pipeline, [shared / "data" / "pdf" / name for name in REAL_FOLDERS])
        answered = {
            name: run_questions(
                pipeline,
                sample(load_questions(shared / "data" / "qa" / name / "qa.jsonl"), count, SEED),
            )
            for name in ("welfare", "korquad1")
        }
    finish(out, {"ingest": ingested, "questions": answered, "machine": machine()})


@app.command()
def samples(
    out: Annotated[Path, typer.Option(help="JSON file to write")] = Path("build/bench-samples.json"),
    index: Annotated[Path, typer.Option(help="index folder, made anew")] = Path("build/bench-samples-index"),
    config: ConfigOption = None,
    overrides: SetOption = [],
) -> None:
    """The same on the sample documents and their questions, the unanswerable among them."""
    clear(index)
    with Pipeline.open(index, load_config(config, overrides)) as pipeline:
        ingested = run_ingest(pipeline, [SAMPLES])
        answered = {"samples": run_questions(pipeline, load_questions(SAMPLES / "questions.jsonl"))}
    finish(out, {"ingest": ingested, "questions": answered, "machine": machine()})


def clear(index: Path) -> None:
    """Make room for a new index; anything else is left alone."""
    if index.exists() and not (index / DATABASE).is_file():
        sys.exit(f"{index} is no index: name a folder that does not exist yet")
    shutil.rmtree(index, ignore_errors=True)


def finish(out: Path, result: dict) -> None:
    """Print the tables and write the JSON."""
    print(table({"ingest": result["ingest"]}, INGEST_COLUMNS), end="\n\n")
    print(table(result["questions"], QUESTION_COLUMNS), end="\n\n")
    print(" · ".join(f"{key} {value}" for key, value in result["machine"].items()))
    save(out, result)


if __name__ == "__main__":
    app()
