"""What a person on a fresh machine waits for: `python3 dev.py run` from a new clone until /healthz answers, and again.

The clone is of what is committed. Nothing is cached: HOME, the caches of pip and npm and the data directory are new
and empty, so the packages come over the network. The second time everything is there but the server.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

import psutil  # type: ignore[import-untyped]  # its types are a package of their own

from benchmarks.harness import ROOT, Console, Options, say
from benchmarks.processes import Failed, Following, processor_seconds
from tests.browser.running import free_port

AGAIN: Final = 3
LONGEST_S: Final = 600.0
LOOK_EVERY_S: Final = 0.02
# Where something may be cached already, or be meant for another Python.
_NOT_PASSED_ON: Final = ("SCROLLBACK_", "PYTHON", "VIRTUAL_ENV", "XDG_", "PIP_CACHE_DIR", "npm_config_cache")


def run(options: Options, console: Console) -> dict[str, Any]:
    checkout = console.folder / "checkout"
    command = ["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(checkout)]
    cloned = subprocess.run(command, text=True, capture_output=True)
    if cloned.returncode:
        raise Failed(f"the checkout cannot be cloned: {cloned.stderr.strip()[-500:]}")
    environment = _environment(console)
    first = _until_it_answers(checkout, environment, console.folder / "first.log")
    say(f"the first time  {first}")
    again = []
    for number in range(1 if options.quick else options.samples or AGAIN):
        again.append(_until_it_answers(checkout, environment, console.folder / f"again-{number}.log"))
        say(f"again  {again[-1]}")
    return {"first": first, "again": again}


def _environment(console: Console) -> dict[str, str]:
    """That of whoever measures, in a home of its own where nothing lies yet."""
    home = console.folder / "person"
    home.mkdir()
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_NOT_PASSED_ON)}
    # Versions of Python that pyenv keeps in the home belong to the machine.
    kept.setdefault("PYENV_ROOT", str(Path.home() / ".pyenv"))
    if console.engine == "postgres":
        kept["SCROLLBACK_DATABASE_URL"] = console.database_url
    return {**kept, "HOME": str(home)}


def _until_it_answers(checkout: Path, environment: dict[str, str], log: Path) -> dict[str, float]:
    """Seconds by the clock, and of processors, until the server is healthy; it is ended then. Raises Failed."""
    port = free_port()
    python = getattr(sys, "_base_executable", None) or sys.executable
    command = [python, str(checkout / "dev.py"), "run", "--", "--port", str(port)]
    began = time.monotonic()
    with Following(command, environment, log) as program:
        while not _is_healthy(port):
            program.check()
            if time.monotonic() - began > LONGEST_S:
                raise Failed(f"no answer in {LONGEST_S:.0f} s:\n{program.output[-2000:]}")
            time.sleep(LOOK_EVERY_S)
        wall_s = time.monotonic() - began
        cpu_s = processor_seconds(psutil.Process(program.process_id))
    return {"healthy_s": round(wall_s, 2), "cpu_s": round(cpu_s, 2)}


def _is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return bool(json.load(answer)["status"] == "ok")
    except (urllib.error.URLError, OSError, ValueError):
        return False
