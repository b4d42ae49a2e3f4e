"""The log as a tree: what appending keeps, what the triggers refuse, and what is signed."""

import json
import math
import stat
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core import checks
from django.db import DatabaseError, IntegrityError, connection, transaction

from audit import triggers
from audit.actors import SYSTEM
from audit.health import _look, health, require_sound_log
from audit.keys import KeyMissing, KeyUnavailable, key_path
from audit.models import Checkpoint, Entry, Log, Payload, Subtree
from audit.new_key import replace_key
from audit.notes import Signer, TreeHead, Verifier
from audit.own_key import key_trouble, present_key
from audit.record import Attachment, Draft, append, commitment, record
from audit.restored import put_log
from audit.signing import (
    LONG_HELD_S,
    CheckpointWriter,
    newest_checkpoint,
    sign_after,
    signing,
    tree_head,
    write_checkpoint,
)
from audit.strip import strip
from audit.tree import leaf_hash, perfect_root, root_of
from audit.verification import verify
from dashboard.doctor import Doctor
from dashboard.lib.background import faults
from dashboard.lib.errors import Refused
from tests.audit.attacks import drop_triggers

pytestmark = pytest.mark.django_db(transaction=True)


def entries(count: int) -> list[Entry]:
    with transaction.atomic():
        return append([Draft("sign_in.succeeded", SYSTEM, details={"n": n}) for n in range(count)])


def head() -> TreeHead:
    found = tree_head()
    assert found is not None
    return found


def test_the_head_is_the_root_over_all_entries() -> None:
    for count in (1, 1, 5, 300):
        entries(count)
    leaves = [leaf_hash(entry.body.encode()) for entry in Entry.objects.order_by("idx")]
    assert head().size == len(leaves) == 307
    assert head().root == root_of(leaves)
    assert [bytes(entry.leaf) for entry in Entry.objects.order_by("idx")] == leaves


def test_every_whole_tile_has_its_root() -> None:
    entries(600)
    leaves = [bytes(entry.leaf) for entry in Entry.objects.order_by("idx")]
    kept = [(tree.level, tree.number, bytes(tree.hash)) for tree in Subtree.objects.order_by("number")]
    assert kept == [(1, 0, perfect_root(leaves[:256])), (1, 1, perfect_root(leaves[256:512]))]


def test_what_is_undone_leaves_no_place_empty() -> None:
    entries(2)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        assert record("sign_in.succeeded", actor=SYSTEM).idx / 0
    entries(1)
    assert list(Entry.objects.order_by("idx").values_list("idx", flat=True)) == [0, 1, 2]
    assert head().size == 3


def test_a_payload_lies_apart_and_is_committed_to() -> None:
    with transaction.atomic():
        entry = record("sign_in.succeeded", actor=SYSTEM, attachment=Attachment(b"the prompt"))
    kept = Payload.objects.get(idx=entry.idx)
    assert bytes(kept.data) == b"the prompt"
    assert "the prompt" not in entry.body
    assert commitment(bytes(kept.salt), b"the prompt") in entry.body


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET action = 'x'",
        "UPDATE audit_entry SET idx = idx + 10",
        "DELETE FROM audit_entry",
        "DELETE FROM audit_log",
        "UPDATE audit_log SET size = 0",
        "UPDATE audit_log SET log_id = {new}",
        "DELETE FROM audit_checkpoint",
        "UPDATE audit_checkpoint SET note = ''",
        "DELETE FROM audit_subtree",
        "UPDATE audit_subtree SET level = 2",
        "DELETE FROM audit_payload",
        "UPDATE audit_payload SET data = salt",
        "DELETE FROM audit_pruning",
        "INSERT INTO audit_entry SELECT 999, {new}, at_ms, actor_type, actor_id, actor_label, action, target_type,"
        " target_id, target_label, session_id, run_id, decision, body, leaf FROM audit_entry WHERE idx = 0",
    ],
)
def test_the_tables_refuse_to_be_changed(statement: str) -> None:
    with transaction.atomic():
        append([Draft("sign_in.succeeded", SYSTEM, attachment=Attachment(b"x")) for _ in range(256)])
        connection.cursor().execute(
            "INSERT INTO audit_pruning (idx, first_idx, last_idx) VALUES (0, 900, 901)"
        )
    write_checkpoint()
    new = uuid.uuid4().hex
    with pytest.raises((DatabaseError, IntegrityError)), transaction.atomic():
        connection.cursor().execute(statement.replace("{new}", f"'{new}'"))
    assert Entry.objects.count() == head().size == 256


