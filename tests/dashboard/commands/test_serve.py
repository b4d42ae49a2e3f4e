"""The server and the others on its data directory: a second server, recordings that waited."""

import json
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.browser.running import Server, free_port
from tests.dashboard.commands.shell import Shell, only_line
from tests.launching import SCROLLBACK

MANAGE = Path(__file__).parents[3] / "manage.py"

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


def told_of(server: Server) -> dict[str, Any]:
    """What it says of itself: recorders know it by each of its names."""
    port = urlsplit(server.url).port
    names = ("localhost", "127.0.0.1", "console.localhost")
    origins = [f"http://{name}:{port}" for name in names]
    return {"url": f"{server.url}/", "origins": origins, "pid": server.process_id}


def test_a_second_server_is_announced_only_when_the_first_has_ended(shell: Shell) -> None:
    with server_on(shell) as first, server_on(shell) as second:
        assert announced(shell.home) == told_of(first)
        first.stop()
        wait_until(lambda: announced(shell.home) == told_of(second))
    assert announced(shell.home) is None


def test_a_second_server_that_ends_leaves_the_first_announced(shell: Shell) -> None:
    with server_on(shell) as first:
        with server_on(shell):
            pass
        assert announced(shell.home) == told_of(first)


def test_the_next_server_is_announced_when_the_first_is_killed(shell: Shell) -> None:
    with server_on(shell) as first, server_on(shell) as second:
        assert announced(shell.home) == told_of(first)
        first.stop(signal.SIGKILL)
        wait_until(lambda: announced(shell.home) == told_of(second))


@pytest.mark.parametrize("is_named", [True, False])
def test_whoever_has_the_port_of_a_killed_server_is_given_no_token_and_no_recording(
    shell: Shell, is_named: bool
) -> None:
    with server_on(shell) as server:
        told = told_of(server)
        server.stop(signal.SIGKILL)
    assert announced(shell.home) == told
    with socket.create_server(("127.0.0.1", server.port)) as another:
        options = ["--server", f"http://localhost:{server.port}"] if is_named else []
        assert shell.run("record", "--quiet", *options, "--", "echo", "kept").returncode == 0
        another.setblocking(False)
        with pytest.raises(BlockingIOError):
            another.accept()
    with server:
        wait_until(lambda: not list((shell.home / "spool").glob("*.cast")))


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
    server = server_on(shell)
    # Another of its addresses than the one that it listens on.
    own = f"http://localhost:{server.port}"
    assert shell.run("record", "--quiet", "--server", own, "--", "echo", "meant").returncode == 0
    checks = {check["name"]: check for check in shell.json("doctor")["checks"]}
    assert checks["recordings"]["verdict"] == "warn"
    assert checks["recordings"]["text"].startswith("3 recordings wait")

    with server:
        wait_until(lambda: len(list((shell.home / "spool").glob("*.cast"))) == 1)
        sent = [json.loads(terminal["command"])[-1] for terminal in terminals(shell)]
        assert sorted(sent) == ["kept", "meant"]
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


def test_a_server_that_ends_writes_how_many_refusals_it_withheld(shell: Shell) -> None:
    with server_on(shell) as server:
        for number in range(5):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"{server.url}/setup/guess-{number}/")  # noqa: S310  our own server
    found = [json.loads(body) for body in bodies(shell.environment["SCROLLBACK_DATABASE_URL"])]
    refused = [entry for entry in found if entry["action"] == "request.denied"]
    assert [entry["details"]["withheld"] for entry in refused] == [0, 3]
    assert {entry["target"]["label"] for entry in refused} == {"/setup/…/"}


def bodies(url: str) -> list[str]:
    """The texts of all entries, in their order."""
    query = "SELECT body FROM audit_entry ORDER BY idx"
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
            return [body for (body,) in database.execute(query)]
    with psycopg.connect(url) as server:
        return [body for (body,) in server.execute(query)]


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


def run_sql(shell: Shell, *statements: str) -> None:
    """As somebody who holds the database."""
    url = shell.environment["SCROLLBACK_DATABASE_URL"]
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
            for statement in statements:
                database.execute(statement)
            database.commit()
        return
    with psycopg.connect(url) as server:
        for statement in statements:
            server.execute(statement.encode())


def drop_triggers(shell: Shell) -> None:
    on = "" if shell.environment["SCROLLBACK_DATABASE_URL"].startswith("sqlite") else " ON audit_entry"
    run_sql(shell, *(f"DROP TRIGGER audit_entry_{name}{on}" for name in ("no_update", "no_delete")))


def rebuild_table(shell: Shell) -> None:
    """As a migration changes a table on SQLite, by one that is not Django's own and puts nothing back."""
    path = shell.environment["SCROLLBACK_DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as database:
        made = "SELECT sql FROM sqlite_master WHERE tbl_name = 'audit_entry' AND type = ? AND sql IS NOT NULL"
        ((table,),) = database.execute(made, ("table",))
        indexes = [sql for (sql,) in database.execute(made, ("index",))]
    run_sql(
        shell,
        # Else SQLite refuses to rename what a trigger of another table names.
        "PRAGMA legacy_alter_table = ON",
        table.replace("audit_entry", "new__audit_entry", 1),
        "INSERT INTO new__audit_entry SELECT * FROM audit_entry",
        "DROP TABLE audit_entry",
        "ALTER TABLE new__audit_entry RENAME TO audit_entry",
        *indexes,
    )


def refusal(shell: Shell) -> str:
    """The one line with which a server refuses to start."""
    ended = shell.run("serve", "--port", str(free_port()))
    assert (ended.returncode, ended.stdout) == (2, b"")
    return only_line(ended.stderr)


@pytest.mark.parametrize("spoil", [drop_triggers, rebuild_table], ids=lambda spoil: spoil.__name__)
def test_a_log_without_its_triggers_is_not_served_until_what_the_refusal_says_is_done(
    shell: Shell, spoil: Callable[[Shell], None]
) -> None:
    if spoil is rebuild_table and not shell.environment["SCROLLBACK_DATABASE_URL"].startswith("sqlite"):
        pytest.skip("only SQLite rebuilds a table to change it")
    shell.run("audit", "verify")
    spoil(shell)
    said = refusal(shell)
    assert "the trigger audit_entry_" in said
    assert "Put them back with `python manage.py migrate`, then run `scrollback audit verify`." in said

    environment = {**shell.environment, "SCROLLBACK_SECRET_KEY": "k" * 50}
    done = subprocess.run([sys.executable, str(MANAGE), "migrate"], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"audit.W001" in done.stderr
    assert shell.json("audit", "verify")["is_sound"]
    with server_on(shell):
        pass


def test_a_log_without_its_key_is_not_served_until_it_is_back(shell: Shell) -> None:
    with server_on(shell):
        # The first thing that is signed makes it.
        wait_until(lambda: bool(list(shell.home.glob("audit-*.key"))))
    (key,) = shell.home.glob("audit-*.key")
    kept = key.rename(shell.home / "elsewhere")
    said = refusal(shell)
    assert f"The key of the audit log, {key}, is missing. Put it back" in said
    assert "scrollback audit new-key" in said
    kept.rename(key)
    with server_on(shell):
        pass
