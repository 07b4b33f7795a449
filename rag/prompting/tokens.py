"""Messages → token ids, exactly as the model's own tokenizer and chat template make them.

The tokenizer is read from tokenizer.json, or through the class that its own files name; never
through AutoTokenizer, which builds another class from the model type in config.json and splits
every digit of the numbers (44 ids instead of 32 on one line of a balance sheet).

Only the template may write control tokens. Text of documents and questions is encoded with a copy
of the tokenizer that has none, so «<|im_end|>» in a PDF stays ten harmless characters.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ingest.errors import first_line
from rag.errors import TokenizerUnavailable

EMBEDDED = "embedded"
EMBEDDED_FOLDER = Path(__file__).parent / "embedded"
FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
)

SURROGATE = re.compile("[\ud800-\udfff]")

# One part of a message: its name in the ledger, and its text.
Part = tuple[str, str]
# A function that the model may call, as OpenAI's API describes one.
ToolSpec = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool by the assistant; `arguments` is a JSON object, as text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn, in parts that the ledger counts apart.

    `calls`: in a message of the assistant, the tool calls after its text; the ledger counts them as history.
    `call_id`: in a message of a tool, the id of the call that it answers.
    """

    role: str
    parts: tuple[Part, ...]
    calls: tuple[Call, ...] = ()
    call_id: str = ""

    @property
    def content(self) -> str:
        return "".join(text for _, text in self.parts)


class _Json(str):
    """Text that is JSON already, so that the template's `tojson` leaves it as it is."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt as token ids, and the number of ids of each part; the counts sum to `len(token_ids)`."""

    token_ids: list[int]
    counts: dict[str, int]


