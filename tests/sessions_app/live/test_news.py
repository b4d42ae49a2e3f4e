"""News for lists and for one session."""

import asyncio
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, transaction

from audit.actors import SYSTEM
from audit.record import Draft, append
from dashboard.lib.clock import now_ms
from sessions_app.actions.read_marks import mark_all_read, mark_read, take_back_read
from sessions_app.actions.sessions import delete_session, restore_session
from sessions_app.live import hub, watch
from sessions_app.live.consumers import console
from sessions_app.live.facts import MAX_UNTOLD, Changed, Login, Mailbox
from sessions_app.models import AgentSession, Person, Role, Status
from sessions_app.nav_counts import forget_counts, nav_counts
from tests.factories import make_event, make_message, make_person, make_run, make_session
from tests.sessions_app.live.sockets import Socket, cookie_of, here, run
from tests.sessions_app.terminals.recorder import start_recorder

pytestmark = pytest.mark.django_db(transaction=True)


def viewer_cookie() -> str:
    """Of somebody who may not read the audit log: news of it would come in between, from the first look on."""
    return cookie_of(make_person(Role.VIEWER))


def test_a_session_says_how_far_it_reaches() -> None:
    async def scenario() -> None:
        cookie, session = await here(lambda: (viewer_cookie(), make_session()))
        await here(make_message, session)
        async with Socket(f"/live/sessions/{session.pk}/?after=0", cookie) as socket:
            assert await socket.message() == {"type": "news", "seq": 1}
            await here(make_message, session)
            assert await socket.message() == {"type": "news", "seq": 2}

    run(scenario)


def test_a_client_that_has_everything_hears_nothing_until_there_is_more() -> None:
    async def scenario() -> None:
        cookie, session = await here(lambda: (viewer_cookie(), make_session()))
        await here(make_message, session)
        async with Socket(f"/live/sessions/{session.pk}/?after=1", cookie) as socket:
            assert await socket.is_quiet()
            await here(make_event, session)
            assert await socket.message("news") == {"type": "news", "seq": 2}

    run(scenario)


def test_a_burst_of_messages_is_told_up_to_the_last_one() -> None:
    async def scenario() -> None:
        cookie, session = await here(lambda: (viewer_cookie(), make_session()))
        async with Socket(f"/live/sessions/{session.pk}/", cookie) as socket:
            for _ in range(30):
                await here(make_message, session)
            told = [0]
            while told[-1] < 30:
                told.append((await socket.message("news"))["seq"])
            assert told == sorted(set(told))

    run(scenario)


def test_a_change_without_a_new_place_is_told_too() -> None:
    async def scenario() -> None:
        cookie, session = await here(lambda: (viewer_cookie(), make_session()))
        async with Socket(f"/live/sessions/{session.pk}/", cookie) as socket:
            await here(make_message, session)
            await socket.message("news")
            await here(lambda: AgentSession.objects.update(title="New", updated_ms=now_ms()))
            assert await socket.message("changed") == {"type": "changed", "seq": 1}

    run(scenario)


def test_what_was_seen_before_a_socket_read_for_itself_is_not_told() -> None:
    async def scenario() -> None:
        cookie, session = await here(lambda: (viewer_cookie(), make_session()))
        await here(make_message, session)
        async with Socket(f"/live/sessions/{session.pk}/", cookie) as socket:
            await socket.message("news")
            for mailbox in hub.get_hub().present():
                mailbox.post([Changed("session", session.pk, 0, 1)])
            await here(lambda: AgentSession.objects.update(title="New", updated_ms=now_ms()))
            assert await socket.message("changed") == {"type": "changed", "seq": 1}

    run(scenario)


@pytest.mark.parametrize("after", ["-1", "x", "1&after=2", "9" * 30])
def test_a_broken_cursor_ends_the_socket(after: str) -> None:
    async def scenario() -> None:
        cookie, session = await here(lambda: (viewer_cookie(), make_session()))
        async with Socket(f"/live/sessions/{session.pk}/?after={after}", cookie) as socket:
            assert await socket.close_code() == 4400

    run(scenario)


