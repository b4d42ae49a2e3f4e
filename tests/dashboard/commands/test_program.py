"""The program as a shell sees it: help, pipes, exit statuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import dev
from tests.browser.running import SCROLLBACK
from tests.dashboard.commands.shell import Shell
from tests.samples import sample

HISTORY = "claude-code/projects/sample-project/1af7fc5e-8455-4414-9ccd-011d40f70b2a.jsonl"
COMMANDS = (
    "serve", "import", "watch", "record", "upload", "list", "show", "export", "search", "doctor", "stats", "user",
    "token", "demo",
)  # fmt: skip


@pytest.mark.once
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_an_example(tmp_path: Path, command: str) -> None:
    ended = Shell(tmp_path).run(command, "--help")

    assert ended.returncode == 0
    assert f"scrollback {command} " in ended.stdout.decode().lower().partition("example")[2]


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


def test_the_first_command_on_an_empty_database_makes_its_tables(shell: Shell) -> None:
    assert shell.json("list") == {"sessions": [], "has_more": False}


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
def test_an_unknown_command_is_refused(tmp_path: Path) -> None:
    ended = Shell(tmp_path).run("lits")

    assert ended.returncode != 0
    assert b"Traceback" not in ended.stderr
