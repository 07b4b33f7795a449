"""Files that a command reads and writes."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from rag.errors import InputUnreadable, OutputFailed
from rag.language import say


def one_of(first: Any, second: Any, first_name: str, second_name: str) -> None:
    if (first is None) == (second is None):
        raise typer.BadParameter(
            say(
                f"{first_name} 또는 {second_name} 중 하나를 주세요",
                f"give either {first_name} or {second_name}",
            )
        )


def write_file(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as exc:
        raise OutputFailed(path=path, detail=exc.strerror or str(exc)) from exc


def read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as exc:
        raise InputUnreadable(path=path, detail=exc.strerror) from exc
    except UnicodeDecodeError as exc:
        raise InputUnreadable(path=path, detail=say("UTF-8 파일이 아닙니다", "not UTF-8")) from exc


def read_jsonl(path: Path, key: str) -> list[tuple[Any, str]]:
    """(id, text) of each line; the line number stands in for a missing id."""
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            value = row[key]
            if not isinstance(value, str):
                raise ValueError(value)
            rows.append((row.get("id", number), value))
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            detail = say(
                f'{number}행: "{key}" 에 글이 든 JSON이 아닙니다',
                f'line {number}: no JSON with text in "{key}"',
            )
            raise InputUnreadable(path=path, detail=detail) from exc
    return rows


def batches(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
