"""Databases of the chosen engine with the tables of the console, for programs that a test starts.

Making the tables takes seconds; so it is done once, and copied for each test.
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


def migrated(folder: Path) -> str:
    """URL of a database that is there to be copied. `folder` is for its file, and a data directory."""
    server = os.environ["SCROLLBACK_DATABASE_URL"]
    if server.startswith("sqlite"):
        url = f"sqlite:///{folder}/template.sqlite3"
    else:
        url = _new_postgres_database(server, template="")
    _make_tables(url, folder)
    return url


def _make_tables(url: str, folder: Path) -> None:
    """As the first command on an empty database does it. Forked it takes half as long as `manage.py migrate`."""
    environment = os.environ | {"SCROLLBACK_DATABASE_URL": url, "SCROLLBACK_HOME": str(folder)}
    done = run_program("list", env=environment, timeout=_DEADLINE_S)
    if done.returncode:
        raise RuntimeError(f"the tables could not be made: {done.stderr.decode(errors='replace')}")


def copy_of(template_url: str, folder: Path) -> str:
    """URL of a copy that lasts. On SQLite it lies in `folder`."""
    if template_url.startswith("sqlite"):
        copy = folder / "console.sqlite3"
        # Not the bytes of the file: the last of what was written may lie in the one beside it.
        with (
            closing(sqlite3.connect(template_url.removeprefix("sqlite:///"))) as template_file,
            closing(sqlite3.connect(copy)) as copied_file,
        ):
            template_file.backup(copied_file)
        return f"sqlite:///{copy}"
    template = urlsplit(template_url).path.lstrip("/")
    return _new_postgres_database(os.environ["SCROLLBACK_DATABASE_URL"], template=template)


@contextmanager
def copied(template_url: str, folder: Path) -> Iterator[str]:
    """URL of a copy that is there meanwhile."""
    url = copy_of(template_url, folder)
    try:
        yield url
    finally:
        if not url.startswith("sqlite"):
            name = urlsplit(url).path.lstrip("/")
            with psycopg.connect(os.environ["SCROLLBACK_DATABASE_URL"], autocommit=True) as administration:
                administration.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _new_postgres_database(server_url: str, *, template: str) -> str:
    name = f"console_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as administration:
        administration.execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
    return urlsplit(server_url)._replace(path=f"/{name}").geturl()
