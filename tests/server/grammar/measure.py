"""Generations under a bias towards brackets and digits, held to the grammar of markers or not.

A random model writes few markers by itself, so a grammar that did nothing would pass most tests. The
bias makes every answer try; without the grammar it writes markers of passages that were never shown.

    python -m tests.server.grammar.measure --count 1000

prints how many, and what the grammar costs.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rag.answer import PackedPassage
from rag.models.generator import GenerationConfig, Sampling
from rag.models.servers import VllmGenerator
from rag.prompting.packing import Prompt
from rag.prompting.prompts import answer_messages
from rag.prompting.tokens import ModelTokenizer
from tests.support.files.shared import tokenizer_folder
from tests.support.servers.tiny_model import WINDOW, write_tiny_model
from tests.support.servers.vllm import MODEL, Server, running_server

CONCURRENCY = 32
TOKENS = 48
# Beside the logits of all other tokens together, about 12: every few tokens a bracket or
# a digit, and an end now and then.
BRACKET_BIAS, DIGIT_BIAS, END_BIAS = 10.0, 8.0, 7.0
NEVER = -100.0
BRACKET = re.compile(r"[\[［][^\[\]［］]*[\]］]?")


@dataclass(frozen=True, slots=True)
class Generations:
    """What a server wrote: the texts, why each ended, the number of tokens and the seconds taken."""

    texts: tuple[str, ...]
    reasons: tuple[str, ...]
    tokens: int
    seconds: float


def brackets(generations: Generations, known: Collection[int]) -> Counter[str]:
    """The number of brackets by kind: markers of `known` passages, of unknown ones, others, cut at the limit."""
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
    bias: Mapping[str, float],
    tokens: int = TOKENS,
    columns: int = 0,
) -> Generations:
    """`count` answers of at most `tokens` tokens to questions about `passages` passages, at temperature 1.

    Args:
        governed: held to the grammar, just as the product asks for it.
        bias: by token id, as `towards_brackets` or `without_end` make it.
        columns: the number of columns, if rows are asked for; 0 if not.
    """
    generator = VllmGenerator(GenerationConfig("vllm", MODEL, server.base_url, window=WINDOW), tokenizer)
    options = Sampling(tokens, temperature=1.0, only_shown_markers=governed, columns=columns)
    bodies = [
        generator.request(prompt, options) | {"logit_bias": bias}
        for prompt in make_prompts(tokenizer, passages, count)
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


def towards_brackets(tokenizer: ModelTokenizer) -> dict[str, float]:
    """A bias with which brackets and digits are tried every few tokens, and the end now and then.

    Control tokens are never tried: a grammar takes `<|system|>` for its letters, two «|» among them, and the
    server leaves it out of the text.
    """
    wanted = dict.fromkeys("[]［］|", BRACKET_BIAS) | dict.fromkeys("0123456789\n", DIGIT_BIAS)
    bias = {str(token): bias for text, bias in wanted.items() for token in tokenizer.encode(text)}
    added = [token["id"] for token in json.loads(tokenizer.to_json())["added_tokens"]]
    return (
        bias | dict.fromkeys(map(str, added), NEVER) | dict.fromkeys(map(str, tokenizer.stop_ids), END_BIAS)
    )


def without_end(tokenizer: ModelTokenizer) -> dict[str, float]:
    """A bias with which every answer has all its tokens; the grammar would be over at the end."""
    return {str(token): -100.0 for token in tokenizer.stop_ids}


def make_prompts(tokenizer: ModelTokenizer, passages: int, count: int) -> list[Prompt]:
    """`count` prompts over `passages` passages that differ only in their questions."""
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


def _row(name: str, generations: Generations, found: Mapping[str, int]) -> str:
    cells = (
        name,
        f"{len(generations.texts):,}",
        *(f"{found[kind]:,}" for kind in ("valid", "invalid", "other", "cut")),
        f"{generations.reasons.count('stop'):,}",
        f"{generations.tokens / generations.seconds:,.0f}",
    )
    return "| " + " | ".join(cells) + " |"


def biased_rows(server: Server, tokenizer: ModelTokenizer, count: int, passages: int) -> bool:
    """Whether the grammar held; prints what was written with it and without."""
    held = True
    for governed in (True, False):
        bias = towards_brackets(tokenizer)
        written = generate(server, tokenizer, passages, count, governed=governed, bias=bias)
        found = brackets(written, range(1, passages + 1))
        held = held and not (governed and found["invalid"] + found["other"])
        name = f"{passages} passages, {'grammar' if governed else 'none'}"
        print(_row(name, written, found), flush=True)
    return held


def cost_rows(server: Server, tokenizer: ModelTokenizer, sizes: Sequence[int]) -> None:
    """Print the speed of writing without a bias, with the grammar of each size and without a grammar."""
    for passages, governed in [(sizes[-1], False), *((size, True) for size in sizes)]:
        bias = without_end(tokenizer)
        written = generate(server, tokenizer, passages, 128, governed=governed, bias=bias, tokens=128)
        found = brackets(written, range(1, passages + 1))
        name = f"no bias, {passages} passages, {'grammar' if governed else 'none'}"
        print(_row(name, written, found), flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 1 if under the grammar a marker of an unknown passage was written."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=1000, help="answers a row")
    parser.add_argument("--sizes", type=int, nargs="+", default=[3, 40, 120], help="passages in a prompt")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        model = write_tiny_model(tokenizer_folder(), Path(folder) / "model")
        tokenizer = ModelTokenizer(str(model.tokenizer))
        served = ("--model", str(model.weights), "--tokenizer", str(model.tokenizer))
        with running_server(served, Path(folder)) as server:
            print("| | answers | valid | invalid | other brackets | cut | ended by themselves | tokens/s |")
            print("|---|---|---|---|---|---|---|---|")
            held = [biased_rows(server, tokenizer, options.count, size) for size in options.sizes]
            for _ in range(2):  # the second time all grammars are compiled
                cost_rows(server, tokenizer, options.sizes)
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
