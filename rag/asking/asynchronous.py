"""A generator that blocks → an asynchronous iterator."""

import asyncio
from collections.abc import AsyncIterator, Generator
from typing import TypeVar

T = TypeVar("T")


async def iterate(pieces: Generator[T, None, None]) -> AsyncIterator[T]:
    """What `pieces` gives, each got in a thread, so that the event loop goes on; leaving it closes `pieces`."""
    waiting: asyncio.Future | None = None
    try:
        while True:
            waiting = asyncio.ensure_future(asyncio.to_thread(next, pieces, None))
            piece = await asyncio.shield(waiting)  # a thread cannot be cancelled, only waited for
            if piece is None:
                return
            yield piece
    finally:
        if waiting is not None and not waiting.done():
            await asyncio.wait([waiting])
        await asyncio.to_thread(pieces.close)
