"""Screens and rebuilding from the shell."""

from collections.abc import Iterator

import pytest
from django.core.management import CommandError

from sessions_app.actions.terminals import screens
from sessions_app.actions.terminals.deriving import derive_all
from sessions_app.actions.terminals.working import Workshop
from sessions_app.lookup import short_id
from sessions_app.models import Terminal, TerminalKeyframe
from sessions_app.terminal.engine.version import ENGINE
from tests.dashboard.commands.calling import Caller
from tests.factories import make_session
from tests.sessions_app.api.client import Api
from tests.sessions_app.terminals.recorder import Recorder, start_recorder
from tests.sessions_app.terminals.test_deriving import keyframes_of, lines_of

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def workshop() -> Iterator[Workshop]:
    shared = Workshop(works_ahead=False)
    yield shared
    shared.stop()


@pytest.fixture
def recorder() -> Recorder:
    recorder = start_recorder(cols=20, rows=4)
    recorder.write(b"first\r\n", after_us=1_000_000)
    recorder.write(b"second\r\n", after_us=1_500_000)
    recorder.write(b"\x1b[2J\x1b[Hthird", after_us=60_000_000)
    recorder.exit(0)
    recorder.refresh()
    return recorder


def test_the_last_screen_is_shown(call: Caller, recorder: Recorder) -> None:
    ended = call("screen", short_id(recorder.terminal))
    assert (ended.status, ended.text) == (0, "third\n\n\n\n")
    assert call("screen", recorder.terminal.title).text == ended.text


@pytest.mark.parametrize(
    ("moment", "rows"),
    [
        (["--at", "0"], ["", ""]),
        (["--at", "1"], ["first", ""]),
        (["--at", "2.499999"], ["first", ""]),
        (["--at", "00:00:02.5"], ["first", "second"]),
        (["--at", "2.5s"], ["first", "second"]),
        (["--at", "1m02.4s"], ["first", "second"]),
        (["--at", "1:02.400"], ["first", "second"]),
        (["--at", "1:02.500"], ["third", ""]),
        (["--offset", "5"], ["first", ""]),
        (["--offset", "999"], ["third", ""]),
    ],
)
def test_a_moment_is_named_by_its_time_or_offset(
    call: Caller, recorder: Recorder, moment: list[str], rows: list[str]
) -> None:
    assert call("screen", str(recorder.terminal.pk), *moment).text.split("\n")[:2] == rows


def test_a_moment_is_before_a_window_that_was_resized_later(call: Caller, workshop: Workshop) -> None:
    recorder = start_recorder()
    recorder.write(b"$ " + b"x" * 60, after_us=1_000_000)
    recorder.time_us = 8_000_000
    recorder.resize(40, 10)
    terminal = recorder.refresh()
    for _ in range(2):
        shown = [
            call("screen", str(terminal.pk), "--at", at, "--json").document
            for at in ("1", "5", "7.999999", "8")
        ]
        assert [(screen["cols"], len(screen["rows"])) for screen in shown] == [(80, 24)] * 3 + [(40, 10)]
        assert [screen["rows"][0] for screen in shown] == ["$ " + "x" * 60] * 3 + ["$ " + "x" * 38]
        derive_all(terminal.pk, workshop)


def test_as_json_it_says_where_it_is(call: Caller, recorder: Recorder) -> None:
    document = call("screen", str(recorder.terminal.pk), "--at", "2.5", "--json").document
    assert document == {
        "terminal": str(recorder.terminal.pk),
        "offset": 15,
        "at_us": 2_500_000,
        "cols": 20,
        "rows": ["first", "second", "", ""],
        "cursor": {"column": 0, "row": 2, "is_visible": True},
        "is_alternate": False,
    }


@pytest.mark.parametrize(
    ("arguments", "query"),
    [
        ([], {}),
        (["--at", "0"], {"at_us": 0}),
        (["--at", "2.499999"], {"at_us": 2_499_999}),
        (["--at", "1000"], {"at_us": 1_000_000_000}),
        (["--offset", "5"], {"offset": 5}),
        (["--offset", "999"], {"offset": 999}),
    ],
)
def test_the_api_says_the_same(
    call: Caller, recorder: Recorder, arguments: list[str], query: dict[str, int]
) -> None:
    said = Api().read(f"terminals/{recorder.terminal.pk}/screen", "show_screen", **query)
    assert said == call("screen", str(recorder.terminal.pk), *arguments, "--json").document


@pytest.mark.parametrize(
    "arguments",
    [
        ["--at", "soon"],
        ["--at", "1:2:3:4"],
        ["--at", "1:60"],
        ["--at", "1:60:00"],
        ["--offset", "-1"],
        ["--at", "1", "--offset", "1"],
    ],
)
def test_a_moment_that_is_none_is_refused(call: Caller, recorder: Recorder, arguments: list[str]) -> None:
    with pytest.raises(CommandError, match=r"a time is written|is a number of bytes|not allowed with"):
        call("screen", str(recorder.terminal.pk), *arguments)


