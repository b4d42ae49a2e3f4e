"""What a person at a terminal sees while an import is going on."""

import contextlib
import os
import pty
import re
import termios
import threading
from pathlib import Path

import pytest

from tests.dashboard.commands.shell import DEADLINE_S, Shell
from tests.dashboard.commands.test_interrupts import COPIES, grow_histories
from tests.launching import launch

pytestmark = pytest.mark.once  # What is printed is no matter of the engine.
WIDTH = 120


class Screen:
    """A terminal that takes down what is written to it; give `writable` to a program, then `read` to its end."""

    def __init__(self) -> None:
        self._readable, self.writable = pty.openpty()
        termios.tcsetwinsize(self.writable, (24, WIDTH))
        self._taken = bytearray()
        self._reader = threading.Thread(target=self._take)
        self._reader.start()

    def _take(self) -> None:
        # Linux answers with EIO when nobody holds the other end any more.
        with contextlib.suppress(OSError):
            while content := os.read(self._readable, 65536):
                self._taken += content

    def read(self) -> str:
        os.close(self.writable)
        self._reader.join(DEADLINE_S)
        os.close(self._readable)
        return self._taken.decode()


def import_at_a_terminal(shell: Shell, folder: Path, *options: str) -> tuple[str, str]:
    """Standard output, and what the terminal was sent."""
    screen = Screen()
    environment = {**shell.environment, "TERM": "xterm-256color"}
    with (folder.parent / "output").open("w+") as output:
        importing = launch(
            "import", str(folder), *options, env=environment, stdout=output, stderr=screen.writable
        )
        assert importing.wait(DEADLINE_S) == 0
        output.seek(0)
        return output.read(), screen.read()


def test_a_terminal_sees_a_bar_that_moves_and_goes_in_the_end(shell: Shell, tmp_path: Path) -> None:
    grow_histories(tmp_path / "histories")
    said, seen = import_at_a_terminal(shell, tmp_path / "histories")

    assert said.startswith(f"{COPIES} sessions, ")
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    assert "Importing" in lines
    numbers = [int(number) for number in re.findall(rf"(\d+)/{COPIES} files", lines)]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 2, numbers
    assert numbers[-1] == COPIES
    assert re.search(r"\d MB/s", lines)
    # The last thing is that its line is empty again, and the cursor shown.
    assert seen.rstrip("\r\n").endswith("\x1b[2K")
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l")


def test_who_asks_for_json_sees_no_bar(shell: Shell, tmp_path: Path) -> None:
    grow_histories(tmp_path / "histories")
    said, seen = import_at_a_terminal(shell, tmp_path / "histories", "--json")
    assert said.startswith("{")
    assert seen == ""
