"""A clock for tests, whose pauses take no time."""

import asyncio
from collections.abc import Callable

from rag.models.clock import Clock


class QuickClock:
    """A clock that only pauses and `advance` move; pauses return at once. `pauses`: their seconds, in order."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.pauses: list[float] = []
        self.clock = Clock(lambda: self.seconds, self._pause, self._sleep)
        self._alarms: list[tuple[float, Callable[[], object]]] = []

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        """Run `action` when `seconds` more have passed."""
        self._alarms.append((self.seconds + seconds, action))

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self._go_to(self.seconds + seconds)

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        ends = self.seconds + seconds
        await asyncio.sleep(0)
        self._go_to(max(self.seconds, ends))  # another pause may have moved the clock further

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.advance(seconds)

    def _go_to(self, seconds: float) -> None:
        self.seconds = seconds
        due = [action for when, action in self._alarms if when <= seconds]
        self._alarms = [alarm for alarm in self._alarms if alarm[0] > seconds]
        for action in due:
            action()