#: Each of these would stand in the way of what is yet to come, and could not be removed again.
BEYOND = (
    *(("audit_checkpoint (size, at_ms, note, key)", (size, 0, "x", "x")) for size in (10**12, 301, 0, -1)),
    *(
        ("audit_subtree (level, number, hash)", (level, number, b"x"))
        for level, number in (
            *((1, number) for number in (1, 2, -1, 2**55, 2**56 - 1, 2**63 - 1)),
            *((level, 0) for level in (0, 2, 7, 8, 9, 32_767)),
            *((level, 299) for level in (0, 8, 16)),
        )
    ),
    *(("audit_payload (idx, salt, data)", (idx, b"x", b"x")) for idx in (300, 10**12, -1)),
)


@pytest.mark.parametrize(("columns", "values"), BEYOND)
def test_nothing_is_kept_of_entries_that_are_not_there(columns: str, values: tuple[Any, ...]) -> None:
    with transaction.atomic():
        append([Draft("sign_in.succeeded", SYSTEM) for _ in range(300)])
    marks = ", ".join(["%s"] * len(values))
    with pytest.raises(DatabaseError, match="not there"), transaction.atomic():
        connection.cursor().execute(f"INSERT INTO {columns} VALUES ({marks})", values)  # noqa: S608  from above
    with transaction.atomic():
        append([Draft("sign_in.succeeded", SYSTEM, attachment=Attachment(b"x")) for _ in range(300)])
    assert write_checkpoint() is not None


def test_a_head_of_entries_that_are_not_there_is_not_the_newest() -> None:
    entries(3)
    signed = write_checkpoint()
    assert signed is not None
    key = present_key()
    drop_triggers()
    Checkpoint.objects.create(size=10**12, at_ms=0, note="x", key="x")
    triggers.install()
    assert newest_checkpoint() == signed
    assert (present_key(), key_trouble()) == (key, "")
    require_sound_log()
    entries(1)
    assert write_checkpoint() == newest_checkpoint() != signed


def test_a_head_that_nobody_signed_says_nothing_of_the_key() -> None:
    entries(3)
    assert write_checkpoint() is not None
    key = present_key()
    entries(1)
    # As the server's role on Postgres may.
    Checkpoint.objects.create(size=4, at_ms=0, note="x", key="x")
    assert (present_key(), key_trouble()) == (key, "")
    entries(1)
    signed = write_checkpoint()
    assert signed is not None
    assert (signed, signed.key) == (newest_checkpoint(), key)


def test_where_no_head_is_as_it_was_signed_no_other_key_is_made() -> None:
    entries(1)
    assert write_checkpoint() is not None
    drop_triggers()
    Checkpoint.objects.update(note="x")
    triggers.install()
    key_path(Log.objects.get().origin).unlink()
    entries(1)
    with pytest.raises(KeyMissing):
        write_checkpoint()


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="Postgres has no INSERT OR REPLACE")
@pytest.mark.parametrize(
    "table", ["audit_entry", "audit_log", "audit_checkpoint", "audit_payload", "audit_subtree"]
)
def test_nothing_is_replaced(table: str) -> None:
    with transaction.atomic():
        append([Draft("sign_in.succeeded", SYSTEM, attachment=Attachment(b"x")) for _ in range(256)])
    write_checkpoint()
    with pytest.raises(IntegrityError), transaction.atomic():
        connection.cursor().execute(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} LIMIT 1")  # noqa: S608


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no TRUNCATE")
@pytest.mark.parametrize("table", ["audit_entry", "audit_log", "audit_checkpoint", "audit_payload"])
def test_nothing_is_truncated(table: str) -> None:
    entries(1)
    with pytest.raises(DatabaseError), transaction.atomic():
        connection.cursor().execute(f"TRUNCATE {table} CASCADE")


