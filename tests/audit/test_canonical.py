"""What is written without the library for RFC 8785 is what that library writes."""

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.canonical import canonical
from sessions_app.models import Role

# Nothing here reaches a database.
pytestmark = pytest.mark.once

TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
VALUES: st.SearchStrategy[Any] = st.recursive(
    TEXTS | st.booleans() | st.none() | st.integers(-(2**53) + 1, 2**53 - 1),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=400, derandomize=True)
@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_it_is_rfc_8785(details: dict[str, Any]) -> None:
    assert canonical(details).encode() == rfc8785.dumps(details)


def test_names_beyond_the_first_plane_are_sorted_as_rfc_8785_sorts_them() -> None:
    details: dict[str, Any] = {"\uffee": 1, "\U0001f600": 2, "a": {"\uffee": 1, "\U0001f600": 2}}
    assert canonical(details).encode() == rfc8785.dumps(details)
    assert list(json.loads(canonical(details)))[1:] == ["\U0001f600", "\uffee"]


def test_what_no_entry_holds_becomes_text() -> None:
    details: dict[Any, Any] = {
        "big": 2**60,
        "float": 1.5,
        "role": Role.VIEWER,
        "tuple": (1, "\x00", "\ud800"),
        7: True,
    }
    assert canonical(details) == (
        '{"7":true,"big":"1152921504606846976","float":"1.5","role":"viewer","tuple":[1,"␀","�"]}'
    )
