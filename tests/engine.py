"""pytest plugin: chooses the database engine before Django's settings are read.

Loaded by `addopts` in pyproject.toml, as a conftest.py would come too late: pytest-django has read the
settings by then. `python -m tests.engine ENGINE COMMAND…` gives any other program the same
surroundings.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.postgres import running_postgres

ENGINES = ("sqlite", "postgres")


@contextlib.contextmanager
def chosen(engine: str) -> Iterator[None]:
    """Point SCROLLBACK_HOME at a fresh folder and SCROLLBACK_DATABASE_URL at an empty database."""
    for name in list(os.environ):
        # What the operator has set for their own console must not reach a test.
        if name.startswith("SCROLLBACK_") and not name.startswith("SCROLLBACK_TEST_"):
            del os.environ[name]
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="scrollback-tests-"))
        os.environ["SCROLLBACK_HOME"] = home
        if engine == "postgres":
            os.environ["SCROLLBACK_DATABASE_URL"] = stack.enter_context(running_postgres())
        else:
            os.environ["SCROLLBACK_DATABASE_URL"] = f"sqlite:///{home}/scrollback.sqlite3"
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", choices=ENGINES, default="sqlite", help="database engine (default: sqlite)")


def heed_the_keyboard_again() -> None:
    """A shell starts its background jobs deaf to the keyboard's signals, and so would be every program of a test."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGQUIT) == signal.SIG_IGN:
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    heed_the_keyboard_again()
    # A worker of pytest-xdist inherits the surroundings of the process that started it.
    if "PYTEST_XDIST_WORKER" not in os.environ:
        signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", returncode=128 + signal.SIGTERM))
        stack = contextlib.ExitStack()
        early_config.add_cleanup(stack.close)
        stack.enter_context(chosen(early_config.known_args_namespace.engine))
    return (yield)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run what is marked `once` with the first engine alone."""
    if config.getoption("--engine") == ENGINES[0]:
        return
    once = [item for item in items if item.get_closest_marker("once")]
    if once:
        config.hook.pytest_deselected(items=once)
        items[:] = [item for item in items if item not in once]


def pytest_report_header(config: pytest.Config) -> str:
    return f"engine: {config.getoption('--engine')}, SQLite {sqlite3.sqlite_version}"


@pytest.fixture
def empty_database_url(tmp_path: Path) -> Iterator[str]:
    """URL of a database of the chosen engine, not migrated, for a program that a test starts."""
    server = os.environ["SCROLLBACK_DATABASE_URL"]
    if server.startswith("sqlite"):
        yield f"sqlite:///{tmp_path}/empty.sqlite3"
        return
    name = f"empty_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield urlsplit(server)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def main(arguments: Sequence[str]) -> int:
    engine, *command = arguments
    with chosen(engine):
        return subprocess.run(command).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
