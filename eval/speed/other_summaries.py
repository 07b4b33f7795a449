"""`python -m eval.speed.other_summaries`: text files → what LlamaIndex's tree summariser spends on them, as JSON.

The first line of standard input says how: {"url", "model", "window", "output", "mode"}; each line after it is
the path of a text. The summariser is what `get_response_synthesizer(response_mode="tree_summarize")` gives. It is
told the model's window and output limit, and that it is a chat model; all else is its default, its token
counting, too. "in-turn": call after call, text after text, as it does by default; "together": all texts, and all
calls of a level, at once. Runs in an environment of its own (eval/bench-requirements.txt); imports are not on the clock.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
from llama_index.core import get_response_synthesizer
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, LLMMetadata
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.llms import CustomLLM

QUERY = "이 문서를 의사결정자를 위해 10문장 이내로 요약하세요. 중요한 사실과 수치, 결정 사항, 기한을 씁니다."
# The server refuses a prompt that alone is over the window; or there is no room in the window.
FAILURES = (httpx.HTTPStatusError, ValueError)


class Served(CustomLLM):
    """A chat model on a server, and what each call to it took."""

    url: str
    model: str
    window: int
    output: int
    _asked: list[int] = PrivateAttr(default_factory=list)
    _read: int = PrivateAttr(default=0)
    _written: int = PrivateAttr(default=0)
    _limits: Any = PrivateAttr(default_factory=lambda: httpx.Limits(max_connections=None))

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(
            context_window=self.window, num_output=self.output, is_chat_model=True, model_name=self.model
        )

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        with httpx.Client(timeout=None, trust_env=False) as client:
            return self._taken(client.post(self._address, json=self._body(messages)))

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        async with httpx.AsyncClient(timeout=None, limits=self._limits, trust_env=False) as client:
            return self._taken(await client.post(self._address, json=self._body(messages)))

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        raise NotImplementedError("it is a chat model")

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        raise NotImplementedError("it is a chat model")

    def spent(self) -> dict[str, Any]:
        return {"asked": self._asked, "prompt_tokens": self._read, "generated_tokens": self._written}

    @property
    def _address(self) -> str:
        return f"{self.url}/chat/completions"

    def _body(self, messages: Sequence[ChatMessage]) -> dict[str, Any]:
        said = [{"role": message.role.value, "content": message.content} for message in messages]
        return {"model": self.model, "messages": said, "max_tokens": self.output, "temperature": 0.0}

    def _taken(self, response: httpx.Response) -> ChatResponse:
        response.raise_for_status()
        reply = response.json()
        self._asked.append(reply["usage"]["prompt_tokens"] + self.output)
        self._read += reply["usage"]["prompt_tokens"]
        self._written += reply["usage"]["completion_tokens"]
        text = reply["choices"][0]["message"]["content"] or ""
        return ChatResponse(message=ChatMessage(role="assistant", content=text))


def in_turn(llm: Served, texts: Sequence[str]) -> int:
    """Summarise the texts; how many failed."""
    summariser = get_response_synthesizer(llm=llm, response_mode="tree_summarize")
    failed = 0
    for text in texts:
        try:
            summariser.get_response(QUERY, [text])
        except FAILURES:
            failed += 1
    return failed


def together(llm: Served, texts: Sequence[str]) -> int:
    """The same with everything at once."""
    summariser = get_response_synthesizer(llm=llm, response_mode="tree_summarize", use_async=True)

    async def failed(text: str) -> bool:
        try:
            await summariser.aget_response(QUERY, [text])
        except FAILURES:
            return True
        return False

    async def all_failed() -> list[bool]:
        return await asyncio.gather(*map(failed, texts))

    return sum(asyncio.run(all_failed()))


def main() -> None:
    """Read from standard input; write one JSON object."""
    first, *paths = [line for line in sys.stdin.read().splitlines() if line]
    asks = json.loads(first)
    run = {"in-turn": in_turn, "together": together}[asks.pop("mode")]
    texts = [Path(path).read_text("utf-8") for path in paths]
    llm = Served(**asks)
    started, cpu = time.monotonic(), time.process_time()
    failed = run(llm, texts)
    row = {
        "seconds": time.monotonic() - started,
        "client_cpu_seconds": time.process_time() - cpu,
        "failed": failed,
        "versions": {"llama-index-core": version("llama-index-core")},
    }
    print(json.dumps(row | llm.spent()))


if __name__ == "__main__":
    main()
