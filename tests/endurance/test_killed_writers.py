"""Processes that change something all the time, and are killed at any moment."""

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audit.models import Checkpoint, Entry
from sessions_app.models import AgentSession, Note, Person
from tests.browser.running import Server
from tests.endurance.recording import wait_until
from tests.endurance.sizes import full_or
from tests.factories import make_person, make_session

WRITERS = full_or(8, 3)
KILLS = full_or(50, 4)
ROOT = Path(__file__).parents[2]


class Writer:
    """One of the processes; a killed one is followed by another."""

    def __init__(self, server: Server, session: AgentSession, author: Person) -> None:
        self._server, self.session, self._author = server, session, author
        self.start()

    @property
    def written(self) -> int:
        return Note.objects.filter(session=self.session).count()

    def start(self) -> None:
        names = (str(self.session.pk), str(self._author.pk))
        command = [sys.executable, "-m", "tests.endurance.noting", *names]
        self._before = self.written
        self._process = subprocess.Popen(command, cwd=ROOT, env=self._server.environment)

    def kill_after(self, notes: int) -> None:
        def has_written() -> bool:
            assert self._process.poll() is None, "a writer ended by itself"
            return self.written >= self._before + notes

        wait_until(has_written, "a writer writes nothing")
        self.kill()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def writing(server: Server, author: Person) -> Iterator[list[Writer]]:
    writers = [Writer(server, make_session(with_main_run=True), author) for _ in range(WRITERS)]
    try:
        yield writers
    finally:
        for writer in writers:
            writer.kill()


def test_killed_writers_leave_no_gap_and_no_change_without_its_entry(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    chooser = random.Random(50)
    with writing(server, make_person(username="ada")) as writers:
        for _ in range(KILLS):
            writer = chooser.choice(writers)
            writer.kill_after(chooser.randint(1, 12))
            writer.start()
        for writer in writers:
            writer.kill_after(1)

    indexes = list(Entry.objects.order_by("idx").values_list("idx", flat=True))
    assert indexes == list(range(len(indexes)))
    bodies = Entry.objects.filter(action="note.added").values_list("body", flat=True)
    told = Counter(json.loads(body)["details"]["note"] for body in bodies)
    assert set(told.values()) == {1}
    assert set(told) == {str(pk) for pk in Note.objects.values_list("pk", flat=True)}
    wait_until(lambda: Checkpoint.objects.filter(size=len(indexes)).exists(), "the newest are not signed")
    verified = server.run("audit", "verify", "--json")
    assert verified.returncode == 0, verified.stdout
    engine = "sqlite" if "sqlite" in server.environment["SCROLLBACK_DATABASE_URL"] else "postgres"
    figures = {"name": "killed writers", "engine": engine, "kills": KILLS + WRITERS, "entries": len(indexes)}
    with capsys.disabled():
        print(json.dumps(figures))
