"""Work and queries → milliseconds a query. Imports nothing that the environment of other projects lacks."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

Query = TypeVar("Query")


def quantiles(work: Callable[[Query], object], queries: Sequence[Query]) -> str:
    """Milliseconds of `work` on each query: the median and the 95th percentile. The first five are tried before."""
    for query in queries[:5]:
        work(query)
    times = []
    for query in queries:
        started = time.perf_counter()
        work(query)
        times.append(1000 * (time.perf_counter() - started))
    times.sort()
    return f"{times[len(times) // 2]:.1f} / {times[int(0.95 * len(times))]:.1f}"
