"""The server and the others on its data directory: a second server, recordings that waited."""

import json
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.running import Server
from tests.dashboard.commands.shell import Shell
from tests.launching import SCROLLBACK

DEADLINE_S = 30


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def server_on(shell: Shell) -> Server:
    return Server(shell.home, shell.environment["SCROLLBACK_DATABASE_URL"], secret_key="k" * 50)


def announced(home: Path) -> Any:
    path = home / "server.json"
    return json.loads(path.read_text()) if path.exists() else None


def test_a_second_server_is_announced_only_when_the_first_has_ended(shell: Shell) -> None:
    with server_on(shell) as first, server_on(shell) as second:
        assert announced(shell.home) == {"url": f"{first.url}/", "pid": first.process_id}
        first.stop()
        wait_until(lambda: announced(shell.home) == {"url": f"{second.url}/", "pid": second.process_id})
    assert announced(shell.home) is None


def test_a_second_server_that_ends_leaves_the_first_announced(shell: Shell) -> None:
    with server_on(shell) as first:
        with server_on(shell):
            pass
        assert announced(shell.home) == {"url": f"{first.url}/", "pid": first.process_id}


def test_browsers_that_leave_in_the_middle_are_no_errors(shell: Shell) -> None:
    with server_on(shell) as server:
        for number in range(400):
            with socket.create_connection(("127.0.0.1", server.port)) as browser:
                browser.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                # Each a little later in the life of the request, and half of them with a reset.
                time.sleep(number % 40 / 2_000)
                if number % 2:
                    browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert urllib.request.urlopen(f"{server.url}/healthz").status == 200  # noqa: S310  our own server
    assert "Traceback" not in server.output


def test_recordings_that_waited_are_sent_when_a_server_starts(shell: Shell) -> None:
    assert shell.run("record", "--quiet", "--", "echo", "kept").returncode == 0
    assert shell.run("record", "--quiet", "--server", "http://127.0.0.1:9/", "--", "true").returncode == 0
    checks = {check["name"]: check for check in shell.json("doctor")["checks"]}
    assert checks["recordings"]["verdict"] == "warn"
    assert checks["recordings"]["text"].startswith("2 recordings wait")

    with server_on(shell) as server:
        wait_until(lambda: len(list((shell.home / "spool").glob("*.cast"))) == 1)
        sent = shell.json("list", "--terminals")["terminals"]
        assert [json.loads(terminal["command"]) for terminal in sent] == [["echo", "kept"]]
        assert "Traceback" not in server.output


def test_a_recording_that_lost_its_server_is_finished_by_the_next_one(shell: Shell) -> None:
    program = ["record", "--quiet", "--", "sh", "-c", "echo first; read line; echo got $line; exit 4"]
    with server_on(shell) as server:
        with subprocess.Popen(
            [str(SCROLLBACK), *program],
            env=shell.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        ) as recorder:
            wait_until(lambda: [terminal["size"] for terminal in terminals(shell)] == [len("first\r\n")])
            server.stop()
            recorder.communicate(b"it\n", timeout=DEADLINE_S)
        assert recorder.returncode == 4
    assert [terminal["state"] for terminal in terminals(shell)] == ["live"]

    with server_on(shell):
        wait_until(lambda: [terminal["exit_status"] for terminal in terminals(shell)] == [4])
        assert not list((shell.home / "spool").glob("*.cast"))


def terminals(shell: Shell) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shell.json("list", "--terminals")["terminals"]
    return found


@pytest.mark.once
def test_a_foreign_host_header_is_no_traceback_in_the_log(shell: Shell) -> None:
    with server_on(shell) as server:
        request = urllib.request.Request(f"{server.url}/healthz", headers={"Host": "evil.example"})  # noqa: S310
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)  # noqa: S310
        refused.value.close()
        assert refused.value.code == 400
    assert "evil.example" not in server.output


def test_a_start_with_other_settings_is_in_the_log(shell: Shell) -> None:
    def entries_after(**environment: str) -> int:
        server = server_on(shell)
        server.environment |= environment
        with server:
            pass
        size: int = shell.json("audit", "verify")["size"]
        return size

    first, same, other = entries_after(), entries_after(), entries_after(SCROLLBACK_SEAL_AFTER_HOURS="48")
    # A start writes others too (a link to set up), and so does a verification.
    assert other - same == same - first + 1
