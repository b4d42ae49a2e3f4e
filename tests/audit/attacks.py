"""What somebody who holds the database, and perhaps the key, can do to the log. They drop the triggers first."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from audit import triggers
from audit.actors import SYSTEM
from audit.keys import key_path, load_key
from audit.models import Checkpoint, Entry, Log, Payload, Pruning, Subtree
from audit.notes import Signer, TreeHead
from audit.record import TILE_HEIGHT, Draft, append
from audit.signing import write_checkpoint
from audit.tree import HASH_BYTES, Frontier, leaf_hash


@dataclass(frozen=True)
class Damage:
    """What has to be named as the first bad entry: one from `first` to `last`, exactly it where they are the same.

    Where hashes tell no more exactly, `first` is the size of the older head that was kept: all before it is sound.
    """

    first: int
    last: int


@dataclass(frozen=True)
class Scene:
    """A random place before the head that was kept, which is of `kept` entries, and after an older one of `sound`."""

    random: random.Random
    idx: int
    kept: int
    sound: int = 0

    def before(self, name: str) -> Any:
        return Entry.objects.values_list(name, flat=True).get(idx=self.idx)


type Attack = Callable[[Scene], Damage]


def drop_triggers() -> None:
    on = dict.fromkeys(triggers.names(), "")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal")
            on = {name: f" ON {table}" for name, table in cursor.fetchall() if name in on}
    with connection.cursor() as cursor:
        for name, where in on.items():
            cursor.execute(f"DROP TRIGGER {name}{where}")


def _edited(scene: Scene) -> str:
    document = json.loads(scene.before("body"))
    document["details"]["n"] = scene.random.randrange(10**6, 10**9)
    return json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def edit_body(scene: Scene) -> Damage:
    Entry.objects.filter(idx=scene.idx).update(body=_edited(scene))
    return Damage(scene.idx, scene.idx)


def edit_body_and_leaf(scene: Scene) -> Damage:
    body = _edited(scene)
    Entry.objects.filter(idx=scene.idx).update(body=body, leaf=leaf_hash(body.encode()))
    return Damage(scene.sound, scene.idx)


def flip_bit_of_leaf(scene: Scene) -> Damage:
    leaf = bytearray(scene.before("leaf"))
    leaf[scene.random.randrange(32)] ^= 1 << scene.random.randrange(8)
    Entry.objects.filter(idx=scene.idx).update(leaf=bytes(leaf))
    return Damage(scene.idx, scene.idx)


def delete(scene: Scene) -> Damage:
    Entry.objects.filter(idx=scene.idx).delete()
    return Damage(scene.idx, scene.idx)


def renumber(scene: Scene) -> Damage:
    """One row goes, and the others close up."""
    Entry.objects.filter(idx=scene.idx).delete()
    for idx in Entry.objects.filter(idx__gt=scene.idx).order_by("idx").values_list("idx", flat=True):
        Entry.objects.filter(idx=idx).update(idx=idx - 1)
    size = Log.objects.get().size - 1
    Log.objects.update(size=size)
    return Damage(scene.idx, scene.idx)


def swap(scene: Scene) -> Damage:
    other = scene.random.choice([idx for idx in range(scene.kept) if idx != scene.idx])
    Entry.objects.filter(idx=scene.idx).update(idx=-1)
    Entry.objects.filter(idx=other).update(idx=scene.idx)
    Entry.objects.filter(idx=-1).update(idx=other)
    first = min(scene.idx, other)
    return Damage(first, first)


def recompute(size: int | None = None) -> None:
    """Make leaves, subtrees and frontier fit the bodies that are there."""
    frontier, subtrees = Frontier(), []
    for entry in Entry.objects.order_by("idx").only("idx", "body", "leaf"):
        leaf = leaf_hash(entry.body.encode())
        if leaf != bytes(entry.leaf):
            Entry.objects.filter(idx=entry.idx).update(leaf=leaf)
        subtrees += [
            Subtree(level=height // TILE_HEIGHT, number=number, hash=found)
            for height, number, found in frontier.append(leaf)
            if not height % TILE_HEIGHT
        ]
    Subtree.objects.all().delete()
    Subtree.objects.bulk_create(subtrees)
    Log.objects.update(size=frontier.size if size is None else size, frontier=frontier.encode())


def recompute_without_key(scene: Scene) -> Damage:
    edit_body(scene)
    recompute()
    if scene.random.random() < 0.5:
        # And takes away what would contradict.
        Checkpoint.objects.filter(size__gt=scene.idx).delete()
    return Damage(scene.sound, scene.idx)


def truncate(scene: Scene) -> Damage:
    Entry.objects.filter(idx__gte=scene.idx).delete()
    Payload.objects.filter(idx__gte=scene.idx).delete()
    Checkpoint.objects.filter(size__gt=scene.idx).delete()
    recompute()
    return Damage(scene.idx, scene.idx)


def restore_old_backup(scene: Scene) -> Damage:
    """An older state comes back, and the log goes on from there, signed by the server itself."""
    truncate(scene)
    with transaction.atomic():
        append([Draft("sign_in.succeeded", SYSTEM) for _ in range(scene.kept - scene.idx + 3)])
    write_checkpoint()
    return Damage(scene.sound, scene.idx)


def edit_column(scene: Scene) -> Damage:
    changes = [
        ("at_ms", scene.before("at_ms") + 1),
        ("actor_type", "system"),
        ("actor_type", "person"),
        ("actor_label", "Ada "),
        ("actor_id", "1"),
        ("action", "sign_out.completed"),
        ("target_label", "x"),
        ("decision", "allow"),
        ("session_id", "01890000-0000-7000-8000-000000000000"),
    ]
    # What says so already is not changed by it.
    column, value = scene.random.choice([one for one in changes if scene.before(one[0]) != one[1]])
    Entry.objects.filter(idx=scene.idx).update(**{column: value})
    return Damage(scene.idx, scene.idx)


def _a_payload(scene: Scene) -> Payload:
    there = Payload.objects.filter(idx__lt=scene.kept).order_by("idx")
    return there[scene.random.randrange(there.count())]


def edit_payload(scene: Scene) -> Damage:
    payload = _a_payload(scene)
    Payload.objects.filter(idx=payload.idx).update(data=bytes(payload.data) + b"!")
    return Damage(payload.idx, payload.idx)


def erase_payload(scene: Scene) -> Damage:
    """With the row that lets the triggers agree, but without an entry."""
    payload = _a_payload(scene)
    Pruning.objects.create(idx=payload.idx + 1, first_idx=payload.idx, last_idx=payload.idx)
    Payload.objects.filter(idx=payload.idx).delete()
    return Damage(payload.idx, payload.idx)


def edit_checkpoint(scene: Scene) -> Damage:
    sizes = list(Checkpoint.objects.order_by("size").values_list("size", flat=True))
    size = scene.random.choice(sizes)
    found = Checkpoint.objects.get(size=size)
    lines = found.note.split("\n")
    which = scene.random.choice([1, 2, 4])
    lines[which] = {1: str(size + 1), 2: lines[2][::-1], 4: lines[4][:-6] + "AAAAAA"}[which]
    Checkpoint.objects.filter(size=size).update(note="\n".join(lines))
    return Damage(size - 1, size - 1)


def _sign_anew(signer: Signer) -> None:
    sizes = list(Checkpoint.objects.order_by("size").values_list("size", "at_ms"))
    leaves = [bytes(leaf) for leaf in Entry.objects.order_by("idx").values_list("leaf", flat=True)]
    Checkpoint.objects.all().delete()
    for size, at_ms in sizes:
        frontier = Frontier()
        for leaf in leaves[:size]:
            frontier.append(leaf)
        note = signer.sign(str(TreeHead(signer.name, size, frontier.root())))
        Checkpoint.objects.create(size=size, at_ms=at_ms, note=note, key=str(signer.verifier))


def steal_key_and_sign_anew(scene: Scene) -> Damage:
    edit_body(scene)
    recompute()
    _sign_anew(load_key(Log.objects.get().origin))
    return Damage(scene.sound, scene.idx)


def sign_anew_with_own_key(scene: Scene) -> Damage:
    """Nothing is changed but who signed it: the key file too is the attacker's.

    Named is the first entry: no signature can be relied on, that of the older head neither.
    """
    origin = Log.objects.get().origin
    signer = Signer.new(origin)
    _sign_anew(signer)
    key_path(origin).write_text(signer.written() + "\n")
    return Damage(0, 0)


def change_many_rows(scene: Scene) -> Damage:
    """All that somebody did gets another name, and the triggers are put back as if nothing had been."""
    Entry.objects.filter(idx__gte=scene.idx).update(actor_label="nobody")
    triggers.install()
    return Damage(scene.idx, scene.idx)


def edit_subtree(scene: Scene) -> Damage:
    """Named is where the subtree begins, before the older head too: no head speaks of it."""
    number = scene.random.randrange(Subtree.objects.filter(level=1).count())
    Subtree.objects.filter(level=1, number=number).update(hash=scene.random.randbytes(32))
    return Damage(number * 256, number * 256)


def edit_frontier(scene: Scene) -> Damage:
    """Named is where the subtree begins whose hash it was, before the older head too: no head speaks of it."""
    log = Log.objects.get()
    data = bytearray(log.frontier)
    at = scene.random.randrange(len(data))
    data[at] ^= 0x40
    Log.objects.update(frontier=bytes(data))
    widths = [1 << height for height in reversed(range(log.size.bit_length())) if log.size >> height & 1]
    first = sum(widths[: at // HASH_BYTES])
    return Damage(first, first)


def shorten_log_row(scene: Scene) -> Damage:
    Log.objects.update(size=scene.idx)
    return Damage(scene.idx, scene.idx)


def lengthen_log_row(scene: Scene) -> Damage:
    size = Log.objects.get().size
    Log.objects.update(size=size + scene.random.randrange(1, 10**9))
    return Damage(size, size)


def rename_log(_: Scene) -> Damage:
    """Named is the first entry: it is another log from there on."""
    Log.objects.update(log_id="01890000-0000-7000-8000-000000000000")
    return Damage(0, 0)


def put_another_log_in_its_place(scene: Scene) -> Damage:
    """Changed, under another name, without the checkpoints; a server that finds none makes it a key and signs it."""
    Log.objects.update(log_id=scene_id(scene))
    edit_body(scene)
    if scene.random.random() < 0.5:
        truncate(scene)
    Checkpoint.objects.all().delete()
    recompute()
    signer = Signer.new(Log.objects.get().origin)
    head = TreeHead(signer.name, *_size_and_root())
    Checkpoint.objects.create(
        size=head.size, at_ms=1_700_000_000_000, note=signer.sign(str(head)), key=str(signer.verifier)
    )
    return Damage(0, 0)


def _size_and_root() -> tuple[int, bytes]:
    log = Log.objects.get()
    return log.size, Frontier.decode(log.size, bytes(log.frontier)).root()


def insert_beyond(scene: Scene) -> Damage:
    size = Log.objects.get().size
    found = Entry.objects.get(idx=scene.idx)
    found.idx, found.id = size, scene_id(scene)
    found.save(force_insert=True)
    return Damage(size, size)


#: Of every kind that JSON has, and more than an integer, a text or a stack can hold.
ODD_VALUES: tuple[str, ...] = (
    "null", "true", "-1", "0", "1.5", "1e400", "NaN", f"1{'0' * 30}", f"1{'0' * 6_000}", '""', '"x"', '"\\ud800"',
    '"\\ud800+0+AAAA"', "[]", "[[]]", "[null]", "[{}]", "{}",
    '{"":[]}', '{"a":1,"a":2}', f"{'[' * 20_000}{']' * 20_000}",
)  # fmt: skip
#: Actions whose entries a verification heeds or holds against what is stored, with what they say in detail.
HEEDED_DETAILS: dict[str, tuple[str, ...]] = {
    "key.replaced": ("old", "new", "why"),
    "payload.pruned": ("first_idx", "last_idx", "why"),
    "hold.placed": ("first_idx", "last_idx", "why"),
    "hold.released": ("hold", "why"),
    "session.sealed": ("form", "first_seq", "last_seq", "rows", "pieces"),
    "session.unsealed": ("first_seq", "last_seq", "changed_seq"),
    "source.sealed": ("offset", "size", "pieces"),
    "terminal.sealed": ("segments",),
}
_MEMBERS = ("actor", "at_ms", "details", "idx", "payload", "session", "target", "v")


def odd_body(random_: random.Random, action: str, body: str) -> str:
    """The text with values of any kind, at the top, among the details, or in the place of all of it."""
    odd = random_.choice(ODD_VALUES)
    place = random_.random()
    if place < 0.1:
        return random_.choice([odd, f'{{"details":{odd}}}', "", "{", "\ufeff{}"])
    document = json.loads(body)
    document["action"] = action
    if place < 0.3:
        document[random_.choice(_MEMBERS)] = "\0odd"
    else:
        document["details"] = {
            name: "\0odd" if random_.random() < 0.5 else random_.randrange(-2, 400)
            for name in HEEDED_DETAILS[action]
        }
    text = json.dumps(document, separators=(",", ":"), sort_keys=True)
    while '"\\u0000odd"' in text:
        text = text.replace('"\\u0000odd"', random_.choice(ODD_VALUES), 1)
    return text


def put_odd_shape(scene: Scene) -> Damage:
    """An entry that a verification heeds, of a shape that no program of ours writes."""
    action = scene.random.choice(list(HEEDED_DETAILS))
    body = odd_body(scene.random, action, scene.before("body"))
    Entry.objects.filter(idx=scene.idx).update(action=action, body=body)
    return Damage(scene.idx, scene.idx)


def insert_odd_shape_beyond(scene: Scene) -> Damage:
    """The same behind the newest: what came since a verification began may explain what went."""
    size = Log.objects.get().size
    found = Entry.objects.get(idx=scene.idx)
    found.action = scene.random.choice(list(HEEDED_DETAILS))
    found.body = odd_body(scene.random, found.action, found.body)
    found.idx, found.id = size, scene_id(scene)
    found.save(force_insert=True)
    return Damage(size, size)


def scene_id(scene: Scene) -> str:
    digits = f"{scene.random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


ATTACKS: tuple[Attack, ...] = (
    edit_body, edit_body_and_leaf, flip_bit_of_leaf, delete, renumber, swap, recompute_without_key, truncate,
    restore_old_backup, edit_column, edit_payload, erase_payload, edit_checkpoint, steal_key_and_sign_anew,
    sign_anew_with_own_key, change_many_rows, edit_subtree, edit_frontier, shorten_log_row, lengthen_log_row,
    rename_log, put_another_log_in_its_place, insert_beyond, put_odd_shape, insert_odd_shape_beyond,
)  # fmt: skip
#: After these nothing of the log can be relied on.
OF_THE_WHOLE: frozenset[Attack] = frozenset(
    {sign_anew_with_own_key, rename_log, put_another_log_in_its_place}
)
