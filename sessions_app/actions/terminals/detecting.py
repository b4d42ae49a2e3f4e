"""What the server masks with."""

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from sessions_app.terminal.masking.detector import Detector
from sessions_app.terminal.masking.events import mask_text
from sessions_app.terminal.masking.policy import Policy
from sessions_app.terminal.masking.sieve import Sieve


def server_detector() -> Detector | None:
    """None when masking is switched off."""
    policy: Policy = settings.MASKING
    return _detector_of(policy, Path(settings.HOME)) if policy.is_on else None


def server_sieve() -> Sieve | None:
    """Where much output may hold something to mask; None where all of it has to be looked at."""
    detector = server_detector()
    return _sieve_of(detector) if detector is not None else None


def masked_text(text: str) -> str:
    """A title, a command or another text that describes a terminal, without the secrets in it."""
    detector = server_detector()
    return mask_text(detector, text)[0] if detector and text else text


@lru_cache(maxsize=4)
def _detector_of(policy: Policy, home: Path) -> Detector:
    return policy.detector(home)


@lru_cache(maxsize=4)
def _sieve_of(detector: Detector) -> Sieve | None:
    return Sieve.make(detector)
