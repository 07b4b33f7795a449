"""A folder of tokenizer files → a random Qwen2 of the same vocabulary, which any server can load.

It is a small copy of skt/A.X-4.0-Light: it has the same names of weights, the same window, bfloat16, and
the same traps. Its config.json gives the wrong end token (0; generation_config.json is right) and
switches the cache off, and tokenizer files beside that config.json are read as another tokenizer. It
writes noise with citation markers, and ends by itself after some hundred tokens.

    python tests/support/servers/tiny_model.py TOKENIZER_FOLDER OUT

The same input gives the same files.
"""

import argparse
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

HIDDEN = 64
LAYERS = 2
HEADS = 2
KV_HEADS = 1
HEAD_SIZE = 32
INTERMEDIATE = 128
WINDOW = 16_384
# With random rows in the output matrix, the end token and "[" would come once in as many tokens as the vocabulary
# has, so no test would see either. Their rows are longer, and so win more often.
END_LENGTH = 1.6
BRACKET_LENGTH = 2.4
# How strongly "[" is followed by a digit and a digit by "]", so that most brackets become markers.
MARKER_PULL = 12.0
# The larger this is, the more the last token decides the next one, and the less the rest of the prompt does.
EMBEDDING_SIZE = 2.0
NOT_TOKENIZER = ("config.json", "model.safetensors.index.json")


@dataclass(frozen=True, slots=True)
class TinyModel:
    """The three folders of a model: weights alone, tokenizer files alone, and both together."""

    weights: Path
    tokenizer: Path
    together: Path


def write_tiny_model(source: Path, target: Path, seed: int = 0) -> TinyModel:
    """The folders `weights`, `tokenizer` and `together`, written below `target`.

    A server needs `--model weights --tokenizer tokenizer`. From `together` it chooses the tokenizer by the
    model type in config.json, which is wrong.

    Args:
        source: a folder with tokenizer.json, tokenizer_config.json and generation_config.json.
    """
    model = TinyModel(*(target / name for name in ("weights", "tokenizer", "together")))
    for folder in (model.weights, model.tokenizer, model.together):
        folder.mkdir(parents=True)
    for path in sorted(source.iterdir()):
        if path.suffix in (".json", ".jinja", ".txt") and path.name not in NOT_TOKENIZER:
            shutil.copyfile(path, model.tokenizer / path.name)
    generation = json.loads((source / "generation_config.json").read_text("utf-8"))
    _write_json(model.weights / "generation_config.json", generation)
    tokenizer = _load_tokenizer(source)
    size = max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1
    _write_json(model.weights / "config.json", _config(size, generation["pad_token_id"]))
    weights = _random_weights(size, generation["eos_token_id"], *_marker_ids(tokenizer), seed)
    _save(model.weights / "model.safetensors", weights)
    for path in (*model.weights.iterdir(), *model.tokenizer.iterdir()):
        shutil.copyfile(path, model.together / path.name)
    return model


def _load_tokenizer(folder: Path) -> "Tokenizer":
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def _marker_ids(tokenizer: "Tokenizer") -> tuple[int, list[int], int]:
    """The ids of "[", of the digits and of "]"."""
    return (
        tokenizer.token_to_id("["),
        [tokenizer.token_to_id(str(digit)) for digit in range(10)],
        tokenizer.token_to_id("]"),
    )


def _config(vocabulary: int, pad: int) -> dict:
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": 0,
        "eos_token_id": 0,  # wrong, as in the published config.json
        "pad_token_id": pad,
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "initializer_range": 0.02,
        "intermediate_size": INTERMEDIATE,
        "max_position_embeddings": WINDOW,
        "max_window_layers": LAYERS,
        "model_type": "qwen2",
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "num_key_value_heads": KV_HEADS,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "rope_theta": 1_000_000,
        "sliding_window": None,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "use_cache": False,
        "use_sliding_window": False,
        "vocab_size": vocabulary,
    }


def _random_weights(
    vocabulary: int, end: int, opening: int, digits: list[int], closing: int, seed: int
) -> "dict[str, torch.Tensor]":
    import torch

    random = torch.Generator().manual_seed(seed)

    def normal(*shape: int, gain: float = 1.0) -> "torch.Tensor":
        """A random matrix whose rows keep the size of what they multiply, times `gain`."""
        return torch.randn(*shape, generator=random) * (gain / shape[-1] ** 0.5)

    weights = {"model.embed_tokens.weight": normal(vocabulary, HIDDEN, gain=EMBEDDING_SIZE * HIDDEN**0.5)}
    for layer in range(LAYERS):
        name = f"model.layers.{layer}."
        for projection, heads in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)):
            weight = normal(heads * HEAD_SIZE, HIDDEN, gain=2.0)
            weights[f"{name}self_attn.{projection}_proj.weight"] = weight
            weights[f"{name}self_attn.{projection}_proj.bias"] = torch.zeros(heads * HEAD_SIZE)
        weights[f"{name}self_attn.o_proj.weight"] = normal(HIDDEN, HEADS * HEAD_SIZE, gain=2.0)
        weights[f"{name}mlp.gate_proj.weight"] = normal(INTERMEDIATE, HIDDEN)
        weights[f"{name}mlp.up_proj.weight"] = normal(INTERMEDIATE, HIDDEN)
        weights[f"{name}mlp.down_proj.weight"] = normal(HIDDEN, INTERMEDIATE)
        weights[f"{name}input_layernorm.weight"] = torch.ones(HIDDEN)
        weights[f"{name}post_attention_layernorm.weight"] = torch.ones(HIDDEN)
    weights["model.norm.weight"] = torch.ones(HIDDEN)
    embedding = weights["model.embed_tokens.weight"]
    embedding[digits] += embedding[digits].mean(0) * len(digits) ** 0.5  # a common part, which "]" follows
    output = normal(vocabulary, HIDDEN)
    output[end] *= END_LENGTH
    output[opening] *= BRACKET_LENGTH
    for before, after in ((embedding[opening], digits), (embedding[digits].mean(0), [closing])):
        output[after] += before * (MARKER_PULL / before.norm() / HIDDEN**0.5)
    weights["lm_head.weight"] = output
    return weights


def _save(path: Path, weights: "dict[str, torch.Tensor]") -> None:
    import torch
    from safetensors.torch import save_file

    narrow = {name: weight.to(torch.bfloat16) for name, weight in weights.items()}
    save_file(narrow, path, metadata={"format": "pt"})


def _write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=Path, help="folder of tokenizer files")
    parser.add_argument("out", type=Path, help="folder to write")
    arguments = parser.parse_args()
    print(write_tiny_model(arguments.source, arguments.out))
