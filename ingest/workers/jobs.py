"""What a child does with one file: the result, or the error that says why there is none."""

from collections.abc import Callable

from ingest.errors import UnreadableFile, first_line
from ingest.parse import IngestConfig, Parsed


def outcome(parse: Callable[[str], Parsed], path: str, limits: IngestConfig) -> Parsed | UnreadableFile:
    try:
        return parse(path)
    except UnreadableFile as failure:
        return failure
    except MemoryError:
        return UnreadableFile("memory", path, str(limits.max_memory_mb))
    except Exception as exc:  # noqa: BLE001 - one file must not end the run; the failure is reported
        return UnreadableFile("crashed", path, f"{type(exc).__name__}: {first_line(exc)}")
