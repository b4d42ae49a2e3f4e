"""Moments that programs name while they are recorded."""

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from sessions_app.client.keeper import KILLED_LABEL
from sessions_app.client.markers import VARIABLE, MarkerPipe, encode_label
from sessions_app.client.spool import Spool, SpoolReader, spools
from sessions_app.terminal.asciicast.model import Event, Marker, Output
from tests.sessions_app.client.recorder import (
    ROOT,
    TerminalRecorder,
    command_line,
    piped_recorder,
    run_recorder,
    wait_until,
)

# The recorder reaches no database.
pytestmark = pytest.mark.once

MARK = f"{sys.executable} -c 'import sys; from sessions_app.client.mark import main; sys.exit(main(sys.argv[1:]))'"


def recorded(directory: Path) -> list[Event]:
    [spool] = spools(directory)
    reader = SpoolReader(spool)
    events: list[Event] = []
    while (event := reader.read()) is not None:
        events.append(event)
    reader.close()
    return events


def test_a_shell_in_the_recording_names_moments_where_they_happen(directory: Path) -> None:
    done = run_recorder(
        "--", "sh", "-c", f"echo one; {MARK} the first; echo two; {MARK} 'the  second'; echo three"
    )
    assert (done.returncode, done.stdout) == (0, b"one\r\ntwo\r\nthree\r\n")
    found: list[bytes | str] = []
    for event in recorded(directory):
        if isinstance(event, Output) and found and isinstance(found[-1], bytes):
            found[-1] += event.data
        elif isinstance(event, Output | Marker):
            found.append(event.data if isinstance(event, Output) else event.label)
    assert found == [b"one\r\n", "the first", b"two\r\n", "the second", b"three\r\n"]
    assert not list((directory / "spool").glob("*.markers"))


@pytest.mark.parametrize("is_read", [True, False])
def test_what_a_shell_shows_next_waits_until_the_recorder_has_the_label(
    tmp_path: Path, is_read: bool
) -> None:
    markers = MarkerPipe(tmp_path / "markers")
    try:
        mark = subprocess.Popen(["sh", "-c", f"{MARK} now"], env=os.environ | {VARIABLE: str(markers.path)})
        found: list[str] = []
        if is_read:
            wait_until(lambda: bool(select.select([markers.descriptor], [], [], 0)[0]), "a label")
            with pytest.raises(subprocess.TimeoutExpired):
                mark.wait(0.2)
            found += markers.read()
        # A recorder that does not get on keeps nobody.
        assert mark.wait(30) == 0
        assert [*found, *markers.read()] == ["now"]
    finally:
        markers.close()


def test_a_plain_shell_can_do_it_too_and_the_last_words_count(directory: Path) -> None:
    run_recorder("--", "sh", "-c", f"echo from the shell > ${VARIABLE}")
    assert [event.label for event in recorded(directory) if isinstance(event, Marker)] == ["from the shell"]


def test_a_person_can_mark_on_a_terminal(directory: Path) -> None:
    with TerminalRecorder("--quiet", "--", "sh") as recorder:
        recorder.type(f"{MARK} by hand; echo status $?\n".encode())
        recorder.read_until(b"status 0")
        recorder.type(b"exit\n")
        assert recorder.end() == 0
    assert [event.label for event in recorded(directory) if isinstance(event, Marker)] == ["by hand"]


def test_a_secret_in_a_label_is_masked(directory: Path) -> None:
    token = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1eF2gH4"
    run_recorder("--", "sh", "-c", f"{MARK} with {token}")
    [label] = [event.label for event in recorded(directory) if isinstance(event, Marker)]
    assert label.startswith("with ghp_[github-token:")
    assert len(label) == len("with ") + len(token)


@pytest.mark.parametrize(
    ("environment", "label", "said"),
    [
        ({}, "x", "nothing is being recorded"),
        ({VARIABLE: "/nowhere/at all"}, "x", "has gone"),
        ({VARIABLE: "/x"}, " ", "nothing to read"),
    ],
)
def test_outside_of_a_recording_it_is_refused(environment: dict[str, str], label: str, said: str) -> None:
    bare = {name: value for name, value in os.environ.items() if name != VARIABLE} | environment
    program = "import sys; from sessions_app.client.mark import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", program, label],
        capture_output=True,
        text=True,
        env=bare,
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_recorder_that_is_gone_leaves_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "left behind")
    environment = {**os.environ, VARIABLE: str(tmp_path / "left behind")}
    program = "import sys; from sessions_app.client.mark import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", program, "x"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=ROOT,
        check=False,
        timeout=20,
    )
    assert done.returncode == 2
    assert "has gone" in done.stderr


