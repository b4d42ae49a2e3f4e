"""The real program in a process of its own, for tests that look at it from outside."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.launching import launch, run_program

START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 10.0


def free_port() -> int:
    """A port that nobody listens on now; the server takes it a moment later."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """`scrollback serve`, started and stopped as often as a test likes, always on the same port and data."""

    def __init__(self, home: Path, database_url: str, *, secret_key: str) -> None:
        self.home = home
        self.port = free_port()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SCROLLBACK_")},
            "SCROLLBACK_HOME": str(home),
            # Copies of one database have one log, and whoever verified another copy remembers its head.
            "XDG_STATE_HOME": str(home / "state"),
            "SCROLLBACK_DATABASE_URL": database_url,
            "SCROLLBACK_SECRET_KEY": secret_key,
            "SCROLLBACK_LOG_LEVEL": "WARNING",
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._log = home / "serve.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Without a slash at the end, so that `server.url + "/sessions/"` reads well."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        """What the server printed so far, on both streams."""
        return self._log.read_text(errors="replace")

    @property
    def process_id(self) -> int:
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def start(self, *options: str) -> None:
        with self._log.open("ab") as log:
            self._process = launch(
                "serve",
                "--port",
                str(self.port),
                *options,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # An interrupt at the keyboard is for pytest, which then stops the server.
                process_group=0,
            )
        deadline = time.monotonic() + START_DEADLINE_S
        while not self._is_healthy():
            if self._process.poll() is not None or time.monotonic() > deadline:
                process, self._process = self._process, None
                process.kill()
                process.wait()
                raise AssertionError(f"the server did not start:\n{self.output[-4000:]}")
            time.sleep(0.02)

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """End the server; returns its exit status. Quiet when it is not running."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(signal_number)
        try:
            return process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the server did not stop:\n{self.output[-4000:]}") from None

    def restart(self) -> None:
        self.stop()
        self.start()

    def run(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Another `scrollback` command on the same data."""
        return run_program(*arguments, env=self.environment, stdin=stdin, timeout=60)

    def popen(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """The same without waiting for its end; the test ends it."""
        return launch(*arguments, env=self.environment, **options)

    def _is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2) as answer:  # noqa: S310
                return bool(json.load(answer)["status"] == "ok")
        except (urllib.error.URLError, OSError, ValueError):
            return False


def shared_cache(folder: Path, home: Path) -> None:
    """Let every home use one folder of collected static files: collecting them takes seconds."""
    folder.mkdir(exist_ok=True)
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "cache").symlink_to(folder, target_is_directory=True)


def temporary_home() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="scrollback-browser-", ignore_cleanup_errors=True)
