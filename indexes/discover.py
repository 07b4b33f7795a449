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
    """`files`: absolute paths, each once; `closed`: folders that cannot be listed; `skipped`: links left out."""

    files: list[str]
    closed: list[UnreadableFile]
    skipped: list[Skipped]


def discover(paths: Iterable[Path]) -> Discovered:
    """The files at `paths`: files named directly, and files with a known ending in named folders.

    The files of a folder are sorted; links come after all other files, so that of two names of a file the real one is
    read first. Hidden files and anything but regular files are left out. A link in a folder to a file or folder outside
    it is left out and reported: somebody who may write to the folder could otherwise have files read that he may not
    read himself. A link to a folder inside it is left out without a report, because that folder is walked itself. A
    link that is named directly is read.

    Raises:
        NoSuchPath: one of `paths` does not exist.
    """
    files: dict[str, None] = {}
    closed: list[UnreadableFile] = []
    outside: dict[str, None] = {}
    roots: set[str] = set()

    def note(error: OSError) -> None:
        closed.append(UnreadableFile("unreadable", str(error.filename), error.strerror or str(error)))

    for path in paths:
        if not (path.is_file() or path.is_dir()):
            raise NoSuchPath(path=path)
        root = located(path)
        roots.add(str(root))
        if root.is_file():
            files[str(root)] = None
            continue
        for found in sorted(_walk(root, note)):
            if found.is_symlink() and not _leads_into(root, found):
                outside[str(found)] = None
            elif found.is_file():
                files[str(found)] = None
    skipped = [Skipped(path, "linked_outside") for path in outside if path not in files and path not in roots]
    return Discovered(sorted(files, key=os.path.islink), closed, skipped)


def located(path: Path) -> Path:
    """The absolute path of what the system finds at `path`, without `..`; a link keeps its name.

    After a link, `..` is the parent of the folder that the link leads to, so the text before it cannot just be dropped.
    """
    if ".." not in path.parts:
        return path.absolute()
    behind = path.parts[::-1].index("..")  # names after the last `..`
    resolved, names = path.parts[: len(path.parts) - behind], path.parts[len(path.parts) - behind :]
    return Path(os.path.realpath(Path(*resolved)), *names)


def _leads_into(folder: Path, link: Path) -> bool:
    return Path(os.path.realpath(link)).is_relative_to(os.path.realpath(folder))


def _walk(folder: Path, note: Callable[[OSError], None]) -> Iterator[Path]:
    """The regular files below `folder` whose endings are known, and links to folders; nothing hidden."""
    for parent, folders, names in os.walk(folder, onerror=note):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (path for name in folders if (path := Path(parent, name)).is_symlink())
        for name in names:
            path = Path(parent, name)
            if name.lower().endswith(ENDINGS) and not name.startswith(".") and path.is_file():
                yield path
