"""An operator at a real server, what there is to be done, and what became of it."""

import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from pytest_django import DjangoDbBlocker

from audit.models import Entry
from sessions_app.models import AgentSession, ApiToken, Note, Person, Role
from tests.browser.conftest import connected_to
from tests.browser.running import Server, shared_cache, temporary_home
from tests.endurance.visitor import Answer, Visitor
from tests.factories import PASSWORD, make_person, make_session


@dataclass(frozen=True)
class Look:
    """How things stand, and how many entries there are, by the names of the actions."""

    state: dict[str, Any]
    entries: dict[str, int]


class Console:
    def __init__(self, server: Server) -> None:
        self.server = server
        name = uuid.uuid4().hex[:8]
        # One for each action: they must not wait for one another, where they should wait for the log.
        self.session, self.noted = make_session(with_main_run=True), make_session(with_main_run=True)
        self.grace = make_person(Role.VIEWER, username=f"grace-{name}")
        self.alan = make_person(Role.VIEWER, username=f"alan-{name}", password=PASSWORD)
        make_person(Role.OPERATOR, username=f"ada-{name}", password=PASSWORD)
        self._ada = Visitor(server.url)
        assert self._ada.sign_in(f"ada-{name}", PASSWORD).status == 200
        # Whoever comes to sign in has loaded the page before.
        self._stranger = Visitor(server.url)
        self._stranger.get("/sign-in/")

    def actions(self) -> dict[str, Callable[[], Answer]]:
        ada = self._ada
        person = f"/settings/people/{self.grace.pk}"
        token = {"name": f"of {self.session.pk}", "scopes": "read", "days": "30"}
        return {
            "person.role_changed": lambda: ada.post(f"{person}/role/", role="auditor"),
            "token.created": lambda: ada.post("/settings/tokens/add/", **token),
            "session.archived": lambda: ada.post(f"/sessions/{self.session.pk}/archive/"),
            "note.added": lambda: ada.post(f"/sessions/{self.noted.pk}/notes/add/", text="Look here."),
            "log.exported": lambda: ada.get("/audit/export/ndjson/"),
            "sign_in.succeeded": lambda: self._stranger.post(
                "/sign-in/", username=self.alan.username, password=PASSWORD
            ),
        }

    def send_all(self) -> dict[str, Answer]:
        """All at once, as each may have to wait."""
        actions = self.actions()
        with ThreadPoolExecutor(len(actions)) as threads:
            running = {name: threads.submit(action) for name, action in actions.items()}
            return {name: answer.result() for name, answer in running.items()}

    def look(self) -> Look:
        """Reads the log, and waits for whoever locks it."""
        state = {
            "person.role_changed": Person.objects.get(pk=self.grace.pk).role,
            "token.created": ApiToken.objects.filter(name=f"of {self.session.pk}").count(),
            "session.archived": AgentSession.objects.get(pk=self.session.pk).archived_ms,
            "note.added": Note.objects.filter(session=self.noted).count(),
            "sign_in.succeeded": Person.objects.get(pk=self.alan.pk).last_login,
        }
        entries = {name: Entry.objects.filter(action=name).count() for name in self.actions()}
        return Look(state, entries)

    def done_since(self, before: Look, answers: dict[str, Answer]) -> set[str]:
        """The names of what was done; whatever was done has its entry, and the other way round."""
        now = self.look()
        done = {name for name in now.state if now.state[name] != before.state[name]}
        if answers["log.exported"].status == 200:
            done.add("log.exported")
        logged = {name for name in now.entries if now.entries[name] != before.entries[name]}
        assert done == logged, "done without an entry, or written down and not done"
        return done

    def do_everything(self) -> None:
        """One after another; each is done, and has its entry."""
        before = self.look()
        answers = {name: action() for name, action in self.actions().items()}
        done = self.done_since(before, answers)
        assert done == set(answers), {name: answers[name] for name in set(answers) - done}

    def health(self) -> tuple[int, str]:
        answer = Visitor(self.server.url).get("/healthz")
        return answer.status, json.loads(answer.text).get("reason", "")

    def page(self, path: str = "/sessions/") -> Answer:
        return self._ada.get(path)

    def newcomer(self) -> Answer:
        """Whoever opens the page to sign in; its form is kept in a login of their own."""
        return Visitor(self.server.url).get("/sign-in/")

    def let_a_minute_pass(self) -> None:
        """For the login: the next page that is opened keeps that somebody is there."""
        store = SessionStore(self._ada.cookie(settings.SESSION_COOKIE_NAME))
        store["seen_ms"] -= 2 * 60 * 1000
        store.save()


@contextmanager
def serving(url: str, static_cache: Path, blocker: DjangoDbBlocker) -> Iterator[Server]:
    """A server on this database, which the test's own ORM is pointed at as well."""
    with temporary_home() as home:
        shared_cache(static_cache, Path(home))
        with (
            Server(Path(home), url, secret_key=settings.SECRET_KEY) as server,
            blocker.unblock(),
            connected_to(url),
        ):
            yield server
