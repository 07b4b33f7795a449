"""The database of an index: its tables, and the facts of the last commit.

The database decides what is committed: files are written and synced first, then named in its transaction.
"""

import sqlite3
from contextlib import AbstractContextManager
from pathlib import Path

from indexes.disk import versions
from indexes.disk.database import Database
from indexes.disk.documents import Documents
from indexes.disk.files import Files
from indexes.disk.schema import (
    DATABASE,
    FORMAT,
    OUTDATED,
    TABLES,
    objects_of,
    own_objects,
    seal_of,
    set_facts,
)
from indexes.disk.texts import Texts
from indexes.errors import IndexDamaged, IndexFormat, IndexNotFound, IndexOutdated
from indexes.types import Calibration, Manifest
from ingest.errors import shown

CALIBRATION = "calibration"  # the name of the calibration in the table `meta`


class Store:
    """The open database of an index. Reading is safe from several threads; writing is for one.

    `documents`, `texts` and `files` are its tables; this class reads and writes the facts of the last commit.
    """

    def __init__(self, folder: Path, *, writable: bool = False) -> None:
        """Open the database in `folder`.

        Raises:
            IndexNotFound: there is none. With `writable` it is created instead.
            IndexFormat: another program version wrote it.
            IndexDamaged: SQLite cannot read it.
        """
        self.folder = folder
        self.database = Database(folder, writable=writable)
        self.documents = Documents(self.database)
        self.texts = Texts(self.database)
        self.files = Files(self.database)
        found = self._format()
        if found != str(FORMAT):
            error = IndexOutdated if found in OUTDATED else IndexFormat
            raise error(path=folder, found=found, known=FORMAT)

    def _format(self) -> str | None:
        rows = self.database.fetch("SELECT * FROM meta WHERE name = 'format'")
        if rows and len(rows[0]) == len(TABLES["meta"].split(",")):  # formats before 3 had no checksums
            rows = self.database.checked("meta", rows)
        return rows[0][1] if rows else None

    @property
    def connection(self) -> sqlite3.Connection:
        """See `Database.connection`."""
        return self.database.connection

    def snapshot(self) -> AbstractContextManager[None]:
        """All reads of this thread inside the block see the same commit."""
        return self.database.snapshot()

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """A transaction of the writer: committed when the block ends, rolled back if it raises."""
        return self.database.transaction()

    def close(self) -> None:
        """Close the connections; one that another thread reads with is closed with the last reference."""
        self.database.close()

    def meta(self, name: str) -> str | None:
        rows = self.database.fetch("SELECT name, value, checksum FROM meta WHERE name = ?", (name,))
        return self.database.checked("meta", rows)[0][1] if rows else None

    def set_meta(self, name: str, value: str) -> None:
        set_facts(self.connection, {name: value})

    def check_seal(self) -> None:
        """Check that the rows of documents and files are those of the last commit.

        Raises:
            IndexDamaged: one is missing, changed or added.
        """
        with self.database.readable(), self.database.lent() as connection:
            whole = not self.version or self.meta("seal") == seal_of(connection)
        if not whole:
            raise self.database.damaged("the rows of documents or files are not those of the seal")

    def check_schema(self) -> None:
        """Check that the database has exactly the tables and indexes of this program.

        A trigger or a view of somebody else would change or feign rows at the next read or write.

        Raises:
            IndexDamaged: it has another one, or one is missing.
        """
        with self.database.readable(), self.database.lent() as connection:
            found = objects_of(connection)
        own = own_objects()
        if found != own:
            kind, name, _ = sorted(found - own or own - found)[0]
            what = "is not of this program" if found - own else "is missing"
            raise self.database.damaged(f"the {shown(kind)} {shown(name)} {what}")

    @property
    def version(self) -> int:
        """Number of the last commit; 0 before the first."""
        return int(self.meta("version") or 0)

    @property
    def manifest(self) -> Manifest | None:
        """The models that the index was built with; None before the first commit."""
        text = self.meta("manifest")
        if text is None:
            return None
        return Manifest.from_json(text)

    @property
    def built_with(self) -> Manifest:
        """The models that the index was built with.

        Raises:
            IndexNotFound: nothing was committed yet.
        """
        manifest = self.manifest
        if manifest is None:
            raise IndexNotFound(path=self.folder)
        return manifest

    @property
    def calibration(self) -> Calibration | None:
        """The result of calibrating the index; None if it was not calibrated or has too little text for it."""
        return Calibration.from_json(self.meta(CALIBRATION))

    def set_manifest(self, manifest: Manifest) -> None:
        self.set_meta("manifest", manifest.to_json())

    def check_version(self) -> None:
        """Check that the database has not fallen back behind the last version that was confirmed.

        SQLite reads its log up to the first frame with a wrong checksum and silently drops the rest, so a flipped
        bit there can undo whole commits.

        Raises:
            IndexDamaged: a later version than the database's was committed.
        """
        confirmed = versions.last_confirmed(self.folder)
        if confirmed > self.version:
            detail = f"{DATABASE}-wal: version {confirmed} was committed, {self.version} is there"
            raise IndexDamaged(path=self.folder, detail=detail)

    def purge(self) -> None:
        """Delete the rows, pages and chunks of documents that the last version does not have."""
        kept = {
            content
            for (content,) in self.database.fetch("SELECT content FROM documents WHERE removed IS NULL")
        }
        gone = self.database.fetch("SELECT DISTINCT content, chunks FROM documents WHERE removed IS NOT NULL")
        for content, chunks in gone:
            if content not in kept:
                self.connection.execute("DELETE FROM pages WHERE content = ?", (content,))
                self.connection.execute(
                    "DELETE FROM chunks WHERE key >= ? AND key < ?", (content, content + chunks)
                )
        self.connection.execute("DELETE FROM documents WHERE removed IS NOT NULL")
