"""Reads the settings of the program: environment first, then the TOML file, then defaults."""

import ipaddress
import os
import secrets
import socket
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dashboard.lib.database_url import NO_DATABASE, DatabaseUrlError, database_settings, without_password

SYSTEM_HOME = Path("/var/lib/scrollback")
DEFAULT_PORT = 8765
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
DEFAULT_SEAL_AFTER_HOURS = 24
MIN_SECRET_CHARS = 40


class ConfigError(Exception):
    """A setting is wrong; the message names it and says what it may be."""


@dataclass(frozen=True)
class Setting:
    """One setting in force, for `scrollback doctor`."""

    name: str
    value: str
    origin: str


@dataclass
class Config:
    home: Path
    database: dict[str, Any]
    secret_key: str
    debug: bool
    host: str
    port: int
    allowed_hosts: list[str]
    trusted_origins: list[str]
    https_only: bool
    sqlite_synchronous: str
    static_storage: str
    log_level: str
    # What had nothing new for so long is sealed in the audit log.
    seal_after_hours: int
    # The settings file as it stands, for the parts of the program that read a section of their own.
    file: Mapping[str, Any] = field(default_factory=dict)
    file_name: str = ""
    # Why the address of the database cannot be one; "" when it can. Whoever needs the database refuses with it.
    database_error: str = ""
    settings: list[Setting] = field(default_factory=list)


class _Reader:
    """Looks a setting up in environment, file and default, and remembers where it was found."""

    def __init__(self, environment: Mapping[str, str], file: Mapping[str, Any], file_name: str) -> None:
        self._environment = environment
        self._file = file
        self._file_name = file_name
        self.found: list[Setting] = []

    def text(self, name: str, key: str, default: str, *, secret: bool = False) -> str:
        value, origin = default, "default"
        in_file: Any = self._file
        for part in key.split("."):
            in_file = in_file.get(part) if isinstance(in_file, Mapping) else None
        if in_file is not None:
            several = isinstance(in_file, list)
            value, origin = ",".join(map(str, in_file)) if several else str(in_file), self._file_name
        if self._environment.get(name):
            value, origin = self._environment[name], f"environment ({name})"
        self.found.append(Setting(key, "set" if secret and value else value, origin))
        return value

    def flag(self, name: str, key: str, *, default: bool) -> bool:
        value = self.text(name, key, "true" if default else "false").lower()
        if value not in {"true", "false", "1", "0", "yes", "no"}:
            raise ConfigError(f"{key} must be true or false, not {value!r}.")
        return value in {"true", "1", "yes"}

    def number(self, name: str, key: str, default: int, low: int, high: int) -> int:
        value = self.text(name, key, str(default))
        if not value.isdecimal() or not low <= int(value) <= high:
            raise ConfigError(f"{key} must be a number from {low} to {high}, not {value!r}.")
        return int(value)


def default_home(environment: Mapping[str, str]) -> Path:
    """The data directory: SCROLLBACK_HOME, else the system-wide one when it was made, else the XDG one."""
    if environment.get("SCROLLBACK_HOME"):
        return Path(environment["SCROLLBACK_HOME"]).expanduser().absolute()
    if SYSTEM_HOME.is_dir() and os.access(SYSTEM_HOME, os.W_OK):
        return SYSTEM_HOME
    base = environment.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base).expanduser().absolute() / "scrollback"


def load_config(environment: Mapping[str, str] = os.environ) -> Config:
    """Everything that can be set. Raises ConfigError with one clear line."""
    home = default_home(environment)
    file, file_name = _read_file(environment, home)
    reader = _Reader(environment, file, file_name)
    reader.found.append(
        Setting(
            "home",
            str(home),
            "environment (SCROLLBACK_HOME)" if environment.get("SCROLLBACK_HOME") else "default",
        )
    )
    url = reader.text("SCROLLBACK_DATABASE_URL", "storage.url", f"sqlite:///{home / 'scrollback.sqlite3'}")
    reader.found[-1] = Setting("storage.url", without_password(url), reader.found[-1].origin)
    synchronous = reader.text("SCROLLBACK_SQLITE_SYNCHRONOUS", "storage.sqlite_synchronous", "FULL").upper()
    if synchronous not in {"FULL", "NORMAL", "EXTRA"}:
        raise ConfigError(f"storage.sqlite_synchronous must be FULL, NORMAL or EXTRA, not {synchronous!r}.")
    database, database_error = _database(url)
    log_level = reader.text("SCROLLBACK_LOG_LEVEL", "log_level", "INFO").upper()
    if log_level not in LOG_LEVELS:
        raise ConfigError(f"log_level must be one of {', '.join(LOG_LEVELS)}, not {log_level!r}.")
    host = reader.text("SCROLLBACK_HOST", "serve.host", "127.0.0.1")
    port = reader.number("SCROLLBACK_PORT", "serve.port", DEFAULT_PORT, 1, 65535)
    names = [
        name for name in reader.text("SCROLLBACK_ALLOWED_HOSTS", "serve.allowed_hosts", "").split(",") if name
    ]
    if "*" in names:
        raise ConfigError(
            "serve.allowed_hosts must name hosts; '*' would let any web page reach the console."
        )
    debug = reader.flag("SCROLLBACK_DEBUG", "debug", default=False)
    static_storage = (
        "django.contrib.staticfiles.storage.StaticFilesStorage"
        if debug
        else "dashboard.static_storage.HashedStaticFilesStorage"
    )
    return Config(
        home=home,
        database=database,
        database_error=database_error,
        secret_key=environment.get("SCROLLBACK_SECRET_KEY") or _secret_key(home),
        debug=debug,
        host=host,
        port=port,
        allowed_hosts=own_names(host) + [name.strip() for name in names],
        trusted_origins=_origins(reader.text("SCROLLBACK_TRUSTED_ORIGINS", "serve.trusted_origins", "")),
        https_only=reader.flag("SCROLLBACK_HTTPS_ONLY", "serve.https_only", default=False),
        sqlite_synchronous=synchronous,
        static_storage=static_storage,
        log_level=log_level,
        seal_after_hours=reader.number(
            "SCROLLBACK_SEAL_AFTER_HOURS", "audit.seal_after_hours", DEFAULT_SEAL_AFTER_HOURS, 0, 8_760
        ),
        file=file,
        file_name=file_name,
        settings=reader.found,
    )


