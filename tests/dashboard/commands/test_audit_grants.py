"""On Postgres the server's role appends to the log, and can do nothing else to it."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import errors

from tests.dashboard.commands.shell import Shell, only_line
from tests.dashboard.commands.test_audit_prune import GROW

only_postgres = pytest.mark.skipif(
    "config.getoption('--engine') != 'postgres'", reason="only Postgres has roles"
)


@dataclass(frozen=True)
class Roles:
    web: str
    owner: str
    shell: Shell
    administrator: str

    def url(self, role: str) -> str:
        parts = urlsplit(self.administrator)
        return parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}").geturl()

    def shell_of(self, role: str) -> Shell:
        return Shell(self.shell.home, self.url(role))


@pytest.fixture
def roles(shell: Shell) -> Iterator[Roles]:
    """A database with entries and payloads, and two roles that the script has not been run for."""
    shell.json("list")
    subprocess.run([sys.executable, "-c", GROW], env=shell.environment, check=True)
    mark = uuid.uuid4().hex[:12]
    made = Roles(f"web_{mark}", f"owner_{mark}", shell, shell.environment["SCROLLBACK_DATABASE_URL"])
    with psycopg.connect(made.administrator, autocommit=True) as server:
        for role in (made.web, made.owner):
            server.execute(f'CREATE ROLE "{role}" LOGIN')
        try:
            yield made
        finally:
            for role in (made.web, made.owner):
                server.execute(f'REASSIGN OWNED BY "{role}" TO CURRENT_USER')
                server.execute(f'DROP OWNED BY "{role}"')
                server.execute(f'DROP ROLE "{role}"')


def run_script(roles: Roles) -> None:
    printed = roles.shell.run("audit", "grants", "--web", roles.web, "--owner", roles.owner)
    assert printed.returncode == 0, printed.stderr
    with psycopg.connect(roles.administrator, autocommit=True) as server:
        server.execute(printed.stdout.decode())


TAMPERING = (
    "UPDATE audit_entry SET action = 'x'",
    "UPDATE audit_entry SET leaf = leaf WHERE false",
    "DELETE FROM audit_entry",
    "TRUNCATE audit_entry",
    "DROP TABLE audit_entry CASCADE",
    "ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_no_update",
    "ALTER TABLE audit_entry DISABLE TRIGGER ALL",
    "ALTER TABLE audit_entry RENAME TO gone",
    "DROP TRIGGER audit_entry_no_update ON audit_entry",
    "CREATE OR REPLACE FUNCTION audit_entry_no_update() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "DROP FUNCTION audit_entry_no_update() CASCADE",
    "ALTER FUNCTION audit_entry_no_update() RENAME TO gone",
    "SET session_replication_role = replica",
    "UPDATE audit_checkpoint SET note = ''",
    "DELETE FROM audit_checkpoint",
    "UPDATE audit_subtree SET hash = hash",
    "DELETE FROM audit_payload",
    "UPDATE audit_payload SET data = ''",
    "INSERT INTO audit_pruning (idx, first_idx, last_idx) VALUES (0, 0, 99)",
    "DELETE FROM audit_log",
    "UPDATE audit_log SET log_id = gen_random_uuid()",
    "DELETE FROM django_migrations",
    "CREATE TABLE mine (id int)",
    "DROP SCHEMA public CASCADE",
    "SET ROLE {owner}",
)


# What the role may do, and the triggers refuse: it would stand in the way of what is yet to come for ever.
BEYOND = (
    "INSERT INTO audit_checkpoint (size, at_ms, note, key) VALUES (1000000000000, 0, 'x', 'x')",
    "INSERT INTO audit_subtree (level, number, hash) VALUES (1, 3, '')",
    "INSERT INTO audit_subtree (level, number, hash) VALUES (2, 0, '')",
    "INSERT INTO audit_payload (idx, salt, data) VALUES (1000000, '', '')",
)


@only_postgres
def test_the_servers_role_keeps_nothing_of_entries_that_are_not_there(roles: Roles) -> None:
    run_script(roles)
    with psycopg.connect(roles.url(roles.web), autocommit=True) as server:
        for statement in BEYOND:
            with pytest.raises(errors.RaiseException, match="not there"):
                server.execute(statement)


@only_postgres
def test_the_servers_role_cannot_change_the_log(roles: Roles) -> None:
    run_script(roles)
    with psycopg.connect(roles.url(roles.web), autocommit=True) as server:
        allowed = [
            statement
            for statement in TAMPERING
            if not is_refused(server, statement.format(web=roles.web, owner=roles.owner))
        ]
    assert allowed == []


def is_refused(server: "psycopg.Connection[object]", statement: str) -> bool:
    try:
        server.execute(statement)
    except errors.InsufficientPrivilege:
        return True
    return False


@only_postgres
def test_a_table_of_its_own_does_not_deceive_the_trigger(roles: Roles) -> None:
    run_script(roles)
    with psycopg.connect(roles.url(roles.web), autocommit=True) as server:
        server.execute("CREATE TEMPORARY TABLE audit_entry (LIKE public.audit_entry)")
        server.execute("INSERT INTO pg_temp.audit_entry SELECT * FROM public.audit_entry")
        server.execute("UPDATE pg_temp.audit_entry SET idx = idx + 500, id = gen_random_uuid()")
        with pytest.raises(errors.RaiseException, match="must follow the newest"):
            server.execute(
                "INSERT INTO public.audit_entry SELECT (jsonb_populate_record(e, jsonb_build_object("
                "'idx', 520, 'id', gen_random_uuid()))).* FROM pg_temp.audit_entry e WHERE idx = 519"
            )
        # Else it may go with the session while the roles are being dropped.
        server.execute("DROP TABLE pg_temp.audit_entry")


@only_postgres
def test_the_server_works_with_it_and_the_owner_prunes(roles: Roles) -> None:
    run_script(roles)
    web, owner = roles.shell_of(roles.web), roles.shell_of(roles.owner)
    hold = web.json("audit", "hold", "0", "4", "--why", "the case")["hold"]
    assert web.json("audit", "head")["size"] == hold + 1
    assert web.json("audit", "verify")["verdicts"]["payloads"]["outcome"] == "sound"
    assert web.run("doctor").returncode == 0
    prune = ("audit", "prune", "--before", "2000-01-01", "--why", "old")
    assert "permission denied" in only_line(web.run(*prune).stderr)
    done = owner.json(*prune)
    assert done["payloads"] == 15
    # The refused one left no entry: hold, verification, and then this.
    assert done["entries"] == [hold + 2]


@only_postgres
def test_a_role_that_could_take_rights_back_is_refused(roles: Roles) -> None:
    for statement in (f'ALTER ROLE "{roles.web}" SUPERUSER', f'GRANT pg_write_all_data TO "{roles.web}"'):
        with psycopg.connect(roles.administrator, autocommit=True) as server:
            server.execute(statement)
            with pytest.raises(errors.RaiseException):
                run_script(roles)
            server.execute(f'ALTER ROLE "{roles.web}" NOSUPERUSER')
    with psycopg.connect(roles.administrator, autocommit=True) as server:
        server.execute(f'REVOKE pg_write_all_data FROM "{roles.web}"')
        server.execute(f'GRANT "{roles.owner}" TO "{roles.web}"')
        with pytest.raises(errors.RaiseException, match="is a member of"):
            run_script(roles)


def test_roles_that_cannot_be_meant_are_refused(shell: Shell, pytestconfig: pytest.Config) -> None:
    shell.json("list")
    wanted = [("web", "web"), ('we"b', "owner"), ("", "owner")]
    if pytestconfig.getoption("--engine") == "sqlite":
        wanted.append(("web", "owner"))
    for web, owner in wanted:
        refused = shell.run("audit", "grants", "--web", web, "--owner", owner)
        assert (refused.returncode, refused.stdout) == (2, b"")
        only_line(refused.stderr)
