"""Verifying the whole audit log."""

import time
from typing import Any, Final

import psutil  # type: ignore[import-untyped]  # its types are a package of their own

from benchmarks.harness import Console, Options, say
from benchmarks.processes import Failed

ENTRIES: Final = 1_000_000
TARGET_S: Final = 3.0


def run(options: Options, console: Console) -> dict[str, Any]:
    console.use_here()
    from audit.parallel import usable_cores
    from audit.signing import write_checkpoint
    from audit.verification import verify
    from benchmarks.many_entries import write_entries

    (count,) = options.scaled(ENTRIES)
    say(f"writing {count:,} entries")
    began = time.monotonic()
    write_entries(count)
    written_s = time.monotonic() - began
    write_checkpoint()
    runs = []
    for _ in range(3):
        processor, database = _processor_s(), console.database_processor_seconds()
        found = verify()
        if not found.is_sound:
            raise Failed(f"a sound log was found broken: {found.broken[0].text}")
        runs.append(
            {
                "seconds": round(found.seconds, 2),
                "entries_per_s": round(count / found.seconds),
                "processor_s": round(_processor_s() - processor, 2),
                "database_processor_s": round(console.database_processor_seconds() - database, 2),
            }
        )
        say(f"verified  {runs[-1]}")
    return {
        "entries": count,
        "cores": usable_cores(),
        "written_s": round(written_s, 1),
        "runs": runs,
        "best_seconds": min(run["seconds"] for run in runs),
        "target": {"seconds": TARGET_S},
    }


def _processor_s() -> float:
    """Of this process and of those that it has waited for."""
    times = psutil.Process().cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)
