"""Sending spools: whatever breaks, the server ends with exactly the bytes that were recorded."""

import errno
import json
import os
import random
import socket
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions_app.client import upload
from sessions_app.client.api import Client, Unavailable
from sessions_app.client.home import Target, TargetChoice, find_target
from sessions_app.client.identifiers import uuid7
from sessions_app.client.spool import (
    EndUnwritten,
    Metadata,
    Spool,
    SpoolReader,
    SpoolState,
    SpoolWriter,
    finish_interrupted,
    spools,
    to_json,
)
from sessions_app.client.uploader import FinishedRecording, Outcome, Uploader
from sessions_app.terminal.asciicast.model import Event, Exit, Input, Output, Resize
from sessions_app.terminal.batch import MAX_BATCH_BYTES, Position
from tests.sessions_app.client.fake_server import (
    TOKEN,
    FakeServer,
    Fault,
    StoredTerminal,
    running_fake_server,
)
from tests.sessions_app.terminal.recordings import output_of, read_all, recordings

# The recorder reaches no database.
pytestmark = pytest.mark.once


def a_metadata() -> Metadata:
    return Metadata(
        id=str(uuid7()),
        command=["sh", "-c", "echo ż"],
        cwd="/srv",
        host="box",
        cols=100,
        rows=30,
        started_ms=1_744_302_022_123,
        title="a title",
        env={"TERM": "xterm"},
    )


def a_recording(seed: int = 1, writes: int = 300) -> list[Event]:
    """Output of some hundred KB with other events between, and bytes that are no UTF-8."""
    chance = random.Random(seed)
    events: list[Event] = []
    for n in range(writes):
        events.append(Output(n * 1000, chance.randbytes(chance.randrange(1, 3000))))
        if chance.random() < 0.1:
            events.append(Resize(n * 1000 + 5, chance.randrange(1, 200), 24))
        if chance.random() < 0.1:
            events.append(Input(n * 1000 + 7, chance.randbytes(3)))
    return [*events, Exit(writes * 1000, 7)]


def spooled(directory: Path, events: list[Event], session: str | None = None) -> Spool:
    """A spool as a recorder leaves it."""
    metadata = replace(a_metadata(), session=session)
    spool = Spool.of(directory, metadata.id)
    writer = SpoolWriter.create(spool, metadata, None)
    for event in events:
        writer.write(event)
    writer.close()
    return spool


def send(spool: Spool, server: FakeServer, patience_s: float = 20, token: str = TOKEN) -> tuple[Outcome, str]:
    target = Target(server.url, token)
    uploader = Uploader(spool, lambda: target, FinishedRecording(patience_s))
    return uploader.run(), uploader.reason


def assert_same(stored: StoredTerminal, events: list[Event]) -> None:
    """The same bytes and events at the same times; only the edges of writes may differ."""
    assert stored.output == output_of(events)
    others = [event for event in events if not isinstance(event, Output)]
    assert [event for event in stored.events if not isinstance(event, Output)] == others


def test_a_spool_is_sent_whole_and_registered_with_all_that_is_known_of_it(
    directory: Path, server: FakeServer
) -> None:
    events = a_recording()
    spool = spooled(directory, events)
    terminal_id = spool.recording.stem

    assert send(spool, server) == (Outcome.COMPLETE, "")
    assert_same(server.only_terminal(), events)
    assert server.terminals[terminal_id].document == {
        "title": "a title",
        "command": ["sh", "-c", "echo ż"],
        "cwd": "/srv",
        "host": "box",
        "cols": 100,
        "rows": 30,
        "started_ms": 1_744_302_022_123,
        "session": None,
        "input_recorded": False,
        "env": {"TERM": "xterm"},
    }
    assert server.overlapping_bytes == 0
    assert server.largest_body <= MAX_BATCH_BYTES


