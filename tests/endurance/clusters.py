"""A Postgres server that loses all of its room, as an operator's does whose data directory has a disk of its own."""

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import psycopg

from tests.endurance.disks import SmallDisk, owned_folder
from tests.postgres import create_database, initialise, installed, server, url_of

_OPTIONS: Final = {
    # What is committed is with the system, which survives; only the server goes down.
    "synchronous_commit": "on",
    # Else it may come back by itself, with the room of what it needs no more once it has recovered.
    "restart_after_crash": "off",
}
_MEGABYTE: Final = 1_000_000


class SmallCluster:
    """All of its data lies on a small disk, the write-ahead log included."""

    def __init__(self, disk: SmallDisk, programs: Path, folder: Path) -> None:
        self.url = url_of(folder)
        self._programs, self._folder = programs, folder
        self._cluster = owned_folder(disk, "cluster")
        # With the smallest segments: what is left of one is room on a full disk.
        initialise(programs, self._cluster, "--wal-segsize=1")
        self._running = ExitStack()

    def start(self) -> None:
        self._process = self._running.enter_context(
            server(self._programs, self._cluster, self._folder, _OPTIONS)
        )

    def stop(self) -> None:
        """Quiet when it went down by itself."""
        self._running.close()

    def go_down(self) -> str:
        """Write until there is no room for its log any more; what it said last. Call it on a full disk."""
        with (
            contextlib.suppress(psycopg.OperationalError),
            psycopg.connect(self.url, autocommit=True) as writer,
        ):
            while True:
                writer.execute(
                    "SELECT pg_logical_emit_message(false, 'filler', repeat('x', %s))", [_MEGABYTE]
                )
        self._process.wait()
        return (self._folder / "server.log").read_text()


@contextmanager
def cluster_on(disk: SmallDisk) -> Iterator[SmallCluster]:
    """Running, with an empty database."""
    with installed() as (programs, folder):
        cluster = SmallCluster(disk, programs, folder)
        try:
            cluster.start()
            create_database(programs, folder)
            yield cluster
        finally:
            cluster.stop()
