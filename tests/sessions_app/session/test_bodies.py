"""What is behind the folds: bounded, drawn by its meaning, harmless."""

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.bodies import PIECE_BYTES, piece_of
from sessions_app.models import (
    AgentSession,
    Blob,
    MessageKind,
    MessageRole,
    ToolCall,
    ToolCallStatus,
    ToolKind,
)
from tests.factories import make_blob, make_message, make_tool_call
from tests.sessions_app.session.test_diffs import PATCH

HTMX = {"HX-Request": "true"}


def opened(client: Client, call: ToolCall) -> str:
    response = client.get(reverse("session-call", args=[call.session_id, call.pk]), headers=HTMX)
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.django_db
def test_a_call_opens_as_a_part_and_as_a_page(operator: Client, session: AgentSession) -> None:
    call = make_tool_call(session)
    address = reverse("session-call", args=[session.pk, call.pk])
    assert "<html" not in opened(operator, call)
    page = operator.get(address)
    assert "<html" in page.content.decode()
    assert "HX-Request" in page["Vary"]
    assert f"?at={call.seq}#seq-{call.seq}" in page.content.decode()


@pytest.mark.django_db
def test_a_shell_call_shows_command_place_output_and_exit(operator: Client, session: AgentSession) -> None:
    call = make_tool_call(
        session,
        "exec_command",
        kind=ToolKind.SHELL,
        input=json.dumps({"command": ["bash", "-lc", "make test"], "workdir": "/src", "timeout": 5}),
        output="\x1b[32mok\x1b[0m <done>",
        exit_status=0,
    )
    part = opened(operator, call)
    assert ">make test</pre>" in part
    assert "/src" in part
    assert "<dt>timeout</dt>" in part
    assert '<span class="ansi-green">ok</span> &lt;done&gt;' in part
    assert "exit status 0" in part


@pytest.mark.django_db
def test_an_edit_is_drawn_as_a_diff(operator: Client, session: AgentSession) -> None:
    arguments = {"file_path": "/src/a.py", "old_string": "x = 1", "new_string": "x = 2 < 3"}
    part = opened(operator, make_tool_call(session, "Edit", kind=ToolKind.EDIT, input=json.dumps(arguments)))
    assert 'data-line="removed"' in part
    assert 'data-line="added"' in part
    assert "x = 2 &lt; 3" in part


@pytest.mark.django_db
def test_a_long_patch_is_read_whole_from_its_blob(operator: Client, session: AgentSession) -> None:
    patch = PATCH.replace("+text", "\n".join(f"+line {number}" for number in range(1500)))
    part = opened(operator, make_tool_call(session, "apply_patch", kind=ToolKind.EDIT, input=patch))
    assert part.count("<figure") == 4
    assert "line 1499" in part


@pytest.mark.django_db
@pytest.mark.parametrize(
    "arguments",
    [
        {
            "todos": [
                {"content": "Write <b>", "status": "in_progress"},
                {"content": "Test", "status": "completed"},
            ]
        },
        {"plan": [{"step": "Write <b>", "status": "in_progress"}, {"step": "Test", "status": "completed"}]},
    ],
)
def test_a_plan_is_a_checklist(operator: Client, session: AgentSession, arguments: dict[str, Any]) -> None:
    part = opened(
        operator, make_tool_call(session, "TodoWrite", kind=ToolKind.PLAN, input=json.dumps(arguments))
    )
    assert '<li data-status="running">' in part
    assert '<li data-status="completed">' in part
    assert "Write &lt;b&gt;" in part


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text", ["", "not json", "[1]", "{" * 5000, '{"todos": 3}', '{"a": {"b": [null]}}', "null"]
)
@pytest.mark.parametrize("kind", list(ToolKind))
def test_no_input_makes_a_call_unopenable(
    operator: Client, session: AgentSession, text: str, kind: ToolKind
) -> None:
    opened(operator, make_tool_call(session, "X", kind=kind, input=text))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "status, words",
    [
        (ToolCallStatus.RUNNING, "Still running"),
        (ToolCallStatus.UNANSWERED, "without a result"),
        (ToolCallStatus.COMPLETED, "No output."),
    ],
)  # fmt: skip
def test_a_call_without_output_says_why(
    operator: Client, session: AgentSession, status: ToolCallStatus, words: str
) -> None:
    assert words in opened(operator, make_tool_call(session, status=status, output=""))


