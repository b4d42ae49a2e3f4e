"""Every table is in a backup or is left out for a reason, and a row has one form whatever the engine."""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.apps import apps
from django.db import connection, models

from dashboard.backup import tables as backed_up
from dashboard.backup.rows import Digest
from dashboard.backup.tables import BACKED_UP, LEFT_OUT, LEFT_OUT_TABLES, tables
from sessions_app.models import AgentSession, ApiToken, Blob, Person, Terminal


def label(model: type[models.Model]) -> str:
    return f"{model._meta.app_label}.{model.__name__}"


def test_every_model_is_backed_up_or_left_out_for_a_reason() -> None:
    known = [label(model) for model in apps.get_models(include_auto_created=True)]

    assert sorted(known) == sorted([*BACKED_UP, *LEFT_OUT]), "decide: does a backup hold it?"
    assert all(LEFT_OUT.values())


@pytest.mark.django_db
def test_every_table_of_the_database_is_known() -> None:
    models_left_out = {apps.get_model(name)._meta.db_table for name in LEFT_OUT if name in _REAL}
    known = {table.name for table in tables()} | models_left_out | set(LEFT_OUT_TABLES) | _BETWEEN

    # A word index of SQLite keeps itself in tables named after it.
    kept = ("search_text_", "search_titles_")
    found = {name for name in connection.introspection.table_names() if not name.startswith(kept)}
    if connection.vendor == "postgresql":
        # There it is an index of a model's table.
        found.add("search_titles")

    assert found == known


_BETWEEN = {"auth_group_permissions"}
_REAL = {name for name in LEFT_OUT if "_" not in name.partition(".")[2]}


def test_a_row_names_only_rows_of_earlier_tables_or_of_its_own() -> None:
    seen: set[type[models.Model]] = set()
    for table in tables():
        seen.add(table.model)
        named = {field.related_model for field in table.model._meta.concrete_fields if field.related_model}
        assert named <= seen, table.name


def test_a_kind_of_column_that_nobody_decided_on_is_refused() -> None:
    with pytest.raises(TypeError, match="do not know"):
        backed_up._kind(models.FloatField())


def test_values_have_one_form() -> None:
    (session,) = (table for table in tables() if table.model is AgentSession)
    (person,) = (table for table in tables() if table.model is Person)
    (token,) = (table for table in tables() if table.model is ApiToken)
    identity = uuid.UUID("01990d0f-9d71-7bfc-9fb4-157fce49f601")

    def plain(table: backed_up.Table, **values: object) -> dict[str, object]:
        row = [values.get(name) for name in table.attributes]
        return dict(zip(table.attributes, table.plain(row), strict=True))

    assert plain(session, id=identity, is_renamed=True)["id"] == "01990d0f9d717bfc9fb4157fce49f601"
    assert plain(session, is_renamed=True)["is_renamed"] == 1
    assert plain(session)["project_id"] is None
    moment = datetime(2026, 11, 29, 12, tzinfo=timezone(timedelta(hours=2)))
    assert plain(person, last_login=moment)["last_login"] == "2026-11-29T10:00:00.000000+00:00"
    assert plain(token, scopes=["b", {"z": 1, "a": "ö"}])["scopes"] == '["b",{"a":"ö","z":1}]'
    row = ["2026-11-29T10:00:00.000000+00:00" if name == "last_login" else None for name in person.attributes]
    assert str(person.stored(row)[person.attributes.index("last_login")]).startswith("2026-11-29 10:00:00")


def test_the_hash_over_rows_is_that_of_the_documentation() -> None:
    digest = Digest()
    digest.take([['a"b\n', None, 7, b"xyz"], ["é", -1, 0, b""]])

    lines = (
        '["a\\"b\\n",null,7,{"sha256":"' + hashlib.sha256(b"xyz").hexdigest() + '"}]\n'
        '["é",-1,0,{"sha256":"' + hashlib.sha256(b"").hexdigest() + '"}]\n'
    )
    assert (digest.rows, digest.sha256) == (2, hashlib.sha256(lines.encode()).hexdigest())


def test_batches_are_bounded_by_rows_and_by_bytes() -> None:
    (blobs,) = (table for table in tables() if table.model is Blob)
    (terminals,) = (table for table in tables() if table.model is Terminal)
    place = blobs.attributes.index("data")
    large = [b"" if number != place else bytes(1_500_000) for number in range(len(blobs.attributes))]
    small = [None] * len(terminals.attributes)

    assert [len(batch) for batch in blobs.batches([large] * 7)] == [3, 3, 1]
    assert [len(batch) for batch in terminals.batches([small] * 1200)] == [500, 500, 200]
    assert list(terminals.batches([])) == []


def test_moments_of_both_forms_are_the_same() -> None:
    assert backed_up._moment(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000000+00:00"