def test_lists_hear_of_sessions_runs_and_terminals() -> None:
    def change() -> tuple[str, str, str]:
        session = make_session(updated_ms=now_ms())
        run_row = make_run(session, updated_ms=now_ms())
        recorder = start_recorder()
        return str(session.pk), str(run_row.pk), str(recorder.terminal.pk)

    async def scenario() -> None:
        cookie = await here(viewer_cookie)
        async with Socket("/live/console/", cookie) as socket:
            await socket.message("counts")
            expected = await here(change)
            heard: dict[str, str] = {}
            while len(heard) < 3:
                message = await socket.message("changed")
                heard[message["kind"]] = message["id"]
            assert (heard["session"], heard["run"], heard["terminal"]) == expected

    run(scenario)


def test_lists_hear_that_a_session_went_to_the_trash_and_that_it_is_back() -> None:
    async def scenario() -> None:
        cookie, session = await here(lambda: (viewer_cookie(), make_session()))
        async with Socket("/live/console/", cookie) as socket:
            await socket.message("counts")
            await here(lambda: delete_session(session.pk, actor=SYSTEM))
            assert (await socket.message("changed"))["gone"] is True
            await here(lambda: restore_session(session.pk, actor=SYSTEM))
            assert "gone" not in await socket.message("changed")

    run(scenario)


def test_one_change_is_told_once() -> None:
    async def scenario() -> None:
        cookie = await here(viewer_cookie)
        async with Socket("/live/console/", cookie) as socket:
            await socket.message("counts")
            await here(lambda: make_session(updated_ms=now_ms(), status=Status.IDLE))
            await socket.message("changed")
            # Another commit makes the hub look again, over the same stretch of time.
            await here(make_person)
            assert await socket.is_quiet()

    run(scenario)


def test_what_a_person_marks_is_told_to_their_own_lists_alone() -> None:
    async def scenario() -> None:
        ada, ben, session = await here(
            lambda: (
                make_person(Role.VIEWER),
                make_person(Role.VIEWER),
                make_session(status=Status.FAILED, last_seq=1),
            )
        )
        cookies = await here(lambda: (cookie_of(ada), cookie_of(ben)))
        async with (
            Socket("/live/console/", cookies[0]) as own,
            Socket("/live/console/", cookies[1]) as other,
        ):
            for socket in (own, other):
                assert (await socket.message("counts"))["needs_me"] == 1
                assert await socket.is_quiet()
            await here(lambda: mark_read(session.pk, 1, ada))
            told = await own.message("changed")
            assert told == {"type": "changed", "kind": "session", "id": str(session.pk), "seq": 1}
            assert (await own.message("counts"))["needs_me"] == 0
            await here(lambda: take_back_read(session.pk, 0, ada))
            assert (await own.message("changed"))["id"] == str(session.pk)
            assert (await own.message("counts"))["needs_me"] == 1
            await here(lambda: mark_all_read(ada))
            assert await own.message("refresh") == {"type": "refresh"}
            assert (await own.message("counts"))["needs_me"] == 0
            assert await other.is_quiet()

    run(scenario)


def grow_log() -> int:
    """Index of the entry that was appended."""
    with transaction.atomic():
        [entry] = append([Draft("sign_in.succeeded", SYSTEM)])
    return entry.idx


def test_who_may_read_the_log_is_told_that_it_grew_and_nobody_else() -> None:
    async def scenario() -> None:
        cookies = await here(lambda: [cookie_of(make_person(role)) for role in (Role.AUDITOR, Role.VIEWER)])
        async with (
            Socket("/live/console/", cookies[0]) as auditor,
            Socket("/live/console/", cookies[1]) as viewer,
        ):
            for socket in (auditor, viewer):
                await socket.message("counts")
            idx = await here(grow_log)
            size = 0
            while size <= idx:
                told = await auditor.message("changed")
                kind, size = told["kind"], told["seq"]
                assert kind == "audit"
            assert await viewer.is_quiet()

    run(scenario)


def test_what_changed_before_a_socket_was_told_of_changes_is_counted() -> None:
    """The page was made with one number, and the socket joined a moment after it changed."""

    async def scenario() -> None:
        person = await here(make_person, Role.VIEWER)
        cookie = await here(lambda: cookie_of(person))
        async with Socket("/live/console/", cookie) as other:
            await other.message("counts")
            assert (await here(lambda: nav_counts(person)))["live_terminals"] == 0
            await here(start_recorder)
            # Whoever joins now is not told of it.
            await other.message("changed")
            async with Socket("/live/console/", cookie) as socket:
                told = (await socket.message("counts"))["live_terminals"]
                # On a slow machine it is no more remembered.
                assert told or (await socket.message("counts"))["live_terminals"] == 1

    run(scenario)


