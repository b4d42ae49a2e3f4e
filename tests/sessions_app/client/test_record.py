"""A recorded program does what it would do without a recorder, and all that it showed is written down."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from sessions_app.client.keeper import KILLED_LABEL, Patience
from sessions_app.client.spool import Spool, spools
from sessions_app.terminal.asciicast.model import Exit, Item, Resize
from tests.sessions_app.client import recorder
from tests.sessions_app.client.recorder import (
    RECORD,
    ROOT,
    TerminalRecorder,
    command_line,
    piped_recorder,
    run_recorder,
    wait_until,
)
from tests.sessions_app.terminal.recordings import input_of, output_of, read_all

#: These tests need no server: the recording stays in the spool, where they look at it.
# The recorder reaches no database.
pytestmark = [pytest.mark.once, pytest.mark.usefixtures("directory")]


def only_spool(directory: Path) -> Spool:
    [spool] = spools(directory)
    return spool


def recorded(directory: Path) -> list[Item]:
    return read_all(only_spool(directory).recording.read_bytes())[1]


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("exit 0", 0),
        ("exit 3", 3),
        ("exit 255", 255),
        ("kill -9 $$", 128 + 9),
        ("kill -TERM $$", 128 + 15),
        ("kill -SEGV $$", 128 + 11),
        ("kill -PIPE $$", 128 + 13),
    ],
)
def test_the_exit_status_is_that_of_the_program(directory: Path, program: str, status: int) -> None:
    assert run_recorder("--", "sh", "-c", f"echo hi; {program}").returncode == status
    items = recorded(directory)
    assert output_of(items) == b"hi\r\n"
    assert items[-1] == Exit(items[-1].time_us if isinstance(items[-1], Exit) else -1, status)


def test_a_command_that_is_not_there_ends_with_127_and_one_line(directory: Path) -> None:
    for command in ("no-such-program-anywhere", "./neither/here"):
        done = run_recorder("--", command)
        assert done.returncode == 127
        assert done.stderr == f"scrollback: {command}: command not found\n".encode()
    assert spools(directory) == []


def test_a_command_that_cannot_be_run_ends_with_126(directory: Path, tmp_path: Path) -> None:
    done = run_recorder("--", str(tmp_path))

    assert done.returncode == 126
    assert b"Permission denied" in done.stderr
    assert spools(directory) == []


def test_a_script_without_an_interpreter_line_is_run_by_the_shell(directory: Path, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("echo $1; exit 5\n")
    script.chmod(0o700)
    done = run_recorder("--", str(script), "argument")

    assert (done.returncode, done.stdout) == (5, b"argument\r\n")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--"],
        ["--session", "nonsense", "--", "true"],
        ["--server", "ftp://x", "--", "true"],
        ["a", "--", "b"],
    ],
)
def test_what_makes_no_sense_is_refused_with_2(directory: Path, arguments: list[str]) -> None:
    done = run_recorder(*arguments)

    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr


def test_options_of_the_program_are_its_own(directory: Path) -> None:
    assert run_recorder("echo", "--title", "x").stdout == b"--title x\r\n"
    assert run_recorder("--title", "y", "--", "echo", "--", "--quiet").stdout == b"-- --quiet\r\n"
    assert spools(directory)[1].load().metadata.title == "y"


@pytest.mark.parametrize(
    ("kept", "host"),
    [
        (b"attic\n", "attic"),
        (None, socket.gethostname()),
        # What is wrong with it is no reason to record nothing.
        (b"", socket.gethostname()),
        (b"a\nb\n", socket.gethostname()),
        (b"\xff", socket.gethostname()),
        (b"x" * 256, socket.gethostname()),
    ],
)
def test_a_recording_names_the_machine_as_the_server_does(
    directory: Path, kept: bytes | None, host: str
) -> None:
    if kept is not None:
        (directory / "machine.name").write_bytes(kept)
    assert run_recorder("true").returncode == 0
    assert spools(directory)[0].load().metadata.host == host


def test_output_of_any_bytes_reaches_the_person_and_the_spool_unchanged(
    directory: Path, tmp_path: Path
) -> None:
    """Bytes that are no UTF-8, characters cut between reads, NULs, escapes; more than many blocks."""
    chance = random.Random(5)
    output = chance.randbytes(300_000) + "żółć 😀 漢字 ".encode() * 20_000 + b"\xff\x00\x1b]0;"
    file = tmp_path / "output"
    file.write_bytes(output)
    done = run_recorder("--", "sh", "-c", 'stty raw; exec cat "$1"', "sh", str(file))

    assert done.returncode == 0
    assert done.stdout == output
    assert output_of(recorded(directory)) == output


def test_the_last_words_of_a_program_are_not_lost(directory: Path) -> None:
    program = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; echo the end"
    for _ in range(5):
        assert run_recorder("--quiet", "--", "sh", "-c", program).stdout.endswith(b"the end\r\n")
    assert all(
        output_of(read_all(spool.recording.read_bytes())[1]).count(b"\n") == 3001
        for spool in spools(directory)
    )


def test_what_is_written_between_the_last_look_and_the_end_is_copied() -> None:
    """A relay that hears of the end of the program before it sees its output."""
    program = """