def test_a_missing_trigger_keeps_the_server_from_starting_and_a_migration_puts_it_back() -> None:
    from django.core.management import call_command

    require_sound_log()
    on_table = "" if connection.vendor == "sqlite" else " ON audit_entry"
    connection.cursor().execute(f"DROP TRIGGER audit_entry_no_update{on_table}")
    assert triggers.missing() == ["audit_entry_no_update"]
    with pytest.raises(Refused, match="audit_entry_no_update"):
        require_sound_log()
    found = checks.run_checks(tags=[checks.Tags.database], databases=["default"])
    assert "audit.W001" in [message.id for message in found]
    # As from the command line, with the checks that come before: they must not refuse what mends it.
    call_command("migrate", verbosity=0, skip_checks=False)
    assert triggers.missing() == []
    assert [message.id for message in checks.run_checks(databases=["default"])] == []


HARMLESS = {
    "postgresql": [
        "BEFORE {operation} ON {table} {level} WHEN (false) EXECUTE FUNCTION {name}()",
        "AFTER {operation} ON {table} {level} EXECUTE FUNCTION {name}()",
        "BEFORE {other} ON {table} {level} EXECUTE FUNCTION {name}()",
        "BEFORE {operation} ON {elsewhere} {level} EXECUTE FUNCTION {name}()",
        "BEFORE {operation} ON {table} {level} EXECUTE FUNCTION {name}('x')",
    ],
    "sqlite": [
        "BEFORE {operation} ON {table} WHEN 0 BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
        "BEFORE {operation} ON {elsewhere} BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    ],
}


@pytest.mark.parametrize("name", ["no_update", "no_delete", "no_truncate"])
def test_a_trigger_of_the_same_name_that_does_less_is_a_missing_one(name: str) -> None:
    operation = name.removeprefix("no_").upper()
    level = "FOR EACH STATEMENT" if name == "no_truncate" else "FOR EACH ROW"
    own = [one for one in triggers.names() if one.endswith(f"_{name}")]
    if name == "no_truncate" and connection.vendor == "sqlite":
        pytest.skip("SQLite has no TRUNCATE")
    assert len(own) >= 5
    for trigger in own:
        table = trigger.removesuffix(f"_{name}")
        facts = {
            "name": trigger,
            "operation": operation,
            "other": "INSERT",
            "level": level,
            "table": table,
            "elsewhere": "sessions_app_tag",
        }
        for definition in HARMLESS[connection.vendor]:
            with transaction.atomic(), connection.cursor() as cursor:
                on_table = "" if connection.vendor == "sqlite" else f" ON {table}"
                cursor.execute(f"DROP TRIGGER {trigger}{on_table}")
                cursor.execute(f"CREATE TRIGGER {trigger} {definition.format(**facts)}")
                if connection.vendor == "postgresql" and "{elsewhere}" not in definition:
                    cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")
                assert triggers.missing() == [trigger], definition
                transaction.set_rollback(True)
    assert triggers.missing() == []


def test_a_trigger_that_fires_for_no_row_is_put_back_by_a_migration() -> None:
    from django.core.management import call_command

    entries(1)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DROP TRIGGER audit_entry_no_update")
            cursor.execute(
                "CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON audit_entry WHEN 0"
                " BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
            )
        else:
            cursor.execute("DROP TRIGGER audit_entry_no_update ON audit_entry")
            cursor.execute(
                "CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON audit_entry FOR EACH ROW WHEN (false)"
                " EXECUTE FUNCTION audit_entry_no_update()"
            )
            cursor.execute("ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER audit_entry_no_update")
        cursor.execute("UPDATE audit_entry SET decision = decision")
    with pytest.raises(Refused, match="audit_entry_no_update"):
        require_sound_log()
    call_command("migrate", verbosity=0)
    assert triggers.missing() == []
    with pytest.raises((DatabaseError, IntegrityError)), transaction.atomic():
        connection.cursor().execute("UPDATE audit_entry SET decision = decision")


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="only SQLite rebuilds a table to change it")
def test_a_rebuilt_table_keeps_its_triggers() -> None:
    from django.db import models

    entries(3)
    changed = models.TextField(default="")
    changed.set_attributes_from_name("extra")
    changed.model = Entry
    # As before each migration of the log.
    triggers.make_way()
    with connection.schema_editor() as editor:
        editor.add_field(Entry, changed)
    try:
        assert "audit_entry_no_update" in triggers.missing()
        with pytest.raises(Refused):
            require_sound_log()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        assert triggers.missing() == []
        with pytest.raises(IntegrityError), transaction.atomic():
            connection.cursor().execute("DELETE FROM audit_entry")
    finally:
        triggers.make_way()
        with connection.schema_editor() as editor:
            editor.remove_field(Entry, changed)
        triggers.install()


