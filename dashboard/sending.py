"""Sends what recorders could not, while this server runs: recordings that found no server, or one without room."""

import json
import logging
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dashboard.lib.background import BackgroundThread
from sessions_app.client.home import is_at, without_choice
from sessions_app.client.spool import Spool, waiting
from sessions_app.terminal.batch import Position

logger = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 30.0
# What is left is tried again after as long, and each time after twice as long.
_LONGEST_PAUSE_S: Final = 600.0
# All of their ids are arguments of one process.
_AT_ONCE: Final = 500
_POLL_S: Final = 0.2
# Of one reason; the ids that it goes for are named all.
_LONGEST_REASON: Final = 500


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

    A recording that was meant for another server, at none of `origins`, is left to the person. At the first look all
    are sent; later only those that stand as they stood at the look before, as what has just ended is mostly being sent
    by its recorder.
    """

    def __init__(self, home: Path, origins: Sequence[str], every_s: float = LOOK_EVERY_S) -> None:
        super().__init__("sending", every_s)
        self._home = home
        self._origins = origins
        self._seen: dict[str, _Seen] | None = None
        self._troubles: dict[str, _Trouble] = {}

    def look(self) -> None:
        due = self._due(self._waiting())
        if due:
            reasons = self._send(due)
            still = self._waiting()
            self._leave({name: reasons[name] for name in due if name in still})

    def _waiting(self) -> dict[str, _Seen]:
        found = {}
        for state in waiting(self._home):
            if state.server and not is_at(state.server, self._origins):
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

    def _send(self, names: Sequence[str]) -> Mapping[str, str]:
        """Why each that was left was left: what the process says of it, or else how the process ended."""
        with subprocess.Popen(
            # One that is sent or removed by now must not keep the others.
            [sys.executable, "-m", "dashboard.cli", "upload", "--json", "--ignore-missing", *names],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=without_choice(),
            # An interrupt at the keyboard is for the server, which ends this one.
            process_group=0,
        ) as process:
            while True:
                if self.stopping.is_set():
                    process.terminate()
                try:
                    said, errors = process.communicate(timeout=_POLL_S)
                    break
                except subprocess.TimeoutExpired:
                    continue
        ended = f"upload ended with {process.returncode}: {errors}"
        return defaultdict(lambda: ended, _reasons(said))

    def _leave(self, left: Mapping[str, str]) -> None:
        if self.stopping.is_set():
            return
        for reason, names in _by_reason(left, but=self._troubles.keys()).items():
            logger.warning("recordings wait that could not be sent: %s: %s", " ".join(names), reason)
        now = time.monotonic()
        for name in left:
            before = self._troubles.get(name)
            pause_s = self.every_s if before is None else min(2 * before.pause_s, _LONGEST_PAUSE_S)
            self._troubles[name] = _Trouble(now + pause_s, pause_s)


def _reasons(said: str) -> dict[str, str]:
    """By id, out of what `upload --json` prints; empty where it ended before it printed anything."""
    try:
        left = json.loads(said)["left"]
    except ValueError:
        return {}
    return {str(name): str(reason) for name, reason in left.items()}


def _by_reason(left: Mapping[str, str], but: Collection[str]) -> dict[str, list[str]]:
    """Ids by the reason, on one line, that they have in common."""
    found = defaultdict[str, list[str]](list)
    for name, reason in left.items():
        if name not in but:
            found[" ".join(reason.split())[:_LONGEST_REASON]].append(name)
    return found
