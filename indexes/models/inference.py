"""How a transformer model is run: on what device, how exactly, and in what batches.

A batch is padded to its longest text, so texts of like length go together, and a batch is bounded
by its tokens, padding included: a count of texts says nothing about memory.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeVar, get_args

from indexes.errors import OutOfMemory

Dtype = Literal["auto", "float32", "float16", "bfloat16"]
Result = TypeVar("Result")
# What `preprocess` of sentence-transformers is given to tell lengths: nothing cut, nothing padded.
WHOLE = {
    "text": {"truncation": False, "padding": False, "verbose": False},
    "common": {"return_tensors": None},
}


def check_settings(section: str, device: str, dtype: str, batch_tokens: int) -> None:
    """Raise ValueError where a setting that embedding and reranking share is out of its range."""
    if not device:
        raise ValueError(f"{section}.device must name a device, such as auto, cpu or cuda:0")
    if dtype not in get_args(Dtype):
        raise ValueError(f"{section}.dtype must be one of {', '.join(get_args(Dtype))}, got {dtype!r}")
    if batch_tokens < 1:
        raise ValueError(f"{section}.batch_tokens must be at least 1, got {batch_tokens}")


def device_of(device: str) -> str:
    """ "auto" → the first GPU, else the processor."""
    import torch

    return device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def dtype_of(dtype: Dtype, device: str):
    """The torch type: "auto" is fp16 on a GPU, which halves time and memory, and fp32 elsewhere."""
    import torch

    if dtype == "auto":
        return torch.float16 if device.startswith("cuda") else torch.float32
    return getattr(torch, dtype)


class Batches:
    """Runs a model over texts of different lengths; smaller from the first time memory runs out."""

    def __init__(
        self,
        name: str,
        section: str,
        tokens: int,
        out_of_memory: type[Exception],
        free: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            name, section: of the model, and of its settings, for errors.
            tokens: most tokens of a batch, padding included; a longer text goes alone.
            out_of_memory: what `compute` raises when a batch is too large.
            free: called then, before a smaller one is tried.
        """
        self.tokens = tokens
        self._name = name
        self._section = section
        self._out_of_memory = out_of_memory
        self._free = free

    @classmethod
    def on_torch(cls, name: str, section: str, tokens: int) -> "Batches":
        """Batches of a model that torch runs."""
        import torch

        return cls(name, section, tokens, torch.OutOfMemoryError, torch.cuda.empty_cache)

    def run(
        self, lengths: Sequence[int], compute: Callable[[list[int]], Result]
    ) -> Iterator[tuple[list[int], Result]]:
        """`compute` on every batch of positions in `lengths`, the longest first.

        Yields:
            The positions of a batch, and what it gave. Each position comes once.

        Raises:
            OutOfMemory: for a single text.
        """
        order = sorted(range(len(lengths)), key=lambda position: -lengths[position])
        waiting = deque(cut(order, lengths, self.tokens))
        while waiting:
            batch = waiting.popleft()
            try:
                result = compute(batch)
            except self._out_of_memory as exc:
                if len(batch) == 1:
                    raise OutOfMemory(name=self._name, section=self._section) from exc
            else:
                yield batch, result
                continue
            self._free()  # outside the handler, whose traceback holds on to the tensors
            self.tokens = max(1, len(batch) * lengths[batch[0]] // 2)
            rest = [position for other in (batch, *waiting) for position in other]
            waiting = deque(cut(rest, lengths, self.tokens))


def cut(order: Sequence[int], lengths: Sequence[int], most_tokens: int) -> list[list[int]]:
    """`order`, longest first, in batches of at most `most_tokens` tokens when padded."""
    batches: list[list[int]] = []
    for position in order:
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= most_tokens:
            batches[-1].append(position)
        else:
            batches.append([position])
    return batches
