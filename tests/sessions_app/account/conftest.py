import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher


@pytest.fixture(autouse=True)
def hashing_is_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 as it is, with the least work that it does: these tests hash hundreds of passwords."""
    monkeypatch.setattr(Argon2PasswordHasher, "time_cost", 1)
    monkeypatch.setattr(Argon2PasswordHasher, "memory_cost", 64)
