"""The tokens by model: kept with the sums of runs, and never another number."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import F, Sum

from sessions_app.costs import cost_of_session
from sessions_app.importers import reading
from sessions_app.models import AgentSession, ModelUsage, Run
from sessions_app.session_list import SessionEntry, entries_of, facts_of
from tests.factories import make_person
from tests.samples import sample
from tests.sessions_app.importers import codex_records as codex
from tests.sessions_app.importers.claude_records import SESSION, assistant, text, user
from tests.sessions_app.importers.driving import lines
from tests.sessions_app.importers.importing import CLAUDE, CODEX, fork_of, run_import

pytestmark = pytest.mark.django_db

TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
CODEX_FILE = f"rollout-2026-02-23T12-54-34-{codex.THREAD}.jsonl"


def usage() -> list[tuple[Any, ...]]:
    rows = ModelUsage.objects.order_by("run__session__external_id", "run__key", "model")
    return list(rows.values_list("run__key", "model", *TOKENS, "cache_write_1h_tokens"))


def assert_sums_agree() -> None:
    """Of each run the models come to its sums, and of each session the runs."""
    by_run: Any = ModelUsage.objects.values("run").annotate(**{f"all_{name}": Sum(name) for name in TOKENS})
    told = {row["run"]: [row[f"all_{name}"] for name in TOKENS] for row in by_run}
    for run in Run.objects.all():
        assert told.get(run.pk, [0] * 4) == [getattr(run, name) for name in TOKENS], run.key
    for session in AgentSession.objects.all():
        sums = session.runs.aggregate(**{f"all_{name}": Sum(name) for name in TOKENS})
        assert [sums[f"all_{name}"] or 0 for name in TOKENS] == [getattr(session, name) for name in TOKENS]
    assert not ModelUsage.objects.filter(cache_write_1h_tokens__gt=F("cache_write_tokens")).exists()


def claude(path: Path, *records: dict[str, Any]) -> None:
    with (path / f"{SESSION}.jsonl").open("ab") as file:
        file.write(lines(records))


def counted(
    output: int, *, write: int = 20, hour: int = 0, model: str = "claude-sonnet-4-5"
) -> dict[str, Any]:
    return {
        "model": model,
        "usage": {
            "input_tokens": 3, "output_tokens": output, "cache_read_input_tokens": 100,
            "cache_creation_input_tokens": write,
            "cache_creation": {"ephemeral_5m_input_tokens": write - hour, "ephemeral_1h_input_tokens": hour},
        },
    }  # fmt: skip


def test_over_all_samples_the_models_come_to_the_sums_of_the_runs() -> None:
    run_import(sample("."))

    assert ModelUsage.objects.values("model").distinct().count() >= 4
    assert not ModelUsage.objects.filter(model="").exists()
    assert_sums_agree()


@pytest.mark.parametrize(("file", "output"), [(CLAUDE, 51_933), (CODEX, 133_999)])
def test_small_batches_come_to_the_same(file: str, output: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BATCH_BYTES", 60_000)
    monkeypatch.setattr(reading, "BLOCK_BYTES", 50_000)

    run_import(sample(file))

    assert sum(row[3] for row in usage()) == output
    assert_sums_agree()
    AgentSession.objects.all().delete()
    assert usage() == [], "what is gone has spent nothing"


def test_importing_again_a_copy_or_a_fork_adds_nothing(tmp_path: Path) -> None:
    for name in (CLAUDE, CODEX):
        (tmp_path / Path(name).name).write_bytes(sample(name).read_bytes())
    run_import(tmp_path)
    before = usage()
    copies = tmp_path / "copies"
    copies.mkdir()
    for name in (CLAUDE, CODEX):
        (copies / Path(name).name).write_bytes(sample(name).read_bytes())
    fork_of(tmp_path / Path(CLAUDE).name)

    run_import(tmp_path)

    assert usage() == before
    assert_sums_agree()


def of_two_models(folder: Path, *more: dict[str, Any]) -> None:
    claude(
        folder,
        user("u1", 1, "Hi"),
        assistant("a1", 2, text("One"), message=counted(10)),
        assistant("a2", 3, text("Two"), message=counted(7, model="claude-opus-4-6")),
        *more,
    )


def test_each_reply_counts_for_its_own_model(tmp_path: Path) -> None:
    of_two_models(
        tmp_path,
        assistant("a3", 4, text("No"), message={"model": "<synthetic>", "usage": {"input_tokens": 0}}),
    )

    run_import(tmp_path)

    assert usage() == [
        ("main", "claude-opus-4-6", 3, 7, 100, 20, 0),
        ("main", "claude-sonnet-4-5", 3, 10, 100, 20, 0),
    ]
    assert_sums_agree()


def test_a_reply_that_grows_after_it_was_written_counts_its_growth(tmp_path: Path) -> None:
    first = assistant("a1", 2, text("One"), message_id="m", message=counted(1, write=20, hour=5))
    claude(tmp_path, user("u1", 1, "Hi"), first)
    run_import(tmp_path)
    assert usage() == [("main", "claude-sonnet-4-5", 3, 1, 100, 20, 5)]

    claude(tmp_path, assistant("a2", 3, text("Two"), message_id="m", message=counted(9, write=30, hour=12)))
    run_import(tmp_path)

    assert usage() == [("main", "claude-sonnet-4-5", 3, 9, 100, 30, 12)]
    assert_sums_agree()


def test_what_counts_tokens_makes_the_session_newer(tmp_path: Path) -> None:
    # Rows of the list are kept by `updated_ms` instead of their cost.
    def entry() -> SessionEntry:
        (found,) = entries_of([facts_of(AgentSession.objects.all()).get()], person)
        return found

    person = make_person()
    claude(tmp_path, user("u1", 1, "Hi"), assistant("a1", 2, text("One"), message_id="m", message=counted(1)))
    run_import(tmp_path)
    before, same = entry(), entry()
    claude(tmp_path, assistant("a2", 2, text("Two"), message_id="m", message=counted(9)))
    run_import(tmp_path)
    after = entry()

    assert before == same
    assert before != after
    assert after.session.updated_ms > before.session.updated_ms
    assert cost_of_session(after.session).amount == after.cost.amount


def test_no_more_stays_for_an_hour_than_was_written_at_all(tmp_path: Path) -> None:
    message = counted(1)
    message["usage"]["cache_creation"]["ephemeral_1h_input_tokens"] = 5_000
    claude(tmp_path, user("u1", 1, "Hi"), assistant("a1", 2, text("One"), message=message))

    run_import(tmp_path)

    assert usage() == [("main", "claude-sonnet-4-5", 3, 1, 100, 20, 20)]


def test_a_file_that_was_rewritten_counts_once(tmp_path: Path) -> None:
    records = [
        user("u1", 1, "Hi"),
        assistant("a1", 2, text("One"), message=counted(10)),
        assistant("a2", 3, text("Two"), message=counted(20)),
    ]
    claude(tmp_path, *records)
    run_import(tmp_path)
    before = usage()
    (tmp_path / f"{SESSION}.jsonl").write_bytes(lines(records[:2]))
    run_import(tmp_path)
    assert usage() == before

    claude(tmp_path, records[2], assistant("a3", 4, text("Three"), message=counted(5)))
    run_import(tmp_path)

    assert usage() == [("main", "claude-sonnet-4-5", 9, 35, 300, 60, 0)]
    assert_sums_agree()


def test_a_rollout_counts_for_the_model_of_each_turn(tmp_path: Path) -> None:
    def turn(second: float, model: str, total: int, last: int) -> list[dict[str, Any]]:
        return [
            codex.line(second, "turn_context", model=model, cwd="/project"),
            codex.said(second + 1, "user", f"prompt {second}"),
            codex.event(second + 2, "token_count", info=codex.usage(total, last)),
            codex.said(second + 3, "assistant", f"reply {second}"),
        ]

    records = [
        codex.meta(),
        *turn(10, "gpt-5.1-codex", 1_000, 1_000),
        *turn(20, "gpt-5.3-codex", 1_500, 500),
        *turn(30, "gpt-5.3-codex", 1_800, 300),
    ]
    file = tmp_path / CODEX_FILE
    file.write_bytes(lines(records[:7]))
    run_import(tmp_path)
    file.write_bytes(lines(records))
    run_import(tmp_path)

    totals = {model: input + output for _, model, input, output, *_ in usage()}
    assert totals == {"gpt-5.1-codex": 1_000, "gpt-5.3-codex": 800}
    assert_sums_agree()


def test_tokens_before_any_model_is_named_stay_without_one(tmp_path: Path) -> None:
    records = [
        codex.meta(),
        codex.event(1, "token_count", info=codex.usage(100, 100)),
        codex.said(2, "user", "Hi"),
    ]
    (tmp_path / CODEX_FILE).write_bytes(lines(records))

    run_import(tmp_path)

    ((key, model, *_),) = usage()
    assert (key, model) == ("main", "")
    assert_sums_agree()


def test_what_was_imported_before_there_were_models_is_carried_over() -> None:
    run_import(sample("."))
    expected = [row[:-1] for row in usage()]
    ModelUsage.objects.all().delete()

    import_module("sessions_app.migrations.0011_model_usage").fill(apps, connection.schema_editor())

    assert [row[:-1] for row in usage()] == expected
    assert len({row.pk for row in ModelUsage.objects.all()}) == len(expected)
    assert_sums_agree()


def test_a_run_whose_messages_do_not_add_up_is_carried_over_with_its_own_model(tmp_path: Path) -> None:
    of_two_models(tmp_path)
    run_import(tmp_path)
    Run.objects.update(output_tokens=F("output_tokens") + 1)
    ModelUsage.objects.all().delete()

    import_module("sessions_app.migrations.0011_model_usage").fill(apps, connection.schema_editor())

    assert usage() == [("main", "claude-opus-4-6", 6, 18, 200, 40, 0)]


def test_the_state_of_a_reader_from_before_still_goes_on() -> None:
    from sessions_app.importers.claude_code.memory import SessionMemory

    old = ["m|req_m", "a1", 1, "main", 3, 0, 3, 1, 100, 20]
    memory = SessionMemory.restored(SESSION, json.loads(json.dumps({"messages": [old]})))

    (message,) = memory.messages.values()
    assert (message.cache_write_tokens, message.cache_write_1h_tokens) == (20, 0)
