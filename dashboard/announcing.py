"""Tells other programs of this machine where the server is."""

import fcntl
import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def announced(home: Path, url: str, origins: Sequence[str]) -> Iterator[None]:
    """While serving, `<home>/server.json` tells other programs of this machine where ({"url", "origins", "pid"}).

    At the origins it answers too.
    """
    announcement = _Announcement(home, url, origins)
    announcement.begin()
    try:
        yield
    finally:
        announcement.end()


class _Announcement:
    """Of several servers on one data directory the first is announced, and the next one when that has ended.

    A second server is no mistake, such as one for the network beside that for this machine, so it is not
    refused; but recorders and links that found the first keep it. A lock tells who is first, since the id of a
    process that was killed may be another's by now. For the same reason the announcement itself is locked: without
    its lock it is that of a server which was killed (sessions_app/client/home.py).
    """

    def __init__(self, home: Path, url: str, origins: Sequence[str]) -> None:
        self._path = home / "server.json"
        self._told = {"url": url, "origins": list(origins), "pid": os.getpid()}
        self._ending = threading.Lock()
        self._has_ended = False
        self._turn = os.open(home / "server.lock", os.O_WRONLY | os.O_CREAT, 0o600)
        # Of the announcement, once it is made.
        self._announcement: int | None = None

    def begin(self) -> None:
        try:
            fcntl.flock(self._turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # A daemon, because nothing wakes it up when this server ends before the first one.
            threading.Thread(target=self._wait_for_turn, name="announcement", daemon=True).start()
        else:
            self._write()

    def end(self) -> None:
        with self._ending:
            self._has_ended = True
            if self._announcement is not None:
                # Without its lock it counts no more, should it stay.
                with suppress(OSError):
                    self._path.unlink()
                _let_go(self._announcement)
                _let_go(self._turn)

    def _wait_for_turn(self) -> None:
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        with self._ending:
            if self._has_ended:
                _let_go(self._turn)
            else:
                self._write()

    def _write(self) -> None:
        pending = self._path.with_suffix(f".{os.getpid()}")
        self._announcement = os.open(pending, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        fcntl.flock(self._announcement, fcntl.LOCK_EX)
        pending.chmod(0o600)
        pending.write_text(json.dumps(self._told) + "\n")
        # Renamed into place, so that a reader never sees half of it, nor one that is not locked.
        pending.replace(self._path)


def _let_go(descriptor: int) -> None:
    # A child that was forked may have it too, and keep the lock.
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)
