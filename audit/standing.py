"""How the log stands, for the strip of its page: verified to here at that time, or where it breaks first.

A thread of the server looks at new entries every few seconds, and at all of them when it starts and once a day. What
it found is in the memory of this process alone: a server is one process, another would find out for itself, and in
the database a "verified" would be worth no more than the rows that it speaks of.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from audit.claims import Claims
from audit.covers import Contents
from audit.growing import Walk
from audit.notes import TreeHead
from audit.verdicts import Verification
from audit.verification import Course
from dashboard.lib.background import BackgroundThread
from dashboard.lib.clock import now_ms
from dashboard.lib.db import explain

logger = logging.getLogger(__name__)

EVERY_S: Final = 5.0
_ALL_EVERY_S: Final = 24 * 3600.0
# After each range it rests for so many times as long as it worked: a tenth of a core at most.
_RESTS: Final = 9


@dataclass(frozen=True, slots=True)
class Standing:
    """`problem` is "" while all is sound; `at_ms` is 0 before the first look has ended."""

    verified_size: int = 0
    at_ms: int = 0
    problem: str = ""
    first_bad_idx: int | None = None
    # What the entries before this one have committed to was looked at too.
    contents_size: int = 0


_standing = Standing()


def standing() -> Standing:
    return _standing


class BackgroundVerifier(BackgroundThread):
    """Verifies what is new, in a server, and everything now and then."""

    def __init__(self, every_s: float = EVERY_S) -> None:
        super().__init__("audit-verifying", every_s)
        self._walk: Walk | None = None
        self._all_at = 0.0
        # What was verified, held against the log at the next look.
        self._head: TreeHead | None = None
        # The look at contents, which may take many looks at the log, and where it is at present.
        self._contents = Contents()
        self._contents_at = time.monotonic()
        self._steps: Iterator[int | None] | None = None

    def failed(self, error: Exception) -> None:
        """What was verified before is not said any more: nobody knows whether it is still so."""
        global _standing
        logger.warning("The audit log could not be verified: %s", explain(error))
        # From the beginning the next time: what was found on the way is lost.
        self._walk = self._steps = None
        if _standing.first_bad_idx is None:
            text = f"The look at the log ended early, and is tried again: {explain(error)}"
            _standing = Standing(_standing.verified_size, now_ms(), text)

    def look(self) -> None:
        """Once; everything where that is due."""
        global _standing
        if self._walk is None or time.monotonic() - self._all_at >= _ALL_EVERY_S:
            self._walk, self._all_at = Walk(), time.monotonic()
        claims = Claims.read()
        course = Course(claims, walk=self._walk)
        if self._head is not None:
            course.expect(self._head)
        began = time.monotonic()
        for segment in course.segments(are_spread=False):
            course.take(segment)
            if self.rest((time.monotonic() - began) * _RESTS):
                return
            began = time.monotonic()
        found = course.verification()
        if found.first_bad_idx is None:
            self._head = TreeHead(found.origin, found.size, found.root) if found.size else None
        if found.is_sound:
            self._stand(found)
            self._look_at_contents(found.size)
            self._stand(found)
            return
        if found.first_bad_idx is not None:
            # From the beginning the next time: what is broken may have been mended.
            self._walk = None
        _standing = _broken(found)

    def _stand(self, found: Verification) -> None:
        """The log itself is sound."""
        global _standing
        contents = self._contents
        _standing = Standing(
            found.size, found.at_ms, contents.problem, contents.first_bad_idx, contents_size=contents.next_idx
        )

    def _look_at_contents(self, size: int) -> None:
        """Go on for as long as new entries may wait; what was damaged is looked at again before the rest."""
        if self._contents.problem:
            begin = self._contents.finding.first_idx if self._contents.finding else self._contents.next_idx
            self._contents, self._steps = Contents(begin), None
        elif self._steps is None and time.monotonic() - self._contents_at >= _ALL_EVERY_S:
            self._contents, self._contents_at = Contents(), time.monotonic()
        if self._steps is None:
            survey = () if self._contents.is_surveyed else self._contents.survey()
            self._steps = chain(survey, self._contents.steps(size))
        until = began = time.monotonic()
        until += self.every_s
        for _ in self._steps:
            if self._contents.problem:
                return
            if self.rest((time.monotonic() - began) * _RESTS) or time.monotonic() >= until:
                return
            began = time.monotonic()
        self._steps = None


def _broken(found: Verification) -> Standing:
    """Told is what is wrong with that very entry: of a signature, say, it may be another one.

    No entry is named where only the key is gone, say: then all entries are there as they were.
    """
    idx = found.first_bad_idx
    told = next(one for one in found.broken if one.first_bad_idx == idx)
    return Standing(max(0, idx or 0), found.at_ms, told.text, idx)
