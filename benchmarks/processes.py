"""What a program costs while it runs: time on the clock, time on the processors, memory of its whole tree."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil  # type: ignore[import-untyped]  # its types are a package of their own

SAMPLE_EVERY_S = 0.05


class Failed(RuntimeError):
    """A program that is measured ended badly, or something that it needs is not there."""


@dataclass(frozen=True)
class Costs:
    """Of one run of a program. `peak_bytes` is the largest sum of resident memory over its process tree.

    `errors` is what it wrote on standard error.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int
    output: bytes
    errors: bytes


def measured(
    command: Sequence[str], environment: Mapping[str, str], *, accept: Iterable[int] = (0,)
) -> Costs:
    """Run a program to its end. Processor time includes every child that it waited for. Raises Failed."""
    started = time.monotonic()
    with (
        tempfile.TemporaryFile() as told,
        subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=told
        ) as process,
    ):
        assert process.stdout is not None
        with PeakMemory(process.pid) as memory:
            output = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            wall_s = time.monotonic() - started
        told.seek(0)
        errors = told.read()
    sys.stderr.write(errors.decode("utf-8", "replace"))
    if process.returncode not in accept:
        raise Failed(f"{Path(command[0]).name} ended with status {process.returncode}")
    # The kernel's own maximum is of one process, but it misses no moment.
    peak = max(memory.peak_bytes, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
    return Costs(wall_s, usage.ru_utime + usage.ru_stime, peak, output, errors)


def resident_bytes(root: psutil.Process) -> int:
    """Resident memory of a process and all below it; what ends meanwhile counts nothing."""
    return sum(own_resident_bytes(process) for process in tree(root))


def processor_seconds(root: psutil.Process) -> float:
    """Processor time of a process, of all below it, and of its children that have ended."""
    total = 0.0
    for process in tree(root):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
        if process.pid == root.pid:
            total += times.children_user + times.children_system
    return total


def tree(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def own_resident_bytes(process: psutil.Process) -> int:
    """Resident memory of a process alone; 0 once it has ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


class PeakMemory(threading.Thread):
    """Looks at the resident memory of a process again and again, meanwhile in a thread of its own.

    `first_bytes` is what it began with. `resident` is what is looked at: of a process and all below it, or of it alone.
    """

    def __init__(
        self,
        process_id: int,
        resident: Callable[[psutil.Process], int] = resident_bytes,
        *,
        every_s: float = SAMPLE_EVERY_S,
    ) -> None:
        super().__init__(daemon=True)
        self._root = psutil.Process(process_id)
        self._resident = resident
        self._every_s = every_s
        self._over = threading.Event()
        self.first_bytes = self.peak_bytes = self._resident(self._root)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()
        self._look()

    def run(self) -> None:
        while not self._over.wait(self._every_s):
            self._look()

    def _look(self) -> None:
        self.peak_bytes = max(self.peak_bytes, self._resident(self._root))


class Following:
    """A program that runs beside the benchmark and is ended by it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._command = command
        self._environment = dict(environment)
        self._log = log

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def process_id(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def check(self) -> None:
        """Raises Failed when it has ended by itself."""
        if self._process.poll() is not None:
            raise Failed(f"{Path(self._command[0]).name} ended by itself:\n{self.output[-2000:]}")
