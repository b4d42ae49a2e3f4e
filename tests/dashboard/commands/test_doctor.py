import dataclasses
import json
import os
import shutil
import socket
import sqlite3
import stat
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from pytest_django.fixtures import Settings

from dashboard.announcing import announced
from dashboard.doctor import Doctor, Finding
from tests.browser.running import free_port
from tests.dashboard.commands.calling import Caller
from tests.dashboard.commands.shell import Shell, only_line
from tests.sessions_app.client.fake_server import running_fake_server

pytestmark = pytest.mark.django_db


@pytest.fixture
def home(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


def look(home: Path, **changes: Any) -> dict[str, Finding]:
    config = dataclasses.replace(settings.CONFIG, home=home, **changes)
    return {finding.name: finding for finding in Doctor(config).findings()}


def test_a_sound_installation_has_nothing_that_fails(home: Path) -> None:
    found = look(home)

    assert [finding for finding in found.values() if finding.verdict == "fail"] == []
    assert found["data directory"].text == f"{home} (0700)"
    assert found["schema"].text.startswith("up to date")
    assert found["address"].text.endswith("browsers on this machine only")
    assert all(finding.remedy for finding in found.values() if finding.verdict != "ok")


def test_a_data_directory_that_others_may_read_is_a_warning(home: Path) -> None:
    home.chmod(0o755)

    finding = look(home)["data directory"]

    assert (finding.verdict, finding.remedy) == ("warn", f"chmod 700 {home}")


def test_a_data_directory_that_is_not_there_fails(home: Path) -> None:
    assert look(home / "nowhere")["data directory"].verdict == "fail"


def test_the_name_of_the_machine_is_told_and_not_made(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "workshop")
    told = look(home)["machine"].text
    assert (told, list(home.iterdir())) == ("workshop, as the host is called; the first import keeps it", [])

    file = home / "machine.name"
    file.write_text("workshop\n")
    assert look(home)["machine"] == Finding("machine", "ok", f"workshop, kept in {file}")
    file.write_text("attic\n")
    told = look(home)["machine"].text
    assert told == f"attic, kept in {file}; the host is called workshop now"

    file.write_text("")
    finding = look(home)["machine"]
    assert (finding.verdict, finding.text) == ("fail", f"{file}, which names this machine, is empty.")
    assert finding.remedy.startswith("Write into it the name that its histories are known by, or delete it")


@pytest.mark.parametrize("name", ["secret.key"])
def test_a_key_that_others_may_read_fails(home: Path, name: str) -> None:
    (home / name).write_text("x" * 50)
    (home / name).chmod(0o644)

    finding = look(home)["secret key"]

    assert (finding.verdict, finding.remedy) == ("fail", f"chmod 600 {home / name}")


@pytest.mark.parametrize(
    ("free", "verdict"), [(50_000_000_000, "ok"), (1_000_000_000, "warn"), (1_000_000, "fail")]
)
def test_a_disk_that_fills_up_is_told_in_time(
    home: Path, monkeypatch: pytest.MonkeyPatch, free: int, verdict: str
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(free * 2, free, free))

    assert look(home)["disk"].verdict == verdict


def test_what_keeps_a_server_from_starting_fails(home: Path) -> None:
    assert look(home)["audit log"].verdict == "ok"
    on_table = "" if connection.vendor == "sqlite" else " ON audit_entry"
    connection.cursor().execute(f"DROP TRIGGER audit_entry_no_update{on_table}")

    finding = look(home)["audit log"]

    assert (finding.verdict, "audit_entry_no_update" in finding.text) == ("fail", True)


def test_a_server_that_does_not_answer_fails(home: Path) -> None:
    with announced(home, f"http://127.0.0.1:{free_port()}/", []):
        finding = look(home)["server"]

    assert (finding.verdict, "Connection refused" in finding.text) == ("fail", True)
    assert str(os.getpid()) in finding.remedy
    assert look(home)["server"].verdict == "warn"


def test_a_server_that_ended_without_a_word_fails_whoever_has_its_port_now(home: Path) -> None:
    with running_fake_server() as another:
        told = {"url": f"{another.url}/", "origins": [], "pid": os.getpid()}
        (home / "server.json").write_text(json.dumps(told))
        finding = look(home)["server"]

        assert (finding.verdict, "ended without a word" in finding.text) == ("fail", True)
        assert another.requests == []


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"host": "127.0.0.1"}, "ok"),
        ({"host": "192.0.2.7"}, "warn"),
        ({"host": "192.0.2.7", "https_only": True}, "ok"),
    ],
)
def test_an_open_address_without_tls_is_a_warning(home: Path, changes: dict[str, Any], verdict: str) -> None:
    assert look(home, **changes)["address"].verdict == verdict


