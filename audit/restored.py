"""A log whose rows come from a backup: its place, and whether the key that is here is its own."""

from audit.keys import KeyMissing, KeyStrange, KeyUnavailable, exposure, key_path
from audit.models import Log
from audit.own_key import own_signer, present_key
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
    if log is None or not present_key():
        # Nothing was signed yet: the first checkpoint makes the key.
        return ""
    path = key_path(log.origin)
    try:
        own_signer(log.origin)
    except KeyMissing:
        return (
            f"The key of the audit log, {path}, is not here, and no backup holds it. Put it back from where it is "
            'kept, or, if it is lost: scrollback audit new-key --why "…". A server does not start before.'
        )
    except KeyStrange as error:
        raise Refused(
            f"{path} is another key than the one that the log of this backup was signed with last. Put that one "
            "there; if it is lost, move this one away, restore without any, and then make a new one: "
            "scrollback audit new-key."
        ) from error
    except KeyUnavailable as error:
        return str(error)
    return exposure(log.origin)
