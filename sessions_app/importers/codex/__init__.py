"""Codex: rollouts, archived sessions, and programs that write the same format."""

from sessions_app.importers.codex.format import FORMAT

__all__ = ["FORMAT"]
