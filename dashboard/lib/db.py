"""Everything that differs between SQLite and Postgres, except search and triggers."""

import os
import select
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from django.db import DatabaseError, Error, OperationalError, connection, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

if TYPE_CHECKING:
    from psycopg import Connection as PostgresConnection

type Vendor = Literal["sqlite", "postgresql"]

SQLITE_OPTIONS: dict[str, Any] = {
    # A read-then-write transaction that starts DEFERRED cannot wait for the lock upgrade and fails at
    # once with "database is locked"; IMMEDIATE waits its turn for as long as `timeout` says.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
}
#: What a statement waits for a lock on Postgres, which would wait for ever: as long as SQLite.
POSTGRES_OPTIONS = f"-c lock_timeout={SQLITE_OPTIONS['timeout']}s"
# How Postgres calls what it cannot do, in whatever language its messages are.
LOCK_NOT_AVAILABLE: Final = "55P03"
DISK_FULL: Final = "53100"
_DEADLOCK: Final = "40P01"


def refuse_ended(waited: "PostgresConnection[Any]") -> None:
    """For a connection that waited in the pool, before it is somebody's. Raises psycopg's errors where Postgres has
    ended it, as one that was started again; another is taken then.

    Asking would cost each request a round trip; Postgres says unasked that it ends one. Of several the pool would try
    the next ones after longer and longer, so all that wait are looked at.
    """
    poll = select.poll()
    poll.register(waited.fileno(), select.POLLIN)
    if not poll.poll(0):
        return
    from psycopg_pool import ConnectionPool

    try:
        ConnectionPool.check_connection(waited)
    except Exception:
        cast("Any", connection).pool.check()
        raise


def sqlite_pragmas(synchronous: str) -> str:
    """The PRAGMAs of every connection (Django splits this string at semicolons)."""
    return (
        "PRAGMA journal_mode=WAL;"
        f"PRAGMA synchronous={synchronous};"
        "PRAGMA foreign_keys=ON;"
        "PRAGMA temp_store=MEMORY;"
        "PRAGMA cache_size=-32768;"
        "PRAGMA journal_size_limit=67108864"
    )


@contextmanager
def any_text() -> Iterator[None]:
    """What is read inside may hold texts that are none: SQLite keeps any bytes there, and fails to read them.

    Each byte that is no UTF-8 becomes a lone surrogate, as "surrogateescape" has it. For few rows: it costs a call for
    each text.
    """
    if vendor() != "sqlite":
        yield
        return
    connection.ensure_connection()
    opened = connection.connection
    usual = opened.text_factory
    opened.text_factory = _with_any_bytes
    try:
        yield
    finally:
        opened.text_factory = usual