import os, sys
from sessions_app.client import relay
from sessions_app.client.pseudoterminal import PersonsTerminal, Program

class Nobody:
    def take(self, event): pass
    def pause_due_s(self): return None
    def pause(self): pass

class Deaf(relay.Relay):
    def _wait(self):
        os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)
        return {self._wake_read}

program = Program(["sh", "-c", "echo last words"], (80, 24), None)
person = PersonsTerminal(0)
sys.exit(Deaf(program, person, Nobody(), record_input=False).run())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], stdin=subprocess.DEVNULL, capture_output=True, cwd=ROOT, check=True
    )

    assert done.stdout == b"last words\r\n"


def test_a_process_left_in_the_background_does_not_keep_the_recorder(directory: Path) -> None:
    started = time.monotonic()
    done = run_recorder("--", "sh", "-c", "sleep 30 & echo started")

    assert done.stdout == b"started\r\n"
    assert time.monotonic() - started < 15


def test_piped_input_is_typed_and_its_end_is_an_end_of_file(directory: Path) -> None:
    assert run_recorder("--", "cat", stdin=b"one\ntwo\n").stdout == b"one\r\ntwo\r\n"
    assert run_recorder("--", "cat", stdin=b"no line feed").stdout == b"no line feed"
    assert run_recorder("--", "cat", stdin=b"").stdout == b""


def test_every_reader_of_ended_input_is_told_so(directory: Path) -> None:
    """As with a file; a terminal tells only the first, and the next would wait for ever."""
    done = run_recorder("--", "sh", "-c", "cat; cat; read line; echo $?; cat; echo end", stdin=b"a\n")

    assert done.stdout == b"a\r\n1\r\nend\r\n"


def test_much_input_is_passed_on_as_fast_as_it_is_read(directory: Path) -> None:
    lines = b"".join(b"line %d\n" % n for n in range(20_000))
    done = run_recorder("--", "sh", "-c", "sleep 0.2; wc -l; wc -c", stdin=lines)

    assert done.stdout.split() == [b"20000", b"0"]


def test_the_window_without_a_terminal_is_that_of_the_environment(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "132")
    monkeypatch.setenv("LINES", "43")
    assert run_recorder("--", "stty", "size").stdout == b"43 132\r\n"
    monkeypatch.setenv("COLUMNS", "nonsense")
    monkeypatch.delenv("LINES")
    assert run_recorder("--", "stty", "size").stdout == b"24 80\r\n"


def test_the_window_of_the_terminal_is_copied_and_followed(directory: Path) -> None:
    program = "import os, signal, time\nsize = lambda *_: print(*os.get_terminal_size(), flush=True)\n"
    program += "signal.signal(signal.SIGWINCH, size); size()\nwhile True: time.sleep(1)"
    with TerminalRecorder("--", sys.executable, "-c", program, size=(91, 31)) as recorder:
        recorder.read_until(b"91 31\r\n")
        recorder.set_size((92, 32))
        recorder.read_until(b"92 32\r\n")
        recorder.set_size((120, 50))
        recorder.read_until(b"120 50\r\n")
        recorder.type(b"\x03")
        assert recorder.end() == 128 + signal.SIGINT

    reader, items = read_all(only_spool(directory).recording.read_bytes())
    assert reader.header is not None
    assert (reader.header.cols, reader.header.rows) == (91, 31)
    assert [(item.cols, item.rows) for item in items if isinstance(item, Resize)] == [(92, 32), (120, 50)]
    # A resize lies between what was shown in the old window and in the new one.
    first_resize = next(n for n, item in enumerate(items) if isinstance(item, Resize))
    assert output_of(items[:first_resize]) == b"91 31\r\n"


