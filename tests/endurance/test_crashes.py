"""Kills and full disks in the middle of a recording: what was acknowledged is there, and the program never noticed."""

import json
import signal
import tempfile
import time
from pathlib import Path

import pytest
from django.conf import settings
from pytest_django import DjangoDbBlocker

from sessions_app.client.keeper import KILLED_LABEL
from sessions_app.client.relay import BLOCK_BYTES
from sessions_app.models import TerminalEvent
from tests.browser.conftest import connected_to
from tests.browser.running import Server, temporary_home
from tests.endurance.clusters import cluster_on
from tests.endurance.disks import database_on, small_disk
from tests.endurance.recording import (
    DEADLINE_S,
    SIZE,
    STATUS,
    Noticed,
    Recording,
    output,
    recording,
    wait_until,
)
from tests.endurance.sizes import full_or
from tests.endurance.visitor import Visitor

EXPECTED = output()
KILLS = full_or(5, 1)
MB = 1_000_000


def check_program(running: Recording) -> Noticed:
    """It ended as it would have without a recorder, in its own time."""
    assert running.process.wait(DEADLINE_S) == STATUS
    assert running.screen.read_bytes() == EXPECTED
    noticed = running.noticed()
    noticed.check()
    return noticed


def wait_for_output(running: Recording, due: int) -> None:
    """Until so many bytes are stored, and the recorder has been told so of some."""
    wait_until(lambda: running.stored >= due, "the output did not arrive")
    wait_until(lambda: running.proxy.acknowledged > 0, "nothing was acknowledged")


def tell(capsys: pytest.CaptureFixture[str], server: Server, name: str, **figures: object) -> None:
    """The figures, one line of JSON."""
    engine = "sqlite" if "sqlite" in server.environment["SCROLLBACK_DATABASE_URL"] else "postgres"
    with capsys.disabled():
        print(json.dumps({"name": name, "engine": engine, "mb": round(len(EXPECTED) / MB, 1), **figures}))


