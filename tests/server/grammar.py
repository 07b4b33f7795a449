"""Generations under a bias towards brackets and digits, held to the grammar of markers or not.

A random model writes few markers by itself, so a grammar that did nothing would pass most tests. The
bias makes every answer try; without the grammar it writes markers of passages that were never shown.

    python -m tests.server.grammar --count 1000

prints how many, and what the grammar costs.
"""

import argparse
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rag.answer import PackedPassage
from rag.generator import GenerationConfig, Sampling
from rag.packing import Prompt
from rag.prompts import answer_messages
from rag.servers import VllmGenerator
from rag.tokens import ModelTokenizer
from tests.server.tiny_model import WINDOW, write_tiny_model
from tests.server.vllm_server import MODEL, Server, running_server

CONCURRENCY = 32
TOKENS = 64
# Beside the logits of all other tokens together, about 12: every few tokens a bracket, or a digit.
BRACKET_BIAS, DIGIT_BIAS = 10.0, 8.0
BRACKET = re.compile(r"[\[［][^\[\]［］]*[\]］]?")


@dataclass(frozen=True, slots=True)
class Generations:
    """What a server wrote, why each text ended, how many tokens that were and how long it took."""

    texts: tuple[str, ...]
    reasons: tuple[str, ...]
    tokens: int
    seconds: float


def brackets(generations: Generations, known: Collection[int]) -> Counter[str]:
    """How many brackets are markers of passages `known`, of none, anything else, or cut at the limit."""
    good = {f"[{marker}]" for marker in known}
    found: Counter[str] = Counter()
    for text, reason in zip(generations.texts, generations.reasons, strict=True):
        for match in BRACKET.finditer(text):
            if match[0] in good:
                found["valid"] += 1
            elif re.fullmatch(r"[\[［]\s*\d{1,3}(?:\s*[,，·]\s*\d{1,3})*\s*[\]］]", match[0]):
                found["invalid"] += 1
            elif match.end() == len(text) and reason == "length" and re.fullmatch(r"\[\d*", match[0]):
                found["cut"] += 1
            else:
                found["other"] += 1
    return found


def generate(
    server: Server,
    tokenizer: ModelTokenizer,
    passages: int,
    count: int,
    *,
    governed: bool,
    biased: bool = True,
    ends: bool = True,
) -> Generations:
    """`count` answers to questions about as many passages, of at most `TOKENS`, at temperature 1.

    Args:
        governed: held to the grammar, just as the product asks for it.
        biased: towards brackets and digits, so that all of them are tried.
        ends: the model may end an answer; else each has all its tokens.
    """
    generator = VllmGenerator(GenerationConfig("vllm", MODEL, server.base_url, window=WINDOW), tokenizer)
    options = Sampling(TOKENS, temperature=1.0, only_shown_markers=governed)
    bias = _bias(tokenizer) if biased else {}
    if not ends:
        bias |= {str(token): -100.0 for token in tokenizer.stop_ids}
    bodies = [
        _body(generator, prompt, options) | {"logit_bias": bias}
        for prompt in _prompts(tokenizer, passages, count)
    ]
    started = time.monotonic()
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        replies = list(pool.map(lambda body: server.post("/v1/completions", body), bodies))
    seconds = time.monotonic() - started
    choices = [reply["choices"][0] for reply in replies]
    return Generations(
        tuple(choice["text"] for choice in choices),
        tuple(choice["finish_reason"] for choice in choices),
        sum(reply["usage"]["completion_tokens"] for reply in replies),
        seconds,
    )


def _body(generator: VllmGenerator, prompt: Prompt, options: Sampling) -> dict:
    """The request that `generator` makes, as JSON."""
    request = generator._request(prompt, options)
    return request | request.pop("extra_body")


def _bias(tokenizer: ModelTokenizer) -> dict[str, float]:
    wanted = dict.fromkeys("[]［］", BRACKET_BIAS) | dict.fromkeys("0123456789", DIGIT_BIAS)
    return {str(token): bias for text, bias in wanted.items() for token in tokenizer.encode(text)}


def _prompts(tokenizer: ModelTokenizer, passages: int, count: int) -> list[Prompt]:
    shown = [
        PackedPassage(marker, "d", "규칙.pdf", "규칙", "", 1, 1, 0, 3, "휴가.", 3, 1.0)
        for marker in range(1, passages + 1)
    ]
    prompts = []
    for number in range(count):
        question = f"{number}. 휴가는 며칠인가요?"
        messages = answer_messages(question, shown)
        ids = tokenizer.render(messages).token_ids
        prompts.append(Prompt(ids, messages, tuple(shown), question, None))
    return prompts


def _row(name: str, generations: Generations, passages: int) -> str:
    found = brackets(generations, range(1, passages + 1))
    ended = generations.reasons.count("stop")
    cells = (
        name,
        f"{len(generations.texts):,}",
        *(f"{found[kind]:,}" for kind in ("valid", "invalid", "other", "cut")),
        f"{ended:,}",
        f"{generations.tokens / generations.seconds:,.0f}",
    )
    return "| " + " | ".join(cells) + " |"


def table(server: Server, tokenizer: ModelTokenizer, count: int, sizes: Sequence[int]) -> None:
    """Print what is written with the grammar and without, then what it costs where nothing is biased."""
    print("| | answers | valid | invalid | other brackets | cut | ended by themselves | tokens/s |")
    print("|---|---|---|---|---|---|---|---|")
    for passages in sizes:
        for governed in (True, False):
            name = f"{passages} passages, {'grammar' if governed else 'none'}"
            written = generate(server, tokenizer, passages, count, governed=governed)
            print(_row(name, written, passages), flush=True)
    for repeat in range(3):
        for passages in (0, *sizes):
            size = passages or sizes[0]
            written = generate(server, tokenizer, size, 256, governed=passages > 0, biased=False, ends=False)
            name = f"unbiased, {f'{size} passages' if passages else 'no grammar'}, run {repeat + 1}"
            print(_row(name, written, size), flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=1000, help="answers a row")
    parser.add_argument("--sizes", type=int, nargs="+", default=[3, 40, 120], help="passages in a prompt")
    options = parser.parse_args(arguments)
    source = Path(os.environ.get("RAG_SHARED", "../shared")) / "models" / "A.X-4.0-Light"
    with tempfile.TemporaryDirectory() as folder:
        model = write_tiny_model(source, Path(folder) / "model")
        served = ("--model", str(model.weights), "--tokenizer", str(model.tokenizer))
        with running_server(served, Path(folder)) as server:
            table(server, ModelTokenizer(str(model.tokenizer)), options.count, options.sizes)


if __name__ == "__main__":
    sys.exit(main())
