"""A server that runs sends what recorders had to leave."""

import logging
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest

from dashboard.sending import SendingWhatWaits
from sessions_app.client.identifiers import uuid7
from sessions_app.client.spool import Spool, SpoolWriter, spools
from sessions_app.terminal.batch import Position
from tests.sessions_app.client.conftest import directory, server
from tests.sessions_app.client.fake_server import TOKEN, FakeServer, running_fake_server
from tests.sessions_app.client.recorder import wait_until
from tests.sessions_app.client.test_upload import a_metadata, a_recording, spooled

__all__ = ["directory", "server"]

# It reads files, and starts a program that reaches no database.
pytestmark = pytest.mark.once


@pytest.fixture
def sender(directory: Path, server: FakeServer) -> SendingWhatWaits:
    server.announce(directory)
    by_name = server.url.replace("127.0.0.1", "localhost")
    return SendingWhatWaits(directory, [server.url, by_name, "https://console.lan"])


def name_of(spool: Spool) -> str:
    return spool.recording.stem


def test_what_waits_at_the_start_is_sent_at_once(
    directory: Path, server: FakeServer, sender: SendingWhatWaits
) -> None:
    made = [spooled(directory, a_recording(seed, writes=5)) for seed in range(2)]
    sender.look()
    assert set(server.terminals) == set(map(name_of, made))
    assert spools(directory) == []


def test_what_was_left_later_is_sent_when_nobody_goes_on_with_it(
    directory: Path, server: FakeServer, sender: SendingWhatWaits
) -> None:
    sender.look()
    left = spooled(directory, a_recording(writes=5))
    sender.look()
    assert server.terminals == {}
    # Its recorder is still sending.
    left.save(replace(left.load(), acknowledged=Position(1, 0)))
    sender.look()
    assert server.terminals == {}
    sender.look()
    assert list(server.terminals) == [name_of(left)]
    assert spools(directory) == []


def test_what_is_being_recorded_is_left_alone(
    directory: Path, server: FakeServer, sender: SendingWhatWaits
) -> None:
    metadata = a_metadata()
    live = SpoolWriter.create(Spool.of(directory, metadata.id), metadata, None)
    with patch.object(subprocess, "Popen", side_effect=AssertionError):
        sender.look()
        sender.look()
    live.close()
    assert len(spools(directory)) == 1
    assert server.terminals == {}


def meant_for(directory: Path, url: str) -> Spool:
    """A recording whose recorder was told where to send it."""
    spool = spooled(directory, a_recording(writes=5))
    spool.save(replace(spool.load(), server=url))
    return spool


def test_what_was_meant_for_this_server_by_one_of_its_addresses_is_sent(
    directory: Path, server: FakeServer, sender: SendingWhatWaits
) -> None:
    by_name = server.url.replace("127.0.0.1", "LOCALHOST")
    meant = [
        meant_for(directory, url)
        for url in (server.url, f"{server.url}/", by_name, "https://console.lan:443/")
    ]
    sender.look()
    assert set(server.terminals) == set(map(name_of, meant))


@pytest.mark.parametrize(
    "url",
    [
        "http://console.lan",
        "https://console.lan:8443",
        "https://other.lan",
        # A tunnel, say: another program may listen at the other loopback address.
        "http://[::1]:{port}",
        # Below another's address, as a proxy may have it.
        "https://console.lan/other/",
        "https://console.lan:none",
        "nothing of the kind",
    ],
)
def test_what_was_meant_for_another_server_is_left_alone(
    directory: Path, server: FakeServer, sender: SendingWhatWaits, url: str
) -> None:
    meant_for(directory, url.format(port=urlsplit(server.url).port))
    sender.look()
    assert server.requests == []


