"""Which key a verification believes: one that was named or remembered, that of the key file, or the log's own word.

Pure. A private key is needed for none of it: whoever verifies should not have one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from audit.notes import Verifier
from audit.segments import KEY_REPLACED, Statement
from audit.trust import Trust, trusted_keys
from audit.verdicts import Finding

#: Who says that it is the log's: whoever verifies, now or earlier; the key file beside; the newest checkpoint itself.
type Whose = Literal["named", "remembered", "file", "log"]
_CALLED: Final[dict[Whose, str]] = {
    "named": "the key that you named",
    "remembered": "the key that was remembered here",
    "file": "the key file",
    "log": "the newest checkpoint",
}


@dataclass(frozen=True, slots=True)
class KnownKey:
    key: Verifier
    whose: Whose


@dataclass(frozen=True, slots=True)
class Anchor:
    """`key` signs at present, "" where none is believed; `replaced` are the entries that led to it from a known one."""

    trust: Trust
    key: str = ""
    whose: Whose = "log"
    replaced: tuple[Statement, ...] = ()
    findings: tuple[Finding, ...] = ()


def anchor(origin: str, size: int, known: Sequence[KnownKey], statements: Sequence[Statement]) -> Anchor:
    """All of them have to lead to one key by the entries; the first one is who is believed. `known` is not empty."""
    last = max(0, size - 1)
    for one in known:
        if one.key.name != origin:
            text = f"{_called(one)} is of {one.key.name}; this log is {origin or 'without a name'}."
            return Anchor({}, findings=(Finding("signatures", 0, last, text),))
    ends = [_in_the_end(one, statements) for one in known]
    key, replaced = ends[0]
    trust = trusted_keys(Verifier.parse(key), statements)
    for one, (other, _) in zip(known[1:], ends[1:], strict=True):
        if other != key:
            text = (
                f"{_called(known[0])} leads to {short(key)} and {_CALLED[one.whose]} to {short(other)}: "
                "no entry says that one replaced the other."
            )
            return Anchor(trust, findings=(Finding("signatures", 0, last, text),))
    return Anchor(trust, key, known[0].whose, replaced)


def _in_the_end(known: KnownKey, statements: Sequence[Statement]) -> tuple[str, tuple[Statement, ...]]:
    """The key that entries put in the place of this one, by and by, and those entries."""
    key, path = str(known.key), []
    # What the file holds is the last one by itself: an entry that replaced it put another one there.
    for found in statements if known.whose != "file" else ():
        old, new = found.details.get("old"), found.details.get("new")
        if found.action == KEY_REPLACED and old == key and type(new) is str and _is_key(new, known.key.name):
            key = new
            path.append(found)
    return key, tuple(path)


def _is_key(text: str, name: str) -> bool:
    try:
        return Verifier.parse(text).name == name
    except ValueError:
        return False


def _called(known: KnownKey) -> str:
    called = _CALLED[known.whose]
    return called[0].upper() + called[1:]


def short(key: str) -> str:
    """Without the key itself: name and id."""
    return "+".join(key.split("+")[:2])
