"""Prompt → completion, by a model server: vLLM, which gets token ids, or any chat server."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rag.errors import BrokenAnswer, GeneratorMismatch, GeneratorUnavailable
from rag.models.clock import REAL, Clock
from rag.models.connection import Connection, server_root
from rag.models.control_words import without_control_words
from rag.models.generator import (
    Completion,
    FinishReason,
    GenerationConfig,
    Job,
    Pieces,
    Results,
    Sampling,
    check_window,
    in_order,
    several,
)
from rag.prompting.calls import calls_or_text, only_calls, write_call
from rag.prompting.markers import marker_grammar
from rag.prompting.packing import Prompt
from rag.prompting.tokens import Message, ModelTokenizer, ToolSpec

if TYPE_CHECKING:
    from openai import AsyncOpenAI

# Servers that tokenise themselves may count more tokens than we do: a sixteenth of the window is kept free.
OPENAI_MARGIN = 16
# Sent with each request: a server that `rag serve-model` did not start may have defaults of the model's makers.
NEUTRAL = {"repetition_penalty": 1.0, "top_k": 0, "min_p": 0.0}
# Lines on which the server's tokenisation is compared with ours: wrong tokenizers split digits and amounts.
PROBES = (
    "제12345조 2026년 11월 23일 매출액 1,234,567백만원 (전년대비 12.5% 증가)",
    "① 사용자는 근로자에게 「근로기준법」 제60조제1항에 따라 15일의 유급휴가를 주어야 한다.\n  가. ㎡ … R&D 투자",
)


class _ServerGenerator:
    """What both kinds of server have in common: requests over one connection, many at a time."""

    writes = True

    def __init__(self, config: GenerationConfig, clock: Clock = REAL) -> None:
        self._config = config
        self._connection = Connection(config, clock)

    def generate(self, prompts: Sequence[Prompt], options: Sampling) -> list[Completion]:
        return in_order(self.generate_each(prompts, options), len(prompts))

    def generate_each(self, job: Job, options: Sampling) -> Results:
        return self._connection.each(lambda prompt: self._complete(prompt, options), job)

    def stream(self, prompt: Prompt, options: Sampling) -> Pieces:
        return self._connection.stream(lambda put: self._write(prompt, options, put))

    async def _complete(self, prompt: Prompt, options: Sampling) -> Completion:
        request = self.request(prompt, options)

        async def attempt(client: "AsyncOpenAI") -> Completion:
            return _completion(self._connection, await self._send(client, request), self._said)

        return await self._connection.call(attempt)

    async def _write(self, prompt: Prompt, options: Sampling, put: Callable[[str], None]) -> FinishReason:
        request = self.request(prompt, options) | {"stream": True}
        pieces = await self._connection.call(lambda client: self._send(client, request))
        return await _read(self._connection, pieces, self._added, put)


class VllmGenerator(_ServerGenerator):
    """A vLLM server: token ids go to `/v1/completions`, so that it tokenises nothing itself.

    Before the first prompt the server is asked which model it serves, how long its window is, and
    how it tokenises: ids of one tokenizer are never sent to a model of another.
    """

    margin = 0

    def __init__(self, config: GenerationConfig, tokenizer: ModelTokenizer, clock: Clock = REAL) -> None:
        super().__init__(config, clock)
        self._tokenizer = tokenizer
        self._checked: int | None = None  # the era in which the server was checked
        self._checking = asyncio.Lock()
        self.name = f"vllm:{config.model}"

    async def _send(self, client: "AsyncOpenAI", request: dict[str, Any]) -> Any:
        """The server's completion, or its stream.

        Sent with `post`, because `completions.create` of openai 3.54 looks at every token id: 145 ms of
        processor time for 15,000 ids, against 5 ms.
        """
        from openai import AsyncStream
        from openai.types import Completion as Reply

        await self._ensure_checked(client)
        stream = request.get("stream", False)
        return await client.post(
            "/completions", cast_to=Reply, body=request, stream=stream, stream_cls=AsyncStream[Reply]
        )

    def _said(self, choice: Any) -> str:
        return choice.text

    _added = _said

    def check(self) -> None:
        """Check that the server is the one that the configuration means.

        Raises:
            GeneratorUnavailable: it does not answer.
            GeneratorMismatch: it serves another model, a shorter window or another tokenisation.
        """
        self._connection.run(self._connection.call(self._ensure_checked))

    async def _ensure_checked(self, client: "AsyncOpenAI") -> None:
        """Check the server if it was not checked yet, or if another may have replaced it since."""
        async with self._checking:
            era = self._connection.era()
            if self._checked != era:
                await self._check_model(client)
                await self._check_tokenizer(client)
                self._checked = era

    async def _check_model(self, client: "AsyncOpenAI") -> None:
        config = self._config
        served = {model.id: model for model in (await client.models.list()).data}
        if config.model not in served:
            names = ", ".join(served) or "–"
            raise GeneratorMismatch(
                url=config.base_url,
                what=f"serves {names}, not {config.model}",
                fix="set generator.model, or start it with --served-model-name",
                what_ko=f"{config.model}이(가) 아니라 {names}을(를) 서비스합니다",
                fix_ko="generator.model 을 고치거나 --served-model-name 으로 다시 켜세요",
            )
        window = getattr(served[config.model], "max_model_len", None)
        if window is not None and window < config.window:
            raise GeneratorMismatch(
                url=config.base_url,
                what=f"has a window of {window:,} tokens, generator.window says {config.window:,}",
                fix=f"set generator.window = {window}, or raise --max-model-len",
                what_ko=f"창이 {window:,}토큰인데 generator.window 는 {config.window:,}입니다",
                fix_ko=f"generator.window = {window} 로 하거나 --max-model-len 을 늘리세요",
            )

    async def _check_tokenizer(self, client: "AsyncOpenAI") -> None:
        for probe in PROBES:
            messages = [
                Message("system", (("system", probe),)),
                Message("user", (("question", probe),)),
            ]
            ours = self._tokenizer.render(messages).token_ids
            theirs = await self._served_tokens(client, messages)
            if ours != theirs:
                raise GeneratorMismatch(
                    url=self._config.base_url,
                    what=f"tokenises differently from {self._tokenizer.name}"
                    f" ({len(theirs)} tokens for a line of ours with {len(ours)})",
                    fix="start it with --tokenizer FOLDER, where FOLDER holds tokenizer.json and"
                    " tokenizer_config.json but no config.json",
                    what_ko=f"토큰화가 {self._tokenizer.name}과(와) 다릅니다"
                    f"(같은 문장이 {len(theirs)}토큰, 우리는 {len(ours)}토큰)",
                    fix_ko="tokenizer.json 과 tokenizer_config.json 만 있고 config.json 은 없는 폴더를"
                    " --tokenizer 로 주어 서버를 다시 켜세요",
                )

    async def _served_tokens(self, client: "AsyncOpenAI", messages: Sequence[Message]) -> list[int]:
        import openai

        try:
            return await self._tokenize(client, messages)
        except openai.NotFoundError as exc:
            raise GeneratorMismatch(
                url=self._config.base_url,
                what="has no /tokenize: it is no vLLM server",
                fix='set generator.backend = "openai" for other servers',
                what_ko="/tokenize 가 없습니다. vLLM 서버가 아닙니다",
                fix_ko='다른 서버라면 generator.backend = "openai" 로 쓰세요',
            ) from exc

    def tokenize(self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()) -> list[int]:
        """The token ids that the server itself makes of `messages`, ready for the assistant's turn."""
        return self._connection.run(
            self._connection.call(lambda client: self._tokenize(client, messages, tools))
        )

    async def _tokenize(
        self, client: "AsyncOpenAI", messages: Sequence[Message], tools: Sequence[ToolSpec] = ()
    ) -> list[int]:
        body: dict[str, Any] = {
            "model": self._config.model,
            "messages": [_openai_message(message) for message in messages],
            "add_generation_prompt": True,
        }
        if tools:
            body["tools"] = list(tools)
        url = server_root(self._config.base_url) + "/tokenize"
        return (await client.post(url, cast_to=object, body=body))["tokens"]

    def request(self, prompt: Prompt, options: Sampling) -> dict[str, Any]:
        """The body that is sent to `/v1/completions` for `prompt`."""
        check_window(prompt, options, self._config.window)
        # vLLM 0.32 stops at stop_token_ids even with ignore_eos.
        stops = [] if options.ignore_eos else self._tokenizer.stop_ids
        form = _form(prompt, options)
        return {
            "model": self._config.model,
            "prompt": prompt.token_ids,
            "max_tokens": options.max_tokens,
            "temperature": options.temperature,
            "top_p": 1.0,
            "n": options.n,
            "stop_token_ids": stops,
            "ignore_eos": options.ignore_eos,
            **NEUTRAL,
            **({"structured_outputs": form} if form else {}),
        }


