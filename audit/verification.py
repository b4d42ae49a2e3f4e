"""Whether the log in the database is what it was: everything is computed again from the texts of its entries.

What is checked is the log as it stood at the beginning: how far it reaches is read in one moment, and below that
nothing is ever changed, so that reading it takes no lock and no long transaction. What is appended meanwhile is not
looked at.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db import DatabaseError, connection

from audit import parallel
from audit.absences import uncovered
from audit.actors import Actor
from audit.anchors import Anchor, KnownKey, anchor
from audit.claims import Claims
from audit.columns import details_of
from audit.covers import Contents
from audit.growing import Walk, where_they_differ
from audit.health import LATE_MS
from audit.keys import KeyMissing, KeyOutOfReach, KeyUnavailable, public_key
from audit.models import Entry, Log, Subtree
from audit.notes import NoteError, TreeHead, Verifier
from audit.record import record
from audit.rows import Rows, as_bytes
from audit.segments import HEEDED, Segment, Statement, check, ranges
from audit.tree import EMPTY_ROOT
from audit.trust import Signatures, Trust, one_of, signed_head
from audit.verdicts import CHECKS, Finding, Findings, Verdict, Verification
from dashboard.lib.db import address_for_reading, explain, vendor, write_transaction

#: What is looked at, how far, of how much: "entries", then "contents", both by the numbers of entries.
type Progress = Callable[[str, int, int], None]


def _silent(_what: str, _done: int, _size: int) -> None:
    pass


def verify(
    heads: Sequence[str] = (),
    progress: Progress = _silent,
    *,
    with_contents: bool = True,
    keys: Sequence[KnownKey] = (),
    takes_its_word: bool = False,
) -> Verification:
    """Everything, on all cores where the log is long. `heads` are notes that were kept elsewhere, `keys` likewise.

    Whoever has neither a key nor the key file may take the log's own word for its key: that it fits itself is all
    that shows then. Without contents, what the entries have committed to is not read.

    Raises DatabaseError, parallel.Interrupted.
    """
    course = Course(Claims.read(), heads, keys=keys, takes_its_word=takes_its_word)
    for segment in course.segments(are_spread=True):
        course.take(segment)
        progress("entries", segment.end, course.claims.size)
    found = course.verification()
    return _with_contents(found, progress) if with_contents else found


def _with_contents(found: Verification, progress: Progress) -> Verification:
    began, contents = time.monotonic(), Contents()
    for idx in contents.steps(found.reliable_size):
        progress("contents", idx + 1, found.size)
    # Rows are held against all entries about them: where some cannot be relied on, that would tell nothing.
    if found.reliable_size == found.size:
        for _ in contents.survey():
            pass
    verdict = contents.verdict(found.reliable_size, found.size)
    return found.with_contents(verdict, time.monotonic() - began)


def verify_and_record(
    actor: Actor,
    heads: Sequence[str] = (),
    progress: Progress = _silent,
    *,
    with_contents: bool = True,
    keys: Sequence[KnownKey] = (),
    takes_its_word: bool = False,
) -> tuple[Verification, str]:
    """`verify`, and an entry that says so; with it, why there is none, "" when there is.

    A log that was tampered with may refuse entries, which must not hide what was found.
    """
    found = verify(heads, progress, with_contents=with_contents, keys=keys, takes_its_word=takes_its_word)
    details = {
        "size": found.size,
        "root": found.root.hex(),
        "verdicts": {one.check: one.outcome for one in found.verdicts},
        "first_bad_idx": found.first_bad_idx,
        "broken": [one.text for one in found.broken],
        "heads": len(heads),
    }
    try:
        with write_transaction():
            record(
                "log.verified", actor=actor, decision="sound" if found.is_sound else "broken", details=details
            )
    except DatabaseError as error:
        return found, explain(error)
    except (RuntimeError, ValueError) as error:
        return found, str(error)
    return found, ""


@dataclass(slots=True)
class _Earlier:
    """A head that was kept elsewhere, and the root that the log has at its size now."""

    note: str
    head: TreeHead | None
    trouble: str = ""
    root: bytes = b""


class Course:
    """One verification: ranges are taken in order, then it is judged. `walk` may have been here before."""

    def __init__(
        self,
        claims: Claims,
        heads: Sequence[str] = (),
        walk: Walk | None = None,
        *,
        keys: Sequence[KnownKey] = (),
        takes_its_word: bool = False,
    ) -> None:
        self.claims = claims
        self.walk = walk or Walk()
        self._began = time.monotonic()
        self._findings = Findings()
        self._findings.add(claims.findings)
        self._signatures = Signatures(claims.origin, self.walk.signed, self.walk.signed_by)
        self._earlier = [_earlier(note) for note in heads]
        self._keys = list(keys)
        self._takes_its_word = takes_its_word
        self._anchor = Anchor({})

    def expect(self, head: TreeHead) -> None:
        """Hold the log against this too, which nobody has signed: who verified it before remembers it."""
        self._earlier.append(_Earlier("", head))

    def segments(self, *, are_spread: bool) -> Iterator[Segment]:
        """The ranges that are left, checked."""
        # A head at the very place where the walk goes on is in no range that is left.
        for one in self._earlier:
            if one.head is not None and one.head.size == self.walk.size == self.walk.whole:
                one.root = self.walk.frontier().root()
        todo = list(ranges(self.walk.whole, self.claims.size))
        sizes = [one.head.size for one in self._earlier if one.head]
        address = address_for_reading() if are_spread and parallel.usable_cores() > 1 else None
        if address is not None and self.claims.size - self.walk.whole >= parallel.WORTHWHILE:
            yield from parallel.checked(todo, sizes, is_sqlite=vendor() == "sqlite", address=address)
            return
        for start, end in todo:
            with connection.cursor() as cursor:
                segment = check(Rows(cursor, is_sqlite=vendor() == "sqlite"), start, end, sizes)
            yield segment

    def take(self, segment: Segment) -> None:
        self._compare_subtrees(segment, self.walk.take(segment))
        for found in segment.checkpoints:
            self._signatures.take(found, self.walk.roots[found.size])
        self.walk.signed = self._signatures.good
        for one in self._earlier:
            if one.head is not None and one.head.size in self.walk.roots:
                one.root = self.walk.roots[one.head.size]

    def verification(self) -> Verification:
        size = self.claims.size
        root = self.walk.frontier().root()
        verdicts = tuple(self._verdicts())
        return Verification(
            origin=self.claims.origin,
            size=size,
            root=root,
            at_ms=self.claims.at_ms,
            seconds=time.monotonic() - self._began,
            verdicts=verdicts,
            note=self._signatures.note if verdicts[CHECKS.index("signatures")].outcome == "sound" else "",
            key=self._anchor.key,
            key_from=self._anchor.whose if self._anchor.key else "",
            key_replaced=tuple((one.idx, str(one.details.get("why", ""))) for one in self._anchor.replaced),
        )

    def _verdicts(self) -> Iterable[Verdict]:
        claims, signatures = self.claims, self._signatures
        statements = self._statements()
        self._findings.add(self.walk.findings.all())
        self._findings.add(_found(uncovered(self.walk.all_absent(), statements)))
        self._findings.add(_found(self._frontier_trouble()))
        self._findings.add(signatures.findings)
        if claims.log is not None and (claims.size or signatures.are_any):
            self._anchor = self._anchored(claims.origin, statements)
        trust = self._anchor.trust
        self._findings.add(self._anchor.findings)
        if trust:
            self._findings.add(signatures.strangers(trust))
        self._findings.add(_found(self._unsigned()))
        sentences = {
            "sequence": f"Entries 0 to {claims.size - 1:,} are all there, once each."
            if claims.size
            else "The log is empty.",
            "leaves": "Every text is the one that was hashed when it was written.",
            "columns": "Every column says what the canonical text says.",
            "payloads": "Every payload is the one that its entry commits to; what is gone was pruned by an entry.",
            "frontier": "The head that the log keeps is that of its entries.",
            "subtrees": "The kept part of the tree is that of the entries.",
            "signatures": f"{signatures.count:,} checkpoints are signed by the log's keys and name the tree as it is.",
        }
        for name in CHECKS[:-2]:
            yield self._findings.verdict(name, sentences[name])
        yield self._consistency(trust)
        yield Verdict("contents", "unchecked", "What the entries have committed to was not read.")

    def _anchored(self, origin: str, statements: Sequence[Statement]) -> Anchor:
        """Whoever verifies need not have the private key; where nothing else is known, there is no verdict without."""
        size, signatures = self.claims.size, self._signatures
        known = list(self._keys)
        trouble: KeyUnavailable | None = None
        try:
            known.append(KnownKey(public_key(origin), "file"))
        except (KeyMissing, KeyOutOfReach) as error:
            trouble = error if not known and not self._takes_its_word else None
        except KeyUnavailable as error:
            trouble = error
        if trouble is not None:
            found = Finding("signatures", 0, max(0, size - 1), str(trouble), is_of_signer=True)
            return Anchor({}, findings=(found,) if signatures.are_any else ())
        if not known and signatures.key:
            known.append(KnownKey(Verifier.parse(signatures.key), "log"))
        return anchor(origin, size, known, statements) if known else Anchor({})

    def _statements(self) -> list[Statement]:
        """Of the entries that were checked, and of those that came meanwhile: they may explain what went meanwhile."""
        newer = Entry.objects.filter(idx__gte=self.claims.size, action__in=HEEDED).order_by("idx")
        rows = newer.values_list("idx", "action", "body")
        later = (Statement(idx, action, details_of(body)) for idx, action, body in rows)
        return [*self.walk.all_statements(), *later]

    def _frontier_trouble(self) -> Finding | None:
        log, size = self.claims.log, self.claims.size
        if log is None:
            return Finding("frontier", 0, size - 1, "The log keeps no head.") if size else None
        if log.size > size:
            text = f"The log keeps a head of {log.size:,} entries, and {size:,} are there."
            return Finding("frontier", size, log.size - 1, text)
        if self._is_of_another_size(log) and as_bytes(log.frontier) != self.walk.frontier().encode():
            # Comparing its parts would name entries that nobody touched.
            return Finding("frontier", size, size, "The head that the log keeps is that of more entries.")
        return where_they_differ(size, as_bytes(log.frontier), self.walk.frontier())

    def _is_of_another_size(self, log: Log) -> bool:
        """There are more entries than the row of the log says: what else it says is of those perhaps."""
        return any(
            one.check == "sequence" and one.first_idx == log.size == self.claims.size
            for one in self.claims.findings
        )

    def _unsigned(self) -> Finding | None:
        signed, size = self._signatures.good, self.claims.size
        # Whoever verifies elsewhere has no key to sign that it was done, and no server may be running.
        due = Entry.objects.filter(idx__gte=signed, idx__lt=size).exclude(action="log.verified")
        oldest = due.order_by("idx").values_list("at_ms", flat=True).first()
        if (
            signed >= size
            or oldest is None
            or self.claims.at_ms - oldest < LATE_MS
            or self._signatures.findings
            or any(one.check == "signatures" for one in self.claims.findings)
        ):
            return None
        text = (
            f"The entries from {signed:,} on are not signed, which takes a second while a server or command "
            "runs. Where none did, `scrollback audit head` signs them."
        )
        return Finding("signatures", signed, size - 1, text, is_of_signer=True)

    def _compare_subtrees(self, segment: Segment, expected: list[tuple[int, int, bytes]]) -> None:
        if not expected:
            return
        kept: dict[tuple[int, int], bytes] = {}
        for level in {level for level, _, _ in expected}:
            numbers = [number for found, number, _ in expected if found == level]
            rows = Subtree.objects.filter(level=level, number__gte=min(numbers), number__lte=max(numbers))
            for number, found in rows.values_list("number", "hash"):
                kept[level, number] = as_bytes(found)
        for level, number, found in expected:
            if kept.get((level, number)) != found:
                span = 1 << level * 8
                first, last = number * span, (number + 1) * span - 1
                how = "is missing" if (level, number) not in kept else "is not theirs"
                text = f"The subtree kept of the entries {first:,} to {last:,} {how}."
                self._findings.add([Finding("subtrees", first, last, text)])

    def _consistency(self, trust: Trust) -> Verdict:
        if not self._earlier:
            return Verdict("consistency", "unchecked", "No head that was noted earlier was given.")
        good = 0
        for one in sorted(self._earlier, key=lambda one: one.head.size if one.head else 0):
            found = self._contradiction(one, trust, good)
            if found is not None:
                self._findings.add([found])
            elif one.head is not None:
                good = one.head.size
        sizes = ", ".join(f"{one.head.size:,}" for one in self._earlier if one.head)
        return self._findings.verdict(
            "consistency", f"The log still begins with what it was at {sizes} entries."
        )

    def _contradiction(self, one: _Earlier, trust: Trust, good: int) -> Finding | None:
        """`good` entries are those of a head that was noted before this one."""
        size, head = self.claims.size, one.head
        if head is None:
            return Finding(
                "consistency", 0, max(0, size - 1), f"The head noted earlier cannot be read: {one.trouble}."
            )
        if head.origin != self.claims.origin:
            text = f"The head noted earlier is of {head.origin}; this log is {self.claims.origin or 'without a name'}."
            return Finding("consistency", 0, max(0, size - 1), text)
        if head.size > size:
            text = (
                f"The head noted earlier is of {head.size:,} entries, and {size:,} are there: the log was cut off "
                "or set back to an older state."
            )
            return Finding("consistency", size, head.size - 1, text)
        if (one.root or EMPTY_ROOT) != head.root:
            which = one_of(good, head.size - 1)
            text = (
                f"The first {head.size:,} entries are not those of the head noted earlier: {which} changed."
            )
            return Finding("consistency", good, head.size - 1, text)
        if not one.note:
            return None
        try:
            signed_head(one.note, trust)
        except NoteError as error:
            text = f"The head noted earlier names these entries, but is not signed by a key of this log: {error}."
            return Finding("consistency", 0, head.size - 1, text) if trust else None
        return None


def _earlier(note: str) -> _Earlier:
    try:
        return _Earlier(note, TreeHead.parse(note.partition("\n\n")[0] + "\n"))
    except NoteError as error:
        return _Earlier(note, None, str(error))


def _found(finding: Finding | None) -> list[Finding]:
    return [] if finding is None else [finding]
