"""Importing a tree again that has not changed: how long the look takes, and that nothing is written."""

import json
from pathlib import Path
from typing import Any

from django.db import connection

from benchmarks.corpus import make_tree
from benchmarks.harness import MB, Console, Options, percentiles, say
from benchmarks.processes import Failed

SIZE_MB = 1100


def run(options: Options, console: Console) -> dict[str, Any]:
    (megabytes,) = options.scaled(SIZE_MB)
    tree = make_tree(console.folder / "tree", megabytes)
    say("importing it")
    console.measured("import", str(tree.folder), "--json")
    console.use_here()
    written = _rows_written(console)
    looks = []
    for _ in range(options.requests(20)):
        costs = console.measured("import", str(tree.folder), "--json")
        report = json.loads(costs.output)
        if report["unchanged"] != tree.files or report["bytes"]:
            raise Failed(f"of {tree.files} unchanged files {report['unchanged']} were known")
        looks.append((report["seconds"] * 1000, costs.wall_s * 1000, costs.cpu_s))
    in_command = percentiles([look for look, _, _ in looks])
    return {
        "mb": round(tree.size / MB, 1),
        "files": tree.files,
        "look": in_command,
        "whole_command": percentiles([wall for _, wall, _ in looks]),
        "files_per_s": round(tree.files / (float(in_command["p50_ms"]) / 1000)),
        "cpu_s": round(min(cpu for _, _, cpu in looks), 2),
        "writes": _rows_written(console) - written,
    }


def _rows_written(console: Console) -> int:
    """A number that every write moves: what the engine itself counts, not what the program says."""
    if console.engine == "sqlite":
        # Each commit changes the file's header or leaves frames in the write-ahead log.
        path = Path(connection.settings_dict["NAME"])
        log = path.with_name(path.name + "-wal")
        with path.open("rb") as database:
            counter = int.from_bytes(database.read(28)[24:28], "big")
        return counter + (log.stat().st_size if log.exists() else 0)
    with connection.cursor() as cursor:
        # Statistics arrive with a delay; this session's own view of them is refreshed.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables")
        row = cursor.fetchone()
    return int(row[0] or 0)
