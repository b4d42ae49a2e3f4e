"""Sends what recorders could not, while this server runs: recordings that found no server, or one without room."""

import logging
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dashboard.lib.background import BackgroundThread
from sessions_app.client.home import without_choice
from sessions_app.client.spool import Spool, waiting
from sessions_app.terminal.batch import Position

logger = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 30.0
# What is left is tried again after as long, and each time after twice as long.
_LONGEST_PAUSE_S: Final = 600.0
# All of their ids are arguments of one process.
_AT_ONCE: Final = 500
_POLL_S: Final = 0.2
_MOST_SAID: Final = 2_000


@dataclass(frozen=True, slots=True)
class _Seen:
    """How a recording stood: what the server has of it, and the size of its file."""

    acknowledged: Position
    size: int


@dataclass(frozen=True, slots=True)
class _Trouble:
    """It was left: it is let be until then, and after the next time for twice as long."""

    until: float
    pause_s: float


class SendingWhatWaits(BackgroundThread):
    """Sends in a process of its own, as it may take long. What fails is kept, and told by `doctor` and in the log.

    A recording that was meant for a server by name is left to the person. At the first look all are sent; later only
    those that stand as they stood at the look before, as what has just ended is mostly being sent by its recorder.
    """

    def __init__(self, home: Path, every_s: float = LOOK_EVERY_S) -> None:
        super().__init__("sending", every_s)
        self._home = home
        self._seen: dict[str, _Seen] | None = None
        self._troubles: dict[str, _Trouble] = {}

    def look(self) -> None:
        due = self._due(self._waiting())
        if due:
            said = self._send(due)
            self._leave(set(due) & self._waiting().keys(), said)

    def _waiting(self) -> dict[str, _Seen]:
        found = {}
        for state in waiting(self._home):
            if state.server:
                continue
            try:
                size = Spool.of(self._home, state.metadata.id).recording.stat().st_size
            except FileNotFoundError:
                # It was sent a moment ago.
                continue
            found[state.metadata.id] = _Seen(state.acknowledged, size)
        return found

    def _due(self, found: dict[str, _Seen]) -> list[str]:
        now, before, self._seen = time.monotonic(), self._seen, found
        self._troubles = {name: trouble for name, trouble in self._troubles.items() if name in found}
        return [
            name
            for name, seen in found.items()
            if (before is None or before.get(name) == seen)
            and (name not in self._troubles or self._troubles[name].until <= now)
        ][:_AT_ONCE]

    def _send(self, names: Sequence[str]) -> str:
        """What the process says of them; nothing when the server ends meanwhile."""
        with subprocess.Popen(
            # One that is sent or removed by now must not keep the others.
            [sys.executable, "-m", "dashboard.cli", "upload", "--ignore-missing", *names],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=without_choice(),
            # An interrupt at the keyboard is for the server, which ends this one.
            process_group=0,
        ) as process:
            while not self.stopping.is_set():
                try:
                    return process.communicate(timeout=_POLL_S)[0]
                except subprocess.TimeoutExpired:
                    continue
            process.terminate()
            process.communicate()
        return ""

    def _leave(self, left: set[str], said: str) -> None:
        if self.stopping.is_set():
            return
        if left - self._troubles.keys():
            logger.warning("recordings wait that could not be sent: %s", " ".join(said.split())[:_MOST_SAID])
        now = time.monotonic()
        for name in left:
            before = self._troubles.get(name)
            pause_s = self.every_s if before is None else min(2 * before.pause_s, _LONGEST_PAUSE_S)
            self._troubles[name] = _Trouble(now + pause_s, pause_s)
