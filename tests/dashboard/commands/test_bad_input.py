"""What goes wrong outside the program: one clear line, exit status 2, and nothing lost."""

import ctypes
import json
import os
import resource
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.browser.running import free_port
from tests.dashboard.commands.shell import Shell, only_line
from tests.samples import sample

HISTORY = "claude-code/projects/sample-project/1af7fc5e-8455-4414-9ccd-011d40f70b2a.jsonl"
LARGE_HISTORY = "claude-code/projects/sample-project/fe5e1c67-53e7-4862-81ae-d0e013e3270b.jsonl"
_PR_CAPBSET_DROP = 24
# The server, one that writes, one that reads: the others share their base.
DATABASE_COMMANDS = (["serve"], ["import", "/etc/hostname"], ["list"])
names = [command[0] for command in DATABASE_COMMANDS]


def execute(shell: Shell, sql: str) -> None:
    """Run one statement on the shell's database, as somebody else would."""
    url = shell.environment["SCROLLBACK_DATABASE_URL"]
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            connection.execute(sql)
        connection.close()
        return
    with psycopg.connect(url) as postgres:
        postgres.execute(sql.encode())


@pytest.fixture
def filled(shell: Shell) -> Shell:
    """With one history in the database."""
    assert shell.run("import", sample(HISTORY)).returncode == 0
    return shell


@pytest.mark.parametrize("command", DATABASE_COMMANDS, ids=names)
def test_a_database_newer_than_the_program_is_left_alone(filled: Shell, command: list[str]) -> None:
    execute(
        filled,
        "INSERT INTO django_migrations (app, name, applied) "
        "VALUES ('sessions_app', '9999_from_the_future', CURRENT_TIMESTAMP)",
    )

    ended = filled.run(*command, *(["--port", str(free_port())] if command == ["serve"] else []))

    assert ended.returncode == 2
    line = only_line(ended.stderr)
    assert "newer Scrollback (it has sessions_app.9999_from_the_future)" in line
    assert "nothing was changed" in line


@pytest.mark.parametrize("command", DATABASE_COMMANDS, ids=names)
@pytest.mark.once
def test_a_postgres_out_of_reach_is_named(tmp_path: Path, command: list[str]) -> None:
    shell = Shell(tmp_path, f"postgres://somebody:hunter2@127.0.0.1:{free_port()}/scrollback")

    ended = shell.run(*command, *(["--port", str(free_port())] if command == ["serve"] else []))

    assert ended.returncode == 2
    line = only_line(ended.stderr)
    assert "Postgres cannot be reached at the address in SCROLLBACK_DATABASE_URL" in line
    assert "hunter2" not in line


def test_an_older_database_is_brought_up_to_date_by_serve_alone(filled: Shell) -> None:
    newest = "(SELECT MAX(id) FROM django_migrations WHERE app = 'sessions_app')"
    execute(filled, f"DELETE FROM django_migrations WHERE id = {newest}")  # noqa: S608

    ended = filled.run("list")

    assert ended.returncode == 2
    assert "(pending migrations: 1). Start `scrollback serve` once" in only_line(ended.stderr)


