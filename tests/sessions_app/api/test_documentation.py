"""docs/api.md and docs/access.md say all that there is, and nothing else."""

import re
from pathlib import Path

from sessions_app.api import audit_events, terminals
from sessions_app.api.audit_events import MOST_EVENTS
from sessions_app.api.catalogue import MAX_HITS
from sessions_app.api.paging import DEFAULT_LIMIT, MAX_LIMIT
from sessions_app.api.problems import PROBLEM_TYPES, ProblemType
from sessions_app.api.table import ENDPOINTS
from sessions_app.audit_actions import AUDIT_ACTIONS, RETIRED
from sessions_app.filters import COUNT_LIMIT
from sessions_app.search.titles import MOST_NAMED
from sessions_app.touched_files import MAX_CALLS

DOCS = Path(__file__).parents[3] / "docs"
API = (DOCS / "api.md").read_text()
RECORDING = (DOCS / "recording.md").read_text()
ACCESS = (DOCS / "access.md").read_text()
OWN_FAMILIES = ("sign_in", "sign_out", "request", "setup", "person", "token", "saved_view")


def test_every_type_of_problem_is_documented_with_its_status() -> None:
    known = {*PROBLEM_TYPES, *(value for value in vars(terminals).values() if isinstance(value, ProblemType))}
    documented = set(re.findall(r"^\| `(/problems/[a-z-]+)` \| (\d+) \|", API, re.MULTILINE))
    assert {(kind.uri, str(kind.status)) for kind in known} == documented
    assert len({kind.uri for kind in known}) == len(known)


def test_every_address_that_reads_is_documented() -> None:
    described = set(re.findall(r"`(/[a-z0-9/{}._-]+)", API))
    for endpoint in ENDPOINTS:
        if endpoint.method == "GET" and endpoint.name != "show_openapi":
            address = "/" + re.sub(r"<\w+:(\w+)>", _short, endpoint.path)
            assert address in described, endpoint.name


def test_the_limits_are_documented_as_they_are() -> None:
    assert f"`limit` ({DEFAULT_LIMIT}, at most {MAX_LIMIT}; `/search` at most {MAX_HITS})" in API
    assert f"up to {COUNT_LIMIT:,} (`has_more`)" in API
    assert f"more than {MOST_NAMED:,} sessions have" in API
    assert f"the newest {MAX_CALLS:,} calls are read" in API
    assert f"up to {MOST_EVENTS} events and {audit_events.MAX_BODY_BYTES:,} bytes" in API
    assert f"at most {terminals.MAX_BODY_BYTES:,} bytes, ASCII" in RECORDING


def test_every_entry_about_people_and_tokens_is_documented() -> None:
    own = {action for action in set(AUDIT_ACTIONS) - RETIRED if action.split(".")[0] in OWN_FAMILIES}
    listed = ACCESS.split("## What is written")[1].split("## ")[0]
    documented = set(re.findall(r"`([a-z_]+\.[a-z_]+)`", listed))
    assert own - documented == set()
    assert documented - set(AUDIT_ACTIONS) == set()


def _short(match: re.Match[str]) -> str:
    return "{sha256}" if match[1] == "sha256" else "{id}"
