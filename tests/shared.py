"""What takes long to be made is made once for all processes of pytest."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], str]) -> str:
    """What `make(folder)` answered when the first process called it; the others wait meanwhile, with its folder.

    It is never taken away: it lasts as long as pytest's own folder, and as the stage's database server.
    """
    base = factory.getbasetemp()
    # A worker of pytest-xdist has its own folder in that of all.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    answer = folder / "made"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not answer.exists():
            # What was left by one that failed.
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            answer.write_text(make(folder))
        return answer.read_text()
