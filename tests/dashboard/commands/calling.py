"""Commands inside the test's own process and database."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.management import load_command_class
from django.core.management.base import BaseCommand, OutputWrapper


@dataclass(frozen=True)
class Ended:
    """What a command left behind; text as a terminal would show it."""

    status: int
    raw: bytes
    errors: str

    @property
    def text(self) -> str:
        return self.raw.decode()

    @property
    def document(self) -> Any:
        """The one JSON object on standard output."""
        assert self.raw.count(b"\n") == 1, self.raw
        assert self.raw.endswith(b"\n"), self.raw
        return json.loads(self.raw)


class Caller:
    def __init__(self, capture: pytest.CaptureFixture[bytes]) -> None:
        self._capture = capture

    def __call__(self, name: str, *arguments: str | Path) -> Ended:
        """Run it as the command line would, its arguments parsed by itself."""
        command: BaseCommand = load_command_class("dashboard", name)
        # The command was made with the streams that pytest has put in place now.
        command.stdout, command.stderr = OutputWrapper(sys.stdout), OutputWrapper(sys.stderr)
        options = vars(command.create_parser("scrollback", name).parse_args([*map(str, arguments)]))
        self._capture.readouterr()
        status = 0
        try:
            command.handle(*options.pop("args", ()), **options)
        except SystemExit as ended:
            status = int(ended.code or 0)
        sys.stdout.flush()
        captured = self._capture.readouterr()
        return Ended(status, captured.out, captured.err.decode())