# The recorder, whose person changes the window while the function that {place} names is at work.
RESIZED_DURING = """
import fcntl, os, struct, sys, termios
from sessions_app.client import record
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
during = record.{place}
def resized(*arguments):
    done = during(*arguments)
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 32, 92, 0, 0))
    return done
record.{place} = resized
sys.exit(record.main(sys.argv[4:]))
"""


@pytest.mark.parametrize(
    ("place", "began", "resizes"),
    [
        # A server that is asked for a session may take seconds to answer.
        ("session_named", (92, 32), []),
        ("SpoolWriter.create", (91, 31), [(92, 32)]),
        ("Program", (91, 31), [(92, 32)]),
    ],
)
def test_a_window_that_changes_while_the_recorder_starts_is_followed(
    directory: Path, place: str, began: tuple[int, int], resizes: list[tuple[int, int]]
) -> None:
    # It ends by itself: one that is not told would outlive the test.
    program = (
        "for i in $(seq 500); do [ \"$(stty size)\" = '32 92' ] && echo followed && exit; sleep 0.02; done"
    )
    options = ("--session", "01990d0f-9d71-7bfc-9fb4-157fce49f601")
    with TerminalRecorder(
        *options, "--", "sh", "-c", program, size=(91, 31), launcher=RESIZED_DURING.format(place=place)
    ) as recorder:
        recorder.read_until(b"followed")
        assert recorder.end() == 0

    reader, items = read_all(only_spool(directory).recording.read_bytes())
    assert reader.header is not None
    assert (reader.header.cols, reader.header.rows) == began
    assert [(item.cols, item.rows) for item in items if isinstance(item, Resize)] == resizes


def test_keys_reach_the_program_as_they_are(directory: Path) -> None:
    program = "stty raw -echo; printf ready; dd bs=1 count=5 2>/dev/null | od -An -c"
    with TerminalRecorder("--", "sh", "-c", program) as recorder:
        recorder.read_until(b"ready")
        recorder.type(b"\x03\x1a\r\x1bz")
        shown = recorder.read_until(b"033")
        assert b"003 032  \\r 033   z" in shown
        assert recorder.end() == 0


def test_an_interrupt_key_interrupts_the_program_and_not_the_recorder(directory: Path) -> None:
    program = "trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.05; done"
    with TerminalRecorder("--", "sh", "-c", program) as recorder:
        recorder.read_until(b"ready")
        recorder.type(b"\x03")
        recorder.read_until(b"interrupted")
        assert recorder.end() == 9


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1]
)
def test_a_signal_to_the_recorder_is_passed_on(directory: Path, number: signal.Signals) -> None:
    name = number.name.removeprefix("SIG")
    program = f"trap 'echo got it; exit 7' {name}; echo ready; while :; do sleep 0.05; done"
    with piped_recorder("--quiet", "--", "sh", "-c", program) as recorder:
        assert recorder.stdout
        assert recorder.stdout.readline() == b"ready\r\n"
        recorder.send_signal(number)
        assert b"got it\r\n" in recorder.stdout.read()
        assert recorder.wait(20) == 7
    assert isinstance(recorded(directory)[-1], Exit)


@pytest.mark.parametrize("end", ["exit", "terminated", "killed program"])
def test_the_terminal_is_as_before_however_it_ends(directory: Path, end: str) -> None:
    with TerminalRecorder("--", "sh", "-c", "echo ready; while read line; do $line; done") as recorder:
        recorder.read_until(b"ready")
        wait_until(lambda: recorder.attributes() != recorder.attributes_before, "the terminal never got raw")
        if end == "exit":
            recorder.type(b"exit 4\r")
        elif end == "terminated":
            recorder.process.terminate()
        else:
            recorder.type(b"eval kill -9 $$\r")
        assert recorder.end() in (4, 128 + 15, 128 + 9)
        assert recorder.attributes() == recorder.attributes_before