def test_a_description_that_no_server_would_take_is_made_presentable() -> None:
    odd = replace(a_metadata(), command=["rm", *["f"] * 5000], cwd="/srv/\udcff", title="t" * 100_000)
    document = to_json(odd)

    assert document["command"] == ["rm", *["f"] * 998, "…"]
    assert document["cwd"] == "/srv/\ufffd"
    assert len(document["title"]) == 4000
    assert msgspec.json.decode(json.dumps(document)) == document


def test_the_spool_is_an_asciicast_that_others_can_play_and_only_the_owner_can_read(directory: Path) -> None:
    events = a_recording()
    spool = spooled(directory, events)
    reader, items = read_all(spool.recording.read_bytes())

    assert items == events
    assert reader.header is not None
    assert reader.header.command == "sh -c 'echo ż'"
    for path in (spool.recording, spool.sidecar):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(spool.recording.parent.stat().st_mode) == 0o700


faults: st.SearchStrategy[Fault] = st.sampled_from(
    ["ok", "cut before", "cut after", 500, 502, 503, 429, "ok", "ok"]
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(faults, max_size=5), recordings())
def test_faults_of_the_server_neither_lose_nor_repeat_anything(
    directory: Path, planned: list[Fault], events: list[Event]
) -> None:
    ended = [event for event in events if not isinstance(event, Exit)] + [Exit(10**15, 0)]
    spool = spooled(directory, list(ended))
    with running_fake_server() as server:
        server.faults.extend(planned)
        assert send(spool, server)[0] is Outcome.COMPLETE
        assert_same(server.only_terminal(), list(ended))
    spool.remove()


def test_what_was_acknowledged_is_not_sent_again(directory: Path, server: FakeServer) -> None:
    events = a_recording(writes=2000)
    spool = spooled(directory, events)
    # The third batch is refused for as long as the first uploader lives.
    server.faults.extend(["ok", "ok", "ok", *[503] * 20])
    assert send(spool, server, patience_s=0.5)[0] is Outcome.LEFT
    committed = server.only_terminal().position
    assert 0 < committed.offset < len(output_of(events))
    assert spool.load().acknowledged == committed

    server.faults.clear()
    assert send(spool, server)[0] is Outcome.COMPLETE
    assert_same(server.only_terminal(), events)
    assert server.overlapping_bytes == 0


def test_a_complete_spool_sent_again_sends_nothing(directory: Path, server: FakeServer) -> None:
    spool = spooled(directory, a_recording())
    assert send(spool, server)[0] is Outcome.COMPLETE
    received = server.received_bytes

    assert send(spool, server)[0] is Outcome.COMPLETE
    assert server.received_bytes == received
    assert server.requests[-1].startswith("PUT")


def test_an_answer_that_got_lost_is_found_out_and_not_sent_twice(directory: Path, server: FakeServer) -> None:
    events = a_recording(writes=1200)
    spool = spooled(directory, events)
    server.faults.extend(["ok", "cut after", "cut after", "cut after"])

    assert send(spool, server)[0] is Outcome.COMPLETE
    assert_same(server.only_terminal(), events)


def test_a_server_that_lost_its_memory_gets_everything_again(directory: Path, server: FakeServer) -> None:
    events = a_recording(writes=2000)
    spool = spooled(directory, events)
    forgotten = iter([True])

    def forget_once() -> None:
        if next(forgotten, False):
            server.terminals.clear()

    uploader = Uploader(spool, lambda: Target(server.url, TOKEN), FinishedRecording(20, forget_once))
    assert uploader.run() is Outcome.COMPLETE
    assert_same(server.only_terminal(), events)
    answers = [request.split()[:2] for request in server.requests]
    assert answers.count(["PUT", "201"]) == 2
    assert answers.count(["POST", "404"]) == 1