def test_a_checkpoint_is_signed_by_the_key_beside_the_database() -> None:
    entries(5)
    checkpoint = write_checkpoint()
    assert checkpoint is not None
    text = Verifier.parse(checkpoint.key).open(checkpoint.note)
    assert TreeHead.parse(text) == head()
    path = key_path(head().origin)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert write_checkpoint() is None, "it is signed already"


def test_a_lost_key_is_not_replaced_in_silence() -> None:
    entries(1)
    write_checkpoint()
    key_path(head().origin).unlink()
    entries(1)
    with pytest.raises(KeyUnavailable, match="new-key"):
        write_checkpoint()
    assert Checkpoint.objects.count() == 1
    with pytest.raises(Refused, match="missing"):
        require_sound_log()


def test_a_key_of_another_log_or_a_damaged_one_is_refused() -> None:
    entries(1)
    write_checkpoint()
    path = key_path(head().origin)
    key = path.read_text()
    entries(1)
    path.write_text("PRIVATE+KEY+" + "x" * 20)
    with pytest.raises(KeyUnavailable, match="damaged"):
        write_checkpoint()
    path.write_text(key)
    assert write_checkpoint() is not None


def _is_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (Path.unlink, "is missing. Put it back"),
        (_is_a_folder, "cannot be read: Is a directory"),
        (lambda path: path.write_text("PRIVATE+KEY+" + "x" * 20), "is damaged"),
        (
            lambda path: path.write_text(Signer.new("scrollback/another").written() + "\n"),
            "is the key of another log (scrollback/another)",
        ),
        (
            lambda path: path.write_text(Signer.new(head().origin).written() + "\n"),
            "is another key than the one that this log is signed with",
        ),
        (lambda path: path.chmod(0o644), "is open to others (0644)"),
        (lambda path: path.chmod(0o620), "is open to others (0620)"),
    ],
)
def test_a_system_check_says_of_the_key_what_the_server_says(
    spoil: Callable[[Path], None], said: str
) -> None:
    assert checks.run_checks(databases=["default"]) == [], "the first checkpoint makes it"
    entries(1)
    write_checkpoint()
    assert checks.run_checks(databases=["default"]) == []
    path = key_path(head().origin)
    spoil(path)
    try:
        (found,) = checks.run_checks(databases=["default"])
        assert (found.id, said in found.msg) == ("audit.W002", True)
        with pytest.raises(Refused) as refused:
            require_sound_log()
        assert found.msg == str(refused.value)
        assert health().grave == (found.msg,)
        (told,) = [one for one in Doctor(settings.CONFIG).findings() if one.name == "audit log"]
        assert (told.verdict, told.text) == ("fail", found.msg)
        assert checks.run_checks() == [], "commands that ask for no database read none"
    finally:
        if path.is_dir():
            path.rmdir()


def test_nothing_is_signed_with_another_key_of_the_same_name() -> None:
    """What a stranger's key signs would stay in the log for ever."""
    entries(1)
    write_checkpoint()
    path = key_path(head().origin)
    own = path.read_text()
    path.write_text(Signer.new(head().origin).written() + "\n")
    entries(1)
    with pytest.raises(KeyUnavailable, match="another key"):
        write_checkpoint()
    assert Checkpoint.objects.count() == 1
    path.write_text(own)
    assert write_checkpoint() is not None


def test_a_key_that_replaces_another_is_this_logs_own_before_it_has_signed() -> None:
    entries(1)
    write_checkpoint()
    for why in ("lost", "lost again"):
        replace_key(why, actor=SYSTEM)
        require_sound_log()
    first, second = [
        json.loads(entry.body)["details"] for entry in Entry.objects.filter(action="key.replaced")
    ]
    assert first["new"] == second["old"]
    assert write_checkpoint() is not None
    assert verify().is_sound


