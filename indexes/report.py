"""The report of one ingest: counts, the files that failed, and notices for the user."""

from collections.abc import Collection
from dataclasses import dataclass, field

from indexes.wording import page_runs, percent
from ingest.errors import Notice, UnreadableFile

OCR_MISSING = Notice(
    "ocr_missing",
    ko="한국어를 읽는 Tesseract가 없어 스캔한 쪽은 읽지 못했습니다. 설치: Debian/Ubuntu "
    "apt-get install tesseract-ocr tesseract-ocr-script-hang, macOS brew install tesseract tesseract-lang. "
    "`tesseract --list-langs` 에 Hangul 또는 kor 가 보여야 합니다.",
    en="scanned pages were not read, for there is no Tesseract that reads Korean. To install: Debian/Ubuntu "
    "apt-get install tesseract-ocr tesseract-ocr-script-hang, macOS brew install tesseract tesseract-lang. "
    "`tesseract --list-langs` must name Hangul or kor.",
)

# reason: (Korean, English)
SKIPPED = {
    "linked_outside": (
        "지정한 폴더 밖을 가리키는 링크라서 읽지 않았습니다. 읽으려면 그 파일이나 폴더를 직접 지정하세요",
        "a link that leads out of the folder is not followed; to have it read, name the file or folder itself",
    )
}


@dataclass(frozen=True, slots=True)
class Failure:
    """One file that could not be read; `code` is one of ingest.errors.FILE_CODES."""

    path: str
    code: str
    page: int | None
    error: UnreadableFile


@dataclass(slots=True)
class Counts:
    """How many documents one ingest added, updated and so on."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    moved: int = 0
    removed: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or link in a named folder that was left out on purpose; `reason` is a key of SKIPPED."""

    path: str
    reason: str

    def say(self, language: str) -> str:
        """The reason in words, in `language` ("ko" or "en")."""
        korean, english = SKIPPED[self.reason]
        return korean if language == "ko" else english


@dataclass(slots=True)
class IngestReport:
    """The report of one ingest; `pages` and `chunks` count only what this ingest read."""

    index: str
    version: int = 0
    documents: Counts = field(default_factory=Counts)
    pages: int = 0
    chunks: int = 0
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    unreadable_pages: dict[str, list[int]] = field(default_factory=dict)  # by path
    ocr_pages: dict[str, dict[int, float]] = field(default_factory=dict)  # by path: page → confidence
    warnings: list[Notice] = field(default_factory=list)


def ocr_pages(path: str, confidences: dict[int, float]) -> Notice:
    """The notice that names the pages of a file read by OCR.

    Args:
        confidences: by page number, between 0 and 1; at least one.
    """
    runs, sure = page_runs(confidences), _percentages(confidences.values())
    return Notice(
        "ocr_pages",
        ko=f"{path}: OCR로 읽은 쪽 {runs} (신뢰도 {sure})",
        en=f"{path}: pages read by OCR: {runs} (confidence {sure})",
    )


def unreadable_pages(path: str, numbers: Collection[int], unit: str) -> Notice:
    """The notice that names the pages of a file that could not be read; `unit` "section": its sections."""
    runs = page_runs(numbers)
    korean, english = ("구역", "sections") if unit == "section" else ("쪽", "pages")
    return Notice(
        "unreadable_pages",
        ko=f"{path}: 읽을 수 없는 {korean} {runs}",
        en=f"{path}: {english} that could not be read: {runs}",
    )


def _percentages(confidences: Collection[float]) -> str:
    low, high = percent(min(confidences)), percent(max(confidences))
    return low if low == high else f"{low}–{high}"
