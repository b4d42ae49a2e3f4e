"""Entries of a shape that no program of ours writes end no verification: they are findings like any other."""

import json
import random
from typing import Any

import pytest
from django.db import transaction

from audit.actors import SYSTEM
from audit.covers import Contents
from audit.holds import holds_in_force
from audit.models import Entry
from audit.notes import Signer
from audit.own_key import key_trouble
from audit.record import Draft, Target, append
from audit.segments import Statement
from audit.standing import BackgroundVerifier, standing
from audit.trust import trusted_keys
from audit.verification import verify
from dashboard.lib.errors import Refused
from tests.audit.attacks import HEEDED_DETAILS, ODD_VALUES, drop_triggers, recompute
from tests.audit.logs import grow
from tests.endurance.sizes import full_or

pytestmark = pytest.mark.django_db

ID = "01890000-0000-7000-8000-000000000001"
PIECE = {"first_seq": 1, "last_seq": 3, "rows": 3, "sha256": "0" * 64}
LINES = {"offset": 0, "size": 7, "sha256": "0" * 64}
SEGMENT = {**LINES, "timing_sha256": "0" * 64, "first_us": 0, "last_us": 9}
#: What our own programs write, of something that is not there.
USUAL: dict[str, dict[str, Any]] = {
    "session.sealed": {"form": 1, "first_seq": 1, "last_seq": 3, "rows": 3, "pieces": [PIECE]},
    "session.unsealed": {"first_seq": 1, "last_seq": 3, "changed_seq": 2},
    "source.sealed": {**LINES, "pieces": [LINES]},
    "terminal.sealed": {"segments": [SEGMENT]},
}
ODD: list[Any] = [
    None, True, -1, 0, 7, 1.5, 2**70, "", "x", [], [[]], [None], [{}], {}, {"": []},
]  # fmt: skip


def put(action: str, details: Any, target_id: str = ID) -> int:
    """An entry with these details that is sound by its hash: whoever has the key can write one."""
    with transaction.atomic():
        (entry,) = append([Draft(action, SYSTEM, Target("session", target_id, "x"))])
    document = {**json.loads(entry.body), "details": details}
    body = json.dumps(document, separators=(",", ":"), sort_keys=True)
    Entry.objects.filter(idx=entry.idx).update(body=body)
    return entry.idx


def variants(usual: dict[str, Any]) -> list[Any]:
    """The details with one odd value in each place in turn, or without it, or odd as a whole."""
    found: list[Any] = [odd for odd in ODD if not isinstance(odd, dict) or odd]
    for name, value in usual.items():
        found += [{**usual, name: odd} for odd in ODD]
        found.append({key: said for key, said in usual.items() if key != name})
        if isinstance(value, list):
            for member in value[0]:
                found += [{**usual, name: [{**value[0], member: odd}]} for odd in ODD]
                found.append({**usual, name: [{k: said for k, said in value[0].items() if k != member}]})
            found.append({**usual, name: [value[0], {**value[0], "last_seq": 2**52, "size": 2**52}]})
    return found


@pytest.mark.parametrize("action", USUAL)
def test_what_is_odd_in_what_was_sealed_is_a_finding_at_its_entry(action: str) -> None:
    grow(random.Random(1), 3)
    drop_triggers()
    for details in variants(USUAL[action]):
        with transaction.atomic():
            idx = put(action, details)
            recompute()
            contents = Contents()
            for _ in contents.steps(idx + 1):
                pass
            for _ in contents.survey():
                pass
            transaction.set_rollback(True)
        if action != "session.unsealed" or not isinstance(details, dict) or "first_seq" not in details:
            # No session, source or terminal has this name, whatever else is wrong.
            assert contents.first_bad_idx == idx, details


@pytest.mark.parametrize("action", USUAL)
def test_what_was_sealed_of_no_name_is_a_finding_at_its_entry(action: str) -> None:
    drop_triggers()
    for name in ("", "x", "{}", ID[:-1]):
        with transaction.atomic():
            idx = put(action, USUAL[action], name)
            recompute()
            found = verify().verdict("contents")
            transaction.set_rollback(True)
        assert (found.outcome, found.first_bad_idx) == ("broken", idx), name


@pytest.mark.parametrize("action", HEEDED_DETAILS)
def test_an_odd_entry_ends_no_look_of_the_server(action: str) -> None:
    grow(random.Random(2), 4)
    drop_triggers()
    for seed in range(full_or(60, 6)):
        random_ = random.Random(f"{action} {seed}")
        with transaction.atomic():
            names = HEEDED_DETAILS[action]
            odd = [value for value in ODD_VALUES if len(value) < 100 and "a" not in value.lower()]
            idx = put(action, {name: json.loads(random_.choice(odd)) for name in names})
            recompute()
            BackgroundVerifier().look()
            assert standing().at_ms
            assert standing().verified_size or standing().problem, idx
            assert key_trouble() is not None
            transaction.set_rollback(True)


@pytest.mark.parametrize("odd", [[], {}, [[]], None, 7, 1.5, True])
def test_a_replaced_key_is_a_text(odd: Any) -> None:
    key = Signer.new("scrollback/0123").verifier
    said = [
        Statement(3, "key.replaced", {"old": "a", "new": odd}),
        Statement(4, "key.replaced", {"old": odd, "new": str(key)}),
    ]
    assert list(trusted_keys(key, said)) == [str(key)]


def test_a_key_whose_name_is_no_text_is_no_key() -> None:
    key = str(Signer.new("x").verifier)
    with pytest.raises(ValueError, match="no text") as told:
        type(Signer.new("x").verifier).parse("\ud800" + key[1:])
    assert type(told.value).__name__ == "NoteError"


@pytest.mark.parametrize("details", [None, [], {}, {"first_idx": "1", "last_idx": 3}, {"first_idx": 1}])
def test_a_hold_that_cannot_be_read_lets_nothing_be_removed(details: Any) -> None:
    drop_triggers()
    idx = put("hold.placed", details)
    with pytest.raises(Refused, match=f"ntry {idx}.*audit verify"):
        holds_in_force()


@pytest.mark.parametrize("details", [None, [], {}, {"hold": []}, {"hold": {}}, {"hold": "0"}])
def test_a_release_that_cannot_be_read_releases_nothing(details: Any) -> None:
    drop_triggers()
    idx = put("hold.placed", {"first_idx": 0, "last_idx": 3, "why": ["odd"]})
    put("hold.released", details)
    assert [(hold.idx, hold.first_idx, hold.last_idx) for hold in holds_in_force()] == [(idx, 0, 3)]
