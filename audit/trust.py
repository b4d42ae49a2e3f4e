"""Which keys may have signed what: the one in the key file, and those that it replaced, up to there. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from audit.notes import NoteError, TreeHead, Verifier
from audit.segments import KEY_REPLACED, SignedHead, Statement
from audit.verdicts import Finding

#: How far a key's signatures may reach: the size of the log.
type Trust = Mapping[str, int]
_NO_END: Final = 2**63


def trusted_keys(current: Verifier, statements: Sequence[Statement]) -> Trust:
    """By verifier key. A replaced key signs nothing beyond the entry that replaced it."""
    trust = {str(current): _NO_END}
    for found in reversed(statements):
        old, new = found.details.get("old"), found.details.get("new")
        if found.action != KEY_REPLACED or type(old) is not str or type(new) is not str:
            continue
        if new in trust and old not in trust:
            trust[old] = found.idx
    return trust


def signed_head(note: str, trust: Trust) -> TreeHead:
    """What a note says that one of these keys has signed. Raises NoteError."""
    trouble = NoteError("there is no key to check it with")
    for key, reach in trust.items():
        try:
            head = TreeHead.parse(Verifier.parse(key).open(note))
        except NoteError as error:
            trouble = error
            continue
        if head.size <= reach:
            return head
        trouble = NoteError("its key had been replaced before")
    raise trouble


class Signatures:
    """The stored checkpoints in the order of their sizes, compared with the tree; keys are judged in the end."""

    def __init__(self, origin: str, good: int, spans: dict[str, tuple[int, int]]) -> None:
        """`good` and `spans`, which grows, are of the checkpoints that were looked at before."""
        self._origin = origin
        self.count = 0
        #: The size of the last one that names the tree as it is.
        self.good = good
        self.note = ""
        self.key = ""
        self.findings: list[Finding] = []
        # Of each key, the smallest and the largest size that it signed.
        self._spans = spans

    @property
    def are_any(self) -> bool:
        return bool(self.count or self._spans)

    def take(self, found: SignedHead, root: bytes) -> None:
        size = found.size
        self.count += 1
        if found.head is None:
            text = f"The checkpoint at {size:,} is not as it was signed: {found.trouble}."
            self.findings.append(Finding("signatures", size - 1, size - 1, text))
            return
        if (found.head.origin, found.head.size) != (self._origin, size):
            text = f"The checkpoint at {size:,} is that of {found.head.origin} at {found.head.size:,}."
            # Of another log it says nothing of any entry: this one may have been renamed.
            first = size - 1 if found.head.origin == self._origin else 0
            self.findings.append(Finding("signatures", first, size - 1, text))
            return
        first, last = self._spans.get(found.key, (size, size))
        self._spans[found.key] = min(first, size), max(last, size)
        if found.head.root != root:
            text = f"The checkpoint at {size:,} was signed for other entries: {one_of(self.good, size - 1)} changed."
            self.findings.append(Finding("signatures", min(self.good, size - 1), size - 1, text))
            return
        self.good, self.note, self.key = max(self.good, size), found.note, found.key

    def strangers(self, trust: Trust) -> list[Finding]:
        """Keys that signed what they should not have."""
        found = []
        for key, (first, last) in self._spans.items():
            reach = trust.get(key)
            named = "+".join(key.split("+")[:2])
            if reach is None:
                text = f"The checkpoints from {first:,} to {last:,} are signed by {named}, which is no key of this log."
                found.append(Finding("signatures", first - 1, last - 1, text))
            elif last > reach:
                text = f"The checkpoint at {last:,} is signed by {named}, which entry {reach:,} had replaced."
                found.append(Finding("signatures", reach, last - 1, text))
        return found


def one_of(first: int, last: int) -> str:
    return f"entry {first:,} was" if first >= last else f"one of the entries {first:,} to {last:,} was"
