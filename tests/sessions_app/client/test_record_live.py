"""The recorder beside its server: seen at once, and the same bytes whatever happens to either."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dashboard import announcing
from sessions_app.client.keeper import KILLED_LABEL
from sessions_app.client.spool import spools
from sessions_app.terminal.asciicast.model import Exit
from tests.sessions_app.client import recorder
from tests.sessions_app.client.fake_server import FakeServer
from tests.sessions_app.client.recorder import piped_recorder, run_recorder, wait_until
from tests.sessions_app.client.test_upload import run_upload
from tests.sessions_app.terminal.recordings import output_of, read_all

# The recorder reaches no database.
pytestmark = pytest.mark.once

COUNT = "i=0; while [ $i -lt 200 ]; do echo line $i; sleep 0.005; i=$((i+1)); done; exit 3"
COUNTED = b"".join(b"line %d\r\n" % n for n in range(200))
READ_LINES = "echo ready; while read line; do echo got $line; done; echo bye"


@pytest.fixture
def announced(directory: Path, server: FakeServer) -> FakeServer:
    server.announce(directory)
    return server


def test_a_recording_is_on_the_server_when_the_program_has_ended(
    directory: Path, announced: FakeServer
) -> None:
    done = run_recorder("--title", "a title", "--", "sh", "-c", COUNT)
    terminal = announced.only_terminal()

    assert (done.returncode, done.stdout, done.stderr) == (3, COUNTED, b"")
    assert terminal.output == COUNTED
    assert terminal.exit == Exit(terminal.exit.time_us if terminal.exit else -1, 3)
    assert terminal.document["title"] == "a title"
    assert terminal.document["command"] == ["sh", "-c", COUNT]
    assert announced.overlapping_bytes == 0
    assert spools(directory) == []


def test_output_is_seen_while_the_program_runs(directory: Path, announced: FakeServer) -> None:
    with piped_recorder("--", "sh", "-c", READ_LINES) as recorder:
        assert recorder.stdin
        announced.wait_for(lambda: bool(announced.terminals) and announced_output(announced) == b"ready\r\n")
        recorder.stdin.write(b"one\n")
        recorder.stdin.flush()
        announced.wait_for(lambda: announced_output(announced).endswith(b"got one\r\n"))
        assert announced.only_terminal_unlocked().exit is None
        recorder.stdin.close()
        assert recorder.wait(20) == 0
    assert announced.only_terminal().output.endswith(b"bye\r\n")


def announced_output(server: FakeServer) -> bytes:
    return server.only_terminal_unlocked().output


def test_a_server_that_goes_away_and_comes_back_misses_nothing(
    directory: Path, announced: FakeServer
) -> None:
    with piped_recorder(
        "--", "sh", "-c", COUNT.replace("200", "400"), input_text=subprocess.DEVNULL
    ) as recorder:
        announced.wait_for(lambda: bool(announced.terminals) and len(announced_output(announced)) > 200)
        announced.stop()
        before = len(announced.only_terminal().output)
        assert recorder.stdout
        seen = recorder.stdout.read(before + 800)
        announced.start()
        seen += recorder.stdout.read()
        assert recorder.wait(30) == 3
    assert announced.only_terminal().output == seen
    assert announced.only_terminal().exit is not None
    assert spools(directory) == []


def test_a_server_that_comes_back_without_memory_is_told_everything(
    directory: Path, announced: FakeServer
) -> None:
    with piped_recorder("--", "sh", "-c", COUNT, input_text=subprocess.DEVNULL) as recorder:
        announced.wait_for(lambda: bool(announced.terminals) and len(announced_output(announced)) > 200)
        announced.stop()
        announced.terminals.clear()
        announced.start()
        assert recorder.wait(30) == 3
    assert announced.only_terminal().output == COUNTED


def test_a_server_that_starts_later_somewhere_is_found(directory: Path, server: FakeServer) -> None:
    with piped_recorder("--", "sh", "-c", READ_LINES) as recorder:
        assert recorder.stdin
        wait_until(lambda: bool(spools(directory)), "nothing was spooled")
        server.announce(directory)
        server.wait_for(lambda: bool(server.terminals) and announced_output(server) == b"ready\r\n")
        recorder.stdin.close()
        assert recorder.wait(20) == 0
    assert server.only_terminal().output == b"ready\r\nbye\r\n"


def test_without_a_server_the_spool_is_kept_and_sent_later(directory: Path, server: FakeServer) -> None:
    started = time.monotonic()
    done = run_recorder("--", "sh", "-c", "echo kept; exit 3")
    [spool] = spools(directory)

    assert (done.returncode, done.stdout) == (3, b"kept\r\n")
    assert done.stderr.decode().endswith(f"send it with: scrollback upload {spool.recording.stem}\n")
    # There is nothing to wait for.
    assert time.monotonic() - started < 2
    server.announce(directory)
    assert run_upload(spool.recording.stem).returncode == 0
    assert server.only_terminal().output == b"kept\r\n"
    assert server.only_terminal().exit is not None


@contextmanager
def silent_server(directory: Path) -> Iterator[None]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        with announcing.announced(directory, url, [url]):
            yield


def test_a_server_that_never_answers_holds_nothing_up(directory: Path) -> None:
    with silent_server(directory):
        started = time.monotonic()
        done = run_recorder("--", "sh", "-c", "seq 1 50000")
        took_s = time.monotonic() - started

    assert done.stdout.endswith(b"50000\r\n")
    assert took_s < 8
    [spool] = spools(directory)
    assert output_of(read_all(spool.recording.read_bytes())[1]) == done.stdout


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_said_once_at_the_end_and_the_spool_is_kept(
    directory: Path, announced: FakeServer, status: int
) -> None:
    announced.faults.extend([status] * 50)
    done = run_recorder("--", "sh", "-c", COUNT)

    assert (done.returncode, done.stdout) == (3, COUNTED)
    assert done.stderr.count(b"\n") == 1
    assert b"refused" in done.stderr
    assert str(status).encode() in done.stderr
    assert b"recorder-token" not in done.stderr
    assert len(announced.requests) == 1
    assert len(spools(directory)) == 1


def test_faults_while_the_program_runs_are_waited_out(directory: Path, announced: FakeServer) -> None:
    announced.faults.extend(["cut after", 500, "ok", "cut before", 503, "ok", "cut after"])
    done = run_recorder("--", "sh", "-c", COUNT)

    assert done.returncode == 3
    assert announced.only_terminal().output == COUNTED
    assert spools(directory) == []


def test_when_the_recorder_is_killed_the_program_runs_on_and_is_recorded(
    directory: Path, announced: FakeServer, tmp_path: Path
) -> None:
    """Also while the server is away, and without a word to the person whose terminal it was."""
    stop = tmp_path / "stop"
    program = f"trap 'echo hung up' HUP; while [ ! -e {stop} ]; do echo tick; sleep 0.01; done; echo over"
    with piped_recorder("--", "sh", "-c", program, input_text=subprocess.DEVNULL) as recorder:
        announced.wait_for(lambda: bool(announced.terminals) and len(announced_output(announced)) > 100)
        recorder.kill()
        assert recorder.stdout
        seen = recorder.stdout.read()
        recorder.wait()
    before = len(announced.only_terminal().output)
    announced.wait_for(lambda: len(announced_output(announced)) > before + 200)
    announced.stop()
    time.sleep(0.3)
    announced.start()
    stop.touch()
    announced.wait_for(lambda: announced.only_terminal_unlocked().exit is not None)

    terminal = announced.only_terminal()
    assert terminal.exit is not None
    assert terminal.exit.status is None
    assert terminal.output.startswith(seen)
    assert terminal.output.endswith(b"over\r\n")
    assert b"hung up" not in terminal.output
    wait_until(lambda: spools(directory) == [], "the spool was not removed")


def test_the_program_runs_on_where_its_recording_cannot_be_taken_over(
    directory: Path, announced: FakeServer, tmp_path: Path
) -> None:
    ended = tmp_path / "ended"
    program = f"for i in $(seq 2000); do echo tick $i; sleep 0.001; done; touch {ended}"
    with piped_recorder("--", "sh", "-c", program, input_text=subprocess.DEVNULL) as recorder:
        announced.wait_for(lambda: bool(announced.terminals) and len(announced_output(announced)) > 100)
        [spool] = spools(directory)
        spool.recording.unlink()
        recorder.kill()
        recorder.wait()
    wait_until(ended.exists, "the program was hung up, or waits for somebody to read what it writes")


def test_a_program_that_reads_is_told_that_nobody_types_any_more(
    directory: Path, announced: FakeServer
) -> None:
    with piped_recorder("--", "sh", "-c", "echo ready; cat; echo over") as recorder:
        announced.wait_for(lambda: bool(announced.terminals) and b"ready" in announced_output(announced))
        recorder.kill()
        recorder.wait()
    announced.wait_for(lambda: announced.only_terminal_unlocked().exit is not None)
    assert announced.only_terminal().output.endswith(b"over\r\n")


def test_secrets_are_masked_as_before_when_the_recorder_is_killed(
    directory: Path, announced: FakeServer, tmp_path: Path
) -> None:
    go_on = tmp_path / "go on"
    secret = "ghp_" + "a1B2" * 9
    program = f"echo first {secret}; while [ ! -e '{go_on}' ]; do sleep 0.01; done; echo second {secret}"
    with piped_recorder("--", "sh", "-c", program, input_text=subprocess.DEVNULL) as recorder:
        announced.wait_for(lambda: bool(announced.terminals) and b"first" in announced_output(announced))
        recorder.kill()
        recorder.wait()
    go_on.touch()
    announced.wait_for(lambda: announced.only_terminal_unlocked().exit is not None)
    output = announced.only_terminal().output
    assert b"second" in output
    assert secret.encode() not in output


def test_when_all_three_processes_are_killed_the_command_sends_the_rest(
    directory: Path, announced: FakeServer
) -> None:
    program = "while :; do echo tick; sleep 0.01; done"
    with piped_recorder("--", "sh", "-c", program, input_text=subprocess.DEVNULL) as recorder:
        announced.wait_for(lambda: bool(announced.terminals) and len(announced_output(announced)) > 100)
        children = Path(f"/proc/{recorder.pid}/task/{recorder.pid}/children").read_text().split()
        announced.stop()
        recorder.kill()
        assert recorder.stdout
        seen = recorder.stdout.read()
        recorder.wait()
        [spool] = spools(directory)
        # What the keeper still had to write down would go with it.
        wait_until(lambda: KILLED_LABEL.encode() in spool.recording.read_bytes(), "the keeper does not go on")
        for pid in children:
            os.kill(int(pid), signal.SIGKILL)
    announced.start()
    before = announced.only_terminal().position.offset
    assert run_upload().returncode == 0

    terminal = announced.only_terminal()
    assert terminal.output.startswith(seen)
    assert terminal.position.offset >= before
    assert terminal.exit is not None
    assert not spool.recording.exists()


SESSION = "01990d0f-9d71-7bfc-9fb4-157fce49f601"


def test_a_session_may_be_named_by_a_piece_of_its_id(directory: Path, announced: FakeServer) -> None:
    announced.sessions["ce49f601"] = SESSION

    done = run_recorder("--session", "ce49f601", "--", "echo", "hello")

    assert (done.returncode, done.stderr) == (0, b"")
    assert announced.only_terminal().document["session"] == SESSION


def test_a_session_that_comes_while_the_program_runs_is_waited_for(
    directory: Path, announced: FakeServer
) -> None:
    """An agent's history may be imported later than its first program is recorded."""
    announced.known_sessions = set()
    with piped_recorder("--session", SESSION, "--", "cat") as recorder:
        assert recorder.stdin is not None
        announced.wait_for(lambda: len(announced.requests) >= 2)
        announced.known_sessions.add(SESSION)
        announced.wait_for(lambda: bool(announced.terminals))
        recorder.stdin.close()
        assert recorder.wait(timeout=20) == 0
    assert announced.only_terminal().document["session"] == SESSION
    assert announced.only_terminal().exit is not None
    assert spools(directory) == []


