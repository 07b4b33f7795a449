"""A job's summaries as files: NAME.md for people, NAME.json for programs, NAME.csv of rows, what failed, how far it is.

A file is there whole or not at all: it is written beside its place, synced and renamed. NAME.json comes
last and holds the summary's key, so where it is there with the right key, the report is done.
"""

import fcntl
import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from indexes.durable import sync
from indexes.types import StoredDocument
from indexes.wording import page_runs, percent
from ingest.raw import Unit
from rag.answer import Citation, Summary, SummarySection
from rag.errors import OutputBusy, OutputFailed
from rag.summarising.kinds import EXECUTIVE, KINDS
from rag.wire.bodies import summary_json
from rag.wording.markdown import CONTROLS, markdown_line, markdown_lines, markdown_table, markdown_words
from rag.wording.places import MARKS, unit_name, where
from rag.wording.tables import csv_text

CHECKPOINTS = ".checkpoints"
FAILURES, STATUS, LOCK = "failures.jsonl", "status.json", "lock"
UNFINISHED = ".tmp"
# What some file system refuses in a name, what breaks a line or its direction where a name is shown, and bytes that
# are no UTF-8 (as Python hands them on); and how many bytes of a name are kept: most allow 255, endings included.
FORBIDDEN = re.compile(rf'{CONTROLS.pattern}|[/\\:*?"<>|\ud800-\udfff]|^\.')
NAME_BYTES = 180


