"""The rights that keep the web server's role on Postgres from changing the log, as a script for psql.

Triggers stop whoever may write; an owner may drop them. So the tables belong to one role, for migrations and pruning,
and the server signs in as another, which may only append. Run by a superuser, and again after each upgrade: a
migration makes new tables, and functions of triggers anew.
"""

import re
from typing import Final

from django.db import connection

from audit import triggers
from dashboard.lib.db import vendor
from dashboard.lib.errors import Refused

_ROLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
#: Tables of the log that the server appends to.
_APPENDED: Final = tuple(table for table in triggers.APPEND_ONLY if table != "audit_pruning")


def grants_script(web: str, owner: str) -> str:
    """Raises Refused."""
    if vendor() != "postgresql":
        raise Refused("Only Postgres has roles: whoever can write the file of SQLite can change all of it.")
    for role in (web, owner):
        if not _ROLE.fullmatch(role):
            raise Refused(f"A role is named by letters, digits, _ and -, not {role[:80]!r}.")
    if web == owner:
        raise Refused("The server's role must not be the owner's: an owner may drop the triggers.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        (schema,) = cursor.fetchone()
    return _SCRIPT.format(
        web=web,
        owner=owner,
        schema=str(schema).replace('"', '""'),
        appended=", ".join(_APPENDED),
        functions="\n".join(_function(name, owner) for name in triggers.names()),
    )


def _function(name: str, owner: str) -> str:
    # A temporary table of the same name must not be what a trigger looks at.
    return (
        f'ALTER FUNCTION {name}() OWNER TO "{owner}";\nALTER FUNCTION {name}() SET search_path FROM CURRENT;'
    )


_SCRIPT: Final = """\
-- Rights on the audit log: "{owner}" owns the tables, "{web}" serves and may only append.
-- Run it as a superuser in Scrollback's database, and again after each upgrade.
BEGIN;
SET LOCAL search_path = "{schema}", pg_temp;

DO $check$
DECLARE
  role_name text;
BEGIN
  IF (SELECT rolsuper OR rolreplication OR rolcreaterole OR rolbypassrls FROM pg_roles WHERE rolname = '{web}') THEN
    RAISE EXCEPTION '{web} is more than an ordinary role: it could take any right back';
  END IF;
  IF EXISTS (
    SELECT 1 FROM pg_database WHERE datname = current_database() AND pg_has_role('{web}', datdba, 'MEMBER')
  ) THEN
    RAISE EXCEPTION '{web} owns this database: give it to {owner}';
  END IF;
  FOREACH role_name IN ARRAY ARRAY['{owner}', 'pg_write_all_data', 'pg_execute_server_program', 'pg_write_server_files']
  LOOP
    IF pg_has_role('{web}', role_name, 'MEMBER') THEN
      RAISE EXCEPTION '{web} is a member of %, and could change the log', role_name;
    END IF;
  END LOOP;
  IF has_parameter_privilege('{web}', 'session_replication_role', 'SET') THEN
    RAISE EXCEPTION '{web} may set session_replication_role';
  END IF;
END
$check$;

GRANT USAGE, CREATE ON SCHEMA "{schema}" TO "{owner}";
DO $own$
DECLARE
  found regclass;
BEGIN
  FOR found IN
    SELECT c.oid FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm') AND c.relnamespace = '"{schema}"'::regnamespace
  LOOP
    EXECUTE format('ALTER TABLE %s OWNER TO "{owner}"', found);
  END LOOP;
END
$own$;
{functions}

REVOKE ALL ON SCHEMA "{schema}" FROM PUBLIC, "{web}";
GRANT USAGE ON SCHEMA "{schema}" TO "{web}";
REVOKE ALL ON ALL TABLES IN SCHEMA "{schema}" FROM PUBLIC, "{web}";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "{schema}" TO "{web}";
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA "{schema}" TO "{web}";

-- The log: appended to, and no more.
REVOKE UPDATE, DELETE ON {appended} FROM "{web}";
REVOKE UPDATE, DELETE ON audit_log FROM "{web}";
GRANT UPDATE (size, frontier) ON audit_log TO "{web}";
-- Pruning and migrations are the owner's.
REVOKE INSERT, UPDATE, DELETE ON audit_pruning, django_migrations FROM "{web}";
COMMIT;
"""
