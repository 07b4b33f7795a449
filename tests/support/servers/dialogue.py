"""A model server whose model says its lines one after the other; with tools it passes on calls as vLLM does."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rag.prompting.tokens import Call, Message, ModelTokenizer
from tests.support.servers.scripted import MODEL, Reply, Script, scripted_server

# The pattern of vLLM's parser of this name.
HERMES = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Said:
    """What the model writes. `cut`: the output limit ended it. `calls`: the tool calls in it."""

    text: str
    cut: bool = False
    calls: tuple[dict[str, Any], ...] | None = None


# What the model writes, or a function that makes it from the prompt as the model sees it.
Line = str | Said | Callable[[str], str]


@dataclass
class Dialogue(Script):
    """The lines of the model, the last of which is repeated for ever; and the prompts, as the model saw them."""

    lines: list[Line] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.choose = self._reply

    def _reply(self, body: dict[str, Any]) -> Reply:
        chat = "messages" in body
        if chat:  # the server tokenises itself and takes control tokens wherever they stand
            prompt = self.tokenizer.render_text(messages_of(body["messages"]), body.get("tools", ()))
        else:
            prompt = self.tokenizer.decode(body["prompt"], skip_special=False)
        self.prompts.append(prompt)
        line = self.lines.pop(0) if len(self.lines) > 1 else self.lines[0]
        line = line(prompt) if callable(line) else line
        said = Said(line) if isinstance(line, str) else line
        choice = chat_choice(said, bool(body.get("tools"))) if chat else text_choice(said)
        length, written = self.tokenizer.count(prompt), self.tokenizer.count(said.text)
        usage = {"prompt_tokens": length, "completion_tokens": written, "total_tokens": length + written}
        answer = {"id": "1", "created": 1, "model": MODEL, "choices": [choice], "usage": usage}
        kind = "chat.completion" if chat else "text_completion"
        return lambda handler: handler.send({"object": kind, **answer})


def text_choice(said: Said) -> dict[str, Any]:
    return {
        "index": 0,
        "text": said.text,
        "finish_reason": "length" if said.cut else "stop",
        "logprobs": None,
    }


def chat_choice(said: Said, tools: bool) -> dict[str, Any]:
    calls = read_as_vllm_does(said.text) if said.calls is None and tools else said.calls or ()
    text = said.text.partition("<tool_call>")[0] if calls else said.text
    reason = "length" if said.cut else "tool_calls" if calls else "stop"
    message = {"role": "assistant", "content": text or None, "tool_calls": list(calls)}
    return {"index": 0, "message": message, "finish_reason": reason}


def read_as_vllm_does(text: str) -> tuple[dict[str, Any], ...]:
    """The tool calls in `text`; none if one of them cannot be parsed, for then vLLM passes on the text."""
    try:
        bodies = [json.loads(body) for body in HERMES.findall(text)]
        return tuple(
            function_call(str(number), body["name"], json.dumps(body["arguments"], ensure_ascii=False))
            for number, body in enumerate(bodies)
        )
    except (ValueError, KeyError, TypeError):
        return ()


def function_call(identity: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def messages_of(shapes: Sequence[dict[str, Any]]) -> list[Message]:
    """OpenAI's messages as `Message`s."""
    return [
        Message(
            shape["role"],
            (("text", shape["content"] or ""),),
            tuple(Call(call["id"], **call["function"]) for call in shape.get("tool_calls", ())),
            shape.get("tool_call_id", ""),
        )
        for shape in shapes
    ]


@contextmanager
def dialogue_server(tokenizer: ModelTokenizer, *lines: Line) -> Iterator[tuple[str, Dialogue]]:
    """The base URL of a server whose model says `lines`, and the `Dialogue` that records what it is asked."""
    dialogue = Dialogue(tokenizer, lines=list(lines))
    with scripted_server(dialogue) as base_url:
        yield base_url, dialogue