def test_a_server_that_went_back_to_a_backup_is_sent_from_there(directory: Path, server: FakeServer) -> None:
    events = a_recording(writes=1500)
    spool = spooled(directory, events)

    def restore() -> None:
        terminal = server.only_terminal()
        if len(server.requests) == 2:
            kept = terminal.events[:100]
            terminal.events, terminal.position = kept, Position()
            for event in kept:
                terminal.position = terminal.position.after(event)

    uploader = Uploader(spool, lambda: Target(server.url, TOKEN), FinishedRecording(20, restore))
    assert uploader.run() is Outcome.COMPLETE
    assert_same(server.only_terminal(), events)


def test_a_server_that_has_more_than_the_spool_is_only_told_the_end(
    directory: Path, server: FakeServer
) -> None:
    events = a_recording(writes=50)
    spool = spooled(directory, events)
    assert send(spool, server)[0] is Outcome.COMPLETE
    stored = server.only_terminal()
    stored.events.pop()
    stored.position = Position(stored.position.offset, stored.position.events - 1)
    # As after a power cut, which the spool's last lines did not survive but the server's did.
    lines = spool.recording.read_bytes().splitlines(keepends=True)
    spool.recording.write_bytes(b"".join(lines[:-3]))
    assert finish_interrupted(spool)

    assert send(spool, server)[0] is Outcome.COMPLETE
    assert stored.output == output_of(events)
    assert stored.exit is not None
    assert stored.exit.status is None


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 413, 422])
def test_a_refusal_ends_the_upload_and_keeps_the_spool(
    directory: Path, server: FakeServer, status: int
) -> None:
    spool = spooled(directory, a_recording(writes=5))
    server.faults.append(status)
    outcome, reason = send(spool, server)

    assert outcome is Outcome.REFUSED
    assert str(status) in reason
    assert len(server.requests) == 1
    assert spool.recording.exists()


def test_a_token_that_the_server_does_not_know_is_refused_and_not_shown(
    directory: Path, server: FakeServer
) -> None:
    spool = spooled(directory, a_recording(writes=5))
    outcome, reason = send(spool, server, token="a-secret")

    assert outcome is Outcome.REFUSED
    assert "a-secret" not in reason + repr(Target(server.url, "a-secret"))


