"""Plain transformers: seconds until the first token, tokens a second, memory; sdpa attention, bf16, greedy.

Users wait in a row while their prompts are read one by one, then all are written to together: what
`generate` does, without the padding. Needs torch and transformers alone.
"""

import gc
import time
from collections.abc import Callable, Sequence
from typing import Any

from eval.gpu.workload import QUESTION_TOKENS, BenchOptions, Prompts, percentile, reading_row

WARM_UP_TOKENS = 8


def measure(options: BenchOptions, prompts: Prompts) -> dict[str, Any]:
    """All that is measured in this process."""
    import torch

    model = load_model(options)
    with torch.inference_mode():
        run = Runner(model)
        run.write([run.read(prompts.take(1)[0])], WARM_UP_TOKENS)  # kernels are chosen at first use
        seconds = [timed(run, prompt) for prompt in prompts.take(options.repeats)]
        return {
            "what": f"{'weights of ' + options.model if options.has_weights else 'random weights'},"
            f" {options.config['num_hidden_layers']} layers, {model.dtype}, {model.device}",
            "reading": {"one prompt": reading_row(options, seconds)},
            "users": {str(users): users_row(run, prompts.take(users), options) for users in options.users},
            "prefix": {"follow-up": prefix_row(run, prompts.take(options.repeats))},
        }


def load_model(options: BenchOptions):
    """The model of the folder, or one of its shape with random weights, made where it will be."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    how = {"dtype": torch.bfloat16, "attn_implementation": "sdpa"}
    if options.has_weights:
        model = AutoModelForCausalLM.from_pretrained(options.model, **how).to(device)
    else:
        config = AutoConfig.for_model(**options.config)
        with torch.device(device):
            model = AutoModelForCausalLM.from_config(config, **how)
    return model.eval()


class Runner:
    """Reads prompts into caches, and writes on from caches."""

    def __init__(self, model) -> None:
        self.model = model

    def read(self, ids: Sequence[int], cache=None):
        """The cache and the first token after `ids`, which follow what `cache` holds."""
        import torch
        from transformers import DynamicCache

        cache = DynamicCache() if cache is None else cache
        given = torch.tensor([list(ids)], device=self.model.device)
        # A.X's own config.json switches the cache off.
        logits = self.model(given, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
        return cache, logits[:, -1].argmax(-1, keepdim=True)

    def write(self, read: list, tokens: int) -> list[float]:
        """Seconds of each decoding step, one token for every user; `read` is consumed."""
        cache, last = joined(read)
        seconds = []
        for _ in range(tokens):
            started = self.now()
            logits = self.model(last, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
            last = logits[:, -1].argmax(-1, keepdim=True)
            seconds.append(self.now() - started)
        return seconds

    def now(self) -> float:
        """The clock in seconds, read when the device has finished its queued work."""
        import torch

        if self.model.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def joined(read: list):
    """One cache and one column of last tokens for all of `read`, which are of one length; uses `read` up."""
    import torch
    from transformers import DynamicCache

    caches, lasts = [cache for cache, _ in read], torch.cat([last for _, last in read])
    read.clear()
    cache = DynamicCache()
    for number in range(len(caches[0].layers)):  # layer by layer: there is no room for everything twice
        layers = [part.layers[number] for part in caches]
        cache.update(
            torch.cat([layer.keys for layer in layers]), torch.cat([layer.values for layer in layers]), number
        )
        for layer in layers:
            layer.keys = layer.values = None
    return cache, lasts


def timed(run: Runner, prompt: Sequence[int]) -> float:
    """Seconds to read `prompt` up to its first token."""
    started = run.now()
    run.read(prompt)
    return run.now() - started


def users_row(run: Runner, prompts: Sequence[Sequence[int]], options: BenchOptions) -> dict[str, Any]:
    """`len(prompts)` users come at once: their prompts are read one by one, then all answers are written together."""
    return within_memory(run, lambda: _users_row(run, prompts, options))


def _users_row(run: Runner, prompts: Sequence[Sequence[int]], options: BenchOptions) -> dict[str, Any]:
    started = run.now()
    read, firsts = [], []
    for prompt in prompts:
        read.append(run.read(prompt))
        firsts.append(run.now() - started)
    reading = run.now() - started
    steps = run.write(read, options.output_tokens - 1)
    return {
        "ttft_p50": percentile(firsts, 0.5),
        "ttft_p90": percentile(firsts, 0.9),
        "ttft_max": max(firsts),
        "token_ms_p50": 1000 * percentile(steps, 0.5),
        "read_per_second": len(prompts) * options.prompt_tokens / reading,
        "written_per_second": len(prompts) * len(steps) / sum(steps),
    }


def prefix_row(run: Runner, prompts: Sequence[Sequence[int]]) -> dict[str, Any]:
    """A prompt read whole, and one of which all but the question was read before."""
    cold, again = [], []
    for prompt in prompts:
        cold.append(timed(run, prompt))
        cache, _ = run.read(prompt[:-QUESTION_TOKENS])
        started = run.now()
        run.read(prompt[-QUESTION_TOKENS:], cache)
        again.append(run.now() - started)
    cold_seconds, again_seconds = percentile(cold, 0.5), percentile(again, 0.5)
    return {
        "cold_seconds": cold_seconds,
        "again_seconds": again_seconds,
        "gain": cold_seconds / again_seconds,
    }


def within_memory(run: Runner, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` returns, and the peak memory; where it ran out of memory, that is the result."""
    import torch

    on_gpu = run.model.device.type == "cuda"
    if on_gpu:
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    try:
        row = work()
    except torch.OutOfMemoryError:
        row = {"failed": "out of memory"}
    return row | ({"peak_gb": torch.cuda.max_memory_allocated() / 1e9} if on_gpu else {})