def _form(prompt: Prompt, options: Sampling) -> dict[str, str]:
    """The form that the completion must have, as vLLM's structured_outputs; empty where it is free."""
    if prompt.tools and options.must_call:
        tag = only_calls(prompt.tools)
    elif not options.only_shown_markers:
        return {}
    else:
        grammar = marker_grammar((passage.marker for passage in prompt.passages), options.columns)
        if not prompt.tools:
            return {"regex": grammar}
        tag = calls_or_text(prompt.tools, grammar)
    return {"structural_tag": json.dumps({"type": "structural_tag", "format": tag}, ensure_ascii=False)}


class OpenAIGenerator(_ServerGenerator):
    """Any OpenAI-compatible chat server. It tokenises itself, so a margin of the window is kept."""

    def __init__(self, config: GenerationConfig, clock: Clock = REAL) -> None:
        super().__init__(config, clock)
        self.name = f"openai:{config.model}"
        self.margin = config.window // OPENAI_MARGIN

    async def _send(self, client: "AsyncOpenAI", request: dict[str, Any]) -> Any:
        return await client.chat.completions.create(**request)

    def _said(self, choice: Any) -> str:
        # The server cuts calls out of the text; they are written back into it, because we read them there.
        made = (call.function for call in choice.message.tool_calls or () if call.type == "function")
        calls = (write_call(function.name, function.arguments or "{}") for function in made)
        return (choice.message.content or "") + "".join(calls)

    def _added(self, choice: Any) -> str:
        return choice.delta.content or ""

    def request(self, prompt: Prompt, options: Sampling) -> dict[str, Any]:
        """The body that is sent to `/v1/chat/completions` for `prompt`."""
        request = {
            "model": self._config.model,
            "messages": [_openai_message(message, without_control_words) for message in prompt.messages],
            "max_tokens": options.max_tokens,
            "temperature": options.temperature,
            "n": options.n,
        }
        if prompt.tools:
            request["tools"] = list(prompt.tools)
            request["tool_choice"] = "required" if options.must_call else "auto"
        return request