def test_a_session_that_the_server_cannot_tell_stops_the_recorder_before_the_program(
    directory: Path, announced: FakeServer, tmp_path: Path
) -> None:
    done = run_recorder("--session", "ce49f601", "--", "touch", str(tmp_path / "ran"))

    assert (done.returncode, done.stderr) == (2, b"scrollback: No 'ce49f601' here.\n")
    assert not (tmp_path / "ran").exists()
    assert spools(directory) == []


def test_without_a_server_a_piece_of_an_id_is_refused_and_a_whole_one_is_taken(
    directory: Path, server: FakeServer
) -> None:
    piece = run_recorder("--session", "ce49f601", "--", "echo", "hello")
    server.announce(directory)
    server.stop()
    unreachable = run_recorder("--session", "ce49f601", "--", "echo", "hello")
    whole = run_recorder("--session", SESSION, "--quiet", "--", "echo", "hello")

    assert (piece.returncode, unreachable.returncode, whole.returncode) == (2, 2, 0)
    assert b"no server was found" in piece.stderr
    assert b"the server cannot be asked which session 'ce49f601' is" in unreachable.stderr
    assert [spool.load().metadata.session for spool in spools(directory)] == [SESSION]


def test_where_there_is_no_room_for_the_end_it_is_sent_all_the_same(
    directory: Path, announced: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_room = """
import errno
from sessions_app.client.spool import SpoolWriter
from sessions_app.terminal.asciicast.model import Exit
write = SpoolWriter.write
def write_no_end(self, event):
    if isinstance(event, Exit):
        raise OSError(errno.ENOSPC, "No space left on device")
    write(self, event)
SpoolWriter.write = write_no_end
"""
    monkeypatch.setattr(recorder, "RECORD", no_room + recorder.RECORD)
    done = run_recorder("--", "sh", "-c", "echo all of it; exit 3")

    assert (done.returncode, done.stdout) == (3, b"all of it\r\n")
    assert b"recording stopped, the program runs on: No space left on device" in done.stderr
    assert b"not on the server" not in done.stderr
    terminal = announced.only_terminal()
    assert (terminal.output, terminal.exit is not None) == (b"all of it\r\n", True)
    assert spools(directory) == []


def test_a_recording_that_cannot_be_removed_is_not_said_to_lack_on_the_server(
    directory: Path, announced: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_only = """
import errno, os
unlink = os.unlink
def keep_recording(path):
    if str(path).endswith(".cast"):
        raise OSError(errno.EROFS, "Read-only file system")
    unlink(path)
os.unlink = keep_recording
"""
    monkeypatch.setattr(recorder, "RECORD", read_only + recorder.RECORD)
    done = run_recorder("--", "sh", "-c", "echo all of it")

    assert b"the recording is on the server, but it cannot be removed here: Read-only" in done.stderr
    assert b"not on the server yet" not in done.stderr
    assert announced.only_terminal().output == b"all of it\r\n"


def test_a_recording_that_another_has_sent_is_not_said_to_be_kept(
    directory: Path, announced: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The uploader gives up before the recorder does, which so sees what it leaves.
    less_patient = "from sessions_app.client import background; background.GRACE_S = 0.5\n"
    monkeypatch.setattr(recorder, "RECORD", less_patient + recorder.RECORD)
    with piped_recorder("--", "sh", "-c", READ_LINES) as running:
        assert running.stdin
        announced.wait_for(lambda: bool(announced.terminals) and announced_output(announced) == b"ready\r\n")
        announced.faults.extend([503] * 1_000)
        [spool] = spools(directory)
        spool.remove()
        _, said = running.communicate(timeout=20)
    assert said.count(b"\n") == 1
    assert b"the recording is not here any more" in said
    # Not even the note of how much of it was sent, which nobody would look for.
    assert list(spool.recording.parent.iterdir()) == []
