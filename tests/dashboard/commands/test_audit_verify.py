"""`scrollback audit verify` on an auditor's machine: it reaches the database, and has nothing of the server's."""

import subprocess
import sys
from pathlib import Path

from tests.dashboard.commands.shell import Shell
from tests.dashboard.commands.test_audit_prune import GROW


def test_a_machine_without_the_private_key_verifies_what_a_server_signed(
    shell: Shell, tmp_path: Path
) -> None:
    shell.json("list")
    subprocess.run([sys.executable, "-c", GROW], env=shell.environment, check=True)
    key = shell.json("audit", "head")["key"]
    home = tmp_path / "auditor"
    auditor = Shell(home, shell.environment["SCROLLBACK_DATABASE_URL"])
    state = {"XDG_STATE_HOME": str(home / "state")}

    first = auditor.run("audit", "verify", "--key", key, environment=state)
    assert (first.returncode, first.stderr) == (0, b""), first
    second = auditor.run("audit", "verify", "--json", environment=state)
    assert (second.returncode, second.stderr) == (0, b""), second
    assert b'"key_from": "remembered"' in second.stdout
    assert not list(home.rglob("audit-*.key"))

    shell.json("audit", "new-key", "--why", "the old one was seen")
    third = auditor.run("audit", "verify", environment=state)
    assert third.returncode == 0
    assert b"was replaced by entry" in third.stdout
