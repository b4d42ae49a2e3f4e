"""Checkpoints of the log: the head of its tree, signed, at most a second after the newest entry."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from django.db import DatabaseError, connection

from audit.keys import KeyUnavailable
from audit.models import Checkpoint, Log
from audit.notes import NoteError, TreeHead
from audit.own_key import own_signer
from audit.record import frontier_of
from dashboard.lib import nudges
from dashboard.lib.background import take_back_fault, tell_fault
from dashboard.lib.clock import now_ms
from dashboard.lib.db import ChangeDetector, explain, write_transaction

logger = logging.getLogger(__name__)

# Entries that come together are signed together.
GATHER_S: Final = 0.2
LOOK_EVERY_S: Final = 0.5
RETRY_S: Final = 1.0
# Who held SQLite's write lock for so long signs what there is: others look for it ten times a second, and may find it
# held again each time.
LONG_HELD_S: Final = 0.25
_STOP_S: Final = 5.0
_NAME: Final = "audit-signing"


def tree_head() -> TreeHead | None:
    """The head of the committed log; None before its first entry. Raises DamagedLog."""
    log = Log.objects.filter(pk=Log.THE_ONE, size__gt=0).first()
    if log is None:
        return None
    return TreeHead(log.origin, log.size, frontier_of(log).root())


def write_checkpoint() -> Checkpoint | None:
    """Sign the head as it is now, outside of a transaction; None where it is signed already or there is none.

    Raises KeyUnavailable, DatabaseError.
    """
    head = tree_head()
    if head is None or Checkpoint.objects.filter(size=head.size).exists():
        return None
    signer = own_signer(head.origin)
    checkpoint = Checkpoint(
        size=head.size, at_ms=now_ms(), note=signer.sign(str(head)), key=str(signer.verifier)
    )
    with write_transaction():
        # Another process may have been quicker with the same one.
        if Checkpoint.objects.filter(size=head.size).exists():
            return None
        Checkpoint.objects.bulk_create([checkpoint], ignore_conflicts=connection.vendor == "postgresql")
    return checkpoint


def sign_after(held_s: float) -> None:
    """For whoever writes transaction after transaction, behind one that took so long; never raises.

    The thread that signs would wait for a lock that is hardly ever free, on SQLite for as long as an import takes.
    """
    if held_s < LONG_HELD_S or connection.in_atomic_block:
        return
    try:
        write_checkpoint()
    except KeyUnavailable as error:
        # That thread says so once; a line for each transaction would not help.
        logger.debug("The newest audit entries are not signed: %s", error)
    except DatabaseError as error:
        logger.warning("The newest audit entries are not signed yet: %s", explain(error))


def newest_checkpoint() -> Checkpoint | None:
    return Checkpoint.objects.newest()


def unreadable(checkpoint: Checkpoint, error: NoteError) -> str:
    """What to say of a stored head whose note is none, and what to do."""
    return (
        f"The newest signed head, of {checkpoint.size:,} entries, was changed past the program: {error}. Run "
        "scrollback audit verify; the next entry is signed with a new one."
    )


class CheckpointWriter:
    """A thread that signs what is new: in a server what anybody commits, in a command what it commits itself."""

    def __init__(self, *, everybodys: bool) -> None:
        self._everybodys = everybodys
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop_listening: Callable[[], None] = lambda: None
        #: Why the newest entries are not signed, "" when they are.
        self.trouble = ""

    def start(self) -> None:
        self._stop_listening = nudges.listen(self._hear)
        if self._everybodys:
            self._hear()

    def stop(self) -> None:
        """Sign what is left, and end."""
        self._stop_listening()
        self._stopping.set()
        self._awake.set()
        if self._thread is not None:
            self._thread.join(_STOP_S)

    def _hear(self) -> None:
        self._awake.set()
        with self._lock:
            if self._thread is None and not self._stopping.is_set():
                thread = threading.Thread(target=self._run, name=_NAME, daemon=True)
                # An interrupt in between must not leave one behind that nobody can wait for.
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        detector = ChangeDetector()
        try:
            while not self._stopping.is_set():
                self._awake.wait(RETRY_S if self.trouble else LOOK_EVERY_S if self._everybodys else None)
                is_awake = self._awake.is_set()
                self._awake.clear()
                with self._told():
                    if is_awake or self.trouble or detector.changed():
                        self._stopping.wait(GATHER_S)
                        self._sign()
            with self._told():
                self._sign()
        finally:
            take_back_fault(_NAME)
            detector.close()
            connection.close()

    def _sign(self) -> None:
        write_checkpoint()
        self.trouble = ""
        take_back_fault(_NAME)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Nobody starts the thread again: it goes on, as what it met may be gone by then."""
        try:
            yield
        except KeyUnavailable as error:
            self._fail(str(error))
        except DatabaseError as error:
            self._fail(explain(error))
        except Exception as error:
            if explain(error) != self.trouble:
                tell_fault(_NAME, error)
            self._fail(explain(error))

    def _fail(self, reason: str) -> None:
        connection.close()
        if reason != self.trouble:
            self.trouble = reason
            logger.error("The newest audit entries are not signed: %s", reason)


@contextmanager
def signing(*, everybodys: bool = False) -> Iterator[CheckpointWriter]:
    """Sign what is committed inside, and what is left in the end."""
    writer = CheckpointWriter(everybodys=everybodys)
    writer.start()
    try:
        yield writer
    finally:
        writer.stop()
