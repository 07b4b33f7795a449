"""Results → JSON objects: one function an object, whose keys are those of its shape in `rag.wire.shapes`.

No module of `rag` is imported here, so that every result may offer its object itself. A result is any object
that has the attributes which its shape names.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints, is_typeddict

from indexes.types import StoredDocument
from ingest.document import Chunk, Document, Page
from ingest.errors import PipelineError
from rag.wire import shapes

S = TypeVar("S")


def shaped(shape: type[S], value: object, **given: object) -> S:
    """The JSON object of that shape: its keys, each from `given` or from the attribute or key of `value`.

    Tuples become lists and paths become strings, at every depth.

    Raises:
        AttributeError, KeyError: `value` lacks one.
    """
    body = {
        name: given[name] if name in given else _json(hint, _part(value, name))
        for name, hint in _hints(shape).items()  # type: ignore[arg-type]  # a class is hashable
    }
    return cast(S, body)


def _part(value: object, name: str) -> object:
    return value[name] if isinstance(value, Mapping) else getattr(value, name)


@cache
def _hints(shape: Any) -> dict[str, Any]:
    """The type of each key of a shape."""
    return get_type_hints(shape)


def _json(hint: Any, value: Any) -> Any:
    """`value` as the type of a key asks for it."""
    if isinstance(hint, UnionType):
        return None if value is None else _json(get_args(hint)[0], value)
    if get_origin(hint) is list:
        return [_json(get_args(hint)[0], one) for one in value]
    if is_typeddict(hint):
        return shaped(hint, value)
    return str(value) if isinstance(value, Path) else value


# what goes wrong


def problem(code: str, message: str, remedy: str) -> shapes.Error:
    """What stands in place of a result."""
    return {"error": {"code": code, "message": message, "remedy": remedy}}


def error_json(error: PipelineError, language: str) -> shapes.Error:
    """An error in the language "ko" or "en"."""
    return problem(error.code, error.message(language), error.remedy(language))


def row_json(identity: Any, body: Mapping[str, Any]) -> dict[str, Any]:
    """One object of many: `identity` says which question it answers."""
    return {"id": identity, **body}


# search, ask, chat


def search_json(found: Any) -> shapes.Search:
    """A `rag.answer.SearchResult`."""
    return shaped(shapes.Search, found, seconds=round(found.seconds, 4))


def passage_json(passage: object) -> shapes.Passage:
    """A `rag.answer.Passage`."""
    return shaped(shapes.Passage, passage)


def citation_json(citation: object) -> shapes.Citation:
    """A `rag.answer.Citation`."""
    return shaped(shapes.Citation, citation)


def answer_json(answer: Any) -> shapes.Answer:
    """A `rag.answer.Answer`: the passages without their text, which the store has."""
    return shaped(shapes.Answer, answer, seconds=round(answer.seconds, 4))


# summarise, compare


def summary_json(summary: Any) -> shapes.Summary:
    """A `rag.answer.Summary`."""
    return shaped(shapes.Summary, summary, seconds=round(summary.seconds, 4))


def failed_summary_json(failed: Any, language: str) -> shapes.FailedSummary:
    """A `rag.answer.FailedSummary`."""
    return shaped(shapes.FailedSummary, failed, error=error_json(failed.error, language)["error"])


def comparison_json(comparison: Any) -> shapes.Comparison:
    """A `rag.comparing.compare.Comparison`."""
    return shaped(shapes.Comparison, comparison, seconds=round(comparison.seconds, 4))


# documents


def text_json(document: StoredDocument, start: int, text: str, pages: Sequence[Page]) -> shapes.Text:
    """`text`, which begins at `start` of the document, and those of its `pages` on which it stands."""
    end = start + len(text)
    touched = [shaped(shapes.TextPage, page) for page in pages if page.start < end and page.end > start]
    return shaped(shapes.Text, document, start=start, end=end, text=text, pages=touched)


def list_json(
    documents: Iterable[StoredDocument],
    unreadable: Mapping[str, Iterable[int]],
    doubtful: Mapping[str, Iterable[int]],
) -> shapes.DocumentList:
    """The documents; by a document's id the pages that nobody could read, and those that OCR read."""
    return {
        "documents": [
            shaped(
                shapes.ListedDocument,
                document,
                unreadable_pages=list(unreadable.get(document.document_id, ())),
                ocr_pages=sorted(doubtful.get(document.document_id, ())),
            )
            for document in documents
        ]
    }


def show_json(
    document: StoredDocument, start: int | None, end: int | None, pages: Iterable[tuple[Any, Path]]
) -> shapes.Show:
    """The pages (`rag.viewing.show.ShownPage`), each with the file of its picture."""
    shown: list[shapes.ShownPage] = [
        {
            "page": page.number,
            "file": str(file),
            "boxes": [[round(side, 2) for side in box] for box in page.boxes],
        }
        for page, file in pages
    ]
    return shaped(shapes.Show, document, start=start, end=end, pages=shown)


