"""The address of the database, as the settings give it."""

from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import dj_database_url

# In place of a database that cannot be named: whoever uses it is told so by Django.
NO_DATABASE: Final = "django.db.backends.dummy"
MAX_PORT: Final = 65535


class DatabaseUrlError(ValueError):
    """The address cannot be one; the message says why, without a password."""


def database_settings(url: str) -> dict[str, Any]:
    """Django's settings for the database at this address."""
    parts = _split(url)
    if parts.scheme not in {"sqlite", "postgres", "postgresql"}:
        raise DatabaseUrlError(
            f"must begin with sqlite:/// or postgres://, not {parts.scheme or without_password(url)!r}."
        )
    # Without a file it would be a database in memory, and all that is written lost with the process.
    if parts.scheme == "sqlite" and (parts.netloc or parts.path.strip("/") in {"", ":memory:"}):
        raise DatabaseUrlError("needs three slashes and a file: sqlite:///path")
    try:
        found: dict[str, Any] = dict(dj_database_url.parse(url))
    except (ValueError, KeyError) as error:
        raise DatabaseUrlError(f"cannot be read: {error}") from error
    # A service of libpq has the name with it.
    if parts.scheme != "sqlite" and not (found["NAME"] or found.get("OPTIONS", {}).get("service")):
        raise DatabaseUrlError("names no database: postgres://user:password@host/name")
    return found


def without_password(url: str) -> str:
    """The address as it may be shown."""
    try:
        parts = _split(url)
    except DatabaseUrlError:
        return "(cannot be read)"
    return url if parts.password is None else url.replace(f":{parts.password}@", ":…@", 1)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise DatabaseUrlError(f"cannot be read: {error}") from error
    if parts.scheme == "sqlite":
        return parts
    try:
        port = parts.port
    except ValueError as error:
        # What stands there may be the rest of a password with a slash in it, so it is not repeated.
        raise DatabaseUrlError(f"cannot be read: the port must be a number from 1 to {MAX_PORT}.") from error
    if port == 0:
        raise DatabaseUrlError(f"cannot be read: the port must be a number from 1 to {MAX_PORT}.")
    return parts
