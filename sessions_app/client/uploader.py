"""Sends spooled recordings to the server: beside the recorder while it runs, or later.

The server says how much it has committed; the uploader goes there in the spool and sends what follows. It
keeps no truth of its own, so it may be killed, started twice or meet a server that lost everything: the
bytes are the same.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Protocol

from sessions_app.client.api import Client, Problem, Unavailable
from sessions_app.client.home import Target, TargetError
from sessions_app.client.spool import EndUnwritten, Place, Spool, SpoolReader, to_json
from sessions_app.terminal.batch import (
    CONTENT_TYPE,
    MAX_BATCH_BYTES,
    START,
    Position,
    encode_event,
    encode_position,
)

_FIRST_RETRY_S = 0.2
_LAST_RETRY_S = 5.0
_SAVE_EVERY_S = 1.0
#: More than the position and what was masked by all rules ever take.
_FIRST_LINE_BYTES = 4_096
#: A server that lost its memory or its place takes one batch in vain; more than a few is a fault to wait out.
_MAX_VAIN_BATCHES = 2


class Outcome(Enum):
    """How an upload ended."""

    COMPLETE = "complete"
    LEFT = "left"
    REFUSED = "refused"


class NoServer(Unavailable):
    """There is no server to wait for; one may be started while the program runs."""


class NoSession(Unavailable):
    """The server has no such session; it may be imported, or come back from the trash, while the program runs."""

    def __init__(self, session: str | None) -> None:
        super().__init__(
            f"the server has no session {session}, or it is in the trash: name another with "
            "scrollback upload --session ID, or --session none"
        )


@dataclass(frozen=True, slots=True)
class Fallback:
    """What becomes of a recording whose session the server does not have: it belongs to this one, or to none."""

    session: str | None


class Recording(Protocol):
    """What the uploader must know about whoever writes the spool."""

    def wait_for_news(self, place: Place) -> bool:
        """Wait until there may be more in the spool behind `place`; False when there will not be.

        Raises EndUnwritten when there will not be, and the end is to be sent all the same.
        """

    def wait_to_retry(self, seconds: float, *, hopeful: bool) -> bool:
        """Wait before trying again; False when it is time to give up, at once for a hopeless wait."""

    def progressed(self) -> None:
        """The server acknowledged something new."""


class Uploader:
    """Sends one recording until the server has it all, refuses it, or the recording's patience is over."""

    def __init__(
        self,
        spool: Spool,
        find_target: Callable[[], Target | None],
        recording: Recording,
        fallback: Fallback | None = None,
    ) -> None:
        """Raises OSError and ValueError when the spool cannot be read."""
        self._fallback = fallback
        self.reason = ""
        self._spool = spool
        self._state = spool.load()
        self._reader = SpoolReader(spool)
        self._find_target = find_target
        self._recording = recording
        self._client: Client | None = None
        self._registered = False
        self._failures = 0
        self._vain_batches = 0
        self._saved = time.monotonic()

    @property
    def acknowledged(self) -> Position:
        """What the server said last."""
        return self._state.acknowledged

    @property
    def sent_bytes(self) -> int:
        """How far in the file of the recording the sending is."""
        return self._reader.place.byte

    def end_here(self) -> None:
        """The spool ends without an exit, for which there is no room: one without a status is sent."""
        self._reader.end_here()

    def run(self) -> Outcome:
        """Send everything. `reason` then says why when the outcome is not COMPLETE."""
        try:
            return self._run()
        finally:
            self._save(complete=self._state.complete)
            self._reader.close()
            self._disconnect()

    def _run(self) -> Outcome:
        while True:
            try:
                caught_up = self._send_next()
            except Unavailable as error:
                self.reason = str(error)
                self._disconnect()
                hopeful = not isinstance(error, NoServer | NoSession)
                if not self._recording.wait_to_retry(self._next_delay_s(), hopeful=hopeful):
                    return Outcome.LEFT
            except (Problem, TargetError) as error:
                self.reason = str(error)
                return Outcome.REFUSED
            else:
                if caught_up and self._reader.place.exited:
                    self._state = replace(self._state, complete=True)
                    return Outcome.COMPLETE
                if caught_up:
                    self._save_now_and_then()
                    try:
                        has_news = self._recording.wait_for_news(self._reader.place)
                    except EndUnwritten:
                        self.end_here()
                        continue
                    if not has_news:
                        self.reason = "another process goes on with it"
                        return Outcome.LEFT

    def _send_next(self) -> bool:
        """Send one batch; True when there was nothing to send."""
        client = self._connect()
        if not self._registered:
            committed = self._register(client)
            self._registered = True
            if client.target.named is not None:
                # Not before it has taken anything: the address may have been mistaken.
                self._state = replace(self._state, server=client.target.named)
            self._acknowledge(committed)
            self._reader.seek(committed)
        start = self._reader.place.position
        body = self._next_batch()
        if body is None:
            return True
        try:
            path = f"/api/v1/terminals/{self._state.metadata.id}/output"
            committed = _position(client.post(path, body, CONTENT_TYPE))
        except Problem as problem:
            committed = self._place_after(problem)
        self._take_committed(start, committed)
        return False

    def _register(self, client: Client) -> Position:
        """Tell the server of the terminal; how much of it is there. Raises Problem, Unavailable."""
        metadata = self._state.metadata
        try:
            return _position(client.put(f"/api/v1/terminals/{metadata.id}", to_json(metadata)))
        except Problem as problem:
            if not problem.type.endswith("/no-such-session"):
                raise
            if self._fallback is None:
                raise NoSession(metadata.session) from problem
        session, self._fallback = self._fallback.session, None
        self._state = replace(self._state, metadata=replace(metadata, session=session))
        # Before the server is told: it takes a recording of the same id and another session for another recording.
        self._save(complete=False)
        return self._register(client)

    def _take_committed(self, start: Position, committed: Position) -> None:
        """Go on behind what the server holds after a batch from `start`. Raises Unavailable."""
        if committed != self._reader.place.position:
            self._reader.seek(committed)
        self._acknowledge(committed)
        if committed.covers(start) and committed != start:
            self._failures = self._vain_batches = 0
            self._recording.progressed()
            return
        self._vain_batches += 1
        if self._vain_batches > _MAX_VAIN_BATCHES:
            raise Unavailable("the server takes nothing of what it is sent")

    def _next_batch(self) -> bytes | None:
        start = self._reader.place.position
        lines: list[bytes] = []
        size = _FIRST_LINE_BYTES
        while size < MAX_BATCH_BYTES:
            before = self._reader.place
            event = self._reader.read()
            if event is None:
                break
            line = encode_event(event)
            if size + len(line) > MAX_BATCH_BYTES and lines:
                self._reader.place = before
                break
            lines.append(line)
            size += len(line)
        return b"".join([encode_position(start, self._reader.place.masked), *lines]) if lines else None

    def _place_after(self, problem: Problem) -> Position:
        """What the server has when it did not take a batch. Raises Problem."""
        if problem.status == 404:
            # A server that came back without its memory; the terminal is told to it again.
            self._registered = False
            return START
        if problem.status == 409 and problem.type.endswith("/offset-mismatch"):
            return _position(problem.members)
        raise problem

    def _acknowledge(self, committed: Position) -> None:
        self._state = replace(self._state, acknowledged=committed)
        self._save_now_and_then()

    def _save_now_and_then(self) -> None:
        if time.monotonic() - self._saved >= _SAVE_EVERY_S:
            self._save(complete=False)

    def _save(self, *, complete: bool) -> None:
        """The sidecar is only a note; the server is asked anyway, so a full disk does not stop the upload."""
        self._saved = time.monotonic()
        try:
            self._spool.update(replace(self._state, complete=complete))
        except OSError as error:
            self.reason = self.reason or f"the sidecar cannot be written: {error.strerror}"

    def _connect(self) -> Client:
        if self._client is None:
            target = self._find_target()
            if target is None:
                raise NoServer("no server with a token for it was found")
            self._client = Client(target)
        return self._client

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None
        self._registered = False

    def _next_delay_s(self) -> float:
        self._failures += 1
        longest_s: float = min(_LAST_RETRY_S, _FIRST_RETRY_S * 2 ** min(self._failures - 1, 10))
        # Many recorders must not all come back to a restarted server in the same moment.
        return longest_s * random.uniform(0.5, 1)  # noqa: S311  not a secret