def test_a_taken_port_is_refused_before_anything_is_made(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = shell.run("serve", "--port", str(port))

    assert ended.returncode == 2
    assert only_line(ended.stderr) == (
        f"scrollback: Port {port} is taken, by a Scrollback that runs already or by another program. "
        f"Stop that one, or choose another: --port {port + 1}."
    )


def test_a_path_that_is_not_there_is_refused(shell: Shell) -> None:
    ended = shell.run("import", "/nowhere/at/all")

    assert ended.returncode == 2
    assert only_line(ended.stderr).startswith("scrollback: /nowhere/at/all: ")


def test_a_folder_without_histories_is_refused_with_what_is_known(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "letter.txt").write_text("Dear Ada,\n")

    ended = shell.run("import", folder)

    assert ended.returncode == 2
    line = only_line(ended.stderr)
    assert f"no history of an agent was found below {folder}" in line
    assert "claude-code" in line


def _without_root_rights() -> None:
    """Drop what lets root read every file (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH); others have neither."""
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


@pytest.mark.once
def test_a_file_without_rights_is_named_and_the_others_are_imported(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "histories"
    folder.mkdir()
    shutil.copy(sample(HISTORY), folder / "good.jsonl")
    shutil.copy(sample(LARGE_HISTORY), folder / "secret.jsonl")
    (folder / "secret.jsonl").chmod(0)

    ended = shell.run("import", folder, preexec_fn=_without_root_rights)

    assert ended.returncode == 1
    assert ended.stdout.startswith(b"1 session, 1 run, 9 messages")
    assert ended.stderr.decode().lower() == f"{folder}/secret.jsonl: permission denied\n"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SCROLLBACK_PORT", "eighty", "serve.port must be a number from 1 to 65535, not 'eighty'."),
        ("SCROLLBACK_DATABASE_URL", "mysql://x/y", "SCROLLBACK_DATABASE_URL must begin with sqlite:///"),
        (
            "SCROLLBACK_CONFIG",
            "/nowhere.toml",
            "SCROLLBACK_CONFIG names /nowhere.toml, which does not exist.",
        ),
        ("SCROLLBACK_HOME", "/proc/nowhere", "The data directory /proc/nowhere cannot be written"),
    ],
)
@pytest.mark.once
def test_a_setting_that_cannot_be_is_refused(tmp_path: Path, name: str, value: str, said: str) -> None:
    ended = Shell(tmp_path).run("list", environment={name: value})

    assert ended.returncode == 2
    assert said in only_line(ended.stderr)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite://x.db", "needs three slashes and a file: sqlite:///path"),
        ("postgres://u@127.0.0.1", "names no database"),
        ("postgres://u:hunter2@[::1/x", "cannot be read"),
    ],
)
@pytest.mark.once
def test_an_address_that_names_no_database_is_refused_and_doctor_works(
    tmp_path: Path, url: str, said: str
) -> None:
    shell = Shell(tmp_path, url)

    ended = shell.run("import", sample(HISTORY))

    assert (ended.returncode, ended.stdout) == (2, b"")
    assert f"scrollback: SCROLLBACK_DATABASE_URL {said}" in only_line(ended.stderr)
    seen = shell.run("doctor", "--json")
    assert (seen.returncode, seen.stderr) == (1, b"")
    assert b"hunter2" not in seen.stdout
    checks = {check["name"]: check for check in json.loads(seen.stdout)["checks"]}
    assert said in checks["database"]["text"]
    assert "schema" not in checks


@pytest.mark.once
def test_a_data_directory_that_cannot_be_entered_is_said_to_be_once(tmp_path: Path) -> None:
    home = tmp_path / "closed"
    home.mkdir(mode=0)

    ended = Shell(home).run("list", preexec_fn=_without_root_rights)

    assert ended.returncode == 2
    line = only_line(ended.stderr)
    assert line.startswith(f"scrollback: The data directory {home} cannot be entered: Permission denied.")
    assert line.count(str(home)) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x00\xff\x00\xff" * 4096, "is not an SQLite database"),
        (b"SQLite format 3\x00" + b"\xff" * 8192, "scrollback: "),
    ],
    ids=["garbage", "a damaged header"],
)
@pytest.mark.once
def test_a_database_file_that_is_none_is_left_as_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    shell = Shell(tmp_path)
    database = tmp_path / "scrollback.sqlite3"
    database.write_bytes(content)

    ended = shell.run("list")

    assert ended.returncode == 2
    assert said in only_line(ended.stderr)
    assert database.read_bytes() == content


def _no_file_beyond(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.once
def test_a_full_disk_stops_an_import_that_goes_on_when_there_is_room(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    assert shell.run("import", sample(HISTORY)).returncode == 0
    room = (tmp_path / "scrollback.sqlite3").stat().st_size + 200_000

    full = shell.run("import", sample(LARGE_HISTORY), preexec_fn=_no_file_beyond(room))

    assert full.returncode == 2
    assert "Traceback" not in full.stderr.decode()
    assert len(full.stderr.splitlines()) == 1
    # What was there still is, and the import goes on where it was cut off.
    assert len(shell.json("list")["sessions"]) >= 1
    assert shell.run("import", sample(LARGE_HISTORY)).returncode in {0, 1}
    sessions = shell.json("list")["sessions"]
    assert sorted(session["message_count"] for session in sessions)[-1] == 178


@pytest.mark.once
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_disk_that_is_really_full_is_said_to_be(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        shell = Shell(disk)
        assert shell.run("import", sample(HISTORY)).returncode == 0
        (disk / "ballast").write_bytes(b"x" * (shutil.disk_usage(disk).free - 64 * 1024))

        full = shell.run("import", sample(LARGE_HISTORY))

        assert full.returncode == 2
        assert only_line(full.stderr) == (
            "scrollback: The disk that holds the database is full. Free some space; nothing was lost."
        )
        # To the last byte, before a server can write its own token.
        (disk / "more").write_bytes(b"x" * shutil.disk_usage(disk).free)
        served = shell.run("serve", "--port", str(free_port()))
        assert (served.returncode, served.stderr.count(b"\n")) == (2, 1)
        assert served.stderr.startswith(b"scrollback: The disk ")
        for ballast in ("ballast", "more"):
            (disk / ballast).unlink()
        assert [session["message_count"] for session in shell.json("list")["sessions"]] == [9]
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
