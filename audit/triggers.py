"""What makes the log append-only in the database itself, on both engines.

A trigger stops whoever uses the tables as tables are used: a mistake in this program, another client, a
migration. It cannot stop the owner of the file or of the tables; for that the tree is there, and on Postgres
the rights that grants.py writes (docs/audit-cover.md).

SQLite drops a table's triggers without a word when a migration rebuilds it, and refuses to rebuild one that a trigger
of another table looks at: those make way. They are put back after every migration, and `missing()` is asked before the
server starts.
"""

from collections.abc import Collection
from typing import Final

from django.db import connection

from audit.growing import TILE_HEIGHT
from dashboard.lib.db import vendor

# Tables in which nothing is ever changed, and nothing but pruned payloads removed.
APPEND_ONLY: Final = ("audit_entry", "audit_subtree", "audit_checkpoint", "audit_payload", "audit_pruning")
LOG: Final = "audit_log"

_REFUSAL: Final = "the audit log is append-only"
_NO_TEXT: Final = "a note and its key are text"
_GAP: Final = "an audit entry must follow the newest one"
_BEYOND: Final = "nothing is kept of audit entries that are not there"
_SHRINKING: Final = "the audit log only grows"
# An empty log may take the name of one that is restored in its place: it has nothing that could be lost.
_RENAMED: Final = "(NEW.log_id <> OLD.log_id AND OLD.size > 0)"


# What a row of these is about has to be there, or the row would stand for ever in the way of what is yet to come: of a
# larger checkpoint, of the subtree of the next tile. Entries are written before what belongs to them, and the size in
# the log's row after. Seven levels are of more entries than a number holds.
_REACH: Final = "(SELECT COALESCE(MAX(idx), -1) + 1 FROM audit_entry)"
_IS_BEYOND: Final = {
    "audit_checkpoint": f"NEW.size NOT BETWEEN 1 AND {_REACH}",
    "audit_payload": "NOT EXISTS (SELECT 1 FROM audit_entry WHERE idx = NEW.idx)",
    "audit_subtree": (
        "NEW.level NOT BETWEEN 1 AND 7 OR NEW.number < 0"
        f" OR NEW.number >= ({_REACH} >> ({TILE_HEIGHT} * NEW.level))"
    ),
}


def install(chosen: Collection[str] | None = None) -> None:
    """Put these triggers in place, or all of them; anew where there is one already."""
    with connection.cursor() as cursor:
        for name, statements in _statements().items():
            if chosen is None or name in chosen:
                for statement in statements:
                    cursor.execute(statement)


def make_way() -> None:
    """Before migrations: SQLite cannot rebuild a table that a trigger of another one looks at. `install` ends it."""
    if vendor() != "sqlite":
        return
    with connection.cursor() as cursor:
        for name in ("audit_payload_no_delete", *(f"{table}_within" for table in _IS_BEYOND)):
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}")


def missing() -> list[str]:
    """The names of triggers that are not there as `install` makes them, or are switched off."""
    with connection.cursor() as cursor:
        if vendor() == "sqlite":
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            there = dict(cursor.fetchall())
            return [name for name, sql in _sqlite().items() if there.get(name) != sql]
        # Pretty, so that what is in the schema of the tables goes without it; what is elsewhere is named with it.
        cursor.execute(
            "SELECT t.tgname, t.tgenabled::text, pg_get_triggerdef(t.oid, true), p.prosrc, l.lanname"
            " FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_language l ON l.oid = p.prolang"
            " WHERE NOT t.tgisinternal AND t.tgrelid IN (SELECT to_regclass(name) FROM unnest(%s::text[]) AS name)",
            [[*APPEND_ONLY, LOG]],
        )
        found = {name: tuple(how) for name, *how in cursor.fetchall()}
    # 'A' fires always, in a session that calls itself a replica too.
    return [
        name
        for name, (_, when, source) in _postgres().items()
        if found.get(name) != ("A", _definition(name, when), source, "plpgsql")
    ]


def _definition(name: str, when: str) -> str:
    """The statement that makes it, which Postgres gives back word for word."""
    return f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {name}()"


def names() -> list[str]:
    return list(_sqlite() if vendor() == "sqlite" else _postgres())


def _statements() -> dict[str, list[str]]:
    if vendor() == "sqlite":
        return {name: [f"DROP TRIGGER IF EXISTS {name}", sql] for name, sql in _sqlite().items()}
    return {
        name: [
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $body${source}$body$",
            f"DROP TRIGGER IF EXISTS {name} ON {table}",
            _definition(name, when),
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}",
        ]
        for name, (table, when, source) in _postgres().items()
    }


