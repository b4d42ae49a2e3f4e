"""One thread per process that watches the database for every socket of the process.

No channel layer: what a layer would carry is only "look again", it drops messages silently when a consumer
is slow, and it sees nothing of what importers, recorders and commands commit in processes of their own. The
database sees all of it, asking costs a few microseconds (dashboard.lib.db.ChangeDetector), and a fact that
is lost or told twice does no harm, as every consumer reads from its own cursor. Several web processes on
one Postgres each run a hub of their own.
"""

import logging
import threading
import time
import uuid

from django.db import DatabaseError, connection

from dashboard.lib import nudges
from dashboard.lib.db import ChangeDetector, explain
from sessions_app.live.facts import Changed, Mailbox
from sessions_app.live.permission import revoked_among
from sessions_app.live.watch import Watch

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.05
# Nudges come with every commit; looking more often than this would only take turns from the writers.
SHORTEST_PAUSE_S = 0.005
PERMISSION_EVERY_S = 1.0
LONGEST_AWAY_S = 5.0
# After the last socket has closed the thread stays this long: the next page is often one click away.
LINGER_S = 5.0
# A look that the database holds up may take longer than anybody waits for the thread to end.
STOP_S = 2.0


class Hub:
    """Started by the first socket, as the ASGI server has no start-up of its own to do it in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mailboxes: set[Mailbox] = set()
        self._thread: threading.Thread | None = None
        self._awake = threading.Event()

    def join(self, mailbox: Mailbox) -> None:
        """Post facts to this mailbox from now on. Join first and read then: nothing falls in between."""
        with self._lock:
            self._mailboxes.add(mailbox)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="live-hub", daemon=True)
                self._thread.start()

    def leave(self, mailbox: Mailbox) -> None:
        with self._lock:
            self._mailboxes.discard(mailbox)

    def stop(self) -> None:
        """End the thread and its connections, for a server that ends or a test that is over."""
        with self._lock:
            # Whoever joins from now on starts another, however long this one's last look takes.
            thread, self._thread = self._thread, None
        self._awake.set()
        if thread is not None:
            thread.join(timeout=STOP_S)

    def _run(self) -> None:
        # Of this thread's own: one that was stopped and ends late must not take the next one's away.
        stop_listening = nudges.listen(lambda: self._awake.set())
        stop_telling = nudges.listen_personally(lambda *told: self._tell_person(*told))
        try:
            _Looking(self).run()
        finally:
            stop_telling()
            stop_listening()
            connection.close()

    def _tell_person(self, person_id: uuid.UUID, marked: nudges.Marked) -> None:
        """A mark of theirs moves a number beside a place and a row, on their pages only."""
        facts = [Changed("session", *marked)] if marked is not None else []
        for mailbox in self.present():
            if mailbox.interest is None and mailbox.login.person_id == person_id:
                mailbox.post(facts, anything=marked is None)

    def rest(self, seconds: float) -> None:
        """Until a nudge, or for so long."""
        time.sleep(SHORTEST_PAUSE_S)
        self._awake.wait(seconds)
        self._awake.clear()

    def present(self) -> tuple[Mailbox, ...]:
        with self._lock:
            return tuple(self._mailboxes)

    def may_end(self, idle_s: float) -> bool:
        """Whether the calling thread ends now; if so, the next socket starts another."""
        with self._lock:
            if self._thread is not threading.current_thread():
                return True
            if not self._mailboxes and idle_s >= LINGER_S:
                self._thread = None
                return True
            return False


class _Looking:
    """The thread's work and what it remembers from look to look."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._detector = ChangeDetector()
        self._watch = Watch()
        self._occupied = time.monotonic()
        self._permission_checked = 0.0
        self._away_s = 0.0

    def run(self) -> None:
        try:
            while not self._hub.may_end(time.monotonic() - self._occupied):
                self._look()
                self._hub.rest(self._away_s or LOOK_EVERY_S)
        finally:
            self._detector.close()

    def _look(self) -> None:
        mailboxes = self._hub.present()
        if not mailboxes:
            return
        self._occupied = time.monotonic()
        try:
            changed = self._detector.changed()
            # Those who came while that was asked too: a change that it has seen is not told a second time.
            mailboxes = self._hub.present()
            self._watch.look(mailboxes, changed=changed)
            if self._occupied - self._permission_checked >= PERMISSION_EVERY_S:
                self._permission_checked = self._occupied
                for mailbox, code in revoked_among(mailboxes):
                    mailbox.post(close=code)
        except DatabaseError as error:
            self._lose_database(mailboxes, explain(error))
        except Exception:
            # The thread must outlive any mistake, or every open page would silently go stale.
            logger.exception("The live hub could not look")
            self._lose_database(mailboxes, "The server could not look for changes; its log says why.")
        else:
            self._regain_database(mailboxes)

    def _lose_database(self, mailboxes: tuple[Mailbox, ...], reason: str) -> None:
        # A broken connection would otherwise be tried again for ever.
        connection.close()
        if not self._away_s:
            for mailbox in mailboxes:
                mailbox.post(database=reason)
        self._away_s = min(LONGEST_AWAY_S, self._away_s * 2 or 0.25)

    def _regain_database(self, mailboxes: tuple[Mailbox, ...]) -> None:
        if self._away_s:
            self._away_s = 0.0
            for mailbox in mailboxes:
                mailbox.post(database="", anything=True)


_hub = Hub()


def get_hub() -> Hub:
    return _hub


def stop_hub() -> None:
    _hub.stop()