def _with_any_bytes(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def end_of_request() -> None:
    """Let a thread that goes on to the next request keep SQLite's connection unless it had an error.

    That of Postgres goes back to the pool.
    """
    for kept in connections.all(initialized_only=True):
        if kept.vendor != "sqlite" or kept.errors_occurred:
            kept.close()


def end_of_thread() -> None:
    """Close what this thread has opened. A transaction around it all is a test's, in whose thread everything runs."""
    for opened in connections.all(initialized_only=True):
        if not opened.in_atomic_block:
            opened.close()


def vendor() -> Vendor:
    if connection.vendor == "sqlite":
        return "sqlite"
    return "postgresql"


@contextmanager
def write_transaction() -> Iterator[None]:
    """One short transaction that writes. Nested use joins the outer one.

    On SQLite the outermost one takes the write lock as it begins (IMMEDIATE), so whatever was read
    inside is still true at the commit. Parse, compress and hash before it opens.
    """
    with transaction.atomic():
        yield


def writers_at_once() -> int:
    """How many transactions of one process that share what is sent are worth having at the same time.

    SQLite has one write lock, and who waits for it sleeps past the others. On Postgres one transaction sends its
    statements while another waits for the disk; with more of them each takes fewer together, and costs as much.
    """
    return 1 if vendor() == "sqlite" else 2


@contextmanager
def read_snapshot() -> Iterator[None]:
    """All that is read inside is of one moment, while others go on writing. For short looks, and for a backup.

    What others change meanwhile is kept for it, and on SQLite their write-ahead log grows until it ends. A
    transaction of Django's would take SQLite's write lock. Inside of one, this adds nothing.
    """
    if connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("BEGIN" if vendor() == "sqlite" else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def database_place() -> str:
    """Which database this is, whoever signs in to it: for people, and for what is remembered of it. No secret."""
    if vendor() == "sqlite":
        path = sqlite_path()
        return f"sqlite:{os.path.realpath(path) if path else ':memory:'}"
    connection.ensure_connection()
    # As libpq has it, from the address, a service file or the environment.
    info = connection.connection.info
    return f"postgres://{info.host}:{info.port}/{info.dbname}"


def address_for_reading() -> str | None:
    """Where another process finds this database: the URI of SQLite's file, or what libpq takes. A secret.

    None where there is no way: a database in memory, or one that an open transaction has changed.
    """
    if connection.in_atomic_block:
        return None
    if vendor() == "sqlite":
        path = sqlite_path()
        return f"{Path(path).as_uri()}?mode=ro" if path else None
    from psycopg.conninfo import make_conninfo

    known = connection.get_connection_params()
    return make_conninfo(**{name: value for name, value in known.items() if name not in _NOT_OF_LIBPQ})


_NOT_OF_LIBPQ = {"cursor_factory", "context", "prepare_threshold", "row_factory", "autocommit"}


def advisory_lock(key: int) -> None:
    """Serialise the rest of this transaction against others that ask for the same key.

    SQLite needs nothing: a write transaction is alone already.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("advisory_lock() needs an open transaction")
    if vendor() == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])


class ChangeDetector:
    """Tells whether any process committed anything since the last look, for a few microseconds a call.

    SQLite counts in `data_version` the commits of every other connection, so this one must never write;
    Postgres' snapshot moves with every writing transaction. Either may report a change where nothing of
    ours changed (a checkpoint, autovacuum); neither misses one. Not thread-safe: one thread owns it.
    """

    def __init__(self) -> None:
        self._connection: BaseDatabaseWrapper = connection.copy()
        self._connection.inc_thread_sharing()
        self._seen: str | None = None
        self._sql = (
            "PRAGMA data_version" if connection.vendor == "sqlite" else "SELECT pg_current_snapshot()::text"
        )

    def changed(self) -> bool:
        """True on the first call and after each change. Raises DatabaseError while the database is away."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(self._sql)
                row = cursor.fetchone()
        except DatabaseError:
            self.close()
            raise
        version = str(row[0]) if row else ""
        if version == self._seen:
            return False
        self._seen = version
        return True

    def close(self) -> None:
        self._seen = None
        self._connection.close()


_SQLITE_MEANINGS: tuple[tuple[str, str], ...] = (
    (
        "database or disk is full",
        "The disk that holds the database is full. Free some space; nothing was lost.",
    ),
    (
        "attempt to write a readonly database",
        "The database cannot be written: check the rights of its file and folder.",
    ),
    (
        "unable to open database file",
        "The database file cannot be opened: check that its folder exists and is yours.",
    ),
    (
        "file is not a database",
        "The database file is not an SQLite database. Is SCROLLBACK_DATABASE_URL right?",
    ),
    (
        "database disk image is malformed",
        "The database file is damaged. Restore a backup; do not write to it.",
    ),
    (
        "database is locked",
        "The database stayed locked by another process for too long. End that one, or wait for it, and try again.",
    ),
    ("disk i/o error", "The disk that holds the database reported an error."),
)
_POSTGRES_MEANINGS: dict[str, str] = {
    DISK_FULL: "The disk of the Postgres server is full. Free some space; nothing was lost.",
    LOCK_NOT_AVAILABLE: (
        "The database stayed locked by another process for too long. End that one (pg_stat_activity lists them), "
        "or wait for it, and try again."
    ),
}


def is_deadlock(error: Error) -> bool:
    """Whether Postgres ended this transaction so that another could go on; SQLite has but one writer."""
    return getattr(error.__cause__, "sqlstate", "") == _DEADLOCK


def is_unreadable_text(error: DatabaseError) -> bool:
    """Whether a text column holds bytes that are no text, which SQLite finds only as it reads them."""
    return vendor() == "sqlite" and "could not decode to utf-8" in str(error).lower()


def explain(error: BaseException) -> str:
    """A database error as one line that says what to do."""
    if isinstance(error, DatabaseError):
        meaning = _POSTGRES_MEANINGS.get(getattr(error.__cause__, "sqlstate", ""))
        if meaning:
            return meaning
    text = " ".join(str(error).split())
    lowered = text.lower()
    for sign, meaning in _SQLITE_MEANINGS:
        if sign in lowered:
            return meaning
    if isinstance(error, OperationalError) and connection.vendor == "postgresql":
        if "password authentication failed" in lowered:
            return "Postgres refused the password in SCROLLBACK_DATABASE_URL."
        if "does not exist" in lowered and "database" in lowered:
            return "Postgres answers, but the database named in SCROLLBACK_DATABASE_URL does not exist: create it."
        if any(sign in lowered for sign in ("connection", "could not", "timeout", "resolve", "refused")):
            return "Postgres cannot be reached at the address in SCROLLBACK_DATABASE_URL. Is it running?"
    return text or type(error).__name__


def sqlite_path() -> str | None:
    """The database file, or None on another engine or for a database in memory."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor != "sqlite" or name.startswith((":memory:", "file:")):
        return None
    return os.path.abspath(name)


def engine_version() -> str:
    """For people, e.g. "SQLite 3.40.1" or "PostgreSQL 18.4"."""
    if connection.vendor == "sqlite":
        return f"SQLite {sqlite3.sqlite_version}"
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        row = cursor.fetchone()
    return f"PostgreSQL {row[0].split()[0]}" if row else "PostgreSQL"


def database_size() -> int:
    """Bytes that the database takes on disk, as the engine itself counts them."""
    with connection.cursor() as cursor:
        if vendor() == "sqlite":
            cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
        else:
            cursor.execute("SELECT pg_database_size(current_database())")
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def rows_inserted(tables: Iterable[type[models.Model]]) -> dict[type[models.Model], int]:
    """How many rows were ever written to each table, at a cost that does not grow with them.

    Postgres counts them, since its statistics were last reset. SQLite numbers the rows of a table, so its highest
    number is as good where none of the newest are removed.
    """
    names = {table: table._meta.db_table for table in tables}
    with connection.cursor() as cursor:
        if vendor() == "sqlite":
            found = {}
            for name in names.values():
                cursor.execute(f"SELECT max(rowid) FROM {connection.ops.quote_name(name)}")  # noqa: S608
                row = cursor.fetchone()
                found[name] = int(row[0] or 0) if row else 0
        else:
            cursor.execute(
                "SELECT relname, n_tup_ins FROM pg_stat_user_tables WHERE relname = ANY(%s)",
                [list(names.values())],
            )
            found = {str(name): int(number) for name, number in cursor.fetchall()}
    return {table: found.get(name, 0) for table, name in names.items()}


def after_commit(callback: Callable[[], None]) -> None:
    """Run once the outermost transaction has committed; an error in it never reaches the writer."""
    transaction.on_commit(callback, robust=True)