def _openai_message(message: Message, plain: Callable[[str], str] = str) -> dict[str, Any]:
    """`message` in the form of OpenAI's API; its texts go through `plain`."""
    shape: dict[str, Any] = {"role": message.role, "content": plain(message.content)}
    if message.calls:
        shape["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": plain(call.arguments)},
            }
            for call in message.calls
        ]
    if message.call_id:
        shape["tool_call_id"] = message.call_id
    return shape


def _completion(connection: Connection, result: Any, text: Callable[[Any], str]) -> Completion:
    """The choices of `result` as one completion, in their order.

    Raises:
        BrokenAnswer: there are none, or the server gave one up.
    """
    choices = getattr(result, "choices", None)
    if not choices:
        raise BrokenAnswer(url=connection.url, detail="no completion in it")
    completions = (
        Completion(text(choice), connection.whole(choice.finish_reason))
        for choice in sorted(choices, key=lambda choice: choice.index)
    )
    counted = (result.usage.prompt_tokens, result.usage.completion_tokens) if result.usage else (0, 0)
    return several(completions, *counted)


async def _read(
    connection: Connection, pieces: Any, text: Callable[[Any], str], put: Callable[[str], None]
) -> FinishReason:
    """Hand the text of a stream's pieces to `put`; returns why the stream ended.

    Raises:
        BrokenAnswer: it ended before the text was finished.
    """
    reason = None
    try:
        async with connection.limits(), pieces:  # leaving closes the connection, and vLLM drops the request
            async for piece in pieces:
                for choice in piece.choices:
                    reason = choice.finish_reason or reason
                    if added := text(choice):
                        put(added)
            return connection.whole(reason)
    except GeneratorUnavailable as exc:
        raise BrokenAnswer(url=connection.url, detail=exc.fields["detail"]) from exc