def test_nothing_but_the_programs_output_is_on_standard_output(directory: Path) -> None:
    done = run_recorder("--title", "t", "--", "echo", "only this")

    assert done.stdout == b"only this\r\n"
    assert done.stderr.count(b"\n") == 1
    assert b"scrollback upload" in done.stderr


def test_quiet_says_nothing_at_all(directory: Path) -> None:
    with TerminalRecorder("--quiet", "--", "echo", "only this") as recorder:
        assert recorder.end() == 0
        assert recorder.shown == b"only this\r\n"


def test_input_is_recorded_only_when_asked_for(directory: Path) -> None:
    program = "stty -echo; printf 'name? '; read name; echo thanks"
    for option in ([], ["--input"]):
        with TerminalRecorder(*option, "--", "sh", "-c", program) as recorder:
            recorder.read_until(b"name? ")
            recorder.type(b"secret\r")
            recorder.read_until(b"thanks")
            assert recorder.end() == 0

    without, with_input = spools(directory)
    assert b"secret" not in without.recording.read_bytes()
    assert not without.load().metadata.input_recorded
    items = read_all(with_input.recording.read_bytes())[1]
    assert input_of(items) == b"secret\r"
    assert with_input.load().metadata.input_recorded


def test_a_full_disk_stops_the_recording_and_not_the_program(directory: Path) -> None:
    """A limit on the size of files stands for the disk; the program writes far more than fits."""
    # Of 512 bytes each: room for several of the largest pieces, as one that does not fit is left out.
    limit = ["sh", "-c", 'ulimit -f 400; exec "$@"', "sh"]
    program = "i=0; while [ $i -lt 20000 ]; do echo line number $i; i=$((i+1)); done; exit 5"
    done = run_recorder("--", "sh", "-c", program, prefix=limit)

    assert done.returncode == 5
    assert done.stdout.count(b"\r\n") == 20_000
    assert done.stderr.count(b"recording stopped") == 1
    # What was recorded until then is whole.
    spool = only_spool(directory)
    assert spool.recording.read_bytes().endswith(b"\n")
    kept = output_of(recorded(directory))
    assert done.stdout.startswith(kept)
    assert len(kept) > 10_000


