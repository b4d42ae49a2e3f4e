"""Every action that sessions_app writes to the audit log, with its sentence: "ada …"."""

from typing import Final, Literal

type ReportedAction = Literal[
    "sandbox.started", "sandbox.ended", "process.started", "process.ended", "file.read", "file.written",
    "file.deleted", "host.connected", "tool.called", "policy.decided", "prompt.edited",
]  # fmt: skip
#: What agents and their sandboxes report of themselves; the console does none of it.
REPORTED: Final[dict[str, str]] = {
    "sandbox.started": "started a sandbox",
    "sandbox.ended": "ended a sandbox",
    "process.started": "started a program in a sandbox",
    "process.ended": "saw a program in a sandbox end",
    "file.read": "read a file in a sandbox",
    "file.written": "wrote a file in a sandbox",
    "file.deleted": "deleted a file in a sandbox",
    "host.connected": "reached for a host out of a sandbox",
    "tool.called": "called a tool",
    "policy.decided": "decided by a policy",
    "prompt.edited": "edited a prompt",
}
# Of those, what must not be done by whoever cannot report it.
_STRICT_REPORTS: Final = frozenset({"policy.decided", "prompt.edited"})

AUDIT_ACTIONS: Final[dict[str, str]] = {
    # People
    "sign_in.succeeded": "signed in",
    "sign_in.failed": "failed to sign in",
    "sign_in.delayed": "was told to wait before another password is looked at",
    "sign_in.expired": "was signed out after a long pause",
    "sign_in.revoked": "ended every sign-in of a person",
    "sign_out.completed": "signed out",
    "request.denied": "was refused",
    "access.denied": "was refused",
    "setup.offered": "made a link to set up the console",
    "setup.completed": "set up the console as its first operator",
    "person.created": "added a person",
    "person.invited": "made a link to choose a password",
    "person.renamed": "changed a display name",
    "person.role_changed": "changed a role",
    "person.password_changed": "changed a password",
    "password.refused": "gave a wrong password for a change",
    "person.disabled": "disabled a person",
    "person.enabled": "enabled a person",
    # Tokens
    "token.created": "created a token",
    "token.revoked": "revoked a token",
    "token.used": "used a token for the first time that day",
    # Sessions
    "session.archived": "archived a session",
    "session.unarchived": "took a session out of the archive",
    "session.deleted": "moved a session to the trash",
    "session.restored": "restored a session from the trash",
    "session.renamed": "renamed a session",
    "session.tagged": "put a tag on a session",
    "session.untagged": "took a tag off a session",
    "session.starred": "starred a session",
    "session.unstarred": "took a star off a session",
    "session.exported": "exported a session",
    "session.sealed": "sealed the transcript of a session",
    "session.unsealed": "changed what was sealed of a session",
    "note.added": "added a note to a session",
    "note.deleted": "deleted their note on a session",
    "note.restored": "restored their note on a session",
    # Saved views
    "saved_view.saved": "saved a view",
    "saved_view.renamed": "renamed a saved view",
    "saved_view.deleted": "deleted a saved view",
    # Terminals
    "terminal.opened": "started to record a terminal",
    "terminal.closed": "finished recording a terminal",
    "terminal.sealed": "sealed output of a terminal",
    "terminal.lost": "lost the recorder of a terminal",
    "marker.added": "marked a moment of a terminal",
    "secret.masked": "had secrets masked in a terminal",
    "terminal.exported": "exported a terminal",
    # Imports
    "source.imported": "imported a history",
    "source.rewritten": "found a history rewritten at its source",
    "source.moved": "found a history moved",
    "source.restored": "found a history again as it had been",
    "source.unfollowed": "stopped following histories",
    "source.deleted": "found a history deleted at its source",
    "source.sealed": "sealed the lines of a history",
    # The server
    "settings.changed": "started with other settings",
    # Everything at once
    "backup.made": "made a backup",
    "backup.restored": "restored a backup",
    # Agents
    **REPORTED,
}

# Of many at once some are only counted. The others are not done when their entry cannot be written.
BEST_EFFORT: Final = frozenset({"request.denied", "sign_in.delayed", *REPORTED}) - _STRICT_REPORTS
# What is written down although nothing is stored beside the log.
CHANGES_NOTHING: Final = frozenset(
    {
        "request.denied",
        "sign_in.delayed",
        "sign_in.expired",
        "sign_out.completed",
        "session.exported",
        "terminal.exported",
        "settings.changed",
        "backup.made",
        *REPORTED,
    }
)
# Earlier versions wrote these; nothing does any more.
RETIRED: Final = frozenset({"access.denied"})
