import pytest
from django.test import Client

from sessions_app.models import Run
from tests.factories import START_MS, make_person, make_run, make_session, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return signed_in(make_person())


@pytest.fixture
def tree() -> Run:
    session = make_session(title="Parent", agent="codex")
    main = make_run(session, status="running")
    make_run(session, parent=main, title="Child", status="failed", started_ms=START_MS + 5)
    return main


def shown(client: Client, query: str = "") -> list[str]:
    return [
        run.key if run.kind == "main" else run.title for run in client.get(f"/runs/{query}").context["runs"]
    ]


def test_runs_of_all_sessions_newest_first(client: Client, tree: Run) -> None:
    assert shown(client) == ["Child", "main"]


def test_filters_narrow(client: Client, tree: Run) -> None:
    assert shown(client, "?status=failed") == ["Child"]
    assert shown(client, "?kind=main") == ["main"]
    assert shown(client, "?agent=codex&kind=subagent") == ["Child"]
    assert shown(client, "?agent=goose") == []
    assert shown(client, f"?session={tree.session_id}&status=running") == ["main"]


def test_runs_of_deleted_sessions_are_gone(client: Client, tree: Run) -> None:
    again = f"/runs/shown/?ids={tree.pk}"
    assert f'data-id="{tree.pk}" data-session="{tree.session_id}"' in client.get(again).content.decode()

    type(tree.session).objects.update(deleted_ms=START_MS)

    assert shown(client) == []
    gone = client.get(again)
    assert (gone.status_code, gone.content.strip()) == (200, b"")


def test_a_subagent_names_its_session(client: Client, tree: Run) -> None:
    page = client.get("/runs/?kind=subagent").content.decode()

    assert "Child" in page
    assert "Parent" in page


def test_a_filter_that_cannot_be_read_is_refused(client: Client) -> None:
    assert client.get("/runs/?kind=third").status_code == 400
