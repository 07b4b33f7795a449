"""`python -m tests.server.bench.answers`: `python -m eval.bench serve` on the tiny model, on this machine's processor.

Real documents and questions of the shared data; the answers are noise, each as long as `OUTPUT`.
"""

import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from eval.dataset import load_questions, sample
from eval.speed.serve import bench
from rag import Config, Pipeline
from rag.config import ModelsConfig
from rag.models.generator import GenerationConfig
from tests.support.servers.tiny_model import WINDOW, TinyModel, write_tiny_model
from tests.support.servers.vllm import MODEL, running_server

FOLDERS = ("welfare", "korquad1")
SEED = 7
RARE, RARE_TEXT = 1, "<|pad|>"
OUTPUT = 320  # tokens, as of a long answer


def main(
    shared: Annotated[Path, typer.Option(envvar="RAG_SHARED", help="the folder that holds data and models")],
    out: Annotated[Path, typer.Option(help="JSON file to write")] = Path("build/bench-serve.json"),
    count: Annotated[int, typer.Option(help="questions")] = 64,
    rounds: Annotated[int, typer.Option(help="passes of each kind, in turn")] = 3,
    concurrency: Annotated[int, typer.Option(help="requests at a time")] = 16,
    folder: Annotated[Path, typer.Option(help="where the index goes, and stays")] = Path("build/bench-serve"),
) -> None:
    tokenizer = shared / "models" / "A.X-4.0-Light"
    if not (tokenizer / "tokenizer.json").is_file():
        sys.exit(f"no models/A.X-4.0-Light in {shared}: set RAG_SHARED to the shared folder")
    os.environ["VLLM_SERVER_DEV_MODE"] = "1"  # lets the prefix cache be emptied
    questions = [
        question.text
        for name in FOLDERS
        for question in sample(
            load_questions(shared / "data" / "qa" / name / "qa.jsonl"), count // len(FOLDERS), SEED
        )
    ]
    with tempfile.TemporaryDirectory() as work:
        model = write_tiny_model(tokenizer, Path(work, "tiny"))
        never_ending(model)
        config = Config(models=ModelsConfig(tokenizer=str(model.tokenizer)))
        with Pipeline.open(folder, config) as pipeline:
            pipeline.ingest([shared / "data" / "pdf" / name for name in FOLDERS])
        arguments = ("--model", str(model.weights), "--tokenizer", str(model.tokenizer))
        with running_server(arguments, Path(work)) as server:
            generation = GenerationConfig(
                "vllm",
                MODEL,
                server.base_url,
                window=WINDOW,
                reserved_output=OUTPUT,
                concurrency=concurrency,
                grammar="off",  # under it some answers would be over before
            )
            bench(folder, replace(config, generator=generation), questions, rounds, out)


def never_ending(model: TinyModel) -> None:
    """Let answers end at a token that is never written, so that all take their limit."""
    for file, end in (
        (model.weights / "generation_config.json", {"eos_token_id": RARE}),
        (model.tokenizer / "generation_config.json", {"eos_token_id": RARE}),
        (model.tokenizer / "tokenizer_config.json", {"eos_token": RARE_TEXT}),
    ):
        settings = json.loads(file.read_text("utf-8"))
        file.write_text(json.dumps(settings | end, ensure_ascii=False), "utf-8")


if __name__ == "__main__":
    typer.run(main)