class SummaryFolder:
    """The folder of one job; no other may write to it meanwhile. A context manager."""

    def __init__(self, folder: Path, documents: Sequence[StoredDocument], kind: str = EXECUTIVE.name) -> None:
        """Make the folder, and remove what a killed job left half written.

        Args:
            documents: all of the index: a file's name depends on them, and not on who else is in the job.
            kind: of the summaries; the files of another than the first are NAME.KIND.md and NAME.KIND.json.

        Raises:
            OutputBusy: another job writes there.
            OutputFailed: it cannot be written to.
        """
        self.folder = folder
        self.checkpoints = folder / CHECKPOINTS / kind  # what another kind needs to go on stays
        self._names = file_names(documents)
        self._kind = kind
        self._ending = "" if kind == EXECUTIVE.name else f".{kind}"
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            self._lock = (folder / CHECKPOINTS / LOCK).open("w", encoding="utf-8")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in folder.glob(f".*{UNFINISHED}"):
                left.unlink()
        except BlockingIOError as exc:
            raise OutputBusy(path=folder) from exc
        except OSError as exc:
            raise OutputFailed(path=folder, detail=exc.strerror or str(exc)) from exc
        self.failures, self._other_failures = self._read_failures()

    def __enter__(self) -> "SummaryFolder":
        return self

    def __exit__(self, *exc_info) -> None:
        """Let the next job in."""
        self._lock.close()

    def path(self, document_id: str, ending: str) -> Path:
        return self.folder / f"{self._names[document_id]}{self._ending}{ending}"

    def finished(self, document_id: str, key: str) -> dict[str, Any] | None:
        """What NAME.json holds, if it is the summary of that key."""
        try:
            body = json.loads(self.path(document_id, ".json").read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return body if isinstance(body, dict) and body.get("key") == key else None

    def write(self, summary: Summary) -> None:
        """Write its files, one more where it is in rows; from then on the report is done, and no failure."""
        write_whole(self.path(summary.document_id, ".md"), markdown(summary))
        if summary.columns:
            rows = [summary.columns, *(row.cells for row in summary.rows)]
            write_whole(self.path(summary.document_id, ".csv"), csv_text(rows), newline="")
        body = json.dumps(summary_json(summary), ensure_ascii=False, indent=1)
        write_whole(self.path(summary.document_id, ".json"), body + "\n")
        if self.failures.pop(summary.document_id, None):
            self._write_failures()

    def fail(self, document_id: str, why: dict[str, Any]) -> None:
        """Note that a report has no summary."""
        self.failures[document_id] = why
        self._write_failures()

    def tell(self, status: dict[str, Any]) -> None:
        """Say how far the job is, for other programs."""
        write_whole(self.folder / STATUS, json.dumps({"pid": os.getpid()} | status) + "\n")

    def _read_failures(self) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
        """Those of our kind by document, and those of others."""
        path = self.folder / FAILURES
        try:
            rows = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
            ours = {row["document_id"]: row for row in rows if row["kind"] == self._kind}
            return ours, [row for row in rows if row["kind"] != self._kind]
        except FileNotFoundError:
            return {}, []
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise OutputFailed(path=path, detail=str(exc)) from exc

    def _write_failures(self) -> None:
        path = self.folder / FAILURES
        if rows := [*self._other_failures, *self.failures.values()]:
            write_whole(path, "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows))
        else:
            path.unlink(missing_ok=True)


def write_whole(path: Path, text: str, newline: str = "\n") -> None:
    """Write `text` to `path`, all of it or nothing; it is on the disk when this returns.

    Raises:
        OutputFailed: it cannot be written.
    """
    beside = path.with_name(f".{path.name}{UNFINISHED}")
    try:
        with beside.open("w", encoding="utf-8", errors="replace", newline=newline) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync(path.parent)
    except OSError as exc:
        raise OutputFailed(path=path, detail=exc.strerror or str(exc)) from exc


def file_names(documents: Sequence[StoredDocument]) -> dict[str, str]:
    """A file name without ending for each document's id: that of its file; with its id where it is not its own.

    Not its own is that of another document, and one with which a file of ours may end or be called.
    """
    names = {document.id: _file_name(document) for document in documents}
    taken = Counter(name.casefold() for name in names.values())
    return {
        identity: name if taken[name.casefold()] == 1 and not _is_ours(name) else f"{name}-{identity[:8]}"
        for identity, name in names.items()
    }


def _is_ours(name: str) -> bool:
    """Whether «name.json» could be the job's status, or the summary of another kind of another document."""
    return f"{name}.json".casefold() == STATUS or Path(name.casefold()).suffix[1:] in KINDS


def _file_name(document: StoredDocument) -> str:
    name = unicodedata.normalize("NFC", Path(document.path).stem or document.title)
    name = FORBIDDEN.sub("_", name).strip()
    return name.encode("utf-8", "replace")[:NAME_BYTES].decode("utf-8", "ignore") or document.id


def markdown(summary: Summary) -> str:
    """The summary for people: its text, its evidence, what of the document it rests on."""
    parts = [f"# {markdown_words(summary.title)}", *_told(summary)]
    if summary.citations:
        quotes = dict.fromkeys((c.marker, _evidence(c)) for c in summary.citations)
        parts += ["## 근거", "\n".join(f"- [{marker}] {evidence}" for marker, evidence in quotes)]
    missing = [figure.text for figure in summary.figures if not figure.stands]
    doubts = [
        *(warning.ko for warning in summary.warnings),
        *([f"근거에 없는 수치: {', '.join(missing)}"] if missing else []),
    ]
    if doubts:
        parts += ["## 확인할 것", "\n".join(f"- {markdown_line(doubt)}" for doubt in doubts)]
    parts += ["## 범위", "\n".join(f"- {line}" for line in coverage_lines(summary))]
    parts.append(f"{markdown_line(summary.path)} · {summary.kind} · {summary.generator}")
    return "\n\n".join(parts) + "\n"


def _told(summary: Summary) -> list[str]:
    """What the summary says: as a table, chapter by chapter, or as it is."""
    if summary.columns:
        return [markdown_table((*summary.columns, "근거"), rows_with_evidence(summary))]
    if summary.sections:
        return [
            part
            for section, text in section_texts(summary)
            for part in (
                f"## {markdown_words(section.heading)} ({section_place(section, summary.unit)})",
                markdown_lines(text),
            )
        ]
    return [markdown_lines(summary.text)]


def rows_with_evidence(summary: Summary) -> list[tuple[str, ...]]:
    """The cells of each row, and behind them its markers and its verdict: «[1][3] ✓»."""
    rows = [(row.cells, summary.sentences[row.sentence]) for row in summary.rows]
    return [(*cells, f"{''.join(f'[{n}]' for n in s.markers)} {MARKS[s.support]}") for cells, s in rows]


def section_texts(summary: Summary) -> list[tuple[SummarySection, str]]:
    """Each section, and its text without the heading; none of a summary without sections."""
    starts = [*(section.start for section in summary.sections), len(summary.text)]
    return [
        (section, summary.text[start + len(section.heading) : end].strip())
        for section, (start, end) in zip(summary.sections, pairwise(starts), strict=True)
    ]


def _evidence(citation: Citation) -> str:
    place = where(citation.first_page, citation.last_page, citation.unit)
    read = "" if citation.ocr is None else f" (OCR {percent(citation.ocr)})"
    columns = f" ({markdown_words(citation.columns)})" if citation.columns else ""
    quote = markdown_words(citation.quote)
    return f"{place}{read} {MARKS[citation.support]} “{quote}”{columns}"


def section_place(section: SummarySection, unit: Unit) -> str:
    """«3–9쪽», «구역 2»: where the chapter stands."""
    return where(section.first_page, section.last_page, unit)


def coverage_lines(summary: Summary) -> list[str]:
    """Which pages fed the summary, which did not, which could not be read, in Korean."""
    coverage, unit = summary.coverage, unit_name(summary.unit)
    told = (
        (f"요약에 쓰인 {unit}", coverage.pages_used),
        (f"쓰이지 않은 {unit}", coverage.pages_unused),
        (f"읽지 못한 {unit}", coverage.pages_unreadable),
    )
    return [f"{name}: {page_runs(pages)} ({len(pages)}/{coverage.pages})" for name, pages in told if pages]
