"""What a server does every few seconds beside its work, in a thread of its own."""

import logging
import threading
from abc import ABC, abstractmethod
from typing import Final

from django.db import DatabaseError, connection

from dashboard.lib.db import explain
from dashboard.lib.traffic import TRAFFIC

logger = logging.getLogger(__name__)

_STOP_S: Final = 5.0
#: After faults it looks less and less often, but at least so often.
LONGEST_PAUSE_S: Final = 300.0

# By the names of threads of this process whose last look ended with a fault: what to tell people.
_faults: dict[str, str] = {}


def faults() -> list[str]:
    """What is wrong with the threads of this server, a sentence for each that fails."""
    return list(_faults.values())


def tell_fault(name: str, error: Exception) -> None:
    """Called where it was caught: the log says where it came from, and people are told until it is taken back."""
    logger.exception("%s failed", name)
    _faults[name] = f"The server's own thread {name} fails: {explain(error)}. The server's log says where."


def take_back_fault(name: str) -> None:
    _faults.pop(name, None)


class BackgroundThread(ABC):
    """Started and stopped once, by whoever serves. A subclass looks, and says what to do when that fails."""

    def __init__(self, name: str, every_s: float) -> None:
        self.every_s = every_s
        self._pause_s = every_s
        #: Set when the thread is to end; a long look asks it between two pieces.
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def look(self) -> None:
        """Once; whatever is due. Called every `every_s` seconds, counted from its end."""

    def failed(self, error: Exception) -> None:
        """A look ended with this; the next one gets another connection. Faults of the program are logged already."""
        logger.warning("%s: %s", self._thread.name, explain(error))

    def rest(self, seconds: float) -> bool:
        """Between two pieces of long work: for so long, and longer beside requests. True when it is to end."""
        return self.stopping.wait(seconds) or TRAFFIC.wait_until_quiet(self.stopping)

    def ended(self) -> None:  # noqa: B027  most have nothing to give back
        """After the last look."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def _run(self) -> None:
        try:
            while not self.stopping.is_set():
                self._look()
                self.stopping.wait(self._pause_s)
        finally:
            take_back_fault(self._thread.name)
            self.ended()
            connection.close()

    def _look(self) -> None:
        try:
            self.look()
        except DatabaseError as error:
            connection.close()
            self._pause_s = self.every_s
            self.failed(error)
        except Exception as error:
            # Nobody starts the thread again: it goes on, as what it met may be gone by then.
            connection.close()
            tell_fault(self._thread.name, error)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            self.failed(error)
        else:
            take_back_fault(self._thread.name)
            self._pause_s = self.every_s
