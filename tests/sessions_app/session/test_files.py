"""Which files the edits of a session named."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from sessions_app.models import AgentSession, ToolCallStatus, ToolKind
from sessions_app.touched_files import paths_in, touched_files
from tests.factories import make_tool_call
from tests.sessions_app.session.test_diffs import PATCH


@pytest.mark.parametrize(
    "text, paths",
    [
        ('{"replace_all": false, "file_path": "/a \\"b\\".py", "old_string": "x"}', ['/a "b".py']),
        ('{"path": "x\\u00fc.md"}', ["xü.md"]),
        (PATCH, ["src/app.py", "notes.md", "gone.txt", "a.py"]),
        (json.dumps({"input": PATCH}), ["src/app.py", "notes.md", "gone.txt", "a.py"]),
        ('{"file_path": "/cut', []),
        ("", []),
    ],
)
def test_paths_are_read_from_each_form_of_edit(text: str, paths: list[str]) -> None:
    assert paths_in(text) == paths


@pytest.mark.django_db
def test_files_are_listed_with_their_edits_newest_first(operator: Client, session: AgentSession) -> None:
    edit = json.dumps({"file_path": "/a.py"})
    make_tool_call(session, "Edit", kind=ToolKind.EDIT, input=edit, status=ToolCallStatus.FAILED)
    make_tool_call(session, "Write", kind=ToolKind.WRITE, input=json.dumps({"file_path": "/b.py"}))
    last = make_tool_call(session, "Edit", kind=ToolKind.EDIT, input=edit)
    make_tool_call(session, input='{"file_path": "/not-an-edit"}')
    found = touched_files(session)
    assert [(file.path, file.edits, file.failed) for file in found.files] == [
        ("/a.py", 2, 1),
        ("/b.py", 1, 0),
    ]
    page = operator.get(reverse("session-files", args=[session.pk])).content.decode()
    assert f"at={last.seq}#seq-{last.seq}" in page
    assert "not known" in page


@pytest.mark.django_db
def test_long_patches_are_counted_as_read_in_part(session: AgentSession) -> None:
    make_tool_call(session, "apply_patch", kind=ToolKind.EDIT, input=PATCH + "x" * 9000)
    assert touched_files(session).cut == 1
