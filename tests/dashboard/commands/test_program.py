"""The program as a shell sees it: help, pipes, exit statuses."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import dev
from tests.dashboard.commands.shell import Shell, only_line
from tests.launching import SCROLLBACK
from tests.samples import sample

HISTORY = "claude-code/projects/sample-project/1af7fc5e-8455-4414-9ccd-011d40f70b2a.jsonl"
# How a byte that is no UTF-8 stands in an argument.
NO_UTF8 = "abc\udcff"
COMMANDS = (
    "serve", "import", "watch", "record", "upload", "list", "show", "export", "search", "doctor", "stats", "user",
    "token", "demo", "screen", "terminals", "mark", "audit",
    "backup", "restore",
)  # fmt: skip


@pytest.mark.once
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_an_example(tmp_path: Path, command: str) -> None:
    ended = Shell(tmp_path).run(command, "--help")

    assert ended.returncode == 0
    assert f"scrollback {command} " in ended.stdout.decode().lower().partition("example")[2]
    assert b"--pythonpath" not in ended.stdout


@pytest.mark.once
@pytest.mark.parametrize("arguments", [[], ["help"], ["--help"]])
def test_the_overview_names_each_command(tmp_path: Path, arguments: list[str]) -> None:
    ended = Shell(tmp_path).run(*arguments)

    named = [line.split()[0] for line in ended.stdout.decode().splitlines() if line.startswith("  ")]
    own = (dev.ROOT / "dashboard" / "management" / "commands").glob("[a-z]*.py")
    assert sorted(named) == sorted(COMMANDS)
    assert {path.stem for path in own} <= set(named)


def test_json_is_one_object_and_a_pipe_gets_no_progress_bar(shell: Shell) -> None:
    imported = shell.run("import", sample(HISTORY), "--json")

    assert imported.stderr == b""
    assert json.loads(imported.stdout)["sessions"] == 1
    assert imported.stdout.count(b"\n") == 1
    session = shell.json("list")["sessions"][0]
    assert shell.json("show", session["id"])["session"]["message_count"] == 9
    assert shell.json("search", "init")["is_partial"] is False
    assert shell.json("stats")["kinds"]["sessions"]["rows"] == 1
    exported = shell.json("export", session["id"], "--as", "jsonl", "-o", shell.home)
    assert exported["losses"] == []


@pytest.mark.parametrize(
    "command",
    [
        ["show", "ID"],
        ["screen", "ID"],
        ["export", "ID", "--as", "jsonl"],
        ["terminals", "rebuild", "ID"],
        ["token", "revoke", "ID"],
        ["token", "create", "name", "--owner", "ID", "--scope", "read"],
        ["user", "disable", "ID"],
    ],
)
def test_a_name_that_is_no_utf8_is_not_found(shell: Shell, command: list[str]) -> None:
    ended = shell.run(*(NO_UTF8 if word == "ID" else word for word in command))

    assert ended.returncode == 2
    assert "abc\N{REPLACEMENT CHARACTER}" in only_line(ended.stderr)


@pytest.mark.parametrize("option", ["--project", "--agent"])
def test_a_filter_that_is_no_utf8_finds_nothing(shell: Shell, option: str) -> None:
    assert shell.json("list", option, NO_UTF8) == {"sessions": [], "has_more": False}


def test_a_file_whose_name_is_no_utf8_is_imported(shell: Shell, tmp_path: Path) -> None:
    copy = tmp_path / f"{NO_UTF8}.jsonl"
    copy.write_bytes(sample(HISTORY).read_bytes())

    assert shell.json("import", copy)["sessions"] == 1


def test_the_first_command_on_an_empty_database_makes_its_tables(first_shell: Shell) -> None:
    assert first_shell.json("list") == {"sessions": [], "has_more": False}


def test_a_reader_who_leaves_early_is_no_error(shell: Shell) -> None:
    assert shell.run("import", sample("claude-code")).returncode == 0
    session = max(shell.json("list")["sessions"], key=lambda found: found["message_count"])
    read_end, write_end = os.pipe()
    with subprocess.Popen(
        [str(SCROLLBACK), "export", session["id"], "--as", "jsonl"],
        env=shell.environment, stdout=write_end, stderr=subprocess.PIPE,
    ) as program:  # fmt: skip
        os.close(write_end)
        assert os.read(read_end, 1) == b"{"
        os.close(read_end)
        assert program.stderr is not None
        errors = program.stderr.read()

    assert (program.returncode, errors) == (0, b"")


def test_a_reader_who_never_came_is_no_error(shell: Shell) -> None:
    assert shell.run("import", sample(HISTORY)).returncode == 0
    read_end, write_end = os.pipe()
    os.close(read_end)

    ended = subprocess.run(
        [str(SCROLLBACK), "list"], env=shell.environment, stdout=write_end, stderr=subprocess.PIPE
    )

    os.close(write_end)
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.once
def test_recorder_and_upload_start_without_django(tmp_path: Path) -> None:
    script = (
        "import sys; sys.argv = ['scrollback', {command!r}, '--help']\n"
        "from dashboard.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "sys.exit('django' in sys.modules)"
    )
    for command in ("record", "upload"):
        environment = os.environ | {"SCROLLBACK_HOME": str(tmp_path)}
        program = [sys.executable, "-c", script.format(command=command)]
        assert subprocess.run(program, env=environment, stdout=subprocess.DEVNULL).returncode == 0, command


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("lits", "Did you mean list?"),
        ("migrate", "See: scrollback --help"),
        ("--jso", "See: scrollback --help"),
    ],
)
def test_an_unknown_command_is_refused_with_the_nearest_one(tmp_path: Path, name: str, advice: str) -> None:
    ended = Shell(tmp_path).run(name)

    assert ended.returncode == 2
    assert only_line(ended.stderr) == f"scrollback: there is no command {name!r}. {advice}"


@pytest.mark.once
@pytest.mark.parametrize(
    ("command", "option", "value", "wanted"),
    [
        ("list", "--limit", "0", "a number from 1 on"),
        ("list", "--limit", "many", "a number from 1 on"),
        ("search words", "--limit", "-1", "a number from 1 on"),
        ("search words", "--limit", "9" * 5_000, "a number from 1 on"),
        ("show id", "--rows", "-1", "a number from 0 on"),
        ("token create ci --owner ada --scope read", "--days", "0", "a number from 1 on"),
        ("stats", "--seconds", "-1", "a number of seconds"),
        ("stats", "--seconds", "nan", "a number of seconds"),
    ],
)
def test_a_number_that_cannot_be_meant_is_refused(
    tmp_path: Path, command: str, option: str, value: str, wanted: str
) -> None:
    ended = Shell(tmp_path).run(*command.split(), f"{option}={value}")

    assert ended.returncode == 2
    assert f"argument {option}: {wanted}, not '{value[:100]}" in only_line(ended.stderr)


@pytest.mark.once
@pytest.mark.parametrize("command", COMMANDS)
def test_an_option_that_no_command_has_is_refused_in_one_line(tmp_path: Path, command: str) -> None:
    ended = Shell(tmp_path).run(command, "--no-such-option", *(["--", "true"] if command == "record" else []))

    assert (ended.returncode, ended.stdout) == (2, b"")
    line = only_line(ended.stderr)
    assert line.startswith(f"scrollback {command}: ")
    assert line.endswith(f"; see scrollback {command} --help")
    assert not (tmp_path / "scrollback.sqlite3").exists()


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["import", ".", "--foo"],
            "scrollback import: unrecognized arguments: --foo; see scrollback import --help",
        ),
        (
            ["list", "--limit=1", "a\nb\x1b[2J"],
            "scrollback list: unrecognized arguments: a b [2J; see scrollback list --help",
        ),
        (
            ["mark", "--foo\nbar", "x"],
            "scrollback mark: unrecognized arguments: --foo bar; see scrollback mark --help",
        ),
        (
            ["audit", "hold", "1"],
            "scrollback audit hold: the following arguments are required: LAST, --why; "
            "see scrollback audit hold --help",
        ),
        (
            ["user"],
            "scrollback user: the following arguments are required: VERB; see scrollback user --help",
        ),
    ],
)
def test_what_is_wrong_with_the_arguments_is_one_line(
    tmp_path: Path, arguments: list[str], line: str
) -> None:
    ended = Shell(tmp_path).run(*arguments)

    assert (ended.returncode, only_line(ended.stderr)) == (2, line)


@pytest.mark.once
def test_help_of_a_command_may_be_asked_for_first(tmp_path: Path) -> None:
    shell = Shell(tmp_path)

    assert shell.run("help", "import").stdout == shell.run("import", "--help").stdout != b""
    assert only_line(shell.run("help", "lits").stderr).endswith("Did you mean list?")


@pytest.mark.once
def test_the_database_is_for_its_owner_alone_and_a_recorded_program_keeps_its_umask(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    # Held open, so that its log and shared memory stay beside it.
    assert shell.run("list", umask=0o022).returncode == 0
    with closing(sqlite3.connect(tmp_path / "scrollback.sqlite3")) as connection:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        assert shell.run("list", umask=0o022).returncode == 0
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("scrollback.sqlite3*")}

    assert set(modes.values()) == {0o600}, modes
    assert {"scrollback.sqlite3", "scrollback.sqlite3-wal", "scrollback.sqlite3-shm"} <= modes.keys()
    recorded = shell.run("record", "--quiet", "--", "sh", "-c", "umask", umask=0o022)
    assert recorded.stdout.strip() == b"0022"
