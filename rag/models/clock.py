"""The time that waiting for a server goes by; tests hand in one that need not be waited for."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """How time is read, and how it is waited for.

    Attributes:
        now: seconds since some fixed moment.
        pause: waits that many seconds, in an event loop.
    """

    now: Callable[[], float] = time.monotonic
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep


REAL = Clock()
