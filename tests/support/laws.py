"""How much a law is tried: on few examples in every run, on ten times as many or all in `make test-full`."""

import os
import random
from collections.abc import Sequence
from pathlib import Path

from hypothesis import settings

TIMES = {"quick": 1, "full": 10}
# Time is measured by benchmarks: a busy machine must not fail a law.
for name, times in TIMES.items():
    settings.register_profile(name, max_examples=50 * times, deadline=None)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")
settings.load_profile(PROFILE)


def examples(quick: int, **more) -> settings:
    """Settings of a law that is tried with `quick` examples, and with ten times as many in the full profile."""
    return settings(max_examples=quick * TIMES[PROFILE], **more)


def some(items: Sequence[Path], quick: int) -> list[Path]:
    """`quick` of `items`, other ones in each run, in their order; all of them in the full profile."""
    if PROFILE == "full" or len(items) <= quick:
        return list(items)
    places = random.SystemRandom().sample(range(len(items)), quick)  # hypothesis seeds the module's own
    return [items[place] for place in sorted(places)]
