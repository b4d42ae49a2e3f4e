"""What the tests of bundles share: a log to export, and the verifier as an auditor runs it."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.db import transaction

from audit.actors import SYSTEM, Actor
from audit.bundle import VERIFIER, Bundle
from audit.keys import make_key, public_key
from audit.models import Checkpoint, Log
from audit.notes import Signer, TreeHead
from audit.offline import verify
from audit.proofs import root_at
from audit.record import Attachment, Draft, append
from audit.selection import Selection

ADA = Actor("person", "7", "ada")


def fill(count: int, *, payload_every: int = 0) -> None:
    """Entries of two people, some with a payload."""
    with transaction.atomic():
        append(
            [
                Draft(
                    "sign_in.succeeded" if n % 3 else "token.created",
                    ADA if n % 2 else SYSTEM,
                    details={"n": n, "text": 'Größe "x" \u2014 {"idx":0}'},
                    attachment=Attachment(b"payload %d" % n)
                    if payload_every and not n % payload_every
                    else None,
                )
                for n in range(count)
            ]
        )


def signer() -> Signer:
    return make_key(Log.objects.get().origin)


def checkpoint_at(size: int, by: Signer | None = None) -> Checkpoint:
    """As it would have been written when the log had this size."""
    by = by or signer()
    head = TreeHead(Log.objects.get().origin, size, root_at(size))
    return Checkpoint(size=size, at_ms=1_700_000_000_000, note=by.sign(str(head)), key=str(by.verifier))


def write(path: Path, size: int, selection: Selection | None = None, *, with_payloads: bool = True) -> Path:
    bundle = Bundle(checkpoint_at(size), selection or Selection(), with_payloads)
    path.write_bytes(b"".join(bundle.pieces()))
    return path


def verdicts(path: Path, *, head: str = "", key: str = "") -> dict[str, verify.Verdict]:
    """In this process. Raises what an unreadable bundle makes it raise."""
    known = (*verify.read_head(head), head) if head else None
    found = verify.Check(verify.Bundle(str(path)), verify.Key(key) if key else None, known).run()
    return {verdict.name: verdict for verdict in found}


def states(path: Path, **given: str) -> dict[str, str]:
    return {name: verdict.state for name, verdict in verdicts(path, **given).items()}


def failures(path: Path, **given: str) -> dict[str, int | None]:
    """Verdicts that failed, with the first bad index of each."""
    return {
        name: verdict.index for name, verdict in verdicts(path, **given).items() if verdict.state == "failed"
    }


def run_verifier(
    *arguments: str, program: Path = VERIFIER, python: str = sys.executable
) -> tuple[int, dict[str, Any]]:
    """As an auditor does, in a process that sees nothing of ours."""
    done = subprocess.run([python, "-I", str(program), *arguments, "--json"], capture_output=True, text=True)
    return done.returncode, json.loads(done.stdout) if done.stdout else {"error": done.stderr}


def rewritten(path: Path, changes: Mapping[str, Callable[[bytes], bytes | None]]) -> Path:
    """The same bundle with files changed, or gone where the change says None."""
    target = path.with_name(f"changed-{path.name}")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content: bytes | None = old.read(name)
            if name in changes:
                content = changes[name](old.read(name))
            if content is not None:
                new.writestr(name, content)
    return target


def files_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def our_key() -> str:
    return str(public_key(Log.objects.get().origin))
