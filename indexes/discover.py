"""Files and folders that a user names → the files to read."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from indexes.errors import NoSuchPath
from indexes.report import Skipped
from ingest.errors import UnreadableFile
from ingest.readers.read import ENDINGS


class Discovered(NamedTuple):
    """`files`: absolute paths, each once; `closed`: folders that cannot be listed; `skipped`: files left out."""

    files: list[str]
    closed: list[UnreadableFile]
    skipped: list[Skipped]


def discover(paths: Iterable[Path]) -> Discovered:
    """The files at `paths`: files named directly, and files with a known ending in named folders.

    The files of a folder are sorted. Hidden files and anything but regular files are left out. A link in a folder to
    a file outside it is left out and reported: somebody who may write to the folder could otherwise have files read
    that he may not read himself. A link that is named directly is read.

    Raises:
        NoSuchPath: one of `paths` does not exist.
    """
    files: dict[str, None] = {}
    closed: list[UnreadableFile] = []
    outside: dict[str, None] = {}

    def note(error: OSError) -> None:
        closed.append(UnreadableFile("unreadable", str(error.filename), error.strerror or str(error)))

    for path in paths:
        if not (path.is_file() or path.is_dir()):
            raise NoSuchPath(path=path)
        found = sorted(_walk(path, note)) if path.is_dir() else [path]
        for file in found:
            inside = file is path or not file.is_symlink() or _leads_into(path, file)
            (files if inside else outside)[os.path.abspath(file)] = None
    skipped = [Skipped(file, "linked_outside") for file in outside if file not in files]
    return Discovered(list(files), closed, skipped)


def _leads_into(folder: Path, link: Path) -> bool:
    return Path(os.path.realpath(link)).is_relative_to(os.path.realpath(folder))


def _walk(folder: Path, note: Callable[[OSError], None]) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder, onerror=note):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            path = Path(parent, name)
            if name.lower().endswith(ENDINGS) and not name.startswith(".") and path.is_file():
                yield path
