"""What of a program's output is masked before it is written down, and how long for a decision is waited."""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sessions_app.terminal.asciicast.model import Event
from sessions_app.terminal.masking.detector import Detector
from sessions_app.terminal.masking.events import EventMasker
from sessions_app.terminal.masking.known import MIN_NAMED_CHARS, KnownValue, values_of_environment
from sessions_app.terminal.masking.masker import Hold
from sessions_app.terminal.masking.policy import Policy, read_policy, read_settings_file

#: What only might be the beginning of a secret is shown to viewers no later than this.
WEAK_HOLD_S = 0.05
#: What began like a secret is waited for while somebody types it.
FIRM_HOLD_S = 1.0


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
    """An EventMasker that knows how long it has been waiting."""

    def __init__(self, detector: Detector, width: int) -> None:
        self._masker = EventMasker(detector, width=width)
        self._taken_s = 0.0

    @property
    def counts(self) -> Mapping[str, int]:
        return self._masker.counts

    def take(self, event: Event) -> Iterable[Event]:
        """What can be written after `event`."""
        given = self._masker.take(event)
        if self._masker.hold is not Hold.NONE:
            self._taken_s = time.monotonic()
        return given

    def due_s(self) -> float | None:
        """How long to wait for more, None when nothing is held back."""
        if self._masker.hold is Hold.NONE:
            return None
        limit_s = WEAK_HOLD_S if self._masker.hold is Hold.WEAK else FIRM_HOLD_S
        return max(0.0, self._taken_s + limit_s - time.monotonic())

    def pause(self) -> Iterable[Event]:
        """What can be written when nothing came for long enough."""
        if self.due_s() != 0:
            return ()
        return self._masker.pause() if self._masker.hold is Hold.WEAK else self._masker.release()
