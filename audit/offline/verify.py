#!/usr/bin/env python3
"""Check a bundle of Scrollback's audit log, without Scrollback and without a network.

    python3 verify.py BUNDLE.zip|FOLDER [--key KEY|FILE] [--head FILE] [--json]

    --key    the log's public key as you noted it (scrollback/…+…+…); without it the one in the bundle is used,
             and then all you know is that the bundle fits itself
    --head   a signed head that you kept from earlier: is what it covered still there, unchanged?

Exit status: 0 nothing is wrong, 1 something is, 2 this is no bundle.

What is checked, each on its own:

    sequence     every entry says the number of its place, none is there twice
    leaves       every entry has the hash that the tree has in its place
    tiles        the tree's other files (c2sp.org/tlog-tiles) fit its leaves
    root         the tree over all leaves (RFC 6962) has the root that the checkpoint says
    signature    the checkpoint is signed (Ed25519) by the key, or by the one that entries (key.replaced) put in its
                 place; a key that was replaced signs nothing beyond the entry that replaced it
    payloads     what lies apart from its entry is what the entry committed to
    consistency  the tree begins with the one that the earlier head names
    withheld     which entries were left out; their hashes are in the tree, so none was added or removed

It needs Python 3.8 or newer and nothing else. All hashes are SHA-256.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import os
import struct
import sys
import zipfile
import zlib
from itertools import chain
from typing import IO, Any, Dict, Iterable, Iterator, Sequence, Tuple

Point = Tuple[int, int, int, int]
Range = Tuple[int, int]  # first and last
Statement = Tuple[int, str, Dict[str, Any]]  # number, action and details of an entry

sha256 = hashlib.sha256
TILE = 256  # hashes in a whole tile
# Whatever a bundle says, so much of a file is read at once: of a small one, of a tile, of a line with an entry.
SMALL, MOST, LINE = 1 << 20, 64 << 20, 1 << 20
PRUNED, HELD, RELEASED = "payload.pruned", "hold.placed", "hold.released"
REPLACED = "key.replaced"


class Unreadable(Exception):
    """This is no bundle, no key or no head; the message says why."""


# Ed25519 (RFC 8032, 5.1), verification only. Nothing here is secret, so nothing has to take constant time.

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)


def recover_x(y: int, sign: int) -> int | None:
    """The x that belongs to y on the curve, or None."""
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_1 % P
    if (x * x - square) % P or (not x and sign):
        return None
    return P - x if x & 1 != sign else x


def decode_point(data: bytes) -> Point | None:
    """32 bytes as a point (X, Y, Z, T), or None when they are none."""
    number = int.from_bytes(data, "little")
    y = number & ((1 << 255) - 1)
    x = recover_x(y, number >> 255)
    return None if x is None else (x, y, 1, x * y % P)


def add(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c, d = 2 * one[3] * other[3] * D % P, 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(factor: int, point: Point) -> Point:
    result = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            result = add(result, point)
        point, factor = add(point, point), factor >> 1
    return result


def is_neutral(point: Point) -> bool:
    return point[0] % P == 0 and (point[1] - point[2]) % P == 0


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = decode_point(BASE_Y.to_bytes(32, "little"))


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether this is a signature of the message by the key. A key that signs everything is refused."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key, factor = decode_point(public), int.from_bytes(signature[32:], "little")
    if key is None or BASE is None or factor >= ORDER or is_neutral(multiply(8, key)):
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    x, y, z, _ = add(multiply(factor, BASE), multiply(ORDER - challenge, key))
    # Compared as bytes: a second way to write the same point is no signature.
    inverse = pow(z, P - 2, P)
    x, y = x * inverse % P, y * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]


# Signed notes (c2sp.org/signed-note) and checkpoints (c2sp.org/tlog-checkpoint).


def decode64(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable("this is no base64: " + repr(text[:60])) from None


class Key:
    """A public key as it is written: name+id+base64(1 + the key)."""

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        self.name, _, rest = self.text.partition("+")
        claimed, _, encoded = rest.partition("+")
        data = decode64(encoded)
        self.public, self.id = data[1:], sha256(self.name.encode() + b"\n" + data).digest()[:4]
        if not self.name or len(data) != 33 or data[0] != 1 or self.id.hex() != claimed:
            raise Unreadable("this is no public key of a log: " + repr(self.text[:100]))

    def has_signed(self, note: str) -> bool:
        """Whether a signature line of the note is by this key, and right."""
        text, _, signatures = note.rpartition("\n\n")
        for line in signatures.splitlines():
            name, _, value = line[2:].rpartition(" ")
            if line.startswith("\u2014 ") and name == self.name:
                data = decode64(value)
                if data[:4] == self.id:
                    return is_signed(self.public, (text + "\n").encode(), data[4:])
        return False


def read_head(note: str) -> tuple[str, int, bytes]:
    """Name, size and root that a signed note says."""
    text, mark, signatures = note.rpartition("\n\n")
    lines = text.split("\n")
    if not mark or not signatures.endswith("\n") or len(lines) < 3 or not lines[0]:
        raise Unreadable("this is no signed head")
    number = lines[1]
    if not (number.isascii() and number.isdigit()) or len(number) > 18 or number != str(int(number)):
        raise Unreadable("this is no signed head: its size is " + repr(number[:30]))
    root = decode64(lines[2])
    if len(root) != 32:
        raise Unreadable("this is no signed head: its root has " + str(len(root)) + " bytes")
    return lines[0], int(number), root


# The tree (RFC 6962, 2.1; RFC 9162, 2.1).


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def tile_root(level: Sequence[bytes]) -> bytes:
    """The root over the 256 hashes of a whole tile."""
    while len(level) > 1:
        level = [sha256(b"\1" + left + right).digest() for left, right in zip(level[::2], level[1::2])]
    return level[0]


class Tree:
    """Grows by tiles; keeps one hash for each tile of every level, and nothing of the leaves."""

    def __init__(self) -> None:
        self.levels: list[list[bytes]] = [[]]  # of whole tiles: their roots, 256 of which make the next level
        self.loose: list[bytes] = []  # leaves of the last tile, when it is not whole
        self.size = 0

    def add_tile(self, hashes: list[bytes]) -> None:
        self.size += len(hashes)
        if len(hashes) < TILE:
            self.loose = hashes
            return
        found, level = tile_root(hashes), 0
        self.levels[0].append(found)
        while len(self.levels[level]) % TILE == 0:
            found = tile_root(self.levels[level][-TILE:])
            level += 1
            if level == len(self.levels):
                self.levels.append([])
            self.levels[level].append(found)

    def root(self, extra: Sequence[bytes] = ()) -> bytes:
        """The root over everything so far, and over `extra` leaves, when the last tile was whole."""
        perfect: list[tuple[int, bytes]] = []  # subtrees with their heights, the largest first
        for level in range(len(self.levels) - 1, -1, -1):
            done = len(self.levels[level + 1]) * TILE if level + 1 < len(self.levels) else 0
            for found in self.levels[level][done:]:
                push(perfect, found, 8 * (level + 1))
        for found in chain(self.loose, extra):
            push(perfect, found, 0)
        if not perfect:
            return sha256(b"").digest()
        root = perfect.pop()[1]
        while perfect:
            root = node_hash(perfect.pop()[1], root)
        return root


def push(perfect: list[tuple[int, bytes]], found: bytes, height: int) -> None:
    while perfect and perfect[-1][0] == height:
        found, height = node_hash(perfect.pop()[1], found), height + 1
    perfect.append((height, found))


def tile_name(kind: int | str, number: int, width: int) -> str:
    """Of a file of the tree: tile/KIND/x001/x234/067, and .p/WIDTH when it is not whole."""
    name = f"{number % 1000:03d}"
    while number >= 1000:
        number //= 1000
        name = f"x{number % 1000:03d}/{name}"
    return f"tile/{kind}/{name}" + ("" if width == TILE else f".p/{width}")


# The bundle.


class Bundle:
    """Files by name, from a ZIP or from the folder that it was unpacked into."""

    def __init__(self, path: str) -> None:
        self.folder = path
        try:
            self.zip = None if os.path.isdir(path) else zipfile.ZipFile(path)
        except OSError as error:
            raise Unreadable(f"{path} cannot be read: {error.strerror}") from None
        except zipfile.BadZipFile as error:
            raise Unreadable(f"{path} is no bundle: {error}") from None

    def open(self, name: str) -> IO[bytes]:
        """Raises Unreadable when it is not there."""
        try:
            return (
                self.zip.open(name) if self.zip else open(os.path.join(self.folder, *name.split("/")), "rb")
            )
        except (OSError, KeyError):
            raise Unreadable("the bundle has no file " + name) from None

    def read(self, name: str, most: int = MOST) -> bytes:
        """Raises Unreadable when it is not there, or larger."""
        with self.open(name) as file:
            found = file.read(most + 1)
        if len(found) > most:
            raise Unreadable(f"{name} is larger than it can be")
        return found

    def tile(self, kind: int | str, number: int, width: int) -> bytes:
        """A file of the tree, or b"" when it is missing or too large: that is a finding, not an end."""
        try:
            return self.read(tile_name(kind, number, width), MOST if kind == "entries" else 32 * TILE)
        except Unreadable:
            return b""


class Verdict:
    """`state` is "ok", "failed" or "not checked"."""

    def __init__(self, name: str) -> None:
        self.name, self.state, self.text = name, "ok", ""
        self.index: int | None = None

    def fail(self, text: str, index: int | None = None) -> None:
        """Of several troubles the one of the first entry is told."""
        known = self.index
        is_earlier = known is not None and index is not None and index < known
        if self.state != "failed" or is_earlier:
            self.state, self.text, self.index = "failed", text, index

    def leave_out(self, text: str) -> None:
        if self.state == "ok":
            self.state, self.text = "not checked", text


NAMES = ("sequence", "leaves", "tiles", "root", "signature", "payloads", "consistency", "withheld")


class Check:
    """One look through a bundle, in the order of its entries, in bounded memory."""

    def __init__(
        self, bundle: Bundle, key: Key | None = None, head: tuple[str, int, bytes, str] | None = None
    ) -> None:
        self.bundle, self.key, self.head = bundle, key, head
        self.verdicts = {name: Verdict(name) for name in NAMES}
        self.about = json.loads(bundle.read("bundle.json", SMALL).decode())
        self.note = bundle.read("checkpoint", SMALL).decode()
        self.origin, self.size, self.signed_root = read_head(self.note)
        self.is_whole = not self.about["filter"]
        for name in ("size", "entries"):
            if type(self.about[name]) is not int:
                raise Unreadable(f"bundle.json does not say how many entries there are, in {name}")
        if self.about["size"] != self.size:
            text = f"bundle.json says that there are {self.about['size']}, the checkpoint {self.size}"
            self.verdicts["sequence"].fail(text)
        self.tree = Tree()
        self.root = self.root_at_head = b""
        self.entries = self.payloads = 0
        self.withheld: list[list[int]] = []  # first and last of each range that is not in the bundle
        self.absent: list[list[int]] = []  # likewise of payloads
        self.said: list[Statement] = []  # and what entries say of payloads and keys, in their order
        self.reach: dict[str, int | None] = {}  # of each key the largest size that it may sign, None for any
        self.replacements: dict[int, bytes] = {}  # entries about keys that a filter left out
        self.payload: Any = None
        self.payload_lines: Iterator[bytes] = iter(())

    def run(self) -> list[Verdict]:
        self.check_replacements()
        with self.bundle.open("entries.jsonl") as lines, self.open_payloads() as payloads:
            self.payload_lines = iter(payloads)
            self.next_payload()
            self.check_entries(lines)
            is_cut = self.tree.size < self.size
            while self.payload is not None and not is_cut:
                self.stray_payload()
        self.check_tree()
        self.check_signature()
        if is_cut:
            # Nothing can be said of what was not looked at.
            for name in ("payloads", "consistency", "withheld"):
                self.verdicts[name].leave_out(f"nothing was looked at from entry {self.tree.size} on")
        else:
            self.check_absent()
            self.check_consistency()
            self.say_withheld()
        return [self.verdicts[name] for name in NAMES]

    # Entries and their leaves

    def check_entries(self, lines: IO[bytes]) -> None:
        """Up to where neither hashes nor entries go on: a size is only a number, as long as nobody has signed it."""
        reader = numbered(lines, self)
        waiting: tuple[int, bytes] | None = None
        for start in range(0, self.size, TILE):
            width = min(TILE, self.size - start)
            listed = self.bundle.tile(0, start // TILE, width)
            if len(listed) != 32 * width:
                text = f"{tile_name(0, start // TILE, width)} is missing or has not its {width} hashes"
                self.verdicts["leaves"].fail(text, start)
            padded = listed[: 32 * width].ljust(32 * width, b"\0")
            hashes = [padded[at : at + 32] for at in range(0, 32 * width, 32)]
            texts: dict[int, bytes] = {}
            while True:
                waiting = next(reader, None) if waiting is None else waiting
                if waiting is None or waiting[0] >= start + width:
                    break
                texts[waiting[0] - start] = waiting[1]
                waiting = None
            if not listed and not texts:
                return
            self.check_tile(start, width, hashes, texts)
        if waiting is not None:
            text = f"entry {waiting[0]} is beyond the checkpoint's {self.size}"
            self.verdicts["sequence"].fail(text, waiting[0])

    def check_tile(self, start: int, width: int, hashes: list[bytes], texts: dict[int, bytes]) -> None:
        for at, text in texts.items():
            found = sha256(b"\0" + text).digest()
            if found != hashes[at]:
                trouble = f"entry {start + at} is not what the tree has in its place"
                self.verdicts["leaves"].fail(trouble, start + at)
                hashes[at] = found
        for at in range(width):
            about_key = self.replacements.get(start + at)
            if about_key is not None and sha256(b"\0" + about_key).digest() != hashes[at]:
                trouble = f"replaced.jsonl has for entry {start + at} what the tree has not in its place"
                self.verdicts["leaves"].fail(trouble, start + at)
        if self.is_whole:
            packed = b"".join(
                struct.pack(">H", len(text)) + text for text in texts.values() if len(text) < 65536
            )
            if packed != self.bundle.tile("entries", start // TILE, width):
                name = tile_name("entries", start // TILE, width)
                self.verdicts["tiles"].fail(f"{name} is missing or has other entries", start)
        if len(texts) < width:
            for at in range(width):
                if at not in texts:
                    self.withhold(start + at)
        if self.head and start <= self.head[1] < start + width:
            self.root_at_head = self.tree.root(hashes[: self.head[1] - start])
        self.tree.add_tile(hashes)

    def withhold(self, index: int) -> None:
        if self.is_whole:
            self.verdicts["sequence"].fail(f"entry {index} is missing", index)
        if self.withheld and self.withheld[-1][1] == index - 1:
            self.withheld[-1][1] = index
        else:
            self.withheld.append([index, index])

    # Payloads

    def open_payloads(self) -> IO[bytes]:
        if self.about["payloads"]:
            return self.bundle.open("payloads.jsonl")
        self.verdicts["payloads"].leave_out("left out of this bundle")
        return open(os.devnull, "rb")

    def said_later(self) -> list[Statement]:
        """What the bundle has of entries after its checkpoint, which nothing here proves."""
        try:
            lines = self.bundle.read("removed.jsonl").splitlines()
        except Unreadable:
            return []
        found = [statement(entry_in(line)) for line in lines]
        return sorted((one for one in found if one and one[0] >= self.size), key=lambda one: one[0])

    def next_payload(self) -> None:
        """What is no payload is passed over, and told."""
        for line in self.payload_lines:
            self.payload = entry_in(line)
            if self.payload:
                return
            self.verdicts["payloads"].fail("payloads.jsonl has something that is no payload")
        self.payload = None

    def check_payload(self, index: int, promised: Any) -> None:
        while self.payload is not None and self.payload["idx"] < index:
            self.stray_payload()
        if self.payload is None or self.payload["idx"] != index:
            if self.absent and self.absent[-1][1] == index - 1:
                self.absent[-1][1] = index
            else:
                self.absent.append([index, index])
            return
        if not is_promised(self.payload, promised):
            text = f"the payload of entry {index} is not the one that the entry committed to"
            self.verdicts["payloads"].fail(text, index)
        self.payloads += 1
        self.next_payload()

    def stray_payload(self) -> None:
        index = self.payload["idx"]
        self.verdicts["payloads"].fail(f"there is a payload of entry {index}, which has none here", index)
        self.next_payload()

    def check_absent(self) -> None:
        """A payload may be gone when an entry says that it would go, and no legal hold kept it by then."""
        verdict = self.verdicts["payloads"]
        if not self.about["payloads"]:
            return
        said = self.said + self.said_later()
        proven, claimed = prunable(self.said), prunable(said)
        for first, last in self.absent:
            index = beyond(proven, first)
            if index > last:
                continue
            unexplained = beyond(claimed, first)
            if unexplained > last:
                verdict.leave_out(
                    f"that of entry {index} was removed after this checkpoint, as removed.jsonl says: "
                    "a newer bundle can show that"
                )
            elif self.is_whole:
                text = f"the payload of entry {unexplained} is gone, and no entry says why"
                if any(is_pruning_of(unexplained, one) for one in said):
                    text = f"the payload of entry {unexplained} was pruned although a legal hold kept it"
                verdict.fail(text, unexplained)
            else:
                verdict.leave_out(
                    f"that of entry {unexplained} is gone; an entry that says why may have been withheld"
                )
        if verdict.state == "ok":
            gone = sum(last - first + 1 for first, last in self.absent)
            verdict.text = f"{self.payloads} there" + (f", {gone} removed as the log says" if gone else "")
            if gone and self.withheld:
                verdict.text += "; an entry that held them may have been withheld"

    # The tree as a whole

    def check_tree(self) -> None:
        for level, roots in enumerate(self.tree.levels, 1):
            for number in range(0, len(roots), TILE):
                hashes = roots[number : number + TILE]
                if self.bundle.tile(level, number // TILE, len(hashes)) != b"".join(hashes):
                    name = tile_name(level, number // TILE, len(hashes))
                    self.verdicts["tiles"].fail(f"{name} is missing or does not fit the leaves")
        self.root = self.tree.root()
        if self.root != self.signed_root:
            text = f"{self.root.hex()} over these entries, the checkpoint says {self.signed_root.hex()}"
            self.verdicts["root"].fail(text)
        self.verdicts["root"].text = self.verdicts["root"].text or self.root.hex()

    # Keys

    def check_replacements(self) -> None:
        """Entries about keys that a filter left out come in a file of their own; the tree has to have them too."""
        try:
            lines = self.bundle.read("replaced.jsonl").splitlines()
        except Unreadable:
            return
        for line in lines:
            one = statement(entry_in(line))
            if one is None or one[1] != REPLACED or not 0 <= one[0] < self.size:
                self.verdicts["sequence"].fail(
                    "replaced.jsonl has something that is no entry about a key here"
                )
            elif one[0] not in self.replacements:
                self.replacements[one[0]] = line
                self.said.append(one)

    def keys_from(self, known: str) -> list[int]:
        """Fill `reach`, from a key that is believed; the numbers of the entries that led from it to the present one."""
        replaced = sorted((one for one in self.said if one[1] == REPLACED), key=lambda one: one[0])
        present, path = known, []
        for number, _, details in replaced:
            if details.get("old") == present and is_key(details.get("new"), self.origin):
                present = details["new"]
                path.append(number)
        self.reach = {present: None}
        for number, _, details in reversed(replaced):
            old, new = details.get("old"), details.get("new")
            if not isinstance(old, str) or not isinstance(new, str):
                continue
            if new in self.reach and old not in self.reach:
                self.reach[old] = number
        return path

    def signer_of(self, note: str, size: int) -> tuple[str, str]:
        """Which key of the log has signed a head of this size, and why it does not count; "" for what is not."""
        for text, reach in self.reach.items():
            if is_key(text, self.origin) and Key(text).has_signed(note):
                return text, "" if reach is None or size <= reach else f"entry {reach} had replaced that key"
        return "", f"it is signed by none of: {', '.join(self.reach)}"

    def check_signature(self) -> None:
        verdict = self.verdicts["signature"]
        lines = self.bundle.read("keys.txt", SMALL).decode(errors="replace").splitlines()
        odd = [number for number, line in enumerate(lines, 1) if not is_key(line, self.origin)]
        inside = [Key(line) for line in lines if is_key(line, self.origin)]
        key = self.key or (inside[0] if inside else None)
        if key is None or key.name != self.origin:
            verdict.fail(f"there is no key of {self.origin}, whose checkpoint this is")
            return
        path = self.keys_from(key.text)
        by, trouble = self.signer_of(self.note, self.size)
        if trouble:
            verdict.fail(f"the checkpoint does not count: {trouble}", self.reach.get(by))
            return
        named = "the key that you named" if self.key else f"{key.text}, which is the bundle's own word"
        verdict.text = f"by {named}" + ("" if self.key else ": compare it with what you noted")
        if path:
            entries = ", ".join(str(number) for number in path)
            verdict.text = (
                f"by {by}, which entries put in the place of {named}: {entries}. Ask whether that is so"
            )
        if self.withheld:
            verdict.text += "; that it was replaced may have been withheld"
        if odd:
            verdict.text += f"; keys.txt has what is no key of this log, first in line {odd[0]}"

    def check_consistency(self) -> None:
        verdict = self.verdicts["consistency"]
        if self.head is None:
            verdict.leave_out("no earlier head was given (--head FILE)")
            return
        origin, size, root, note = self.head
        if origin != self.origin:
            verdict.fail(f"the earlier head is of another log, {origin}")
        elif self.signer_of(note, size)[1]:
            verdict.fail(f"the earlier head does not count: {self.signer_of(note, size)[1]}")
        elif size > self.size:
            text = f"the earlier head covers {size} entries, this bundle only {self.size}: the rest is gone"
            verdict.fail(text, self.size)
        elif root != (self.tree.root() if size == self.size else self.root_at_head):
            verdict.fail(f"the first {size} entries are not those that the earlier head covers")
        else:
            verdict.text = f"the first {size} entries are those that the earlier head covers"

    def say_withheld(self) -> None:
        count = sum(last - first + 1 for first, last in self.withheld)
        verdict = self.verdicts["withheld"]
        if count != self.size - self.about["entries"]:
            verdict.fail(f"{count} entries are not here, the bundle says {self.size - self.about['entries']}")
        elif not count:
            verdict.text = "nothing"
        else:
            ranges = [f"{first}" if first == last else f"{first}-{last}" for first, last in self.withheld]
            more = f", and {len(ranges) - 20} more ranges" if len(ranges) > 20 else ""
            verdict.text = f"{count} entries, only their hashes are here: {', '.join(ranges[:20])}{more}"


def entry_in(text: bytes) -> dict[str, Any]:
    """What has a number, and perhaps more; nothing where this is something else."""
    try:
        found = json.loads(text.decode())
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and type(found.get("idx")) is int and found["idx"] >= 0 else {}


def is_promised(payload: dict[str, Any], promised: Any) -> bool:
    """Whether a payload is the one that its entry committed to."""
    try:
        salt, data = bytes.fromhex(payload["salt"]), decode64(payload["data"])
        return (sha256(salt + data).hexdigest(), len(data)) == (promised["commitment"], promised["size"])
    except (Unreadable, LookupError, TypeError, ValueError, AttributeError):
        return False


def statement(entry: dict[str, Any]) -> Statement | None:
    """What an entry says of payloads or keys, if it does."""
    action, details = entry.get("action"), entry.get("details")
    if action in (PRUNED, HELD, RELEASED, REPLACED) and isinstance(details, dict):
        return entry["idx"], action, details
    return None


def is_key(text: Any, name: str) -> bool:
    """Whether this is written as a public key of the log of this name."""
    try:
        return isinstance(text, str) and Key(text).name == name
    except (Unreadable, ValueError):
        return False


def named_range(details: dict[str, Any]) -> Range | None:
    first, last = details.get("first_idx"), details.get("last_idx")
    return (first, last) if type(first) is int and type(last) is int else None


def is_pruning_of(index: int, one: Statement) -> bool:
    named = named_range(one[2]) if one[1] == PRUNED else None
    return named is not None and named[0] <= index <= named[1] and index < one[0]


def prunable(said: Iterable[Statement]) -> list[Range]:
    """Where payloads may be absent: what prunings name of earlier entries, without what was held by then."""
    holds: dict[int, Range] = {}
    found: list[Range] = []
    for number, action, details in said:
        named = named_range(details)
        if action == RELEASED:
            hold = details.get("hold")
            if type(hold) is int:
                holds.pop(hold, None)
        elif named and action == HELD:
            holds[number] = named
        elif named and action == PRUNED:
            pieces = [(named[0], min(named[1], number - 1))]
            for start, end in holds.values():
                pieces = [
                    piece
                    for first, last in pieces
                    for piece in ((first, min(last, start - 1)), (max(first, end + 1), last))
                    if piece[0] <= piece[1]
                ]
            found += pieces
    return found


def beyond(ranges: list[Range], index: int) -> int:
    """The first number from `index` on that is in none of the ranges."""
    for low, high in sorted(ranges):
        if low <= index <= high:
            index = high + 1
    return index


def numbered(lines: IO[bytes], check: Check) -> Iterator[tuple[int, bytes]]:
    """Each entry's text with its number, in order; what is out of order is told and passed over."""
    verdict, before = check.verdicts["sequence"], -1
    for line in iter(lambda: lines.readline(LINE), b""):
        text = line[:-1] if line.endswith(b"\n") else line
        check.entries += 1
        entry = entry_in(text)
        index = entry.get("idx", -1)
        if index < 0:
            verdict.fail(f"after entry {before} there is something that is no entry", before + 1)
            continue
        if index <= before:
            verdict.fail(f"entry {index} stands after entry {before}", index)
            continue
        before = index
        if "payload" in entry and check.about["payloads"]:
            check.check_payload(index, entry["payload"])
        one = statement(entry)
        if one:
            check.said.append(one)
        yield index, text


