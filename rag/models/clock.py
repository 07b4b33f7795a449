"""The time by which we wait for a server; tests hand in a clock whose pauses take no time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """How time is read, and how to wait.

    Attributes:
        now: seconds since some fixed moment.
        pause: waits that many seconds in an event loop.
        sleep: waits that many seconds in a thread.
    """

    now: Callable[[], float] = time.monotonic
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    sleep: Callable[[float], None] = time.sleep


REAL = Clock()
