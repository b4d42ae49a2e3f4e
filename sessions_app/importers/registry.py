"""The formats that can be imported, in the order in which they are asked."""

import logging
import os

from sessions_app.drafts import Format
from sessions_app.importers import asciicast, claude_code, codex, picoclaw, plain_output

logger = logging.getLogger(__name__)

FORMATS: tuple[Format, ...] = (
    claude_code.FORMAT,
    codex.FORMAT,
    picoclaw.FORMAT,
    picoclaw.LEGACY_FORMAT,
    asciicast.FORMAT,
    asciicast.DOCUMENT_FORMAT,
    plain_output.ANSI_FORMAT,
    plain_output.TEXT_FORMAT,
)

HEAD_BYTES = 64 * 1024


def format_named(name: str) -> Format | None:
    return next((known for known in FORMATS if known.name == name), None)


def detect(path: str, head: bytes) -> Format | None:
    """The format of a file by its name and its first bytes, None when no parser knows it."""
    return next((known for known in FORMATS if _recognises(known, path, head)), None)


def _recognises(known: Format, path: str, head: bytes) -> bool:
    try:
        return known.recognises(path, head)
    except Exception:
        # What makes a format stumble is none of its own; the other files are still to be looked at.
        logger.warning("%s stumbled over %r", known.name, path, exc_info=True)
        return False


def default_roots() -> list[str]:
    """Folders where known agents write on this machine, those that exist."""
    environment, home = dict(os.environ), os.path.expanduser("~")
    roots = (root for known in FORMATS for root in known.default_roots(environment, home))
    return [root for root in dict.fromkeys(roots) if os.path.isdir(root)]
