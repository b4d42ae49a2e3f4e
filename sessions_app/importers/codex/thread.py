"""Whose records a rollout holds.

A thread is one agent's file. The root thread is its session's main run; the thread of a subagent is a run of
the session of its parent.
"""

from typing import Any
from uuid import UUID

from sessions_app.drafts import MAIN_RUN, Draft, RunDraft, SessionDraft, TimelineDraft
from sessions_app.importers.codex.vocabulary import AGENT
from sessions_app.importers.json_lines import brief, mapping_of, stamp_of, text_of

LONGEST_ID = 200


def made_ms(identifier: str) -> int | None:
    """When a UUIDv7 was made, in Unix ms; None for any other id."""
    try:
        parsed = UUID(identifier)
    except ValueError:
        return None
    return parsed.int >> 80 if parsed.version == 7 else None


def identifier_of(value: object) -> str:
    return text_of(value)[:LONGEST_ID]


class Thread:
    """Names the session and run that the file's records go to, and collects them in the current batch."""

    def __init__(self, fallback_id: str, modified_ms: int, state: dict[str, Any]) -> None:
        self.draft = Draft()
        self.id: str = state.get("id", "")
        self.session_id: str = state.get("session_id", "")
        # Key of this thread's run, and of the run that it belongs to when it is a subagent's.
        self.run: str = state.get("run", MAIN_RUN)
        self.parent_run: str = state.get("parent_run", "")
        self.forked_from: str = state.get("forked_from", "")
        self.created_ms: int = state.get("created_ms", 0)
        self.cli_version: list[int] = state.get("cli_version", [])
        self.model: str = state.get("model", "")
        self.cwd: str = state.get("cwd", "")
        # Rows are named by their time too: where none is told, the id's is steadier than the file's.
        self.at_ms: int = state.get("at_ms", made_ms(fallback_id) or modified_ms)
        self._fallback_id = fallback_id

    def state(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "session_id": self.session_id,
            "run": self.run,
            "parent_run": self.parent_run,
            "forked_from": self.forked_from,
            "created_ms": self.created_ms,
            "cli_version": self.cli_version,
            "model": self.model,
            "cwd": self.cwd,
            "at_ms": self.at_ms,
        }

    @property
    def is_subagent(self) -> bool:
        return self.run != MAIN_RUN

    def key(self, line: int) -> str:
        """A line keeps its number when the file is archived or compressed, so its rows keep their keys."""
        return f"{self.id}#{line}"

    def session(self) -> SessionDraft:
        return self.draft.session(AGENT, self.session_id)

    def run_draft(self) -> RunDraft:
        run = self.session().run(self.run)
        if self.is_subagent and run.parent is None:
            run.parent = self.parent_run
        return run

    def add(self, row: TimelineDraft) -> None:
        session = self.session()
        session.rows.append(row)
        session.touch(self.run, self.at_ms)
        if self.is_subagent:
            self.run_draft()

    def identify(self) -> None:
        """Without a first record that says whose file this is, its name does."""
        if not self.id:
            self.id = self.session_id = self._fallback_id
            self.created_ms = made_ms(self.id) or 0

    def open(self, meta: dict[str, Any]) -> None:
        """Take the file's first `session_meta`."""
        self.id = identifier_of(meta.get("id")) or identifier_of(meta.get("session_id")) or self._fallback_id
        self.created_ms = made_ms(self.id) or stamp_of(meta.get("timestamp")) or self.at_ms
        self.forked_from = identifier_of(meta.get("forked_from_id"))
        spawn = mapping_of(mapping_of(mapping_of(meta.get("source")).get("subagent")).get("thread_spawn"))
        parent = identifier_of(meta.get("parent_thread_id")) or identifier_of(spawn.get("parent_thread_id"))
        if parent and parent != self.id:
            # Newer versions name the root's session; older ones only the thread above.
            named = identifier_of(meta.get("session_id"))
            self.session_id = named if named and named != self.id else parent
            self.run = self.id
            self.parent_run = MAIN_RUN if parent == self.session_id else parent
        else:
            self.session_id = self.id
        self._describe(meta, spawn)

    def _describe(self, meta: dict[str, Any], spawn: dict[str, Any]) -> None:
        session = self.session()
        self.cli_version = _version(text_of(meta.get("cli_version")))
        self.see_cwd(text_of(meta.get("cwd")))
        self.see_version(meta)
        if self.is_subagent:
            run = self.run_draft()
            role = (
                text_of(meta.get("agent_role"))
                or text_of(meta.get("agent_type"))
                or text_of(spawn.get("agent_role"))
            )
            nickname = text_of(meta.get("agent_nickname")) or text_of(spawn.get("agent_nickname"))
            run.agent_name = brief(role or nickname, 120)
            run.title = brief(nickname if role else "")
        else:
            session.parent_external_id = self.forked_from
            session.branch = text_of(mapping_of(meta.get("git")).get("branch"))
            session.agent_version = text_of(meta.get("cli_version"))
        session.touch(self.run, stamp_of(meta.get("timestamp")) or self.at_ms)

    def see_version(self, meta: dict[str, Any]) -> None:
        """A session that is resumed goes on in the same file, perhaps with a newer program."""
        if not self.is_subagent and (version := text_of(meta.get("cli_version"))):
            self.session().agent_version = version

    def see_cwd(self, cwd: str) -> None:
        """A session's directory is where it began; a subagent's is its parent's, known or not yet."""
        if cwd and not self.cwd:
            self.cwd = cwd
            self.session().cwd = cwd


def _version(text: str) -> list[int]:
    """The first two numbers of a version such as 0.104.0-alpha.1; empty when it is none."""
    parts = text.split(".")[:2]
    return (
        [int(part) for part in parts]
        if len(parts) == 2 and all(p.isdecimal() and len(p) < 9 for p in parts)
        else []
    )