def test_a_data_directory_that_cannot_be_written_does_not_stop_the_program(
    directory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SCROLLBACK_HOME", str(tmp_path / "file"))
    done = run_recorder("--", "sh", "-c", "echo runs; exit 6")

    assert (done.returncode, done.stdout) == (6, b"runs\r\n")
    assert done.stderr.startswith(b"scrollback: nothing is recorded")
    assert done.stderr.count(b"\n") == 1


def test_a_disk_that_is_full_from_the_start_leaves_no_files(directory: Path) -> None:
    done = run_recorder("--", "echo", "runs", prefix=["sh", "-c", 'ulimit -f 0; exec "$@"', "sh"])

    assert (done.returncode, done.stdout) == (0, b"runs\r\n")
    assert done.stderr.startswith(b"scrollback: nothing is recorded")
    assert list((directory / "spool").iterdir()) == []


# The recorder on a disk that has room for the beginning of a recording and for nothing behind it.
WITHOUT_ROOM = """
import errno, os, sys
from sessions_app.client import spool
from sessions_app.client.record import main
def no_room(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
spool.SpoolWriter.{place} = no_room
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("place", ["write_header", "note_masked"])
def test_what_is_said_not_to_be_recorded_leaves_nothing(
    directory: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(recorder, "RECORD", WITHOUT_ROOM.format(place=place))
    done = run_recorder("--", "sh", "-c", "ls -l /proc/$PPID/fd; exit 4")

    assert done.returncode == 4
    assert b"No space left on device" in done.stderr
    assert done.stderr.startswith(b"scrollback: nothing is recorded")
    assert done.stderr.count(b"\n") == 1
    assert list((directory / "spool").iterdir()) == []
    assert b" 0 -> " in done.stdout
    assert b".cast" not in done.stdout


def test_a_reader_that_goes_away_ends_the_program_as_it_would_without_a_recorder(directory: Path) -> None:
    with piped_recorder("--quiet", "--", "yes", input_text=subprocess.DEVNULL) as recorder:
        assert recorder.stdout
        assert recorder.stdout.readline() == b"y\r\n"
        recorder.stdout.close()
        assert recorder.wait(20) == 128 + signal.SIGHUP


def test_closed_standard_files_are_no_obstacle(directory: Path) -> None:
    closing = ["sh", "-c", 'exec "$@" <&- 2>&-', "sh"]
    done = run_recorder("--", "sh", "-c", "echo fine; cat; exit 8", prefix=closing)

    assert (done.returncode, done.stdout) == (8, b"fine\r\n")


def test_the_program_gets_the_signals_that_it_expects(directory: Path) -> None:
    """Python ignores some signals; a program that is started must find them as everywhere."""
    done = run_recorder("--", "sh", "-c", "grep SigIgn /proc/self/status; yes | head -1; echo end")

    ignored = int(done.stdout.split()[1], 16)
    assert ignored & (1 << (signal.SIGPIPE - 1)) == 0
    assert ignored & (1 << (signal.SIGXFSZ - 1)) == 0
    assert done.stdout.endswith(b"y\r\nend\r\n")


def test_the_program_is_in_charge_of_its_terminal(directory: Path) -> None:
    done = run_recorder(
        "--", "sh", "-c", "tty; test -t 0 && test -t 1 && test -t 2 && echo all; echo >/dev/tty"
    )

    assert done.stdout.startswith(b"/dev/")
    assert b"all\r\n" in done.stdout


def test_files_of_the_caller_are_passed_on_and_the_recorders_own_are_not(directory: Path) -> None:
    passing = ["sh", "-c", 'exec 7</etc/passwd; exec "$@"', "sh"]
    done = run_recorder("--", "sh", "-c", "ls /proc/self/fd; head -c 4 <&7", prefix=passing)

    descriptors, _, head = done.stdout.rpartition(b"\r\n")
    assert head == b"root"
    # 3 is the directory that ls reads.
    assert descriptors.split() == [b"0", b"1", b"2", b"3", b"7"]


def test_a_killed_recorder_leaves_all_that_was_seen(directory: Path) -> None:
    """What is not in the spool yet is with the keeper, which goes on."""
    with piped_recorder("--quiet", "--", "seq", "1", "300000", input_text=subprocess.DEVNULL) as recorder:
        assert recorder.stdout
        seen = recorder.stdout.read(200_000)
        recorder.kill()
        seen += recorder.stdout.read()
        recorder.wait()
    wait_until(lambda: b'"x", ""' in on_disk(directory), "the recording has no end")

    assert len(seen) >= 200_000
    assert output_of(read_all(on_disk(directory))[1]).startswith(seen)


def on_disk(directory: Path) -> bytes:
    return only_spool(directory).recording.read_bytes()


# A ring that is soon full.
WITH_SMALL_RING = """
import sys
from sessions_app.client import record
from sessions_app.client.ring import EventRing

record.EventRing = lambda: EventRing(1 << 20, 1 << 20)
sys.exit(record.main(sys.argv[1:]))
"""


# One that also has little patience.
IMPATIENT = WITH_SMALL_RING.replace("import record", "import keeper, record\nkeeper.PATIENCE_S = 1.0")


@contextlib.contextmanager
def stopped(process: int) -> Iterator[None]:
    """As a process that writes to a disk which does not answer."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@contextlib.contextmanager
def flooded(
    directory: Path, *before: str, then: str = "exit", options: Sequence[str] = ("--quiet",)
) -> Iterator[tuple[subprocess.Popen[bytes], int, int]]:
    """A recorder whose program prints four megabytes as soon as it reads a line; with that program's process id and
    the keeper's."""
    program = f"echo ready; read line; seq -f 'line number %.0f of the flood' 130000; echo over; {then}"
    command = [sys.executable, *before, *options, "--", "sh", "-c", program]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as recorder:
        children: list[int] = []
        try:
            wait_until(lambda: b'"o", "ready' in on_disk_or_nothing(directory), "it does not record")
            tasks = Path(f"/proc/{recorder.pid}/task/{recorder.pid}/children")
            children += [int(child) for child in tasks.read_text().split()]
            yield recorder, children[0], children[-1]
        finally:
            if recorder.poll() is None:
                for process in (recorder.pid, *children):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)


