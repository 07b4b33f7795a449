"""One SQLite file → connections lent to readers, transactions of the writer, and rows with checked checksums."""

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from indexes.disk.schema import DATABASE, TABLES, checksum, create_database, insert, intact
from indexes.errors import IndexDamaged, IndexNotFound

# Connections that are kept open for the next read; more reads at once open more, which are then closed.
IDLE = 8


class _Block(threading.local):
    """For each thread, the connection of its current `snapshot`; for a writer, its only connection."""

    connection: sqlite3.Connection | None = None


class Database:
    """One open database. Reading is safe from several threads; writing is for one."""

    def __init__(self, folder: Path, *, writable: bool = False) -> None:
        """Open the database in `folder`.

        Raises:
            IndexNotFound: there is none. With `writable` it is created instead.
            IndexDamaged: SQLite cannot open it.
        """
        self.folder = folder
        self._path = folder / DATABASE
        self._writable = writable
        # A connection is lent for each read. With one for each thread, those of ended threads would stay open, 0.1 MB
        # and two files each: a server that starts a thread for each request had no file descriptors left after 500.
        self._idle: list[sqlite3.Connection] = []
        self._block = _Block()
        # A connection and its statements refer to each other; closing it here does not wait for the garbage
        # collector (16 threads had 400 files open after a minute).
        weakref.finalize(self, _close_all, self._idle)
        if not self._path.is_file():
            if not writable:
                raise IndexNotFound(path=folder)
            create_database(self._path)
        if writable:
            with self.readable():
                self._block.connection = self._connect()
            weakref.finalize(self, self._block.connection.close)

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection of this thread's current `snapshot`; for a writer, its only connection.

        Raises:
            ValueError: a reader asks outside `snapshot`.
        """
        if self._block.connection is None:
            raise ValueError("a reader has a connection of its own only inside snapshot()")
        return self._block.connection

    @contextmanager
    def lent(self) -> Iterator[sqlite3.Connection]:
        """A connection that no other thread uses until the block ends."""
        if self._block.connection is not None:
            yield self._block.connection
            return
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            yield connection
        finally:
            if len(self._idle) < IDLE:
                self._idle.append(connection)
            else:
                connection.close()

    def _connect(self) -> sqlite3.Connection:
        uri = f"{self._path.resolve().as_uri()}?mode={'rw' if self._writable else 'ro'}"
        if not self._writable and _is_closed(self._path):
            uri += "&immutable=1"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30, check_same_thread=False)
        connection.execute("PRAGMA synchronous = FULL")
        if not self._writable:
            # SQLite before 3.51.3 can lose a WAL reset made by a reader, so only the writer makes checkpoints.
            connection.execute("PRAGMA wal_autocheckpoint = 0")
        return connection

    def close(self) -> None:
        """Close the connections; one that another thread reads with is closed with the last reference."""
        _close_all(self._idle)
        if self._block.connection is not None:
            self._block.connection.close()
            self._block.connection = None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction of the writer: committed when the block ends, rolled back if it raises."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:  # it is over if an interrupt arrived during the commit
                self.connection.execute("ROLLBACK")
            raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads of this thread inside the block see the same commit."""
        with self.lent() as connection:
            connection.execute("BEGIN")
            before, self._block.connection = self._block.connection, connection
            try:
                yield
            finally:
                self._block.connection = before
                connection.execute("COMMIT")

    @contextmanager
    def readable(self) -> Iterator[None]:
        """Raise IndexDamaged in place of SQLite's error if it cannot read; busy and locked stay as they are."""
        try:
            yield
        except (sqlite3.DatabaseError, UnicodeDecodeError) as exc:
            if getattr(exc, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            raise IndexDamaged(path=self.folder, detail=f"{DATABASE}: {exc}") from exc

    def fetch(self, statement: str, parameters: Sequence = ()) -> list[tuple]:
        """All rows of a SELECT.

        Raises:
            IndexDamaged: SQLite cannot read them.
        """
        with self.readable(), self.lent() as connection:
            return connection.execute(statement, parameters).fetchall()

    def checked(self, table: str, rows: Iterable[tuple]) -> list[tuple]:
        """`rows`, which have all columns of `table`, without their checksums.

        Raises:
            IndexDamaged: the checksum of a row is wrong.
        """
        found = []
        for row in rows:
            if not intact(row):
                raise self.damaged(f"a row of {table}, {row[0]}")
            found.append(row[:-1])
        return found

    def damaged(self, what: str) -> IndexDamaged:
        """The error to raise, with `what` is wrong with this database."""
        return IndexDamaged(path=self.folder, detail=f"{DATABASE}: {what}")

    def insert(self, table: str, rows: Iterable[Sequence]) -> None:
        """Add rows, given without their checksums."""
        insert(self.connection, table, rows)

    def close_row(self, table: str, by: str, name: str, version: int) -> None:
        """End the current row whose column `by` is `name`: `version` and later ones do not have it."""
        rows = self.fetch(f"SELECT {TABLES[table]} FROM {table} WHERE {by} = ? AND removed IS NULL", (name,))
        for *fields, _ in self.checked(table, rows):
            self.connection.execute(
                f"UPDATE {table} SET removed = ?, checksum = ? WHERE {by} = ? AND removed IS NULL",
                (version, checksum((*fields, version)), name),
            )


def _close_all(connections: list[sqlite3.Connection]) -> None:
    while connections:
        connections.pop().close()


def _is_closed(database: Path) -> bool:
    """Whether nobody is writing to the database and this process may not make the files of a WAL."""
    shared = database.with_name(f"{database.name}-shm")
    return not shared.exists() and not os.access(database.parent, os.W_OK)
