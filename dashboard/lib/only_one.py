"""Work that one process on a database does for all of them, and another as soon as that one has ended."""

import fcntl
import os
import zlib
from typing import Final

from django.db import DatabaseError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from dashboard.lib.db import sqlite_path, vendor

# The upper half of the keys that are locked on Postgres: the letters "once".
_SPACE: Final = 0x6F6E6365 << 32


class OnlyOne:
    """Held by one process at most; the system, or Postgres, takes it from one that dies. One thread owns it.

    On SQLite it is a locked file beside the database, on Postgres a lock of a connection that is kept for it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._key = _SPACE | zlib.crc32(name.encode())
        self._descriptor = -1
        self._connection: BaseDatabaseWrapper | None = None

    def take(self) -> bool:
        """True when this process has it, now or since an earlier call. Raises DatabaseError."""
        return self._take_lock() if vendor() == "postgresql" else self._take_file()

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        opened, self._connection = self._connection, None
        if opened is not None:
            try:
                # Said, as closing may only give the connection back to its pool.
                with opened.cursor() as cursor:
                    cursor.execute(f"SELECT pg_advisory_unlock({self._key})")
            except DatabaseError:
                # Then it is broken, and Postgres has let go of what it had.
                pass
            opened.close()

    def _take_file(self) -> bool:
        path = sqlite_path()
        if path is None or self._descriptor >= 0:
            return True
        descriptor = os.open(f"{path}.{self._name}", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def _take_lock(self) -> bool:
        is_new = self._connection is None
        if self._connection is None:
            self._connection = connection.copy()
            self._connection.inc_thread_sharing()
        # Once it is held, a word on the same connection is proof enough that it still is.
        sql = f"SELECT pg_try_advisory_lock({self._key})" if is_new else "SELECT true"
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql)
                row = cursor.fetchone()
        except DatabaseError:
            self.release()
            raise
        if row is None or not row[0]:
            opened, self._connection = self._connection, None
            opened.close()
            return False
        return True