def test_a_server_that_the_environment_names_is_not_sent_to(
    directory: Path, server: FakeServer, sender: SendingWhatWaits, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = spooled(directory, a_recording(writes=5))
    with running_fake_server() as another:
        monkeypatch.setenv("SCROLLBACK_URL", another.url)
        monkeypatch.setenv("SCROLLBACK_TOKEN", TOKEN)
        sender.look()
        assert another.requests == []
    assert list(server.terminals) == [name_of(spool)]


def test_a_token_for_another_server_is_not_used(
    directory: Path, server: FakeServer, sender: SendingWhatWaits, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = spooled(directory, a_recording(writes=5))
    monkeypatch.setenv("SCROLLBACK_TOKEN", "of-another-server")
    sender.look()
    assert list(server.terminals) == [name_of(spool)]


def test_one_that_vanishes_does_not_keep_the_others(
    directory: Path, server: FakeServer, sender: SendingWhatWaits
) -> None:
    gone, kept = (spooled(directory, a_recording(seed, writes=5)) for seed in range(2))
    due = SendingWhatWaits._due

    def vanish(self: SendingWhatWaits, *arguments: object) -> list[str]:
        found = due(self, *arguments)  # type: ignore[arg-type]
        gone.remove()
        return found

    with patch.object(SendingWhatWaits, "_due", vanish):
        sender.look()
    assert list(server.terminals) == [name_of(kept)]


def test_what_cannot_be_sent_is_told_once_and_tried_less_and_less_often(
    directory: Path, server: FakeServer, sender: SendingWhatWaits, caplog: pytest.LogCaptureFixture
) -> None:
    spool = spooled(directory, a_recording(writes=5))
    now = time.monotonic()
    tried = []
    server.faults.extend([403] * 5)
    with caplog.at_level(logging.WARNING), patch.object(time, "monotonic", lambda: now):
        for _ in range(10):
            before = len(server.requests)
            sender.look()
            tried.append(len(server.requests) - before)
            now += 30
    assert tried == [1, 1, 0, 1, 0, 0, 0, 1, 0, 0]
    assert [name_of(spool) in record.message and "403" in record.message for record in caplog.records] == [
        True
    ]
    server.faults.clear()
    now += 600
    with patch.object(time, "monotonic", lambda: now):
        sender.look()
    assert list(server.terminals) == [name_of(spool)]


def test_of_what_was_left_each_is_told_with_its_reason_and_nothing_of_what_was_sent(
    directory: Path, server: FakeServer, sender: SendingWhatWaits, caplog: pytest.LogCaptureFixture
) -> None:
    sent = [spooled(directory, a_recording(seed, writes=2)) for seed in range(50)]
    missing = [str(uuid7()) for _ in range(2)]
    server.known_sessions = set()
    left = {
        name_of(spooled(directory, a_recording(writes=2), session)): session
        for session in [*missing, missing[0]]
    }
    with caplog.at_level(logging.WARNING):
        sender.look()
    assert len(server.terminals) == len(sent)
    said = [record.message for record in caplog.records]
    for name, session in left.items():
        assert [f"no session {session}" in line for line in said if name in line] == [True]
    assert not any(name_of(spool) in line for spool in sent for line in said)


def test_a_process_that_says_nothing_of_what_it_left_is_told_with_its_error(
    directory: Path, sender: SendingWhatWaits, caplog: pytest.LogCaptureFixture
) -> None:
    spool = spooled(directory, a_recording(writes=2))
    (directory / "agent.token").unlink()
    with caplog.at_level(logging.WARNING):
        sender.look()
    [record] = caplog.records
    assert name_of(spool) in record.message
    assert "no server with a token for it was found" in record.message


def test_a_server_that_stops_ends_the_process(
    directory: Path, server: FakeServer, sender: SendingWhatWaits, caplog: pytest.LogCaptureFixture
) -> None:
    spooled(directory, a_recording(writes=5))
    server.faults.extend([503] * 100)
    sender.start()
    wait_until(lambda: bool(server.requests), "nothing was sent")
    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        sender.stop()
    assert time.monotonic() - began < 3
    assert not sender._thread.is_alive()
    assert len(spools(directory)) == 1
    assert caplog.records == []
