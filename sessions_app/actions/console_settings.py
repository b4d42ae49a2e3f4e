"""What a server was started with: a change of files and variables is noticed at the next start."""

import json
from collections.abc import Mapping
from typing import Any

from audit.actors import Actor
from audit.models import Entry
from audit.record import Target, record
from dashboard.lib.db import write_transaction


def note_settings(machine: str, found: Mapping[str, str], *, actor: Actor) -> bool:
    """Write down the settings in force, unless they are those of this machine's newest such entry; True when written.

    `found` is what `scrollback doctor` shows, by name, without secrets. The entry has all of them, and of each that
    differs what it was (None: it was not there).
    """
    before = _newest(machine)
    changed = {
        name: {"before": before.get(name), "after": found.get(name)}
        for name in sorted({*before, *found})
        if before.get(name) != found.get(name)
    }
    if not changed:
        return False
    with write_transaction():
        record(
            "settings.changed",
            actor=actor,
            target=Target("machine", machine, machine),
            details={"changed": changed, "settings": dict(found)},
        )
    return True


def _newest(machine: str) -> Mapping[str, Any]:
    """Empty as well where the entry was changed past the program: to tell of that is the verifier's affair."""
    earlier = Entry.objects.filter(action="settings.changed", target_id=machine)
    body = earlier.newest_first().values_list("body", flat=True).first()
    try:
        found = json.loads(body or "{}")["details"]["settings"]
    except (ValueError, LookupError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