def on_disk_or_nothing(directory: Path) -> bytes:
    return on_disk(directory) if spools(directory) else b""


def shown_after_a_line(recorder: subprocess.Popen[bytes]) -> Callable[[], bytes]:
    """Let the program print; gives what was shown so far."""
    assert recorder.stdin
    assert recorder.stdout
    stdout, shown = recorder.stdout, bytearray()

    def read() -> None:
        while block := os.read(stdout.fileno(), 65_536):
            shown.extend(block)

    threading.Thread(target=read, daemon=True).start()
    recorder.stdin.write(b"go\n")
    recorder.stdin.flush()
    return lambda: bytes(shown)


def test_a_keeper_that_does_not_get_on_holds_nothing_up(directory: Path) -> None:
    with flooded(directory, "-c", RECORD) as (recorder, _, keeper):
        os.kill(keeper, signal.SIGSTOP)
        shown = shown_after_a_line(recorder)
        wait_until(lambda: shown().endswith(b"over\r\n"), "the program waits for the keeper")
        assert b"number 1 of" not in on_disk(directory)
        os.kill(keeper, signal.SIGCONT)
        assert recorder.wait(20) == 0
    assert output_of(recorded(directory)) == shown()


def test_a_keeper_that_is_told_to_end_records_to_the_end(directory: Path) -> None:
    """As every process is when a machine is shut down."""
    with flooded(directory, "-c", RECORD) as (recorder, _, keeper):
        os.kill(keeper, signal.SIGTERM)
        shown = shown_after_a_line(recorder)
        assert recorder.wait(20) == 0
    assert output_of(recorded(directory)) == shown()


def test_a_program_that_is_far_ahead_waits_and_nothing_is_lost(directory: Path) -> None:
    with flooded(directory, "-c", WITH_SMALL_RING) as (recorder, _, keeper):
        os.kill(keeper, signal.SIGSTOP)
        shown = shown_after_a_line(recorder)
        wait_until(lambda: len(shown()) > 700_000, "it waits before the ring is full")
        time.sleep(0.5)
        assert len(shown()) <= 1 << 20
        os.kill(keeper, signal.SIGCONT)
        wait_until(lambda: shown().endswith(b"over\r\n"), "it does not go on")
        assert recorder.wait(20) == 0
    assert output_of(recorded(directory)) == shown()


def test_a_keeper_that_never_gets_on_is_told_and_the_program_runs_on(directory: Path) -> None:
    with flooded(directory, "-c", IMPATIENT, options=()) as (recorder, _, keeper):
        with stopped(keeper):
            shown = shown_after_a_line(recorder)
            assert recorder.wait(20) == 0
            assert recorder.stderr
            told, at_the_end = recorder.stderr.read().splitlines()
        assert told.startswith(b"scrollback: recording stopped, the program runs on: nothing was written")
        assert b"is not on the server yet (not all of it is written down yet)" in at_the_end
        assert shown().endswith(b"over\r\n")
        # What it was given until then is written down when the disk answers again.
        wait_until(lambda: b'"x", ""' in on_disk(directory), "the recording has no end")
    kept = output_of(recorded(directory))
    assert len(kept) > 700_000
    assert shown().startswith(kept)
    assert not list((directory / "spool").glob("*.markers"))


def test_a_keeper_that_comes_back_too_late_records_no_more(directory: Path) -> None:
    """Else a recording would go on behind a hole of which it says nothing."""
    with flooded(directory, "-c", IMPATIENT, then="read line; echo after; read line") as (
        recorder,
        program,
        keeper,
    ):
        with stopped(keeper):
            shown = shown_after_a_line(recorder)
            wait_until(lambda: shown().endswith(b"over\r\n"), "the program waits for the keeper")
        assert recorder.stdin
        recorder.stdin.write(b"go\n")
        recorder.stdin.flush()
        wait_until(lambda: shown().endswith(b"after\r\n"), "it does not go on")
        recorder.kill()
        recorder.wait()
        wait_until(lambda: not Path(f"/proc/{program}").exists(), "nobody reads what the program writes")
        wait_until(lambda: b'"x", ""' in on_disk(directory), "the recording has no end")
    assert b"after" not in output_of(recorded(directory))
    assert KILLED_LABEL.encode() not in on_disk(directory)


