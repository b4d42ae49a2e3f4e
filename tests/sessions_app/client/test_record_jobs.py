"""A recorder whose parent has its own way with jobs and children."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import termios
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions_app.client.spool import spools
from sessions_app.terminal.asciicast.model import Item
from tests.sessions_app.client.recorder import (
    ROOT,
    TIMEOUT_S,
    TerminalRecorder,
    command_line,
    run_recorder,
    wait_until,
)
from tests.sessions_app.terminal.recordings import output_of, read_all

# The recorder reaches no database.
pytestmark = [pytest.mark.once, pytest.mark.usefixtures("directory")]

#: Starts the recorder in the background, and is told by lines what to do with it. While it reads them the terminal
#: is in a mode of its own, as with any editor of lines. A job that runs is given it without a signal, as by bash.
SHELL = """
import contextlib, fcntl, os, signal, sys, termios, tty
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
modes = termios.tcgetattr(0)
tty.setcbreak(0)
job = os.fork()
if job == 0:
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])
# Refused when the job has done so and is somebody else by now.
with contextlib.suppress(PermissionError):
    os.setpgid(job, job)
print("job", job, flush=True)
for line in sys.stdin:
    if line == "fg\\n":
        termios.tcsetattr(0, termios.TCSADRAIN, modes)
        os.tcsetpgrp(0, job)
    if line == "bg\\n":
        os.killpg(job, signal.SIGCONT)
    if line == "wait\\n":
        print("the shell waits", flush=True)
    if line in ("fg\\n", "wait\\n"):
        _, status = os.waitpid(job, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            termios.tcsetattr(0, termios.TCSADRAIN, modes)
            tty.setcbreak(0)
            print("it was stopped by", os.WSTOPSIG(status), flush=True)
        else:
            print("it ended with", os.waitstatus_to_exitcode(status), flush=True)
        os.tcsetpgrp(0, os.getpgrp())
    if line == "exit\\n":
        break
    print("the shell read", line, flush=True)
"""


#: One that is always told that the terminal is its own, as it was a moment ago.
DECEIVED = """
import sys
from sessions_app.client import pseudoterminal, record

pseudoterminal.PersonsTerminal.is_ours = lambda self: True
sys.exit(record.main(sys.argv[1:]))
"""
SHELL_OF_DECEIVED = SHELL.replace("os.execv(", f"sys.argv[3] = {DECEIVED!r}\n    os.execv(")


@contextlib.contextmanager
def shell_with_job(
    *arguments: str, size: tuple[int, int] = (90, 30), launcher: str = SHELL
) -> Iterator[tuple[TerminalRecorder, int]]:
    """The shell, and the process id of the recorder. That is ended with it, and so is what it started."""
    with TerminalRecorder(*arguments, size=size, launcher=launcher) as shell:
        shell.read_until(b"\r\n")
        job = re.match(rb"job (\d+)\r\n", shell.shown)
        assert job, shell.shown
        try:
            yield shell, int(job[1])
        finally:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                started = Path(f"/proc/{int(job[1])}/task/{int(job[1])}/children").read_text()
                for process in (int(job[1]), *map(int, started.split())):
                    os.kill(process, signal.SIGKILL)


def is_raw(shell: TerminalRecorder) -> bool:
    """As the recorder sets it, and no shell."""
    return not shell.attributes()[tty.OFLAG] & termios.OPOST


def recorded(directory: Path) -> list[Item]:
    [spool] = spools(directory)
    return read_all(spool.recording.read_bytes())[1]


def test_a_recorder_in_the_background_does_not_stop(directory: Path) -> None:
    # Far more than a terminal holds that nobody reads.
    with shell_with_job("--", "sh", "-c", "seq 50000; exit 5") as (shell, _):
        modes = shell.attributes()
        shell.type(b"wait\n")
        shell.read_until(b"it ended with 5\r\n")
        assert shell.attributes() == modes
        shell.type(b"exit\n")
        assert shell.end() == 0
    assert output_of(recorded(directory)).endswith(b"\r\n50000\r\n")


def test_keys_are_the_shells_until_the_job_is_in_the_foreground(directory: Path) -> None:
    program = "echo ready; while read line; do echo got $line; done; exit 6"
    with shell_with_job("--input", "--", "sh", "-c", program) as (shell, _):
        shell.read_until(b"ready")
        shell.type(b"one\n")
        shell.read_until(b"the shell read one\r\n")
        # It is told of no change of size either, as that is not its terminal then.
        shell.set_size((100, 40))
        shell.type(b"fg\n")
        wait_until(lambda: is_raw(shell), "the terminal never got raw")
        shell.type(b"two\r")
        shell.read_until(b"got two\r\n")
        shell.type(b"\x04")
        shell.read_until(b"it ended with 6\r\n")
        assert shell.attributes() == shell.attributes_before
    output = output_of(recorded(directory))
    assert b"got one" not in output
    # Its own terminal echoes, whatever mode the shell had the person's in.
    assert output.startswith(b"ready\r\ntwo\r\ngot two\r\n")
    assert b'"r", "100x40"' in spools(directory)[0].recording.read_bytes()


def stop_in_the_foreground(shell: TerminalRecorder, job: int) -> None:
    """Bring the job there, stop it and let it go on in the background."""
    shell.read_until(b"ready")
    shell.type(b"fg\n")
    wait_until(lambda: is_raw(shell), "the terminal never got raw")
    os.killpg(job, signal.SIGTSTP)
    shell.read_until(b"it was stopped by %d\r\n" % signal.SIGTSTP)
    shell.type(b"bg\n")
    shell.read_until(b"the shell read bg\r\n")


def test_a_job_that_was_stopped_goes_on_in_the_background(directory: Path, tmp_path: Path) -> None:
    goes_on = tmp_path / "go on"
    program = f"echo ready; while ! test -e '{goes_on}'; do sleep 0.05; done; seq 50000; exit 7"
    with shell_with_job("--", "sh", "-c", program) as (shell, job):
        stop_in_the_foreground(shell, job)
        modes = shell.attributes()
        goes_on.touch()
        shell.type(b"wait\n")
        shell.read_until(b"it ended with 7\r\n")
        assert shell.attributes() == modes
    assert output_of(recorded(directory)).endswith(b"\r\n50000\r\n")


def test_a_job_that_was_stopped_is_raw_again_in_the_foreground(directory: Path) -> None:
    program = "echo ready; while read line; do echo got $line; done; exit 6"
    with shell_with_job("--", "sh", "-c", program) as (shell, job):
        stop_in_the_foreground(shell, job)
        assert not is_raw(shell)
        shell.type(b"fg\n")
        wait_until(lambda: is_raw(shell), "the terminal never got raw again")
        shell.type(b"two\r")
        shell.read_until(b"got two\r\n")
        shell.type(b"\x04")
        shell.read_until(b"it ended with 6\r\n")
        assert shell.attributes() == shell.attributes_before


def test_a_terminal_that_goes_to_another_job_this_very_moment_stops_nobody(directory: Path) -> None:
    with shell_with_job(
        "--", "sh", "-c", "stty sane; echo ready; cat; exit 8", launcher=SHELL_OF_DECEIVED
    ) as (
        shell,
        _,
    ):
        shell.read_until(b"ready")
        assert not is_raw(shell)
        modes = shell.attributes()
        shell.type(b"wait\n")
        shell.read_until(b"the shell waits\r\n")
        # It tries to read this, which fails as at the end of all input.
        shell.type(b"one\n")
        shell.read_until(b"it ended with 8\r\n")
        assert shell.attributes() == modes


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
