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


class BackgroundThread(ABC):
    """Started and stopped once, by whoever serves. A subclass looks, and says what to do when the database fails."""

    def __init__(self, name: str, every_s: float) -> None:
        self.every_s = every_s
        #: Set when the thread is to end; a long look asks it between two pieces.
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def look(self) -> None:
        """Once; whatever is due. Called every `every_s` seconds, counted from its end."""

    def failed(self, error: DatabaseError) -> None:
        """A look ended with this; the next one gets another connection."""
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
                try:
                    self.look()
                except DatabaseError as error:
                    connection.close()
                    self.failed(error)
                self.stopping.wait(self.every_s)
        finally:
            self.ended()
            connection.close()
