"""A slow, obvious implementation of byte-level byte-pair encoding, to compare token ids with.

It reads tokenizer.json and shares no code with rag/prompting/tokens.py or the tokenizers library.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import regex

# How GPT-2 cuts text into words before it merges bytes. Source: Radford and others 2019, encoder.py.
WORD = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


class SlowTokenizer:
    """Text → token ids, by the vocabulary, merges and control tokens of a tokenizer.json."""

    def __init__(self, path: Path) -> None:
        state = json.loads(path.read_text("utf-8"))
        assert state["pre_tokenizer"]["type"] == "ByteLevel" and state["pre_tokenizer"]["use_regex"]
        assert state["normalizer"] is None and not state["pre_tokenizer"]["add_prefix_space"]
        self._vocabulary: dict[str, int] = state["model"]["vocab"]
        pairs = (pair.split(" ") if isinstance(pair, str) else pair for pair in state["model"]["merges"])
        self._ranks = {tuple(pair): rank for rank, pair in enumerate(pairs)}
        self._controls = {token["content"]: token["id"] for token in state["added_tokens"]}
        self._encode_word = lru_cache(maxsize=1 << 16)(self._merge)

    def has_controls(self, text: str) -> bool:
        """Whether a control token stands in `text`."""
        return any(control in text for control in self._controls)

    def encode(self, text: str) -> list[int]:
        """The ids of plain text; control tokens in it are read as text."""
        return [token for word in WORD.findall(text) for token in self._encode_word(word)]

    def encode_turns(self, turns: Sequence[tuple[str, str]]) -> list[int]:
        """The ids of (role, text) turns, each in its control tokens, as A.X's template writes them.

        The assistant's turn is begun at the end.
        """
        ids: list[int] = []
        for role, text in turns:
            ids += [self._controls["<|im_start|>"], self._controls[f"<|{role}|>"]]
            ids += [*self.encode(text), self._controls["<|im_end|>"]]
        return [*ids, self._controls["<|im_start|>"], self._controls["<|assistant|>"]]

    def _merge(self, word: str) -> tuple[int, ...]:
        parts = [BYTES[byte] for byte in word.encode()]
        while len(parts) > 1:
            pairs = list(pairwise(parts))
            best = min(pairs, key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if best not in self._ranks:
                break
            merged, position = [], 0
            while position < len(parts):
                if tuple(parts[position : position + 2]) == best:
                    merged.append("".join(best))
                    position += 2
                else:
                    merged.append(parts[position])
                    position += 1
            parts = merged
        return tuple(self._vocabulary[part] for part in parts)


def _letters_of_bytes() -> list[str]:
    """The printable letter for each byte: itself if it is printable, else the next one from U+0100 on."""
    printable = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


BYTES = _letters_of_bytes()
