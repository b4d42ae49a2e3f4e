"""Runs as a tree, and the page of one."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from sessions_app.models import AgentSession, Run, ToolKind
from sessions_app.run_tree import MAX_RUNS, in_tree_order, tree_of
from tests.factories import START_MS, make_message, make_run, make_session, make_tool_call

pytestmark = pytest.mark.django_db


def test_children_stand_under_their_parents_in_the_order_of_their_start() -> None:
    session = make_session()
    main = make_run(session, last_activity_ms=START_MS + 1000)
    late = make_run(session, parent=main, started_ms=START_MS + 500, last_activity_ms=START_MS + 1000)
    early = make_run(session, parent=main, started_ms=START_MS + 100, last_activity_ms=START_MS + 350)
    grandchild = make_run(session, parent=early, started_ms=START_MS + 200, last_activity_ms=START_MS + 300)
    tree = tree_of(session)
    assert [(branch.run, branch.depth) for branch in tree.branches] == [
        (main, 0), (early, 1), (grandchild, 2), (late, 1),
    ]  # fmt: skip
    assert [(branch.at, branch.size) for branch in tree.branches] == [
        ("0.00%", "100.00%"), ("10.00%", "25.00%"), ("20.00%", "10.00%"), ("50.00%", "50.00%"),
    ]  # fmt: skip


def test_runs_that_are_each_others_parents_are_shown_once() -> None:
    session = make_session()
    one = make_run(session)
    two = make_run(session, parent=one)
    Run.objects.filter(pk=one.pk).update(parent=two)
    runs = list(session.runs.order_by("started_ms", "id"))
    assert sorted(run.pk for run, _ in in_tree_order(runs)) == sorted([one.pk, two.pk])


def test_five_hundred_runs_are_a_page(
    operator: Client, session: AgentSession, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    main = session.runs.get()
    Run.objects.bulk_create(
        Run(
            session=session, parent=main, key=f"agent-{number}", started_ms=START_MS + number,
            last_activity_ms=START_MS + number + 5,
        )
        for number in range(MAX_RUNS + 10)
    )  # fmt: skip
    address = reverse("session-runs", args=[session.pk])
    first = operator.get(address).content.decode()
    assert first.count('class="tree__row') == MAX_RUNS
    link = re.search(r'href="([^"]+\?from=[^"]+)"', first)
    assert link is not None
    rest = operator.get(link[1]).content.decode()
    assert rest.count('class="tree__row') == 11
    shown = re.findall(r'data-id="([0-9a-f-]{36})"', first + rest)
    assert len(set(shown)) == MAX_RUNS + 11


def test_a_run_says_who_started_it_what_it_was_asked_and_what_it_answered(
    operator: Client, session: AgentSession
) -> None:
    main = session.runs.get()
    child = make_run(
        session,
        parent=main,
        title="Explore",
        input="Look at **queue.py**.",
        output="It is empty.",
        status="failed",
        status_evidence="result says error",
        error="it broke <b>",
        exit_status=3,
        spawned_by_call="toolu_1",
        total_tokens=1200,
        input_tokens=1000,
        output_tokens=200,
    )
    call = make_tool_call(session, "Task", kind=ToolKind.AGENT, call_id="toolu_1")
    grandchild = make_run(session, parent=child, title="Deeper")
    make_message(session, "Inside.", run=child)
    page = operator.get(reverse("run", args=[child.pk])).content.decode()
    for text in (
        "<strong>queue.py</strong>", "It is empty.", "it broke &lt;b&gt;", "result says error", "Inside.",
        "The sum of the four.", f"at={call.seq}#seq-{call.seq}", reverse("run", args=[grandchild.pk]),
        reverse("session", args=[session.pk]),
    ):  # fmt: skip
        assert text in page
    assert re.search(r"exit status <b>3</b>", page)


def test_a_run_is_linked_to_the_call_that_names_it_when_it_does_not_say_itself(
    operator: Client, session: AgentSession
) -> None:
    child = make_run(session, parent=session.runs.get())
    call = make_tool_call(session, "spawn_agent", kind=ToolKind.AGENT, child_run=child)
    assert f"at={call.seq}#seq-{call.seq}" in operator.get(reverse("run", args=[child.pk])).content.decode()


def test_a_long_answer_is_whole_behind_its_link(operator: Client, session: AgentSession) -> None:
    from tests.factories import make_blob

    whole = "word " * 3000 + "**end**"
    blob = make_blob(whole.encode())
    child = make_run(session, output=whole[:1024], output_size=blob.size, output_blob=blob, key="other")
    assert "<strong>end" not in operator.get(reverse("run", args=[child.pk])).content.decode()
    part = operator.get(reverse("run-body", args=[child.pk, "output"]), headers={"HX-Request": "true"})
    assert "<strong>end</strong>" in part.content.decode()
    assert operator.get(reverse("run-body", args=[child.pk, "error"])).status_code == 404


def test_to_look_at_a_run_is_not_to_have_read_its_session(operator: Client, session: AgentSession) -> None:
    child = make_run(session, parent=session.runs.get(), kind="subagent")
    make_message(session)
    assert "read-url=" not in operator.get(reverse("run", args=[child.pk])).content.decode()
    assert "read-url=" in operator.get(reverse("session", args=[session.pk])).content.decode()
