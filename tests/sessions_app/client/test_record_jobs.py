"""A recorder whose parent has its own way with jobs and children."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sessions_app.client.recorder import (
    ROOT,
    TIMEOUT_S,
    command_line,
    run_recorder,
)

# The recorder reaches no database.
pytestmark = [pytest.mark.once, pytest.mark.usefixtures("directory")]

#: A parent that does not want to hear of its children, and one that hears of them in a way of its own.
DEAF = {
    "ignored": "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
    "blocked": "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])",
}


def run_deaf(parent: str, *command: str) -> subprocess.CompletedProcess[bytes]:
    """Run the recorder, with an input that does not end."""
    program = f"import os, signal, sys; {DEAF[parent]}; os.execv(sys.argv[1], sys.argv[1:])"
    keys, keyboard = os.pipe()
    try:
        return subprocess.run(
            [sys.executable, "-c", program, *command_line("--", *command)],
            stdin=keys,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
            cwd=ROOT,
        )
    finally:
        os.close(keys)
        os.close(keyboard)


@pytest.mark.parametrize("parent", DEAF)
@pytest.mark.parametrize(("program", "status"), [("exit 3", 3), ("sleep 0.2; kill -9 $$", 128 + 9)])
def test_the_exit_status_is_known_whatever_a_parent_does_with_its_childrens(
    directory: Path, parent: str, program: str, status: int
) -> None:
    done = run_deaf(parent, "sh", "-c", f"echo hi; {program}")
    assert (done.returncode, done.stdout) == (status, b"hi\r\n")
    assert done.stderr.count(b"\n") == 1
    assert b"it is kept, send it with" in done.stderr


@pytest.mark.parametrize("parent", DEAF)
def test_a_command_that_is_not_there_is_known_whatever_a_parent_does(directory: Path, parent: str) -> None:
    done = run_deaf(parent, "no-such-program-anywhere")
    assert done.returncode == 127
    assert done.stderr == b"scrollback: no-such-program-anywhere: command not found\n"


@pytest.mark.parametrize(("parent", "kind"), [("ignored", "SigIgn"), ("blocked", "SigBlk")])
def test_the_program_hears_of_its_children_as_without_a_recorder(
    directory: Path, parent: str, kind: str
) -> None:
    # A shell would set some of it anew.
    for done, heard in (
        (run_deaf(parent, "grep", kind, "/proc/self/status"), False),
        (run_recorder("--", "grep", kind, "/proc/self/status"), True),
    ):
        assert (int(done.stdout.split()[1], 16) & (1 << (signal.SIGCHLD - 1)) == 0) is heard
