"""The offline bundle: what is in it, and what its verifier finds when anything of it is changed."""

import base64
import json
import random
import shutil
import struct
import subprocess
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pymerkle
import pytest
from django.db import connection, transaction

from audit.actors import SYSTEM
from audit.anchors import KnownKey
from audit.bundle import VERIFIER, Bundle, tile_path
from audit.keys import key_path
from audit.models import Checkpoint, Entry, Log, Payload
from audit.new_key import replace_key
from audit.notes import Signer
from audit.offline import verify
from audit.proofs import root_at
from audit.selection import Selection
from audit.signing import write_checkpoint
from audit.tree import leaf_hash
from audit.verification import verify as verify_log
from tests.audit.attacks import HEEDED_DETAILS, drop_triggers, odd_body
from tests.audit.bundles import (
    ADA,
    checkpoint_at,
    failures,
    files_of,
    fill,
    our_key,
    rewritten,
    run_verifier,
    signer,
    states,
    verdicts,
    write,
)
from tests.audit.logs import prune
from tests.endurance.sizes import IS_FULL, full_or

pytestmark = pytest.mark.django_db

SIZE = 600


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    fill(SIZE, payload_every=7)
    return write(tmp_path / "log.zip", SIZE)


def test_the_whole_log_is_there_as_it_was_hashed(whole: Path) -> None:
    files = files_of(whole)
    bodies = list(Entry.objects.order_by("idx").values_list("body", flat=True))
    assert files["entries.jsonl"].decode().split("\n") == [*bodies, ""]
    leaves = b"".join(files[tile_path(0, n, width)] for n, width in ((0, 256), (1, 256), (2, 88)))
    assert leaves == b"".join(leaf_hash(body.encode()) for body in bodies)
    assert len(files["tile/1/000.p/2"]) == 64
    first = files["tile/entries/000"]
    assert struct.unpack(">H", first[:2])[0] == len(bodies[0].encode())
    assert first[2:].startswith(bodies[0].encode())
    assert files["verify.py"] == VERIFIER.read_bytes()
    assert files["keys.txt"].decode() == our_key() + "\n"
    assert len(files["payloads.jsonl"].splitlines()) == Payload.objects.count() == 86


def test_tiles_are_named_as_c2sp_has_it() -> None:
    assert tile_path(0, 5, 256) == "tile/0/005"
    assert tile_path("entries", 1_234_067, 256) == "tile/entries/x001/x234/067"
    assert tile_path(2, 1_000, 17) == "tile/2/x001/000.p/17"
    for number in (0, 999, 1_000, 999_999, 1_000_000):
        for width in (1, 256):
            assert tile_path(0, number, width) == verify.tile_name(0, number, width)


def test_a_sound_bundle_passes_every_check(whole: Path) -> None:
    head = checkpoint_at(257).note
    code, found = run_verifier(str(whole), "--key", our_key(), "--head", _file(whole, head))
    assert (code, found["ok"], found["entries"], found["withheld"]) == (0, True, SIZE, [])
    assert {verdict["state"] for verdict in found["verdicts"].values()} == {"ok"}
    assert found["root"] == Bundle(checkpoint_at(SIZE), Selection()).head.root.hex()


def test_the_unpacked_folder_and_its_own_verifier_do_as_well(whole: Path) -> None:
    folder = whole.with_suffix("")
    with zipfile.ZipFile(whole) as archive:
        archive.extractall(folder)
    code, found = run_verifier(str(folder), program=folder / "verify.py")
    assert (code, found["verdicts"]["consistency"]["state"]) == (0, "not checked")
    (folder / "tile" / "0" / "001").unlink()
    assert run_verifier(str(folder))[0] == 1