def inspect_json(
    path: str,
    document: Document,
    chunks: Iterable[Chunk],
    wanted: Sequence[int],
    removed: Mapping[int, Sequence[str]],
) -> shapes.Inspection:
    """What was read on the pages at the indices `wanted`, and what begins or lies on them.

    Args:
        removed: lines that were left out, by the index of their page.
    """
    pages = [(index, document.pages[index]) for index in wanted]

    def here(start: int, end: int) -> bool:
        return any(page.start < end and start < page.end for _, page in pages)

    return {
        "path": path,
        "title": document.title,
        "unit": document.unit,
        "pages": [
            shaped(shapes.InspectedPage, page, removed=list(removed.get(index, ()))) for index, page in pages
        ],
        "headings": [shaped(shapes.Heading, h) for h in document.headings if here(h.start, h.start + 1)],
        "tables": [shaped(shapes.Table, table) for table in document.tables if here(table.start, table.end)],
        "contents": [[start, end] for start, end in document.contents if here(start, end)],
        "chunks": [shaped(shapes.InspectedChunk, chunk) for chunk in chunks if here(chunk.start, chunk.end)],
    }


def tokens_json(tokens: int, tokenizer: str, characters: int) -> shapes.Tokens:
    return {"tokens": tokens, "tokenizer": tokenizer, "characters": characters}


# ingest


def ingest_json(report: Any, language: str) -> shapes.Ingest:
    """An `indexes.report.IngestReport`, in the language "ko" or "en"."""
    failures = [
        shaped(shapes.IngestFailure, failure, message=failure.error.say(language))
        for failure in report.failures
    ]
    return shaped(shapes.Ingest, report, seconds=round(report.seconds, 3), failures=failures)


# looking after an index


def status_json(status: object) -> shapes.Status:
    return shaped(shapes.Status, status)


def check_json(version: int, findings: Sequence[object]) -> shapes.Check:
    found = [shaped(shapes.Finding, finding) for finding in findings]
    return {"ok": not found, "version": version, "findings": found}


def repair_json(index: Path, repair: Any, seconds: float) -> shapes.Repair:
    """An `indexes.upkeep.repair.Repair`."""
    repaired: list[shapes.Repaired] = [{"file": file, "what": what} for file, what in repair.repaired]
    return shaped(shapes.Repair, repair, index=str(index), repaired=repaired, seconds=seconds)


def reembed_json(index: Path, version: int, embedder: str, seconds: float) -> shapes.Reembedding:
    return {"index": str(index), "version": version, "embedder": embedder, "seconds": seconds}


def calibrate_json(index: Path, calibration: object | None) -> shapes.Calibrated:
    found = None if calibration is None else shaped(shapes.Calibration, calibration)
    return {"index": str(index), "calibration": found}


def delete_json(documents: Iterable[StoredDocument]) -> shapes.Deletion:
    return {"deleted": [shaped(shapes.DeletedDocument, document) for document in documents]}


def group_json(documents: Iterable[StoredDocument]) -> shapes.Grouping:
    return {"changed": [shaped(shapes.GroupedDocument, document) for document in documents]}


def compact_json(index: Path, compaction: object, seconds: float) -> shapes.Compaction:
    """An `indexes.upkeep.compact.Compaction`."""
    return shaped(shapes.Compaction, compaction, index=str(index), seconds=seconds)


def backup_json(index: Path, backup: Path, version: int) -> shapes.Backup:
    return {"index": str(index), "backup": str(backup), "version": version}


def upgrade_json(index: Path, found: int, now: int, renewed: bool) -> shapes.Upgrade:
    return {"index": str(index), "from": found, "to": now, "renewed": renewed}


# installation and models


def init_json(config: Path, profile: str) -> shapes.Init:
    return {"config": str(config), "profile": profile}


def probes_json(checks: Iterable[object]) -> shapes.Probes:
    """What `rag.doctor` or `rag.serving.run` looked at."""
    probes = [shaped(shapes.Probe, check) for check in checks]
    return {"ok": all(probe["ok"] for probe in probes), "checks": probes}


def serve_plan_json(
    plan: Any, memory: shapes.Memory | None, warnings: Iterable[object] = ()
) -> shapes.ServePlan:
    """A `rag.serving.plan.ServePlan`."""
    return shaped(
        shapes.ServePlan,
        plan,
        memory=memory,
        warnings=[shaped(shapes.Notice, warning) for warning in warnings],
    )


def started_json(plan: shapes.ServePlan, checks: Iterable[object]) -> shapes.StartedServer:
    return shaped(shapes.StartedServer, {**plan, **probes_json(checks)})
