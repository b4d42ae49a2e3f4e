"""Programs of others, from PyPI, each in an environment of its own below .cache/benchmarks.

agentsview is the strongest peer. It is run as one command: no daemon, nothing sent anywhere, its own empty home.
"""

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.corpus import Tree
from benchmarks.harness import SCRATCH, say
from benchmarks.processes import Costs, Failed, measured

VERSION = "0.46.1"
_SYNCED = re.compile(rb"Sync complete: (\d+) sessions synced")


def installed(name: str, version: str) -> Path:
    """The program, installed when it is not there yet. Raises Failed."""
    environment = SCRATCH / f"{name}-venv"
    program = environment / "bin" / name
    stamp = environment / "version"
    if program.exists() and stamp.is_file() and stamp.read_text() == version:
        return program
    say(f"installing {name} {version}")
    shutil.rmtree(environment, ignore_errors=True)
    venv.create(environment, with_pip=True)
    command = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", f"{name}=={version}"]
    done = subprocess.run(command, stdout=sys.stderr)
    if done.returncode or not program.exists():
        raise Failed(f"{name} {version} could not be installed; --no-peer leaves it out")
    stamp.write_text(version)
    return program


def sync(tree: Tree, folder: Path, *arguments: str) -> Costs:
    """Import the tree into an empty database below `folder`, which is removed. Raises Failed."""
    home = folder / "peer"
    home.mkdir()
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "DO_NOT_TRACK": "1",
        "AGENTSVIEW_TELEMETRY_ENABLED": "0",
        "AGENTSVIEW_NO_DAEMON": "1",
        "CLAUDE_PROJECTS_DIR": str(tree.folder / "claude" / "projects"),
        "CODEX_SESSIONS_DIR": str(tree.folder / "codex" / "sessions"),
        "AGENTSVIEW_DATA_DIR": str(home / "data"),
    }
    try:
        costs = measured([str(installed("agentsview", VERSION)), "sync", *arguments], environment)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    found = _SYNCED.search(costs.output)
    if found is None or int(found[1]) == 0:
        raise Failed(f"agentsview read nothing: {costs.output.decode(errors='replace')[-500:]}")
    return costs
