import pytest

from audit.models import Entry
from sessions_app.models import Role, SavedView
from tests.factories import make_person, make_saved_view, signed_in

pytestmark = pytest.mark.django_db


def test_views_are_renamed_and_deleted_by_who_saved_them() -> None:
    person = make_person(Role.VIEWER)
    view = make_saved_view(person, name="failed ones")
    client = signed_in(person)
    assert "/sessions/?status=failed" in client.get("/settings/views/").content.decode()
    client.post(f"/settings/views/{view.pk}/rename/", {"name": "  what   failed "})
    assert SavedView.objects.get().name == "what failed"
    client.post(f"/settings/views/{view.pk}/delete/")
    assert not SavedView.objects.exists()
    actions = list(Entry.objects.order_by("idx").values_list("action", flat=True))
    assert actions == ["saved_view.renamed", "saved_view.deleted"]


def test_views_of_others_are_not_there_even_for_operators() -> None:
    view = make_saved_view(make_person(Role.VIEWER), name="failed ones")
    client = signed_in(make_person())
    assert "failed ones" not in client.get("/settings/views/").content.decode()
    assert client.post(f"/settings/views/{view.pk}/rename/", {"name": "mine"}).status_code == 404
    assert client.post(f"/settings/views/{view.pk}/delete/").status_code == 404
    assert SavedView.objects.get().name == "failed ones"


@pytest.mark.parametrize("name, message", [("", "required"), ("   ", "required"), ("taken", "already")])
def test_a_name_that_cannot_be_is_refused_in_place(name: str, message: str) -> None:
    person = make_person(Role.VIEWER)
    make_saved_view(person, name="taken")
    view = make_saved_view(person, name="failed ones")
    answer = signed_in(person).post(f"/settings/views/{view.pk}/rename/", {"name": name})
    assert message in answer.content.decode()
    assert 'aria-describedby="id_name_error"' in answer.content.decode()
    view.refresh_from_db()
    assert view.name == "failed ones"
