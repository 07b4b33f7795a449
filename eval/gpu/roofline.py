"""A model's size and a GPU's name → what that GPU could do at best, which puts a measured number in its place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gpu:
    """Dense bf16 operations (10¹² a second) and memory bandwidth (10⁹ bytes a second), of NVIDIA's data sheets."""

    tera_operations: float
    giga_bytes: float


# By a part of the name that the driver gives; of several that fit, the longest counts.
GPUS = {
    "H200": Gpu(989, 4800),
    "H100": Gpu(989, 3350),
    "H100 NVL": Gpu(835, 3900),
    "H100 PCIe": Gpu(756, 2000),
    "A100-SXM4-80GB": Gpu(312, 2039),
    "A100 80GB PCIe": Gpu(312, 1935),
    "A100-SXM4-40GB": Gpu(312, 1555),
    "L40S": Gpu(362, 864),
    "L4": Gpu(121, 300),
}


@dataclass(frozen=True, slots=True)
class ModelSize:
    """What work depends on.

    Attributes:
        layer_weights: numbers in the matrices inside the layers.
        output_weights: numbers in the output matrix, which only the last token of a prompt needs.
        attention_width: layers × heads × size of a head.
        kv_bytes: of keys and values of one token.
    """

    layer_weights: int
    output_weights: int
    attention_width: int
    kv_bytes: int


def find_gpu(name: str) -> Gpu | None:
    """The GPU that the driver calls `name`; None where its data are not known."""
    fitting = [part for part in GPUS if part in name]
    return GPUS[max(fitting, key=len)] if fitting else None


def prefill_operations(size: ModelSize, tokens: int) -> float:
    """To read a prompt: twice each weight and token, and half the square that causal attention looks at, twice."""
    return (
        2.0 * size.layer_weights * tokens + 2.0 * size.attention_width * tokens**2 + 2.0 * size.output_weights
    )


def decode_bytes(size: ModelSize, users: int, context: int) -> float:
    """Read from memory to write one token for each of `users`: all weights in bf16 once, each one's cache."""
    return 2.0 * (size.layer_weights + size.output_weights) + float(users) * context * size.kv_bytes


def best_prefill(size: ModelSize, gpu: Gpu, tokens: int) -> float:
    """Prompt tokens a second, if all units were busy all the time."""
    return tokens * gpu.tera_operations * 1e12 / prefill_operations(size, tokens)


def best_decode(size: ModelSize, gpu: Gpu, users: int, context: int) -> float:
    """Written tokens a second of all users together, if memory were read without a pause."""
    return users * gpu.giga_bytes * 1e9 / decode_bytes(size, users, context)
