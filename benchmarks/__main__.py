"""python3 dev.py bench [NAME…]: run benchmarks, one line of JSON for each on standard output."""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.harness import ENGINES, Options, copy_tables, fresh_console, machine, result_line, say
from benchmarks.processes import Failed

BENCHMARKS = {
    "set-up": "benchmarks.set_up",
    "import": "benchmarks.import_histories",
    "rescan": "benchmarks.rescan",
    "session-list": "benchmarks.session_list",
    "audit-pages": "benchmarks.audit_pages",
    "audit-append": "benchmarks.audit_append",
    "audit-verify": "benchmarks.audit_verify",
    "audit-seal": "benchmarks.audit_seal",
    "audit-tampering": "benchmarks.audit_tampering",
    "open-session": "benchmarks.open_session",
    "append-to-page": "benchmarks.append_to_page",
    "idle": "benchmarks.idle",
    "terminal-follow": "benchmarks.terminal_follow",
    "terminal-ingest": "benchmarks.terminal_ingest",
    "terminal-append": "benchmarks.terminal_append",
    "terminal-floor": "benchmarks.terminal_floor",
    "terminal-screen": "benchmarks.terminal_screen",
    "terminal-search": "benchmarks.terminal_search",
    "terminal-seek": "benchmarks.terminal_seek",
    "terminal-attach": "benchmarks.terminal_attach",
    "terminal-latency": "benchmarks.terminal_latency",
    "terminal-viewers": "benchmarks.terminal_viewers",
    "terminal-stalled": "benchmarks.terminal_stalled",
    "terminal-wall": "benchmarks.terminal_wall",
    "terminal-fuzz": "benchmarks.terminal_fuzz",
    "record-overhead": "benchmarks.record_overhead",
}


def main(arguments: Sequence[str]) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    names = options.names or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark named {', '.join(sorted(unknown))}")
    engines = ENGINES if options.engine == "both" else (options.engine,)
    if len(names) == len(engines) == 1:
        return _run_here(names[0], options)
    # Each in a process of its own: Django is bound to one database, and no benchmark inherits another's memory.
    statuses = [
        subprocess.run(
            [sys.executable, "-m", "benchmarks", name, *_passed_on(options), "--engine", engine]
        ).returncode
        for engine in engines
        for name in names
    ]
    return max(statuses)


def _run_here(name: str, options: argparse.Namespace) -> int:
    asked = Options(options.engine, tuple(options.size), options.quick, options.peer, options.samples)
    say(f"\n=== {name} on {options.engine}")
    if options.tables:
        copy_tables(options.tables)
    began = machine()
    try:
        with fresh_console(asked.engine, keep=options.keep) as console:
            figures = import_module(BENCHMARKS[name]).run(asked, console)
    except Failed as failure:
        say(f"{name} on {options.engine} failed: {failure}")
        return 1
    print(result_line(name, asked, began, figures), flush=True)
    return 0


def _passed_on(options: argparse.Namespace) -> list[str]:
    return [
        *(part for size in options.size for part in ("--size", str(size))),
        *(["--quick"] if options.quick else []),
        *([] if options.peer else ["--no-peer"]),
        *(["--samples", str(options.samples)] if options.samples else []),
        *(["--keep"] if options.keep else []),
        *(["--tables", str(options.tables)] if options.tables else []),
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dev.py bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--engine", choices=[*ENGINES, "both"], default="both")
    parser.add_argument(
        "--size", type=int, action="append", default=[], help="instead of the default; repeatable"
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the default size")
    parser.add_argument(
        "--samples", type=int, metavar="N", help="what a percentile is made of, instead of the default"
    )
    parser.add_argument("--no-peer", dest="peer", action="store_false", help="leave the other program out")
    parser.add_argument("--keep", action="store_true", help="leave the scratch files in .cache/benchmarks")
    parser.add_argument(
        "--tables",
        type=Path,
        metavar="FILE",
        help="on SQLite, begin with a copy of this migrated, empty database instead of making the tables",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