def test_sessions_and_strangers_are_refused(call: Caller) -> None:
    session = make_session(title="a session")
    ended = call("screen", "a session")
    assert (ended.status, "is a session" in ended.errors) == (2, True)
    assert call("screen", "nothing like it").status == 2
    assert call("terminals", "rebuild", str(session.pk)).status == 2


def test_without_an_engine_it_is_refused(
    call: Caller, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screens, "ENGINE", "")
    ended = call("screen", str(recorder.terminal.pk))
    assert (ended.status, "pyghostty" in ended.errors) == (2, True)


def test_those_of_another_engine_are_rebuilt(call: Caller, recorder: Recorder, workshop: Workshop) -> None:
    fresh, stale = recorder.terminal, start_recorder().terminal
    for terminal in (fresh, stale):
        derive_all(terminal.pk, workshop)
    Terminal.objects.filter(pk=stale.pk).update(derived_by="ghostty-0.0.1")
    Recorder(stale).write(b"written since")
    before = set(TerminalKeyframe.objects.values_list("pk", flat=True))
    ended = call("terminals", "rebuild", "--json")
    assert (ended.status, ended.document) == (
        0,
        {"rebuilt": 1, "bytes": 13, "engine": ENGINE, "errors": {}},
    )
    stale.refresh_from_db()
    assert (stale.derived_by, stale.derived_size, lines_of(stale)) == (ENGINE, 13, ["written since"])
    assert set(TerminalKeyframe.objects.filter(terminal=fresh).values_list("pk", flat=True)) <= before


def test_those_that_an_older_engine_began_are_rebuilt(call: Caller, workshop: Workshop) -> None:
    recorder = start_recorder()
    terminal = recorder.terminal
    recorder.write(b"an older engine\r\n")
    derive_all(terminal.pk, workshop)
    Terminal.objects.update(derived_by="ghostty-0.0.1")
    versions = [screens.screens_version(recorder.refresh())]
    for line in (b"a newer engine\r\n", b"goes on\r\n"):
        recorder.write(line)
        derive_all(terminal.pk, workshop)
        versions.append(screens.screens_version(recorder.refresh()))
    # What the newer one draws is not taken from what browsers kept of the older one's.
    assert (versions[0] != versions[1], versions[1] == versions[2]) == (True, True)
    assert _keyframes_in_doctor(call) == ("warn", "1 terminal has those of another engine")
    assert call("terminals", "rebuild", "--json").document["rebuilt"] == 1
    assert recorder.refresh().derived_by == ENGINE
    recorder.write(b"the same engine\r\n")
    derive_all(terminal.pk, workshop)
    assert call("terminals", "rebuild", "--json").document["rebuilt"] == 0
    assert _keyframes_in_doctor(call) == ("ok", "none is waited for")


def test_named_ones_and_all_are_rebuilt_whatever_made_them(
    call: Caller, recorder: Recorder, workshop: Workshop
) -> None:
    terminal = recorder.terminal
    derive_all(terminal.pk, workshop)
    before = keyframes_of(terminal), lines_of(terminal)
    for arguments in ([str(terminal.pk)], ["--all"]):
        ids = set(TerminalKeyframe.objects.values_list("pk", flat=True))
        ended = call("terminals", "rebuild", *arguments)
        assert (ended.status, ended.text) == (0, f"1 terminal rebuilt with {ENGINE}.\n")
        assert (keyframes_of(terminal), lines_of(terminal)) == before
        assert not ids & set(TerminalKeyframe.objects.values_list("pk", flat=True))
    assert call("terminals", "rebuild", str(terminal.pk), "--all").status == 2


def test_doctor_and_stats_tell_of_keyframes(call: Caller, recorder: Recorder, workshop: Workshop) -> None:
    assert _keyframes_in_doctor(call) == ("warn", "1 terminal waits for theirs (27 B of output)")
    derive_all(recorder.terminal.pk, workshop)
    assert _keyframes_in_doctor(call) == ("ok", "none is waited for")
    Terminal.objects.update(derived_by="ghostty-0.0.1")
    assert _keyframes_in_doctor(call) == ("warn", "1 terminal has those of another engine")
    kinds = call("stats", "--json").document["kinds"]
    assert kinds["keyframes"]["rows"] == TerminalKeyframe.objects.count() > 0
    assert kinds["terminal_text"]["rows"] == 1


def _keyframes_in_doctor(call: Caller) -> tuple[str, str]:
    """Its verdict on them, and what it says."""
    checks = {check["name"]: check for check in call("doctor", "--json").document["checks"]}
    return checks["keyframes"]["verdict"], checks["keyframes"]["text"]
