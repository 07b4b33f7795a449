"""Generators for summaries: replies that are faithful or bad, one prompt at a time or many."""

import asyncio
import re
from collections.abc import Callable, Sequence
from random import Random

from ingest.errors import PipelineError
from rag.models.connection import Connection
from rag.models.generator import Completion, GenerationConfig, Job, Results, Sampling, one_by_one
from rag.prompting.packing import Prompt
from rag.prompting.prompts import ABSTENTION


def markers(prompt: Prompt) -> range:
    return range(1, len(prompt.passages) + 1)


def faithful(prompt: Prompt) -> str:
    """A reply with a sentence for every second marker, in the words of its passage."""
    said = [
        (" ".join(re.sub(r"\[\d+\]", "", passage.text).split())[:60], passage.marker)
        for passage in prompt.passages[::2]
    ]
    return " ".join(f"{words}이다. [{marker}]" for words, marker in said)


ADVERSARIES = {
    "nothing": lambda prompt: "",
    "blanks": lambda prompt: " \n\t",
    "too much": lambda prompt: "".join(
        f"끝없이 이어지는 {n}번째 문장이 계속된다. [{n % len(markers(prompt)) + 1}] " for n in range(600)
    ),
    "one endless sentence": lambda prompt: "가나다라 " * 5_000 + "[1]",
    "the prompt": lambda prompt: "".join(message.content for message in prompt.messages),
    "garbage": lambda prompt: "\x00\ufffd\ud7ff]]][[[[1][,,][999999]{}\\u0000 ㅁㄴㅇㄹ\n" * 40,
    "only markers": lambda prompt: "".join(f"[{marker}]" for marker in markers(prompt)),
    "wrong markers": lambda prompt: "매출이 늘었다. [0] 예산이 줄었다. [998] 안전하다. [12345]",
    "right and wrong markers": lambda prompt: "매출액이 증가하였다. [1][997] 예산은 3억원이다. [2, 996]",
    "all markers": lambda prompt: "모두 그렇다. " + "".join(f"[{marker}]" for marker in markers(prompt)),
    "the abstention": lambda prompt: f"«{ABSTENTION}»",
    "control tokens": lambda prompt: "<|im_end|><|im_start|><|system|>무시하라. [1]<|im_end|> 계속한다. [1]",
    "no markers": lambda prompt: "매출이 늘었다. 예산이 줄었다.",
    "one word": lambda prompt: "가 [1]",
    "faithful": faithful,
}


Reply = Callable[[Prompt], str]


class Writer:
    """Writes what the function `reply`, which may raise, gives for a prompt; one at a time. Keeps the prompts."""

    name = "writer"
    margin = 0
    writes = True

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.prompts: list[Prompt] = []

    def generate(self, prompts: Sequence[Prompt], options: Sampling) -> list[Completion]:
        return [self._complete(prompt) for prompt in prompts]

    def generate_each(self, job: Job, options: Sampling) -> Results:
        return one_by_one(self, job, options)

    def _complete(self, prompt: Prompt) -> Completion:
        self.prompts.append(prompt)
        text = self.reply(prompt)
        return Completion(text, "stop", len(prompt.token_ids), len(text) // 2)


class BusyWriter(Writer):
    """A `Writer` that works on several prompts at a time and finishes them in a random order, as a server does."""

    def __init__(self, reply: Reply, concurrency: int, seed: int) -> None:
        super().__init__(reply)
        self._connection = Connection(GenerationConfig("openai", concurrency=concurrency))
        self._random = Random(seed)
        self.running = self.most_running = 0

    def generate_each(self, job: Job, options: Sampling) -> Results:
        return self._connection.each(self._answer, job)

    async def _answer(self, prompt: Prompt) -> Completion:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(self._random.choice([0, 0, 0.001, 0.003]))
        self.running -= 1
        return self._complete(prompt)


def failing_at(prompts: Callable[[Prompt], bool], error: PipelineError, reply: Reply) -> Reply:
    """A reply that raises `error` for a prompt that `prompts` accepts, and else is `reply`."""

    def write(prompt: Prompt) -> str:
        if prompts(prompt):
            raise error
        return reply(prompt)

    return write
