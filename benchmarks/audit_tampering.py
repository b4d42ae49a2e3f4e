"""Every attack on the audit log and on what is sealed, a hundred seeds each, and sound ones that are called sound.

The attacks are tests (tests/audit/test_tampering.py, test_seal_tampering.py), which say of themselves how often they
tried. Quick is their everyday size.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from benchmarks.harness import ROOT, Console, Options
from benchmarks.processes import Failed
from tests.endurance.sizes import VARIABLE

CORPUS: Final = ("tests/audit/test_tampering.py", "tests/audit/test_seal_tampering.py")


def run(options: Options, console: Console) -> dict[str, Any]:
    report = console.folder / "report.xml"
    environment = {name: text for name, text in os.environ.items() if name != VARIABLE}
    if not options.quick:
        environment[VARIABLE] = "full"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--engine",
        options.engine,
        "-q",
        f"--junit-xml={report}",
        *CORPUS,
    ]
    began = time.monotonic()
    # Standard output is for the result alone.
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=sys.stderr)
    wall_s = round(time.monotonic() - began, 1)
    if not report.exists():
        raise Failed(f"the tests did not begin, status {done.returncode}")
    return {**told_by(report), "wall_s": wall_s}


def told_by(report: Path) -> dict[str, Any]:
    """What was tried, all of it noticed and without a false alarm. Raises Failed and names what was not."""
    attacks, tried, failed = Counter[str](), Counter[str](), []
    for test in ElementTree.parse(report).iter("testcase"):  # noqa: S314  pytest wrote it a moment ago
        if (
            test.find("failure") is not None
            or test.find("error") is not None
            or test.find("skipped") is not None
        ):
            failed.append(str(test.get("name")))
        for told in test.iter("property"):
            attacks[str(told.get("name"))] += 1
            tried[str(told.get("name"))] += int(str(told.get("value")))
    if failed:
        raise Failed(f"not as it must be: {', '.join(failed)}")
    kinds = ("attacks_on_log", "attacks_on_sealed")
    return {
        **{kind: {"classes": attacks[kind], "tried": tried[kind], "unnoticed": 0} for kind in kinds},
        "sound": {"logs": tried["sound_logs"], "consoles": tried["sound_consoles"], "false_alarms": 0},
    }
