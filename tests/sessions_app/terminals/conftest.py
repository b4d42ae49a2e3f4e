from collections.abc import Iterator

import pytest

from sessions_app.actions.terminals.working import Workshop


@pytest.fixture(scope="module")
def workshop() -> Iterator[Workshop]:
    """One engine process for all derivings of a module."""
    shared = Workshop(works_ahead=False)
    yield shared
    shared.stop()
