"""What entries have committed to is compared with what is stored: sealed output of terminals."""

from collections.abc import Callable

import pytest
from django.db import connection

from audit.covers import Contents
from audit.models import Entry
from audit.standing import BackgroundVerifier, standing
from audit.verification import verify
from sessions_app.models import Terminal, TerminalSegment
from tests.audit.attacks import drop_triggers
from tests.sessions_app.terminals.recorder import start_recorder

pytestmark = pytest.mark.django_db


def sealed_terminal(*, output: bytes = b"\x1b[1mmake\x1b[0m: done\r\n" * 40) -> Terminal:
    recorder = start_recorder()
    recorder.write(output)
    recorder.write(b"$ ")
    recorder.exit()
    return recorder.refresh()


def sealing_entry(terminal: Terminal) -> int:
    return Entry.objects.get(action="terminal.sealed", target_id=str(terminal.pk)).idx


def changed(column: str, change: Callable[[bytes], bytes]) -> Callable[[TerminalSegment], None]:
    def act(segment: TerminalSegment) -> None:
        value = change(bytes(getattr(segment, column)))
        TerminalSegment.objects.filter(pk=segment.pk).update(**{column: value})

    return act


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


DAMAGES: dict[str, tuple[Callable[[TerminalSegment], object], str]] = {
    "a changed byte of output": (changed("data", flipped), ""),
    "output that was cut off": (changed("data", lambda data: data[:-2]), ""),
    "a changed byte of timing": (changed("timing", flipped), "other times"),
    "another first moment": (
        lambda segment: TerminalSegment.objects.filter(pk=segment.pk).update(first_us=segment.first_us + 1),
        "other times",
    ),
    "another last moment": (
        lambda segment: TerminalSegment.objects.filter(pk=segment.pk).update(last_us=segment.last_us + 1),
        "other times",
    ),
    "another hash": (
        lambda segment: TerminalSegment.objects.filter(pk=segment.pk).update(sha256="0" * 64),
        "named otherwise",
    ),
    "another size": (
        lambda segment: TerminalSegment.objects.filter(pk=segment.pk).update(size=segment.size - 1),
        "",
    ),
    "another place": (
        lambda segment: TerminalSegment.objects.filter(pk=segment.pk).update(offset=segment.offset + 1),
        "is gone",
    ),
    "a missing segment": (lambda segment: segment.delete(), "is gone"),
    "a missing terminal": (
        lambda segment: (segment.delete(), segment.terminal.events.all().delete(), segment.terminal.delete()),
        "is gone",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_to_sealed_output_is_named_with_its_entry(name: str) -> None:
    sealed_terminal()
    terminal = sealed_terminal()
    idx = sealing_entry(terminal)
    assert verify().verdict("contents").outcome == "sound"
    damage, said = DAMAGES[name]
    damage(TerminalSegment.objects.get(terminal=terminal))
    found = verify()
    verdict = found.verdict("contents")
    assert (verdict.outcome, verdict.first_bad_idx, found.first_bad_idx) == ("broken", idx, idx)
    assert str(terminal.pk) in verdict.text
    assert said in verdict.text
    assert [one.check for one in found.broken] == ["contents"]


def test_every_segment_of_every_terminal_is_looked_at() -> None:
    terminals = [sealed_terminal(output=bytes(300_000)) for _ in range(3)]
    segments = TerminalSegment.objects.filter(terminal__in=terminals).count()
    assert segments > len(terminals)
    seen: list[tuple[str, int, int]] = []
    found = verify(progress=lambda *step: seen.append(step))
    entries = Entry.objects.filter(action="terminal.sealed").count()
    assert f"{segments} sealed pieces are as {entries} entries" in found.verdict("contents").text
    assert [what for what, _, _ in seen].count("contents") == segments


def test_the_log_can_be_verified_without_contents() -> None:
    terminal = sealed_terminal()
    TerminalSegment.objects.filter(terminal=terminal).delete()
    found = verify(with_contents=False)
    assert found.is_sound
    assert found.verdict("contents").outcome == "unchecked"


def test_several_damaged_entries_are_all_named() -> None:
    terminals = [sealed_terminal() for _ in range(3)]
    TerminalSegment.objects.all().delete()
    text = verify().verdict("contents").text
    for terminal in terminals:
        assert str(sealing_entry(terminal)) in text


def test_what_changed_entries_say_of_contents_is_not_believed() -> None:
    first, second = sealed_terminal(), sealed_terminal()
    drop_triggers()
    Entry.objects.filter(idx=sealing_entry(second)).update(body="{}")
    verdict = verify().verdict("contents")
    assert verdict.outcome == "unchecked"
    assert "1 sealed pieces" in verdict.text
    TerminalSegment.objects.filter(terminal=first).delete()
    assert verify().verdict("contents").first_bad_idx == sealing_entry(first)


def test_a_look_goes_on_where_another_one_ended() -> None:
    for _ in range(3):
        sealed_terminal()
    contents, size = Contents(), Entry.objects.count()
    next(contents.steps(size))
    for _ in contents.steps(size):
        pass
    assert contents.next_idx == size
    assert contents.entries == 3
    assert list(contents.steps(size)) == []


def test_the_background_names_damage_and_sees_that_it_was_mended() -> None:
    terminal = sealed_terminal()
    verifier = BackgroundVerifier()
    verifier.look()
    assert (standing().problem, standing().contents_size) == ("", Entry.objects.count())
    segment = TerminalSegment.objects.get(terminal=terminal)
    changed("data", flipped)(segment)
    sealed_terminal()
    verifier = BackgroundVerifier()
    for _ in range(2):
        verifier.look()
        assert standing().first_bad_idx == sealing_entry(terminal)
        assert str(terminal.pk) in standing().problem
    segment.save()
    verifier.look()
    assert (standing().problem, standing().first_bad_idx) == ("", None)
    assert standing().contents_size == Entry.objects.count()


def test_an_index_leads_to_the_entries_that_commit() -> None:
    for _ in range(2):
        sealed_terminal()
    rows = Entry.objects.filter(action="terminal.sealed", idx__gte=1, idx__lt=9).order_by("idx")
    if connection.vendor == "sqlite":
        plan = rows.values_list("idx", "body").explain()
        assert "audit_action" in plan
        assert "TEMP B-TREE" not in plan
