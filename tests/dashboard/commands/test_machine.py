"""What is known of this machine's histories outlives the name of its host."""

import shutil
import socket
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from audit.actors import SYSTEM
from audit.models import Entry
from dashboard import serving
from dashboard.lib.clock import now_ms
from sessions_app.importers.pipeline import Importer
from sessions_app.importers.watching import Watcher
from sessions_app.models import AgentSession, Source, Status, Terminal, TerminalState
from tests.dashboard.commands.calling import Caller
from tests.factories import make_terminal
from tests.samples import sample
from tests.sessions_app.importers.importing import CLAUDE, CODEX, contents, run_import

pytestmark = pytest.mark.django_db
CAST = '{"version": 2, "width": 80, "height": 24}\n[0.5, "o", "hello"]\nno event\n'


@pytest.fixture
def home(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory that no program has used yet, on a host called workshop."""
    settings.HOME = tmp_path / "home"
    call_the_host("workshop", monkeypatch)
    return tmp_path / "home"


def call_the_host(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)


def histories(tmp_path: Path) -> Path:
    folder = tmp_path / "histories"
    folder.mkdir()
    shutil.copy(sample(CLAUDE), folder)
    (folder / "demo.cast").write_text(CAST)
    return folder


def test_under_another_name_of_the_host_nothing_is_imported_again(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = histories(tmp_path)
    run_import(folder)
    before, sources = contents(), set(Source.objects.values_list("pk", "host", "read_offset"))
    assert {host for _, host, _ in sources} == {"workshop"}

    call_the_host("5f1c0b9d2a77", monkeypatch)
    report = run_import(folder)

    assert (report.unchanged, report.counts.sources) == (2, 0)
    assert set(Source.objects.values_list("pk", "host", "read_offset")) == sources
    assert (contents(), Terminal.objects.count()) == (before, 1)


def test_what_a_database_has_from_before_the_name_was_kept_is_known(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = histories(tmp_path)
    run_import(folder)
    (home / "machine.name").unlink()

    assert run_import(folder).unchanged == 2

    # The one that it was imported under, where the host has another by now.
    call_the_host("5f1c0b9d2a77", monkeypatch)
    (home / "machine.name").write_text("workshop\n")
    assert run_import(folder).unchanged == 2
    assert Source.objects.count() == 2


def test_what_a_killed_watch_left_running_is_settled_under_another_name(
    home: Path, call: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = tmp_path / Path(CODEX).name
    lines = sample(CODEX).read_bytes().splitlines(keepends=True)
    watch = Importer(SYSTEM, following=True)
    history.write_bytes(b"".join(lines[:40]))
    watch.import_paths([str(history)])
    assert AgentSession.objects.get().status == Status.RUNNING
    del watch

    call_the_host("5f1c0b9d2a77", monkeypatch)
    assert call("import", shutil.copy(sample(CLAUDE), tmp_path)).status == 0

    assert AgentSession.objects.get(agent="codex").status == Status.UNFINISHED
    (entry,) = Entry.objects.filter(action="source.unfollowed")
    assert entry.target_label == "workshop"


@pytest.mark.parametrize("arguments", [("import", "."), ("watch", "."), ("serve", "--port", "1")])
def test_a_name_that_is_none_is_refused_in_one_line(
    home: Path, call: Caller, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "refuse_taken_port", lambda *_: None)
    for place, name in ((serving, "migrate_if_needed"), (Watcher, "run"), (Importer, "import_paths")):
        monkeypatch.setattr(place, name, lambda *_: pytest.fail("it goes on"))
    home.mkdir()
    (home / "machine.name").write_text("")

    done = call(*arguments)

    assert (done.status, done.raw) == (2, b"")
    assert done.errors == (
        f"scrollback: {home}/machine.name, which names this machine, is empty. Write into it the name that its "
        'histories are known by, or delete it: then it is made again with the name of the host, "workshop".\n'
    )
    assert not Source.objects.exists()


def test_recorders_of_before_the_boot_are_lost_by_either_name(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorder of another data directory tells the host's name."""
    old = now_ms() - 1_000 * 365 * 86_400_000
    by_host = {
        host: make_terminal(host=host, updated_ms=old, state=TerminalState.LIVE)
        for host in ("workshop", "5f1c0b9d2a77", "elsewhere")
    }
    call_the_host("5f1c0b9d2a77", monkeypatch)

    serving.lose_recorders_before_boot("workshop")

    for host, terminal in by_host.items():
        terminal.refresh_from_db()
        assert terminal.state == (TerminalState.LIVE if host == "elsewhere" else TerminalState.LOST), host
