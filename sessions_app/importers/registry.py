"""The formats that can be imported, in the order in which they are asked."""

import os

from sessions_app.drafts import Format
from sessions_app.importers import asciicast, claude_code, codex, picoclaw

FORMATS: tuple[Format, ...] = (
    claude_code.FORMAT,
    codex.FORMAT,
    picoclaw.FORMAT,
    picoclaw.LEGACY_FORMAT,
    asciicast.FORMAT,
    asciicast.DOCUMENT_FORMAT,
)

HEAD_BYTES = 64 * 1024


def format_named(name: str) -> Format | None:
    return next((known for known in FORMATS if known.name == name), None)


def detect(path: str, head: bytes) -> Format | None:
    """The format of a file by its name and its first bytes, None when no parser knows it."""
    return next((known for known in FORMATS if known.recognises(path, head)), None)


def default_roots() -> list[str]:
    """Folders where known agents write on this machine, those that exist."""
    environment, home = dict(os.environ), os.path.expanduser("~")
    roots = (root for known in FORMATS for root in known.default_roots(environment, home))
    return [root for root in dict.fromkeys(roots) if os.path.isdir(root)]
