"""The one list of keys: the page's script listens to it and the help sheet shows it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Final

from sessions_app.access import KEEP_OWN, OPERATE, READ, READ_AUDIT


@dataclass(frozen=True, slots=True)
class Shortcut:
    """`keys` are pressed one after the other; `Ctrl+K` means together, and Command on a Mac.

    What it does: dispatch `event {key}` on the document for the page's elements to act on; when none of them
    does, focus the first element matching `focus`, or go to `href`. Keys that the browser itself acts on have
    none of the three. `key_range` are single keys that all do it, in the order in which they stand on a keyboard.
    Who has not the `right` has no such key.
    """

    group: str
    keys: tuple[str, ...]
    label: str
    href: str = ""
    focus: str = ""
    event: str = ""
    key_range: str = ""
    right: str = READ

    @property
    def key_names(self) -> list[str]:
        if self.key_range:
            return [f"{self.key_range[0]} to {self.key_range[-1]}"]
        return [_KEY_NAMES.get(key, key) for key in self.keys]

    @property
    def bound_keys(self) -> list[tuple[str, ...]]:
        return [(key,) for key in self.key_range] or [self.keys]


_KEY_NAMES = {
    "ArrowLeft": "←",
    "ArrowRight": "→",
    "Escape": "Esc",
    "Ctrl+k": "Ctrl K",
    "Ctrl+f": "Ctrl F",
    " ": "Space",
}

SHORTCUTS = (
    Shortcut("Anywhere", ("/",), "Search this page", focus="[data-search]", event="search:open"),
    Shortcut("Anywhere", ("Ctrl+k",), "Go to a session, run or command", event="palette:open"),
    Shortcut("Anywhere", ("?",), "Show these keys", event="help:open"),
    Shortcut("Anywhere", ("Escape",), "Close what is open"),
    Shortcut("Go to", ("g", "n"), "Now", href="/"),
    Shortcut("Go to", ("g", "s"), "Sessions", href="/sessions/"),
    Shortcut("Go to", ("g", "r"), "Runs", href="/runs/"),
    Shortcut("Go to", ("g", "t"), "Terminals", href="/terminals/"),
    Shortcut("Go to", ("g", "a"), "Audit", href="/audit/", right=READ_AUDIT),
    Shortcut("Rows", ("j",), "Next row", event="rows:next"),
    Shortcut("Rows", ("k",), "Previous row", event="rows:previous"),
    Shortcut("Rows", ("Enter",), "Open the row"),
    Shortcut("Rows", ("o",), "Peek at the row", event="rows:peek"),
    Shortcut("Rows", ("x",), "Select the row", event="rows:select", right=OPERATE),
    Shortcut("Session", ("[",), "Previous session", event="session:previous"),
    Shortcut("Session", ("]",), "Next session", event="session:next"),
    Shortcut(
        "Session", ("e",), "Archive, or take out of the archive", event="session:archive", right=OPERATE
    ),
    Shortcut("Session", ("s",), "Star, or take the star off", event="session:star", right=KEEP_OWN),
    Shortcut("Player", (" ",), "Play or pause", event="player:toggle"),
    Shortcut("Player", ("ArrowLeft",), "Back 5 s", event="player:back"),
    Shortcut("Player", ("ArrowRight",), "Forward 5 s", event="player:forward"),
    Shortcut("Player", (",",), "Previous frame", event="player:previous"),
    Shortcut("Player", (".",), "Next frame", event="player:next"),
    Shortcut("Player", ("<",), "Slower", event="player:slower"),
    Shortcut("Player", (">",), "Faster", event="player:faster"),
    Shortcut("Player", (), "Jump to tenths of the recording", key_range="0123456789", event="player:tenth"),
    Shortcut("Player", ("Home",), "First moment", event="player:first"),
    Shortcut("Player", ("End",), "Last moment, and follow", event="player:last"),
    Shortcut("Player", ("m",), "Next marker", event="player:next-marker"),
    Shortcut("Player", ("M",), "Previous marker", event="player:previous-marker"),
    Shortcut("Player", ("f",), "Full window", event="player:full"),
    Shortcut("Player", ("Ctrl+f",), "Search inside the terminal", event="player:find"),
    Shortcut("Player", ("n",), "Next hit", event="player:next-hit"),
    Shortcut("Player", ("N",), "Previous hit", event="player:previous-hit"),
)


RIGHTS: Final = frozenset(shortcut.right for shortcut in SHORTCUTS)


def shortcuts_of(rights: Collection[str]) -> list[Shortcut]:
    return [shortcut for shortcut in SHORTCUTS if shortcut.right in rights]


def by_group(shortcuts: Iterable[Shortcut]) -> list[tuple[str, list[Shortcut]]]:
    return [(group, list(members)) for group, members in groupby(shortcuts, attrgetter("group"))]


def bindings(shortcuts: Iterable[Shortcut]) -> list[dict[str, object]]:
    """What `hot-keys.js` reads."""
    return [
        {"keys": keys, "href": shortcut.href, "focus": shortcut.focus, "event": shortcut.event}
        for shortcut in shortcuts
        if shortcut.href or shortcut.focus or shortcut.event
        for keys in shortcut.bound_keys
    ]