@pytest.mark.parametrize(
    ("version", "verdict"),
    [((3, 40, 1), "warn"), ((3, 50, 7), "ok"), ((3, 51, 2), "warn"), ((3, 51, 3), "ok"), ((3, 53, 0), "ok")],
)
def test_an_sqlite_with_the_fault_is_a_warning(
    home: Path, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], verdict: str
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)

    finding = look(home).get("SQLite")

    assert (finding.verdict if finding else None) == (verdict if connection.vendor == "sqlite" else None)


def test_a_pending_migration_fails(home: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT MAX(id) FROM django_migrations WHERE app = 'sessions_app'")
        cursor.execute("DELETE FROM django_migrations WHERE id = %s", cursor.fetchone())

    assert look(home)["schema"].verdict == "fail"


def test_folders_of_agents_are_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    assert look(home)["agents"].verdict == "warn"
    (home / ".claude" / "projects").mkdir(parents=True)

    assert look(home)["agents"].text == f"claude-code in {home}/.claude/projects"


def test_settings_are_told_with_where_they_come_from(call: Caller) -> None:
    document = call("doctor", "--json").document

    home = next(setting for setting in document["settings"] if setting["name"] == "home")
    assert home == {"name": "home", "value": str(settings.HOME), "origin": "environment (SCROLLBACK_HOME)"}
    assert {check["verdict"] for check in document["checks"]} <= {"ok", "warn", "fail"}


def test_the_operators_prices_are_told_beside_the_list(shell: Shell) -> None:
    (shell.home / "config.toml").write_text('[prices."gpt-9"]\ninput = 1.5\noutput = 9\n')

    found = [
        setting
        for setting in shell.json("doctor", exit_status=0)["settings"]
        if setting["name"].startswith("prices")
    ]

    assert [setting["origin"] for setting in found] == ["default", str(shell.home / "config.toml")]
    assert found[0]["value"].startswith("list of 20")
    assert (found[1]["name"], found[1]["value"]) == ('prices."gpt-9"', "input 1.5, output 9")


def test_a_price_that_is_none_is_one_clear_line(shell: Shell) -> None:
    (shell.home / "config.toml").write_text("[prices.gpt-9]\ninput = -3\noutput = 9\n")

    ended = shell.run("list")

    assert ended.returncode == 2
    assert 'prices."gpt-9".input must be dollars for a million tokens' in only_line(ended.stderr)


def test_each_check_has_a_glyph_and_a_word(call: Caller, settings: Settings, home: Path) -> None:
    settings.CONFIG = dataclasses.replace(settings.CONFIG, home=home / "nowhere")

    ended = call("doctor")

    assert ended.status == 1
    assert "  ✗ fail  data directory" in ended.text
    assert "  ✓ ok    database" in ended.text


@pytest.mark.once
def test_a_database_out_of_reach_is_a_finding_and_no_error(tmp_path: Path) -> None:
    shell = Shell(tmp_path, f"postgres://ada:hunter2@127.0.0.1:{free_port()}/scrollback")

    ended = shell.run("doctor", "--json")

    assert ended.returncode == 1
    assert ended.stderr == b""
    assert b"hunter2" not in ended.stdout
    checks = {check["name"]: check for check in json.loads(ended.stdout)["checks"]}
    assert checks["database"]["verdict"] == "fail"
    assert "schema" not in checks


def test_looking_changes_nothing(first_shell: Shell) -> None:
    ended = first_shell.run("doctor", "--json")

    checks = {check["name"]: check for check in json.loads(ended.stdout)["checks"]}
    assert checks["schema"]["text"] == "the database is empty"
    assert stat.S_IMODE(first_shell.home.stat().st_mode) == 0o700
