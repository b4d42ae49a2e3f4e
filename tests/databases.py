"""Databases of the chosen engine with the tables of the console, for programs that a test starts.

Making the tables takes seconds; so it is done once for each process of pytest, and copied for each test.
"""

import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg

from tests.launching import run_program

_DEADLINE_S: Final = 120


@contextmanager
def migrated(folder: Path) -> Iterator[str]:
    """URL of a database that is there to be copied. `folder` is for its file, and a data directory."""
    server = os.environ["SCROLLBACK_DATABASE_URL"]
    if server.startswith("sqlite"):
        url = f"sqlite:///{folder}/template.sqlite3"
        _make_tables(url, folder)
        yield url
        return
    with own_postgres_database(server, template="") as url:
        _make_tables(url, folder)
        yield url


def _make_tables(url: str, folder: Path) -> None:
    """As the first command on an empty database does it. Forked it takes half as long as `manage.py migrate`."""
    environment = os.environ | {"SCROLLBACK_DATABASE_URL": url, "SCROLLBACK_HOME": str(folder)}
    done = run_program("list", env=environment, timeout=_DEADLINE_S)
    if done.returncode:
        raise RuntimeError(f"the tables could not be made: {done.stderr.decode(errors='replace')}")


@contextmanager
def copied(template_url: str, folder: Path) -> Iterator[str]:
    if template_url.startswith("sqlite"):
        copy = folder / "console.sqlite3"
        # Not the bytes of the file: the last of what was written may lie in the one beside it.
        with (
            closing(sqlite3.connect(template_url.removeprefix("sqlite:///"))) as template_file,
            closing(sqlite3.connect(copy)) as copied_file,
        ):
            template_file.backup(copied_file)
        yield f"sqlite:///{copy}"
        return
    template = urlsplit(template_url).path.lstrip("/")
    with own_postgres_database(os.environ["SCROLLBACK_DATABASE_URL"], template=template) as url:
        yield url


@contextmanager
def own_postgres_database(server_url: str, *, template: str) -> Iterator[str]:
    name = f"console_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as administration:
        administration.execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
        try:
            yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
        finally:
            administration.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
