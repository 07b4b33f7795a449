"""A job's files: NAME.md for people, NAME.json for programs, NAME.csv for rows, the failures, and the job's status.

A file is written whole or not at all: under another name, synced, then renamed. NAME.json is written last and holds
the summary's key; if it exists with the right key, that document is done.
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
from rag.prompting.prompts import in_other_brackets
from rag.summarising.kinds import EXECUTIVE, KINDS
from rag.wire.bodies import summary_json
from rag.wording.markdown import CONTROLS, markdown_line, markdown_lines, markdown_table, markdown_words
from rag.wording.places import MARKS, unit_name, where
from rag.wording.tables import csv_text

CHECKPOINTS = ".checkpoints"
FAILURES, STATUS, LOCK = "failures.jsonl", "status.json", "lock"
UNFINISHED = ".tmp"
# Characters replaced in file names: those that some file system refuses, those that break a line or turn its
# direction, and bytes that are not UTF-8 (lone surrogates in Python).
FORBIDDEN = re.compile(rf'{CONTROLS.pattern}|[/\\:*?"<>|\ud800-\udfff]|^\.')
# A name keeps its first 180 bytes; most file systems allow 255, endings included.
NAME_BYTES = 180


class SummaryFolder:
    """The output folder of one job, locked against other jobs until it is closed. A context manager."""

    def __init__(self, folder: Path, documents: Sequence[StoredDocument], kind: str = EXECUTIVE.name) -> None:
        """Make and lock the folder, and remove the half-written files of a killed job.

        Args:
            documents: all documents of the index, so that file names do not depend on which of them the job takes.
            kind: of the summaries. Files are NAME.md and NAME.json for `executive`, NAME.KIND.md and NAME.KIND.json
                for all other kinds.

        Raises:
            OutputBusy: another job holds the folder.
            OutputFailed: the folder cannot be written to.
        """
        self.folder = folder
        # One folder for each kind, so that an unfinished job of another kind can go on later.
        self.checkpoints = folder / CHECKPOINTS / kind
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
        """Unlock the folder."""
        self._lock.close()

    def path(self, document_id: str, ending: str) -> Path:
        return self.folder / f"{self._names[document_id]}{self._ending}{ending}"

    def finished(self, document_id: str, key: str) -> dict[str, Any] | None:
        """The contents of NAME.json if it is the summary with this key, else None."""
        try:
            body = json.loads(self.path(document_id, ".json").read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return body if isinstance(body, dict) and body.get("key") == key else None

    def write(self, summary: Summary) -> None:
        """Write the summary's files, a CSV too if it has rows. The document then counts as done, not as failed."""
        write_whole(self.path(summary.document_id, ".md"), markdown(summary))
        if summary.columns:
            rows = [summary.columns, *(row.cells for row in summary.rows)]
            write_whole(self.path(summary.document_id, ".csv"), csv_text(rows), newline="")
        body = json.dumps(summary_json(summary), ensure_ascii=False, indent=1)
        write_whole(self.path(summary.document_id, ".json"), body + "\n")
        if self.failures.pop(summary.document_id, None):
            self._write_failures()

    def fail(self, document_id: str, why: dict[str, Any]) -> None:
        """Record in the failures file why a document has no summary."""
        self.failures[document_id] = why
        self._write_failures()

    def tell(self, status: dict[str, Any]) -> None:
        """Write the job's progress to the status file, for other programs."""
        write_whole(self.folder / STATUS, json.dumps({"pid": os.getpid()} | status) + "\n")

    def _read_failures(self) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
        """The recorded failures of this kind, by document id, and those of other kinds."""
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
    """Write `text` to `path`, whole or not at all; it is synced to disk when this returns.

    Raises:
        OutputFailed: the file cannot be written.
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
    """A file name without ending for each document, by id: the name of its own file.

    Eight characters of the id are added where the name is not unique, or where a file of the job itself, or of a
    summary of another kind, could have it.
    """
    names = {document.document_id: _file_name(document) for document in documents}
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
    return name.encode("utf-8", "replace")[:NAME_BYTES].decode("utf-8", "ignore") or document.document_id


def markdown(summary: Summary) -> str:
    """The summary as Markdown for people: its text, its evidence, notices, and which pages it covers."""
    parts = [f"# {markdown_words(in_other_brackets(summary.title))}", *_told(summary)]
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
    """The text of the summary in Markdown: as a table, chapter by chapter, or as it stands."""
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
    """The cells of each row, and as the last cell its markers and verdict: «[1][3] ✓»."""
    rows = [(row.cells, summary.sentences[row.sentence]) for row in summary.rows]
    return [(*cells, f"{''.join(f'[{n}]' for n in s.markers)} {MARKS[s.support]}") for cells, s in rows]


def section_texts(summary: Summary) -> list[tuple[SummarySection, str]]:
    """Each section with its text, without the heading; empty for a summary without sections."""
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
    """The pages of a chapter in Korean: «3–9쪽» (pages), «구역 2» (section of a file without pages)."""
    return where(section.first_page, section.last_page, unit)


def coverage_lines(summary: Summary) -> list[str]:
    """Lines in Korean on the pages that the summary uses, does not use, and could not read; none for an empty list."""
    coverage, unit = summary.coverage, unit_name(summary.unit)
    told = (
        (f"요약에 쓰인 {unit}", coverage.pages_used),
        (f"쓰이지 않은 {unit}", coverage.pages_unused),
        (f"읽지 못한 {unit}", coverage.pages_unreadable),
    )
    return [f"{name}: {page_runs(pages)} ({len(pages)}/{coverage.pages})" for name, pages in told if pages]
