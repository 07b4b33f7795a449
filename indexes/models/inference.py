"""How a transformer model runs: its device, its data type and its batches.

A batch is padded to its longest text, so texts of similar length are put together. A batch is limited by its tokens,
padding included, because a number of texts says nothing about memory.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeVar, get_args

from indexes.errors import OutOfMemory

Dtype = Literal["auto", "float32", "float16", "bfloat16"]
Result = TypeVar("Result")
# Arguments of sentence-transformers' `preprocess` for counting tokens: nothing is cut or padded.
WHOLE = {
    "text": {"truncation": False, "padding": False, "verbose": False},
    "common": {"return_tensors": None},
}


def check_settings(section: str, device: str, dtype: str, batch_tokens: int) -> None:
    """Check the settings that embedding and reranking share.

    Raises:
        ValueError: one is out of its range.
    """
    if not device:
        raise ValueError(f"{section}.device must name a device, such as auto, cpu or cuda:0")
    if dtype not in get_args(Dtype):
        raise ValueError(f"{section}.dtype must be one of {', '.join(get_args(Dtype))}, got {dtype!r}")
    if batch_tokens < 1:
        raise ValueError(f"{section}.batch_tokens must be at least 1, got {batch_tokens}")


def device_of(device: str) -> str:
    """The torch device: "auto" is the first GPU, else the CPU; other names stay as they are."""
    import torch

    return device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def dtype_of(dtype: Dtype, device: str):
    """The torch type: "auto" is fp16 on a GPU, which halves time and memory, and fp32 elsewhere."""
    import torch

    if dtype == "auto":
        return torch.float16 if device.startswith("cuda") else torch.float32
    return getattr(torch, dtype)


class Batches:
    """Runs a model over texts of different lengths in batches; they get smaller whenever memory runs out."""

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
            name, section: of the model and of its settings, for errors.
            tokens: the most tokens of a batch, padding included; a longer text is a batch of its own.
            out_of_memory: the error that `compute` raises if a batch is too large.
            free: called after that error, before a smaller batch is tried.
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
        """Run `compute` on batches of positions in `lengths`, longest texts first.

        Yields:
            The positions of a batch and its result. Each position comes once.

        Raises:
            OutOfMemory: memory is too small for a single text.
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
            self._free()  # outside the handler, because its traceback keeps the tensors
            self.tokens = max(1, len(batch) * lengths[batch[0]] // 2)
            rest = [position for other in (batch, *waiting) for position in other]
            waiting = deque(cut(rest, lengths, self.tokens))


def cut(order: Sequence[int], lengths: Sequence[int], most_tokens: int) -> list[list[int]]:
    """The positions in `order`, longest first, as batches of at most `most_tokens` tokens, padding included."""
    batches: list[list[int]] = []
    for position in order:
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= most_tokens:
            batches[-1].append(position)
        else:
            batches.append([position])
    return batches
