"""Masks secrets in a stream of bytes, of which any number may come at a time.

What may be the beginning of a secret is held back until it is decided, and never more than MAX_HELD_BYTES.
Nothing is added or taken away: as many bytes go out as came in, and offsets stay what they are.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from sessions_app.terminal.masking.detector import Detector, Match, Open, Scan
from sessions_app.terminal.masking.joining import (
    MIN_WIDTH,
    JoinedText,
    join_full_lines,
    line_context,
)
from sessions_app.terminal.masking.marks import cover
from sessions_app.terminal.masking.rules import Rule
from sessions_app.terminal.masking.view import Reading, View, ends_in_text, read, read_plainly

MAX_HELD_BYTES = 16_384
#: What went out in a pause is looked at again with what follows, if it is no more than this.
_MAX_SENT_BYTES = 4_096
#: So much is looked at of what could be skipped, to know where words and lines begin that follow.
_LOOKED_AT_BYTES = 8_192


class Hold(IntEnum):
    """Why bytes are held back: none are; the next ones decide; it is a secret as far as one can tell."""

    NONE = 0
    WEAK = 1
    FIRM = 2


@dataclass(slots=True)
class _Lane:
    """One of the two texts: the end of what was given out, and the rule of a secret that goes on in it."""

    context: bytes = b""
    inside: Rule | None = None


@dataclass(slots=True)
class _Sight:
    """A text with what was found in it. The first `begin` characters were given out before; up to `inside_end`
    a secret goes on that was masked before it was whole."""

    lane: _Lane
    view: View
    #: The text as it is, and the one that was searched.
    text: bytes
    searched: bytes
    begin: int
    inside_end: int
    scan: Scan
    joined: JoinedText | None

    def raw_position(self, position: int) -> int:
        """Where a character of the searched text stands in the raw bytes."""
        before = self.joined.position_before(position) if self.joined else position
        return self.view.raw_position(before - self.begin)

    def raw_span(self, match: Match) -> tuple[int, int]:
        return self.raw_position(match.start), self.raw_position(match.end - 1) + 1

    @property
    def still_inside(self) -> bool:
        return self.lane.inside is not None and self.inside_end == len(self.searched)

    def begun(self) -> Iterator[Open]:
        """What has begun like a secret, with something of its body."""
        for opened in self.scan.opened:
            if opened.firm and opened.rule and opened.body is not None and opened.body < len(self.searched):
                yield opened


class Masker:
    """Masks one stream.

    `feed` gives out what is decided. `pause` says that nothing came for a moment: what only might be a
    beginning goes out, too. `release` gives out everything: of what has begun like a secret the body is
    masked, and goes on to be. `finish` does so at the end, where what is not complete is no secret.
    """

    def __init__(self, detector: Detector, *, width: int | None = None) -> None:
        """`width` in columns, when it is known: words that a program broke at the margin are then whole."""
        self.counts: Counter[str] = Counter()
        self.hold = Hold.NONE
        self._detector = detector
        self._drawn = _Lane()
        self._redrawn = _Lane()
        self._strings = _Lane()
        self._in_string = False
        # What was held back, of which the first `_sent` bytes went out in a pause all the same and the last
        # `_unseen` were not looked at yet.
        self._raw = b""
        self._sent = 0
        self._unseen = 0
        self._width: int | None = None
        self.set_width(width)

    @property
    def held(self) -> int:
        """How many bytes are still to be given out."""
        return len(self._raw) - self._sent

    def set_width(self, width: int | None) -> None:
        self._width = width if width is not None and width >= MIN_WIDTH else None

    def feed(self, data: bytes) -> bytes:
        """What can be given out after `data`."""
        if self.hold is Hold.FIRM and self._unseen + len(data) < len(self._raw) // 4:
            # It is held in any case; to look at all of it for each byte would take too long.
            self._raw += data
            self._unseen += len(data)
            return b""
        raw = self._raw + data if self._raw else data
        plain = self._feed_plainly(raw)
        if plain is not None:
            return plain
        given = self._look(raw)
        return given + self.release() if len(self._raw) > MAX_HELD_BYTES else given

    def skip(self, data: bytes) -> bytes | None:
        """What can be given out after `data`, of which is known that no secret begins, goes on or ends in it.

        None, and nothing taken, where something is open that has to be looked at further.
        """
        if self._raw or self._in_string or self._drawn.inside or self._strings.inside:
            return None
        end = max(0, len(data) - _LOOKED_AT_BYTES)
        # Where an escape begins nothing else is open.
        cut = data.rfind(b"\x1b", 0, end)
        if cut < 0 or len(data) - cut > MAX_HELD_BYTES:
            if not ends_in_text(data[max(cut, 0) : end], 0):
                return None
            cut = end
        self._drawn.context = self._redrawn.context = self._strings.context = b""
        return data[:cut] + self.feed(data[cut:])

    def pause(self) -> bytes:
        """Nothing came for a moment: what only might be a beginning is given out."""
        given = self._look(self._raw) if self._unseen else b""
        return given + self.release() if self.hold is Hold.WEAK else given

    def release(self) -> bytes:
        """Everything that is held, masked where it looks like a secret so far."""
        if not self._raw:
            return b""
        reading = read(self._raw, in_string=self._in_string)
        sights = self._sights(reading)
        begun = [(sight, opened) for sight in sights for opened in sight.begun()]
        given = self._mask(self._raw, sights, len(self._raw), begun=begun)
        if not begun and len(self._raw) <= _MAX_SENT_BYTES:
            self._sent = len(self._raw)
            self.hold, self._unseen = Hold.NONE, 0
            return given
        self._move(self._raw, len(self._raw), sights, reading)
        for sight, opened in begun:
            sight.lane.inside = opened.rule
        self._agree()
        return given

    def finish(self) -> bytes:
        """The rest; what is not complete is no secret."""
        reading = read(self._raw, in_string=self._in_string)
        sights = self._sights(reading)
        given = self._mask(self._raw, sights, len(self._raw))
        self._move(self._raw, len(self._raw), sights, reading)
        return given

    def resume(self, tail: bytes) -> None:
        """Go on behind `tail`, which another masker gave out."""
        self.feed(tail)
        self.release()
        self.counts.clear()
        text = bytes(read(tail, in_string=False).drawn.data)
        rule = self._detector.masked_body(text)
        if rule is not None:
            self._raw, self._sent, self.hold = b"", 0, Hold.NONE
            self._drawn.context, self._drawn.inside = line_context(text, self._width), rule
            self._redrawn.context = line_context(text, None)
            self._agree()

    def _feed_plainly(self, raw: bytes) -> bytes | None:
        """What can be given out of `raw` when there is no secret in it; else None. Most output goes this way."""
        if self._in_string or self._drawn.inside or self._strings.inside:
            return None
        texts = read_plainly(raw)
        if texts is None:
            return None
        more, strings, end = texts
        drawn = self._drawn.context + more
        if self._width and join_full_lines(drawn, self._width):
            return None
        scan = self._detector.scan(drawn, len(self._drawn.context))
        length = len(drawn) - min((opened.start for opened in scan.opened), default=len(drawn))
        if scan.matches or (length and not ends_in_text(raw[:end], length)):
            return None
        if strings:
            strings = self._strings.context + strings
            if self._detector.scan(strings, len(self._strings.context)):
                return None
            self._strings.context = line_context(strings, None)
        held = end - length
        self._drawn.context = line_context(drawn[: len(drawn) - length], self._width)
        self._redrawn.context = line_context(self._drawn.context, None)
        given = raw[self._sent : held]
        self._raw, self._sent, self._unseen = raw[held:], max(0, self._sent - held), 0
        self.hold = Hold.NONE if held == len(raw) else Hold.WEAK
        if any(opened.firm for opened in scan.opened):
            self.hold = Hold.FIRM
        return given

    def _look(self, raw: bytes) -> bytes:
        reading = read(raw, in_string=self._in_string)
        sights = self._sights(reading)
        held = reading.end
        hold = Hold.WEAK if reading.end < len(raw) else Hold.NONE
        for sight in sights:
            for opened in sight.scan.opened:
                held = min(held, sight.raw_position(opened.start))
                hold = max(hold, Hold.FIRM if opened.firm else Hold.WEAK)
        # What is masked together is given out together.
        spans = [
            (sight.raw_position(match.origin), sight.raw_span(match)[1])
            for sight in sights
            for match in sight.scan.matches
        ]
        for start, end in sorted(spans, reverse=True):
            if start < held < end:
                held = start
        given = self._mask(raw, sights, held)
        self._move(raw, held, sights, reading)
        self.hold = hold
        return given

    def _sights(self, reading: Reading) -> list[_Sight]:
        lanes = (
            (self._drawn, reading.drawn),
            (self._redrawn, reading.redrawn),
            (self._strings, reading.strings),
        )
        return [self._sight(lane, view) for lane, view in lanes if view and (view.data or view.taken_back)]

    def _sight(self, lane: _Lane, view: View) -> _Sight:
        context = lane.context[: max(0, len(lane.context) - view.taken_back)]
        text, begin = context + bytes(view.data), len(context)
        joined = None
        if lane is self._drawn and self._width:
            joined = join_full_lines(text, self._width)
        searched = joined.text if joined else text
        start = inside_end = joined.position_after(begin) if joined else begin
        if lane.inside is not None:
            inside_end = lane.inside.end_of_body(searched, start)
        scan = self._detector.scan(searched, inside_end)
        return _Sight(lane, view, text, searched, begin, inside_end, scan, joined)

    def _mask(
        self,
        raw: bytes,
        sights: list[_Sight],
        until: int,
        *,
        begun: list[tuple[_Sight, Open]] | tuple[()] = (),
    ) -> bytes:
        """raw[sent:until] with what was found masked."""
        covers: list[tuple[_Sight, Match]] = []
        for sight in sights:
            start = sight.joined.position_after(sight.begin) if sight.joined else sight.begin
            if sight.inside_end > start:
                covers.append((sight, Match(start, start, sight.inside_end, "", "", "")))
            covers += [(sight, match) for match in sight.scan.matches]
        for sight, opened in begun:
            if opened.rule is not None and opened.body is not None:
                covers.append((sight, _begun_match(sight, opened.rule, opened.body)))
        masked: bytearray | None = None
        done = {True: 0, False: 0}
        for sight, match in sorted(covers, key=_place_of_cover):
            start, end = sight.raw_span(match)
            start, end = max(start, self._sent), min(end, until)
            is_string = sight.lane is self._strings
            if max(start, done[is_string]) >= end:
                continue
            masked = masked if masked is not None else bytearray(raw)
            _cover(masked, sight.view, max(start, done[is_string]), end, match)
            if match.rule and start >= done[is_string]:
                self.counts[match.rule] += 1
            done[is_string] = end
        return bytes(masked[self._sent : until]) if masked is not None else raw[self._sent : until]

    def _move(self, raw: bytes, held: int, sights: list[_Sight], reading: Reading) -> None:
        """Keep raw[held:], and of what was given out what must be known."""
        if reading.redrawn is None:
            self._redrawn.inside = None
        for sight in sights:
            inside = sight.lane.inside if sight.still_inside else None
            text = (
                sight.text[: sight.begin + sight.view.position_before(held)]
                if held < len(raw)
                else sight.text
            )
            drawn = sight.lane is self._drawn
            sight.lane.context, sight.lane.inside = line_context(text, self._width if drawn else None), inside
        if held < len(raw):
            self._in_string = any(start <= held < end for start, end in reading.strings.segments)
        else:
            self._in_string = reading.in_string
        if reading.redrawn is None:
            self._redrawn.context = line_context(self._drawn.context, None)
        self._agree()
        self._raw, self._sent = raw[held:], max(0, self._sent - held)
        self._unseen = 0
        self.hold = Hold.NONE

    def _agree(self) -> None:
        """A secret that goes on in one of the two ways to read what is drawn goes on in the other."""
        self._drawn.inside = self._redrawn.inside = self._drawn.inside or self._redrawn.inside


def _place_of_cover(cover: tuple[_Sight, Match]) -> tuple[int, int]:
    """In their order, of those at one place the longest first."""
    start, end = cover[0].raw_span(cover[1])
    return start, -end


def _begun_match(sight: _Sight, rule: Rule, body: int) -> Match:
    """As much as there is of a secret whose end is not known, and so no tag of it."""
    return Match(body, body, len(sight.searched), rule.name, "", "")


def _cover(masked: bytearray, view: View, start: int, end: int, match: Match) -> None:
    """Mask what of masked[start:end] belongs to the text."""
    pieces = [
        (max(start, one), min(end, other)) for one, other in view.segments if one < end and other > start
    ]
    covered = cover(b"".join(masked[one:other] for one, other in pieces), match.label, match.tag)
    position = 0
    for one, other in pieces:
        masked[one:other] = covered[position : position + other - one]
        position += other - one
