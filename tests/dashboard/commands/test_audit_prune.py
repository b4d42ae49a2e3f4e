"""`scrollback audit prune`, `hold` and `release`."""

import signal
import subprocess
import sys

import pytest
from django.db import transaction

from audit.actors import SYSTEM
from audit.models import Entry, Payload
from audit.record import Attachment, Draft, append
from tests.dashboard.commands.calling import Caller
from tests.dashboard.commands.shell import Shell

pytestmark = pytest.mark.django_db(transaction=True)

FUTURE = "2999-01-01"


@pytest.fixture
def payloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of 1970."""
    with monkeypatch.context() as patched:
        patched.setattr("audit.record.now_ms", lambda: 1_000)
        with transaction.atomic():
            append([Draft("note.added", SYSTEM, attachment=Attachment(b"x" * 10)) for _ in range(3)])


@pytest.mark.usefixtures("payloads")
def test_a_dry_run_says_what_would_go_and_changes_nothing(call: Caller) -> None:
    call("audit", "hold", "1", "1", "--why", "the case")
    size = Entry.objects.count()
    said = call("audit", "prune", "--before", "2000-01-01", "--why", "old", "--dry-run")
    assert said.text == "2 payloads (20 B) would be removed.\nLegal hold 3 keeps 1 of that age: the case\n"
    assert (Entry.objects.count(), Payload.objects.count()) == (size, 3)


@pytest.mark.usefixtures("payloads")
def test_what_it_did_is_what_it_says(call: Caller) -> None:
    assert call("audit", "hold", "2", "9", "--why", "the case", "--json").document == {"hold": 3}
    done = call("audit", "prune", "--before", "2000-01-01", "--why", "old", "--json").document
    assert done == {
        "payloads": 2,
        "bytes": 20,
        "entries": [4],
        "kept": [{"hold": 3, "payloads": 1, "why": "the case"}],
    }
    assert call("audit", "release", "3", "--why", "closed", "--json").document == {"idx": 5, "hold": 3}
    assert "1 payload (10 B) removed." in call("audit", "prune", "--before", "2000-01-01", "--why", "x").text
    assert not Payload.objects.exists()
    again = call("audit", "prune", "--before", "2000-01-01", "--why", "old", "--json").document
    assert (again["payloads"], again["entries"]) == (0, [])


@pytest.mark.usefixtures("payloads")
@pytest.mark.parametrize(
    "arguments",
    [
        ("prune", "--before", FUTURE, "--why", "old"),
        ("prune", "--before", "2000-01-01", "--why", " "),
        ("hold", "5", "2", "--why", "the case"),
        ("release", "0", "--why", "closed"),
    ],
)
def test_what_cannot_be_meant_is_refused(call: Caller, arguments: tuple[str, ...]) -> None:
    assert call("audit", *arguments).status == 2
    assert (Entry.objects.count(), Payload.objects.count()) == (3, 3)


# ── Killed between two steps ─────────────────────────────────────────────────────────────────────────────
GROW = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
import django; django.setup()
from django.db import transaction
from audit import record
from audit.actors import SYSTEM
record.now_ms = lambda: 1_000
with transaction.atomic():
    record.append([record.Draft("note.added", SYSTEM, attachment=record.Attachment(b"x" * 100)) for _ in range(20)])
"""
# The very program, which kills itself after the n-th step.
KILLED = """
import os, signal, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
import django; django.setup()
from audit import pruning
from dashboard.cli import main

pruning._BATCH_BYTES = 250
remove, left = pruning._remove_batch, int(sys.argv.pop())

def remove_or_die(*arguments):
    global left
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return remove(*arguments)

pruning._remove_batch = remove_or_die
main()
"""


@pytest.mark.parametrize("steps", [0, 3])
def test_a_run_that_was_killed_is_finished_by_the_next(shell: Shell, steps: int) -> None:
    shell.json("list")
    grown = subprocess.run([sys.executable, "-c", GROW], env=shell.environment, capture_output=True)
    assert grown.returncode == 0, grown.stderr
    prune = ("audit", "prune", "--before", "2000-01-01", "--why", "old")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *prune, str(steps)], env=shell.environment, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = 20 - 2 * steps
    assert shell.json(*prune, "--dry-run")["payloads"] == left
    assert shell.json(*prune) == {"payloads": left, "bytes": 100 * left, "entries": [], "kept": []}
    # The one that was killed could not sign its entry, and nothing was appended since.
    shell.json("audit", "head")
    assert shell.json("audit", "verify")["verdicts"]["payloads"]["outcome"] == "sound"
