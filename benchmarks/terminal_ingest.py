"""Importing a recording with keyframes and word index: how fast, at what cost, and what is stored of it.

Sizes and speeds are those of the file, as `import` has them too; what is stored is seen against the output in it.
"""

from typing import Any

from benchmarks.harness import MB, Console, Options, fresh_console, say
from benchmarks.terminal_corpus import KINDS, MIXED, output_of_file
from benchmarks.terminal_recordings import SIZES_MB, column_bytes, import_recording, stored_bytes

# Of each kind alone, as what is stored depends on what was written.
KIND_MB = 100
TARGET = {"mb_per_s": 50, "seconds_for_1000_mb": 20, "stored_share_of_agent": 0.3}


def run(options: Options, console: Console) -> dict[str, Any]:
    del console
    sizes = options.scaled(*SIZES_MB)
    (kind_mb,) = options.scaled(KIND_MB) if not options.sizes else (min(KIND_MB, *options.sizes),)
    return {
        "target": TARGET,
        "sizes": [_import(options, MIXED, megabytes) for megabytes in sizes],
        "kinds": [_import(options, kind, kind_mb) for kind in KINDS],
    }


def _import(options: Options, kind: str, megabytes: int) -> dict[str, Any]:
    """One import into an empty database."""
    with fresh_console(options.engine) as console:
        empty = stored_bytes(console)
        before = console.database_processor_seconds()
        imported = import_recording(console, kind, output_of_file(kind, megabytes * MB))
        size, costs = imported.cast.size, imported.costs
        stored = stored_bytes(console) - empty
        figures: dict[str, Any] = {
            "kind": kind,
            "mb": round(imported.file_size / MB, 1),
            "output_mb": round(size / MB, 1),
            "seconds": round(costs.wall_s, 2),
            "mb_per_s": round(imported.file_size / MB / costs.wall_s, 1),
            "output_mb_per_s": round(size / MB / costs.wall_s, 1),
            "cpu_s": round(costs.cpu_s, 2),
            "peak_rss_mb": round(costs.peak_bytes / MB),
            "stored_share": round(stored / size, 4),
            "share_of_output": round(column_bytes(console, "terminalsegment", "data", "timing") / size, 4),
            "share_of_keyframes": round(column_bytes(console, "terminalkeyframe", "data") / size, 4),
            "share_of_text": round(column_bytes(console, "terminaltext", "data") / size, 4),
        }
        if options.engine == "postgres":
            figures["database_cpu_s"] = round(console.database_processor_seconds() - before, 2)
    say(f"{kind} of {megabytes} MB  {figures}")
    return figures