def old_pythons() -> list[str]:
    """On PATH or of pyenv, the oldest first; a name on PATH may be a shim that leads nowhere."""
    installed = (Path.home() / ".pyenv" / "versions").glob("3.*/bin/python3.[89]")
    found = [*map(str, installed), *filter(None, map(shutil.which, ("python3.8", "python3.9")))]
    usable = [path for path in found if not subprocess.run([path, "-V"], capture_output=True).returncode]
    return sorted(usable, key=lambda path: Path(path).name)


def test_the_oldest_python_there_is_does(whole: Path) -> None:
    pythons = old_pythons()
    if not pythons:
        pytest.skip("there is no Python 3.8 or 3.9")
    code, found = run_verifier(str(whole), "--key", our_key(), python=pythons[0])
    assert (code, found["verdicts"]["signature"]["state"]) == (0, "ok")
    changed = rewritten(whole, {"entries.jsonl": _edited})
    assert run_verifier(str(changed), python=pythons[0])[0] == 1


def test_the_same_log_makes_the_same_bytes(whole: Path) -> None:
    assert write(whole.with_name("again.zip"), SIZE).read_bytes() == whole.read_bytes()
    fill(5)
    assert write(whole.with_name("later.zip"), SIZE).read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        (Selection(action="token.created"), 200),
        (Selection(action="token.*", actor="ada"), 100),
        (Selection(actor="nobody"), 0),
        (Selection(until_ms=1), 0),
        (Selection(since_ms=1), SIZE),
    ],
)
def test_a_part_of_the_log_recomputes_the_same_root(tmp_path: Path, selection: Selection, count: int) -> None:
    fill(SIZE, payload_every=7)
    part = write(tmp_path / "part.zip", SIZE, selection)
    assert set(states(part, head=checkpoint_at(300).note, key=our_key()).values()) == {"ok"}
    code, found = run_verifier(str(part))
    assert (code, found["entries"]) == (0, count)
    assert sum(last - first + 1 for first, last in found["withheld"]) == SIZE - count
    files = files_of(part)
    assert not any(name.startswith("tile/entries") for name in files)
    kept = [json.loads(line)["idx"] for line in files["entries.jsonl"].splitlines()]
    assert kept == list(selection.entries().order_by("idx").values_list("idx", flat=True))
    payloads = [json.loads(line)["idx"] for line in files["payloads.jsonl"].splitlines()]
    assert payloads == [idx for idx in kept if not idx % 7]


def test_an_entry_cannot_be_left_out_of_a_part_unnoticed(tmp_path: Path) -> None:
    fill(SIZE)
    part = write(tmp_path / "part.zip", SIZE, Selection(action="token.created"))
    shorter = rewritten(part, {"entries.jsonl": lambda text: text.partition(b"\n")[2]})
    assert failures(shorter) == {"withheld": None}


def test_payloads_may_be_left_out(whole: Path) -> None:
    without = write(whole.with_name("without.zip"), SIZE, with_payloads=False)
    assert "payloads.jsonl" not in files_of(without)
    code, found = run_verifier(str(without))
    assert (code, found["verdicts"]["payloads"]["state"]) == (0, "not checked")


def test_a_payload_that_is_gone_needs_an_entry_that_says_why(whole: Path) -> None:
    gone = rewritten(whole, {"payloads.jsonl": lambda text: text.partition(b"\n")[2]})
    assert failures(gone) == {"payloads": 0}


def test_a_payload_that_was_removed_as_an_entry_says_is_no_alarm(whole: Path) -> None:
    said = prune(7, 20)
    fill(1)
    newer = write(whole.with_name("newer.zip"), said + 1)
    found = verdicts(newer, key=our_key())["payloads"]
    assert (found.state, found.text) == ("ok", "84 there, 2 removed as the log says")
    assert "removed.jsonl" not in files_of(newer)


