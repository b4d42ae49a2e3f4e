"""Verifying: what is covered, what explains itself, and that other processes find the same."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from audit import parallel, triggers
from audit.actors import SYSTEM, Actor
from audit.models import Checkpoint, Entry, Log, Payload, Pruning
from audit.new_key import replace_key
from audit.record import Attachment, DamagedLog, Draft, Target, append
from audit.rows import Rows
from audit.segments import HOLD_PLACED, HOLD_RELEASED, Segment, check, ranges
from audit.signing import tree_head, write_checkpoint
from audit.tree import leaf_hash, perfect_root, root_of
from audit.verdicts import Check
from audit.verification import verify, verify_and_record
from tests.audit.attacks import drop_triggers
from tests.audit.logs import draft, grow, prune

pytestmark = pytest.mark.django_db


def append_one(action: str, **details: object) -> int:
    with transaction.atomic():
        return append([Draft(action, SYSTEM, details=details)])[0].idx


def with_payloads(count: int) -> None:
    with transaction.atomic():
        append([Draft("note.added", SYSTEM, attachment=Attachment(b"x")) for _ in range(count)])


def test_an_empty_log_is_sound() -> None:
    found = verify()
    assert found.is_sound
    assert found.size == 0


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 600, 1_025])
def test_the_root_is_that_of_all_entries(size: int) -> None:
    grow(random.Random(size), size)
    leaves = [bytes(leaf) for leaf in Entry.objects.order_by("idx").values_list("leaf", flat=True)]
    found = verify()
    assert found.broken == ()
    assert found.root == root_of(leaves)


def test_ranges_cover_a_log_without_a_hole_and_hang_from_one_node_each() -> None:
    for start, end in ((0, 1), (0, 255), (0, 70_000), (256, 1_000), (16_384 - 256, 40_001)):
        found = list(ranges(start, end))
        assert [last for _, last in found[:-1]] == [first for first, _ in found[1:]]
        assert (found[0][0], found[-1][1]) == (start, end)
        for first, last in found[:-1]:
            assert first % (last - first) == 0


def test_a_range_finds_its_own_nodes() -> None:
    grow(random.Random(3), 512)
    leaves = [bytes(leaf) for leaf in Entry.objects.order_by("idx").values_list("leaf", flat=True)]
    with connection.cursor() as cursor:
        segment = check(Rows(cursor, is_sqlite=connection.vendor == "sqlite"), 0, 512, [300])
    assert segment.tiles == [perfect_root(leaves[:256]), perfect_root(leaves[256:])]
    assert segment.frontiers[512] == [perfect_root(leaves)]
    assert segment.frontiers[300][0] == perfect_root(leaves[:256])


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="Postgres keeps no text that is none")
def test_text_that_is_no_utf8_is_found_out() -> None:
    grow(random.Random(4), 30)
    drop_triggers()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE audit_entry SET actor_label = CAST(x'ff41' AS TEXT) WHERE idx = 17")
    assert verify().verdict("columns").first_bad_idx == 17


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="Postgres keeps nothing else in such a column")
@pytest.mark.parametrize(
    "change",
    [
        "target_label = target_label || char(0) || 'more'",
        "target_label = CAST(target_label AS BLOB)",
        "actor_label = CAST(actor_label AS BLOB)",
        "actor_label = actor_label || char(0)",
        "actor_type = 7",
        "at_ms = 'x'",
        "at_ms = at_ms + 0.5",
        "action = action || '\"'",
        "id = upper(id)",
        "id = substr(id, 1, 31)",
        "run_id = 'x'",
        """session_id = '","session":"'""",
        'body = replace(body, \'"details":{\', \'"decision":"","details":{\')',
    ],
)
def test_a_column_that_says_it_in_another_way_is_found_out(change: str) -> None:
    grow(random.Random(4), 30)
    drop_triggers()
    with connection.cursor() as cursor:
        # Letters, so that each of these changes something.
        cursor.execute(
            "UPDATE audit_entry SET id = 'abcdef' || substr(id, 7), body = replace(body, substr(id, 1, 6), 'abcdef')"
            " WHERE idx = 17"
        )
        assert not verify().verdict("columns").first_bad_idx
        cursor.execute(f"UPDATE audit_entry SET {change} WHERE idx = 17")  # noqa: S608  from above
    assert verify().verdict("columns").first_bad_idx == 17


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="Postgres keeps nothing else in such a column")
@pytest.mark.parametrize("value", ["'x'", "1.5", "''"])
@pytest.mark.parametrize(
    ("column", "check"), [("audit_log SET frontier", "frontier"), ("audit_subtree SET hash", "subtrees")]
)
def test_what_is_kept_of_the_tree_in_another_type_is_found_out(column: str, check: Check, value: str) -> None:
    grow(random.Random(4), 300)
    drop_triggers()
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {column} = {value}")
    assert verify().verdict(check).first_bad_idx == 0
    if check == "frontier":
        with pytest.raises(DamagedLog):
            append_one("sign_in.succeeded")


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="Postgres keeps nothing else in such a column")
@pytest.mark.parametrize("change", ["size = 'x'", "size = size + 0.5", "frontier = 'x'", "frontier = 7"])
def test_the_row_of_the_log_takes_no_other_type(change: str) -> None:
    append_one("sign_in.succeeded")
    with pytest.raises(IntegrityError, match="only grows"), transaction.atomic():
        connection.cursor().execute(f"UPDATE audit_log SET {change}")  # noqa: S608  from above


def test_any_text_is_held_against_its_columns() -> None:
    odd = [
        'a "quote"',
        "back\\slash",
        "tab\tline\nfeed\r",
        "\x01\x1f\x7f",
        "é ß 漢 🙂",
        "</script>",
        "a/b",
        " ",
        "}",
    ]
    with transaction.atomic():
        append([Draft("note.added", Actor("person", text, text), Target(text, text, text)) for text in odd])
    assert verify().is_sound
    drop_triggers()
    for idx in range(len(odd)):
        with transaction.atomic():
            Entry.objects.filter(idx=idx).update(actor_label="another")
            assert verify().verdict("columns").first_bad_idx == idx
            transaction.set_rollback(True)


def test_a_pruned_payload_is_explained_by_its_entry() -> None:
    with_payloads(10)
    prune(2, 5)
    write_checkpoint()
    assert verify().is_sound
    drop_triggers()
    Payload.objects.filter(idx=7).delete()
    found = verify().verdict("payloads")
    assert (found.outcome, found.first_bad_idx) == ("broken", 7)


def test_a_legal_hold_is_stronger_than_a_pruning_until_it_is_released() -> None:
    with_payloads(10)
    hold = append_one(HOLD_PLACED, first_idx=4, last_idx=6)
    prune(0, 5)
    found = verify().verdict("payloads")
    assert (found.outcome, found.first_bad_idx) == ("broken", 4)
    assert "legal hold" in found.text
    append_one(HOLD_RELEASED, hold=hold)
    prune(4, 9)
    assert verify().verdict("payloads").outcome == "sound", "it was announced again when nothing held it"


def test_a_row_that_lets_payloads_go_is_no_explanation() -> None:
    with_payloads(3)
    Pruning.objects.create(idx=0, first_idx=1, last_idx=1)
    Payload.objects.filter(idx=1).delete()
    assert verify().verdict("payloads").first_bad_idx == 1


def test_a_replaced_key_is_trusted_up_to_the_entry_that_replaced_it() -> None:
    grow(random.Random(5), 20)
    old = Checkpoint.objects.latest("size")
    entry = replace_key("lost", actor=SYSTEM)
    write_checkpoint()
    document = json.loads(entry.body)["details"]
    assert document["old"] == old.key
    assert document["new"] == Checkpoint.objects.latest("size").key != old.key
    found = verify([old.note])
    assert found.is_sound, found.broken


def test_an_old_key_signs_nothing_after_it_was_replaced() -> None:
    from audit.keys import load_key

    grow(random.Random(6), 20)
    thief = load_key(Log.objects.get().origin)
    replace_key("seen by somebody", actor=SYSTEM)
    grow(random.Random(7), 5)
    newest = Checkpoint.objects.latest("size")
    drop_triggers()
    head = tree_head()
    assert head is not None
    Checkpoint.objects.filter(size=newest.size).update(note=thief.sign(str(head)), key=str(thief.verifier))
    found = verify().verdict("signatures")
    assert found.outcome == "broken"
    assert "had replaced" in found.text


def test_a_verification_is_an_entry_with_its_verdicts() -> None:
    grow(random.Random(8), 20)
    found, trouble = verify_and_record(SYSTEM)
    entry = Entry.objects.latest("idx")
    details = json.loads(entry.body)["details"]
    assert (trouble, entry.action, entry.decision) == ("", "log.verified", "sound")
    assert (details["size"], details["root"]) == (20, found.root.hex())
    assert details["verdicts"]["leaves"] == "sound"


def test_a_log_that_takes_no_entry_is_judged_all_the_same() -> None:
    grow(random.Random(9), 20)
    drop_triggers()
    Log.objects.all().delete()
    with transaction.atomic():
        found, trouble = verify_and_record(SYSTEM)
    assert found.verdict("sequence").outcome == "broken"
    assert "how far it reaches is gone" in trouble


@pytest.mark.django_db(transaction=True)
def test_other_processes_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    random_ = random.Random(10)
    with transaction.atomic():
        append([draft(random_, number) for number in range(1_500)])
    write_checkpoint()
    here = verify()
    monkeypatch.setattr(parallel, "WORTHWHILE", 1)
    monkeypatch.setattr(parallel, "usable_cores", lambda: 2)
    seen = []
    there = verify(progress=lambda _, done, size: seen.append((done, size)))
    assert here.broken == there.broken == ()
    assert (there.root, there.size) == (here.root, 1_500)
    assert seen[-1] == (1_500, 1_500)


def edit(idx: int) -> None:
    entry = Entry.objects.get(idx=idx)
    Entry.objects.filter(idx=idx).update(body=entry.body.replace('"action":"', '"action":"x'))


def edit_and_hash(idx: int) -> None:
    """Leaves only hashes to tell: a span, not an entry."""
    body = json.loads(Entry.objects.values_list("body", flat=True).get(idx=idx))
    body["details"]["n"] = -1
    text = json.dumps(body, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    Entry.objects.filter(idx=idx).update(body=text, leaf=leaf_hash(text.encode()))


def delete(idx: int) -> None:
    Entry.objects.filter(idx=idx).delete()


def edit_a_column(idx: int) -> None:
    Entry.objects.filter(idx=idx).update(actor_label="eve")


def edit_a_payload(idx: int) -> None:
    assert Payload.objects.filter(idx=idx).update(data=b"another")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("spoil", "check_name", "is_exact"),
    [
        (edit, "leaves", True),
        (edit_and_hash, "subtrees", False),
        (delete, "sequence", True),
        (edit_a_column, "columns", True),
        (edit_a_payload, "payloads", True),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_other_processes_find_the_same_in_a_log_that_was_tampered_with(
    monkeypatch: pytest.MonkeyPatch, spoil: Callable[[int], None], check_name: Check, is_exact: bool
) -> None:
    """In a range of its own behind the first one, which another process looks at."""
    random_ = random.Random(11)
    with transaction.atomic():
        append([draft(random_, number) for number in range(1_500)])
    write_checkpoint()
    head = Checkpoint.objects.latest("size").note
    assert [end for _, end in ranges(0, 1_500)][:2] == [1_024, 1_280]
    idx = Payload.objects.filter(idx__gt=1_100).order_by("idx").values_list("idx", flat=True)[0]
    drop_triggers()
    try:
        spoil(idx)
        here = verify([head])
        monkeypatch.setattr(parallel, "WORTHWHILE", 1)
        monkeypatch.setattr(parallel, "usable_cores", lambda: 2)
        spread = []
        real = parallel.checked

        def noted(*arguments: Any, **options: Any) -> Iterator[Segment]:
            spread.append(1)
            return real(*arguments, **options)

        monkeypatch.setattr(parallel, "checked", noted)
        there = verify([head])
    finally:
        triggers.install()
    assert spread == [1]
    assert there.verdicts == here.verdicts
    assert (there.root, there.first_bad_idx) == (here.root, here.first_bad_idx)
    verdict = there.verdict(check_name)
    assert verdict.outcome == "broken"
    if is_exact:
        assert verdict.first_bad_idx == there.first_bad_idx == idx
    else:
        assert there.first_bad_idx is not None
        assert there.first_bad_idx <= idx
