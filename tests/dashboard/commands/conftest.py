from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboard.commands.calling import Caller
from tests.dashboard.commands.shell import Shell
from tests.databases import copied


@pytest.fixture
def shell(tmp_path: Path, migrated_database: str) -> Iterator[Shell]:
    """Commands on a database of the chosen engine that has its tables and nothing in them."""
    with copied(migrated_database, tmp_path) as url:
        yield Shell(_made_home(tmp_path), url)


@pytest.fixture
def first_shell(tmp_path: Path, empty_database_url: str) -> Shell:
    """Commands on an empty database of the chosen engine: the first one makes the tables."""
    return Shell(_made_home(tmp_path), empty_database_url)


def _made_home(folder: Path) -> Path:
    home = folder / "home"
    home.mkdir(mode=0o700)
    return home


@pytest.fixture
def call(capsysbinary: pytest.CaptureFixture[bytes]) -> Caller:
    """Commands on the test's own database."""
    return Caller(capsysbinary)