def test_a_server_that_acknowledges_nothing_is_not_asked_without_end(
    directory: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = spooled(directory, a_recording(writes=5))
    monkeypatch.setattr(server, "post", lambda *_: (200, {"offset": 0, "events": 0}))

    assert send(spool, server, patience_s=0.5)[0] is Outcome.LEFT
    assert len(server.requests) < 20


@pytest.mark.parametrize("answer", [{}, {"offset": "1", "events": 0}, {"offset": -1, "events": 0}, []])
def test_an_answer_that_is_none_is_refused(
    directory: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    spool = spooled(directory, a_recording(writes=5))
    monkeypatch.setattr(server, "put", lambda *_: (200, answer))

    outcome, reason = send(spool, server)
    assert outcome is Outcome.REFUSED
    assert "not that of a Scrollback server" in reason


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.integers(0, 20_000))
def test_a_recorder_killed_at_any_byte_leaves_a_spool_that_can_be_finished(directory: Path, cut: int) -> None:
    events = a_recording(writes=6)
    spool = spooled(directory, events)
    whole = spool.recording.read_bytes()
    spool.recording.write_bytes(whole[:cut])

    assert finish_interrupted(spool)
    assert finish_interrupted(spool)
    _, items = read_all(spool.recording.read_bytes())
    complete_lines = whole[:cut].count(b"\n") - 1
    expected = events[: max(0, complete_lines)]
    if cut >= len(whole):
        assert items == events
    else:
        end = items.pop()
        assert items == expected
        assert end == Exit(expected[-1].time_us if expected else 0, None)
    spool.remove()


def test_a_recording_that_is_still_being_made_is_left_alone(directory: Path) -> None:
    metadata = a_metadata()
    spool = Spool.of(directory, metadata.id)
    writer = SpoolWriter.create(spool, metadata, None)
    writer.write(Output(1, b"still here"))
    before = spool.recording.read_bytes()

    assert not finish_interrupted(spool)
    assert spool.recording.read_bytes() == before
    writer.close()
    assert finish_interrupted(spool)


def test_the_reader_finds_every_position_forwards_and_back(directory: Path) -> None:
    events = a_recording(writes=40)
    reader = SpoolReader(spooled(directory, events))
    positions = [Position()]
    for event in events:
        positions.append(positions[-1].after(event))
    chance = random.Random(3)

    for index in [chance.randrange(len(positions)) for _ in range(200)]:
        reader.seek(positions[index])
        assert reader.place.position == positions[index]
        assert reader.read() == (events[index] if index < len(events) else None)
        assert reader.place.exited == (index >= len(events) - 1)
    # In the middle of a write the reader stands before it.
    reader.seek(Position(1, 0))
    assert reader.place.position == Position()
    reader.close()


def run_upload(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = "import sys; from sessions_app.client.upload import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(upload.__file__).parents[2],
    )


def leave_behind(directory: Path, server: FakeServer, *origins: str) -> None:
    """The announcement of a server that was killed, at whose port another program listens by now."""
    told = {"url": f"{server.url}/", "origins": [server.url, *origins], "pid": os.getpid()}
    (directory / "server.json").write_text(json.dumps(told))


def test_the_command_sends_all_spools_and_removes_them(directory: Path, server: FakeServer) -> None:
    recordings_made = [a_recording(seed, writes=20) for seed in range(3)]
    ids = [spooled(directory, events).recording.stem for events in recordings_made]
    server.announce(directory)
    done = run_upload("--json")

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"sent": ids, "left": {}}
    for terminal_id, events in zip(ids, recordings_made, strict=True):
        assert_same(server.terminals[terminal_id], events)
    assert list((directory / "spool").iterdir()) == []
    assert run_upload().stdout == "Nothing to send.\n"


def test_the_command_can_keep_what_it_sent_and_does_not_send_it_again(
    directory: Path, server: FakeServer
) -> None:
    spool = spooled(directory, a_recording(writes=20))
    server.announce(directory)

    assert run_upload("--keep").stdout == f"{spool.recording.stem} sent\n"
    assert spool.load().complete
    assert spool.recording.exists()
    requests = len(server.requests)
    assert run_upload("--keep").stdout == "Nothing to send.\n"
    assert len(server.requests) == requests


def test_one_broken_spool_does_not_stop_the_others(directory: Path, server: FakeServer) -> None:
    broken = spooled(directory, a_recording(1, writes=5))
    broken.sidecar.write_text("{}")
    good = spooled(directory, a_recording(2, writes=5))
    server.announce(directory)
    done = run_upload("--json")

    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert answer["sent"] == [good.recording.stem]
    assert list(answer["left"]) == [broken.recording.stem]
    assert broken.recording.exists()


def test_the_command_is_refused_with_one_line_without_a_server_or_a_token(
    directory: Path, server: FakeServer
) -> None:
    spooled(directory, a_recording(writes=5))
    without_server = run_upload()
    (directory / "agent.token").unlink()
    without_token = run_upload("--server", server.url)
    bad_address = run_upload("--server", "ftp://x")

    for refused in (without_server, without_token, bad_address):
        assert refused.returncode == 2
        assert refused.stdout == ""
        assert refused.stderr.count("\n") == 1
    assert len(spools(directory)) == 1


@pytest.mark.parametrize("is_announced", [True, False])
def test_the_token_of_this_machine_is_not_sent_to_another_server(
    directory: Path, server: FakeServer, is_announced: bool
) -> None:
    """server.json names the server that the token in the data directory belongs to, while that runs."""
    spooled(directory, a_recording(writes=5))
    with running_fake_server() as own:
        if is_announced:
            own.announce(directory)
        assert run_upload("--server", server.url).returncode == 2
        assert (own.requests, server.requests) == ([], [])


