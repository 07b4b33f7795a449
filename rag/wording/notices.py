"""The notices that answers and summaries share: one function for each."""

from collections.abc import Sequence
from typing import Protocol

from indexes.wording import percent
from ingest.errors import Notice
from ingest.korean.words import with_particle


class Quoted(Protocol):
    """What these notices need of a `rag.answer.Citation`."""

    @property
    def marker(self) -> int: ...
    @property
    def ocr(self) -> float | None:
        """The lowest confidence, from 0 to 1, of its pages that OCR read; None where it read none of them."""


def read_by_ocr(citations: Sequence[Quoted]) -> list[Notice]:
    """One notice that names the markers of text read by OCR, with the lowest confidence; empty without such text."""
    confidences = [citation.ocr for citation in citations if citation.ocr is not None]
    if not confidences:
        return []
    markers = sorted({citation.marker for citation in citations if citation.ocr is not None})
    named, lowest = "".join(f"[{marker}]" for marker in markers), percent(min(confidences))
    alone = len(markers) == 1
    sure, confidence = ("신뢰도", "confidence") if alone else ("가장 낮은 신뢰도", "lowest confidence")
    return [
        Notice(
            "read_by_ocr",
            f"{with_particle(named, '은')} 스캔한 쪽을 OCR로 읽은 글입니다({sure} {lowest}). 숫자는 원문에서 확인하세요.",
            f"{named} {'rests' if alone else 'rest'} on scanned pages read by OCR ({confidence} {lowest})."
            " Check the figures on the page.",
        )
    ]


def unknown_markers(count: int) -> Notice:
    """The text held markers for which no passage was shown."""
    return Notice(
        "unknown_markers",
        f"근거에 없는 인용 번호 {count}개를 지웠습니다.",
        f"Removed {counted(count, 'marker')} for which no passage was shown.",
    )


def margin_kept(tokens: int) -> Notice:
    """The server turns messages into tokens itself, so that the window cannot be filled exactly."""
    return Notice(
        "margin_kept",
        f"서버가 스스로 토큰화하므로 창에서 {tokens:,}토큰을 여유로 비웠습니다.",
        f"The server makes the tokens itself: {tokens:,} tokens of the window were left free to be safe.",
    )


def counted(count: int, noun: str) -> str:
    """«1 sentence», «2 sentences»."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
