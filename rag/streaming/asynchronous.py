"""An iterator that blocks → an asynchronous iterator."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Closable(Protocol[T_co]):
    """An iterator that can be closed before its end, as a generator can."""

    def __next__(self) -> T_co: ...
    def close(self) -> None: ...


async def iterate(pieces: Closable[T]) -> AsyncGenerator[T, None]:
    """The items of `pieces`, in order; leaving the iteration closes `pieces`.

    Each item is fetched in a thread, so that the event loop goes on meanwhile.
    """

    def following() -> tuple[T] | None:
        try:
            return (pieces.__next__(),)
        except StopIteration:
            return None

    waiting: asyncio.Future[tuple[T] | None] | None = None
    try:
        while True:
            waiting = asyncio.ensure_future(asyncio.to_thread(following))
            piece = await asyncio.shield(waiting)  # a thread cannot be cancelled, only waited for
            if piece is None:
                return
            yield piece[0]
    finally:
        if waiting is not None and not waiting.done():
            await asyncio.wait([waiting])
        await asyncio.to_thread(pieces.close)
