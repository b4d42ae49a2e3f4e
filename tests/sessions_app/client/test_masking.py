"""What the recorder masks: nothing that was secret is on the disk or goes to the server."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_app.client.masking import FIRM_HOLD_S, WEAK_HOLD_S, PatientMasker
from sessions_app.terminal.asciicast.model import Event, Input, Marker, Output
from sessions_app.terminal.masking.catalogue import RULES
from sessions_app.terminal.masking.detector import Detector
from sessions_app.terminal.masking.events import Stream
from sessions_app.terminal.masking.known import KnownValue
from sessions_app.terminal.masking.masker import MAX_HELD_BYTES
from tests.sessions_app.client.fake_server import FakeServer
from tests.sessions_app.client.recorder import TerminalRecorder, piped_recorder, run_recorder, wait_until

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
    server.announce(directory)
    run_recorder("--", "sh", "-c", f"echo {TOKEN}; echo {TOKEN}")
    terminal = server.only_terminal()
    assert terminal.masked == {"github-token": 2}
    assert BODY not in str(terminal.document)
    assert BODY.encode() not in terminal.output
    assert terminal.output.count(b"\r\n") == 2


def test_the_server_is_told_that_there_was_nothing_to_mask(directory: Path, server: FakeServer) -> None:
    server.announce(directory)
    run_recorder("--", "sh", "-c", "echo nothing to hide")
    assert server.only_terminal().masked == {}


def test_without_masking_the_server_is_told_so(directory: Path, server: FakeServer) -> None:
    server.announce(directory)
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


class Patience:
    """A masker of events with a clock of its own, and what it gave out."""

    def __init__(self, known: Sequence[KnownValue] = ()) -> None:
        self.now_s = 0.0
        self.given: list[Event] = []
        self.masker = PatientMasker(Detector(RULES, known, key=b"k"), 80, lambda: self.now_s)

    def take(self, event: Event) -> None:
        self.given += self.masker.take(event)

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.given += self.masker.pause()

    @property
    def typed(self) -> bytes:
        return b"".join(event.data for event in self.given if isinstance(event, Input))

    @property
    def shown(self) -> bytes:
        return b"".join(event.data for event in self.given if isinstance(event, Output))

    def spin(self, seconds: float) -> float:
        """Have frames shown so long, or until they are given out; after how long they are."""
        started_s, before = self.now_s, len(self.shown)
        while self.now_s - started_s < seconds and len(self.shown) == before:
            self.now_s += 0.02
            self.take(Output(0, b"\r|"))
        return self.now_s - started_s


@pytest.mark.parametrize(
    ("keys", "limit_s", "recorded"),
    [
        # It may be the beginning of sk-, a sequence of escape, or of a token.
        (b"s", WEAK_HOLD_S, b"s"),
        (b"\x1b", WEAK_HOLD_S, b"\x1b"),
        (TOKEN[:12].encode(), FIRM_HOLD_S, b"ghp_********"),
    ],
)
def test_a_key_holds_up_a_busy_program_no_longer_than_an_idle_one(
    keys: bytes, limit_s: float, recorded: bytes
) -> None:
    waiting = Patience()
    waiting.take(Input(0, keys))
    assert waiting.given == []
    assert limit_s <= waiting.spin(10) < limit_s + 0.05
    assert waiting.typed == recorded
    assert waiting.masker.due_s() is None


def test_a_secret_typed_slowly_beside_a_busy_program_is_masked() -> None:
    password = "correct-horse-battery-9"
    for secret in (TOKEN, password):
        for pause_s in (0.01, 0.04, 0.2, 1.4):
            waiting = Patience([KnownValue("PASSWORD", password)])
            for key in secret:
                waiting.take(Input(0, key.encode()))
                waiting.spin(pause_s)
            waiting.take(Input(0, b"\r"))
            waiting.wait(2)
            # As much is seen as is promised: the public beginning, and of a known value three characters.
            beginning = "ghp_" if secret == TOKEN else "c?o?r?"
            mark = r"(\[[A-Za-z:-]*[0-9a-f]{8}\])?\**"
            assert re.fullmatch(f"{beginning}{mark}\r", waiting.typed.decode()), waiting.typed
            assert len(waiting.typed) == len(secret) + 1
            assert sum(waiting.masker.counts.values()) == 1


def test_what_is_shown_holds_up_keys_no_longer_than_there_were_none() -> None:
    waiting = Patience()
    waiting.take(Output(0, TOKEN[:12].encode()))
    for _ in range(11):
        assert waiting.typed == b""
        waiting.now_s += 0.1
        waiting.take(Input(0, b"="))
    assert waiting.shown == b"ghp_********"
    assert waiting.typed == b"=" * 11


def test_a_key_lets_no_secret_go_that_is_being_shown() -> None:
    waiting = Patience()
    for at in range(0, len(TOKEN), 4):
        waiting.take(Output(0, TOKEN[at : at + 4].encode()))
        waiting.take(Input(0, b"s"))
        waiting.wait(0.2)
    waiting.take(Output(0, b" on"))
    waiting.wait(1)
    assert re.fullmatch(rb"ghp_\[github-token:[0-9a-f]{8}\]\** on", waiting.shown), waiting.shown
    assert waiting.typed == b"s" * 10


def test_not_much_waits_behind_a_key() -> None:
    waiting = Patience()
    waiting.take(Input(0, TOKEN[:12].encode()))
    for count in range(1, 5):
        waiting.take(Output(0, b"=" * 4_096))
        assert waiting.shown == b"", count
    waiting.take(Output(0, b"="))
    assert waiting.typed == b"ghp_********"
    assert len(waiting.shown) == 4 * 4_096 + 1
    waiting.take(Input(0, TOKEN[12:].encode()))
    assert waiting.typed == b"ghp_" + b"*" * (len(TOKEN) - 4)


def test_markers_wait_behind_a_key_no_longer_than_it_does() -> None:
    waiting = Patience()
    waiting.take(Input(0, b"s"))
    for _ in range(3):
        waiting.now_s += 0.02
        waiting.take(Marker(0, "here"))
    assert [type(event) for event in waiting.given] == [Input, Marker, Marker, Marker]


#: What may begin a secret, in pieces, and what is none.
PIECES = st.sampled_from(
    [b"s", b"gh", b"p_", TOKEN[4:12].encode(), b"corr", b"ect-", b" ", b"\x1b[3", b"=" * 9_000]
)
STEPS = st.tuples(st.sampled_from([Output, Input, None]), PIECES, st.sampled_from([0, 0.02, 0.06, 1.1]))


@settings(max_examples=300)
@given(st.lists(STEPS, max_size=30))
def test_whatever_waits_keeps_its_place_and_its_length(
    steps: list[tuple[Stream | None, bytes, float]],
) -> None:
    waiting = Patience([KnownValue("PASSWORD", "correct-horse-battery-9")])
    lengths: dict[int, tuple[type, int]] = {}
    for time_us, (stream, data, pause_s) in enumerate(steps):
        lengths[time_us] = (stream, len(data)) if stream else (Marker, 0)
        waiting.take(stream(time_us, data) if stream else Marker(time_us, "here"))
        taken = sum(length for _, length in lengths.values())
        assert taken - len(waiting.typed + waiting.shown) <= 3 * MAX_HELD_BYTES
        waiting.wait(pause_s)
    waiting.wait(2)
    assert waiting.masker.due_s() is None
    assert [event.time_us for event in waiting.given] == sorted(event.time_us for event in waiting.given)
    out: dict[int, tuple[type, int]] = {}
    for event in waiting.given:
        length = len(event.data) if isinstance(event, Output | Input) else 0
        out[event.time_us] = (type(event), out.get(event.time_us, (Output, 0))[1] + length)
    assert out == lengths


def test_a_key_does_not_hold_back_what_a_busy_program_shows(directory: Path) -> None:
    program = "i=0; while [ $i -lt 1500 ]; do i=$((i+1)); echo frame $i; sleep 0.02; done"
    with TerminalRecorder("--input", "--", "sh", "-c", f"stty -echo; echo ready; {program}") as recorder:
        recorder.read_until(b"frame 3\r\n")
        recorder.type(b"s")
        wait_until(lambda: b', "i", "s"]' in on_disk(directory), "the key is held back")
        before = recorder.read_until(b"frame 4\r\n").rpartition(b"frame ")[2].split()[0]
        wait_until(lambda: b"frame %d" % (int(before) + 5) in on_disk(directory), "so are the frames")
        recorder.process.terminate()
        assert recorder.end() == 128 + signal.SIGTERM


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
