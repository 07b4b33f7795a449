"""An answer that is being written → its pieces as they come, and the whole answer at the end."""

import collections.abc
from collections.abc import AsyncIterator, Iterator
from types import TracebackType

from rag.answer import Answer
from rag.streaming.asynchronous import iterate


class AnswerStream(Iterator[str]):
    """The text of an answer in pieces, as it is generated; then `answer`.

    with pipeline.ask_stream("연차휴가는 며칠인가요?") as stream:
        for piece in stream:
            print(piece, end="", flush=True)
    print(stream.answer.citations)

    The pieces joined are `answer.text`. Leaving the `with` early ends the generation.
    """

    def __init__(self, pieces: collections.abc.Generator[str | Answer, None, None]) -> None:
        """
        Args:
            pieces: the pieces of the text, then the answer.
        """
        self._pieces = pieces
        self._answer: Answer | None = None

    def __enter__(self) -> "AnswerStream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __next__(self) -> str:
        for piece in self._pieces:
            if isinstance(piece, str):
                return piece
            self._answer = piece
        raise StopIteration

    @property
    def answer(self) -> Answer:
        """The whole answer; pieces that were not taken yet are skipped.

        Raises:
            ValueError: the stream was closed before its end.
        """
        for _ in self:
            pass
        if self._answer is None:
            raise ValueError("this stream was closed before its answer was whole")
        return self._answer

    def close(self) -> None:
        """End the generation if it still runs; an answer that is complete stays available."""
        self._pieces.close()


class AsyncAnswerStream(AsyncIterator[str]):
    """`AnswerStream` for asyncio: `async with`, `async for`, then `answer`."""

    def __init__(self, stream: AnswerStream) -> None:
        self._stream = stream
        self._pieces = iterate(stream)
        self._ended = False

    async def __aenter__(self) -> "AsyncAnswerStream":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def __anext__(self) -> str:
        try:
            return await anext(self._pieces)
        except StopAsyncIteration:
            self._ended = True
            raise

    @property
    def answer(self) -> Answer:
        """The whole answer.

        Raises:
            ValueError: not all pieces were taken yet, or the stream was closed before its end.
        """
        if not self._ended:
            raise ValueError("take all pieces of the stream before its answer")
        return self._stream.answer

    async def aclose(self) -> None:
        """End the generation if it still runs."""
        await self._pieces.aclose()
        self._stream.close()
