"""Tells other programs of this machine where the server is."""

import fcntl
import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
    process that was killed may be another's by now.
    """

    def __init__(self, home: Path, url: str, origins: Sequence[str]) -> None:
        self._path = home / "server.json"
        self._told = {"url": url, "origins": list(origins), "pid": os.getpid()}
        self._ending = threading.Lock()
        self._has_ended = False
        self._descriptor = os.open(home / "server.lock", os.O_WRONLY | os.O_CREAT, 0o600)

    def begin(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # A daemon, because nothing wakes it up when this server ends before the first one.
            threading.Thread(target=self._wait_for_turn, name="announcement", daemon=True).start()
        else:
            self._write()

    def end(self) -> None:
        with self._ending:
            self._has_ended = True
            try:
                if json.loads(self._path.read_text()).get("pid") == os.getpid():
                    self._path.unlink()
            except (OSError, ValueError, AttributeError):
                pass

    def _wait_for_turn(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        with self._ending:
            if not self._has_ended:
                self._write()

    def _write(self) -> None:
        pending = self._path.with_suffix(f".{os.getpid()}")
        pending.write_text(json.dumps(self._told) + "\n")
        pending.chmod(0o600)
        # Renamed into place, so that a reader never sees half of it.
        pending.replace(self._path)
