"""Whether a write could begin now, and whether there is room for it.

Others may hold for ever what every write needs, and on a full disk nothing fails before somebody tries.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from django.db import DatabaseError, OperationalError, connection, models

from dashboard.lib.db import DISK_FULL, LOCK_NOT_AVAILABLE, explain, sqlite_path, vendor

# With less room than this the next write may fail half-way.
LEAST_FREE_BYTES: Final = 16 * 1024 * 1024
# A megabyte beside the rows, in a file that is gone with the query: how much is free there only Postgres can try.
_FILL: Final = (
    "SELECT max(length(row)) FROM"
    " (SELECT repeat(md5(n::text), 32) AS row FROM generate_series(1, 1024) AS n ORDER BY n DESC) AS rows"
)


def write_trouble(tables: Sequence[type[models.Model]], lock: int, *, wait_ms: int) -> str:
    """Why nobody could now write to these tables under this advisory lock, and what to do; "" when one could.

    It takes what a write takes and lets go of it at once, having written nothing. Inside of a transaction it says
    nothing. Raises DatabaseError for anything else than a lock that is held or a disk that is full.
    """
    if connection.in_atomic_block:
        return ""
    with waiting_for_locks(wait_ms), connection.cursor() as cursor:
        return _sqlite_trouble(cursor) if vendor() == "sqlite" else _postgres_trouble(cursor, tables, lock)


@contextmanager
def waiting_for_locks(ms: int) -> Iterator[None]:
    """What is asked inside waits for a lock no longer than this, and raises DatabaseError then.

    Outside it is the time that the settings name. Inside of a transaction this adds nothing.
    """
    if connection.in_atomic_block:
        yield
        return
    if vendor() == "sqlite":
        usual = int(connection.settings_dict["OPTIONS"]["timeout"] * 1000)
        begin, end = f"PRAGMA busy_timeout={ms}", f"PRAGMA busy_timeout={usual}"
    else:
        begin, end = f"SET lock_timeout={ms}", "RESET lock_timeout"
    with connection.cursor() as cursor:
        cursor.execute(begin)
        try:
            yield
        finally:
            try:
                cursor.execute(end)
            except DatabaseError:
                # It is broken; the next one begins with what the settings name.
                connection.close()


def _sqlite_trouble(cursor: Any) -> str:
    path = sqlite_path()
    if path is not None:
        try:
            free = shutil.disk_usage(Path(path).parent).free
        except OSError as error:
            return f"The folder of the database cannot be looked at: {error.strerror}."
        if free < LEAST_FREE_BYTES:
            return "The disk that holds the database is full. Free some space."
    before = _value(cursor, "PRAGMA data_version")
    try:
        cursor.execute("BEGIN IMMEDIATE")
        cursor.execute("ROLLBACK")
    except OperationalError as error:
        if "locked" not in str(error):
            raise
        # Where others commit meanwhile, nobody holds it: they take turns.
        return explain(error) if _value(cursor, "PRAGMA data_version") == before else ""
    return ""


def _postgres_trouble(cursor: Any, tables: Sequence[type[models.Model]], lock: int) -> str:
    cursor.execute("BEGIN")
    try:
        cursor.execute(
            "SELECT set_config('work_mem', '64kB', true), set_config('temp_tablespaces', '', true)"
        )
        cursor.execute(_FILL)
        # As an INSERT does; neither of them counts as a write for those who watch for news.
        names = ", ".join(connection.ops.quote_name(table._meta.db_table) for table in tables)
        cursor.execute(f"LOCK TABLE {names} IN ROW EXCLUSIVE MODE")
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock])
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") not in (LOCK_NOT_AVAILABLE, DISK_FULL):
            raise
        return explain(error)
    finally:
        cursor.execute("ROLLBACK")
    return ""


def _value(cursor: Any, sql: str) -> int:
    cursor.execute(sql)
    return int(cursor.fetchone()[0])