def wait_for_checkpoint(size: int) -> float:
    began = time.monotonic()
    while not Checkpoint.objects.filter(size=size).exists():
        assert time.monotonic() < began + 20
        time.sleep(0.01)
    return time.monotonic() - began


def test_what_a_command_leaves_is_signed_when_it_ends() -> None:
    with signing():
        entries(3)
    assert Checkpoint.objects.order_by("-size").values_list("size", flat=True).first() == 3


class Clock:
    """A time that passes only where somebody waits, and what happens at moments of it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.plan: list[tuple[float, Callable[[], object]]] = []

    def at(self, moment: float, act: Callable[[], object]) -> None:
        self.plan = sorted([*self.plan, (moment, act)], key=lambda one: one[0])

    def event(self) -> "Signal":
        return Signal(self)


class Signal(threading.Event):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        clock = self.clock
        until = math.inf if timeout is None else clock.now + timeout
        while not self.is_set() and clock.plan and clock.plan[0][0] <= until:
            moment, act = clock.plan.pop(0)
            clock.now = max(clock.now, moment)
            act()
        assert self.is_set() or timeout is not None, "nothing would ever wake it"
        if not self.is_set():
            clock.now = until
        return self.is_set()


@pytest.mark.parametrize("is_heard", [True, False])
def test_nothing_waits_a_second_to_be_signed(monkeypatch: pytest.MonkeyPatch, is_heard: bool) -> None:
    """Without the signing itself, which benchmarks/audit_append.py measures with the rest."""
    clock, writer = Clock(), CheckpointWriter(everybodys=True)
    monkeypatch.setattr(writer, "_awake", clock.event())
    monkeypatch.setattr(writer, "_stopping", clock.event())
    written, signed = dict[int, float](), dict[int, float]()

    def commit() -> None:
        (entry,) = entries(1)
        written[entry.idx] = clock.now
        if is_heard:
            writer._awake.set()

    def sign() -> Checkpoint | None:
        found = write_checkpoint()
        if found is not None:
            signed.update({idx: clock.now for idx in written if idx < found.size and idx not in signed})
        return found

    monkeypatch.setattr("audit.signing.write_checkpoint", sign)
    # At every phase of its looks, alone and close behind one another.
    moments = [3 * n + n / 17 for n in range(12)] + [50 + n * 0.07 for n in range(30)]
    for moment in moments:
        clock.at(moment, commit)
    clock.at(60, writer._stopping.set)
    clock.at(60, writer._awake.set)

    writer._run()

    assert len(signed) == len(written) == len(moments)
    waits = [signed[idx] - written[idx] for idx in written]
    assert 0 <= max(waits) <= (0.4 if is_heard else 0.8), max(waits)
    # What comes together is signed together.
    assert len({round(moment, 3) for moment in signed.values() if moment > 50}) < 15


def test_who_held_the_lock_for_long_signs_what_there_is_and_others_do_not() -> None:
    entries(3)
    sign_after(LONG_HELD_S / 2)
    with transaction.atomic():
        sign_after(LONG_HELD_S)
    assert not Checkpoint.objects.exists()
    sign_after(LONG_HELD_S)
    assert Checkpoint.objects.get().size == 3
    path = key_path(head().origin)
    key = path.read_bytes()
    path.unlink()
    entries(1)
    sign_after(LONG_HELD_S)
    assert Checkpoint.objects.count() == 1, "an import goes on without the key"
    path.write_bytes(key)
    path.chmod(0o600)


#: What one row of audit_checkpoint may say on SQLite, where a column keeps anything: no trigger can refuse all of it.
ODD_NOTES = ["x", "", "CAST(x'fe' AS TEXT)", "CAST(x'61f080ffe28094' AS TEXT)"]


def insert_checkpoint(size: int, note: str, key: str) -> None:
    """`note` and `key` are texts, or for SQLite expressions."""
    values = [value if value.startswith(("CAST", "x'")) else f"'{value}'" for value in (note, key)]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO audit_checkpoint (size, at_ms, note, key) VALUES ({size}, 1, {values[0]}, {values[1]})"  # noqa: S608
        )


@pytest.mark.parametrize("note", ODD_NOTES)
def test_a_checkpoint_that_somebody_inserts_ends_nothing(note: str) -> None:
    if connection.vendor == "postgresql" and note.startswith("CAST"):
        pytest.skip("Postgres keeps no text that is none")
    entries(3)
    write_checkpoint()
    entries(2)
    insert_checkpoint(5, note, note)
    assert key_trouble() == ""
    assert strip().head_trouble
    assert _look()
    require_sound_log()
    entries(1)
    assert write_checkpoint() is not None
    assert strip().head is not None
    assert verify().verdict("signatures").first_bad_idx == 4


@pytest.mark.once  # Postgres keeps nothing but text in a column of it.
@pytest.mark.parametrize("note, key", [("x'00'", "x'00'"), ("x", "x'00'"), ("x'00'", "x")])
def test_a_checkpoint_of_bytes_is_not_taken_and_ends_nothing(note: str, key: str) -> None:
    entries(3)
    write_checkpoint()
    entries(2)
    with pytest.raises(DatabaseError, match="text"):
        insert_checkpoint(5, note, key)
    # Whoever drops the trigger first, or has done it before there was one.
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER audit_checkpoint_text")
    insert_checkpoint(5, note, key)
    triggers.install({"audit_checkpoint_text"})
    assert key_trouble() == ""
    assert strip().head_trouble
    assert _look()
    entries(1)
    assert write_checkpoint() is not None
    assert verify().verdict("signatures").first_bad_idx == 4


def test_the_thread_that_signs_outlives_a_fault_and_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty() -> None:
        raise TypeError("a bytes-like object")

    writer = CheckpointWriter(everybodys=True)
    monkeypatch.setattr("audit.signing.write_checkpoint", faulty)
    monkeypatch.setattr("audit.signing.RETRY_S", 0.05)
    writer.start()
    try:
        entries(2)
        deadline = time.monotonic() + 20
        while not faults():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert "audit-signing" in faults()[0]
        assert "bytes-like" in writer.trouble
        monkeypatch.setattr("audit.signing.write_checkpoint", write_checkpoint)
        wait_for_checkpoint(2)
        while faults():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert writer.trouble == ""
    finally:
        writer.stop()


def test_a_fault_while_the_last_entries_are_signed_is_told_and_ends_no_command(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def faulty() -> None:
        raise TypeError("a bytes-like object")

    monkeypatch.setattr("audit.signing.write_checkpoint", faulty)
    with signing():
        entries(1)
    assert "bytes-like" in caplog.text
    assert not faults()


def test_a_look_at_the_health_that_fails_is_a_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty() -> str:
        raise TypeError("a bytes-like object")

    monkeypatch.setattr("audit.health.key_trouble", faulty)
    assert "bytes-like" in _look().grave[0]


def test_a_server_signs_what_others_commit() -> None:
    writer = CheckpointWriter(everybodys=True)
    writer.start()
    try:
        entries(2)
        wait_for_checkpoint(2)
        entries(2)
        wait_for_checkpoint(4)
    finally:
        writer.stop()


def test_an_interrupt_while_the_thread_that_signs_starts_is_not_made_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writer = CheckpointWriter(everybodys=True)

    def interrupted(_: threading.Thread) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer.start()

    writer.stop()


def test_the_log_has_a_name_of_its_own() -> None:
    entries(1)
    log = Log.objects.get()
    assert log.origin == f"scrollback/{log.log_id.hex[:16]}"
    assert log.origin.rpartition("/")[2] in key_path(log.origin).name


def test_a_log_takes_the_name_of_another_while_it_is_empty_and_no_longer() -> None:
    """As a restore does, into tables that were just made."""
    name = uuid.uuid4()
    Log.objects.get_or_create(pk=Log.THE_ONE, defaults={"size": 0, "frontier": b""})
    put_log(Log(log_id=name, size=0, frontier=b""))
    assert Log.objects.get().log_id == name
    entries(1)
    with pytest.raises((DatabaseError, IntegrityError)), transaction.atomic():
        put_log(Log(pk=Log.THE_ONE, log_id=uuid.uuid4(), size=1, frontier=bytes(32)))
    with pytest.raises((DatabaseError, IntegrityError)), transaction.atomic():
        Log.objects.update(log_id=uuid.uuid4())
    assert Log.objects.get().log_id == name