class FinishedRecording:
    """A spool that nobody writes any more. Gives up when the server was away for `patience_s`.

    One that was away a moment ago is not waited for before it takes something: `waits` is then False.
    """

    def __init__(
        self, patience_s: float, on_progress: Callable[[], None] = lambda: None, *, waits: bool = True
    ) -> None:
        self._patience_s = patience_s
        self._on_progress = on_progress
        self._give_up_at = time.monotonic() + (patience_s if waits else 0)
        #: Whether the server stayed away; one attempt is always made.
        self.gave_up = False

    def wait_for_news(self, place: Place) -> bool:
        """There is none."""
        return False

    def wait_to_retry(self, seconds: float, *, hopeful: bool) -> bool:
        """Wait, while there is patience left."""
        remaining_s = self._give_up_at - time.monotonic()
        self.gave_up = hopeful and remaining_s <= 0
        if self.gave_up or not hopeful:
            return False
        time.sleep(min(seconds, remaining_s))
        return True

    def progressed(self) -> None:
        """Patience begins anew."""
        self._give_up_at = time.monotonic() + self._patience_s
        self._on_progress()


def _position(members: Any) -> Position:
    offset, events = members.get("offset"), members.get("events")
    if type(offset) is not int or type(events) is not int or offset < 0 or events < 0:
        raise Problem(200, {"title": "the answer is not that of a Scrollback server"})
    return Position(offset, events)
