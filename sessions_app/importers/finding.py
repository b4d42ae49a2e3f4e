"""Which files an import looks at."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sessions_app.importers.claude_code.layout import is_outputs_folder

# What the column of a source's path holds.
MAX_STORED_CHARS = 2048
# What an agent's history is written as; anything else in a folder is not even opened.
SUFFIXES = (".jsonl", ".jsonl.zst", ".json", ".cast")
# What is hardly anything but a history: a link of such a name that leads nowhere is a history that is lost.
_TELLING_SUFFIXES = (".jsonl", ".jsonl.zst", ".cast")


@dataclass
class Found:
    """Files by path, in a stable order, with their size and time; and what could not be looked at."""

    files: dict[str, os.stat_result] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    # Files that were named themselves, not found in a folder: for these, silence would be a lie.
    named: set[str] = field(default_factory=set)
    folders: list[str] = field(default_factory=list)


def find_files(paths: Sequence[str]) -> Found:
    """Every candidate below these paths. A path that cannot be read becomes an error, never an exception."""
    found = Found()
    for given in paths:
        # A file is one source, whichever link leads to it.
        path = os.path.realpath(os.path.expanduser(given))
        try:
            status = os.stat(path)
        except OSError as error:
            found.errors[given] = _reason(error)
            continue
        if os.path.isdir(path):
            found.folders.append(path)
            _walk(path, found)
        elif not os.path.isfile(path):
            found.errors[given] = "it is neither a file nor a folder"
        else:
            found.named.add(path)
            found.files[path] = status
    return found


def _walk(folder: str, found: Found) -> None:
    for path, status in _entries(folder, found):
        found.files.setdefault(path, status)


def _entries(folder: str, found: Found) -> Iterator[tuple[str, os.stat_result]]:
    # A stack instead of recursion: folders may lie deeper than calls may.
    folders = [folder]
    while folders:
        current = folders.pop()
        try:
            entries = sorted(os.scandir(current), key=lambda entry: entry.name)
        except OSError as error:
            found.errors[current] = _reason(error)
            continue
        inner = []
        for entry in entries:
            try:
                # Links to folders are not followed: they lead in circles.
                if entry.is_dir(follow_symlinks=False):
                    if not is_outputs_folder(entry.path):
                        inner.append(entry.path)
                elif entry.name.endswith(SUFFIXES) and entry.is_file():
                    path = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
                    yield path, entry.stat()
                elif _is_lost_history(entry):
                    found.errors[entry.path] = "it is a link to a file that is not there"
            except OSError as error:
                found.errors[entry.path] = _reason(error)
        # Files first: a session's own file says more of it than those of its subagents in the folder beside.
        folders.extend(reversed(inner))


def _is_lost_history(entry: "os.DirEntry[str]") -> bool:
    """Hidden ones are no histories: editors keep such links while a file is open in them."""
    return (
        entry.name.endswith(_TELLING_SUFFIXES)
        and not entry.name.startswith(".")
        and entry.is_symlink()
        and not os.path.exists(entry.path)
    )


def stored_path(path: str) -> str:
    """The path as the database knows it: text that both engines take, another one for every file.

    Names that are not UTF-8 keep their odd bytes as \\xNN; very long ones end in a hash.
    """
    text = os.fsencode(path).decode("utf-8", "backslashreplace").replace("\x00", "")
    if len(text) <= MAX_STORED_CHARS:
        return text
    return text[: MAX_STORED_CHARS - 65] + "…" + hashlib.sha256(text.encode()).hexdigest()


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
