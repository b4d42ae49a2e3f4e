"""Which key this log is to be signed with, as the log itself says, and whether the one in the file is it."""

from typing import Final

from audit.columns import details_of
from audit.keys import KeyMissing, KeyStrange, KeyUnavailable, exposure, key_path, load_key, make_key
from audit.models import Checkpoint, Entry, Log
from audit.notes import NoteError, Signer, TreeHead, Verifier
from audit.segments import KEY_REPLACED

_LOOKED_AT: Final = 100


def present_key() -> str:
    """The verifier key of the log as it stands: the one that a newest entry put in place, or that signed last.

    "" before the first checkpoint.
    """
    newest = _newest_signed()
    if newest is None:
        return ""
    # An entry about a key is not signed yet, or the newest signature is by the key that it names.
    later = Entry.objects.filter(action=KEY_REPLACED, idx__gte=newest.size).order_by("-idx")
    body = later.values_list("body", flat=True).first()
    new = None if body is None else details_of(body).get("new")
    return new if isinstance(new, str) else newest.key


def _newest_signed() -> Checkpoint | None:
    """The newest that its own key has signed: another one says nothing of the log's key, and cannot be removed."""
    checkpoints = Checkpoint.objects.of_the_log().order_by("-size")
    newest = checkpoints[:_LOOKED_AT].fetched()
    # Where none is, there is a key all the same: another one is not to be made in silence.
    return next((one for one in newest if _is_signed(one)), newest[0] if newest else None)


def _is_signed(checkpoint: Checkpoint) -> bool:
    try:
        head = TreeHead.parse(Verifier.parse(checkpoint.key).open(checkpoint.note))
    except NoteError:
        return False
    return head.size == checkpoint.size


def own_signer(origin: str) -> Signer:
    """The key of this log; its first checkpoint makes it.

    Raises KeyUnavailable, also for one that is sound and not this log's: what it signed could not be taken back.
    """
    expected = present_key()
    try:
        return _signer(origin, expected)
    except KeyMissing:
        if expected:
            raise
        return make_key(origin)


def key_trouble() -> str:
    """What is wrong with the key file, and what to do; "" when nothing is, or the first head is yet to make it."""
    log = Log.objects.filter(pk=Log.THE_ONE).first()
    if log is None:
        return ""
    expected = present_key()
    try:
        _signer(log.origin, expected)
    except KeyMissing as error:
        return str(error) if expected else ""
    except KeyUnavailable as error:
        return str(error)
    return exposure(log.origin)


def _signer(origin: str, expected: str) -> Signer:
    signer = load_key(origin)
    if expected and str(signer.verifier) != expected:
        raise KeyStrange(
            f"{key_path(origin)} is another key than the one that this log is signed with. Put the right one back "
            "from a backup of the data directory; if it is lost, make another one: scrollback audit new-key."
        )
    return signer
