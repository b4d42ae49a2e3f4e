from collections.abc import Sequence
from typing import Any, Final

from django.apps import AppConfig
from django.core import checks
from django.core.management import CommandError
from django.db import connections
from django.db.migrations import Migration
from django.db.models.signals import post_migrate, pre_migrate

from dashboard.lib.commands import surround_commands


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = "Audit log"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        pre_migrate.connect(_before_migrations, sender=self)
        post_migrate.connect(_put_triggers_back, sender=self)
        checks.register(_triggers_are_there, checks.Tags.database)
        checks.register(_key_is_there, checks.Tags.database)
        from audit import catalog
        from audit.own_actions import BEST_EFFORT, CHANGES_NOTHING, OWN_ACTIONS
        from audit.signing import signing

        catalog.register(OWN_ACTIONS, best_effort=BEST_EFFORT, changing_nothing=CHANGES_NOTHING)
        surround_commands(signing)


# Going back over these drops the tables, or what makes the log one that can be verified.
_KEEPING: Final = frozenset({"0001_initial", "0002_merkle_log"})


def _before_migrations(plan: Sequence[tuple[Migration, bool]] = (), **_: Any) -> None:
    from audit import triggers
    from audit.models import Entry

    ours = [(one.name, is_back) for one, is_back in plan if one.app_label == "audit"]
    if not ours or Entry._meta.db_table not in connections["default"].introspection.table_names():
        return
    if any(is_back and name in _KEEPING for name, is_back in ours) and Entry.objects.exists():
        raise CommandError(
            "The audit log has entries, and going back so far would drop it: nothing was changed. An older version "
            "of the program takes a backup that was made with it."
        )
    triggers.make_way()


def _put_triggers_back(**_: Any) -> None:
    """A migration that rebuilt a table on SQLite has dropped its triggers."""
    from audit import triggers

    if triggers.LOG in connections["default"].introspection.table_names() and triggers.missing():
        triggers.install()


def _triggers_are_there(databases: Any = None, **_: Any) -> list[checks.CheckMessage]:
    from audit import triggers

    if not databases or triggers.LOG not in connections["default"].introspection.table_names():
        return []
    return [
        # An error would keep `migrate` itself from running. A server does not start in any case.
        checks.Warning(
            f"The audit log's trigger {name} is missing or not the right one: the log could be changed unnoticed.",
            hint="Run `python manage.py migrate`, which puts it back, and then `scrollback audit verify`.",
            id="audit.W001",
        )
        for name in triggers.missing()
    ]


def _key_is_there(databases: Any = None, **_: Any) -> list[checks.CheckMessage]:
    from audit import triggers
    from audit.own_key import key_trouble

    if not databases or triggers.LOG not in connections["default"].introspection.table_names():
        return []
    trouble = key_trouble()
    if not trouble:
        return []
    hint = "What is done is recorded, and signed once the key is there; a server does not start before."
    return [checks.Warning(trouble, hint=hint, id="audit.W002")]
