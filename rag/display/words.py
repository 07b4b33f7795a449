"""The words that text and HTML share: places, verdicts, headings, in Korean or English by the locale."""

from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

from indexes.types import Understood, UnderstoodKind
from indexes.wording import page_runs, percent
from ingest.errors import Notice, shown
from ingest.raw import Unit
from rag.language import language, say
from rag.wire.shapes import Support
from rag.wording.places import MARKS, in_unit, where

QUOTE_CHARACTERS = 400
NEAREST = 3


def place(first: int, last: int, unit: Unit, ocr: float | None = None) -> str:
    """Pages in the language of the locale: «3쪽», «구역 3–4», «pp. 3–4»; `ocr` adds a confidence: «3쪽(OCR 87%)»."""
    read = "" if ocr is None else say(f"(OCR {percent(ocr)})", f" (OCR {percent(ocr)})")
    return where(first, last, unit, language()) + read


def place_of(found: Any) -> str:
    """The pages of a passage or of a citation, as `place` writes them."""
    return place(found.first_page, found.last_page, found.unit, found.ocr)


def verdict(support: Support) -> str:
    """A verdict with its mark: «✓ 뒷받침함», «✓ supported»."""
    named = {
        "supported": say("뒷받침함", "supported"),
        "partial": say("일부만 뒷받침함", "supported in part"),
        "unsupported": say("뒷받침하지 못함", "not supported"),
        "uncited": say("근거 없음", "no evidence"),
    }
    return f"{MARKS[support]} {named[support]}"


def loose(sentences: Iterable[Any]) -> list[str]:
    """A line for each `rag.answer.Sentence` that no quote supports."""
    why = say("근거가 없는 문장", "no evidence for")
    bare = [sentence for sentence in sentences if sentence.support in ("uncited", "unsupported")]
    return [f"{why}: {shown(sentence.text, 80)}" for sentence in bare]


def told(warnings: Iterable[Notice], unreadable: Iterable[Any] = ()) -> list[str]:
    """A line for each warning, then one for each `rag.answer.UnreadablePages`."""
    lines = [warning.say(language()) for warning in warnings]
    for pages in unreadable:
        numbers, several = page_runs(pages.pages), len(pages.pages) > 1
        english = f"{'section' if pages.unit == 'section' else 'page'}{'s' * several} {numbers}"
        missing = say(
            f"{in_unit(numbers, pages.unit)}: 읽지 못해 찾아보지 못했습니다",
            f"{english} could not be read, nor searched",
        )
        lines.append(f"{PurePath(pages.path).name}: {missing}")
    return [shown(line, len(line) + 1) for line in lines]


def kind_name(kind: UnderstoodKind) -> str:
    """What words of a question were taken for: «문서», «document»."""
    named = {
        "document": say("문서", "document"),
        "section": say("항목", "section"),
        "reference": say("조항", "reference"),
        "period": say("기간", "period"),
        "amount": say("수량", "amount"),
        "alias": say("다른 이름", "also called"),
    }
    return named[kind]


def understanding(understood: Sequence[Understood]) -> str:
    """One line on what a query was understood to name: «understood: document «취업규칙»»; empty if nothing."""
    named = " · ".join(f"{kind_name(each.kind)} «{shown(each.words)}»" for each in understood)
    return say(f"이렇게 이해했습니다: {named}", f"understood: {named}") if named else ""
