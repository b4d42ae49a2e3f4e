"""The address of the database: what may stand there, and what is said of what may not."""

import pytest

from dashboard.lib.database_url import DatabaseUrlError, database_settings, without_password


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:///x.db", "x.db"),
        ("sqlite:////var/lib/x.db", "/var/lib/x.db"),
        ("sqlite:///x.db?timeout=60", "x.db"),
        ("postgres://u:p@host:5432/x", "x"),
        ("postgresql:///x", "x"),
        ("postgres://?service=console", ""),
    ],
)
def test_an_address_that_names_a_database_is_taken(url: str, name: str) -> None:
    assert database_settings(url)["NAME"] == name


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://x.db",
        "sqlite:///",
        "sqlite://",
        "sqlite:///?timeout=60",
        "sqlite:///:memory:",
        "sqlite://d/x.db",
    ],
)
def test_sqlite_without_a_file_is_refused(url: str) -> None:
    with pytest.raises(DatabaseUrlError, match="needs three slashes and a file: sqlite:///path"):
        database_settings(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgres://u@127.0.0.1", "names no database"),
        ("postgres://u@127.0.0.1/", "names no database"),
        ("postgres://", "names no database"),
        ("postgres://u@[::1/x", "cannot be read"),
        ("postgres://u@127.0.0.1:abc/x", "the port must be a number"),
        ("postgres://u@127.0.0.1:0/x", "the port must be a number"),
        ("postgres://u@127.0.0.1:99999/x", "the port must be a number"),
        ("mysql://u@127.0.0.1/x", "must begin with sqlite:/// or postgres://, not 'mysql'"),
        ("x.db", "must begin with sqlite:/// or postgres://, not 'x.db'"),
    ],
)
def test_an_address_that_cannot_be_one_is_refused(url: str, said: str) -> None:
    with pytest.raises(DatabaseUrlError, match=said):
        database_settings(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://u:hunter2@host/x", "postgres://u:…@host/x"),
        ("postgres://u@host/x", "postgres://u@host/x"),
        # What follows the colon is taken for a port.
        ("postgres://u:hunter2/@host/x", "(cannot be read)"),
        ("postgres://u:hunter2@[::1/x", "(cannot be read)"),
    ],
)
def test_a_password_is_never_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown
