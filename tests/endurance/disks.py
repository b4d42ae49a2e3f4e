"""Small disks that can be filled; only root can mount them."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.databases import copied
from tests.postgres import NOBODY, running_postgres

_BLOCK_BYTES = 64 * 1024


class SmallDisk:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave nothing; others write at the same time."""
        with self._ballast.open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(bytes(_BLOCK_BYTES))

    def free(self) -> None:
        self._ballast.unlink()


@contextmanager
def small_disk(megabytes: int) -> Iterator[SmallDisk]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    # Not below pytest's own folder, which the database server's user cannot reach.
    folder = Path(tempfile.mkdtemp(prefix="scrollback-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True)
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


def owned_folder(disk: SmallDisk, name: str) -> Path:
    """On this disk, for a database server that does not run as root."""
    folder = disk.folder / name
    folder.mkdir(mode=0o700)
    os.chown(folder, NOBODY, NOBODY)
    return folder


@contextmanager
def database_on(disk: SmallDisk, template_url: str) -> Iterator[str]:
    """URL of a database of the chosen engine whose rows lie on this disk: empty, or on SQLite with its tables."""
    if template_url.startswith("sqlite"):
        with copied(template_url, disk.folder) as url:
            yield url
        return
    place = owned_folder(disk, "rows")
    # On a server of its own: what finds no room makes its checkpoints fail, and a database is made or dropped with one.
    with running_postgres() as server, psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
        connection.execute("CREATE DATABASE small TABLESPACE small")
        yield urlsplit(server)._replace(path="/small").geturl()
