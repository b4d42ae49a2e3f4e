"""The real program in processes of its own, on a database of the chosen engine."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.launching import run_program

DEADLINE_S = 60


class Shell:
    """Runs `scrollback` commands on one data directory."""

    def __init__(self, home: Path, database_url: str = "") -> None:
        self.home = home
        own = {name: value for name, value in os.environ.items() if not name.startswith("SCROLLBACK_")}
        # Output is kept back until there is enough of it, as it is for a person.
        own.pop("PYTHONUNBUFFERED", None)
        self.environment = {**own, "SCROLLBACK_HOME": str(home), "HOME": str(home)}
        if database_url:
            self.environment["SCROLLBACK_DATABASE_URL"] = database_url

    def run(self, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
        environment = self.environment | options.pop("environment", {})
        return run_program(*map(str, arguments), env=environment, timeout=DEADLINE_S, **options)

    def json(self, *arguments: str | Path, exit_status: int = 0) -> Any:
        """The one JSON object that the command prints; fails when there is anything beside it."""
        ended = self.run(*arguments, "--json")
        assert ended.returncode == exit_status, ended.stderr.decode()
        assert ended.stdout.count(b"\n") == 1, ended.stdout
        assert ended.stdout.endswith(b"\n"), ended.stdout
        return json.loads(ended.stdout)


def only_line(stderr: bytes) -> str:
    """What a command that refuses says: one line and no traceback."""
    text = stderr.decode()
    assert "Traceback" not in text, text
    lines = text.splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("scrollback"), text
    return lines[0]