def test_what_a_page_counted_just_before_a_change_does_not_stand_for_it() -> None:
    """A count is due within the second, and a page that was asked for meanwhile has left its own."""

    async def scenario() -> None:
        person = await here(make_person, Role.VIEWER)
        cookie = await here(lambda: cookie_of(person))
        async with Socket("/live/console/", cookie) as socket:
            assert (await socket.message("counts"))["live_terminals"] == 0
            await asyncio.sleep(console.COUNT_AFTER_S / 2)
            forget_counts(person)
            assert (await here(lambda: nav_counts(person)))["live_terminals"] == 0
            await here(start_recorder)
            assert (await socket.message("counts"))["live_terminals"] == 1

    run(scenario)


def test_the_numbers_beside_the_places_follow() -> None:
    async def scenario() -> None:
        cookie = await here(viewer_cookie)
        async with Socket("/live/console/", cookie) as socket:
            assert (await socket.message("counts"))["live_terminals"] == 0
            await here(start_recorder)
            assert (await socket.message("counts"))["live_terminals"] == 1

    run(scenario)


def test_a_count_that_fails_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: Iterator[int | None] = iter([0, None, 1])

    def failing(person: Person, *, since: float) -> dict[str, int]:
        answer = next(answers)
        if answer is None:
            raise OperationalError("database is locked")
        return {"needs_me": 0, "running": 0, "live_terminals": answer}

    monkeypatch.setattr(console, "nav_counts", failing)
    monkeypatch.setattr(console, "COUNT_AFTER_S", 0.05)

    async def scenario() -> None:
        async with Socket("/live/console/", await here(viewer_cookie)) as socket:
            assert (await socket.message("counts"))["live_terminals"] == 0
            await here(start_recorder)
            assert (await socket.message("counts"))["live_terminals"] == 1

    run(scenario)


def test_what_changes_while_the_numbers_are_counted_is_counted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = threading.Semaphore(0)
    go_on = threading.Event()
    answers = iter([0, 1, 2])

    def slowly(person: Person, *, since: float) -> dict[str, int]:
        answer = next(answers)
        counted.release()
        if answer == 1:
            go_on.wait(5)
        return {"needs_me": 0, "running": 0, "live_terminals": answer}

    monkeypatch.setattr(console, "nav_counts", slowly)
    monkeypatch.setattr(console, "COUNT_AFTER_S", 0.05)

    async def scenario() -> None:
        async with Socket("/live/console/", await here(viewer_cookie)) as socket:
            assert (await socket.message("counts"))["live_terminals"] == 0
            assert counted.acquire(timeout=5)
            await here(start_recorder)
            assert await asyncio.to_thread(counted.acquire, timeout=5)
            second = await here(lambda: str(start_recorder().terminal.pk))
            while (await socket.message("changed"))["id"] != second:
                pass
            go_on.set()
            assert (await socket.message("counts"))["live_terminals"] == 1
            assert (await socket.message("counts"))["live_terminals"] == 2

    run(scenario)


def test_a_commit_of_long_ago_that_shows_only_now_is_found_by_the_sweep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "SWEEP_EVERY_MS", 200)

    async def scenario() -> None:
        cookie = await here(viewer_cookie)
        async with Socket("/live/console/", cookie) as socket:
            await socket.message("counts")
            session = await here(lambda: make_session(updated_ms=now_ms() - 30_000))
            assert (await socket.message("changed"))["id"] == str(session.pk)

    run(scenario)


def test_too_much_at_once_becomes_one_word() -> None:
    def flood() -> None:
        now = now_ms()
        AgentSession.objects.bulk_create(
            AgentSession(
                agent="flood", external_id=str(n), started_ms=now, last_activity_ms=now, updated_ms=now
            )
            for n in range(MAX_UNTOLD + 50)
        )

    async def scenario() -> None:
        cookie = await here(viewer_cookie)
        async with Socket("/live/console/", cookie) as socket:
            await socket.message("counts")
            await here(flood)
            assert (await socket.message())["type"] == "refresh"

    run(scenario)