@pytest.mark.parametrize("is_named", [True, False])
def test_the_token_of_this_machine_is_not_sent_where_a_server_was_that_has_been_killed(
    directory: Path, server: FakeServer, is_named: bool
) -> None:
    spooled(directory, a_recording(writes=5))
    leave_behind(directory, server)

    assert run_upload(*(("--server", server.url) if is_named else ())).returncode == 2
    assert server.requests == []


@pytest.mark.parametrize("how", ["cut", "closed"])
def test_the_token_of_this_machine_goes_to_no_program_that_came_after_its_server(
    directory: Path, server: FakeServer, how: str
) -> None:
    """A connection that ended is not made anew unless that server still runs."""
    server.announce(directory)
    target = find_target(TargetChoice(), directory)
    assert target is not None
    client = Client(target, timeout_s=1)
    server.sessions["known"] = KNOWN
    assert client.get("/api/v1/sessions/named?name=known")
    server.stop()
    server.vanish()
    if how == "closed":
        client.close()

    with socket.create_server(("127.0.0.1", server.port)) as another:
        with pytest.raises(Unavailable):
            client.get("/api/v1/sessions/named?name=known")
        another.setblocking(False)
        with pytest.raises(BlockingIOError):
            another.accept()


def test_the_server_of_this_machine_is_known_by_its_other_names(directory: Path, server: FakeServer) -> None:
    """As it says itself; what is meant for it goes to where it listens, whoever else has that name."""
    spooled(directory, a_recording(writes=5))
    with running_fake_server() as own:
        own.announce(directory, [server.url])
        assert run_upload("--server", server.url).returncode == 0
        assert len(own.terminals) == 1
    assert (spools(directory), server.requests) == ([], [])


def test_what_was_begun_for_a_name_of_the_server_of_this_machine_is_remembered_by_that_name(
    directory: Path, server: FakeServer
) -> None:
    spool = spooled(directory, a_recording(writes=5))
    name = "https://console.example"
    server.announce(directory, [name])
    # The recording is told to it, its output is refused.
    server.faults.extend(["ok", 403])
    assert run_upload("--server", name).returncode == 1
    assert spool.load().server == name


@pytest.mark.parametrize("refusal", ["401", "away"])
def test_a_server_that_takes_nothing_is_not_remembered_as_the_one_that_it_was_meant_for(
    directory: Path, server: FakeServer, refusal: str
) -> None:
    """One mistaken address must not keep the server on this machine from sending it later."""
    spool = spooled(directory, a_recording(writes=5))
    token = directory / "token"
    token.write_text("of-another-server" if refusal == "401" else TOKEN)
    if refusal == "away":
        server.stop()
    assert run_upload("--server", server.url, "--token-file", str(token)).returncode == 1
    assert spool.load().server is None


def test_a_server_that_has_taken_some_of_it_is_remembered(directory: Path, server: FakeServer) -> None:
    spool = spooled(directory, a_recording(writes=5))
    # The recording is told to it, its output is refused.
    server.faults.extend(["ok", 403])
    token = directory / "agent.token"
    assert run_upload("--server", server.url, "--token-file", str(token)).returncode == 1
    assert spool.load().server == server.url


def test_a_sidecar_holds_its_state_through_saving_and_loading(directory: Path) -> None:
    spool = spooled(directory, [])
    state = SpoolState(spool.load().metadata, "http://127.0.0.1:1", Position(5, 6), True)
    spool.save(state)

    assert spool.load() == state
    assert sorted(path.suffix for path in spool.recording.parent.iterdir()) == [".cast", ".json"]


