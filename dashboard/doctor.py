"""What `scrollback doctor` looks at: each check is one line that says how things stand and what to do about it.

A check never raises: what it cannot find out is its finding.
"""

import json
import os
import sqlite3
import stat
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from django.db import DatabaseError, connection
from django.db.models import Count, F, Sum

from audit.health import require_sound_log
from dashboard.lib.config import Config
from dashboard.lib.db import database_size, engine_version, explain, sqlite_path, vendor
from dashboard.lib.errors import Refused
from dashboard.lib.formatting import byte_size, counted
from dashboard.lib.machine import NameUnusable, host_name, kept_name, name_path
from dashboard.lib.schema import SchemaState, schema_state
from dashboard.room import Verdict, room_of
from dashboard.serving import addresses_of, is_loopback
from sessions_app.actions.terminals.deriving import derivable
from sessions_app.actions.tokens import agent_token_path
from sessions_app.client.home import announced_server
from sessions_app.client.spool import waiting
from sessions_app.importers.registry import FORMATS
from sessions_app.models import Terminal
from sessions_app.terminal.engine.version import ENGINE

# The log that a checkpoint brings back to nothing; it grows beyond this only while a reader never ends.
LARGE_WAL: Final = 256_000_000
# Before it, a checkpoint that meets a write could damage the database (sqlite.org/wal.html, "WAL-reset").
SAFE_SQLITE: Final = (3, 51, 3)
BACKPORTED_SQLITE: Final = frozenset({(3, 44, 6), (3, 50, 7)})
_HEALTH_SECONDS: Final = 3.0


_DISK_REMEDIES: Final[dict[Verdict, str]] = {
    "ok": "",
    "warn": "Free some space before recordings stop.",
    "fail": "Free some space: without it nothing can be recorded.",
}


@dataclass(frozen=True)
class Finding:
    """`remedy` is what to do; empty when nothing is to be done."""

    name: str
    verdict: Verdict
    text: str
    remedy: str = ""


