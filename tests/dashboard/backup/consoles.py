"""Consoles with something in them, and what is asked of them before and after."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.dashboard.commands.shell import Shell
from tests.samples import sample

HISTORIES: Final = (
    "claude-code/projects/sample-project",
    "codex/sessions/rollout-2026-02-23T12-54-34-019c8a59-e9dd-71f0-9ae3-4079fe9726a9.jsonl",
    "synthetic/picoclaw",
    "asciicast/v2-markers.cast",
    "recorded/bash-session.cast",
)
#: A word of any kind, a beginning, a phrase, and terminals. Each costs a start of the program.
QUERIES: Final = ("the kind:tool", "func*", '"the file"', "bash kind:terminal", "init* kind:session")


@dataclass(frozen=True)
class Console:
    """`made` is what `backup --json` said of the backup, `found` what searches found when it was made."""

    shell: Shell
    backup: Path
    made: Any
    found: dict[str, Any]


def furnished(shell: Shell, backup: Path) -> Console:
    imported = shell.run("import", *(sample(*name.split("/")) for name in HISTORIES))
    assert imported.returncode in {0, 1}, imported.stderr
    shell.json("user", "add", "ada", "--role", "operator")
    shell.json("token", "create", "laptop", "--owner", "ada", "--scope", "read")
    shell.json("audit", "seal")
    return backed_up(shell, backup)


def backed_up(shell: Shell, backup: Path) -> Console:
    return Console(shell, backup, shell.json("backup", backup), searches(shell))


def searches(shell: Shell) -> dict[str, Any]:
    """What each query finds, in its order; not how many seconds it took."""
    found = {query: shell.json("search", *query.split(), "--limit", "100") for query in QUERIES}
    return {query: (answer["hits"], answer["more_in"]) for query, answer in found.items()}


def rows_beside_the_log(made: Any) -> dict[str, Any]:
    """Number and hash of the rows of each table of a backup, but for those that every command adds to."""
    return {name: table for name, table in made["tables"].items() if not name.startswith("audit_")}