# What reading something that is damaged or no bundle at all ends with.
NO_BUNDLE = (
    *(Unreadable, zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError),
    *(ValueError, LookupError, TypeError, AttributeError),
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Check a bundle of Scrollback's audit log.")
    parser.add_argument("bundle", help="the ZIP, or the folder that it was unpacked into")
    parser.add_argument("--key", help="the public key that you noted, or a file with it")
    parser.add_argument("--head", help="a file with a signed head that you kept")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    try:
        key, head = given_key(options.key), given_head(options.head)
        check = Check(Bundle(options.bundle), key, head)
        verdicts = check.run()
    except NO_BUNDLE as error:
        print(f"verify.py: {str(error) or type(error).__name__}", file=sys.stderr)
        return 2
    failed = any(verdict.state == "failed" for verdict in verdicts)
    if options.json:
        print(json.dumps(document(check, verdicts, failed)))
    else:
        for verdict in verdicts:
            print(f"{verdict.name:12} {verdict.state:12} {verdict.text}")
        print(f"{check.origin}: {check.entries} of {check.size} entries, root {check.root.hex()}")
        print("SOMETHING IS WRONG." if failed else "Nothing is wrong.")
    return 1 if failed else 0


def document(check: Check, verdicts: list[Verdict], failed: bool) -> dict[str, Any]:
    return {
        "ok": not failed,
        "origin": check.origin,
        "size": check.size,
        "entries": check.entries,
        "root": check.root.hex(),
        "withheld": check.withheld,
        "verdicts": {
            v.name: {"state": v.state, "text": v.text, "first_bad_index": v.index} for v in verdicts
        },
    }


def given_key(value: str | None) -> Key | None:
    if value is None:
        return None
    if os.path.exists(value):
        with open(value, encoding="utf-8") as file:
            value = file.read()
    return Key(value)


def given_head(path: str | None) -> tuple[str, int, bytes, str] | None:
    if path is None:
        return None
    with open(path, encoding="utf-8") as file:
        note = file.read()
    return (*read_head(note), note)


if __name__ == "__main__":
    sys.exit(main())
