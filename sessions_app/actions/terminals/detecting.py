"""What the server masks with."""

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from sessions_app.terminal.masking.detector import Detector
from sessions_app.terminal.masking.events import mask_text
from sessions_app.terminal.masking.policy import Policy


def server_detector() -> Detector | None:
    """None when masking is switched off."""
    policy: Policy = settings.MASKING
    return _detector_of(policy, Path(settings.HOME)) if policy.is_on else None


def masked_text(text: str) -> str:
    """A title, a command or another text that describes a terminal, without the secrets in it."""
    detector = server_detector()
    return mask_text(detector, text)[0] if detector and text else text


@lru_cache(maxsize=4)
def _detector_of(policy: Policy, home: Path) -> Detector:
    return policy.detector(home)
