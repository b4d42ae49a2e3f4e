"""What the benchmarks share: their options, a console of their own on a fresh database, and the line they print."""

import json
import os
import platform
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal
from unittest import mock
from urllib.parse import unquote, urlsplit

import psutil  # type: ignore[import-untyped]  # its types are a package of their own

from benchmarks.processes import Costs, Failed, measured, processor_seconds
from tests import postgres

type Engine = Literal["sqlite", "postgres"]
ENGINES: tuple[Engine, ...] = ("sqlite", "postgres")

ROOT = Path(__file__).resolve().parent.parent
SCRATCH = ROOT / ".cache" / "benchmarks"
SCROLLBACK = Path(sys.executable).parent / "scrollback"
MB = 1_000_000
_PROBE_STEPS = 2_000_000
# Some two milliseconds, beside each sample.
_SHORT_PROBE_STEPS = 30_000
# The server of the tests forgets about durability; what is measured must not.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "autovacuum": "on"}


@dataclass(frozen=True)
class Options:
    """What the command line asked for. An empty `sizes` means those that the benchmark has by default."""

    engine: Engine
    sizes: tuple[int, ...] = ()
    quick: bool = False
    with_peer: bool = True
    # Instead of as many as a benchmark takes by default.
    samples: int | None = None

    def scaled(self, *defaults: int) -> tuple[int, ...]:
        """The sizes to measure at: those that were asked for, else the defaults, a tenth of them when quick."""
        return self.sizes or tuple(max(1, size // 10) if self.quick else size for size in defaults)

    def requests(self, full: int = 200) -> int:
        """How many samples a percentile is made of."""
        return self.samples or (max(5, full // 10) if self.quick else full)


class Console:
    """An installed Scrollback with an empty, migrated database and a data directory of its own."""

    def __init__(self, folder: Path, engine: Engine, database_url: str) -> None:
        self.folder = folder
        self.engine = engine
        self.home = folder / "home"
        self.home.mkdir(mode=0o700)
        self.secret_key = secrets.token_urlsafe(48)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SCROLLBACK_")},
            "SCROLLBACK_HOME": str(self.home),
            # Where a verification remembers heads: not among those of whoever measures.
            "XDG_STATE_HOME": str(folder / "state"),
            "SCROLLBACK_DATABASE_URL": database_url,
            "SCROLLBACK_SECRET_KEY": self.secret_key,
            "SCROLLBACK_LOG_LEVEL": "WARNING",
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        }
        self.database_url = database_url

    def measured(self, *arguments: str, accept: Sequence[int] = (0,)) -> Costs:
        """Run a `scrollback` command. Processor time is that of the command, without a database server's."""
        return measured([str(SCROLLBACK), *arguments], self.environment, accept=accept)

    def database_processor_seconds(self) -> float:
        """What the Postgres server has used so far; 0 on SQLite, which works inside the command."""
        if self.engine == "sqlite":
            return 0.0
        folder = Path(unquote(urlsplit(self.database_url).netloc.partition("@")[2]))
        process_id = int((folder / "cluster" / "postmaster.pid").read_text().split()[0])
        return processor_seconds(psutil.Process(process_id))

    def database_bytes(self) -> int:
        from dashboard.lib.db import database_size

        return database_size()

    def use_here(self) -> None:
        """Set Django up in this process, on the console's database. Once per process."""
        os.environ.update(self.environment)
        import django

        django.setup()


@contextmanager
def fresh_console(engine: Engine, *, keep: bool = False) -> Iterator[Console]:
    """A console below .cache/benchmarks, gone afterwards unless it is to be kept."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{engine}-", dir=SCRATCH))
    try:
        if engine == "sqlite":
            yield _migrated(Console(folder, engine, f"sqlite:///{folder}/home/scrollback.sqlite3"))
            return
        with mock.patch.dict(postgres.SERVER_OPTIONS, DURABLE), postgres.running_postgres() as url:
            yield _migrated(Console(folder, engine, url))
    finally:
        if keep:
            say(f"kept {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


_empty_file = b""


def copy_tables(file: Path) -> None:
    """Let every console on SQLite begin with a copy of this file, instead of making its tables."""
    global _empty_file
    _empty_file = file.read_bytes()


def _migrated(console: Console) -> Console:
    """Make the tables. On SQLite the second console of a process gets a copy of the first one's, as it began."""
    global _empty_file
    file = console.home / "scrollback.sqlite3"
    if console.engine == "sqlite" and _empty_file:
        file.write_bytes(_empty_file)
        return console
    command = [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity", "0"]
    done = subprocess.run(command, env=console.environment, cwd=ROOT, text=True, capture_output=True)
    if done.returncode:
        raise Failed(f"the database could not be prepared: {done.stderr.strip()[-500:]}")
    if console.engine == "sqlite":
        _empty_file = file.read_bytes()
    return console


def say(text: str) -> None:
    """Progress, for whoever is watching; standard output is for the result alone."""
    print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Cost:
    """Of one call in this thread."""

    wall_ms: float
    processor_ms: float


def timed(action: Callable[[], object]) -> Cost:
    started, processor = time.perf_counter(), time.thread_time()
    action()
    return Cost((time.perf_counter() - started) * 1000, (time.thread_time() - processor) * 1000)


def percentiles(milliseconds: Sequence[float]) -> dict[str, float | int]:
    """p50 and p95 in milliseconds, by nearest rank: each is one of the samples."""
    ordered = sorted(milliseconds)
    middle, high = (ordered[-(-percent * len(ordered) // 100) - 1] for percent in (50, 95))
    return {"samples": len(ordered), "p50_ms": round(middle, 2), "p95_ms": round(high, 2)}


def p50_and_p99(milliseconds: Sequence[float]) -> dict[str, float]:
    """The same with the rarest in view: who waits among many. Of no samples they are 0."""
    ordered = sorted(milliseconds)
    p50, p99 = (ordered[-(-percent * len(ordered) // 100) - 1] if ordered else 0.0 for percent in (50, 99))
    return {"samples": len(ordered), "p50_ms": round(p50, 2), "p99_ms": round(p99, 2)}


class Pace:
    """How fast the processor is between two samples. Neighbours on its core halve its speed, seconds at a time."""

    # Of the fastest that was seen: what counts as full speed, and how many samples are worth percentiles.
    FULL = 1.15
    LEAST_SAMPLES = 20

    def __init__(self) -> None:
        self._costs: list[Cost] = []
        self._paces: list[float] = [_probe_ms(_SHORT_PROBE_STEPS)]

    def take(self, cost: Cost) -> None:
        self._costs.append(cost)
        self._paces.append(_probe_ms(_SHORT_PROBE_STEPS))

    @property
    def slowdown(self) -> float:
        """The median pace, as a multiple of the fastest."""
        ordered = sorted(self._paces)
        return round(ordered[len(ordered) // 2] / ordered[0], 2)

    def at_full_speed(self) -> dict[str, float | int] | None:
        """Percentiles of the samples before and after which the processor ran at full speed; None of too few."""
        most = min(self._paces) * self.FULL
        samples = [
            cost.wall_ms
            for cost, before, after in zip(self._costs, self._paces, self._paces[1:], strict=False)
            if before <= most and after <= most
        ]
        return percentiles(samples) if len(samples) >= self.LEAST_SAMPLES else None


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_mb": psutil.virtual_memory().total // MB,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "versions": {name: version(name) for name in ("scrollback", "django", "channels", "daphne")},
        "load_at_start": _load(),
        "probe_ms_at_start": _probe_ms(),
    }


def result_line(name: str, options: Options, began: Mapping[str, Any], figures: Mapping[str, Any]) -> str:
    """The one line of JSON that a benchmark prints."""
    return json.dumps(
        {
            "name": name,
            "engine": options.engine,
            "quick": options.quick,
            **figures,
            "machine": {**began, "load_at_end": _load(), "probe_ms_at_end": _probe_ms()},
        }
    )


def _probe_ms(steps: int = _PROBE_STEPS) -> float:
    """Processor milliseconds of a fixed piece of work: how fast this machine is at the moment, neighbours included."""
    began, total = time.process_time(), 0
    for number in range(steps):
        total += number * number
    return round((time.process_time() - began) * 1000, 3)


def _load() -> list[float]:
    return [round(value, 2) for value in os.getloadavg()]