def test_a_consumer_that_fetches_nothing_holds_a_bounded_set() -> None:
    async def scenario() -> None:
        mailbox = Mailbox(Login(make_id(0), 0, ""), None)
        for number in range(50):
            mailbox.post([Changed("session", make_id(number % 7), number)])
        await asyncio.sleep(0)
        news = await mailbox.wait()
        assert sorted(fact.seq for fact in news.changed) == list(range(43, 50))
        mailbox.post([Changed("session", make_id(number), 0) for number in range(MAX_UNTOLD + 1)])
        await asyncio.sleep(0)
        news = await mailbox.wait()
        assert (news.changed, news.anything) == ([], True)

    run(scenario)


def make_id(number: int) -> uuid.UUID:
    return uuid.UUID(int=number)


def test_while_the_database_is_away_sockets_wait_and_then_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "LONGEST_AWAY_S", 0.1)
    really = watch.Watch.look
    away = False

    def look(self: watch.Watch, *arguments: Any, **named: Any) -> None:
        if away:
            raise OperationalError("unable to open database file") from sqlite3.OperationalError()
        really(self, *arguments, **named)

    monkeypatch.setattr(watch.Watch, "look", look)

    async def scenario() -> None:
        nonlocal away
        cookie, session = await here(lambda: (viewer_cookie(), make_session()))
        async with Socket(f"/live/sessions/{session.pk}/", cookie) as socket:
            assert await socket.is_quiet()
            away = True
            lost = await socket.message("database")
            assert (lost["available"], lost["reason"][:17]) == (False, "The database file")
            await here(make_message, session)
            away = False
            told = [await socket.message(), await socket.message()]
            assert {"type": "database", "available": True, "reason": ""} in told
            assert {"type": "news", "seq": 1} in told

    run(scenario)


def test_the_hub_ends_with_its_last_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "LINGER_S", 0.05)

    async def scenario() -> None:
        cookie = await here(viewer_cookie)
        async with Socket("/live/console/", cookie) as socket:
            await socket.message("counts")
            thread = hub.get_hub()._thread
            assert thread is not None
        await asyncio.to_thread(thread.join, 2)
        assert not thread.is_alive()
        async with Socket("/live/console/", cookie) as socket:
            await socket.message("counts")
            await here(lambda: make_session(updated_ms=now_ms()))
            await socket.message("changed")

    run(scenario)


def test_whoever_joins_while_a_hub_that_was_stopped_still_looks_has_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub, "STOP_S", 0.05)
    really = watch.Watch.look
    looking, go_on = threading.Event(), threading.Event()

    def look(self: watch.Watch, *arguments: Any, **named: Any) -> None:
        if not looking.is_set():
            looking.set()
            go_on.wait(10)
        really(self, *arguments, **named)

    monkeypatch.setattr(watch.Watch, "look", look)

    async def scenario() -> None:
        cookie = await here(viewer_cookie)
        async with Socket("/live/console/", cookie):
            assert await asyncio.to_thread(looking.wait, 5)
            slow = hub.get_hub()._thread
            assert slow is not None
            await asyncio.to_thread(hub.stop_hub)
            assert slow.is_alive()
        async with Socket("/live/console/", cookie) as socket:
            go_on.set()
            await asyncio.to_thread(slow.join, 5)
            await socket.message("counts")
            session = await here(lambda: make_session(updated_ms=now_ms()))
            assert (await socket.message("changed"))["id"] == str(session.pk)
        assert not slow.is_alive()

    run(scenario)


BACK_MS = 30 * 60_000


def test_lists_go_on_while_the_clock_stands_behind_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set back by half an hour: by their times, rows from before are newer than all that comes."""
    from_before = [
        AgentSession(
            agent="codex", external_id=str(number), started_ms=1, last_activity_ms=1, updated_ms=now_ms()
        )
        for number in range(MAX_UNTOLD + 2)
    ]

    async def scenario() -> None:
        cookie = await here(viewer_cookie)
        await here(lambda: AgentSession.objects.bulk_create(from_before))
        async with Socket("/live/console/", cookie) as socket:
            await socket.message("counts")
            monkeypatch.setattr(watch, "now_ms", lambda: now_ms() - BACK_MS)
            await asyncio.sleep(0.3)
            # The second time, one look reads nothing but rows that it has told.
            for _ in range(2):
                await here(lambda: make_session(updated_ms=now_ms() - BACK_MS))
                assert await socket.message("refresh") == {"type": "refresh"}

    run(scenario)
