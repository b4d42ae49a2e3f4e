"""picoclaw: a file of messages for each conversation, a `.meta.json` beside it, and older documents."""

from sessions_app.importers.picoclaw.format import FORMAT, LEGACY_FORMAT

__all__ = ["FORMAT", "LEGACY_FORMAT"]
