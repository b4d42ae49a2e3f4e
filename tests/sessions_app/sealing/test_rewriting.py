"""What an import changes of sealed rows takes the seal off, in the same transaction; nothing else does."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from audit.actors import SYSTEM
from audit.models import Entry
from audit.verification import verify
from sessions_app.actions import imports
from sessions_app.actions.sealing import seal_session, seal_source
from sessions_app.actions.sessions import archive_session, rename_session, unarchive_session
from sessions_app.importers.pipeline import Importer
from sessions_app.models import AgentSession, Event, Message, Source, ToolCall
from sessions_app.sealed_rows import first_of_piece
from tests.endurance.sizes import full_or
from tests.samples import sample
from tests.sessions_app.importers.claude_records import SESSION, assistant, call, result, text, user
from tests.sessions_app.importers.driving import lines

pytestmark = pytest.mark.django_db

HISTORIES = full_or(200, 12)


class History:
    """A file of Claude Code that is imported as it grows."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{SESSION}.jsonl"

    def append(self, *records: Any) -> None:
        with self.path.open("ab") as handle:
            handle.write(lines(records))
        self.read()

    def read(self) -> None:
        report = Importer(SYSTEM).import_paths([str(self.path.parent)])
        assert report.errors == {}


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


def seal_all() -> None:
    for session in AgentSession.objects.all():
        list(seal_session(session.pk, actor=SYSTEM))
    for source in Source.objects.all():
        list(seal_source(source.pk, actor=SYSTEM))


def unsealed() -> list[dict[str, Any]]:
    bodies = Entry.objects.filter(action="session.unsealed").order_by("idx").values_list("body", flat=True)
    return [json.loads(body)["details"] for body in bodies]


def filled(history: History, rows: int) -> None:
    history.append(*(user(f"u{number}", number, f"Prompt {number}") for number in range(rows)))


def damage(seq: int) -> None:
    for model in (Message, ToolCall, Event):
        model.objects.filter(seq=seq).update(at_ms=1)


def contents() -> tuple[str, str]:
    verdict = verify().verdict("contents")
    return verdict.outcome, verdict.text


def test_new_lines_leave_the_seal_on(history: History) -> None:
    filled(history, 5)
    seal_all()
    history.append(user("u9", 9, "More"), assistant("a9", 10, text("Done")))
    assert contents()[0] == "sound"
    assert unsealed() == []
    seal_all()
    assert contents()[0] == "sound"


def test_a_result_that_comes_later_takes_the_seal_off_from_its_piece_on(history: History) -> None:
    filled(history, 150)
    history.append(assistant("a1", 151, call("t1", "Bash", command="make")))
    at = ToolCall.objects.get().seq
    history.append(*(user(f"v{number}", 152 + number, "And") for number in range(120)))
    seal_all()
    last = AgentSession.objects.get().sealed_seq
    history.append(result("r1", 300, "t1", "built"))

    (said,) = unsealed()
    first = first_of_piece(at)
    assert first > 100
    assert said["why"] == "a tool call got its result"
    assert (said["first_seq"], said["last_seq"], said["changed_seq"]) == (first, last, at)
    assert AgentSession.objects.get().sealed_seq == first - 1
    assert contents()[0] == "sound"
    seal_all()
    assert AgentSession.objects.get().sealed_seq == AgentSession.objects.get().last_seq
    assert contents()[0] == "sound"
    # Nothing is left open: before, in and behind what was sealed anew.
    for seq in (50, first, at, last):
        with transaction.atomic():
            damage(seq)
            assert contents()[0] == "broken", seq
            transaction.set_rollback(True)


def test_what_is_not_concerned_stays_sealed_meanwhile(history: History) -> None:
    filled(history, 150)
    history.append(assistant("a1", 151, call("t1", "Bash", command="make")))
    seal_all()
    history.append(result("r1", 300, "t1", "built"))
    damage(100)
    assert "of the rows 1 to 100 one was changed" in contents()[1]


def test_a_message_that_grows_takes_the_seal_off(history: History) -> None:
    history.append(user("u1", 1, "Go"), assistant("a1", 2, text("First"), message_id="m1"))
    seal_all()
    history.append(assistant("a2", 3, text("Second"), message_id="m1"))
    assert "Second" in Message.objects.get(role="assistant").text
    assert [said["why"] for said in unsealed()] == ["a message grew"]
    assert contents()[0] == "sound"


def test_a_file_that_says_again_how_a_call_ended_leaves_the_seal_on(history: History) -> None:
    history.append(assistant("a1", 1, call("t1", "Bash", command="make")))
    history.append(result("r1", 2, "t1", "built"))
    seal_all()
    history.path.write_bytes(lines([assistant("a1", 1, call("t1", "Bash", command="make"))]))
    history.read()
    history.append(result("r1", 2, "t1", "built"))
    assert Source.objects.count() == 2
    assert contents()[0] == "sound"
    assert unsealed() == []


def test_messages_that_their_writer_hides_take_the_seal_off(tmp_path: Path) -> None:
    for name in sample("synthetic/picoclaw").iterdir():
        shutil.copy(name, tmp_path)
    Importer(SYSTEM).import_paths([str(tmp_path)])
    seal_all()
    (meta_path,) = tmp_path.glob("*.meta.json")
    meta = json.loads(meta_path.read_bytes())
    meta["skip"] = 3
    meta_path.write_text(json.dumps(meta))
    Importer(SYSTEM).import_paths([str(tmp_path)])
    assert Message.objects.filter(is_hidden=True).count() == 3
    assert [said["why"] for said in unsealed()] == ["its writer hid messages, or showed them again"]
    assert contents()[0] == "sound"


