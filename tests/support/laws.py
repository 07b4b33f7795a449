"""The number of examples that a law is tried with: few in every run, ten times as many or all in `make test-full`."""

import os
import random
from collections.abc import Sequence
from typing import TypeVar

from hypothesis import settings

T = TypeVar("T")
TIMES = {"quick": 1, "full": 10}
# Hypothesis sets no deadline: benchmarks measure time, and a busy machine must not fail a law.
for name, times in TIMES.items():
    settings.register_profile(name, max_examples=50 * times, deadline=None)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")
settings.load_profile(PROFILE)


def tries(quick: int) -> int:
    """`quick`, and ten times as many in the full profile."""
    return quick * TIMES[PROFILE]


def examples(quick: int, **more) -> settings:
    """The settings of a law that is tried with `tries(quick)` examples."""
    return settings(max_examples=tries(quick), **more)


def some(items: Sequence[T], quick: int) -> list[T]:
    """`quick` of `items` at random, different ones in each run, in their order; in the full profile all."""
    if PROFILE == "full" or len(items) <= quick:
        return list(items)
    # Hypothesis seeds the generator of `random` itself.
    places = random.SystemRandom().sample(range(len(items)), quick)
    return [items[place] for place in sorted(places)]
