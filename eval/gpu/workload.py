"""What the GPU bench gives the model to read: its options, shapes of random models, and prompts of one length."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EMBEDDED = ROOT / "rag" / "prompting" / "embedded"
SAMPLE_TEXTS = ROOT / "eval" / "sample_sources"
STATUTES = Path("data/text/statutes.jsonl.gz")
# A follow-up question: what is read anew after a prompt that is known.
QUESTION_TOKENS = 64
# Characters of text to cut prompts from: more than one prompt of 131,072 tokens needs.
ENOUGH_CHARACTERS = 400_000

COMMON_CONFIG = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "hidden_act": "silu",
    "max_position_embeddings": 16_384,
    "rms_norm_eps": 1e-05,
    "rope_theta": 1_000_000,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "vocab_size": 102_400,
    "bos_token_id": 0,
    "eos_token_id": 27,
}
SHAPES: dict[str, dict[str, Any]] = {
    "light": COMMON_CONFIG
    | {
        "num_hidden_layers": 28,
        "hidden_size": 3584,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "intermediate_size": 18_944,
    },
    "tiny": COMMON_CONFIG
    | {
        "num_hidden_layers": 2,
        "hidden_size": 64,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "intermediate_size": 128,
    },
}


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What is measured."""

    model: str = ""  # a folder, or the name that a running server serves; "": random weights
    shape: str = "light"
    tokenizer: str = ""
    device: str = "auto"
    users: tuple[int, ...] = (1, 8, 32, 128)
    prompt_tokens: int = 15_000
    output_tokens: int = 256
    repeats: int = 5
    base_url: str = ""
    python: str = ""
    server_options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.prompt_tokens <= QUESTION_TOKENS or self.output_tokens < 2 or self.repeats < 1:
            raise ValueError(
                f"prompts of more than {QUESTION_TOKENS} tokens, answers of 2, 1 repeat at least"
            )

    @property
    def has_weights(self) -> bool:
        return bool(self.model) and any(Path(self.model).glob("*.safetensors"))

    @property
    def config(self) -> dict[str, Any]:
        """The model's config.json: that of its folder, else of the shape."""
        path = Path(self.model, "config.json")
        return json.loads(path.read_text("utf-8")) if self.model and path.is_file() else SHAPES[self.shape]


@dataclass(slots=True)
class Prompts:
    """Prompts of one length, each with another beginning, so that no cache knows any part of it."""

    ids: Sequence[int]
    length: int
    taken: int = field(default=0)

    def take(self, count: int) -> list[list[int]]:
        """The next `count`."""
        prompts = [self._prompt(self.taken + number) for number in range(count)]
        self.taken += count
        return prompts

    def _prompt(self, number: int) -> list[int]:
        start = 101 * number % len(self.ids)
        text = [*self.ids[start:], *self.ids[:start]]
        while len(text) < self.length:
            text += text
        # Ten digits of base 10 in front: two prompts differ in their first ten tokens.
        return [*(self.ids[int(digit)] for digit in f"{number:010d}"), *text][: self.length]


def make_prompts(options: BenchOptions, shared: Path | None) -> Prompts:
    """Prompts from real statutes where the shared data are there, else from the sample documents."""
    from tokenizers import Tokenizer

    folder = next(
        folder
        for folder in (Path(options.tokenizer or EMBEDDED), Path(options.model or EMBEDDED), EMBEDDED)
        if (folder / "tokenizer.json").is_file()
    )
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    ids = tokenizer.encode(read_text(shared), add_special_tokens=False).ids
    known = options.config["vocab_size"]
    distinct = list(dict.fromkeys(token for token in ids if token < known))[:10]
    return Prompts([*distinct, *(token for token in ids if token < known)], options.prompt_tokens)


def read_text(shared: Path | None) -> str:
    """Korean text of at least `ENOUGH_CHARACTERS` characters, where the statutes are there."""
    path = shared / STATUTES if shared else None
    if path is None or not path.is_file():
        return "\n".join(path.read_text("utf-8") for path in sorted(SAMPLE_TEXTS.glob("*.md")))
    text = ""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        while len(text) < ENOUGH_CHARACTERS:
            text += json.loads(next(lines))["text"] + "\n"
    return text


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of `values` do not exceed: one of them, the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def reading_row(options: BenchOptions, seconds: Sequence[float]) -> dict[str, Any]:
    """The table row of one user whose prompt the server has not seen."""
    median = percentile(seconds, 0.5)
    return {
        "prompt_tokens": options.prompt_tokens,
        "seconds_p50": median,
        "seconds_p90": percentile(seconds, 0.9),
        "tokens_per_second": options.prompt_tokens / median,
    }
