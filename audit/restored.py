"""A log whose rows come from a backup: its place, and whether the key that is here is its own."""

from audit.columns import parsed
from audit.keys import KeyMissing, KeyUnavailable, key_path, load_key
from audit.models import Checkpoint, Entry, Log
from audit.segments import KEY_REPLACED
from dashboard.lib.errors import Refused


def put_log(log: Log) -> None:
    """In the place of the one that the tables were made with, which has no entry yet and may still take a name."""
    made = Log.objects.filter(pk=Log.THE_ONE, size=0)
    if not made.update(log_id=log.log_id, size=log.size, frontier=log.frontier):
        log.save(force_insert=True)


def key_trouble() -> str:
    """Why nothing can be signed from here on, and what to do; "" when it can.

    Raises Refused where another key lies in the place of this log's own: its signatures would be a stranger's.
    """
    log = Log.objects.filter(pk=Log.THE_ONE).first()
    expected = _present_key()
    if log is None or not expected:
        # Nothing was signed yet: the first checkpoint makes the key.
        return ""
    path = key_path(log.origin)
    try:
        signer = load_key(log.origin)
    except KeyMissing:
        return (
            f"The key of the audit log, {path}, is not here, and no backup holds it. Put it back from where it is "
            'kept, or, if it is lost: scrollback audit new-key --why "…". A server does not start before.'
        )
    except KeyUnavailable as error:
        return str(error)
    if str(signer.verifier) != expected:
        raise Refused(
            f"{path} is another key than the one that the log of this backup was signed with last. Put that one "
            "there; if it is lost, move this one away, restore without any, and then make a new one: "
            "scrollback audit new-key."
        )
    return ""


def _present_key() -> str:
    """The verifier key of the log as it stands: the one that a newest entry put in place, or that signed last."""
    newest = Checkpoint.objects.order_by("-size").first()
    if newest is None:
        return ""
    # An entry about a key is not signed yet, or the newest signature is by the key that it names.
    later = Entry.objects.filter(action=KEY_REPLACED, idx__gte=newest.size).order_by("-idx")
    body = later.values_list("body", flat=True).first()
    details = (parsed(body.encode()) or {}).get("details") if body is not None else None
    new = details.get("new") if isinstance(details, dict) else None
    return new if isinstance(new, str) else newest.key
