"""Generated recordings in a console, with all that is derived from them."""

import json
import sqlite3
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.harness import MB, Console, Options, say
from benchmarks.processes import Costs, Failed
from benchmarks.terminal_corpus import MIXED, Cast, write_cast

# Megabytes that stand behind a moment that is looked for.
SIZES_MB = (100, 1000)


@dataclass(frozen=True)
class Imported:
    """What was in `cast` is terminal `terminal_id` now, keyframes and words included."""

    cast: Cast
    terminal_id: uuid.UUID
    costs: Costs
    file_size: int


def import_recording(console: Console, kind: str, size: int) -> Imported:
    """Generate one of `size` bytes of output and import it; the file is removed. Raises Failed when anything of it was
    lost.
    """
    path = console.folder / f"{kind}-{size}.cast"
    say(f"making a recording of {size / MB:.0f} MB ({kind})")
    cast = write_cast(path, kind, size)
    try:
        return import_cast(console, cast)
    finally:
        path.unlink()


def import_cast(console: Console, cast: Cast) -> Imported:
    """Raises Failed when anything of it was lost."""
    costs = console.measured("import", str(cast.path), "--json")
    report = json.loads(costs.output)
    if report["errors"] or report["skipped"]:
        raise Failed(f"the recording was not read: {report['errors']} {report['skipped']}")
    if costs.errors:
        # A part of the output over which the engine stumbles is left out with a warning, and nothing else tells of it.
        raise Failed(f"the import had to warn: {costs.errors.decode('utf-8', 'replace')[-1000:]}")
    columns = "id, size, derived_size, derived_end"
    (found,) = rows_of(
        console,
        f"SELECT {columns} FROM sessions_app_terminal WHERE title = '{cast.title}'",  # noqa: S608
    )
    terminal_id, size, derived_size, derived_end = found
    if size != cast.size or derived_size != size or not derived_end:
        raise Failed(
            f"of {cast.size} bytes {size} were imported, and {derived_size} derived to the end: {derived_end}"
        )
    say(f"imported in {costs.wall_s:.1f} s")
    return Imported(cast, uuid.UUID(str(terminal_id)), costs, cast.path.stat().st_size)


def rows_of(console: Console, sql: str) -> Sequence[tuple[Any, ...]]:
    """Rows of a query on a console's database, also where Django is bound to another one."""
    if console.engine == "postgres":
        with psycopg.connect(console.database_url) as postgres:
            return postgres.execute(sql.encode()).fetchall()
    connection = sqlite3.connect(console.database_url.removeprefix("sqlite:///"))
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def stored_bytes(console: Console) -> int:
    """Of the whole database, empty tables and indexes included."""
    if console.engine == "postgres":
        ((size,),) = rows_of(console, "SELECT pg_database_size(current_database())")
        return int(size)
    database = Path(console.database_url.removeprefix("sqlite:///"))
    # Reading it brings what is in the log into the file, when this is the last to have it open.
    rows_of(console, "SELECT COUNT(*) FROM sessions_app_terminal")
    return sum(file.stat().st_size for file in database.parent.glob(f"{database.name}*"))


def column_bytes(console: Console, table: str, *columns: str) -> int:
    """What is in these columns of all rows."""
    lengths = " + ".join(f"LENGTH({column})" for column in columns)
    ((size,),) = rows_of(console, f"SELECT COALESCE(SUM({lengths}), 0) FROM sessions_app_{table}")  # noqa: S608
    return int(size)


def import_mixed(options: Options, console: Console) -> dict[int, Imported]:
    """{MB: a recording of mixed output of that size, imported}, for each size that was asked for."""
    imported: dict[int, Imported] = {}
    for megabytes in options.scaled(*SIZES_MB):
        say(f"making a recording of {megabytes} MB")
        cast = write_cast(console.folder / f"{megabytes}.cast", MIXED, megabytes * MB)
        imported[megabytes] = import_cast(console, cast)
    return imported
