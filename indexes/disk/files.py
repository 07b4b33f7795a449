"""The table of files: those that hold the vectors and postings of each version."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from indexes.disk.database import Database
from indexes.disk.dense import segment_of
from indexes.disk.schema import FILE_COLUMNS
from ingest.errors import shown

# The only names that are opened: an index may come from others, and a name could lead outside its folder.
INSIDE = re.compile(r"dense/\w[\w.-]*|lexical/\w[\w.-]*/\.?\w[\w.-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An immutable file of the index; `name` is relative to the index's folder."""

    name: str
    kind: str  # "dense" or "lexical"
    bytes: int
    sha256: str


class Files:
    """The rows of files in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def current(self, kind: str | None = None) -> list[StoredFile]:
        """The files of the last version.

        Raises:
            IndexDamaged: the checksum of a row is wrong, or it names a file outside the folder of its kind.
        """
        rows = self._database.fetch(
            f"SELECT {FILE_COLUMNS} FROM files WHERE removed IS NULL AND (?1 IS NULL OR kind = ?1) ORDER BY name",
            (kind,),
        )
        found = []
        for name, of, size, digest, _, _ in self._database.checked("files", rows):
            if not INSIDE.fullmatch(name) or not name.startswith(f"{of}/"):
                raise self._database.damaged(f"it names a file outside the index, {shown(name)}")
            found.append(StoredFile(name=name, kind=of, bytes=size, sha256=digest))
        return found

    def names(self, oldest: int) -> set[str]:
        """Names of the files that `oldest` or a later version has."""
        return {
            name
            for (name,) in self._database.fetch(
                "SELECT name FROM files WHERE removed IS NULL OR removed > ?", (oldest,)
            )
        }

    def replace(self, kind: str, files: Iterable[StoredFile], version: int) -> None:
        """Make `files` the files of `kind` from `version` on."""
        current = {file.name: file for file in self.current(kind)}
        files = {file.name: file for file in files}
        for name in current.keys() - files.keys():
            self._database.close_row("files", "name", name, version)
        added = [files[name] for name in files if name not in current]
        self._database.insert("files", [(f.name, f.kind, f.bytes, f.sha256, version, None) for f in added])

    def forget(self, oldest: int) -> None:
        """Delete the rows of files that neither `oldest` nor a later version has."""
        self._database.connection.execute("DELETE FROM files WHERE removed <= ?", (oldest,))

    def segments(self) -> list[str]:
        """Names of the last version's segments of vectors, sorted."""
        return sorted({segment_of(file.name) for file in self.current("dense")})

    def postings(self) -> list[Path]:
        """The folder of the last version's postings, in a list of one; empty if it has none."""
        return sorted({self._database.folder / Path(file.name).parent for file in self.current("lexical")})
