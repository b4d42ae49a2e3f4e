"""Where the recorder keeps its spool, and which server it sends to with which token."""

import fcntl
import json
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import urlsplit

#: The same rule as the server's own, which the client must not import.
_SYSTEM_HOME = Path("/var/lib/scrollback")

_NAME_CHARS = 255


class TargetError(Exception):
    """What was asked for cannot be used; the message is one line for the person."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server and the token that it knows the recorder by."""

    url: str
    token: str = field(repr=False)
    # The address by which it was chosen, where it was: what is meant for it goes nowhere else by itself.
    named: str | None = None
    # The data directory whose server it is: what listens at that address counts as that one only while this says so.
    announced_in: Path | None = None

    def is_there(self) -> bool:
        """False when that server has ended or moved, and another program may listen there by now."""
        if self.announced_in is None:
            return True
        announced = announced_server(self.announced_in)
        return announced is not None and announced.url == self.url


@dataclass(frozen=True, slots=True)
class TargetChoice:
    """What the command line says about the server; the environment and the data directory say the rest."""

    server: str | None = None
    token_file: Path | None = None


def home(environment: Mapping[str, str] = os.environ) -> Path:
    """The data directory: SCROLLBACK_HOME, else the system-wide one when it was made, else the XDG one."""
    if environment.get("SCROLLBACK_HOME"):
        return Path(environment["SCROLLBACK_HOME"]).expanduser().absolute()
    if _SYSTEM_HOME.is_dir() and os.access(_SYSTEM_HOME, os.W_OK):
        return _SYSTEM_HOME
    base = environment.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser().absolute() / "scrollback"


def machine_name(directory: Path) -> str:
    """What the server of this data directory calls this machine, by the same rule as `dashboard/lib/machine.py`; the
    host's own name where none is kept, or none that can be used: `scrollback doctor` tells of that.
    """
    try:
        with (directory / "machine.name").open("rb") as file:
            kept = file.read(4 * _NAME_CHARS + 1024).decode().strip()
    except (OSError, UnicodeDecodeError):
        kept = ""
    return kept if len(kept) <= _NAME_CHARS and kept and kept.isprintable() else socket.gethostname()


def named_server(choice: TargetChoice, environment: Mapping[str, str] = os.environ) -> str | None:
    """The address that somebody chose; None for whichever server there is on this machine."""
    return choice.server or environment.get("SCROLLBACK_URL") or None


def without_choice(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The same without the server and token that it names: a program with it sends to the server on this machine."""
    chosen = ("SCROLLBACK_URL", "SCROLLBACK_TOKEN")
    return {name: value for name, value in environment.items() if name not in chosen}


def check_choice(choice: TargetChoice, environment: Mapping[str, str] = os.environ) -> None:
    """Raises TargetError for a server or token file that was named and can never work."""
    server = named_server(choice, environment)
    if server:
        _check_url(server)
    if choice.token_file:
        _read_token(choice.token_file)


def find_target(
    choice: TargetChoice, directory: Path, environment: Mapping[str, str] = os.environ
) -> Target | None:
    """The server to send to now, None when there is no server or no token. Asked again for each connection,
    since a server that was started again may be at another address. Raises TargetError."""
    announced, named = announced_server(directory), named_server(choice, environment)
    url = named or (announced.url if announced else None)
    if not url:
        return None
    _check_url(url)
    announced_in = None if named else directory
    if choice.token_file:
        return Target(url, _read_token(choice.token_file), named, announced_in)
    if environment.get("SCROLLBACK_TOKEN"):
        token = _check_token(environment["SCROLLBACK_TOKEN"].strip(), "SCROLLBACK_TOKEN")
        return Target(url, token, named, announced_in)
    local_token = directory / "agent.token"
    # The token of the server on this machine is no business of a server elsewhere, which a named one is unless this
    # one says that it is itself; while it does not run, there is nobody here to take the token.
    if not local_token.exists() or announced is None or not is_at(url, (announced.url, *announced.origins)):
        return None
    # To where it listens: its other names may lead to another program too, as localhost does to one on ::1.
    _check_url(announced.url)
    return Target(announced.url, _read_token(local_token), named, directory)


def is_at(url: str, origins: Iterable[str]) -> bool:
    """Whether `url` is the address of a server that answers at these origins, each with nothing below it."""
    return (
        _is_usable(url)
        and not urlsplit(url).path.strip("/")
        and _origin(url) in {_origin(origin) for origin in origins if _is_usable(origin)}
    )


class Announced(NamedTuple):
    """The server on a data directory: its address, what else leads to it, and its process."""

    url: str
    origins: tuple[str, ...]
    process_id: int


def announced_server(directory: Path) -> Announced | None:
    """The server that runs on this data directory. It keeps a lock on its announcement (dashboard/announcing.py): one
    that was killed could not remove that, and another program may have its port by now.
    """
    try:
        with (directory / "server.json").open("rb") as file:
            if not _is_locked(file):
                return None
            told = json.load(file)
        return Announced(str(told["url"]), tuple(map(str, told["origins"])), int(told["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_locked(file: BinaryIO) -> bool:
    """Whether a process that lives has the file to itself."""
    try:
        # Shared, so that those who ask at once do not take one another for it. Closing the file gives it back.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _is_usable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and has_port


def _check_url(url: str) -> None:
    if not _is_usable(url):
        raise TargetError(f"{url!r} is not the http or https address of a server")
    parts = urlsplit(url)
    if parts.username is not None or parts.query or parts.fragment:
        raise TargetError("the address of a server has no user, query or fragment: a token goes into a file")


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _read_token(path: Path) -> str:
    try:
        return _check_token(path.read_text("ascii").strip(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not ASCII"
        raise TargetError(f"the token in {path} cannot be read: {reason}") from error


def _check_token(token: str, source: str) -> str:
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise TargetError(f"{source} holds no token")
    return token