def test_a_recording_is_named_by_an_end_or_a_beginning_of_its_id(directory: Path, server: FakeServer) -> None:
    first, second = (spooled(directory, a_recording(seed, writes=5)).recording.stem for seed in range(2))
    server.announce(directory)

    assert run_upload("--keep", first[-8:]).stdout == f"{first} sent\n"
    assert run_upload("--keep", second[:-1]).stdout == f"{second} sent\n"
    assert set(server.terminals) == {first, second}


def test_a_recording_that_is_none_or_may_be_several_is_refused(directory: Path, server: FakeServer) -> None:
    ids = [spooled(directory, a_recording(seed, writes=5)).recording.stem for seed in range(2)]
    server.announce(directory)

    several, none, too_short = run_upload(ids[0][:6]), run_upload("ffffffff"), run_upload(ids[0][-3:])

    assert [done.returncode for done in (several, none, too_short)] == [2, 2, 2]
    assert all(found in several.stderr for found in ids)
    assert none.stderr == "scrollback upload: no recording called 'ffffffff' waits here to be sent\n"
    assert server.terminals == {}


KNOWN, OTHER, MISSING = (f"01990d0f-9d71-7bfc-9fb4-157fce49f60{number}" for number in (1, 2, 3))


def test_a_recording_whose_session_is_not_there_is_left_and_says_how_it_can_be_sent(
    directory: Path, server: FakeServer
) -> None:
    server.known_sessions = {KNOWN}
    lost, kept = (spooled(directory, a_recording(writes=5), session) for session in (MISSING, KNOWN))
    server.announce(directory)
    done = run_upload("--json")

    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert (document["sent"], list(document["left"])) == ([kept.recording.stem], [lost.recording.stem])
    for words in (f"no session {MISSING}", "scrollback upload --session ID", "--session none"):
        assert words in document["left"][lost.recording.stem]
    assert lost.load().metadata.session == MISSING


@pytest.mark.parametrize(("given", "session"), [("none", None), ("9f602", OTHER), (OTHER, OTHER)])
def test_a_recording_whose_session_is_not_there_is_put_into_another_or_none(
    directory: Path, server: FakeServer, given: str, session: str | None
) -> None:
    events = a_recording(writes=5)
    server.known_sessions = {KNOWN, OTHER}
    server.sessions["9f602"] = OTHER
    lost, kept = (spooled(directory, events, its_own) for its_own in (MISSING, KNOWN))
    server.announce(directory)
    done = run_upload("--session", given, "--keep")

    assert (done.returncode, done.stderr) == (0, "")
    assert_same(server.terminals[lost.recording.stem], events)
    assert server.terminals[lost.recording.stem].document["session"] == session
    assert lost.load().metadata.session == session
    # What the server takes as it is stays where it was.
    assert server.terminals[kept.recording.stem].document["session"] == KNOWN
    assert kept.load().metadata.session == KNOWN


def test_another_session_that_is_not_there_either_leaves_the_recording(
    directory: Path, server: FakeServer
) -> None:
    server.known_sessions = {KNOWN}
    lost = spooled(directory, a_recording(writes=5), MISSING)
    server.announce(directory)
    done = run_upload("--session", OTHER)

    assert done.returncode == 1
    assert f"no session {OTHER}" in done.stdout
    assert run_upload("--session", "none").stdout == f"{lost.recording.stem} sent\n"
    spooled(directory, a_recording(writes=5), MISSING)
    unknown = run_upload("--session", "nothing like it")
    assert (unknown.returncode, unknown.stderr) == (2, "scrollback upload: No 'nothing like it' here.\n")


def test_of_those_named_one_that_has_gone_does_not_keep_the_others(
    directory: Path, server: FakeServer
) -> None:
    gone, first, second = (spooled(directory, a_recording(seed, writes=5)) for seed in range(3))
    server.announce(directory)
    gone.remove()
    ids = [spool.recording.stem for spool in (gone, first, second)]
    refused = run_upload(*ids)

    assert (refused.returncode, server.terminals) == (2, {})
    done = run_upload("--ignore-missing", "--json", *ids)
    assert (done.returncode, json.loads(done.stdout)["sent"]) == (0, ids[1:])
    assert run_upload("--ignore-missing", *ids).stdout == "Nothing to send.\n"


