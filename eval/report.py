"""Numbers → a Markdown table and a JSON file."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """What the numbers were measured on, and when."""
    return {
        "date": date.today().isoformat(),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "python": platform.python_version(),
    }


def table(rows: Mapping[str, Mapping[str, Any]], columns: Sequence[str]) -> str:
    """A Markdown table with one line per row name; absent cells are empty."""
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, values in rows.items():
        cells = (_cell(values.get(column, "")) for column in columns)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def save(path: Path, result: Mapping[str, Any]) -> None:
    """Write `result` as JSON."""
    write(path, json.dumps(result, ensure_ascii=False, indent=1) + "\n")


def save_run(path: Path, run: Mapping[str, Any]) -> None:
    """Write a run of retrieval as JSON, a line for each question: there are many thousands."""
    text = json.dumps(run, ensure_ascii=False, separators=(",", ":")).replace('{"id":', '\n{"id":')
    write(path, text + "\n")


def write(path: Path, text: str) -> None:
    """Write `text`, and make the folder that it goes to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def read_json(path: Path) -> Any:
    """What `save` or `save_run` wrote."""
    return json.loads(path.read_text("utf-8"))


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {count}" for key, count in value.items()) or "–"
    if isinstance(value, float):
        return f"{value:.3f}" if value <= 1 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (path.read_text("utf-8").splitlines() if path.exists() else [])
        if line.startswith("model name")
    ]
    return names[0] if names else platform.processor()
