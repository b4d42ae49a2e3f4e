"""What the recorder masks: nothing that was secret is on the disk or goes to the server."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from sessions_app.client.masking import FIRM_HOLD_S, WEAK_HOLD_S
from sessions_app.terminal.asciicast.model import Output
from tests.sessions_app.client.fake_server import FakeServer
from tests.sessions_app.client.recorder import piped_recorder, run_recorder, wait_until
from tests.sessions_app.client.test_upload import announce

# The recorder reaches no database.
pytestmark = pytest.mark.once

TOKEN = "ghp_aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1eF2gH4"
BODY = TOKEN[4:]
PASSWORD = "correct horse & battery staple"


def on_disk(directory: Path) -> bytes:
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert any(path.suffix == ".cast" for path in files)
    return b"".join(path.read_bytes() for path in files if path.name != "agent.token")


def test_no_secret_reaches_the_spool(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY_PASSWORD", PASSWORD)
    monkeypatch.setenv("HARMLESS", "but named on the command line")
    script = (
        f'echo "{TOKEN}"; echo "$DEPLOY_PASSWORD"; printf %s "$DEPLOY_PASSWORD" | base64; echo "$HARMLESS"'
    )
    done = run_recorder("--title", f"t {TOKEN}", "--mask-env", "HARMLESS", "--", "sh", "-c", script)
    # The person sees everything.
    assert TOKEN.encode() in done.stdout
    assert PASSWORD.encode() in done.stdout
    stored = on_disk(directory)
    for secret in (BODY, PASSWORD, "but named on", "Y29ycmVjdCBob3JzZ", BODY[:12], BODY[-12:]):
        assert secret.encode() not in stored, secret
    assert b"[github-token:" in stored
    assert b"[DEPLOY_PASSWORD:" in stored
    assert b'# masked {"github-token": 1, "known-value": 3}' in stored
    assert len(list(directory.glob("mask.key"))) == 1


@pytest.mark.parametrize("pause_s", [0, 0.01])
def test_what_is_typed_letter_by_letter_is_masked(directory: Path, pause_s: float) -> None:
    letters = "; ".join(f"printf {letter}; sleep {pause_s}" for letter in TOKEN)
    run_recorder("--", "sh", "-c", f"{letters}; echo; echo done")
    stored = on_disk(directory)
    spelt = b"".join(line.split(b'"')[3] for line in stored.splitlines() if b', "o", ' in line)
    assert spelt.startswith(b"ghp_[github-token:")
    assert spelt.endswith(b"done\\r\\n")


def test_a_known_value_stays_masked_over_long_pauses(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = "correct-horse-battery-9"
    monkeypatch.setenv("DEPLOY_PASSWORD", value)
    pieces = [value[:1], value[1:5], value[5:9], value[9:]]
    assert FIRM_HOLD_S < 1.5
    run_recorder("--", "sh", "-c", "; sleep 1.5; ".join(f"printf %s {piece}" for piece in pieces))
    spelt = b"".join(line.split(b'"')[3] for line in on_disk(directory).splitlines() if b', "o", ' in line)
    # The last piece has room for the tag.
    assert re.fullmatch(rb"c\*{8}\[[0-9a-f]{8}\]\*{4}", spelt), spelt
    assert b'"known-value": 1' in on_disk(directory)


def test_a_password_in_an_address_stays_masked_over_long_pauses(directory: Path) -> None:
    pieces = ["postgres://app:h", "unter2hunt", "er2@db", ":54", "32"]
    run_recorder("--", "sh", "-c", "; sleep 1.5; ".join(f"printf %s {piece}" for piece in pieces))
    spelt = b"".join(line.split(b'"')[3] for line in on_disk(directory).splitlines() if b', "o", ' in line)
    assert spelt == b"postgres://app:h" + b"*" * 13 + b"@db:5432"


def test_the_server_is_told_what_was_masked(directory: Path, server: FakeServer) -> None:
    announce(directory, server)
    run_recorder("--", "sh", "-c", f"echo {TOKEN}; echo {TOKEN}")
    terminal = server.only_terminal()
    assert terminal.masked == {"github-token": 2}
    assert BODY not in str(terminal.document)
    assert BODY.encode() not in terminal.output
    assert terminal.output.count(b"\r\n") == 2


def test_without_masking_the_server_is_told_so(directory: Path, server: FakeServer) -> None:
    announce(directory, server)
    run_recorder("--no-mask", "--", "sh", "-c", f"echo {TOKEN}")
    terminal = server.only_terminal()
    assert terminal.masked is None
    assert terminal.output == TOKEN.encode() + b"\r\n"


def test_what_only_might_begin_a_secret_is_seen_soon(directory: Path) -> None:
    with piped_recorder("--", "sh", "-c", "printf 'password for g'; read answer") as recorder:
        assert recorder.stdin
        started = time.monotonic()
        wait_until(lambda: b"password for" in on_disk_or_nothing(directory), "it should be recorded")
        wait_until(lambda: b'"g"' in on_disk_or_nothing(directory), "so should its last letter")
        assert time.monotonic() - started < 20
        recorder.stdin.write(b"x\n")
        recorder.stdin.close()
        assert recorder.wait(20) == 0


def test_what_began_like_a_secret_is_masked_when_nobody_goes_on(directory: Path) -> None:
    with piped_recorder(
        "--", "sh", "-c", f"printf {TOKEN[:12]}; read answer; echo {TOKEN[12:]} end"
    ) as recorder:
        assert recorder.stdin
        wait_until(lambda: b'"ghp_********"' in on_disk_or_nothing(directory), "it should go out, masked")
        recorder.stdin.write(b"x\n")
        recorder.stdin.close()
        assert recorder.wait(20) == 0
    # The command itself was told in two halves, which are no secret to anybody who looks for whole ones.
    shown = [line for line in on_disk(directory).splitlines() if b', "o", ' in line]
    assert shown[-1].endswith(b'"**************************** end\\r\\n"]')


def on_disk_or_nothing(directory: Path) -> bytes:
    try:
        return on_disk(directory)
    except (AssertionError, FileNotFoundError):
        return b""


def test_the_holds_are_short() -> None:
    assert WEAK_HOLD_S <= 0.05
    assert FIRM_HOLD_S <= 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--mask-env", "NOT_THERE_AT_ALL"), "no such variable"),
        (("--mask-env", "TINY"), "fewer than 4 characters"),
        (("--no-mask", "--mask-env", "TINY"), "switched off"),
    ],
)
def test_what_cannot_be_masked_is_refused_before_anything_runs(
    directory: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.setenv("TINY", "abc")
    done = run_recorder(*arguments, "--", "echo", "ran")
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr.decode()


def test_a_bad_pattern_is_refused_before_anything_runs(directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    (directory / "config.toml").write_text("[secrets.patterns]\nacme = '(a|b)'\n")
    done = run_recorder("--", "echo", "ran")
    assert (done.returncode, done.stdout) == (2, b"")
    assert "secrets.patterns.acme" in done.stderr.decode()


def test_patterns_and_the_switch_are_settings(directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    (directory / "config.toml").write_text("[secrets]\npatterns = {acme = 'ACME-[0-9]{12,}'}\n")
    run_recorder("--", "echo", "ACME-123456789012345678901234")
    assert b"[acme:" in on_disk(directory)
    (directory / "config.toml").write_text("[secrets]\nmask = false\n")
    run_recorder("--", "echo", TOKEN)
    assert TOKEN.encode() in on_disk(directory)


def test_output_is_the_same_but_for_its_secrets(directory: Path) -> None:
    program = (
        "import os, random; r = random.Random(3); os.write(1, r.randbytes(300_000).replace(b'\\n', b'.'))"
    )
    done = run_recorder("--", "python3", "-c", program)
    expected = subprocess.run(["python3", "-c", program], capture_output=True, check=True).stdout
    assert done.stdout == expected
    from sessions_app.client.spool import SpoolReader, spools

    reader = SpoolReader(spools(directory)[0])
    events = list(iter(reader.read, None))
    reader.close()
    assert b"".join(event.data for event in events if isinstance(event, Output)) == expected
    assert os.stat(directory / "mask.key").st_mode & 0o077 == 0