@pytest.mark.django_db
def test_ten_megabytes_come_in_bounded_pieces_that_are_the_whole(
    operator: Client, session: AgentSession
) -> None:
    output = "".join(f"line {number} ü€😀\n" for number in range(500_000))
    call = make_tool_call(session, output=output)
    part = opened(operator, call)
    assert len(part) < 40_000
    address = reverse("session-call-piece", args=[session.pk, call.pk, "output"])
    found = []
    following: str | None = f"{address}?from=0"
    while following is not None:
        piece = operator.get(following, headers=HTMX).content.decode()
        assert len(piece.encode()) < PIECE_BYTES + 2_000
        text = re.search(r"<pre[^>]*>(.*)</pre>", piece, re.DOTALL)
        assert text is not None
        found.append(text[1])
        link = re.search(r'hx-get="([^"]+)"', piece)
        following = link[1] if link else None
    assert "".join(found) == output


@given(st.text(max_size=300), st.integers(1, 40))
def test_pieces_join_to_the_text_and_cut_no_character(text: str, limit: int) -> None:
    text = text.encode("utf-8", "replace").decode()
    start, found = 0, ""
    for _ in range(2000):
        piece = piece_of(text, None, start=start, limit=max(limit, 4))
        found += piece.text
        if piece.next is None:
            break
        assert piece.next > start
        start = piece.next
    assert found == text


@pytest.mark.django_db
def test_damaged_bytes_are_said_to_be_damaged(operator: Client, session: AgentSession) -> None:
    call = make_tool_call(session, output="x" * 50_000)
    Blob.objects.filter(pk=call.output_blob_id).update(data=b"\x28\xb5\x2f\xfdbroken")
    response = operator.get(reverse("session-call", args=[session.pk, call.pk]))
    assert response.status_code == 422
    assert "damaged" in response.content.decode()


@pytest.mark.django_db
def test_a_long_message_is_whole_behind_its_link(operator: Client, session: AgentSession) -> None:
    message = make_message(session, "start " + "word " * 5000 + "**end**", role=MessageRole.ASSISTANT)
    page = operator.get(reverse("session", args=[session.pk])).content.decode()
    assert "Show all" in page
    assert "**end**" not in page
    assert "<strong>end</strong>" not in page
    whole = operator.get(reverse("session-message", args=[session.pk, message.pk]), headers=HTMX)
    assert "<strong>end</strong>" in whole.content.decode()


@pytest.mark.django_db
def test_what_a_program_wrote_into_the_conversation_is_shown_as_it_is(
    operator: Client, session: AgentSession
) -> None:
    message = make_message(session, "# <env>\n* x", kind=MessageKind.CONTEXT)
    part = operator.get(
        reverse("session-message", args=[session.pk, message.pk]), headers=HTMX
    ).content.decode()
    assert "# &lt;env&gt;\n* x" in part


@pytest.mark.django_db
def test_reasoning_opens(operator: Client, session: AgentSession) -> None:
    message = make_message(session, "x", reasoning="I *think* so.", reasoning_size=13)
    address = reverse("session-message-piece", args=[session.pk, message.pk, "reasoning"])
    assert "<em>think</em>" in operator.get(address, headers=HTMX).content.decode()
    assert operator.get(address.replace("reasoning", "attachments")).status_code == 404


PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20


def attach(session: AgentSession, media_type: str, name: str = "", content: bytes = PNG) -> str:
    blob = make_blob(content)
    described = {"sha256": blob.pk, "media_type": media_type, "size": blob.size, "name": name}
    message = make_message(session, "", attachments=[described])
    return reverse("session-attachment", args=[session.pk, message.pk, 0])


@pytest.mark.django_db
def test_an_image_is_served_so_that_it_can_do_nothing(operator: Client, session: AgentSession) -> None:
    response = operator.get(attach(session, "image/png", "shot.png"))
    assert response.content == PNG
    assert response["Content-Type"] == "image/png"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert response["Content-Disposition"] == 'inline; filename="shot.png"'


@pytest.mark.django_db
@pytest.mark.parametrize(
    "media_type", ["image/svg+xml", "text/html", "application/pdf", "", "image/png\r\nX: y", "x" * 300]
)
def test_anything_else_is_a_download_of_plain_bytes(
    operator: Client, session: AgentSession, media_type: str
) -> None:
    response = operator.get(attach(session, media_type, '../"evil\r\n.html'))
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment")
    assert "\r" not in response["Content-Disposition"]
    assert "/" not in response["Content-Disposition"]
    assert "X" not in response.headers


@pytest.mark.django_db
def test_an_attachment_that_the_browser_has_is_not_sent_again(
    operator: Client, session: AgentSession, stranger: Client
) -> None:
    address = attach(session, "image/png")
    etag = operator.get(address)["ETag"]
    assert operator.get(address, headers={"If-None-Match": etag}).status_code == 304
    assert stranger.get(address, headers={"If-None-Match": etag}).status_code == 302
    assert operator.get(address.replace("/0/", "/1/")).status_code == 404
