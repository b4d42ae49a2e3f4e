"""What a verification says: a verdict for each thing that was checked, in one sentence and as plain values."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

type Check = Literal[
    "sequence",
    "leaves",
    "columns",
    "payloads",
    "frontier",
    "subtrees",
    "signatures",
    "consistency",
    "contents",
]
type Outcome = Literal["sound", "broken", "unchecked"]

CHECKS: Final[tuple[Check, ...]] = (
    "sequence", "leaves", "columns", "payloads", "frontier", "subtrees", "signatures", "consistency",
    "contents",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with one of the entries from `first_idx` to `last_idx`: hashes tell no more exactly."""

    check: Check
    first_idx: int
    last_idx: int
    text: str
    # No entry is wrong: who signed the log cannot be told, or nobody has signed it yet.
    is_of_signer: bool = False

    @property
    def rank(self) -> tuple[bool, int]:
        """What is wrong with an entry is told first."""
        return self.is_of_signer, self.first_idx


@dataclass(frozen=True, slots=True)
class Verdict:
    """On one check; `first_bad_idx` is the first entry that cannot be relied on.

    None where all can, and of a broken one where no entry is known to be wrong.
    """

    check: Check
    outcome: Outcome
    text: str
    first_bad_idx: int | None = None
    last_bad_idx: int | None = None

    def document(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "text": self.text,
            "first_bad_idx": self.first_bad_idx,
            "last_bad_idx": self.last_bad_idx,
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """Of the first `size` entries, the log as it stood at `at_ms`."""

    origin: str
    size: int
    root: bytes
    at_ms: int
    seconds: float
    verdicts: tuple[Verdict, ...]
    #: The newest checkpoint, where it is sound: what is worth keeping elsewhere.
    note: str = ""
    #: The verifier key that was believed, whose word it was ("named", "remembered", "file", "log"), and of each entry
    #: that replaced one which was known: its number and the reason in it.
    key: str = ""
    key_from: str = ""
    key_replaced: tuple[tuple[int, str], ...] = ()

    @property
    def is_sound(self) -> bool:
        return not self.broken

    @property
    def broken(self) -> tuple[Verdict, ...]:
        return tuple(verdict for verdict in self.verdicts if verdict.outcome == "broken")

    @property
    def first_bad_idx(self) -> int | None:
        """The first entry that cannot be relied on, as exactly as the verdicts together tell."""
        spans = [
            (one.first_bad_idx, one.last_bad_idx)
            for one in self.broken
            if one.first_bad_idx is not None and one.last_bad_idx is not None
        ]
        if not spans:
            return None
        # Something is wrong up to here at the latest; whoever knows where more exactly has the last word.
        reach = min(last for _, last in spans)
        return max(first for first, _ in spans if first <= reach)

    @property
    def reliable_size(self) -> int:
        """So many entries, from the first on, say what they said when they were written, as far as they show it."""
        texts = (self.verdict("sequence"), self.verdict("leaves"), self.verdict("columns"))
        return min([self.size, *(one.first_bad_idx for one in texts if one.first_bad_idx is not None)])

    def with_contents(self, contents: Verdict, seconds: float) -> "Verification":
        """The same with what was found of the contents, which took so long."""
        verdicts = tuple(contents if one.check == "contents" else one for one in self.verdicts)
        return replace(self, verdicts=verdicts, seconds=self.seconds + seconds)

    def verdict(self, check: Check) -> Verdict:
        return next(found for found in self.verdicts if found.check == check)

    def document(self) -> dict[str, Any]:
        return {
            "origin": self.origin,
            "size": self.size,
            "root": self.root.hex(),
            "is_sound": self.is_sound,
            "first_bad_idx": self.first_bad_idx,
            "verdicts": {found.check: found.document() for found in self.verdicts},
            "seconds": round(self.seconds, 3),
            "key": self.key,
            "key_from": self.key_from,
            "key_replaced": [idx for idx, _ in self.key_replaced],
        }


class Findings:
    """The first of each check, by the entries' order; one of the signer only where there is no other."""

    def __init__(self) -> None:
        self._first: dict[Check, Finding] = {}

    def add(self, found: Iterable[Finding]) -> None:
        for finding in found:
            known = self._first.get(finding.check)
            if known is None or finding.rank < known.rank:
                self._first[finding.check] = finding

    def all(self) -> list[Finding]:
        return list(self._first.values())

    def verdict(self, check: Check, sound: str) -> Verdict:
        """`sound` is what to say where nothing was found."""
        found = self._first.get(check)
        if found is None:
            return Verdict(check, "sound", sound)
        if found.is_of_signer:
            return Verdict(check, "broken", found.text)
        return Verdict(check, "broken", found.text, found.first_idx, found.last_idx)
