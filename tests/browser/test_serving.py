"""The server as a program: how it starts, what it says, how it ends."""

import json
import re
import signal
import socket
import urllib.error
import urllib.request
import uuid

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from playwright.sync_api import Page

from benchmarks.websocket import WebSocket
from sessions_app.models import Person
from tests.browser.running import Server
from tests.sessions_app.live.sockets import cookie_of

# The start itself is what is looked at, so nothing is forked here.
pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("installed_program")]


@pytest.mark.once  # No database is asked for this.
def test_the_server_announces_itself_while_it_serves(server: Server) -> None:
    announced = json.loads((server.home / "server.json").read_text())
    assert (announced["url"], announced["pid"]) == (f"{server.url}/", server.process_id)
    assert server.url in announced["origins"]
    assert (server.home / "server.json").stat().st_mode & 0o777 == 0o600
    server.stop()
    assert not (server.home / "server.json").exists()


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_no_connection_holds_up_the_end_of_the_server(
    server: Server, operator: Person, signal_number: int
) -> None:
    with (
        WebSocket(server.port, "/live/console/", {"Cookie": cookie_of(operator)}) as live,
        socket.create_connection(("127.0.0.1", server.port)) as unfinished,
    ):
        assert json.loads(live.receive())["type"] == "counts"
        unfinished.sendall(b"GET / HTTP/1.1\r\nHost: ")
        # Neither is closed, nor answers anything, before the server is gone.
        assert server.stop(signal_number) == 0
    # It came to its own end: cut off by its watchdog it would leave this behind.
    assert not (server.home / "server.json").exists()
    assert "Traceback" not in server.output


@pytest.mark.once  # No database is asked for this.
def test_a_taken_port_is_refused_in_one_line(server: Server) -> None:
    refused = server.run("serve", "--port", str(server.port))
    assert refused.returncode == 2
    assert refused.stdout == b""
    assert refused.stderr.decode().strip() == (
        f"scrollback: Port {server.port} is taken, by a Scrollback that runs already or by another program. "
        f"Stop that one, or choose another: --port {server.port + 1}."
    )


def start_with(server: Server, **environment: str) -> tuple[int, str]:
    """Exit status and error output of a start that is refused."""
    server.stop()
    server.environment |= environment
    refused = server.run("serve", "--port", str(server.port))
    assert refused.stdout == b""
    return refused.returncode, refused.stderr.decode().strip()


def test_a_database_newer_than_the_program_is_refused_in_one_line(server: Server) -> None:
    server.stop()
    MigrationRecorder(connection).record_applied("sessions_app", "9999_from_the_future")
    status, said = start_with(server)
    assert status == 2
    assert said == (
        "scrollback: The database was made by a newer Scrollback (it has sessions_app.9999_from_the_future). "
        "Update the program; nothing was changed."
    )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgres://nobody@127.0.0.1:1/none", "Postgres cannot be reached"),
        ("sqlite:////proc/none/scrollback.sqlite3", "The database file cannot be opened"),
    ],
)
def test_a_database_that_is_away_is_refused_in_one_line(server: Server, url: str, said: str) -> None:
    status, line = start_with(server, SCROLLBACK_DATABASE_URL=url)
    assert status == 2
    assert line.startswith(f"scrollback: {said}")
    assert "\n" not in line


def test_an_empty_database_is_migrated_and_a_setup_link_is_offered_once(
    server: Server, empty_database_url: str
) -> None:
    server.stop()
    server.environment["SCROLLBACK_DATABASE_URL"] = empty_database_url
    before = len(server.output)
    server.start()
    first = server.output[before:]
    assert "migrations applied." in first
    link = re.search(rf"set up your account at ({server.url}/setup/\S+/)", first)
    assert link is not None
    with urllib.request.urlopen(link[1]) as page:  # noqa: S310
        assert page.status == 200
    token = server.home / "agent.token"
    assert token.stat().st_mode & 0o777 == 0o600
    assert server.home.stat().st_mode & 0o777 == 0o700
    before = len(server.output)
    server.restart()
    assert "applied" not in server.output[before:]


def test_static_files_are_collected_again_only_when_they_changed(server: Server) -> None:
    before = len(server.output)
    server.restart()
    assert "Static files" not in server.output[before:]
    (server.home / "cache" / "static.stamp").write_text("old")
    server.restart()
    assert "Static files: collected." in server.output[before:]


def test_a_server_for_the_network_says_what_that_means(server: Server) -> None:
    server.stop()
    before = len(server.output)
    server.start("--host", "0.0.0.0")  # noqa: S104
    said = server.output[before:]
    assert "plain HTTP can be read on the way" in said
    addresses = re.findall(rf"http://[^/\s]+:{server.port}/", said)
    assert len(addresses) > 1
    for address in addresses:
        host = address.split("/")[2]
        assert answer_for(server, host) == 200, f"{host} is a name of this server"
    assert answer_for(server, "evil.example") == 400


def answer_for(server: Server, host: str) -> int:
    request = urllib.request.Request(f"{server.url}/healthz", headers={"Host": host})  # noqa: S310
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


_CLOSED = """([address, message]) => new Promise((told) => {
  const socket = new WebSocket(new URL(address, location.href.replace("http", "ws")));
  if (message) socket.addEventListener("open", () => socket.send(message));
  window.opened = new Promise((open) => socket.addEventListener("open", open));
  socket.addEventListener("close", ({ code }) => told(code));
})"""


def test_a_browser_is_told_why_its_socket_was_closed(
    signed_in_page: Page, operator: Person, server: Server
) -> None:
    signed_in_page.goto("/settings/")
    unknown = f"/live/terminals/{uuid.uuid4()}/?offset=0"
    assert signed_in_page.evaluate(_CLOSED, [unknown, ""]) == 4004
    assert signed_in_page.evaluate(_CLOSED, ["/live/console/", "no json"]) == 4400

    signed_in_page.evaluate(f"() => {{ window.endedWith = ({_CLOSED})(['/live/console/', '']) }}")
    signed_in_page.evaluate("() => window.opened.then(() => null)")
    Person.objects.filter(pk=operator.pk).update(access_version=operator.access_version + 1)
    assert signed_in_page.evaluate("() => window.endedWith") == 4009
