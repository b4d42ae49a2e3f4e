"""The server as a program: how it starts, what it says, how it ends."""

import json
import signal
import time

import pytest

from tests.browser.running import Server

pytestmark = pytest.mark.browser


def test_the_server_announces_itself_while_it_serves(server: Server) -> None:
    announced = json.loads((server.home / "server.json").read_text())
    assert announced == {"url": f"{server.url}/", "pid": server.process_id}
    assert (server.home / "server.json").stat().st_mode & 0o777 == 0o600
    server.stop()
    assert not (server.home / "server.json").exists()


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_within_a_second(server: Server, signal_number: int) -> None:
    started = time.monotonic()
    assert server.stop(signal_number) == 0
    assert time.monotonic() - started < 1.5
    assert "Traceback" not in server.output


def test_a_taken_port_is_refused_in_one_line(server: Server) -> None:
    refused = server.run("serve", "--port", str(server.port))
    assert refused.returncode == 2
    assert refused.stdout == b""
    assert refused.stderr.decode().strip() == (
        f"scrollback: Port {server.port} is taken by another program. "
        f"Stop that one, or choose another: --port {server.port + 1}."
    )
