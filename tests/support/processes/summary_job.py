"""A job of summaries in a process of its own, to be killed: `python -m tests.support.processes.summary_job INDEX OUT LOG`.

Its generator takes a moment for each prompt and writes to LOG which window it begins.
"""

import os
import sys
from pathlib import Path

from rag import Pipeline
from rag.cli.commands.summarise import to_folder
from rag.config import Config
from rag.models.generator import GenerationConfig
from rag.prompting.tokens import ModelTokenizer
from rag.summarising.checkpoints import window_key
from rag.summarising.files import SummaryFolder
from rag.summarising.kinds import SummaryOptions
from tests.support.writers import BusyWriter, faithful

WINDOW, RESERVED, CONCURRENCY = 900, 120, 3


class LoggingWriter(BusyWriter):
    """Writes a line to the log at the beginning of each window."""

    def __init__(self, log: Path, tokenizer) -> None:
        super().__init__(faithful, CONCURRENCY, os.getpid())
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._tokenizer = tokenizer

    def generate_each(self, job, options):
        self._options = options
        return super().generate_each(job, options)

    async def _answer(self, prompt):
        key = window_key(self, self._tokenizer, self._options, prompt.token_ids)
        os.write(self._log, f"{key}\n".encode())
        return await super()._answer(prompt)


def main(index: str, out: str, log: str) -> int:
    config = Config(generator=GenerationConfig("openai", window=WINDOW, reserved_output=RESERVED))
    writer = LoggingWriter(Path(log), ModelTokenizer(config.models.tokenizer))
    with (
        Pipeline.open(index, config, generator=writer) as pipeline,
        SummaryFolder(Path(out), pipeline.documents()) as files,
    ):
        return to_folder(pipeline, pipeline.documents(), SummaryOptions(), files, False)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