@pytest.mark.parametrize("how", ["each by itself", "through a descriptor that is held open"])
def test_markers_are_set_also_after_the_recorder_was_killed(
    directory: Path, tmp_path: Path, how: str
) -> None:
    """Also while it is killed, and right before the end of the program."""
    ended = tmp_path / "ended"
    opening, target = ("", f'"${VARIABLE}"') if how == "each by itself" else (f'exec 3>"${VARIABLE}"', "&3")
    loop = f"while [ $i -lt 200 ]; do i=$((i+1)); echo tick $i; echo mark $i >{target}; sleep 0.005; done"
    program = f"i=0; {opening}\n{loop}; touch {ended}; echo last >{target}"
    with piped_recorder("--", "sh", "-c", program, input_text=subprocess.DEVNULL) as recorder:
        wait_until(lambda: b"mark 20" in on_disk(directory), "no marker was set")
        recorder.kill()
        recorder.wait()
    wait_until(ended.exists, "the program waits for somebody to read its markers")
    wait_until(lambda: b'"x", ""' in on_disk(directory), "the recording has no end")

    events = recorded(directory)
    labels = [event.label for event in events if isinstance(event, Marker)]
    killed = labels.index(KILLED_LABEL)
    # What the recorder had read and not passed on is gone with it.
    first = int(labels[killed + 1].removeprefix("mark "))
    assert first <= 100
    assert labels[killed + 1 :] == [*(f"mark {number}" for number in range(first, 201)), "last"]
    # Each stands behind what was shown before it.
    shown = b""
    for event in events:
        if isinstance(event, Output):
            shown += event.data
        elif isinstance(event, Marker) and event.label in labels[killed + 2 : -1]:
            assert b"tick %s\r\n" % event.label.removeprefix("mark ").encode() in shown
    assert not list((directory / "spool").glob("*.markers"))


def on_disk(directory: Path) -> bytes:
    return b"".join(spool.recording.read_bytes() for spool in spools(directory))


def test_markers_hold_up_no_program_whose_recording_has_stopped(directory: Path, tmp_path: Path) -> None:
    """More of them than a pipe holds, after the recorder was killed as well."""
    limit = ["sh", "-c", 'ulimit -f 400; exec "$@"', "sh"]
    ended = tmp_path / "ended"
    label = "x" * 900
    program = f"seq 100000; sleep 1; for i in $(seq 200); do echo {label} > ${VARIABLE}; done; touch {ended}"
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
    wait_until(ended.exists, "the program waits for somebody to read its markers")


def test_whatever_is_written_into_the_pipe_becomes_labels_of_bounded_length(tmp_path: Path) -> None:
    pipe = MarkerPipe(tmp_path / "pipe")
    writer = os.open(pipe.path, os.O_WRONLY | os.O_NONBLOCK)
    os.write(writer, b"cut")
    assert list(pipe.read()) == []
    os.write(writer, b" here\n\n  \n\xff\x00\n" + b"y" * 5_000 + b"\n")
    labels = list(pipe.read())
    assert labels[:2] == ["cut here", "\ufffd\x00"]
    assert len(labels[2]) == 1_000
    os.close(writer)
    pipe.close()
    assert not pipe.path.exists()


def test_a_label_is_one_short_line() -> None:
    assert encode_label(" two\nlines\t") == b"two lines\n"
    assert encode_label("\n ") is None
    encoded = encode_label("z" * 9_000)
    assert encoded is not None
    assert len(encoded) <= 1_001


def test_a_spool_takes_its_pipe_with_it(tmp_path: Path) -> None:
    spool = Spool.of(tmp_path, "0199a4b1-0000-7000-8000-000000000001")
    spool.recording.parent.mkdir()
    pipe = MarkerPipe(spool.markers)
    spool.remove()
    assert not pipe.path.exists()
    pipe.close()