def test_a_killed_server_loses_nothing(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = []
    with recording(server, tmp_path, "killed-server") as running:
        for number in range(1, KILLS + 1):
            due = len(EXPECTED) * number // (KILLS + 1)
            wait_for_output(running, due)
            server.stop(signal.SIGKILL)
            acknowledged, stored = running.proxy.acknowledged, running.stored
            assert 0 < acknowledged <= stored, "bytes that were acknowledged are gone"
            assert running.output_stored() == EXPECTED[:stored]
            kept.append((acknowledged, stored))
            server.start()
        noticed = check_program(running)
        said = "" if running.has_ended() else running.send_rest()
        wait_until(running.has_ended, f"the rest did not arrive: {said}")
        assert running.output_stored() == EXPECTED
        terminal = running.terminal
        assert terminal is not None
        assert terminal.exit_status == STATUS
    tell(capsys, server, "killed server", acknowledged_and_stored=kept, program=noticed._asdict())


def test_a_killed_recorder_loses_nothing_that_was_seen_and_the_program_runs_on(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with recording(server, tmp_path, "killed-recorder") as running:
        wait_for_output(running, len(EXPECTED) // 2)
        running.process.kill()
        running.process.wait()
        seen = running.screen.read_bytes()
        wait_until(running.has_ended, "the rest did not arrive")
        stored = running.output_stored()
        assert stored.startswith(seen), "what was on the screen is gone"
        assert 0 < running.proxy.acknowledged <= len(stored)
        # What the recorder had read and not yet handed over went with it, a block at most; all else is there.
        missing = len(EXPECTED) - len(stored)
        assert 0 <= missing <= BLOCK_BYTES
        same = next(
            (at for at, pair in enumerate(zip(stored, EXPECTED, strict=False)) if len({*pair}) > 1),
            len(stored),
        )
        assert EXPECTED.endswith(stored[same:])
        terminal = running.terminal
        assert terminal is not None
        assert terminal.exit_status is None
        assert TerminalEvent.objects.filter(terminal=terminal, kind="marker", text=KILLED_LABEL).count() == 1
        noticed = running.noticed()
        noticed.check()
    tell(
        capsys,
        server,
        "killed recorder",
        seen=len(seen),
        stored=len(stored),
        missing=missing,
        program=noticed._asdict(),
    )


def test_a_full_disk_under_the_spool_is_not_noticed_by_the_program(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_disk(max(1, SIZE // MB // 2)) as disk, tempfile.TemporaryFile() as stderr:
        home = disk.folder / "home"
        home.mkdir(mode=0o700)
        with recording(server, tmp_path, "full-spool", home=home, stderr=stderr) as running:
            noticed = check_program(running)
            # On a busy machine the server may not answer in the two seconds that a recorder waits for it in the end.
            said_later = running.send_rest()
            wait_until(running.has_ended, f"the recording was not ended: {said_later}")
            stored = running.output_stored()
        stderr.seek(0)
        said = stderr.read().decode()
    assert "recording stopped, the program runs on: No space left on device" in said
    assert len(stored) >= running.proxy.acknowledged > 0
    # In the spool an event has its time with it.
    assert len(stored) > SIZE // 4
    assert EXPECTED.startswith(stored)
    tell(capsys, server, "full disk under the spool", stored=len(stored), program=noticed._asdict())


def test_a_full_disk_under_the_database_is_waited_out(
    migrated_database: str,
    tmp_path: Path,
    django_db_blocker: DjangoDbBlocker,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with (
        small_disk(64 + SIZE // MB) as disk,
        database_on(disk, migrated_database) as url,
        temporary_home() as home,
        Server(Path(home), url, secret_key=settings.SECRET_KEY) as server,
        django_db_blocker.unblock(),
        connected_to(url),
        recording(server, tmp_path, "full-database") as running,
    ):
        wait_for_output(running, len(EXPECTED) // 4)
        disk.fill()
        started = time.monotonic()
        wait_until(lambda: bool(running.proxy.statuses & {500, 503, 507}), "the disk was never full")
        full_s = time.monotonic() - started
        noticed = check_program(running)
        acknowledged, stored = running.proxy.acknowledged, running.stored
        assert 0 < acknowledged <= stored < len(EXPECTED)
        disk.free()
        said = running.send_rest()
        wait_until(running.has_ended, f"the rest did not arrive: {said}")
        assert running.output_stored() == EXPECTED
        tell(
            capsys, server, "full disk under the database",
            stored_when_full=stored, full_after_s=round(full_s, 1), program=noticed._asdict(),
        )  # fmt: skip


def test_a_postgres_without_room_for_its_log_is_waited_for(
    migrated_database: str,
    tmp_path: Path,
    django_db_blocker: DjangoDbBlocker,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if migrated_database.startswith("sqlite"):
        pytest.skip("SQLite has no server that could go down")
    with (
        small_disk(160 + 4 * SIZE // MB) as disk,
        cluster_on(disk) as cluster,
        temporary_home() as home,
        Server(Path(home), cluster.url, secret_key=settings.SECRET_KEY) as server,
        django_db_blocker.unblock(),
        recording(server, tmp_path, "postgres-down") as running,
    ):
        with connected_to(cluster.url):
            wait_for_output(running, len(EXPECTED) // 4)
        disk.fill()
        said = cluster.go_down()
        assert "PANIC" in said
        assert "No space left on device" in said
        wait_until(lambda: running.proxy.statuses >= {503}, "the recorder is not told")
        visitor = Visitor(server.url)
        assert "Postgres cannot be reached" in json.loads(visitor.get("/healthz").text)["reason"]
        noticed = check_program(running)
        acknowledged = running.proxy.acknowledged
        disk.free()
        cluster.start()
        wait_until(lambda: visitor.get("/healthz").status == 200, "it is not well again")
        with connected_to(cluster.url):
            stored = running.stored
            assert 0 < acknowledged <= stored < len(EXPECTED)
            assert running.output_stored() == EXPECTED[:stored]
            said = running.send_rest()
            wait_until(running.has_ended, f"the rest did not arrive: {said}")
            assert running.output_stored() == EXPECTED
        assert running.proxy.statuses <= {200, 201, 503}
        verified = server.run("audit", "verify", "--json")
        assert verified.returncode == 0, verified.stdout
        tell(capsys, server, "postgres without room", stored_when_full=stored, program=noticed._asdict())
