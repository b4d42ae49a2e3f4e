"""The first start on an empty database, by several programs at once and by one that is killed."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.dashboard.commands.shell import Shell

# The very program, which kills itself before it records its n-th migration.
KILLED = """
import os, signal, sys
from django.db.migrations.recorder import MigrationRecorder
from dashboard.cli import main

record, left = MigrationRecorder.record_applied, int(sys.argv.pop())

def record_or_die(*arguments):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    record(*arguments)

MigrationRecorder.record_applied = record_or_die
main()
"""


def test_commands_that_meet_an_empty_database_at_once_all_succeed(first_shell: Shell) -> None:
    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(lambda _: first_shell.run("list", "--json"), range(4)))

    assert [(each.returncode, each.stderr) for each in ended] == [(0, b"")] * 4


@pytest.mark.parametrize("migration", [1, 5, 16])
def test_a_first_start_that_was_killed_is_made_good_by_the_next_command(
    first_shell: Shell, migration: int
) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, "list", str(migration)],
        env=first_shell.environment,
        capture_output=True,
    )

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert first_shell.json("list") == {"sessions": [], "has_more": False}
    assert b"up to date" in first_shell.run("doctor").stdout
