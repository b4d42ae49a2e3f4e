import pytest
from django.test import Client

from sessions_app.models import AgentSession, Person, Role
from tests.factories import make_person, make_session, signed_in


@pytest.fixture
def person() -> Person:
    return make_person(Role.OPERATOR, username="ada")


@pytest.fixture
def operator(person: Person) -> Client:
    return signed_in(person)


@pytest.fixture
def viewer() -> Client:
    return signed_in(make_person(Role.VIEWER, username="vera"))


@pytest.fixture
def auditor() -> Client:
    return signed_in(make_person(Role.AUDITOR, username="otto"))


@pytest.fixture
def stranger() -> Client:
    return Client()


@pytest.fixture
def session() -> AgentSession:
    return make_session(with_main_run=True)