def test_the_change_and_its_entry_are_one(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    history.append(assistant("a1", 1, call("t1", "Bash", command="make")))
    seal_all()

    def refuse(*_: Any) -> None:
        raise DatabaseError("the log takes nothing")

    monkeypatch.setattr(imports, "append", refuse)
    with history.path.open("ab") as handle:
        handle.write(lines([result("r1", 2, "t1", "built")]))
    assert Importer(SYSTEM).import_paths([str(history.path)]).errors
    monkeypatch.undo()
    assert (ToolCall.objects.get().output, unsealed()) == ("", [])
    assert AgentSession.objects.get().sealed_seq == AgentSession.objects.get().last_seq
    assert contents()[0] == "sound"


def test_a_fork_that_brings_the_end_of_a_call_unseals_the_origin(history: History, tmp_path: Path) -> None:
    start = [user("u1", 1, "Go"), assistant("a1", 2, call("t1", "Bash", command="make"))]
    history.append(*start)
    seal_all()
    (tmp_path / "fork").mkdir()
    copied = [{**record, "sessionId": "fork", "forkedFrom": {"sessionId": SESSION}} for record in start]
    fork = tmp_path / "fork" / "fork.jsonl"
    fork.write_bytes(lines(copied))
    history.read()
    with fork.open("ab") as handle:
        handle.write(lines([result("r1", 3, "t1", "built", sessionId="fork")]))
    history.read()
    assert contents()[0] == "sound"
    if ToolCall.objects.get(call_id="t1").output:
        assert len(unsealed()) == 1


# ── Whatever comes in whatever order ─────────────────────────────────────────────────────────────────────
class Life:
    """A random history: written, read, sealed, forked, rewritten."""

    def __init__(self, random_: random.Random, folder: Path) -> None:
        self._random = random_
        self._folder = folder
        self._history = History(folder)
        self._second = 0
        self._open: list[str] = []
        self._message = ""

    def live(self, steps: int) -> None:
        for _ in range(steps):
            self._random.choice(
                [
                    self._say,
                    self._say,
                    self._call,
                    self._end,
                    self._grow,
                    self._read,
                    self._read,
                    self._seal,
                    self._seal,
                    self._seal_in_part,
                    self._keep_house,
                    self._rewrite,
                    self._copy,
                ]
            )()

    def _next(self) -> tuple[str, int]:
        self._second += 1
        return f"x{self._second}", self._second

    def _write(self, *records: Any) -> None:
        with self._history.path.open("ab") as handle:
            handle.write(lines(records))

    def _say(self) -> None:
        for _ in range(self._random.choice([1, 2, 60])):
            key, second = self._next()
            said = "word " * self._random.choice([1, 1, 1, 2_000])
            self._write(
                user(key, second, said) if self._random.random() < 0.5 else assistant(key, second, text(said))
            )

    def _call(self) -> None:
        key, second = self._next()
        self._write(assistant(key, second, call(f"t{second}", "Bash", command="ls")))
        self._open.append(f"t{second}")

    def _end(self) -> None:
        if self._open:
            key, second = self._next()
            which = self._open.pop(self._random.randrange(len(self._open)))
            self._write(result(key, second, which, "out " * self._random.choice([1, 2_000])))

    def _grow(self) -> None:
        key, second = self._next()
        if not self._message or self._random.random() < 0.5:
            self._message = f"m{second}"
        self._write(assistant(key, second, text(f"part {second}"), message_id=self._message))

    def _read(self) -> None:
        self._history.read()

    def _seal(self) -> None:
        seal_all()

    def _seal_in_part(self) -> None:
        """Hashing is interrupted, by something that is read meanwhile, or for good."""
        for session in AgentSession.objects.all():
            steps = seal_session(session.pk, actor=SYSTEM)
            for _ in range(self._random.randrange(3)):
                next(steps, None)
            if self._random.random() < 0.5:
                self._grow()
                self._read()
                list(steps)

    def _keep_house(self) -> None:
        for session in AgentSession.objects.all():
            self._random.choice([archive_session, unarchive_session])(session.pk, actor=SYSTEM)
            rename_session(session.pk, f"Title {self._second}", actor=SYSTEM)

    def _rewrite(self) -> None:
        if self._history.path.exists():
            kept = self._history.path.read_bytes().splitlines(keepends=True)
            self._history.path.write_bytes(b"".join(kept[: self._random.randrange(len(kept) + 1)]))

    def _copy(self) -> None:
        if self._history.path.exists():
            (self._folder / "copy").mkdir(exist_ok=True)
            shutil.copy(self._history.path, self._folder / "copy" / f"{SESSION}.jsonl")


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_whatever_the_program_does_is_never_taken_for_damage(seed: int, tmp_path: Path) -> None:
    random_ = random.Random(seed)
    Life(random_, tmp_path).live(random_.randrange(5, 40))
    assert contents()[0] == "sound"
    seal_all()
    assert contents()[0] == "sound"
    for session in AgentSession.objects.all():
        assert session.sealed_seq == session.last_seq
    # And nothing of it is left uncovered.
    rows = [row for model in (Message, ToolCall, Event) for row in model.objects.all()]
    for row in random_.sample(rows, min(3, len(rows))):
        with transaction.atomic():
            type(row).objects.filter(pk=row.pk).update(at_ms=row.at_ms + 1)
            assert contents()[0] == "broken", (seed, row.seq)
            transaction.set_rollback(True)
