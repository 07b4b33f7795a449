"""`python -m tests.server.prefixes`: measures how much of its prompts a real vLLM server has read before.

Prompts over the sample documents, as `rag ask` packs them, one after the other: questions that have nothing
to do with each other; the same worded another way; follow-ups with the turns before them; the same
follow-ups again. The counters are the server's own (vllm:prefix_cache_hits and …_queries). Beside them
stands what follows from the ids: the whole blocks with which a prompt begins as one before it did.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from eval.dataset import SAMPLES, load_questions
from eval.retrieval.followups import load_dialogues
from eval.retrieval.sets import without_spaces
from rag import Config, Pipeline
from rag.config import ModelsConfig
from rag.conversing.conversation import Exchange
from rag.models.generator import GenerationConfig, Sampling
from rag.prompting.packing import Prompt, pack
from rag.prompting.prompts import Turn
from tests.support.files.shared import tokenizer_folder
from tests.support.servers.tiny_model import WINDOW, TinyModel, write_tiny_model
from tests.support.servers.vllm import MODEL, Server, running_server

BLOCK = 32  # tokens; vLLM takes 16 on a GPU, and multiples of 32 on a CPU
RESERVED = 1024


class Row(NamedTuple):
    """One kind of question: prompts, their tokens, those that the server had read, and those it should have."""

    kind: str
    prompts: int
    tokens: int
    hits: int
    expected: int


def measure(server: Server, pipeline: Pipeline, window: int, count: int) -> Iterator[Row]:
    """The rows for `count` questions; the kinds are sent one after the other."""
    questions = [q.text for q in load_questions(SAMPLES / "questions.jsonl") if q.answerable][:count]
    dialogues = [d for d in load_dialogues() if d.followup and d.question.evidence][:count]
    cache = Blocks()
    alone = [packed(pipeline, question, window) for question in questions]
    reworded = [packed(pipeline, without_spaces(question), window) for question in questions]
    before = [packed(pipeline, d.history[-1].standalone, window, d.history[:-1]) for d in dialogues]
    followups = [packed(pipeline, d.standalone, window, d.history) for d in dialogues]
    yield sent("nothing to do with each other", alone, server, pipeline, cache)
    yield sent("the same, without blanks", reworded, server, pipeline, cache)
    sent("", before, server, pipeline, cache)
    yield sent("follow-ups of others", followups, server, pipeline, cache)
    yield sent("the same follow-ups again", followups, server, pipeline, cache)


def packed(pipeline: Pipeline, question: str, window: int, history: Sequence[Exchange] = ()) -> Prompt:
    """What is asked about the passages that `question` finds, after the turns before it."""
    retriever = pipeline.retriever
    return pack(
        question,
        pipeline.search(question, k=pipeline.config.search.k),
        retriever.with_id,
        retriever.place_of,
        pipeline.tokenizer,
        window,
        min(RESERVED, window // 8),
        history=[Turn(turn.question, turn.answer) for turn in history],
    )


def sent(kind: str, prompts: Sequence[Prompt], server: Server, pipeline: Pipeline, cache: "Blocks") -> Row:
    """The row of `prompts`, which are sent one after the other for one token each."""
    hits, queries = server.metric("prefix_cache_hits_total"), server.metric("prefix_cache_queries_total")
    expected = 0
    for prompt in prompts:
        expected += cache.read(prompt.token_ids)
        pipeline.generator.generate([prompt], Sampling(1))
    hits = int(server.metric("prefix_cache_hits_total") - hits)
    tokens = int(server.metric("prefix_cache_queries_total") - queries)
    return Row(kind, len(prompts), tokens, hits, expected)


class Blocks:
    """The beginnings of the prompts read so far, in whole blocks."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, ...]] = set()

    def read(self, ids: Sequence[int]) -> int:
        """The number of tokens of `ids` that were read before; from now on all of them count as read."""
        beginnings = [tuple(ids[:end]) for end in range(BLOCK, len(ids) + 1, BLOCK)]
        known = sum(beginning in self._seen for beginning in beginnings)
        self._seen.update(beginnings)
        return BLOCK * min(known, (len(ids) - 1) // BLOCK)  # the last token is read in any case


def main() -> None:
    """Start a server with the tiny model, and print a row for each kind and window."""
    parser = argparse.ArgumentParser(prog="python -m tests.server.prefixes", description=__doc__)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--windows", type=int, nargs="+", default=[4_096, WINDOW])
    given = parser.parse_args()
    print(f"{'window':>7}  {'questions':32}{'prompts':>8}{'tokens':>10}{'hits':>10}{'rate':>7}{'by ids':>10}")
    with tempfile.TemporaryDirectory(prefix="rag-prefixes-") as name:
        model = write_tiny_model(tokenizer_folder(), Path(name, "model"))
        for window in given.windows:  # a server each: prompts of two windows begin alike
            for row in on_a_server(model, Path(name, str(window)), window, given.count):
                print(
                    f"{window:>7,}  {row.kind:32}{row.prompts:>8}{row.tokens:>10,}{row.hits:>10,}"
                    f"{row.hits / row.tokens:>7.1%}{row.expected:>10,}",
                    flush=True,
                )


def on_a_server(model: TinyModel, folder: Path, window: int, count: int) -> Iterator[Row]:
    """The rows of a server of its own."""
    folder.mkdir()
    arguments = ("--model", str(model.weights), "--tokenizer", str(model.tokenizer))
    with running_server((*arguments, "--block-size", str(BLOCK)), folder) as server:
        config = Config(
            models=ModelsConfig(tokenizer=str(model.tokenizer)),
            generator=GenerationConfig("vllm", MODEL, server.base_url, window=WINDOW),
        )
        with Pipeline.open(folder / "index", config) as pipeline:
            pipeline.ingest(sorted(SAMPLES.glob("*.pdf")))
            yield from measure(server, pipeline, window, count)


if __name__ == "__main__":
    main()
