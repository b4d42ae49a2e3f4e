"""Claude Code's transcripts (`~/.claude/projects`), in all three layouts of subagents."""

from sessions_app.importers.claude_code.format import FORMAT

__all__ = ["FORMAT"]