def test_only_a_keeper_that_takes_nothing_for_long_is_given_up() -> None:
    now = 0.0
    patience = Patience(10.0, clock=lambda: now)

    def is_over_within(seconds: float, taken: int) -> bool:
        nonlocal now
        for _ in range(round(seconds * 20)):
            now += 0.05
            if patience.is_over(taken):
                return True
        return False

    # A slow one is waited for however long it takes.
    for taken in range(1_000, 1_100):
        assert not is_over_within(9, taken)
    # A recorder that stood still itself, as everything does in a frozen container, blames nobody for it.
    now += 3_600
    assert not is_over_within(0.5, 1_099)
    assert is_over_within(1, 1_099)


def test_signals_are_passed_on_while_the_ring_is_full(directory: Path) -> None:
    with flooded(directory, "-c", WITH_SMALL_RING) as (recorder, program, keeper):
        os.kill(keeper, signal.SIGSTOP)
        shown = shown_after_a_line(recorder)
        wait_until(lambda: len(shown()) > 700_000, "it waits before the ring is full")
        time.sleep(0.5)
        recorder.terminate()
        wait_until(lambda: not Path(f"/proc/{program}").exists(), "the signal did not reach the program")
        os.kill(keeper, signal.SIGCONT)
        assert recorder.wait(20) == 128 + signal.SIGTERM
    assert output_of(recorded(directory)) == shown()


def test_a_killed_keeper_is_told_and_the_program_runs_on(directory: Path) -> None:
    with flooded(directory, "-c", RECORD) as (recorder, _, keeper):
        os.kill(keeper, signal.SIGKILL)
        shown = shown_after_a_line(recorder)
        assert recorder.wait(20) == 0
        assert recorder.stderr
        said = recorder.stderr.read()
    assert shown().endswith(b"over\r\n")
    assert said.count(b"\n") == 1
    assert b"recording stopped, the program runs on: the process that writes it down was killed" in said


def test_a_keeper_that_is_killed_when_the_ring_is_full_keeps_nobody_waiting(directory: Path) -> None:
    with flooded(directory, "-c", WITH_SMALL_RING) as (recorder, _, keeper):
        os.kill(keeper, signal.SIGSTOP)
        shown = shown_after_a_line(recorder)
        wait_until(lambda: len(shown()) > 700_000, "it waits before the ring is full")
        time.sleep(0.5)
        os.kill(keeper, signal.SIGKILL)
        assert recorder.wait(20) == 0
    assert shown().endswith(b"over\r\n")


def test_a_killed_recorder_does_not_hang_up_a_program_whose_recording_has_stopped(
    directory: Path, tmp_path: Path
) -> None:
    limit = ["sh", "-c", 'ulimit -f 400; exec "$@"', "sh"]
    ended = tmp_path / "ended"
    program = f"seq 100000; sleep 1; seq 100000; sh -c 'ulimit -f unlimited; touch {ended}'"
    with subprocess.Popen(
        [*limit, *command_line("--", "sh", "-c", program)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    ) as recorder:
        assert recorder.stderr
        assert b"recording stopped" in recorder.stderr.readline()
        recorder.kill()
    wait_until(ended.exists, "the program was hung up")


def test_the_recorder_starts_without_what_it_does_not_need() -> None:
    program = "import sys, sessions_app.client.record; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT, env=os.environ
    ).stdout.split()
    foreign = (
        {name.partition(".")[0] for name in loaded}
        - set(sys.stdlib_module_names)
        - {"sessions_app", "__main__"}
    )

    assert {name for name in foreign if not name.startswith("_")} <= {"sitecustomize", "usercustomize"}
    assert "http" not in loaded


def test_help_shows_an_example() -> None:
    done = subprocess.run(command_line("--help"), capture_output=True, text=True, check=True, cwd=ROOT)

    assert "Example: scrollback record" in done.stdout