class Doctor:
    """Looks at one installation. Checks that need the database stand back when it is away."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.home = config.home

    def findings(self) -> Iterator[Finding]:
        checks: tuple[Callable[[], Finding | None], ...] = (
            self._data_directory, self._machine, self._secret_key, self._disk, self._database, self._schema, self._size,
            self._sqlite_version, self._wal, self._audit_log, self._agent_token, self._server, self._recordings,
            self._address, self._terminal_engine, self._derived, self._agents,
        )  # fmt: skip
        for check in checks:
            finding = check()
            if finding is not None:
                yield finding

    @cached_property
    def _trouble(self) -> str:
        """Why the database cannot be used; empty when it can."""
        if self.config.database_error:
            return self.config.database_error
        try:
            connection.ensure_connection()
        except DatabaseError as error:
            return explain(error)
        return ""

    def _data_directory(self) -> Finding:
        name = "data directory"
        try:
            status = self.home.stat()
        except OSError as error:
            remedy = "Start `scrollback serve`, or name another one with SCROLLBACK_HOME."
            return Finding(name, "fail", f"{self.home}: {error.strerror}", remedy)
        mode = stat.S_IMODE(status.st_mode)
        if not os.access(self.home, os.W_OK | os.X_OK):
            return Finding(name, "fail", f"{self.home} cannot be written", f"chown {os.getuid()} {self.home}")
        if mode & 0o077:
            text = f"{self.home} is open to others ({mode:04o}): it holds what agents said, and keys"
            return Finding(name, "warn", text, f"chmod 700 {self.home}")
        return Finding(name, "ok", f"{self.home} ({mode:04o})")

    def _machine(self) -> Finding:
        """Which name histories and recordings of this machine are known by."""
        name, host = "machine", host_name()
        try:
            kept = kept_name(self.home)
        except NameUnusable as error:
            return Finding(name, "fail", error.problem, error.remedy)
        if kept is None:
            return Finding(name, "ok", f"{host}, as the host is called; the first import keeps it")
        place = f"{kept}, kept in {name_path(self.home)}"
        if kept == host:
            return Finding(name, "ok", place)
        return Finding(name, "ok", f"{place}; the host is called {host} now")

    def _secret_key(self) -> Finding | None:
        path = self.home / "secret.key"
        if not path.exists():
            return None
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            text = f"{path} can be read by others ({mode:04o})"
            return Finding("secret key", "fail", text, f"chmod 600 {path}")
        return Finding("secret key", "ok", f"{path} ({mode:04o})")

    def _disk(self) -> Finding:
        room = room_of(self.home)
        return Finding(
            "disk", room.verdict, f"{byte_size(room.free)} free at {room.where}", _DISK_REMEDIES[room.verdict]
        )

    def _database(self) -> Finding:
        if self._trouble:
            remedy = "Look at storage.url above: is it the right address, and is the database there?"
            return Finding("database", "fail", self._trouble, remedy)
        try:
            return Finding("database", "ok", f"{engine_version()} answers")
        except DatabaseError as error:
            return Finding("database", "fail", explain(error), "Restore a backup, or name another database.")

    def _schema(self) -> Finding | None:
        if self._trouble:
            return None
        try:
            state = schema_state()
            state.refuse_newer()
        except Refused as refusal:
            return Finding(
                "schema", "fail", str(refusal), "Install the version that made it, or a later one."
            )
        except DatabaseError as error:
            return Finding("schema", "fail", explain(error), "Restore a backup, or name another database.")
        return _schema_finding(state)

    def _size(self) -> Finding | None:
        if self._trouble:
            return None
        try:
            size = byte_size(database_size())
        except DatabaseError as error:
            return Finding("size", "warn", f"unknown: {explain(error)}")
        path = sqlite_path()
        place = (
            path or f"{connection.settings_dict['NAME']} on {connection.settings_dict['HOST'] or 'a socket'}"
        )
        return Finding("size", "ok", f"{size} at {place}")

    def _sqlite_version(self) -> Finding | None:
        if self.config.database_error or vendor() != "sqlite":
            return None
        version = sqlite3.sqlite_version_info
        if version >= SAFE_SQLITE or version in BACKPORTED_SQLITE:
            return Finding("SQLite", "ok", sqlite3.sqlite_version)
        text = f"{sqlite3.sqlite_version} has a rare fault that can damage a database in WAL mode"
        remedy = (
            "Take regular backups. Mended in 3.51.3, 3.50.7 and 3.44.6: it comes with Python or the system; "
            "Postgres is not concerned."
        )
        return Finding("SQLite", "warn", text, remedy)

    def _wal(self) -> Finding | None:
        path = None if self.config.database_error else sqlite_path()
        if path is None:
            return None
        try:
            size = os.path.getsize(f"{path}-wal")
        except OSError:
            size = 0
        if size > LARGE_WAL:
            remedy = (
                "Some program has been reading for very long. End it; the next write brings the log back."
            )
            return Finding("write-ahead log", "warn", f"{byte_size(size)} at {path}-wal", remedy)
        return Finding("write-ahead log", "ok", byte_size(size))

    def _audit_log(self) -> Finding | None:
        """What keeps a server from starting, in the same words."""
        if self._trouble:
            return None
        name = "audit log"
        try:
            if schema_state().pending:
                return None
            require_sound_log()
        except Refused as refusal:
            return Finding(name, "fail", str(refusal), "Then look at what is there: scrollback audit verify")
        except DatabaseError as error:
            return Finding(name, "warn", f"unknown: {explain(error)}", "Look at the database above.")
        return Finding(name, "ok", "its triggers and its key are there")

    def _agent_token(self) -> Finding:
        path = agent_token_path()
        if not path.exists():
            remedy = "Start `scrollback serve` once: it makes the token that recorders on this machine use."
            return Finding("agent token", "warn", f"{path} is not there", remedy)
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            text = f"{path} can be read by others ({mode:04o})"
            return Finding("agent token", "fail", text, f"chmod 600 {path}, then revoke it in the settings")
        return Finding("agent token", "ok", str(path))

    def _server(self) -> Finding:
        server = announced_server(self.home)
        if server is None:
            if (self.home / "server.json").exists():
                text = "none is running here: the last one ended without a word"
                return Finding("server", "fail", text, "Start it again: scrollback serve")
            return Finding("server", "warn", "none is running here", "Start it: scrollback serve")
        url = server.url
        try:
            # The address stands in a file that only the owner of the data directory can write.
            with urllib.request.urlopen(f"{url}healthz", timeout=_HEALTH_SECONDS) as answer:  # noqa: S310
                health = json.load(answer)
        except urllib.error.HTTPError as error:
            return Finding("server", "fail", f"{url} answers {error.code}", "Look at what it printed.")
        except (OSError, ValueError) as error:
            text = f"{url} does not answer ({getattr(error, 'reason', None) or error})"
            remedy = f"Start it again; it is process {server.process_id}."
            return Finding("server", "fail", text, remedy)
        text = f"{url} answers, process {server.process_id}, {health.get('engine', '')}"
        return Finding("server", "ok", text.rstrip(", "))

    def _recordings(self) -> Finding:
        count = len(waiting(self.home))
        if not count:
            return Finding("recordings", "ok", "none waits to be sent")
        plural = "s wait" if count > 1 else " waits"
        text = f"{count} recording{plural} to be sent, in {self.home / 'spool'}"
        return Finding("recordings", "warn", text, "scrollback upload, which says what is in the way")

    def _address(self) -> Finding:
        config = self.config
        addresses = "  ".join(addresses_of(config.host, config.port))
        if is_loopback(config.host):
            return Finding("address", "ok", f"{addresses} — browsers on this machine only")
        if not config.https_only:
            remedy = "Put a proxy with TLS in front and set serve.https_only, or listen on 127.0.0.1."
            return Finding("address", "warn", f"{addresses} — plain HTTP can be read on the way", remedy)
        return Finding("address", "ok", f"{addresses} — behind HTTPS")

    def _terminal_engine(self) -> Finding:
        if not ENGINE:
            remedy = "pip install pyghostty, where there is a wheel for this platform."
            return Finding("terminal engine", "warn", "pyghostty is not installed: no keyframes", remedy)
        return Finding("terminal engine", "ok", ENGINE)

    def _derived(self) -> Finding | None:
        """How much of the terminals waits for keyframes and text, and of how many another engine made them."""
        if self._trouble or not ENGINE:
            return None
        name = "keyframes"
        try:
            if schema_state().pending:
                return None
            late = derivable().aggregate(count=Count("pk"), size=Sum(F("size") - F("derived_size")))
            stale = Terminal.objects.exclude(derived_by__in=["", ENGINE]).filter(deleted_ms=None).count()
        except DatabaseError as error:
            return Finding(name, "warn", f"unknown: {explain(error)}")
        if late["count"]:
            text = f"{late['count']} terminal{'s wait' if late['count'] > 1 else ' waits'} for theirs"
            text = f"{text} ({byte_size(max(0, late['size'] or 0))} of output)"
            if announced_server(self.home):
                return Finding(name, "ok", f"{text}: the server is at it")
            return Finding(name, "warn", text, "A running server makes them: scrollback serve")
        if stale:
            text = f"{stale} terminal{'s have' if stale > 1 else ' has'} those of another engine"
            return Finding(name, "warn", text, "scrollback terminals rebuild")
        return Finding(name, "ok", "none is waited for")

    def _agents(self) -> Finding:
        environment, home = dict(os.environ), os.path.expanduser("~")
        found = [
            f"{known.name} in {root}"
            for known in FORMATS
            for root in known.default_roots(environment, home)
            if os.path.isdir(root)
        ]
        # The two forms of a format look in the same place.
        folders = {line.partition(" in ")[2]: line for line in reversed(found)}
        if not folders:
            remedy = "Name the folders: scrollback watch PATH…"
            return Finding("agents", "warn", "no known agent has written on this machine", remedy)
        return Finding("agents", "ok", "; ".join(sorted(folders.values())))


def _schema_finding(state: SchemaState) -> Finding:
    if not state.applied:
        return Finding(
            "schema", "warn", "the database is empty", "Start `scrollback serve`, or import something."
        )
    if state.pending:
        text = f"pending migrations: {state.pending}"
        return Finding("schema", "fail", text, "Start `scrollback serve` once to apply them.")
    return Finding("schema", "ok", f"up to date, {counted(state.applied, 'migration')} applied")