def test_a_payload_that_was_removed_after_the_checkpoint_is_named_and_no_alarm(whole: Path) -> None:
    prune(7, 20)
    later = write(whole.with_name("later.zip"), SIZE)
    code, found = run_verifier(str(later), "--key", our_key())
    assert code == 0
    assert found["verdicts"]["payloads"]["state"] == "not checked"
    assert "entry 7 was removed after this checkpoint" in found["verdicts"]["payloads"]["text"]
    # Another one that is gone is still found, and so is what nothing speaks of.
    assert failures(rewritten(later, {"payloads.jsonl": lambda text: text.partition(b"\n")[2]})) == {
        "payloads": 0
    }
    assert failures(rewritten(later, {"removed.jsonl": lambda _: None})) == {"payloads": 7}
    earlier = {"removed.jsonl": lambda text: text.replace(b'"idx":600,', b'"idx":599,')}
    assert failures(rewritten(later, earlier)) == {"payloads": 7}


def _file(beside: Path, text: str) -> str:
    path = beside.with_name("earlier.head")
    path.write_text(text)
    return str(path)


def _edited(text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    lines[300] = lines[300].replace(b'"n":300', b'"n":301')
    return b"".join(lines)


def _without(text: bytes, index: int) -> bytes:
    lines = text.splitlines(keepends=True)
    return b"".join(lines[:index] + lines[index + 1 :])


def _swapped(text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    lines[41], lines[42] = lines[42], lines[41]
    return b"".join(lines)


def _payload_of_0(text: bytes) -> bytes:
    return text.replace(base64.b64encode(b"payload 0"), base64.b64encode(b"payload 1"))


@pytest.mark.parametrize(
    ("name", "change", "found"),
    [
        ("entries.jsonl", _edited, {"leaves": 300, "tiles": 256, "root": None}),
        (
            "entries.jsonl",
            lambda text: _without(text, 42),
            {"sequence": 42, "tiles": 0, "withheld": None, "payloads": 42},
        ),
        ("entries.jsonl", lambda text: text + text.splitlines(keepends=True)[-1], {"sequence": 599}),
        ("entries.jsonl", lambda text: b"{}\n" + text, {"sequence": 0}),
        ("tile/0/001", lambda hashes: bytes(32) + hashes[32:], {"leaves": 256}),
        ("tile/0/002.p/88", lambda hashes: hashes[:-1], {"leaves": 512}),
        ("tile/0/000", lambda _: None, {"leaves": 0}),
        ("tile/1/000.p/2", lambda hashes: hashes[32:], {"tiles": None}),
        ("tile/entries/001", lambda entries: entries[:-1] + b"]", {"tiles": 256}),
        ("payloads.jsonl", _payload_of_0, {"payloads": 0}),
        ("payloads.jsonl", lambda text: text.replace(b'"idx":7,', b'"idx":6,'), {"payloads": 6}),
        ("checkpoint", lambda note: note.replace(b"\n600\n", b"\n599\n"), None),
    ],
)
def test_a_change_is_found_and_its_place_named(whole: Path, name: str, change, found) -> None:  # type: ignore[no-untyped-def]
    changed = rewritten(whole, {name: change})
    if found is None:
        assert "signature" in failures(changed)
    else:
        assert failures(changed) == found


def test_exchanged_entries_are_found(whole: Path) -> None:
    assert failures(rewritten(whole, {"entries.jsonl": _swapped}))["sequence"] == 41


def test_a_log_that_was_written_anew_is_found_by_whoever_kept_a_head(tmp_path: Path) -> None:
    """All is recomputed and signed with the log's own key: the bundle fits itself."""
    fill(SIZE)
    kept, key = checkpoint_at(400).note, our_key()
    forged = tmp_path / "forged.zip"
    with transaction.atomic():
        _forge(399)
        write(forged, SIZE)
        transaction.set_rollback(False)
    assert failures(forged, key=key) == {}
    assert failures(forged, key=key, head=kept) == {"consistency": None}


def _forge(idx: int) -> None:
    """Change one entry and all that follows from it, past the triggers: as whoever owns the database can."""
    from audit import triggers
    from audit.models import Subtree
    from audit.tree import Frontier

    for name in triggers.names():
        table = name.partition("_no_")[0]
        connection.cursor().execute(
            f"DROP TRIGGER IF EXISTS {name}" + ("" if connection.vendor == "sqlite" else f" ON {table}")
        )
    entry = Entry.objects.get(idx=idx)
    body = entry.body.replace("ada", "bob")
    assert body != entry.body
    Entry.objects.filter(idx=idx).update(body=body, leaf=leaf_hash(body.encode()))
    frontier = Frontier()
    for leaf in Entry.objects.order_by("idx").values_list("leaf", flat=True):
        for height, number, found in frontier.append(bytes(leaf)):
            if not height % 8:
                Subtree.objects.filter(level=height // 8, number=number).update(hash=found)
    triggers.install()


def test_a_shortened_log_and_another_log_are_found(whole: Path) -> None:
    shorter = write(whole.with_name("shorter.zip"), 500)
    assert failures(shorter, head=checkpoint_at(SIZE).note) == {"consistency": 500}
    other = Signer.new("scrollback/another")
    assert failures(whole, key=str(other.verifier)) == {"signature": None}
    stolen = Signer.new(signer().name)
    assert failures(whole, key=str(stolen.verifier)) == {"signature": None}
    assert failures(whole, head=checkpoint_at(10, stolen).note) == {"consistency": None}


@dataclass(frozen=True)
class Replaced:
    """A log of `size` entries whose key was replaced twice, at `first` and `second`."""

    keys: tuple[Signer, Signer, Signer]
    first: int
    second: int
    size: int


@pytest.fixture
def replaced() -> Replaced:
    fill(300)
    keys, places = [signer()], []
    for why in ("seen by somebody", "lost"):
        write_checkpoint()
        places.append(replace_key(why, actor=SYSTEM).idx)
        keys.append(signer())
        fill(10)
    return Replaced((keys[0], keys[1], keys[2]), places[0], places[1], Log.objects.get().size)


def ours(key: Signer, by: Signer, size: int) -> bool:
    """Whether `audit verify` believes the one checkpoint that a bundle has too, knowing this key."""
    with transaction.atomic():
        drop_triggers()
        Checkpoint.objects.all().delete()
        Checkpoint.objects.bulk_create([checkpoint_at(size, by)])
        known = [KnownKey(key.verifier, "named")]
        path = key_path(Log.objects.get().origin)
        kept = path.read_bytes()
        path.unlink()
        try:
            answer = verify_log(keys=known, with_contents=False)
        finally:
            path.write_bytes(kept)
            path.chmod(0o600)
        transaction.set_rollback(True)
    return answer.verdict("signatures").outcome == "sound"


@pytest.mark.parametrize("is_whole", [True, False])
def test_keys_that_were_replaced_are_judged_as_audit_verify_judges_them(
    tmp_path: Path, replaced: Replaced, monkeypatch: pytest.MonkeyPatch, is_whole: bool
) -> None:
    monkeypatch.setattr("audit.verification.LATE_MS", 3_600_000)
    stranger = Signer.new(signer().name)
    keys = [*replaced.keys, stranger]
    selection = Selection() if is_whole else Selection(action="token.created")
    for size in (300, replaced.first, replaced.first + 1, replaced.second + 1, replaced.size):
        for by in keys:
            bundle = Bundle(checkpoint_at(size, by), selection)
            path = tmp_path / "log.zip"
            path.write_bytes(b"".join(bundle.pieces()))
            for known in keys:
                found = failures(path, key=str(known.verifier))
                # In the log as a whole, entries after the checkpoint speak of keys too.
                if size == replaced.size:
                    assert (found == {}) == ours(known, by, size), (
                        size,
                        keys.index(by),
                        keys.index(known),
                    )
                assert set(found) <= {"signature"}
                reach = (replaced.first, replaced.second, replaced.size, -1)[keys.index(by)]
                is_led = keys.index(known) < 3 and keys.index(by) < 3
                # What the bundle cannot know yet: that a key it has not heard of comes later.
                heard = sum(size > place for place in (replaced.first, replaced.second))
                is_known = keys.index(by) <= heard and keys.index(known) <= heard
                is_same = by is known and (keys.index(by) > heard or by is stranger)
                assert (found == {}) == ((is_led and is_known and size <= reach) or is_same), (
                    size,
                    keys.index(by),
                    keys.index(known),
                    found,
                )


def test_an_auditor_with_the_first_key_is_led_to_the_present_one_by_entries(
    tmp_path: Path, replaced: Replaced
) -> None:
    first, _, present = replaced.keys
    whole = write(tmp_path / "log.zip", replaced.size)
    old = checkpoint_at(300, first).note
    for path in (whole, write(tmp_path / "part.zip", replaced.size, Selection(action="token.created"))):
        code, found = run_verifier(str(path), "--key", str(first.verifier), "--head", _file(path, old))
        assert (code, found["verdicts"]["consistency"]["state"]) == (0, "ok"), found
        said = found["verdicts"]["signature"]["text"]
        assert f"by {present.verifier}, which entries put in the place" in said
        assert f": {replaced.first}, {replaced.second}." in said
    assert "replaced.jsonl" not in files_of(whole)


def test_a_leaked_key_signs_nothing_after_it_was_replaced(tmp_path: Path, replaced: Replaced) -> None:
    first = replaced.keys[0]
    path = tmp_path / "leaked.zip"
    path.write_bytes(b"".join(Bundle(checkpoint_at(replaced.size, first), Selection()).pieces()))
    for key in ("", str(first.verifier), str(replaced.keys[2].verifier)):
        assert failures(path, key=key) == {"signature": replaced.first}
    # Nor is a head that it signed beyond believed.
    good, forged = write(tmp_path / "log.zip", replaced.size), checkpoint_at(replaced.size - 1, first).note
    assert failures(good, head=forged) == {"consistency": None}


def test_an_entry_about_a_key_that_the_tree_does_not_have_leads_nowhere(
    tmp_path: Path, replaced: Replaced
) -> None:
    first = str(replaced.keys[0].verifier)
    part = write(tmp_path / "part.zip", replaced.size, Selection(action="token.created"))
    other = {"replaced.jsonl": lambda text: text.replace(b"seen by somebody", b"seen by nobody")}
    assert failures(rewritten(part, other), key=first) == {"leaves": replaced.first}
    assert failures(rewritten(part, {"replaced.jsonl": lambda _: None}), key=first) == {"signature": None}
    beyond = {"replaced.jsonl": lambda text: text.replace(b'"idx":%d,' % replaced.first, b'"idx":9999,')}
    assert "sequence" in failures(rewritten(part, beyond), key=first)
    present = str(replaced.keys[2].verifier)
    assert "may have been withheld" in verdicts(part, key=present)["signature"].text


def test_no_damaged_bundle_passes(whole: Path) -> None:
    """A bit of any file that counts, or a file cut short or gone; a file that is no bundle any more is told as that."""
    random_ = random.Random(9162)
    names = [
        name for name in files_of(whole) if name not in ("README.txt", "verify.py", "bundle.json", "keys.txt")
    ]
    for _ in range(full_or(1_000, 40)):
        name = random_.choice(names)
        changed = rewritten(whole, {name: lambda content: _damaged(random_, content)})
        try:
            assert failures(changed, key=our_key()), name
        except verify.NO_BUNDLE:
            continue


def _damaged(random_: random.Random, content: bytes) -> bytes | None:
    at = random_.randrange(len(content))
    return random_.choice(
        [
            content[:at] + bytes([content[at] ^ 1 << random_.randrange(8)]) + content[at + 1 :],
            content[:at],
            None,
        ]
    )


def test_what_is_no_bundle_is_refused(tmp_path: Path, whole: Path) -> None:
    text = tmp_path / "text.zip"
    text.write_text("no archive")
    empty = tmp_path / "empty"
    empty.mkdir()
    for given in (
        [str(text)],
        [str(empty)],
        [str(tmp_path / "nothing")],
        [str(whole), "--key", "x"],
        [str(whole), "--head", str(text)],
    ):
        code, found = run_verifier(*given)
        assert code == 2
        assert found["error"].startswith("verify.py: ")
        assert len(found["error"].splitlines()) == 1


def test_who_did_it_is_named_as_in_the_list(tmp_path: Path) -> None:
    fill(4)
    found = verdicts(write(tmp_path / "ada.zip", 4, Selection(actor=ADA.label)))
    assert "2 entries" in found["withheld"].text
    assert "0, 2" in found["withheld"].text


SIZES = range(SIZE + 1) if IS_FULL else (0, 1, 2, 3, 7, 8, 255, 256, 257, 300, 511, 512, 513, 600)


def test_three_programs_find_the_same_root_at_every_size(tmp_path: Path) -> None:
    """Ours out of the database, the verifier's out of a bundle, and pymerkle's out of the entries alone."""
    fill(SIZE)
    bodies = Entry.objects.order_by("idx").values_list("body", flat=True)
    theirs = pymerkle.InmemoryTree(algorithm="sha256")
    for body in bodies:
        theirs.append_entry(body.encode())
    for size in SIZES:
        path = write(tmp_path / "log.zip", size)
        check = verify.Check(verify.Bundle(str(path)))
        found = {verdict.state for verdict in check.run() if verdict.name != "consistency"}
        assert (found, check.root) == ({"ok"}, root_at(size)), size
        assert check.root == theirs.get_root(size), size


@pytest.mark.once  # Seconds of hashing, the same on both; what the engines read is compared above.
@pytest.mark.skipif(not IS_FULL, reason="with SCROLLBACK_TEST_ENDURANCE=full")
def test_three_programs_find_the_same_root_beyond_256_tiles(tmp_path: Path) -> None:
    theirs = pymerkle.InmemoryTree(algorithm="sha256")
    for _ in range(14):
        fill(5_000)
    for body in Entry.objects.order_by("idx").values_list("body", flat=True).iterator():
        theirs.append_entry(body.encode())
    for size in (65_535, 65_536, 65_537, 70_000):
        check = verify.Check(verify.Bundle(str(write(tmp_path / "log.zip", size))))
        check.run()
        assert check.root == check.signed_root == root_at(size) == theirs.get_root(size), size


class TestHostile:
    """A bundle comes from whoever wants to be believed: nothing in it keeps its reader busy, or ends the check."""

    def checkpoint_of(self, size: int) -> bytes:
        return f"{Log.objects.get().origin}\n{size}\n{'A' * 43}=\n\n\u2014 x AAAA\n".encode()

    @pytest.mark.parametrize("size", [10**17, SIZE + 1_000_000])
    @pytest.mark.parametrize("is_told", [True, False])
    def test_a_size_that_nobody_signed_is_not_counted_up_to(
        self, whole: Path, size: int, *, is_told: bool
    ) -> None:
        def told(content: bytes) -> bytes:
            return json.dumps({**json.loads(content), "size": size}).encode() if is_told else content

        changed = rewritten(whole, {"checkpoint": lambda _: self.checkpoint_of(size), "bundle.json": told})
        found = verdicts(changed)
        assert [name for name in ("leaves", "root", "signature") if found[name].state != "failed"] == []
        assert found["leaves"].index == SIZE // 256 * 256
        assert ("bundle.json" in found["sequence"].text) != is_told
        assert {found[name].state for name in ("payloads", "consistency", "withheld")} == {"not checked"}

    def test_a_file_that_grows_as_it_is_unpacked_is_not_read_whole(self, whole: Path) -> None:
        many = bytes(200 << 20)
        for name in ("bundle.json", "checkpoint", "keys.txt"):
            code, answer = run_verifier(str(rewritten(whole, {name: lambda _: many})))
            assert (code, "larger" in answer["error"]) == (2, True)
        assert failures(rewritten(whole, {"tile/0/000": lambda _: many}))["leaves"] == 0
        assert failures(rewritten(whole, {"entries.jsonl": lambda _: many}))["sequence"] == 0

    @pytest.mark.parametrize("seed", range(full_or(200, 25)))
    def test_entries_of_any_shape_are_findings(self, whole: Path, seed: int) -> None:
        """Those of the log's own, of its payloads and of what was left out or came later."""
        random_ = random.Random(seed)

        def odd(content: bytes) -> bytes:
            lines = content.decode().splitlines() or [""]
            place = random_.randrange(len(lines))
            action = random_.choice(list(HEEDED_DETAILS))
            whole_entry = '{"idx":3,"action":"","details":{}}'
            lines[place] = odd_body(random_, action, lines[place] if '"v":1' in lines[place] else whole_entry)
            return "\n".join(lines).encode() + b"\n"

        with zipfile.ZipFile(whole, "a") as archive:
            archive.writestr("replaced.jsonl", odd(b""))
            archive.writestr("removed.jsonl", odd(b""))
        code, answer = run_verifier(
            str(rewritten(whole, dict.fromkeys(("entries.jsonl", "payloads.jsonl"), odd)))
        )
        assert code == 1, answer
        assert (
            answer["verdicts"]["leaves"]["state"] == "failed"
            or answer["verdicts"]["sequence"]["state"] == "failed"
        )

    @pytest.mark.parametrize(
        "odd", ["[]", "{}", "7", "null", '{"filter":{},"entries":"x","size":1,"payloads":[]}']
    )
    def test_a_bundle_that_does_not_say_what_it_holds_is_none(self, whole: Path, odd: str) -> None:
        code, answer = run_verifier(str(rewritten(whole, {"bundle.json": lambda _: odd.encode()})))
        assert (code, "Traceback" in answer["error"]) == (2, False)


def test_a_checkpoint_that_somebody_inserted_breaks_no_bundle(tmp_path: Path) -> None:
    """No trigger can tell, and nobody can remove it."""
    fill(8)
    for size, key in ((3, "x"), (5, str(Signer.new("scrollback/0123").verifier)), (6, "x\ny")):
        Checkpoint.objects.create(size=size, at_ms=1, note="x", key=key)
    path = write(tmp_path / "log.zip", 8)
    assert files_of(path)["keys.txt"].decode() == our_key() + "\n"
    for given in ([], ["--key", our_key()]):
        status, said = run_verifier(str(path), *given)
        assert (status, said["ok"]) == (0, True), said


@pytest.mark.parametrize("odd", ["x", "x+y+z", "\ufffd", ""])
def test_a_line_that_is_no_key_is_passed_over_and_told(tmp_path: Path, odd: str) -> None:
    """As bundles had it that were written before such a line was left out."""
    fill(8)
    path = write(tmp_path / "log.zip", 8)
    for keys in (f"{our_key()}\n{odd}\n", f"{odd}\n{our_key()}\n"):
        changed = rewritten(path, {"keys.txt": partial(lambda keys, _: keys, keys.encode())})
        line = keys.split("\n").index(odd) + 1
        for given in ({}, {"key": our_key()}):
            found = verdicts(changed, **given)["signature"]
            assert found.state == "ok", found.text
            assert f"first in line {line}" in found.text
    broken = rewritten(path, {"keys.txt": lambda _: f"{our_key()}\n".encode() + b"\xff\n"})
    assert states(broken)["signature"] == "ok"
    nothing = rewritten(path, {"keys.txt": lambda _: b"x\n"})
    assert states(nothing)["signature"] == "failed"
    assert states(nothing, key=our_key())["signature"] == "ok"
