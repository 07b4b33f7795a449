"""`python -m tests.server.bench.summaries`: `python -m eval.bench summarise` on the tiny model, on this machine's processor.

Real reports of the shared data; what is written is noise, each completion as long as `OUTPUT`.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from eval.reading.ingestion import PDF_FOLDERS
from eval.speed.summarise import LENGTHS, Settings, bench, longest
from tests.server.bench.answers import never_ending
from tests.support.servers.tiny_model import WINDOW, write_tiny_model
from tests.support.servers.vllm import MODEL, running_server

OUTPUT = 320  # tokens


@contextmanager
def steady_server(
    tokenizer: Path, work: Path, concurrency: int, output: int, window: int = WINDOW
) -> Iterator[Settings]:
    """The settings of somebody who runs a server whose completions all take their limit."""
    os.environ["VLLM_SERVER_DEV_MODE"] = "1"  # lets the prefix cache be emptied
    model = write_tiny_model(tokenizer, work / "tiny")
    never_ending(model)
    arguments = ("--model", str(model.weights), "--tokenizer", str(model.tokenizer))
    with running_server(arguments, work) as server:
        settings = {
            "models.tokenizer": model.tokenizer,
            "generator.backend": "vllm",
            "generator.model": MODEL,
            "generator.base_url": server.base_url,
            "generator.window": window,
            "generator.reserved_output": output,
            "generator.concurrency": concurrency,
            "generator.grammar": "off",  # under it some summaries would be over before
        }
        yield Settings(None, tuple(f"{key}={value}" for key, value in settings.items()))


def main(
    shared: Annotated[Path, typer.Option(envvar="RAG_SHARED", help="the folder that holds data and models")],
    out: Annotated[Path, typer.Option(help="JSON file to write")] = Path("build/bench-summarise.json"),
    reports: Annotated[int, typer.Option(help="how many, the longest first")] = 20,
    length: Annotated[list[int], typer.Option(help="pages of the joined reports")] = list(LENGTHS),
    rounds: Annotated[int, typer.Option(help="passes of each kind, in turn")] = 3,
    concurrency: Annotated[int, typer.Option(help="requests at a time")] = 32,
    folder: Annotated[Path, typer.Option(help="where the indexes go, and stay")] = Path(
        "build/bench-summarise"
    ),
) -> None:
    tokenizer = shared / "models" / "A.X-4.0-Light"
    if not (tokenizer / "tokenizer.json").is_file():
        sys.exit(f"no models/A.X-4.0-Light in {shared}: set RAG_SHARED to the shared folder")
    paths = longest([shared.resolve() / "data" / "pdf" / name for name in PDF_FOLDERS])
    with (
        tempfile.TemporaryDirectory() as work,
        steady_server(tokenizer, Path(work), concurrency, OUTPUT) as settings,
    ):
        bench(paths, reports, settings, length, rounds, folder, out)


if __name__ == "__main__":
    typer.run(main)