class ModelTokenizer:
    """The tokenizer and chat template of one model."""

    def __init__(self, name: str, folder: Path | None = None) -> None:
        """Load "embedded", a local folder, or a hub name.

        Args:
            folder: the folder of `name`, where it was looked up already: a hub name is looked up over the network.

        Raises:
            TokenizerUnavailable: no such files, or they cannot be read.
        """
        self.name = name
        folder = folder or _folder(name)
        self.folder = folder  # which holds its files
        config = _read_json(name, folder / "tokenizer_config.json")
        self._full = _load_tokenizer(name, folder, config)
        state = json.loads(self._full.to_str())
        self._controls = {
            token["content"]: token["id"] for token in state["added_tokens"] if token["content"]
        }
        self.plain_json = _without_controls(state)
        self._plain = type(self._full).from_str(self.plain_json)
        self.fingerprint = hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:16]
        self._template = _compile_template(_template_text(name, folder, config))
        self._special_strings = {
            key: _token_text(value)
            for key, value in config.items()
            if key.endswith("_token") and value is not None
        }
        self.stop_ids = _stop_ids(folder, config, self._controls)

    @property
    def is_embedded(self) -> bool:
        """Whether this is the small tokenizer of the package, which belongs to no model."""
        return self.name == EMBEDDED

    @property
    def vocabulary(self) -> int:
        """The number of ids, added tokens included."""
        return self._full.get_vocab_size(with_added_tokens=True)

    def to_json(self) -> str:
        """The whole tokenizer, in the form of a tokenizer.json."""
        return self._full.to_str()

    def count(self, text: str) -> int:
        """The number of tokens of plain `text`; control tokens in it are text."""
        return len(self.encode(text))

    def encode(self, text: str) -> list[int]:
        """The ids of plain `text`; control tokens in it are text."""
        return self._encode(text).ids

    def _encode(self, text: str):
        try:
            return self._plain.encode(text, add_special_tokens=False)
        except TypeError:  # a lone surrogate, such as a byte of the command line that is not UTF-8
            return self._plain.encode(SURROGATE.sub("\ufffd", text), add_special_tokens=False)

    def decode(self, ids: Sequence[int], *, skip_special: bool = True) -> str:
        """The text of `ids`."""
        return self._full.decode(list(ids), skip_special_tokens=skip_special)

    def render_text(self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()) -> str:
        """The prompt as one string, as the template writes it, ready for the assistant's turn."""
        return self._render(messages, tools)

    def render(self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()) -> Rendered:
        """The prompt as token ids, with the tokens of each part.

        What the template itself writes, the tools included, counts as the part "template". A token that
        spans two parts counts for the later one.

        Args:
            tools: what the assistant may call; written by the product, never by a document.
        """
        pieces = self._pieces(messages, tools)
        ids: list[int] = []
        counts: dict[str, int] = {}
        run: list[Part] = []
        for part, text in pieces:
            if part is None:  # a control token of the template
                self._encode_run(run, ids, counts)
                ids.append(self._controls[text])
                counts["template"] = counts.get("template", 0) + 1
                run = []
            else:
                run.append((part, text))
        self._encode_run(run, ids, counts)
        return Rendered(ids, counts)

    def _encode_run(self, run: Sequence[Part], ids: list[int], counts: dict[str, int]) -> None:
        """Encode `run`, the text between two control tokens, in one piece, and count its tokens by part."""
        text = "".join(text for _, text in run)
        if not text:
            return
        encoding = self._encode(text)
        ids += encoding.ids
        position = before = 0
        for part, own in run:
            position += len(own)
            after = _token_at(encoding, position, len(text))
            counts[part] = counts.get(part, 0) + after - before
            before = after

    def _pieces(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> list[tuple[str | None, str]]:
        """The rendered prompt in order: (part, text), or (None, control token)."""
        # The template is given a mark in place of each text, so that its own text can be told from ours.
        marked: list[tuple[str, str, Sequence[Part]]] = []

        def mark(role: str, parts: Sequence[Part]) -> str:
            if not any(text for _, text in parts):
                return ""  # templates test whether a text is empty
            marked.append((f"\ue000{len(marked)}\ue001", role, parts))
            return marked[-1][0]

        shown = []
        for message in messages:
            content = ("", mark(message.role, message.parts))
            calls = tuple(
                Call(
                    call.id,
                    mark(message.role, [("history", call.name)]),
                    mark(message.role, [("history", call.arguments)]),
                )
                for call in message.calls
            )
            shown.append(replace(message, parts=(content,), calls=calls))
        rendered = self._render(shown, tools)
        pieces: list[tuple[str | None, str]] = []
        for text, role, parts in marked:
            before, found, rendered = rendered.partition(text)
            if not found:
                raise TokenizerUnavailable(
                    name=self.name, detail=f"its chat template leaves out the {role} message"
                )
            pieces += self._template_pieces(before)
            pieces += parts
        return pieces + self._template_pieces(rendered)

    def _template_pieces(self, text: str) -> list[tuple[str | None, str]]:
        pieces: list[tuple[str | None, str]] = []
        position = 0
        for start, end, token in self._find_controls(text):
            if start > position:
                pieces.append(("template", text[position:start]))
            pieces.append((None, token))
            position = end
        if position < len(text):
            pieces.append(("template", text[position:]))
        return pieces

    def _find_controls(self, text: str) -> list[tuple[int, int, str]]:
        found, position = [], 0
        while position < len(text):
            hits = [
                (start, -len(token), token)
                for token in self._controls
                if (start := text.find(token, position)) >= 0
            ]
            if not hits:
                break
            start, _, token = min(hits)  # the first, and of those the longest
            position = start + len(token)
            found.append((start, position, token))
        return found

    def _render(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> str:
        return self._template.render(
            messages=[_shape(message) for message in messages],
            add_generation_prompt=True,
            tools=list(tools) or None,
            **self._special_strings,
        )


def _token_at(encoding: Any, position: int, end: int) -> int:
    """The index of the token that holds the character at `position`, or else the next character that has one."""
    for character in range(position, end):
        token = encoding.char_to_token(character)
        if token is not None:  # some tokenizers drop characters
            return token
    return len(encoding)


def _shape(message: Message) -> dict[str, Any]:
    """`message` as chat templates take it."""
    shape: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.calls:
        shape["tool_calls"] = [
            {"type": "function", "function": {"name": call.name, "arguments": _Json(call.arguments)}}
            for call in message.calls
        ]
    return shape


def open_tokenizer(name: str) -> ModelTokenizer:
    """The tokenizer called `name`, loaded once in a process, and again where its files have changed.

    Args and errors: see `ModelTokenizer`. It takes 0.2 to 1.3 s to load, and several threads may use it.
    """
    folder = _folder(name)
    files = (folder / file for file in FILES)
    states = (path.stat() for path in files if path.is_file())
    return _loaded(name, folder, tuple((state.st_ino, state.st_size, state.st_mtime_ns) for state in states))


@lru_cache(maxsize=2)
def _loaded(name: str, folder: Path, states: tuple[tuple[int, ...], ...]) -> ModelTokenizer:
    return ModelTokenizer(name, folder)


def _folder(name: str) -> Path:
    if name == EMBEDDED:
        return EMBEDDED_FOLDER
    if Path(name).is_dir():
        return Path(name)
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(name, allow_patterns=list(FILES)))
    except Exception as exc:
        raise TokenizerUnavailable(name=name, detail=first_line(exc)) from exc


def _read_json(name: str, path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as exc:
        raise TokenizerUnavailable(name=name, detail=f"{path.name}: {exc}") from exc


def _load_tokenizer(name: str, folder: Path, config: Mapping[str, Any]):
    from tokenizers import Tokenizer

    try:
        if (folder / "tokenizer.json").is_file():
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        else:
            tokenizer = _convert_slow(folder, config)
    except Exception as exc:
        raise TokenizerUnavailable(name=name, detail=str(exc)) from exc
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _convert_slow(folder: Path, config: Mapping[str, Any]):
    """From vocab.json and merges.txt, by the class that tokenizer_config.json names."""
    import transformers

    return getattr(transformers, config["tokenizer_class"]).from_pretrained(folder)._tokenizer


def _without_controls(state: dict[str, Any]) -> str:
    """The tokenizer without added tokens: it reads every string as plain text."""
    return json.dumps(state | {"added_tokens": [], "post_processor": None}, ensure_ascii=False)


def _template_text(name: str, folder: Path, config: Mapping[str, Any]) -> str:
    path = folder / "chat_template.jinja"
    template = path.read_text("utf-8") if path.is_file() else config.get("chat_template")
    if isinstance(template, list):  # several named templates
        template = {entry["name"]: entry["template"] for entry in template}.get("default")
    if not template:
        raise TokenizerUnavailable(name=name, detail="it has no chat template")
    return template


def _compile_template(text: str):
    """The template in the environment that transformers gives it: sandboxed, blocks trimmed."""
    from jinja2.exceptions import TemplateError
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def tojson(value: Any, indent: int | None = None, **_: Any) -> str:
        if isinstance(value, _Json):
            return str(value)
        return json.dumps(value, ensure_ascii=False, indent=indent)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    return environment.from_string(text)


def _stop_ids(folder: Path, config: Mapping[str, Any], controls: Mapping[str, int]) -> list[int]:
    """The ids that end generation, from generation_config.json; the config.json of A.X has wrong ones."""
    path = folder / "generation_config.json"
    if path.is_file():
        stops = json.loads(path.read_text("utf-8")).get("eos_token_id")
        if stops is not None:
            return [stops] if isinstance(stops, int) else list(stops)
    end = _token_text(config.get("eos_token"))
    return [controls[end]] if end in controls else []


def _token_text(value: Any) -> str:
    return value["content"] if isinstance(value, dict) else str(value)