def test_what_may_be_several_is_refused_with_ignore_missing_too(directory: Path, server: FakeServer) -> None:
    ids = [spooled(directory, a_recording(seed, writes=5)).recording.stem for seed in range(2)]
    server.announce(directory)

    assert run_upload("--ignore-missing", ids[0][:6]).returncode == 2
    assert server.terminals == {}


def without_room(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes nothing more for the recordings."""
    write = os.write

    def write_elsewhere(descriptor: int, data: bytes) -> int:
        if os.path.realpath(f"/proc/self/fd/{descriptor}") == os.path.realpath(spool.recording):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", write_elsewhere)


def test_an_end_that_cannot_be_written_down_is_sent_all_the_same(
    directory: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = a_recording(writes=20)[:-1]
    spool = spooled(directory, events)
    server.announce(directory)
    # The server loses its place in between: what is read again has the same end.
    server.faults.extend(["ok", "cut after"])
    without_room(spool, monkeypatch)

    assert upload.main([]) == 0
    assert_same(server.only_terminal(), [*events, Exit(events[-1].time_us, None)])
    assert not spool.recording.exists()


def test_what_could_not_be_written_down_is_nothing_that_others_wait_for(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = spooled(directory, a_recording(writes=5)[:-1])
    whole = spool.recording.read_bytes()
    with monkeypatch.context() as full:
        without_room(spool, full)
        with pytest.raises(EndUnwritten, match="No space left"):
            finish_interrupted(spool)
    assert spool.recording.read_bytes() == whole
    assert finish_interrupted(spool)
    assert spool.recording.read_bytes().startswith(whole)
    assert len(spool.recording.read_bytes()) > len(whole)


def read_only(spool: Spool, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    """A folder of recordings in which nothing may be written or removed; permissions do not bind every user."""
    open_file, unlink = os.open, os.unlink

    def open_to_read(path: str | Path, flags: int, mode: int = 0o777) -> int:
        if Path(path).parent == spool.recording.parent and flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(error, os.strerror(error))
        return open_file(path, flags, mode)

    def keep(path: str | Path) -> None:
        if Path(path).parent == spool.recording.parent:
            raise OSError(error, os.strerror(error))
        unlink(path)

    monkeypatch.setattr(os, "open", open_to_read)
    monkeypatch.setattr(os, "unlink", keep)


#: A recording whose keeper was killed: between two lines, within one, and within the first.
CUTS = [0, -3, None]


def killed(directory: Path, cut: int | None) -> tuple[Spool, list[Event]]:
    """A spool without an end, and the events that are in it whole."""
    events = a_recording(writes=20)[:-1]
    spool = spooled(directory, events)
    whole = spool.recording.read_bytes()
    spool.recording.write_bytes(whole[:20] if cut is None else whole[: len(whole) + cut])
    return spool, [] if cut is None else events[:-1] if cut else events


def without_exit(events: list[Event]) -> list[Event]:
    """The same with an end of which nothing is known."""
    return [*events, Exit(events[-1].time_us if events else 0, None)]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES])
def test_an_end_is_sent_where_nothing_may_be_written(
    directory: Path,
    server: FakeServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: int,
    cut: int | None,
) -> None:
    spool, events = killed(directory, cut)
    server.announce(directory)
    before = spool.recording.read_bytes()
    # The server loses its place in between: what is read again has the same end.
    server.faults.extend(["ok", "cut after"])
    with monkeypatch.context() as protected:
        read_only(spool, protected, error)
        assert upload.main(["--json"]) == 1
    assert_same(server.only_terminal(), without_exit(events))
    assert spool.recording.read_bytes() == before
    # It is not told as sent and gone, nor as lacking on the server.
    [reason] = json.loads(capsys.readouterr().out)["left"].values()
    assert reason == f"the server has all of it, but it cannot be removed here: {os.strerror(error)}"
    assert upload.main([]) == 0
    assert list(spool.recording.parent.iterdir()) == []
    assert_same(server.only_terminal(), without_exit(events))


@pytest.mark.parametrize("cut", CUTS)
def test_an_end_is_sent_where_a_piece_of_a_line_cannot_be_cut_off(
    directory: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch, cut: int | None
) -> None:
    _, events = killed(directory, cut)
    server.announce(directory)

    def truncate(descriptor: int, length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "ftruncate", truncate)
    assert upload.main([]) == 0
    assert_same(server.only_terminal(), without_exit(events))


def test_what_has_its_end_needs_none_where_nothing_may_be_written(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = spooled(directory, a_recording(writes=5))
    read_only(spool, monkeypatch, errno.EROFS)
    assert finish_interrupted(spool)


def test_a_recording_that_is_being_made_is_left_alone_where_it_may_only_be_read(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = a_metadata()
    spool = Spool.of(directory, metadata.id)
    writer = SpoolWriter.create(spool, metadata, None)
    read_only(spool, monkeypatch, errno.EROFS)
    assert not finish_interrupted(spool)
    writer.close()
    with pytest.raises(EndUnwritten):
        finish_interrupted(spool)


def test_a_recording_that_is_gone_has_no_end_to_be_sent(directory: Path) -> None:
    with pytest.raises(FileNotFoundError):
        finish_interrupted(Spool.of(directory, a_metadata().id))


def test_nothing_is_noted_of_a_recording_that_another_has_removed(
    directory: Path, server: FakeServer
) -> None:
    spool = spooled(directory, a_recording(writes=2000))
    uploader = Uploader(spool, lambda: Target(server.url, TOKEN), FinishedRecording(20, spool.remove))
    assert uploader.run() is Outcome.COMPLETE
    assert list(spool.recording.parent.iterdir()) == []


def test_a_server_that_cannot_answer_is_waited_for_once_and_not_for_each(
    directory: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [spooled(directory, a_recording(seed, writes=2)).recording.stem for seed in range(20)]
    server.announce(directory)
    monkeypatch.setattr(upload, "_PATIENCE_S", 2)
    server.faults.extend([503] * 1_000)

    assert upload.main(ids) == 1
    # Each was tried all the same: one that the server cannot take must not keep the others.
    tries = [sum(name in request for request in server.requests) for name in ids]
    assert tries == [tries[0], *[1] * 19]
    assert tries[0] > 1
    assert len(spools(directory)) == 20


def test_a_server_that_answers_again_is_waited_for_again(
    directory: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first recording is one that the server cannot take, and with each of the others something passes."""
    refused, long, last = (
        spooled(directory, a_recording(seed, writes)).recording.stem
        for seed, writes in enumerate([2, 2000, 2])
    )
    server.announce(directory)
    monkeypatch.setattr(upload, "_PATIENCE_S", 3)
    put, post = server.put, server.post
    faults = [("POST", long), ("PUT", last)]

    def fails(method: str, terminal: str) -> bool:
        if (method, terminal) not in faults:
            return False
        faults.remove((method, terminal))
        return True

    def put_or_fail(terminal: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if terminal == refused or fails("PUT", terminal):
            return 500, {}
        return put(terminal, body)

    def post_or_fail(terminal: str, body: bytes) -> tuple[int, dict[str, Any]]:
        begun = server.terminals[terminal].position != Position()
        return (500, {}) if begun and fails("POST", terminal) else post(terminal, body)

    monkeypatch.setattr(server, "put", put_or_fail)
    monkeypatch.setattr(server, "post", post_or_fail)
    assert upload.main([refused, long, last]) == 1
    assert faults == []
    assert [spool.recording.stem for spool in spools(directory)] == [refused]
