import uuid

from hypothesis import given
from hypothesis import strategies as st

from dashboard.lib.ids import derived_id, new_id

moments = st.integers(min_value=0, max_value=2**48 - 1)


@given(moments, st.lists(st.text(), max_size=4))
def test_a_derived_id_is_a_valid_uuid7_of_its_moment(at_ms: int, parts: list[str]) -> None:
    identity = derived_id(at_ms, *parts)

    assert identity.version == 7
    assert identity.variant == uuid.RFC_4122
    assert identity.int >> 80 == at_ms
    assert identity == derived_id(at_ms, *parts)


def test_parts_are_told_apart() -> None:
    assert derived_id(1, "ab", "c") != derived_id(1, "a", "bc")
    assert derived_id(1, "a") != derived_id(2, "a")


def test_times_out_of_range_are_brought_into_it() -> None:
    assert derived_id(-5, "a").int >> 80 == 0
    assert derived_id(2**60, "a").int >> 80 == 2**48 - 1


def test_new_ids_are_ordered_as_they_are_made() -> None:
    made = [new_id() for _ in range(1000)]

    assert made == sorted(made)
    assert {identity.version for identity in made} == {7}