def own_names(host: str) -> list[str]:
    """The Host headers that lead here: loopback, and what the server was told to listen on.

    An address literal cannot be rebound by DNS, so this machine's own ones are safe to add when the
    server listens on all of them.
    """
    names = ["localhost", "127.0.0.1", "[::1]", "console.localhost"]
    if host in {"0.0.0.0", "::"}:  # noqa: S104  a comparison, not a bind
        machine = socket.gethostname()
        names += [machine, f"{machine}.local", *sorted(_own_addresses())]
    elif host not in names:
        names.append(f"[{host}]" if ":" in host else host)
    return names


def _own_addresses() -> set[str]:
    found: set[str] = set()
    try:
        for *_, address in socket.getaddrinfo(socket.gethostname(), None):
            found.add(str(address[0]).partition("%")[0])
    except OSError:
        pass
    # The address of the default route; connecting a datagram socket sends nothing.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            found.add(probe.getsockname()[0])
        except OSError:
            pass
    return {f"[{text}]" if ipaddress.ip_address(text).version == 6 else text for text in found}


def _read_file(environment: Mapping[str, str], home: Path) -> tuple[Mapping[str, Any], str]:
    named = environment.get("SCROLLBACK_CONFIG")
    path = Path(named).expanduser() if named else home / "config.toml"
    try:
        with path.open("rb") as handle:
            return tomllib.load(handle), str(path)
    except FileNotFoundError:
        if named:
            raise ConfigError(f"SCROLLBACK_CONFIG names {path}, which does not exist.") from None
        return {}, ""
    except PermissionError as error:
        if not named and not os.access(home, os.X_OK):
            raise ConfigError(
                f"The data directory {home} cannot be entered: {_reason(error)}. "
                "Is SCROLLBACK_HOME right, and are its rights?"
            ) from error
        raise ConfigError(f"The settings file {path} cannot be read: {_reason(error)}.") from error
    except OSError as error:
        raise ConfigError(f"The settings file {path} cannot be read: {_reason(error)}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The settings file {path} cannot be read: {error}") from error


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _database(url: str) -> tuple[dict[str, Any], str]:
    """Django's settings, and why there are none: not raised, for `doctor` is to work without a database."""
    try:
        return database_settings(url), ""
    except DatabaseUrlError as error:
        return {"ENGINE": NO_DATABASE}, f"SCROLLBACK_DATABASE_URL {error}"


def _origins(text: str) -> list[str]:
    origins = [origin.strip().rstrip("/") for origin in text.split(",") if origin.strip()]
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or not parts.netloc or "*" in origin:
            raise ConfigError(
                f"serve.trusted_origins must list exact origins such as https://box.lan, not {origin!r}."
            )
    return origins


def _secret_key(home: Path) -> str:
    """The key that signs sign-ins, made on first use and kept beside the data, readable by its owner only."""
    path = home / "secret.key"
    try:
        key = path.read_text().strip()
        if len(key) >= MIN_SECRET_CHARS:
            return key
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ConfigError(f"The key file {path} cannot be read: {error.strerror}.") from error
    key = secrets.token_urlsafe(48)
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Only one of several processes that start together may win; the others read what it wrote.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip() or key
    except OSError as error:
        raise ConfigError(f"The data directory {home} cannot be written: {error.strerror}.") from error
    with os.fdopen(descriptor, "w") as handle:
        handle.write(key + "\n")
    return key
