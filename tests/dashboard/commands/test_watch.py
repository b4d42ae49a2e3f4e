"""`scrollback watch`: what it says of histories that grow, in a pipe and on a terminal."""

import os
import re
import select
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from dashboard.watch_report import MAX_LISTED_FILES, QUIET_SECONDS, Pipe, WatchReport
from sessions_app.actions.imports import ImportCounts
from sessions_app.importers.report import Report
from tests.dashboard.commands.shell import Shell
from tests.factories import make_session
from tests.launching import launch
from tests.samples import sample

HISTORY = "codex/sessions/rollout-2026-02-23T12-41-04-019c8a4d-8f45-7010-8b5d-7fad920aa6f9.jsonl"
PATIENCE_S = 30.0


class Said:
    """A file that keeps what is written to it; `lines` takes it away."""

    def __init__(self) -> None:
        self._written: list[str] = []

    def write(self, text: str) -> int:
        self._written.append(text)
        return len(text)

    def flush(self) -> None:
        """Everything is there already."""

    def lines(self) -> list[str]:
        written, self._written = "".join(self._written), []
        return written.splitlines()


class Watch:
    """A report to a pipe, on a clock that is set by hand."""

    def __init__(self) -> None:
        self.output, self.errors, self.now = Said(), Said(), 100.0
        self.report = WatchReport(Pipe(self.output, self.errors), lambda: self.now)  # type: ignore[arg-type]
        self.report.take(Report())

    def grow(self, **lines: int) -> None:
        self.report.take(Report(lines=Counter(lines)))


def test_a_file_that_grows_all_the_time_is_told_once_a_second_and_nothing_is_left_out() -> None:
    watch = Watch()
    said = []
    for _ in range(30):
        watch.grow(a=1)
        watch.now += QUIET_SECONDS / 8
        said += watch.output.lines()
    watch.report.close()
    said += watch.output.lines()

    assert said == ["a: 1 new line", *["a: 8 new lines"] * 3, "a: 5 new lines"]


def test_the_last_lines_of_a_burst_are_told_when_nothing_follows() -> None:
    watch = Watch()
    watch.grow(a=1)
    watch.grow(a=4)
    assert watch.output.lines() == ["a: 1 new line"]

    watch.now += QUIET_SECONDS
    watch.report.tick()
    assert watch.output.lines() == ["a: 4 new lines"]
    watch.report.tick()
    assert watch.output.lines() == []


def test_each_file_has_its_own_second_and_very_many_are_told_in_sum() -> None:
    watch = Watch()
    watch.grow(a=1)
    watch.grow(b=2)
    assert watch.output.lines() == ["a: 1 new line", "b: 2 new lines"]

    watch.grow(**{f"f{number:02}": 1 for number in range(MAX_LISTED_FILES + 5)})
    lines = watch.output.lines()
    assert len(lines) == MAX_LISTED_FILES + 1
    assert lines[-1] == "… and 5 other files: 5 new lines"


def test_what_stays_wrong_is_said_once_and_again_when_it_comes_back() -> None:
    watch = Watch()
    broken = Report(errors={"a": "permission denied"})
    for report in (broken, broken, Report(lines=Counter(a=1)), broken):
        watch.report.take(report)

    assert watch.errors.lines() == ["a: permission denied"] * 2


def test_a_database_that_is_away_from_the_start_does_not_count_as_the_first_look() -> None:
    watch = Watch()
    report = WatchReport(Pipe(watch.output, watch.errors))  # type: ignore[arg-type]
    report.take(Report(errors={"database": "it is away"}))
    report.take(Report(counts=ImportCounts(bytes=10, sources=1), lines=Counter(a=5)))

    assert watch.errors.lines() == ["database: it is away"]
    assert watch.output.lines()[0].startswith("0 sessions, 0 runs, 0 messages")


def test_lines_that_could_not_be_read_go_to_standard_error() -> None:
    watch = Watch()
    watch.report.take(Report(lines=Counter(a=3), skipped=Counter(a=1)))
    watch.report.take(Report(lines=Counter(a=3), skipped=Counter(a=2)))
    watch.report.close()

    assert watch.errors.lines() == ["a: 1 line could not be read", "a: 2 lines could not be read"]


@pytest.mark.django_db
def test_a_new_session_is_named_with_what_show_takes() -> None:
    session = make_session(title="Fix the \x1b[2J login form")
    watch = Watch()
    watch.report.take(Report(counts=ImportCounts(sessions=1, new_sessions=[session.pk])))

    (line,) = watch.output.lines()
    assert line.startswith(f"new session  {session.pk.hex[-8:]}  ")
    assert line.endswith("Fix the [2J login form")


class Program:
    """`scrollback watch` on a folder that holds the beginning of one history."""

    def __init__(self, shell: Shell, folder: Path, output: int) -> None:
        folder.mkdir()
        self.path = folder / Path(HISTORY).name
        self.lines = sample(HISTORY).read_bytes().splitlines(keepends=True)
        self.path.write_bytes(b"".join(self.lines[:5]))
        self.process = launch(
            "watch",
            str(folder),
            env=shell.environment | {"TERM": "xterm", "COLUMNS": "100"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
        )

    def append(self, first: int, last: int, pause_s: float = 0.0) -> None:
        for line in self.lines[first:last]:
            with self.path.open("ab") as handle:
                handle.write(line)
            # As an agent writes: each line may be a pass of its own.
            time.sleep(pause_s)

    def end(self) -> tuple[int, bytes]:
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, errors


def read_until(output: int, condition: Callable[[str], bool]) -> str:
    """What comes until the condition holds for all of it. Fails with what came when it does not in time."""
    read, deadline = b"", time.monotonic() + PATIENCE_S
    while not condition(read.decode("utf-8", "replace")):
        assert time.monotonic() < deadline, read
        if select.select([output], [], [], 0.1)[0]:
            read += os.read(output, 65536)
    return read.decode("utf-8", "replace")


def told(text: str) -> list[int]:
    """How many new lines each line speaks of."""
    return [int(number) for number in re.findall(r"^\S+\.jsonl: (\d+) new lines?$", text, re.MULTILINE)]


def test_in_a_pipe_many_appended_records_are_a_few_lines(shell: Shell, tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    program = Program(shell, tmp_path / "histories", write_end)
    os.close(write_end)
    try:
        text = read_until(read_end, lambda text: text.endswith("\n"))
        assert text.startswith("1 session, 1 run, ")
        started = time.monotonic()
        program.append(5, 65, pause_s=0.04)
        text = read_until(read_end, lambda text: sum(told(text)) == 60)
        most = (time.monotonic() - started) / QUIET_SECONDS + 2
    finally:
        status, errors = program.end()
        os.close(read_end)

    assert len(told(text)) <= most, text
    assert status == 0
    assert errors.decode().count("\n") == 1, errors


def test_on_a_terminal_growth_is_one_line_that_changes(shell: Shell, tmp_path: Path) -> None:
    keyboard, screen = os.openpty()
    program = Program(shell, tmp_path / "histories", screen)
    os.close(screen)
    try:
        read_until(keyboard, lambda text: "1 session, 1 run, " in text)
        program.append(5, 6)
        read_until(keyboard, lambda text: "1 new line so far" in text)
        program.append(6, 8)
        text = read_until(keyboard, lambda text: "3 new lines so far" in text)
    finally:
        status, _ = program.end()
        os.close(keyboard)

    assert status == 0
    # It goes back to the beginning of the line instead of on to the next one.
    assert "\r\x1b[2K" in text
    assert text.rpartition("so far")[0].count("\n") == 0, text
