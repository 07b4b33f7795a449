"""The number of random examples that a law is tried with: few in every run, ten times as many in `make test-full`."""

import os

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
