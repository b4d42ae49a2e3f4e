import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from tests.dashboard.backup.consoles import Console, furnished
from tests.dashboard.commands.calling import Caller
from tests.dashboard.commands.shell import Shell
from tests.databases import copied


@pytest.fixture
def call(capsysbinary: pytest.CaptureFixture[bytes]) -> Caller:
    """Commands on the test's own database."""
    return Caller(capsysbinary)


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory, migrated_database: str) -> Iterator[Console]:
    """A console of the chosen engine with histories, terminals, people and a log, and a backup of it. To be read."""
    folder = tmp_path_factory.mktemp("original")
    with copied(migrated_database, folder) as url:
        yield furnished(Shell(_home(folder), url), folder / "console.backup")


@pytest.fixture
def target(tmp_path: Path, empty_database_url: str, original: Console) -> Shell:
    """An empty database of the chosen engine, with the key of the log that the backup holds."""
    shell = Shell(_home(tmp_path), empty_database_url)
    _copy_key(original, shell.home)
    return shell


@pytest.fixture
def own_home(tmp_path: Path, settings: Settings) -> Path:
    """The data directory of this test's own process: it has no key yet."""
    home = _home(tmp_path)
    settings.HOME = home
    return home


@pytest.fixture
def key_at_hand(own_home: Path, original: Console) -> None:
    _copy_key(original, own_home)


def _home(folder: Path) -> Path:
    home = folder / "home"
    home.mkdir(mode=0o700, exist_ok=True)
    return home


def _copy_key(original: Console, home: Path) -> None:
    for key in original.shell.home.glob("audit-*.key"):
        shutil.copy2(key, home)


@pytest.fixture
def copy(original: Console, tmp_path: Path) -> Path:
    """The backup, to be damaged."""
    path = tmp_path / "copy.backup"
    shutil.copy2(original.backup, path)
    return path
