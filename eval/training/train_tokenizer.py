"""Korean statutes and the sample documents → the package's own tokenizer, `rag/prompting/embedded`.

A byte-level BPE with the control tokens and the chat template of A.X 4.0, for running and testing
the product where no model's files are at hand. Any string comes back from its ids unchanged.

    python eval/training/train_tokenizer.py --statutes statutes.jsonl.gz --out rag/prompting/embedded

The same input gives the same files. README.md in the folder is written by hand.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a script: the repository's root is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from eval.training.statutes import plain_text, read_laws

VOCABULARY = 16_000
CONTROLS = (
    "<|endoftext|>",
    "<|pad|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
)
# The form of A.X 4.0: no newline between a role and its text; tools are listed in a message before all
# others, calls of them follow the assistant's words. A tool's result has the role "tool".
CHAT_TEMPLATE = (
    "{%- if tools -%}"
    "{{- '<|im_start|><|system|>쓸 수 있는 도구:\\n<tools>\\n' -}}"
    "{%- for tool in tools -%}{{- tool | tojson -}}{{- '\\n' -}}{%- endfor -%}"
    "{{- '</tools>\\n도구를 호출하는 형식: "
    '<tool_call>{"name": 이름, "arguments": {인자}}</tool_call>'
    "<|im_end|>' -}}"
    "{%- endif -%}"
    "{%- for message in messages -%}"
    "{{- '<|im_start|><|' + message['role'] + '|>' -}}"
    "{%- if message['role'] == 'tool' -%}"
    "{{- '<tool_output>' + message['content'] + '</tool_output>' -}}"
    "{%- else -%}"
    "{{- message['content'] -}}"
    "{%- endif -%}"
    "{%- for call in message['tool_calls'] or [] -%}"
    """{{- '<tool_call>{"name": "' + call['function']['name'] + '", "arguments": ' -}}"""
    "{{- call['function']['arguments'] | tojson -}}{{- '}</tool_call>' -}}"
    "{%- endfor -%}"
    "{{- '<|im_end|>' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}"
    "{{- '<|im_start|><|assistant|>' -}}"
    "{%- endif -%}"
)
WINDOW = 16_384
# Seen once in 34 million characters, a pair of bytes earns no entry.
MIN_FREQUENCY = 2
SAMPLES = Path(__file__).parents[1] / "sample_sources"


def main() -> None:
    arguments = _parse_arguments()
    tokenizer = train(read_texts(arguments.statutes, arguments.samples))
    save(tokenizer, arguments.out)
    print(f"{tokenizer.get_vocab_size():,} entries in {arguments.out}")


def read_texts(statutes: Path, samples: Path) -> Iterator[str]:
    """The laws' texts, then the sample documents' of the folder `samples` in order of name."""
    for law in read_laws(statutes):
        yield law.text
    for path in sorted(samples.glob("*.md")):
        yield plain_text(path.read_text("utf-8"))


def train(texts: Iterator[str]):
    """A byte-level BPE of VOCABULARY entries, the CONTROLS first."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=MIN_FREQUENCY,
        special_tokens=list(CONTROLS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def save(tokenizer, folder: Path) -> None:
    """Write the files that transformers and vLLM read; there is no config.json, so no model type."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    special = {
        "bos_token": "<|endoftext|>",
        "eos_token": "<|im_end|>",
        "pad_token": "<|pad|>",
        "additional_special_tokens": [*CONTROLS[2:3], *CONTROLS[4:]],
    }
    config = {
        "add_bos_token": False,
        "add_prefix_space": False,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "model_max_length": WINDOW,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    _write_json(folder / "tokenizer_config.json", config | special)
    _write_json(folder / "special_tokens_map.json", special)
    generation = {
        "bos_token_id": tokenizer.token_to_id("<|endoftext|>"),
        "eos_token_id": tokenizer.token_to_id("<|im_end|>"),
        "pad_token_id": tokenizer.token_to_id("<|pad|>"),
    }
    _write_json(folder / "generation_config.json", generation)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", "utf-8")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--statutes", type=Path, required=True, help="JSON lines, may be gzipped")
    parser.add_argument("--samples", type=Path, default=SAMPLES, help="folder of *.md")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    return parser.parse_args()


if __name__ == "__main__":
    main()
