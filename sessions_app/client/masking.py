"""What of a program's output is masked before it is written down, and how long for a decision is waited."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from sessions_app.terminal.asciicast.model import Event, Input, Output
from sessions_app.terminal.masking.detector import Detector
from sessions_app.terminal.masking.events import EventMasker, Stream
from sessions_app.terminal.masking.known import MIN_NAMED_CHARS, KnownValue, values_of_environment
from sessions_app.terminal.masking.masker import MAX_HELD_BYTES, Hold
from sessions_app.terminal.masking.policy import Policy, read_policy, read_settings_file

#: What only might be the beginning of a secret is shown to viewers no later than this.
WEAK_HOLD_S = 0.05
#: What began like a secret is waited for while somebody types it.
FIRM_HOLD_S = 1.0
_HOLD_S = {Hold.WEAK: WEAK_HOLD_S, Hold.FIRM: FIRM_HOLD_S}


class MaskingError(Exception):
    """What was asked for cannot be masked; the message is one line for the person."""


def read_recorder_policy(home: Path, environment: Mapping[str, str]) -> Policy:
    """The settings of this data directory. Raises PolicyError."""
    file, name = read_settings_file(home, environment)
    return read_policy(file, name, environment)


def make_detector(
    policy: Policy, home: Path, names: Sequence[str], environment: Mapping[str, str]
) -> Detector:
    """What to mask with: the rules, the values of the variables that were named, and of those whose names say
    that they hold secrets. Raises MaskingError."""
    known = [_named_value(name, environment) for name in names]
    if policy.reads_environment:
        known += values_of_environment(environment)
    return policy.detector(home, known)


def _named_value(name: str, environment: Mapping[str, str]) -> KnownValue:
    value = environment.get(name)
    if value is None:
        raise MaskingError(f"--mask-env {name}: there is no such variable in the environment")
    if len(value) < MIN_NAMED_CHARS:
        raise MaskingError(
            f"--mask-env {name}: a value of fewer than {MIN_NAMED_CHARS} characters would mask ordinary text"
        )
    return KnownValue(name, value)


class PatientMasker:
    """An EventMasker that knows how long it has been waiting, for each of its streams by itself.

    Else a key, of which nothing more may come for hours, would hold back what a program shows meanwhile.
    """

    def __init__(self, detector: Detector, width: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._masker = EventMasker(detector, width=width)
        self._clock = clock
        self._taken_s: dict[Stream, float] = {Output: 0.0, Input: 0.0}

    @property
    def counts(self) -> Mapping[str, int]:
        return self._masker.counts

    def take(self, event: Event) -> Iterable[Event]:
        """What can be written after `event`."""
        given = self._masker.take(event)
        if self._masker.hold is Hold.NONE:
            return given
        if isinstance(event, Output | Input):
            self._taken_s[type(event)] = self._clock()
        given += self.pause()
        while self._masker.behind > MAX_HELD_BYTES and (first := self._masker.first_stream):
            given += self._masker.release(first)
        return given

    def due_s(self) -> float | None:
        """How long to wait for more, None when nothing is held back."""
        return min(self._due().values(), default=None)

    def pause(self) -> list[Event]:
        """What can be written of a stream when no more of it came for long enough."""
        due = [stream for stream, due_s in self._due().items() if due_s == 0]
        return self._masker.release(*due) if due else []

    def _due(self) -> dict[Stream, float]:
        """How long to wait for more of each stream that is held back, in seconds."""
        now = self._clock()
        return {
            stream: max(0.0, taken_s + _HOLD_S[hold] - now)
            for stream, taken_s in self._taken_s.items()
            if (hold := self._masker.masker(stream).hold) is not Hold.NONE
        }