def _sqlite() -> dict[str, str]:
    """Names and statements."""
    made = {}
    for table in (*APPEND_ONLY, LOG):
        key = "id" if table in {LOG, "audit_subtree"} else "size" if table == "audit_checkpoint" else "idx"
        if table != LOG:
            made[f"{table}_no_update"] = _sqlite_refusal(table, "UPDATE", "")
        pruned = (
            " WHEN NOT EXISTS (SELECT 1 FROM audit_pruning WHERE OLD.idx BETWEEN first_idx AND last_idx)"
            if table == "audit_payload"
            else ""
        )
        made[f"{table}_no_delete"] = _sqlite_refusal(table, "DELETE", pruned)
        if table != "audit_entry":
            # REPLACE removes the old row without firing DELETE triggers unless the connection asks for them.
            exists = f" WHEN EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key}{_PLACE.get(table, '')})"
            made[f"{table}_no_replace"] = _sqlite_refusal(table, "INSERT", exists, "no_replace")
    made["audit_entry_gapless"] = (
        "CREATE TRIGGER audit_entry_gapless BEFORE INSERT ON audit_entry"
        " WHEN NEW.idx IS NOT (SELECT COALESCE(MAX(idx), -1) + 1 FROM audit_entry)"
        " OR EXISTS (SELECT 1 FROM audit_entry WHERE id = NEW.id)"
        f" BEGIN SELECT RAISE(ABORT, '{_GAP}'); END"
    )
    for table, is_beyond in _IS_BEYOND.items():
        made[f"{table}_within"] = (
            f"CREATE TRIGGER {table}_within BEFORE INSERT ON {table} WHEN {is_beyond}"
            f" BEGIN SELECT RAISE(ABORT, '{_BEYOND}'); END"
        )
    # A column takes anything here, and who reads the newest checkpoint reads text.
    made["audit_checkpoint_text"] = (
        "CREATE TRIGGER audit_checkpoint_text BEFORE INSERT ON audit_checkpoint"
        " WHEN typeof(NEW.note) <> 'text' OR typeof(NEW.key) <> 'text'"
        f" BEGIN SELECT RAISE(ABORT, '{_NO_TEXT}'); END"
    )
    made["audit_log_grows"] = (
        "CREATE TRIGGER audit_log_grows BEFORE UPDATE ON audit_log"
        f" WHEN NEW.size < OLD.size OR NEW.id <> OLD.id OR {_RENAMED}"
        " OR typeof(NEW.size) <> 'integer' OR typeof(NEW.frontier) <> 'blob'"
        f" BEGIN SELECT RAISE(ABORT, '{_SHRINKING}'); END"
    )
    return made


_PLACE: Final = {"audit_subtree": " OR (level = NEW.level AND number = NEW.number)"}


def _sqlite_refusal(table: str, operation: str, condition: str, suffix: str = "") -> str:
    name = f"{table}_{suffix or f'no_{operation.lower()}'}"
    return (
        f"CREATE TRIGGER {name} BEFORE {operation} ON {table}{condition}"
        f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    )


def _postgres() -> dict[str, tuple[str, str, str]]:
    """Names, tables, when they fire, and the bodies of their functions."""
    refuse = f"BEGIN RAISE EXCEPTION '{_REFUSAL}'; END"
    made = {}
    for table in (*APPEND_ONLY, LOG):
        if table != LOG:
            made[f"{table}_no_update"] = (table, f"BEFORE UPDATE ON {table} FOR EACH ROW", refuse)
        pruned = (
            "BEGIN IF EXISTS (SELECT 1 FROM audit_pruning WHERE OLD.idx BETWEEN first_idx AND last_idx) "
            f"THEN RETURN OLD; END IF; RAISE EXCEPTION '{_REFUSAL}'; END"
        )
        body = pruned if table == "audit_payload" else refuse
        made[f"{table}_no_delete"] = (table, f"BEFORE DELETE ON {table} FOR EACH ROW", body)
        made[f"{table}_no_truncate"] = (table, f"BEFORE TRUNCATE ON {table} FOR EACH STATEMENT", refuse)
    made["audit_entry_gapless"] = (
        "audit_entry",
        "BEFORE INSERT ON audit_entry FOR EACH ROW",
        "BEGIN IF NEW.idx IS DISTINCT FROM (SELECT COALESCE(MAX(idx), -1) + 1 FROM audit_entry) "
        f"THEN RAISE EXCEPTION '{_GAP}'; END IF; RETURN NEW; END",
    )
    for table, is_beyond in _IS_BEYOND.items():
        made[f"{table}_within"] = (
            table,
            f"BEFORE INSERT ON {table} FOR EACH ROW",
            f"BEGIN IF {is_beyond} THEN RAISE EXCEPTION '{_BEYOND}'; END IF; RETURN NEW; END",
        )
    made["audit_log_grows"] = (
        "audit_log",
        "BEFORE UPDATE ON audit_log FOR EACH ROW",
        f"BEGIN IF NEW.size < OLD.size OR NEW.id <> OLD.id OR {_RENAMED} "
        f"THEN RAISE EXCEPTION '{_SHRINKING}'; END IF; RETURN NEW; END",
    )
    return made
