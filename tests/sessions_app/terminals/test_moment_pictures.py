"""The small picture of a terminal's screen at any moment, as it stands above the player's bar."""

from collections.abc import Iterator

import pytest
from django.test import Client

from sessions_app.actions.terminals.deriving import derive_all, forget_derived
from sessions_app.actions.terminals.screens import stop_screens
from tests.factories import make_person, signed_in
from tests.sessions_app.terminals.recorder import Recorder, start_recorder

pytestmark = pytest.mark.django_db

SECOND_US = 1_000_000


@pytest.fixture(autouse=True)
def screens_end() -> Iterator[None]:
    yield
    stop_screens()


@pytest.fixture
def client() -> Client:
    return signed_in(make_person())


@pytest.fixture
def recorder() -> Recorder:
    recorder = start_recorder()
    recorder.write(b"\x1b[31mfirst\x1b[0m <b>&\r\n", after_us=SECOND_US)
    recorder.write(b"second\r\n", after_us=SECOND_US)
    recorder.write(b"third\r\n", after_us=SECOND_US)
    recorder.refresh()
    return recorder


def address(recorder: Recorder, at_us: int | str) -> str:
    return f"/terminals/{recorder.terminal.pk}/screen?at_us={at_us}"


@pytest.mark.parametrize("is_derived", [False, True])
def test_a_picture_shows_the_screen_of_its_moment(
    client: Client, recorder: Recorder, is_derived: bool
) -> None:
    if is_derived:
        derive_all(recorder.terminal.pk)
    answer = client.get(address(recorder, 2 * SECOND_US))
    picture = answer.content.decode()
    assert answer["Content-Type"] == "image/svg+xml"
    assert picture.startswith("<svg")
    assert "first" in picture
    assert "second" in picture
    assert "third" not in picture
    assert "&lt;b&gt;&amp;" in picture
    assert "first" not in client.get(address(recorder, SECOND_US - 1)).content.decode()
    assert "third" in client.get(address(recorder, 99 * SECOND_US)).content.decode()


def test_a_picture_has_the_window_of_its_moment(client: Client) -> None:
    recorder = start_recorder()
    recorder.write(b"x" * 60, after_us=SECOND_US)
    recorder.time_us = 8 * SECOND_US
    recorder.resize(40, 10)
    before, later = (client.get(address(recorder, at * SECOND_US)).content.decode() for at in (5, 8))
    assert "x" * 60 in before
    assert "x" * 60 not in later


def test_only_what_is_past_may_be_kept_by_the_browser_and_until_it_is_made_anew(
    client: Client, recorder: Recorder
) -> None:
    derive_all(recorder.terminal.pk)
    version = client.get(f"/terminals/{recorder.terminal.pk}/map").json()["version"]

    def kept(at_us: int, version: str = version) -> bool:
        answer = client.get(f"{address(recorder, at_us)}&v={version}")
        assert answer.status_code == 200
        return "max-age=86400" in answer["Cache-Control"]

    assert kept(SECOND_US)
    assert not kept(3 * SECOND_US), "more may come"
    assert not kept(SECOND_US, ""), "the version of the screens was not named"
    forget_derived(recorder.terminal.pk)
    derive_all(recorder.terminal.pk)
    assert not kept(SECOND_US), "its screens were made anew"
    assert kept(SECOND_US, client.get(f"/terminals/{recorder.terminal.pk}/map").json()["version"])


@pytest.mark.parametrize("at_us", ["", "-1", "soon", "1.5", "9" * 17, "\N{ARABIC-INDIC DIGIT ONE}"])
def test_what_is_no_moment_is_refused(client: Client, recorder: Recorder, at_us: str) -> None:
    assert client.get(address(recorder, at_us)).status_code == 400
