"""Who follows what on this machine: known by leases, so that a killed watch is known to be dead."""

from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from audit.actors import Actor
from dashboard.lib.lease import Lease, held_leases
from sessions_app.actions.sources import end_following
from sessions_app.actions.unrecorded import record_unrecorded
from sessions_app.importers.finding import stored_path
from sessions_app.models import Source


def _folder() -> Path:
    return Path(settings.HOME) / "watchers"


def watch_lease(paths: Sequence[str]) -> Lease:
    """Held while these paths are followed."""
    return Lease(_folder(), "\n".join(stored_path(path) for path in paths))


def settle(host: str, *, actor: Actor) -> None:
    """Turns and recordings that a watch left open, and that no living watch follows, are open no more; what was read
    without an entry in the audit log, by whoever was killed, gets its entry. A living watch writes its own.
    """
    followed = [path for text in held_leases(_folder()) for path in text.splitlines()]
    end_following(host, still_followed=followed, actor=actor)
    left = Source.objects.filter(host=host)
    for path in followed:
        left = left.exclude(pk__in=Source.objects.at_or_below(host, path))
    record_unrecorded(left, actor=actor)
