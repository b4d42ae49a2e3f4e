"""What is answered under a name that is not the console's."""

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db

ELSEWHERE = "console.example:8765"


def test_a_page_says_which_setting_knows_a_name() -> None:
    answer = Client().get("/sessions/", headers={"host": ELSEWHERE})
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "console.example is none of the names that it answers to" in page
    assert "serve.allowed_hosts" in page


@pytest.mark.parametrize("host", ["<script>alert(1)</script>", "a" * 9_000, "[::1", "\u202eelpmaxe"])
def test_a_hostile_name_is_shown_as_it_is_and_cut(host: str) -> None:
    answer = Client().get("/", headers={"host": host})
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert "a" * 300 not in page


def test_the_api_answers_with_a_problem() -> None:
    answer = Client().get("/api/v1/sessions", headers={"host": ELSEWHERE})
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert "serve.allowed_hosts" in answer.json()["detail"]
